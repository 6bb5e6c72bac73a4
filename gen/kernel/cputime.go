package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// cpuTimer gives the fields of the CPUTimer that r points to.
func cpuTimer(r Reg) *layout.CPUTimer[Mem] { return Fields[layout.CPUTimer[Mem]](r) }

// cputime accounts the time that threads have on the CPU. A switch must cost only what
// the
// variant's switch does, so time is charged where the clock is read anyway: at the
// timer's ticks, when the CPU becomes idle and when it stops being idle. That is exact
// for the process. Between threads that hand the CPU to each other it is right to within
// a time slice, until the time of one is asked for: from then on it is charged at
// each switch (Sched.Counting).
func cpuTimes() Program {
	return Program{
		Funcs: Funcs(
			processTimes, cpuClock, cpuClockID, cpuClockGet, cpuTimerAdd,
			cpuTickStart, cpuTick, cpuTimerDel, cpuTimers, sysGetrusage, sysTimes, cpuNanosleep,
			cpuSleepTimeout,
		),
		Data: []Data{
			cpuTickTimer,
		},
	}
}

var cpuTickTimer = BSS("cpu_tick_timer", SizeOf[layout.Timer[Mem]](), 64)

func processTimes() Func {
	t := thread(RSI)
	return FUNC("process_times",
		`process_times returns the time of the process R8 in ring 3 in RAX, in ring 0 in RDX,
ns, as of the last cpu_account. Clobbers RSI.`,
		MOVQ(process(R8).UTime, RAX),
		MOVQ(process(R8).STime, RDX),
		eachPeer(R8, RSI,
			ADDQ(t.UTime, RAX),
			ADDQ(t.STime, RDX),
		),
		RETURN(),
	).Takes(R8).Returns(RAX, RDX).Keeps(RDI, R8)
}

