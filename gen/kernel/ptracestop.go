package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// realActions puts the base of the actions that the program of process p has set in dst.
func realActions(p, dst Reg) Ins { return actionsBase(p, dst) }

func traceBegin() Func {
	p := process(RDI)
	return FUNC("trace_begin", "trace_begin makes the process RDI one that the process RDX traces. IF is 0.",
		MOVQ(RDX, p.Trace.Tracer),
		INCQ(process(RDX).Tracees),
		MOVQ(0, p.Trace.SysGood),
		LEAQ(Sym(tracedActions), RAX),
		MOVQ(RAX, p.ActionsBase),
		CMPQ(RDI, gs.Process),
		IF(E, MOVQ(RAX, gs.SigActions)),
		RETURN(),
	).Takes(RDI, RDX).Keeps(RDI)
}

func traceEnd() Func {
	group := RBX
	p := process(group)
	return FUNC("trace_end",
		`trace_end lets the process RDI run without its tracer; if it has stopped, it goes on
with the signal ESI, 0 for none. IF is 0.`,
		MOVQ(RDI, group),
		MOVQ(process(RDI).Trace.Tracer, RDX),
		TESTQ(RDX, RDX),
		IF(E, RETURN()),
		DECQ(process(RDX).Tracees),
		MOVQ(0, p.Trace.Tracer),
		realActions(group, RAX),
		MOVQ(RAX, p.ActionsBase),
		PUSHQ(RSI),
		XORL(RSI, RSI),
		CALL(traceCalls),
		POPQ(RSI),
		CMPQ(p.Trace.Signal, 0),
		IF(E, RETURN()),
		MOVQ(group, RDI),
		CALL(ptraceResume),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI)
}

