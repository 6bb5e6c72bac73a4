package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis stackleak.
const (
	StackleakKept  Value = "stackleak=kept"
	StackleakErase Value = "stackleak=erase"
)

var _ = Register(Axis{
	Name: "stackleak", Rank: 185,
	Of: SlowOnly, OfWhy: "Linux has had it since 4.20, where every call goes through do_syscall_64",
	Doc: "what a call leaves on the kernel stack below its frame",
	Values: []Choice{
		{Value: StackleakKept, Since: "Linux 3.19", Doc: "what its functions have written there"},
		{
			// Linux 6.12: arch/x86/entry/calling.h, STACKLEAK_ERASE_NOCLOBBER and
			// STACKLEAK_ERASE; kernel/stackleak.c.
			Value: StackleakErase, Since: "Linux 4.20", Promises: PromiseErased,
			Puts: Puts{OnTrampoline: eraseFromTrampoline},
			Doc:  "nothing: the exit looks for the end of what was used, which is where 16 words are as they were left before, and overwrites it (CONFIG_STACKLEAK, since 6.17 CONFIG_KSTACK_ERASE); so do traps",
		},
	},
	Excludes: []Exclusion{
		{
			What: "stackleak=erase with kstack=rdtsc, kstack=prng or kstack=called",
			Why:  "the words that an offset skips are as they were left before, and 16 of them end the search. Linux builds with both: then only functions with 100 bytes of locals, which store how deep the stack is (stackleak_track_stack), make sure that what lies below is found",
			Is:   func(v Axes) bool { return v.erases() && v.lowersStack() },
		},
		{
			What: "stackleak=erase with ibrs=entry",
			Why:  "the exit calls a function of the kernel when SPEC_CTRL is ring 3's again: Linux has the two in this order",
			Is:   func(v Axes) bool { return v.erases() && v.Is(IBRSEntry) },
		},
		{
			What: "stackleak=erase with leave=stack and SYSRETQ",
			Why:  "the registers that are loaded already must wait on a stack that is not the thread's",
			Is:   func(v Axes) bool { return v.erases() && v.Is(LeaveStack) && v.sysrets() && !v.Is(EntryFRED) },
		},
	},
})

// stackleakErase is the kernel's function that erases.
const stackleakErase = "stackleak_erase"

// erases reports whether the exit erases the stack.
func (v Axes) erases() bool { return v.Is(StackleakErase) }

// eraseFromTrampoline erases the thread's stack up to its frame, and keeps every
// register: STACKLEAK_ERASE_NOCLOBBER. RSP is on the trampoline stack.
func eraseFromTrampoline(v Axes) Block {
	all := []Reg{RDI, RSI, RDX, RCX, RAX, R8, R9, R10, R11, RBX, RBP, R12, R13, R14, R15}
	b := pushes(all...)
	for _, r := range all {
		if r != RDI && r != RAX {
			b = append(b, XORL(r, r))
		}
	}
	return Block{b, CALL(stackleakErase), pops(all...)}
}

// eraseOnStack erases it while RSP is at the frame, which the registers are loaded from
// only afterwards: STACKLEAK_ERASE. Where a page table is loaded, the trampoline stack is
// used by this exit as well.
func (v Axes) eraseOnStack() Block {
	if !v.erases() || v.isolates() {
		return nil
	}
	return Block{CALL(stackleakErase)}
}