func cpuClock() Func {
	return FUNC("cpu_clock",
		`cpu_clock returns in RAX what the clock EDI (CPUClock*) of the thread with TID RSI,
or of the process with that PID, shows in ns as of the last cpu_account; RDX is 1, or 0
if there is no such thread or process. Clobbers RCX, RSI, R8.`,
		PUSHQ(RDI),
		TESTL(layout.CPUClockThread, RDI),
		MOVL(RSI, RDI),
		IF(E,
			CALL(findProcess),
			POPQ(RDI),
			XORL(RDX, RDX),
			MOVQ(RAX, R8),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			CALL(processTimes),
		).ELSE(
			CALL(findThread),
			POPQ(RDI),
			XORL(RDX, RDX),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			MOVQ(thread(RAX).STime, RDX),
			MOVQ(thread(RAX).UTime, RAX),
		),
		MOVL(RDI, RCX),
		ANDL(^layout.CPUClockThread, RCX),
		CMPL(RCX, layout.CPUClockVirt),
		IF(NE, ADDQ(RDX, RAX)),
		MOVL(1, RDX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX, RDX)
}

func cpuClockID() Func {
	return FUNC("cpu_clock_id",
		`cpu_clock_id decodes the clock ID EDI of CPU time: it returns the clock (CPUClock*)
in EAX and the TID for cpu_clock in RSI; EAX is -EINVAL if there is no such clock. A
number below 0 is (~TID)<<3 with the clock in its low bits (Linux
include/linux/posix-timers.h). Turns interrupts off.`,
		CLI(),
		MOVQ(1, sched.Counting), // from now on
		MOVQ(gs.Current, RCX),
		MOVL(layout.CPUClockSched, RAX),
		MOVQ(gs.PID, RSI),
		CMPL(RDI, clockProcessCPU),
		IF(E, RETURN()),
		MOVL(thread(RCX).TID, RSI),
		CMPL(RDI, clockThreadCPU),
		IF(E, MOVL(layout.CPUClockSched|layout.CPUClockThread, RAX), RETURN()),
		MOVL(RDI, RAX),
		ANDL(3, RAX),
		CMPL(RAX, layout.CPUClockSched),
		JA("invalid"),
		TESTL(RDI, RDI),
		JNS("invalid"),
		MOVL(RDI, RDX),
		SARL(3, RDX),
		NOTL(RDX), // the TID; 0: the caller's
		TESTL(layout.CPUClockThread, RDI),
		IF(E,
			TESTL(RDX, RDX),
			IF(E, MOVQ(gs.PID, RSI), RETURN()),
			MOVL(RDX, RSI),
			MOVL(RDX, RDI),
			CMPL(RDX, thread(RCX).TID),
			IF(E, MOVQ(gs.PID, RSI), RETURN()),
			PUSHQ(RAX),
			CALL(findProcess),
			TESTQ(RAX, RAX),
			POPQ(RAX),
			JE("invalid"),
			RETURN(),
		),
		ORL(layout.CPUClockThread, RAX),
		TESTL(RDX, RDX),
		IF(E, RETURN()),
		MOVL(RDX, RSI),
		PUSHQ(RAX),
		MOVQ(gs.PID, RDI),
		CALL(findMember),
		TESTQ(RAX, RAX),
		POPQ(RAX),
		IF(NE, RETURN()),
		LABEL("invalid"),
		fail(EINVAL),
	).Takes(RDI).Returns(RAX, RSI)
}

func cpuClockGet() Func {
	id := RBX
	return FUNC("cpu_clock_get", "cpu_clock_get returns in RAX the time in ns of the clock ID EDI of CPU time, or -EINVAL. Turns interrupts off.",
		CALL(cpuClockID),
		TESTL(RAX, RAX),
		IF(S, RETURN()),
		MOVL(RAX, id),
		CALL(cpuAccount),
		MOVL(id, RDI),
		CALL(cpuClock),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func cpuTimerAdd() Func {
	return FUNC("cpu_timer_add", "cpu_timer_add puts the CPUTimer RDI on the list, and makes sure that the ticks check it. IF is 0.",
		MOVQ(sched.CPUTimers, RAX),
		MOVQ(RAX, cpuTimer(RDI).Next),
		MOVQ(RDI, sched.CPUTimers),
		JMP(cpuTickStart),
	).Takes(RDI)
}

func cpuTickStart() Func {
	return FUNC("cpu_tick_start", "cpu_tick_start makes the first cpu_tick. IF is 0.",
		LEAQ(Sym(cpuTickTimer), RDI),
		CALL(timerDel),
		LEAQ(Sym(cpuTick), RAX),
		MOVQ(RAX, timer(RDI).Func),
		CALL(ktimeGet),
		LEAQ(RAX.At(layout.MinTimeSlice), RSI),
		JMP(timerAdd),
	).Takes()
}

func cpuTick() Func {
	return FUNC("cpu_tick",
		`cpu_tick is the Func of cpu_tick_timer: it does what is due by the clocks of CPU
time, and comes again when the next event may be due, after a time slice at the
latest, but not before four times its own duration: many timers must not use up the
time that they wait for. While the CPU is idle the clocks stand still.`,
		MOVQ(gs.Current, RAX),
		CMPQ(RAX, gs.Idle),
		IF(E, RETURN()),
		CALL(cpuTimers),
		CMPQ(sched.CPUTimers, 0),
		IF(E, RETURN()),
		MOVL(layout.MinTimeSlice, RCX),
		CMPQ(RAX, RCX),
		CMOVQL(RCX, RAX),
		CMPQ(RAX, sched.Slice),
		CMOVQG(sched.Slice, RAX),
		MOVQ(RAX, RSI),
		CALL(ktimeGet),
		MOVQ(RAX, RCX),
		SUBQ(sched.Accounted, RCX), // since the tick
		SHLQ(2, RCX),
		CMPQ(RSI, RCX),
		CMOVQL(RCX, RSI),
		ADDQ(RAX, RSI),
		LEAQ(Sym(cpuTickTimer), RDI),
		CALL(timerDel), // a timer that continues has started it
		JMP(timerAdd),
	).Takes()
}

func cpuTimerDel() Func {
	return FUNC("cpu_timer_del", "cpu_timer_del takes the CPUTimer RDI off the list, if it is there. Clobbers RAX, RCX. IF is 0.",
		CMPQ(cpuTimer(RDI).Expires, 0),
		IF(E, RETURN()),
		MOVQ(0, cpuTimer(RDI).Expires),
		LEAQ(sched.CPUTimers, RCX), // the word that points to RAX
		LOOP(
			MOVQ(RCX.At(0), RAX),
			CMPQ(RAX, RDI),
			BREAK(E),
			LEAQ(cpuTimer(RAX).Next, RCX),
		),
		MOVQ(cpuTimer(RDI).Next, RAX),
		MOVQ(RAX, RCX.At(0)),
		RETURN(),
	).Takes(RDI)
}

func cpuTimers() Func {
	nodePtr, next, least := RBX, R12, R13
	node := cpuTimer(nodePtr)
	return FUNC("cpu_timers", "cpu_timers does what is due, and returns the least time in ns until something else may be due. IF is 0.",
		MOVQ(uint64(layout.TimerNever), least),
		MOVQ(sched.CPUTimers, nodePtr),
		LOOP(
			TESTQ(nodePtr, nodePtr),
			BREAK(E),
			MOVQ(node.Next, next),
			MOVQ(node.Clock, RDI),
			MOVQ(node.TID, RSI),
			CALL(cpuClock),
			TESTL(RDX, RDX),
			IF(NE,
				MOVQ(node.Expires, RCX),
				SUBQ(RAX, RCX),
				IF(LE,
					MOVQ(nodePtr, RDI),
					CALL(cpuTimerDel),
					MOVQ(nodePtr, RDI),
					CALL(node.Func),
					XORL(RCX, RCX), // it may be there again
				),
				CMPQ(RCX, least),
				CMOVQL(RCX, least),
			),
			MOVQ(next, nodePtr),
		),
		MOVQ(least, RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes().Returns(RAX)
}

func cpuNanosleep() Func {
	nodePtr, clock, tid, until, remaining := RBX, R12, R13, R14, R15
	node := cpuTimer(nodePtr)
	return FUNC("cpu_nanosleep",
		`cpu_nanosleep sleeps until the clock EDI (CPUClock*) of RSI, as in cpu_clock,
shows RDX ns. If a signal ends the sleep, the remaining time goes to the timespec at
RCX, unless that is 0, and the result is -EINTR.`,
		MOVL(RDI, clock),
		MOVQ(RSI, tid),
		MOVQ(RDX, until),
		MOVQ(RCX, remaining),
		SUBQ(SizeOf[layout.CPUTimer[Mem]](), RSP),
		MOVQ(RSP, nodePtr),
		MOVQ(clock, node.Clock),
		MOVQ(tid, node.TID),
		MOVQ(0, node.Expires),
		LEAQ(Sym(cpuSleepTimeout), RAX),
		MOVQ(RAX, node.Func),
		CLI(),
		LOOP(
			CALL(cpuAccount),
			MOVL(clock, RDI),
			MOVQ(tid, RSI),
			CALL(cpuClock),
			CMPQ(RAX, until),
			MOVL(0, RAX),
			BREAK(GE),
			MOVQ(until, node.Expires),
			MOVQ(nodePtr, RDI),
			CALL(cpuTimerAdd),
			MOVQ(-1, RDI),
			CALL(sleepUntil),
			PUSHQ(RAX),
			MOVQ(nodePtr, RDI),
			CALL(cpuTimerDel),
			POPQ(RAX),
			CMPQ(RAX, -EINTR),
			BREAK(E),
		),
		ADDQ(SizeOf[layout.CPUTimer[Mem]](), RSP),
		CMPQ(RAX, -EINTR),
		IF(NE, returns(0)),
		TESTQ(remaining, remaining),
		IF(NE,
			CALL(cpuAccount),
			MOVL(clock, RDI),
			MOVQ(tid, RSI),
			CALL(cpuClock),
			MOVQ(until, RSI),
			SUBQ(RAX, RSI),
			IF(LE, returns(0)),
			MOVQ(remaining, RDI),
			CALL(putTimespec),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		fail(EINTR),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func cpuSleepTimeout() Func {
	return FUNC("cpu_sleep_timeout", "cpu_sleep_timeout is the Func of a CPUTimer on the stack of the thread that it wakes.",
		ANDQ(-layout.ThreadSize, RDI),
		XORL(RSI, RSI),
		JMP(wakeUp),
	).Takes(RDI)
}
