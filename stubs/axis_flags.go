package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis flags: change (b).
const (
	FlagsR11  Value = "flags=r11"
	FlagsSlot Value = "flags=flags"
)

var _ = Register(Axis{
	Name: "flags", Rank: 20, Path: true, Printed: true,
	Doc: "the slot that the exit takes the user's RFLAGS from",
	Values: []Choice{
		{Value: FlagsR11, Since: "Linux 3.19", Doc: "the r11 slot; the flags slot is undefined"},
		{Value: FlagsSlot, Since: "Linux 4.1", Doc: "the flags slot, beside which the r11 slot holds them too: change (b)"},
	},
})

// fillFlags is change (b) at entry.
func (v Variant) fillFlags(regs layout.PtRegs[Mem]) Block {
	if !v.Is(FlagsSlot) {
		return nil
	}
	return Block{MOVQ(R11, regs.Flags)}
}

func (v Variant) fixupFlags(regs layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(FlagsSlot) {
		return nil
	}
	return move(regs.R11, tmp, regs.Flags)
}

func (v Variant) restoreFlags(regs layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(FlagsSlot) {
		return nil
	}
	return move(regs.Flags, tmp, regs.R11)
}

// userFlags is the slot of the user's RFLAGS: the exit's side of (b).
func (v Variant) userFlags(regs layout.PtRegs[Mem]) Mem {
	if v.Is(FlagsSlot) {
		return regs.Flags
	}
	return regs.R11
}