func traceesEnd() Func {
	tracer, other := R12, RBX
	p := process(other)
	return FUNC("tracees_end",
		`tracees_end lets those go on that the process RDI traces, as it ends: each with the signal
that it has stopped at, if it is one. The parent of one that has ended is told now. IF is 0.`,
		MOVQ(RDI, tracer),
		CMPQ(process(tracer).Tracees, 0),
		IF(E, RETURN()),
		MOVQ(sched.Processes, other),
		LOOP(
			TESTQ(other, other),
			BREAK(E),
			PUSHQ(p.All.Next),
			CMPQ(tracer, p.Trace.Tracer),
			IF(E,
				MOVQ(other, RDI),
				MOVQ(p.Trace.Signal, RSI),
				CMPQ(p.Trace.AtCall, 0),
				IF(NE, XORL(RSI, RSI)),
				CALL(traceEnd),
				CMPQ(p.Threads, 0),
				IF(E,
					CMPQ(tracer, p.Parent), // its children get another parent, which is told
					IF(NE,
						MOVQ(other, RDI),
						CALL(processNotify),
					),
				),
			),
			POPQ(other),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func ptraceResume() Func {
	p := process(RDI)
	return FUNC("ptrace_resume", "ptrace_resume lets the stopped process RDI go on with the signal ESI, 0 for none. IF is 0.",
		MOVQ(RSI, p.Trace.Deliver),
		MOVQ(0, p.Trace.Signal),
		MOVQ(p.PID, RDI),
		CALL(findThread),
		MOVQ(RAX, RDI),
		XORL(RSI, RSI),
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		JMP(wakeUp),
	).Takes(RDI, RSI)
}

func traceCalls() Func {
	p := process(RDI)
	t := thread(RAX)
	return FUNC("trace_calls",
		`trace_calls makes the calls of the process RDI take its variant's way by the tracer, or
with ESI 0 no longer. ESI 1: they stop there. IF is 0.`,
		MOVL(RSI, RSI),
		MOVQ(RSI, p.Trace.Calls),
		PUSHQ(RSI),
		MOVQ(p.PID, RDI),
		CALL(findThread),
		POPQ(RSI),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		ANDL(^layout.TIFEntryWork, t.Flags),
		MOVQ(0, t.SyscallWork),
		TESTL(RSI, RSI),
		IF(NE,
			ORL(layout.TIFEntryWork, t.Flags),
			MOVQ(layout.SyscallTrace, t.SyscallWork),
		),
		RETURN(),
	).Takes(RDI, RSI)
}

func syscallTraceEnterPhase1() Func {
	return FUNC("syscall_trace_enter_phase1",
		`syscall_trace_enter_phase1(regs) returns 0 if the current thread's tracer no longer wants
to see its calls, else 1: then the variant completes the frame for syscall_trace_enter
(Linux 3.19 arch/x86/kernel/ptrace.c). IF is any.`,
		MOVQ(gs.Current, RCX),
		XORL(RAX, RAX),
		TESTL(layout.TIFEntryWork, thread(RCX).Flags),
		SETNE(RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func syscallTraceEnter() Func {
	frame := RBX
	return FUNC("syscall_trace_enter",
		`syscall_trace_enter(regs) stops the current thread, whose call begins, for its tracer. The
PtRegs are complete and on top of its stack; any slot may change. It returns the number
of the call, from orig_ax: a tracer that puts -1 there skips the call, and the ax slot
is its result. IF is any, and is left unchanged.`,
		PUSHFQ(),
		CLI(),
		MOVQ(RDI, frame),
		CALL(ptraceReport),
		MOVQ(ptRegs(frame).OrigAX, RAX),
		POPFQ(),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func syscallTraceLeave() Func {
	return FUNC("syscall_trace_leave",
		`syscall_trace_leave(regs) does the same where the call ends, with its result in the frame. A
thread that its tracer single-steps gets SIGTRAP instead (Linux 3.19, syscall_trace_leave).`,
		PUSHFQ(),
		CLI(),
		MOVQ(gs.Process, RAX),
		CMPQ(process(RAX).Trace.Step, 0),
		IF(NE,
			MOVL(sigTRAP, RDI),
			MOVL(trapBRKPT, RSI),
			XORL(RDX, RDX),
			CALL(forceSignal),
		).ELSE(CALL(ptraceReport)),
		POPFQ(),
		RETURN(),
	).Takes(RDI)
}

func ptraceReport() Func {
	p := process(RAX)
	return FUNC("ptrace_report",
		`ptrace_report stops the current thread at a call, if its tracer wants that still; RDI is
its full pt_regs. A signal that the tracer lets it go on with is sent to it. IF is 0.`,
		MOVQ(gs.Process, RAX),
		CMPQ(p.Trace.Tracer, 0),
		IF(E, RETURN()),
		CMPQ(p.Trace.Calls, 1),
		IF(NE, RETURN()),
		MOVL(sigTRAP, RSI),
		ORL(p.Trace.SysGood, RSI),
		MOVQ(1, p.Trace.AtCall),
		CALL(ptraceStop),
		MOVQ(gs.Process, R8),
		MOVQ(0, process(R8).Trace.AtCall),
		TESTL(RAX, RAX),
		IF(E, RETURN()),
		MOVL(RAX, RDI),
		MOVQ(gs.Current, RSI),
		XORL(RDX, RDX),
		CALL(sendSignal),
		RETURN(),
	).Takes(RDI)
}

func ptraceSignal() Func {
	sig, selfPtr := RBX, R12
	self := thread(selfPtr)
	return FUNC("ptrace_signal",
		`ptrace_signal stops the current thread before it gets the signal ESI, if it is traced;
RDI is its full pt_regs. Returns in EAX the signal that it is to get, 0 for none, and in RDX
the action that its program has set. IF is 0.`,
		MOVL(RSI, sig),
		MOVQ(gs.Current, selfPtr),
		MOVQ(self.TID, RAX),
		CMPQ(RAX, gs.PID),
		IF(E,
			CMPL(sig, sigKILL),
			IF(NE,
				MOVQ(gs.Process, RCX),
				CMPQ(process(RCX).Trace.Tracer, 0),
				IF(NE,
					CALL(ptraceStop),
					MOVL(RAX, sig),
				),
			),
		),
		MOVQ(gs.Process, RCX),
		realActions(RCX, RCX),
		MOVL(sig, RDX),
		SHLQ(5, RDX), // actionSize
		ADDQ(RCX, RDX),
		MOVL(sig, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX, RDX)
}

func ptraceStop() Func {
	frame, group, selfPtr := RBX, R12, R13
	p := process(group)
	self := thread(selfPtr)
	kill := uint64(1) << (sigKILL - 1)
	return FUNC("ptrace_stop",
		`ptrace_stop stops the current thread at what wait4 is to tell, ESI, until its tracer lets
it go on or SIGKILL comes. RDI is its full pt_regs. Returns in EAX the signal that it is to
get. IF is 0.`,
		MOVQ(RDI, frame),
		MOVQ(gs.Process, group),
		MOVQ(gs.Current, selfPtr),
		CMPQ(p.Trace.Step, 0),
		IF(NE,
			MOVQ(0, p.Trace.Step),
			ANDQ(^x86.X86_EFLAGS_TF, ptRegs(frame).Flags),
		),
		MOVL(RSI, RSI),
		MOVQ(RSI, p.Trace.Signal),
		MOVQ(0, p.Trace.Seen),
		CALL(ptraceTell),
		LOOP(
			CMPQ(p.Trace.Signal, 0),
			IF(E,
				MOVQ(p.Trace.Deliver, RAX),
				RETURN(),
			),
			MOVQ(self.Pending.Mask, RAX),
			ORQ(p.Pending.Mask, RAX),
			TESTQ(kill, RAX),
			IF(E, CMPQ(self.SigForced, sigKILL)).ELSE(XORL(RAX, RAX)), // ZF: it dies
			IF(E,
				MOVQ(0, p.Trace.Signal),
				returns(0),
			),
			MOVQ(layout.ThreadBlocked, self.State),
			CALL(schedule),
		),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func ptraceTell() Func {
	tracer, queue, group := RBX, R13, R12
	p := process(group)
	child := process(tracer).Actions[sigCHLD-1]
	info := sigQueue(queue).Info
	return FUNC("ptrace_tell",
		`ptrace_tell tells the tracer of the current process R12 that it has stopped: by SIGCHLD,
unless it ignores that or has SA_NOCLDSTOP, and by the end of its wait (Linux kernel/signal.c,
do_notify_parent_cldstop). IF is 0.`,
		MOVQ(p.Trace.Tracer, tracer),
		CMPQ(child.Handler, sigIGN),
		IF(NE,
			TESTL(saNOCLDSTOP, child.Flags),
			IF(E,
				CALL(sigqueueAlloc),
				MOVQ(RAX, queue),
				TESTQ(queue, queue),
				IF(NE,
					MOVL(sigCHLD, info.SignoErrno),
					MOVL(cldTrapped, info.Code),
					MOVQ(p.PID, RAX),
					MOVQ(RAX, info.Fields[0]),
					MOVL(p.Trace.Signal, RAX),
					MOVL(RAX, info.Fields[1]),
				),
				MOVL(sigCHLD, RDI),
				XORL(RSI, RSI),
				MOVQ(queue, RDX),
				MOVQ(tracer, R8),
				CALL(sendSignal),
			),
		),
		MOVQ(tracer, RDI),
		CALL(wakeWaiter),
		RETURN(),
	).Saving(RBX, R13).Takes(R12)
}
