package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis sp: change (a).
const (
	SPPerCPU Value = "sp=percpu"
	SPFrame  Value = "sp=frame"
)

var _ = Register(Axis{
	Name: "sp", Rank: 10, Path: true, Printed: true,
	Doc: "where the user's RSP is during a call",
	Values: []Choice{
		{Value: SPPerCPU, Since: "Linux 3.19", Doc: "in a per-CPU word, which the context switch saves and restores (thread.usersp)"},
		{Value: SPFrame, Since: "Linux 4.1", Doc: "in its slot of the frame: change (a)"},
	},
	Excludes: []Exclusion{{
		What: "sp=frame with irq=early",
		Why:  "an interrupt between the store to RSPScratch and the load of it lets another thread's SYSCALL overwrite it, and this thread returns on that thread's stack",
		Is:   func(v Axes) bool { return v.Is(SPFrame) && v.Is(IRQEarly) },
	}},
})

// fillSP makes change (a) at entry: the user's RSP is copied into the frame. RCX is already
// in the frame, and free.
func (v Axes) fillSP(regs *layout.PtRegs[Mem]) Block {
	if !v.Is(SPFrame) {
		return nil
	}
	return move(v.scratch(), RCX, regs.SP)
}

func (v Axes) fixupSP(regs *layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(SPFrame) {
		return nil
	}
	return move(v.scratch(), tmp, regs.SP)
}

func (v Axes) restoreSP(regs *layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(SPFrame) {
		return nil
	}
	return move(regs.SP, tmp, v.scratch())
}

// userSP returns where the user's RSP is during a call: the exit's side of (a).
func (v Axes) userSP(regs *layout.PtRegs[Mem]) Mem {
	if v.Is(SPFrame) {
		return regs.SP
	}
	return v.scratch()
}

// swapUserSP is the code that (a) makes needless: the old thread's call may still need
// RSPScratch, and the next thread's SYSCALL will overwrite it (3.19's __switch_to:
// thread.usersp).
func (v Axes) swapUserSP() Block {
	if !v.usesScratch() {
		return nil
	}
	return Block{move(v.scratch(), RAX, prev.UserSP), move(next.UserSP, RAX, v.scratch())}
}

// usesScratch reports whether the user's RSP is live in a per-CPU word during a
// call.
func (v Axes) usesScratch() bool { return v.Is(SPPerCPU) && !v.Bare }
