package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis exit.
const (
	ExitSYSRET        Value = "exit=sysret"
	ExitIRET          Value = "exit=iret"
	ExitOpportunistic Value = "exit=opportunistic"
)

var _ = Register(Axis{
	Name: "exit", Rank: 60, Path: true, Printed: true,
	Doc: "the instruction that ends an ordinary call",
	Values: []Choice{
		{Value: ExitSYSRET, Since: "Linux 3.19", Doc: "SYSRETQ, without a test of the frame"},
		{Value: ExitIRET, Since: "no release", Doc: "IRETQ"},
		{Value: ExitOpportunistic, Since: "Linux 4.16", Doc: "SYSRETQ if IRETQ would do the same with the frame, else IRETQ"},
	},
	Excludes: []Exclusion{
		{
			What: "exit=iret with sp=percpu",
			Why:  "IRETQ pops RSP from the sp slot, which is undefined",
			Is:   func(v Axes) bool { return v.Is(ExitIRET) && v.Is(SPPerCPU) },
		},
		{
			What: "exit=iret with flags=r11",
			Why:  "IRETQ pops RFLAGS from the flags slot, which is undefined",
			Is:   func(v Axes) bool { return v.Is(ExitIRET) && v.Is(FlagsR11) },
		},
		{
			What: "exit=iret with top=lazy",
			Why:  "there are no CS and SS for IRETQ to pop",
			Is:   func(v Axes) bool { return v.Is(ExitIRET) && v.Is(TopLazy) },
		},
		{
			What: "exit=opportunistic with sp=percpu",
			Why:  "a frame that does not allow SYSRET goes to IRETQ, and its sp slot is undefined",
			Is:   func(v Axes) bool { return v.Is(ExitOpportunistic) && v.Is(SPPerCPU) },
		},
		{
			What: "exit=opportunistic with flags=r11",
			Why:  "the test whether SYSRET would load the same RFLAGS reads the flags slot, which is undefined",
			Is:   func(v Axes) bool { return v.Is(ExitOpportunistic) && v.Is(FlagsR11) },
		},
		{
			What: "exit=opportunistic with top=lazy",
			Why:  "the test whether SYSRET would load the same CS, SS and RCX reads their slots, which are undefined",
			Is:   func(v Axes) bool { return v.Is(ExitOpportunistic) && v.Is(TopLazy) },
		},
	},
})

// exit returns to ring 3.
func (v Axes) exit(suffix string) Block {
	switch {
	case v.Is(ExitIRET):
		return v.iret()
	case v.Is(ExitOpportunistic):
		return v.opportunistic(suffix)
	}
	return v.sysret()
}

// sysret returns by SYSRETQ, which loads RIP from RCX and RFLAGS from R11. RSP
// is loaded last: after it the frame is out of reach.
func (v Axes) sysret() Block {
	regs := regsAt(v.low())
	exit := Block{LABEL("syscall_return_via_sysret"), v.at(BeforeExit), v.loadRest(regs)}
	switch {
	case v.Is(BuildMov) || v.Is(SlowC): // the order of 3.19 and 4.6
		exit = append(exit, v.loadSYSRET(regs), loadArgs(regs))
	default: // the order of 4.1
		exit = append(exit, loadArgs(regs), v.loadSYSRET(regs))
	}
	return append(exit,
		v.leave(v.low()),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),
	)
}

// iret returns by IRETQ. RCX and R11 get the values that SYSRETQ would leave.
func (v Axes) iret() Block {
	return Block{
		LABEL("swapgs_restore_regs_and_return_to_usermode"),
		v.at(BeforeExit),
		v.loadRest(regsAt(v.low())),
		v.iretFrom(v.low(), "fast_"),
	}
}

// opportunistic returns by SYSRETQ if the frame allows it, else by the slow
// exit.
func (v Axes) opportunistic(suffix string) Block {
	regs := regsAt(v.low())
	return Block{
		v.sysretFits(regs, "syscall_return_via_slow_exit"),

		LABEL("syscall_return_via_sysret"),
		v.at(BeforeExit),
		v.loadRest(regs),
		v.loadFitting(regs, v.at(BeforeExit) == nil),
		v.leave(v.low()),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),

		LABEL("syscall_return_via_slow_exit"),
		v.toSlowExit(suffix),
	}
}
