package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis leave.
const (
	LeaveStack      Value = "leave=stack"
	LeaveTrampoline Value = "leave=trampoline"
)

var _ = Register(Axis{
	Name: "leave", Rank: 130,
	Doc: "where the exit by SYSRETQ takes the user's RSP from, as its last load",
	Values: []Choice{
		{Value: LeaveStack, Since: "Linux 3.19", Doc: "from where it is during the call"},
		{
			Value: LeaveTrampoline, Since: "Linux 4.16", Promises: PromiseTrampoline,
			Doc: "from a small stack to which RSP and RDI are moved first, as CR3 must be loaded after the last access to any other memory; Linux does so without page-table isolation too",
		},
	},
	Excludes: []Exclusion{{
		What: "leave=trampoline without SYSRETQ",
		Why:  "IRETQ loads RSP and RIP at once, so nothing is left to load from a second stack",
		Is:   func(v Axes) bool { return v.Is(LeaveTrampoline) && !v.sysrets() },
	}},
})

// leave loads the user's RSP from where it is during the call. RSP is off bytes
// above the frame's start; RDI is already loaded.
func (v Axes) leave(off int) Block { return v.leaveBy(off, v.userSP) }

// leaveFrame loads RSP, and RDI if need be, from a frame that is whole.
func (v Axes) leaveFrame(off int) Block {
	return v.leaveBy(off, func(regs *layout.PtRegs[Mem]) Mem { return regs.SP })
}

func (v Axes) leaveBy(off int, sp func(*layout.PtRegs[Mem]) Mem) Block {
	if !v.Is(LeaveTrampoline) {
		return Block{MOVQ(sp(regsAt(off)), RSP)}
	}
	regs := Fields[layout.PtRegs[Mem]](RDI.At(-off))
	return Block{
		MOVQ(RSP, RDI).C("the frame"),
		MOVQ(gs.TSS.SP1, RSP).C("the trampoline stack"),
		PUSHQ(sp(regs)),
		PUSHQ(regs.DI),
		v.at(OnTrampoline),
		POPQ(RDI),
		POPQ(RSP),
	}
}
