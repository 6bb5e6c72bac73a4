package stubs

import (
	"math/bits"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis slow.
const (
	SlowIRET   Value = "slow=iret"
	SlowSYSRET Value = "slow=sysret"
	SlowC      Value = "slow=c"
	SlowOnly   Value = "slow=only"
	SlowDoreti Value = "slow=doreti"
)

var _ = Register(Axis{
	Name: "slow", Rank: 90, Path: true,
	Doc: "the path of a call that needs full pt_regs, or that ends with work to do",
	Values: []Choice{
		{Value: SlowIRET, Since: "Linux 3.19", Doc: "a wrapper around the handler completes the frame, and IRETQ ends the call after a loop that does the work (int_ret_from_sys_call)"},
		{Value: SlowSYSRET, Since: "Linux 4.0", Doc: "the same, but SYSRETQ ends the call if it does what IRETQ would do"},
		{Value: SlowC, Since: "Linux 4.6", Doc: "the call begins again in do_syscall_64, which takes number and arguments from the frame, and ends as with slow=sysret"},
		{Value: SlowOnly, Since: "Linux 4.16", Doc: "there is no fast path and no wrapper: every call goes through do_syscall_64, and its number is an int, as it is since 5.14: the upper half of RAX is ignored"},
		{
			// FreeBSD 10.4: sys/amd64/amd64/exception.S (fast_syscall, doreti), trap.c
			// (amd64_syscall).
			Value: SlowDoreti, Since: "FreeBSD 10",
			Doc: "every call goes through amd64_syscall, which takes number and arguments from the frame; who changes what SYSRETQ does not carry sets PCB_FULL_IRET, and the exit tests it: then doreti ends the call by IRETQ",
		},
	},
	Excludes: []Exclusion{
		{
			What: "slow=only with a slot left out",
			Why:  "no wrapper completes the frame for full-frame calls (so sp=frame, flags=flags, top=eager and regs=full)",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && (!v.whole() || !v.Is(RegsFull)) },
		},
		{
			What: "slow=only with exit=sysret",
			Why:  "any handler may have changed any slot, and SYSRETQ carries neither a RIP that is not in RCX nor RFLAGS that are not in R11",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && v.Is(ExitSYSRET) },
		},
		{
			What: "slow=only with work=careful",
			Why:  "there is no fast path from which another thread could be allowed to run",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && v.Is(WorkCareful) },
		},
		{
			What: "slow=sysret or slow=c with work=careful and top=lazy",
			Why:  "3.19's fix-up puts -1 in the cx slot, which is never the RIP that SYSRETQ would load from RCX",
			Is: func(v Axes) bool {
				return (v.Is(SlowSYSRET) || v.Is(SlowC)) && v.Is(WorkCareful) && v.Is(TopLazy)
			},
		},
		{
			What: "slow=doreti without build=trapframe, or build=trapframe with another slow",
			Why:  "amd64_syscall and doreti take what such an entry leaves, and no other code does",
			Is:   func(v Axes) bool { return v.Is(SlowDoreti) != v.Is(BuildTrapframe) },
		},
		{
			What: "slow=doreti with regs=partial or regs=room",
			Why:  "doreti loads all registers from the frame, and nothing fills it later",
			Is:   func(v Axes) bool { return v.Is(SlowDoreti) && !v.savesAll() },
		},
		{
			What: "slow=doreti with exit=iret or exit=opportunistic",
			Why:  "PCB_FULL_IRET alone decides between SYSRETQ and IRETQ",
			Is:   func(v Axes) bool { return v.Is(SlowDoreti) && !v.Is(ExitSYSRET) },
		},
		{
			What: "slow=doreti with work=careful",
			Why:  "ast, which does the work, may change any slot, and a loop within the exit would not see that",
			Is:   func(v Axes) bool { return v.Is(SlowDoreti) && v.Is(WorkCareful) },
		},
	},
})

// slowFuncs returns the functions that the axis slow adds to the entry.
func (v Axes) slowFuncs(suffix string) []Func {
	switch {
	case v.ByFrame():
		return slices.Concat([]Func{v.onlySyscall(suffix)}, v.kstackFuncs(suffix), v.exitFuncs(suffix))
	case v.Is(SlowOnly):
		return []Func{v.doSyscall(suffix)}
	case v.Is(SlowDoreti):
		return v.doretiFuncs(suffix)
	case v.Is(SlowC):
		return append(v.ptregs(suffix), v.doSyscall(suffix))
	}
	var funcs []Func
	for _, c := range layout.FullFrameCalls {
		if v.Wraps(c) {
			funcs = append(funcs, v.wrapperOf(c, suffix))
		}
	}
	return append(append(funcs, v.traceFuncs(suffix)...), v.intRet(suffix))
}

// slow ends the listing of a fast path with the code that it leaves for.
func (v Axes) slow(suffix string) Block {
	if v.Is(SlowC) {
		return v.slowC(suffix)
	}
	return Block{
		v.leaveFast(suffix),
		v.newThreadFast(suffix),
		FRAME(v.low()),
		v.tracesys(suffix),
	}
}

// leaveFast leaves a fast path that has found work for the slow exit, with interrupts off.
func (v Axes) leaveFast(suffix string) Block {
	fixup := v.fixup(regsAt(v.low()), R11)
	switch {
	case v.Is(WorkCareful):
		return Block{
			LABEL("sysret_signal"), // EDX: the work to do, EDI: the mask
			v.enableAgain(),
			fixup,
			JMP(exitWork(suffix)),
		}
	case !v.whole():
		return Block{
			LABEL("int_ret_from_sys_call_fixup"),
			fixup,
			JMP(irqsOff(suffix)),
		}
	}
	return nil
}

