package stubs

import (
	"math/bits"

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
		{Value: SlowIRET, Since: "Linux 3.19", Doc: "a wrapper around the handler completes the frame, and IRETQ ends the call after a loop that does the work (int_ret_from_sys_call)"},
		{Value: SlowSYSRET, Since: "Linux 4.0", Doc: "the same, but SYSRETQ ends the call if it does what IRETQ would do"},
		{Value: SlowC, Since: "Linux 4.6", Doc: "the call begins again in do_syscall_64, which takes number and arguments from the frame, and ends as with slow=sysret"},
		{Value: SlowOnly, Since: "Linux 4.16", Doc: "there is no fast path and no wrapper: every call goes through do_syscall_64, and its number is an int, as since 5.14: the upper half of RAX does not count"},
	},
	Excludes: []Exclusion{
		{
			What: "slow=only with a slot left out",
			Why:  "there is no wrapper that would complete the frame for the calls that need the whole of it (so sp=frame, flags=flags, top=eager and regs=full)",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && (!v.whole() || !v.Is(RegsFull)) },
		},
		{
			What: "slow=only with exit=sysret",
			Why:  "any handler may have changed any slot, and SYSRETQ carries neither a RIP that is not in RCX nor RFLAGS that are not in R11",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && v.Is(ExitSYSRET) },
		},
		{
			What: "slow=only with work=careful",
			Why:  "there is no fast path from which another thread could be let run",
			Is:   func(v Axes) bool { return v.Is(SlowOnly) && v.Is(WorkCareful) },
		},
		{
			What: "slow=sysret or slow=c with work=careful and top=lazy",
			Why:  "3.19's fix-up puts -1 in the cx slot, which is never the RIP that SYSRETQ would load from RCX",
			Is: func(v Axes) bool {
				return (v.Is(SlowSYSRET) || v.Is(SlowC)) && v.Is(WorkCareful) && v.Is(TopLazy)
			},
		},
	},
})

// slowFuncs are the functions beside the entry's, as Slow has it.
func (v Axes) slowFuncs(suffix string) []Func {
	switch {
	case v.Is(DispatchTree):
		return append([]Func{v.onlySyscall(suffix)}, v.exitFuncs(suffix)...)
	case v.Is(SlowOnly):
		return []Func{v.doSyscall(suffix)}
	case v.Is(SlowC):
		return append(v.ptregs(suffix), v.doSyscall(suffix))
	}
	var funcs []Func
	for _, c := range layout.FullFrameCalls {
		funcs = append(funcs, v.wrapperOf(c, suffix))
	}
	return append(funcs, v.intRet(suffix))
}

// slow ends the listing of a fast path by where it is left for.
func (v Axes) slow(suffix string) Block {
	if v.Is(SlowC) {
		return v.slowC(suffix)
	}
	return Block{
		v.leaveFast(suffix),

		LABEL("tracesys"),
		UD2().C("nothing sets TIFEntryWork"),
	}
}

// leaveFast is where a fast path goes that has found work, with interrupts off.
func (v Axes) leaveFast(suffix string) Block {
	fixup := v.fixup(regsAt(v.low()), R11)
	switch {
	case v.Is(WorkCareful):
		return Block{
			LABEL("sysret_signal"), // EDX: what is to be done, EDI: the mask
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

// toSlowPath is the place that the fast exit goes to with work to do.
func (v Axes) toSlowPath(suffix string) string {
	switch {
	case v.Is(SlowC):
		return "sysret_signal"
	case !v.whole():
		return "int_ret_from_sys_call_fixup"
	}
	return irqsOff(suffix)
}

// Places in the slow path.
func slowExit(suffix string) string { return FuncName("int_ret_from_sys_call", suffix) }
func irqsOff(suffix string) string  { return FuncName("int_ret_from_sys_call_irqs_off", suffix) }
func exitWork(suffix string) string { return FuncName("int_check_syscall_exit_work", suffix) }

// intRet is the slow path of 3.19 to 4.2. What the frame has of the callee-saved
// registers is what it had in the fast path: only a signal needs them there.
func (v Axes) intRet(suffix string) Func {
	thread := Fields[layout.Thread[Mem]](RCX)
	return FUNC(slowExit(suffix), `int_ret_from_sys_call returns to ring 3: RSP is where it is while a handler runs,
the frame is whole but for callee-saved registers, which are the user's unless
the frame has them. IF is any. Does the work that Thread.Flags asks for first.`,
		FRAME(v.low()),
		v.disable(),
		GLOBAL(irqsOff(suffix)),
		FRAME(v.low()),
		MOVL(layout.TIFAllWork|layout.TIFEntryWork, RDI),
		LABEL("int_with_check"), // EDI: what to look for
		MOVQ(v.stackTop(), RCX),
		SUBQ(layout.ThreadSize, RCX).C("the thread"),
		MOVL(thread.Flags, RDX),
		ANDL(RDI, RDX),
		JNE("int_careful"),
		ANDL(^layout.TSCompat, thread.Status),
		JMP("retint_swapgs"),

		LABEL("int_careful"), // EDX: what is to be done
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
		UD2().C("nothing sets TIFEntryWork"),

		LABEL("int_signal"),
		TESTL(layout.TIFSigPending, RDX),
		JE("no_signal"),
		MOVQ(RSP, RDI),
		XORL(RSI, RSI),
		CALL("do_notify_resume"),
		LABEL("no_signal"),
		MOVL(layout.TIFAllWork, RDI),
		v.restoreRest(),
		v.disable(),
		JMP("int_with_check"),

		LABEL("retint_swapgs"),
		v.disable(),
		v.returnFrom(v.low(), v.loadRestSlow(regsAt(v.low()))),
	).In("entry")
}

// slowC is the way of 4.6: both entrances lead to a frame without a slot left
// out, and back from C.
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
// SYSRETQ if the variant tries that and the frame allows. RSP is off bytes above
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

// loadFitting loads a frame that sysretFits has found to fit. What SYSRETQ takes
// is in R11, and in RCX if it is kept, but for iptest=half.
func (v Axes) loadFitting(regs layout.PtRegs[Mem], kept bool) Block {
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

// toSlowExit leaves a fast path whose frame has no slot left out at the top, with
// interrupts off.
func (v Axes) toSlowExit(suffix string) Block { return Block{JMP(v.toSlowPath(suffix))} }
