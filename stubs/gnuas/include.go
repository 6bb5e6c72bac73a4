package gnuas

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Include returns the text of the include file: the offset of every field of
// PtRegs, PerCPU and Thread, their sizes, and the constants that an entry path
// needs, as symbols for as.
func Include() string {
	var b strings.Builder
	b.WriteString("# Made by `entrylab layout -gas` from package gen/layout. Offsets are in bytes.\n" +
		"# A file names the variant whose conventions it follows: # entrylab: base linux-4.1\n")
	set := func(name string, value int64) { fmt.Fprintf(&b, ".set %s, %d\n", name, value) }
	structure := func(prefix, what string, slots any, size int) {
		fmt.Fprintf(&b, "\n# %s\n", what)
		for _, s := range Words(slots) {
			set(prefix+"_"+constantCase(s.Name), int64(s.Off))
		}
		set(prefix+"_SIZE", int64(size))
	}
	structure("PT_REGS", "The frame at the top of the kernel stack.", asm.Slots[layout.PtRegs[asm.Slot]](), asm.SizeOf[layout.PtRegs[asm.Mem]]())
	structure("PERCPU", "What GS points to in the kernel, followed by the TSS.", asm.Slots[layout.PerCPU[asm.Slot]](), asm.SizeOf[layout.PerCPU[asm.Mem]]())
	structure("THREAD", "The thread, at the bottom of the kernel stack: THREAD_STACK below its top.", asm.Slots[layout.Thread[asm.Slot]](), asm.SizeOf[layout.Thread[asm.Mem]]())
	b.WriteString("\n# Constants.\n")
	for _, c := range []struct {
		name  string
		value int64
	}{
		{"THREAD_STACK", layout.ThreadSize},
		{"TIF_NEED_RESCHED", layout.TIFNeedResched},
		{"TIF_SIGPENDING", layout.TIFSigPending},
		{"TIF_ALLWORK", layout.TIFAllWork},
		{"TIF_ENTRY_WORK", layout.TIFEntryWork},
		{"SYSCALL_MAX", layout.SysCallMax},
		{"TASK_SIZE_MAX", layout.TaskSizeMax},
		{"ENOSYS", layout.ENOSYS},
		{"USER_CS", x86.USER_CS},
		{"USER_DS", x86.USER_DS},
		{"KERNEL_CS", x86.KERNEL_CS},
		{"KERNEL_DS", x86.KERNEL_DS},
		{"X86_EFLAGS_TF", x86.X86_EFLAGS_TF},
		{"X86_EFLAGS_RF", x86.X86_EFLAGS_RF},
		{"MSR_IA32_SPEC_CTRL", x86.MSR_IA32_SPEC_CTRL},
		{"SPEC_CTRL_IBRS", x86.SPEC_CTRL_IBRS},
	} {
		set(c.name, c.value)
	}
	return b.String()
}

// Words lists the fields of a structure of slots; of an array, the first.
func Words(structure any) []asm.Slot {
	var list []asm.Slot
	walk(reflect.ValueOf(structure), func(s asm.Slot) { list = append(list, s) })
	return list
}

// walk calls fn for each slot of a structure of slots, and for the first of an
// array.
func walk(v reflect.Value, fn func(asm.Slot)) {
	switch {
	case v.Type() == reflect.TypeFor[asm.Slot]():
		fn(v.Interface().(asm.Slot))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), fn)
		}
	case v.Kind() == reflect.Array:
		walk(v.Index(0), fn)
	}
}

// constantCase writes a field's name as the name of a constant: OrigAX is ORIG_AX, and
// TSS.IST[0] is TSS_IST.
func constantCase(name string) string {
	var b strings.Builder
	runes := []rune(strings.TrimSuffix(name, "[0]"))
	for i, r := range runes {
		switch {
		case r == '.':
			r = '_'
		case i > 0 && unicode.IsUpper(r) && runes[i-1] != '.' &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