// toSlowPath returns the label to which the fast exit goes with work to do.
func (v Axes) toSlowPath(suffix string) string {
	switch {
	case v.Is(SlowC):
		return "sysret_signal"
	case !v.whole():
		return "int_ret_from_sys_call_fixup"
	}
	return irqsOff(suffix)
}

// Labels in the slow path.
func slowExit(suffix string) string { return FuncName(SlowExit, suffix) }
func irqsOff(suffix string) string  { return FuncName("int_ret_from_sys_call_irqs_off", suffix) }
func exitWork(suffix string) string { return FuncName("int_check_syscall_exit_work", suffix) }

// intRet returns the slow path of 3.19 to 4.2. For the callee-saved registers the frame has
// what it had in the fast path: only a signal needs them there.
func (v Axes) intRet(suffix string) Func {
	thread := Fields[layout.Thread[Mem]](RCX)
	return FUNC(slowExit(suffix), `int_ret_from_sys_call returns to ring 3: RSP is where it is while a handler runs,
the frame is whole except for callee-saved registers, which are the user's unless
the frame has them. IF is any. It does the work that Thread.Flags asks for first.`,
		FRAME(v.low()),
		v.disable(),
		GLOBAL(irqsOff(suffix)),
		FRAME(v.low()),
		MOVL(layout.TIFAllWork|layout.TIFEntryWork, RDI),
		LABEL("int_with_check"), // EDI: the work to look for
		MOVQ(v.stackTop(), RCX),
		SUBQ(layout.ThreadSize, RCX).C("the thread"),
		MOVL(thread.Flags, RDX),
		ANDL(RDI, RDX),
		JNE("int_careful"),
		ANDL(^layout.TSCompat, thread.Status),
		JMP("retint_swapgs"),

		LABEL("int_careful"), // EDX: the work to do
		BTL(bits.TrailingZeros(layout.TIFNeedResched), RDX),
		JAE("int_very_careful"),
		v.enableAgain(),
		PUSHQ(RDI),
		CALL("schedule_user"),
		POPQ(RDI),
		v.disable(),
		JMP("int_with_check"),

		LABEL("int_very_careful"),
		v.enableAgain(),
		GLOBAL(exitWork(suffix)),
		FRAME(v.low()),
		v.saveRest(),
		TESTL(layout.TIFEntryWork, RDX),
		JE("int_signal"),
		PUSHQ(RDI),
		LEAQ(RSP.At(8), RDI).C("the frame"),
		CALL(traceLeave),
		POPQ(RDI),
		ANDL(^layout.TIFEntryWork, RDI).C("once is enough"),
		JMP("int_restore_rest"),

		LABEL("int_signal"),
		TESTL(layout.TIFDoNotify, RDX),
		JE("no_signal"),
		MOVQ(RSP, RDI),
		XORL(RSI, RSI),
		CALL("do_notify_resume"),
		LABEL("no_signal"),
		MOVL(layout.TIFAllWork, RDI),
		LABEL("int_restore_rest"),
		v.restoreRest(),
		v.disable(),
		JMP("int_with_check"),

		LABEL("retint_swapgs"),
		v.disable(),
		v.returnFrom(v.low(), v.loadRestSlow(regsAt(v.low()))),
	).In("entry")
}

// slowC emits the slow path of 4.6: both entrances lead to a frame with no slot left out,
// and back from C.
func (v Axes) slowC(suffix string) Block {
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
		v.returnFrom(0, loadCalleeSaved(regsAt(0))),
	}
}

// returnFrom ends a call from a frame whose top is whole, with interrupts off: by
// SYSRETQ if the variant tries that and the frame allows it. RSP is off bytes above
// the frame's start; rest loads the callee-saved registers.
func (v Axes) returnFrom(off int, rest Block) Block {
	regs := regsAt(off)
	if v.Is(SlowIRET) {
		return Block{v.at(BeforeExit), rest, v.iretFrom(off, "")}
	}
	return Block{
		rest,
		v.at(BeforeExit),
		v.sysretFits(regs, "opportunistic_sysret_failed"),
		LABEL("opportunistic_sysret"),
		v.loadFitting(regs, true),
		v.leaveSlow(off),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),

		LABEL("opportunistic_sysret_failed"),
		v.iretFrom(off, ""),
	}
}

// loadFitting loads a frame that sysretFits has accepted. R11 already holds what
// SYSRETQ takes, and so does RCX, except with iptest=half.
func (v Axes) loadFitting(regs *layout.PtRegs[Mem], kept bool) Block {
	switch {
	case v.Is(IPHalf) && v.Is(RegsPartial): // RESTORE_ARGS of 4.0
		return Block{MOVQ(regs.R11, R11), loadArgsCX(regs)}
	case v.Is(IPHalf) || !kept:
		return loadArgsCX(regs)
	}
	return loadArgs(regs)
}

// leaveSlow loads the user's RSP. 4.0 goes to the hardware frame first.
func (v Axes) leaveSlow(off int) Block {
	if v.Is(RegsPartial) && !v.Is(LeaveTrampoline) {
		return Block{ADDQ(pt.IP.Off-off, RSP).C("to the hardware frame"), v.leaveFrame(pt.IP.Off)}
	}
	return v.leaveFrame(off)
}

// toSlowExit leaves a fast path whose frame has all slots at the top, with
// interrupts off.
func (v Axes) toSlowExit(suffix string) Block { return Block{JMP(v.toSlowPath(suffix))} }
