package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/regs"
)

// kernelHalf is the lowest canonical address of the upper half. No pattern of
// package regs is as high.
const kernelHalf = 0xffff_8000_0000_0000

// maxErrno is the greatest error number that a call returns.
const maxErrno = 4095

// maxDiffs is the number of differences that an error names.
const maxDiffs = 4

// wantAfter returns the state that a SYSCALL of lane i must leave: the state of c.In,
// except for the result in RAX and, unless FRED keeps them, the return address in RCX and
// RFLAGS in R11 (SDM volume 2, SYSCALL and SYSRET).
func (fx *fixture) wantAfter(c *regs.Context, i int, result layout.Word) regs.State {
	want := c.In
	want.AX = result
	want.IP = regs.Address(i, regs.Syscall) + regs.SyscallSize
	if !fx.keeps {
		want.CX, want.R11 = want.IP, c.In.Flags
	}
	return want
}

// failure returns the RAX of a call that fails with e.
func failure(e syscall.Errno) layout.Word { return -layout.Word(e) }

// compare returns how got differs from want, nil if it does not. owner names
// the lane that a stack address belongs to; i is the lane of the call.
func compare(want, got *regs.State, i int, owner func(layout.Word) (int, bool)) error {
	var diffs []string
	list := regs.Registers()
	for at := range list {
		r := &list[at]
		name, g, w := r.Name, r.In(got), r.In(want)
		if g == w {
			continue
		}
		text := fmt.Sprintf("%s is %v, want %v", name, g, w)
		switch other, ok := owner(g); {
		case name == "AX" && -g <= maxErrno:
			text += fmt.Sprintf(": %v", syscall.Errno(-g))
		case g >= kernelHalf:
			text += ": kernel word leaked"
		case name == "SP" && got.IP == want.IP && ok && other != i:
			text += ": RIP right, RSP another thread's"
		case name == "SP" && got.IP == want.IP:
			text += ": RIP right, RSP wrong"
		case name == "Flags" || name == "R11" && w&flagsIdle == flagsIdle:
			text += ": " + flagNames(g^w) + " differ"
		}
		diffs = append(diffs, text)
	}
	return join(diffs)
}

// join returns the differences as one error, or nil if there are none.
func join(diffs []string) error {
	if len(diffs) == 0 {
		return nil
	}
	if more := len(diffs) - maxDiffs; more > 0 {
		diffs = append(diffs[:maxDiffs:maxDiffs], fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(diffs, ", "))
}

// flagNames spells RFLAGS bits.
func flagNames(f layout.Word) string {
	var names []string
	for _, b := range []struct {
		bit  layout.Word
		name string
	}{
		{x86.X86_EFLAGS_CF, "CF"},
		{x86.X86_EFLAGS_PF, "PF"},
		{x86.X86_EFLAGS_AF, "AF"},
		{x86.X86_EFLAGS_ZF, "ZF"},
		{x86.X86_EFLAGS_SF, "SF"},
		{x86.X86_EFLAGS_TF, "TF"},
		{x86.X86_EFLAGS_IF, "IF"},
		{x86.X86_EFLAGS_DF, "DF"},
		{x86.X86_EFLAGS_OF, "OF"},
		{x86.X86_EFLAGS_NT, "NT"},
		{x86.X86_EFLAGS_AC, "AC"},
		{x86.X86_EFLAGS_ID, "ID"},
	} {
		if f&b.bit != 0 {
			names = append(names, b.name)
			f &^= b.bit
		}
	}
	if f != 0 {
		names = append(names, f.String())
	}
	return "[" + strings.Join(names, " ") + "]"
}

// compareStack returns how lane i's stack differs from its canary: the red zone
// below RSP (System V ABI, 3.2.2) and everything around it. The word just below RSP
// holds one of insns, because the assembly jumps to an instruction by a RET that
// pops its address.
func compareStack(stack []layout.Word, i int, insns ...layout.Word) error {
	const below, redZone = stackWords/2 - 1, 16
	var diffs []string
	for j, g := range stack {
		w := canary(i, j)
		if g == w || j == below && slices.Contains(insns, g) {
			continue
		}
		text := fmt.Sprintf("the word at RSP%+d is %v, want %v", 8*(j-stackWords/2), g, w)
		switch {
		case g >= kernelHalf:
			text += ": kernel word leaked"
		case below-redZone < j && j <= below:
			text += ": red zone written"
		}
		diffs = append(diffs, text)
	}
	return join(diffs)
}

// slots returns the words of a frame.
func slots(f *layout.PtRegs[layout.Word]) *[layout.NumSlots]layout.Word {
	return (*[layout.NumSlots]layout.Word)(unsafe.Pointer(f))
}

// wantFrame returns the frame that holds the user's values of call c on lane i. FRED puts
// more into the ss slot, and leaves RCX and R11 alone.
func (fx *fixture) wantFrame(c *regs.Context, i int) layout.PtRegs[layout.Word] {
	want := wantFrame(c, i)
	if fx.variant.Info.FRED != 0 {
		want.CX, want.R11, want.SS = c.In.CX, c.In.R11, x86.FREDSyscallSS
	}
	return want
}

// wantFrame returns the frame that SYSCALL's entries build.
func wantFrame(c *regs.Context, i int) layout.PtRegs[layout.Word] {
	in := &c.In
	back := regs.Address(i, regs.Syscall) + regs.SyscallSize
	return layout.PtRegs[layout.Word]{
		R15: in.R15, R14: in.R14, R13: in.R13, R12: in.R12, BP: in.BP, BX: in.BX,
		R11: in.Flags, R10: in.R10, R9: in.R9, R8: in.R8, AX: failure(syscall.ENOSYS), CX: back,
		DX: in.DX, SI: in.SI, DI: in.DI, OrigAX: in.AX,
		IP: back, CS: x86.USER_CS, Flags: in.Flags, SP: in.SP, SS: x86.USER_DS,
	}
}

// compareFrame returns how the given slots of got differ from want.
func compareFrame(want, got *layout.PtRegs[layout.Word], set layout.Slots) error {
	var diffs []string
	for s := range layout.NumSlots {
		if w, g := slots(want)[s], slots(got)[s]; set.Has(s) && w != g {
			diffs = append(diffs, fmt.Sprintf("slot %v is %v, want %v", s, g, w))
		}
	}
	return join(diffs)
}

// comparePoison returns which of the given slots do not hold the poison that
// was on the stack before the call.
func comparePoison(got *layout.PtRegs[layout.Word], set layout.Slots) error {
	var want layout.PtRegs[layout.Word]
	for s := range layout.NumSlots {
		slots(&want)[s] = layout.Poison + 8*layout.Word(s)
	}
	return compareFrame(&want, got, set)
}
