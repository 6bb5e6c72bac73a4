package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis slow.
const (
	SlowIRET   Value = "slow=iret"
	SlowSYSRET Value = "slow=sysret"
	SlowC      Value = "slow=c"
	SlowOnly   Value = "slow=only"
)

var _ = Register(Axis{
	Name: "slow", Rank: 90, Path: true,
	Doc: "the way of a call that needs full pt_regs, or that ends with work to be done",
	Values: []Choice{
		{Value: SlowIRET, Since: "Linux 3.19", Doc: "a wrapper around the handler completes the frame, and IRETQ ends the call"},
		{Value: SlowSYSRET, Since: "Linux 4.0", Doc: "the same, but SYSRETQ ends the call if it does what IRETQ would do"},
		{Value: SlowC, Since: "Linux 4.6", Doc: "the call begins again in do_syscall_64, which takes number and arguments from the frame, and ends as with slow=sysret"},
		{Value: SlowOnly, Since: "Linux 4.16", Doc: "there is no fast path and no wrapper: every call goes through do_syscall_64, and its number is an int, as since 5.14: the upper half of RAX does not count"},
	},
	Excludes: []Exclusion{
		{
			What: "slow=only with a slot left out",
			Why:  "there is no wrapper that would complete the frame for the calls that need the whole of it (so sp=frame, flags=flags, top=eager and regs=full)",
			Is:   func(v Variant) bool { return v.Is(SlowOnly) && (!v.whole() || !v.Is(RegsFull)) },
		},
		{
			What: "slow=only with exit=sysret",
			Why:  "any handler may have changed any slot, and SYSRETQ carries neither a RIP that is not in RCX nor RFLAGS that are not in R11",
			Is:   func(v Variant) bool { return v.Is(SlowOnly) && v.Is(ExitSYSRET) },
		},
		{
			What: "slow=only with work=careful",
			Why:  "there is no fast path from which another thread could be let run",
			Is:   func(v Variant) bool { return v.Is(SlowOnly) && v.Is(WorkCareful) },
		},
		{
			What: "slow=sysret or slow=c with work=careful and top=lazy",
			Why:  "3.19's fix-up puts -1 in the cx slot, which is never the RIP that SYSRETQ would load from RCX",
			Is: func(v Variant) bool {
				return (v.Is(SlowSYSRET) || v.Is(SlowC)) && v.Is(WorkCareful) && v.Is(TopLazy)
			},
		},
	},
})

// slowFuncs are the functions beside the entry's, as Slow has it.
func (v Variant) slowFuncs(suffix string) []Func {
	switch {
	case v.Is(SlowOnly):
		return []Func{v.doSyscall(suffix)}
	case v.Is(SlowC):
		return append(v.ptregs(suffix), v.doSyscall(suffix))
	}
	var funcs []Func
	for _, c := range layout.FullFrameCalls {
		funcs = append(funcs, v.wrapperOf(c, suffix))
	}
	if v.Is(SlowSYSRET) {
		funcs = append(funcs, v.slowSYSRET(suffix))
	}
	return funcs
}

// slow ends the listing of a fast path by where it is left for.
func (v Variant) slow(suffix string) Block {
	if v.Is(SlowC) {
		return v.slowC(suffix)
	}
	return Block{
		LABEL("sysret_signal"),
		v.fixup(regsAt(v.low()), R11),
		v.saveRest(),
		JMP(v.slowExit(suffix)),

		LABEL("tracesys"),
		UD2().C("nothing sets TIFEntryWork"),
	}
}

// slowExit is the function that ends a call whose frame is whole: RSP is at it,
// interrupts are on or off. With SlowIRET it is the kernel's: the one that leaves
// CR3 and SPEC_CTRL alone, or that of traps, which loads what they may have to.
func (v Variant) slowExit(suffix string) string {
	switch {
	case v.Is(SlowSYSRET):
		return FuncName("int_ret_from_sys_call", suffix)
	case !v.Is(CR3Keep) || !v.Is(IBRSOff):
		return "retint_user"
	}
	return "int_ret_from_sys_call"
}

// slowSYSRET is that function with SlowSYSRET.
func (v Variant) slowSYSRET(suffix string) Func {
	return FUNC(v.slowExit(suffix), `int_ret_from_sys_call returns to ring 3: RSP is at a complete PtRegs on top of the
thread's stack, IF is any.`,
		FRAME(0),
		MOVQ(RSP, RDI),
		CALL("syscall_return_slowpath").C("turns interrupts off"),
		v.sysretOrIRET(),
	).In("entry")
}

// slowC is the way of 4.6: both entrances lead to a frame without a slot left
// out, and back from C.
func (v Variant) slowC(suffix string) Block {
	whole := Block{
		v.fixup(regsAt(v.low()), R11),
		v.saveRest(),
		MOVQ(RSP, RDI),
	}
	return Block{
		LABEL("sysret_signal"), // something came up while the handler ran
		v.enableAgain(),
		whole,
		CALL("syscall_return_slowpath").C("turns interrupts off"),
		JMP("return_from_SYSCALL_64"),

		GLOBAL(slowPath(suffix)),
		FRAME(v.low()),
		whole,
		CALL(FuncName("do_syscall_64", suffix)).C("leaves interrupts off"),

		LABEL("return_from_SYSCALL_64"),
		v.sysretOrIRET(),
	}
}

// sysretOrIRET ends a call from a whole frame, with interrupts off: by SYSRETQ
// if the frame allows.
func (v Variant) sysretOrIRET() Block {
	regs := regsAt(0)
	return Block{
		loadCalleeSaved(regs),
		v.at(BeforeExit),
		v.sysretFits(regs, "opportunistic_sysret_failed"),
		LABEL("opportunistic_sysret"),
		loadArgs(regs),
		v.leaveFrame(0),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),

		LABEL("opportunistic_sysret_failed"),
		v.iretFrom(0),
	}
}

// toSlowExit leaves a fast path whose frame has no slot left out at the top.
func (v Variant) toSlowExit(suffix string) Block {
	if v.Is(SlowC) {
		return Block{JMP("sysret_signal")}
	}
	return Block{v.saveRest(), JMP(v.slowExit(suffix))}
}
