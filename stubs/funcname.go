package stubs

import (
	"fmt"
	"strings"
)

// Functions that every variant has.
const (
	Entry         = "entry_SYSCALL_64"      // SYSCALL arrives here
	SwitchTo      = "__switch_to_asm"       // the variant's part of the context switch
	TrapReturn    = "retint_swapgs"         // the variant's end of a trap from ring 3, if it has one
	ErrorEntry    = "error_entry"           // interrupts and exceptions go here from their vectors' code, if it is the variant's
	ParanoidEntry = "paranoid_entry"        // and those with stacks of their own here
	ParanoidLast  = "paranoid_last"         // the IRETQ of ParanoidEntry
	SlowExit      = "int_ret_from_sys_call" // the slow exit, if it has one of its own
	NewThread     = "ret_from_fork"         // where a new thread begins, if the variant takes it to ring 3
	SyscallInit   = "syscall_init"          // sets the MSRs of SYSCALL
)

// Functions of variants with entry=fred.
const (
	FREDEntry       = "asm_fred_entrypoint_user"   // events of ring 3 arrive here, SYSCALL among them
	FREDKernelEntry = "asm_fred_entrypoint_kernel" // those of ring 0
	FREDReturn      = "fred_return"                // the end of a trap from ring 3

	fredFromUser = "fred_entry_from_user"
	fredExit     = "asm_fred_exit_user"
)

// EntryName returns the name of the function at which calls arrive.
func (v Axes) EntryName() string {
	if v.Is(EntryFRED) {
		return FREDEntry
	}
	return Entry
}

// FuncName returns the name that a function of a variant, or a global label of one,
// has in an image, where other variants have functions of the same name.
func FuncName(function, variant string) string { return function + "." + variant }

// CutFuncName takes apart a name that [FuncName] made; ok is false for a function that
// belongs to the kernel and to no variant.
func CutFuncName(name string) (function, variant string, ok bool) { return strings.Cut(name, ".") }

// FuncName returns the name in an image of a function of the variant.
func (n Variant) FuncName(function string) string { return FuncName(function, n.Name) }

// copyMark is between a variant's name and the number of a copy.
const copyMark = "#"

// CopyName returns what stands behind a variant's name in the names of a copy's functions;
// the first has number 0, and nothing there.
func CopyName(number int) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprintf("%s%d", copyMark, number)
}
