package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis regs.
const (
	RegsPartial Value = "regs=partial"
	RegsRoom    Value = "regs=room"
	RegsSaved   Value = "regs=saved"
	RegsFull    Value = "regs=full"
)

var _ = Register(Axis{
	Name: "regs", Rank: 50, Path: true, Printed: true,
	Doc: "what the frame holds for the callee-saved registers RBX, RBP and R12 to R15",
	Values: []Choice{
		{Value: RegsPartial, Since: "Linux 3.19", Doc: "neither their values nor room for them"},
		{Value: RegsRoom, Since: "Linux 4.1", Doc: "room, which only the calls that need it fill"},
		{Value: RegsSaved, Since: "FreeBSD 7", Doc: "all are saved at entry, and left alone at the exit: the handler keeps them, and code that changes one in the frame loads it"},
		{Value: RegsFull, Since: "Linux 4.16", Doc: "all are saved at entry and restored at the exit"},
	},
	Excludes: []Exclusion{{
		What: "regs=saved with another exit than exit=sysret, or with slow=c or slow=only",
		Why:  "a handler may have changed any slot there, and its changes to the callee-saved registers' slots would be lost",
		Is: func(v Axes) bool {
			return v.Is(RegsSaved) && (!v.Is(ExitSYSRET) || v.Is(SlowC) || v.Is(SlowOnly))
		},
	}},
})

// savesAll reports whether the entry saves the callee-saved registers.
func (v Axes) savesAll() bool { return v.Is(RegsFull) || v.Is(RegsSaved) }

// low returns where RSP is while a handler runs, in bytes above the frame's start.
func (v Axes) low() int {
	switch {
	case v.Is(RegsPartial):
		return pt.R11.Off
	case v.Is(BuildTrapframe):
		return -trapSize
	}
	return pt.R15.Off
}

// storeRest stores the callee-saved registers of a full frame.
func (v Axes) storeRest(regs *layout.PtRegs[Mem]) Block {
	if !v.savesAll() {
		return nil
	}
	return storeCalleeSaved(regs)
}

// pushRest ends a frame that goes further than a partial one: with the callee-saved
// registers, or with room for them.
func (v Axes) pushRest() Block {
	switch {
	case v.Is(RegsRoom):
		return Block{SUBQ(restSize, RSP).C("room for bx bp r12-r15")}
	case v.savesAll():
		return pushCalleeSaved()
	}
	return nil
}

// pushScratch pushes the registers that a function may clobber, below di.
func pushScratch() Block {
	return Block{
		PUSHQ(RSI).Is(pt.SI),
		PUSHQ(RDX).Is(pt.DX),
		PUSHQ(RCX).Is(pt.CX),
		PUSHQ(RAX).Is(pt.AX),
		PUSHQ(R8).Is(pt.R8),
		PUSHQ(R9).Is(pt.R9),
		PUSHQ(R10).Is(pt.R10),
		PUSHQ(R11).Is(pt.R11),
	}
}

// pushCalleeSaved pushes the registers that a function must keep, below r11.
func pushCalleeSaved() Block {
	return Block{
		PUSHQ(RBX).Is(pt.BX),
		PUSHQ(RBP).Is(pt.BP),
		PUSHQ(R12).Is(pt.R12),
		PUSHQ(R13).Is(pt.R13),
		PUSHQ(R14).Is(pt.R14),
		PUSHQ(R15).Is(pt.R15),
	}
}

// loadRest restores the callee-saved registers at the fast exit.
func (v Axes) loadRest(regs *layout.PtRegs[Mem]) Block {
	if !v.Is(RegsFull) {
		return nil
	}
	return loadCalleeSaved(regs)
}

// loadRestSlow restores them at the slow exit if the frame has them.
func (v Axes) loadRestSlow(regs *layout.PtRegs[Mem]) Block {
	if !v.savesAll() {
		return nil
	}
	return loadCalleeSaved(regs)
}

// saveRest completes the bottom of the frame and leaves RSP at its start. Before,
// RSP is where it was when the handler was called.
func (v Axes) saveRest() Block {
	switch {
	case v.Is(RegsPartial):
		return Block{SUBQ(restSize, RSP), storeCalleeSaved(regsAt(0))}
	case v.Is(RegsRoom):
		return storeExtra(regsAt(0))
	}
	return nil
}

// restoreRest undoes saveRest: it loads the callee-saved registers, as a handler may
// have changed them in the frame.
func (v Axes) restoreRest() Block {
	switch {
	case v.Is(RegsPartial):
		return Block{loadCalleeSaved(regsAt(0)), ADDQ(restSize, RSP)}
	case v.Is(RegsRoom):
		return loadCalleeSaved(regsAt(0))
	}
	return nil
}

// saveRestCalled works like saveRest, but inside a function: its return address is on top
// of the stack before and after. A partial frame grows downwards, so the return address is
// moved. Clobbers R11.
func (v Axes) saveRestCalled() Block {
	switch {
	case v.Is(RegsPartial):
		return Block{
			POPQ(R11).C("the return address"),
			v.saveRest(),
			PUSHQ(R11),
		}
	case v.Is(RegsRoom):
		return storeExtra(regsAt(-8))
	}
	return nil
}

// ret returns to the entry path after saveRestCalled.
func (v Axes) ret() Ins {
	if v.Is(RegsPartial) {
		return RETN(restSize)
	}
	return RET()
}

// loadRestCalled undoes saveRestCalled except for RSP; the exit loads the registers of
// a full frame.
func (v Axes) loadRestCalled() Block {
	if v.Is(RegsFull) {
		return nil
	}
	return loadCalleeSaved(regsAt(-8))
}
