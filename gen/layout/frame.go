// Package layout declares, once, every structure that generated code shares
// with a Go program: the entry frame, the per-CPU area, the thread, and what
// the control interface hands to the guest.
//
// Each structure is generic in its word. With T = [Word] it is the memory that
// the guest reads; with T = the assembler's memory operand it is the set of
// operands that the generated code is written with. As there is one
// declaration, offsets cannot drift. Every field is one 64-bit word, an array
// of such words, or another structure of this package.
//
// The generator and the guest both import this package, and it imports neither.
package layout

import "fmt"

// Word is one 64-bit memory word; it prints in hexadecimal, so that a diff of
// two frames shows addresses and flags as a kernel engineer reads them.
type Word uint64

// String returns the word in hexadecimal.
func (w Word) String() string { return fmt.Sprintf("%#x", uint64(w)) }

// PtRegs is the register frame on top of a thread's kernel stack, low address
// first, as Linux lays it out (arch/x86/include/asm/ptrace.h). IP to SS are
// the words that IRETQ pops (SDM volume 3, 7.14).
type PtRegs[T any] struct {
	R15, R14, R13, R12, BP, BX                   T // callee-saved: a partial frame has no room for them
	R11, R10, R9, R8, AX, CX, DX, SI, DI, OrigAX T
	IP, CS, Flags, SP, SS                        T
}

// TrapWords are the words of FreeBSD's trapframe that PtRegs does not have. With
// build=trapframe they are right below PtRegs. Nothing reads them here (FreeBSD 10.4:
// sys/x86/include/frame.h; tf_addr, which calls leave alone, is left out).
type TrapWords[T any] struct {
	TrapNo T // tf_trapno, which calls leave alone; tf_fs at TrapFS and tf_gs at TrapGS
	Flags  T // tf_flags; tf_es at TrapES and tf_ds at TrapDS
	Err    T // tf_err: of a call the size of its SYSCALL
}

// Where 16-bit fields are in words of TrapWords, in bytes.
const (
	TrapFS, TrapGS = 4, 6 // of TrapNo
	TrapES, TrapDS = 4, 6 // of Flags
)

// TrapHasSegs in TrapWords.Flags says that the selectors are there (TF_HASSEGS); SyscallSize is
// the size of SYSCALL in bytes.
const (
	TrapHasSegs = 1 << 0
	SyscallSize = 2
)

// IRETFrame is what the CPU pushes on an interrupt or exception and what
// IRETQ pops, low address first (SDM volume 3, 7.14.2).
type IRETFrame[T any] struct{ IP, CS, Flags, SP, SS T }

// FREDRegs is the register frame of an event that FRED delivers. The CPU writes the
// eight words from PtRegs.OrigAX up, the first of them an error code. RSP0, the stack's
// top, is behind them (Intel, Flexible Return and Event Delivery, "FRED Event Delivery").
type FREDRegs[T any] struct {
	PtRegs    PtRegs[T]
	EventData T // a fault's address, or the bits of a debug trap
	Reserved  T
}

// Slot names one word of PtRegs by its bit number: bit n is the word at 8*n.
type Slot uint

// The slots of PtRegs, in its order.
const (
	SlotR15 Slot = iota
	SlotR14
	SlotR13
	SlotR12
	SlotBP
	SlotBX
	SlotR11
	SlotR10
	SlotR9
	SlotR8
	SlotAX
	SlotCX
	SlotDX
	SlotSI
	SlotDI
	SlotOrigAX
	SlotIP
	SlotCS
	SlotFlags
	SlotSP
	SlotSS
	NumSlots
)

var slotNames = [NumSlots]string{
	"r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx",
	"dx", "si", "di", "orig_ax", "ip", "cs", "flags", "sp", "ss",
}

// String returns the field's name as Linux spells it.
func (s Slot) String() string {
	if s < NumSlots {
		return slotNames[s]
	}
	return fmt.Sprintf("slot(%d)", uint(s))
}

// Slots is a set of slots, one bit each.
type Slots uint64

// SlotSet returns the set that holds the given slots.
func SlotSet(slots ...Slot) Slots {
	var set Slots
	for _, s := range slots {
		set |= 1 << s
	}
	return set
}

// Has reports whether s is in the set.
func (set Slots) Has(s Slot) bool { return set>>s&1 != 0 }

// Sets of slots that frames are described with.
const (
	// SlotsCalleeSaved are the six words that a partial frame has no room for.
	SlotsCalleeSaved Slots = 1<<SlotR15 | 1<<SlotR14 | 1<<SlotR13 | 1<<SlotR12 | 1<<SlotBP | 1<<SlotBX
	// SlotsAll is full pt_regs.
	SlotsAll Slots = 1<<NumSlots - 1
)
