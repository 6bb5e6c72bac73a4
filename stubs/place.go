package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Stack is where the entry finds the top of the thread's kernel stack.
type Stack uint8

const (
	// StackPerCPU is TopOfStack, in the line of RSPScratch; Linux to 4.1 has a
	// word of its own for it (kernel_stack), and so has 6.2 (pcpu_hot).
	StackPerCPU Stack = iota
	// StackSP0 is the TSS's, which interrupts use: 4.2 to 4.14. It saves the
	// context switch a store, which the kernel here makes all the same.
	StackSP0
)

func (v Variant) stackTop() Mem {
	if v.Stack == StackSP0 {
		return gs.TSS.SP0
	}
	return gs.TopOfStack
}

// Scratch is the word that takes the user's RSP while there is no stack yet.
type Scratch uint8

const (
	// ScratchPerCPU is RSPScratch.
	ScratchPerCPU Scratch = iota
	// ScratchSP2 is a word of the TSS that only ring 2 would need: 4.20 on. It is
	// in one line with SP0 and SP1, and mapped wherever the TSS is.
	ScratchSP2
)

func (v Variant) scratch() Mem {
	if v.Scratch == ScratchSP2 {
		return gs.TSS.SP2
	}
	return gs.RSPScratch
}

// Leave is where SYSRETQ's path takes the user's RSP from, last of all.
type Leave uint8

const (
	// LeaveStack is the place where it is during the call.
	LeaveStack Leave = iota
	// LeaveTrampoline is a small stack that RSP and RDI are moved to first: 4.16
	// on, which has to load CR3 behind the last access to any other memory, and
	// takes this way with page-table isolation and without.
	LeaveTrampoline
)

// leave loads the user's RSP from where it is during the call. RSP is off bytes
// above the frame's start; RDI is loaded already.
func (v Variant) leave(off int) Block { return v.leaveBy(off, v.userSP) }

// leaveFrame loads it, and RDI if need be, from a frame that is whole.
func (v Variant) leaveFrame(off int) Block {
	return v.leaveBy(off, func(regs layout.PtRegs[Mem]) Mem { return regs.SP })
}

func (v Variant) leaveBy(off int, sp func(layout.PtRegs[Mem]) Mem) Block {
	if v.Leave != LeaveTrampoline {
		return Block{MOVQ(sp(regsAt(off)), RSP)}
	}
	regs := Fields[layout.PtRegs[Mem]](RDI.At(-off))
	return Block{
		MOVQ(RSP, RDI).C("the frame"),
		MOVQ(gs.TSS.SP1, RSP).C("the trampoline stack"),
		PUSHQ(sp(regs)),
		PUSHQ(regs.DI),
		v.toUserCR3(RDI),
		POPQ(RDI),
		POPQ(RSP),
	}
}
