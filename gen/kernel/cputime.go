package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// cpuTimer gives the fields of the CPUTimer that r points to.
func cpuTimer(r Reg) layout.CPUTimer[Mem] { return Fields[layout.CPUTimer[Mem]](r) }

// The threads whose usage getrusage returns (Linux include/uapi/linux/resource.h).
const (
	rusageSelf     = 0
	rusageChildren = -1
	rusageThread   = 1
)

// cputime accounts the time that threads have on the CPU. A switch must cost only what
// the
// variant's switch does, so time is charged where the clock is read anyway: at the
// timer's ticks, when the CPU becomes idle and when it stops being idle. That is exact
// for the process. Between threads that hand the CPU to each other it is right to within
// a time slice, until the time of one is asked for: from then on it is charged at
// each switch (switch_counted).
func cpuTimes() Program {
	return Program{
		Funcs: Funcs(
			countSwitches, switchCounted, processTimes, cpuClock, cpuClockID, cpuClockGet, cpuTimerAdd,
			cpuTickStart, cpuTick, cpuTimerDel, cpuTimers, sysGetrusage, sysTimes, cpuNanosleep,
			cpuSleepTimeout,
		),
		Data: []Data{
			cpuTickTimer,
		},
	}
}

var cpuTickTimer = BSS("cpu_tick_timer", SizeOf[layout.Timer[Mem]](), 64)

func countSwitches() Func {
	return FUNC("count_switches", "count_switches makes switch_counted charge time from now on. Clobbers RAX, RCX, RDX. IF is 0.",
		CMPQ(sched.Counting, 0),
		IF(NE, RETURN()),
		MOVQ(1, sched.Counting),
		MOVQ(gs.Idle, RCX),
		MOVQ(sched.All, RAX),
		LOOP( // all threads, then the idle one
			MOVQ(thread(RCX).SwitchTo, RDX),
			MOVQ(RDX, thread(RCX).CountedSwitch),
			LEAQ(Sym(switchCounted), RDX),
			MOVQ(RDX, thread(RCX).SwitchTo),
			TESTQ(RAX, RAX),
			BREAK(E),
			MOVQ(RAX, RCX),
			MOVQ(thread(RAX).AllNext, RAX),
		),
		RETURN(),
	).Takes().Keeps(RDI)
}

func switchCounted() Func {
	return FUNC("switch_counted",
		`switch_counted is a Thread.SwitchTo that charges the time up to now to the thread
that is switched out, RDI, and jumps to the variant's switch. RSI is the next thread.`,
		CALL(ktimeGet),
		MOVQ(RAX, RCX),
		SUBQ(sched.Accounted, RCX),
		MOVQ(RAX, sched.Accounted),
		MOVQ(sched.RingTime, RDX),
		ADDQ(RCX, thread(RDI).UTime.Index(RDX, 1)),
		JMP(thread(RDI).CountedSwitch),
	).Takes(RDI)
}

func processTimes() Func {
	t := thread(RSI)
	return FUNC("process_times",
		`process_times returns the process's time in ring 3 in RAX, in ring 0 in RDX, ns, as
of the last cpu_account. Clobbers RCX, RSI.`,
		MOVQ(sched.DeadUTime, RAX),
		MOVQ(sched.DeadSTime, RDX),
		MOVQ(sched.All, RSI),
		LOOP(
			TESTQ(RSI, RSI),
			BREAK(E),
			ADDQ(t.UTime, RAX),
			ADDQ(t.STime, RDX),
			MOVQ(t.AllNext, RSI),
		),
		RETURN(),
	).Takes().Returns(RAX, RDX).Keeps(RDI)
}

