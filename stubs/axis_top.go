package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis top: change (c).
const (
	TopLazy  Value = "top=lazy"
	TopEager Value = "top=eager"
)

var _ = Register(Axis{
	Name: "top", Rank: 30, Path: true, Printed: true,
	Doc: "when the cs, ss and cx slots are filled",
	Values: []Choice{
		{Value: TopLazy, Since: "Linux 3.19", Doc: "by the fix-up of the calls that need them"},
		{Value: TopEager, Since: "Linux 4.1", Doc: "at every entry: change (c)"},
	},
})

// fillTop makes change (c) at entry: it fills the slots that SYSRET does not need but that
// IRETQ and readers of the frame do.
func (v Axes) fillTop(regs *layout.PtRegs[Mem]) Block {
	if !v.Is(TopEager) {
		return nil
	}
	return Block{
		MOVQ(RCX, regs.CX),
		MOVQ(x86.USER_CS, regs.CS),
		MOVQ(x86.USER_DS, regs.SS),
	}
}

func (v Axes) fixupTop(regs *layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(TopEager) {
		return nil
	}
	return Block{
		MOVQ(x86.USER_DS, regs.SS),
		MOVQ(x86.USER_CS, regs.CS),
		v.fixupCX(regs, tmp),
	}
}

// fixupCX fills the cx slot. SYSCALL has not kept RCX, and 3.19 marks that with -1.
// From 4.0 on even a reschedule takes the slow path, which must look the same to the
// user as the fast one: RCX is what SYSRETQ would leave.
func (v Axes) fixupCX(regs *layout.PtRegs[Mem], tmp Reg) Block {
	if v.Is(WorkTest) {
		return move(regs.IP, tmp, regs.CX)
	}
	return Block{MOVQ(-1, regs.CX).C("not kept by SYSCALL")}
}
