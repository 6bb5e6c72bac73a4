package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis flags: change (b), which has two readings. The mail keeps
// the store to the r11 slot, "to the extent that you continue to initialize R11
// on entry"; Linux's commit 29722cd4ef66 moved it.
const (
	FlagsR11   Value = "flags=r11"
	FlagsSlot  Value = "flags=flags"
	FlagsMoved Value = "flags=moved"
)

var _ = Register(Axis{
	Name: "flags", Rank: 20, Path: true, Printed: true,
	Doc: "the slot from which the exit takes the user's RFLAGS",
	Values: []Choice{
		{Value: FlagsR11, Since: "Linux 3.19", Doc: "the r11 slot; the flags slot is undefined"},
		{Value: FlagsSlot, Since: "Linux 4.1", Doc: "the flags slot, while the r11 slot still holds them too: change (b) as the mail has it"},
		{Value: FlagsMoved, Since: "Linux 4.1", Doc: "the flags slot; the r11 slot is undefined until the fix-up: change (b) as Linux took it first (29722cd4ef66)"},
	},
	Excludes: []Exclusion{
		{
			What: "flags=moved with build=push",
			Why:  "a push cannot leave the r11 slot out, nor fill it later",
			Is:   func(v Axes) bool { return v.Is(FlagsMoved) && v.Is(BuildPush) },
		},
		{
			What: "flags=moved with exit=iret or exit=opportunistic",
			Why:  "after IRETQ, R11 must hold what SYSRETQ would leave, and it is loaded from the r11 slot, which is undefined",
			Is: func(v Axes) bool {
				return v.Is(FlagsMoved) && (v.Is(ExitIRET) || v.Is(ExitOpportunistic))
			},
		},
	},
})

// r11Slot stores R11 if the r11 slot holds the flags from the entry on.
func (v Axes) r11Slot(regs *layout.PtRegs[Mem]) Block {
	if v.Is(FlagsMoved) {
		return nil
	}
	return Block{MOVQ(R11, regs.R11).C("the user's RFLAGS")}
}

// fillFlags makes change (b) at entry: the user's RFLAGS are stored in the flags slot.
func (v Axes) fillFlags(regs *layout.PtRegs[Mem]) Block {
	if v.Is(FlagsR11) {
		return nil
	}
	return Block{MOVQ(R11, regs.Flags)}
}

// fixupFlags fills the one of the two slots that the entry has left open.
func (v Axes) fixupFlags(regs *layout.PtRegs[Mem], tmp Reg) Block {
	switch {
	case v.Is(FlagsSlot):
		return nil
	case v.Is(FlagsMoved):
		return move(regs.Flags, tmp, regs.R11)
	}
	return move(regs.R11, tmp, regs.Flags)
}

// restoreFlags copies changed flags to the slot that the exit reads.
func (v Axes) restoreFlags(regs *layout.PtRegs[Mem], tmp Reg) Block {
	if !v.Is(FlagsR11) {
		return nil
	}
	return move(regs.Flags, tmp, regs.R11)
}

// userFlags returns the slot of the user's RFLAGS: the exit's side of (b).
func (v Axes) userFlags(regs *layout.PtRegs[Mem]) Mem {
	if v.Is(FlagsR11) {
		return regs.R11
	}
	return regs.Flags
}
