package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis build.
const (
	BuildMov       Value = "build=mov"
	BuildPush      Value = "build=push"
	BuildTrapframe Value = "build=trapframe"
)

var _ = Register(Axis{
	Name: "build", Rank: 40, Path: true, Printed: true,
	Doc: "how the entry builds the frame",
	Values: []Choice{
		{Value: BuildMov, Since: "Linux 3.19", Doc: "one SUB makes room, and each slot is stored by MOV"},
		{Value: BuildPush, Since: "Linux 4.1", Doc: "each slot is pushed, from ss down"},
		{Value: BuildTrapframe, Since: "FreeBSD 10", Doc: "a whole trapframe is stored by MOV, first what SYSCALL left in registers"},
	},
	Excludes: []Exclusion{
		{
			What: "build=push with sp=percpu",
			Why:  "a push cannot leave the sp slot out, nor fill it later",
			Is:   func(v Axes) bool { return v.Is(BuildPush) && v.Is(SPPerCPU) },
		},
		{
			What: "build=push with flags=r11",
			Why:  "a push cannot leave the flags slot out, nor fill it later",
			Is:   func(v Axes) bool { return v.Is(BuildPush) && v.Is(FlagsR11) },
		},
		{
			What: "build=push with top=lazy",
			Why:  "a push cannot leave the ss, cs and cx slots out, nor fill them later",
			Is:   func(v Axes) bool { return v.Is(BuildPush) && v.Is(TopLazy) },
		},
		{
			What: "build=trapframe with a slot left out",
			Why:  "a trapframe is what an interrupt would have left; no path fills a slot of it later (so sp=frame, flags=flags and top=eager)",
			Is:   func(v Axes) bool { return v.Is(BuildTrapframe) && !v.whole() },
		},
	},
})

// movFrame builds the frame as 3.19 does (SAVE_ARGS), then adds what (c), (b)
// and (a) want, in this order: (a) needs RCX when both its slots are filled.
func (v Axes) movFrame() Block {
	regs := regsAt(v.low())
	return Block{
		SUBQ(regsSize-v.low(), RSP),
		MOVQ(RDI, regs.DI),
		MOVQ(RSI, regs.SI),
		MOVQ(RDX, regs.DX),
		MOVQ(-layout.ENOSYS, regs.AX),
		MOVQ(R8, regs.R8),
		MOVQ(R9, regs.R9),
		MOVQ(R10, regs.R10),
		v.r11Slot(regs),
		v.storeRest(regs),
		MOVQ(RAX, regs.OrigAX),
		MOVQ(RCX, regs.IP),
		v.fillTop(regs),
		v.fillFlags(regs),
		v.fillSP(regs),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		v.at(SPSafe),
	}
}

// pushFrame builds the frame as 4.1 does: every slot, from SS down.
func (v Axes) pushFrame() Block {
	return Block{
		PUSHQ(x86.USER_DS).Is(pt.SS),
		PUSHQ(v.scratch()).Is(pt.SP),
		v.at(SPSafe), // only once RSPScratch has been read
		PUSHQ(R11).Is(pt.Flags),
		PUSHQ(x86.USER_CS).Is(pt.CS),
		PUSHQ(RCX).Is(pt.IP),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		PUSHQ(RAX).Is(pt.OrigAX),
		PUSHQ(RDI).Is(pt.DI),
		PUSHQ(RSI).Is(pt.SI),
		PUSHQ(RDX).Is(pt.DX),
		PUSHQ(RCX).Is(pt.CX),
		PUSHQ(-layout.ENOSYS).Is(pt.AX),
		PUSHQ(R8).Is(pt.R8),
		PUSHQ(R9).Is(pt.R9),
		PUSHQ(R10).Is(pt.R10),
		PUSHQ(R11).Is(pt.R11),
		v.pushRest(),
	}
}

// trapframe builds the frame as FreeBSD's fast_syscall does: all of it by MOV, first the
// registers that SYSCALL has set, then RSP and the selectors, with interrupts on as soon as
// PCB_FULL_IRET is clear. amd64_syscall fills the ax slot. The slots of R11 and RCX, which
// FreeBSD has for argument 4 and for nothing, are what SYSRETQ leaves.
func (v Axes) trapframe() Block {
	regs, words, thread := regsAt(v.low()), Fields[layout.TrapWords[Mem]](RSP), Fields[layout.Thread[Mem]](R11)
	return Block{
		SUBQ(regsSize-v.low(), RSP),
		MOVQ(R11, regs.Flags),
		MOVQ(R11, regs.R11),
		MOVQ(RCX, regs.IP),
		MOVQ(RCX, regs.CX),
		MOVQ(v.scratch(), R11),
		MOVQ(R11, regs.SP),
		MOVW(FS, words.TrapNo.Add(layout.TrapFS)).C("tf_fs"),
		MOVW(GS, words.TrapNo.Add(layout.TrapGS)).C("tf_gs"),
		MOVW(ES, words.Flags.Add(layout.TrapES)).C("tf_es"),
		MOVW(DS, words.Flags.Add(layout.TrapDS)).C("tf_ds"),
		MOVQ(gs.Current, R11).C("its PCB"),
		ANDL(^layout.PCBFullIRET, thread.PCBFlags),
		LABEL("entry_SYSCALL_64_after_hwframe"),
		v.at(SPSafe),
		MOVQ(x86.USER_DS, regs.SS),
		MOVQ(x86.USER_CS, regs.CS),
		MOVQ(layout.SyscallSize, words.Err),
		MOVQ(RDI, regs.DI),
		MOVQ(RSI, regs.SI),
		MOVQ(RDX, regs.DX),
		MOVQ(R10, regs.R10),
		MOVQ(R8, regs.R8),
		MOVQ(R9, regs.R9),
		MOVQ(RAX, regs.OrigAX),
		v.storeRest(regs),
		MOVL(layout.TrapHasSegs, words.Flags),
		CLD(),
	}
}

// loadTrapframe loads what SYSRETQ needs in FreeBSD's order, and also R8 to R10, which
// FreeBSD does not keep.
func (v Axes) loadTrapframe(regs *layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.DI, RDI),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.R8, R8),
		MOVQ(regs.R9, R9),
		MOVQ(regs.R10, R10),
		MOVQ(regs.AX, RAX),
		MOVQ(v.userFlags(regs), R11),
		MOVQ(regs.IP, RCX),
	}
}