func cpuClock() Func {
	return FUNC("cpu_clock",
		`cpu_clock returns in RAX what the clock EDI (CPUClock*) of the thread with TID RSI,
or of the process, shows in ns as of the last cpu_account; RDX is 1, or 0 if
there is no such thread. Clobbers RCX, RSI.`,
		TESTL(layout.CPUClockThread, RDI),
		IF(E, CALL(processTimes)).ELSE(
			PUSHQ(RDI),
			MOVL(RSI, RDI),
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
		CALL(countSwitches),
		MOVQ(gs.Current, RCX),
		MOVL(layout.CPUClockSched, RAX),
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
			IF(E, RETURN()),
			CMPL(RDX, initPID),
			IF(E, RETURN()),
			CMPL(RDX, RSI),
			IF(E, RETURN()),
			JMP("invalid"),
		),
		ORL(layout.CPUClockThread, RAX),
		TESTL(RDX, RDX),
		IF(E, RETURN()),
		MOVL(RDX, RSI),
		PUSHQ(RAX),
		MOVL(RDX, RDI),
		CALL(findThread),
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

func sysGetrusage() Func {
	user, who, buf := RBX, R12, R13
	system := R12
	t := thread(RSI)
	usage := Fields[layout.RUsage[Mem]](RSP)
	size := SizeOf[layout.RUsage[Mem]]()
	// timeval writes RAX ns at sec as a timeval. Clobbers RAX, RCX, RDX.
	timeval := func(sec, usec Mem) Block {
		return Block{
			XORL(RDX, RDX),
			MOVL(nsPerSec, RCX),
			DIVQ(RCX),
			MOVQ(RAX, sec),
			MOVL(RDX, RAX),
			XORL(RDX, RDX),
			MOVL(1000, RCX),
			DIVQ(RCX),
			MOVQ(RAX, usec),
		}
	}
	return FUNC("sys_getrusage", "sys_getrusage(who EDI, rusage RSI). Values that the kernel does not keep are 0; there are no children.",
		MOVL(RDI, who),
		MOVQ(RSI, buf),
		CMPL(who, rusageChildren),
		IF(L, fail(EINVAL)),
		CMPL(who, rusageThread),
		IF(G, fail(EINVAL)),
		SUBQ(size, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		CLI(),
		CALL(cpuAccount),
		TESTL(who, who),
		JS("put"),
		IF(E,
			CALL(processTimes),
			MOVQ(RAX, user),
			MOVQ(RDX, system),
			MOVQ(sched.DeadSwitches, RCX),
			MOVQ(sched.Preempted, RDX),
			MOVQ(sched.DeadMinFaults, RAX),
			MOVQ(sched.All, RSI),
			LOOP(
				TESTQ(RSI, RSI),
				BREAK(E),
				ADDQ(t.Switches, RCX),
				ADDQ(t.Preempted, RDX),
				ADDQ(t.MinFaults, RAX),
				MOVQ(t.AllNext, RSI),
			),
		).ELSE(
			CALL(countSwitches),
			MOVQ(gs.Current, RSI),
			MOVQ(t.UTime, user),
			MOVQ(t.STime, system),
			MOVQ(t.Switches, RCX),
			MOVQ(t.Preempted, RDX),
			MOVQ(t.MinFaults, RAX),
		),
		MOVQ(RAX, usage.MinFaults),
		MOVQ(RDX, usage.InvoluntarySwitches),
		SUBQ(RDX, RCX),
		IF(S, XORL(RCX, RCX)), // a preemption that found no other thread
		MOVQ(RCX, usage.VoluntarySwitches),
		MOVQ(user, RAX),
		timeval(usage.UTime[0], usage.UTime[1]),
		MOVQ(system, RAX),
		timeval(usage.STime[0], usage.STime[1]),
		LABEL("put"),
		MOVQ(buf, RDI),
		MOVQ(RSP, RSI),
		MOVL(size, RDX),
		CALL(copyToUser),
		ADDQ(size, RSP),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func sysTimes() Func {
	system, buf, now := RBX, R12, R13
	return FUNC("sys_times", "sys_times(tms RDI) returns the time since boot, and writes the process's times if RDI is not 0; all in 1/100 s.",
		MOVQ(RDI, buf),
		CLI(),
		CALL(cpuAccount),
		MOVQ(RAX, now),
		CALL(processTimes),
		SUBQ(32, RSP),
		MOVQ(RDX, system),
		XORL(RDX, RDX),
		MOVL(nsPerSec/clockTicks, RCX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(0)), // tms_utime
		MOVQ(system, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(8)), // tms_stime
		MOVQ(0, RSP.At(16)),  // the children's
		MOVQ(0, RSP.At(24)),
		MOVQ(now, RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, now),
		XORL(RAX, RAX),
		TESTQ(buf, buf),
		IF(NE,
			MOVQ(buf, RDI),
			MOVQ(RSP, RSI),
			MOVL(32, RDX),
			CALL(copyToUser),
		),
		ADDQ(32, RSP),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(now, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
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
