package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Clocks of clock_gettime (Linux include/uapi/linux/time.h). Negative numbers are also
// clocks of CPU time (cpu_clock_id).
const (
	clockRealtime       = 0
	clockMonotonic      = 1
	clockProcessCPU     = 2
	clockThreadCPU      = 3
	clockMonotonicRaw   = 4
	clockRealtimeCoarse = 5
	clockMonotonicCoars = 6
	clockBoottime       = 7
	clockTAI            = 11

	// A negative number with clockFD in these bits is the clock of a file.
	clockFDMask = 7
	clockFD     = 3

	timerAbstime = 1 // TIMER_ABSTIME of clock_nanosleep
	timespecSize = 16
)

// Sets of clocks, one bit each.
const (
	clocksReal  = 1<<clockRealtime | 1<<clockRealtimeCoarse | 1<<clockTAI
	clocksMono  = 1<<clockMonotonic | 1<<clockMonotonicRaw | 1<<clockMonotonicCoars | 1<<clockBoottime
	clocksSleep = 1<<clockRealtime | 1<<clockMonotonic | 1<<clockBoottime | 1<<clockTAI
	clocksCPU   = 1<<clockProcessCPU | 1<<clockThreadCPU
)

// inSet sets CF if clock is in the set, and goes to other if it is in no set. Clobbers
// RAX.
func inSet(clock Reg, set int, other string) Block {
	return Block{
		CMPL(clock, clockTAI),
		JA(other),
		MOVL(set, RAX),
		BTL(clock, RAX),
	}
}

// timeCalls returns the system calls that return the time, and that sleep.
func timeCalls() Program {
	return Program{
		Funcs: Funcs(
			getTimespec, putTimespec, timeAfter, timeOfReal, sysClockGettime, sysClockGetres,
			sysGettimeofday, sysTime, sysNanosleep, sysClockNanosleep, doNanosleep,
		),
	}
}

func getTimespec() Func {
	return getTime("get_timespec",
		`get_timespec reads the timespec at user address RDI: RAX is the time in ns, at
most 2^63-1; RDX is 0, -EFAULT or, if it is negative or its ns reach a
second, -EINVAL.`,
		nsPerSec)
}

// getTime reads seconds and a part of a second, in units of which a second has perSec.
func getTime(name, doc string, perSec int) Func {
	inNS := Block{}
	if perSec != nsPerSec {
		inNS = Block{IMULQ(nsPerSec/perSec, RSI)}
	}
	return FUNC(name, doc,
		SUBQ(timespecSize, RSP),
		MOVQ(RDI, RSI),
		MOVQ(RSP, RDI),
		MOVL(timespecSize, RDX),
		CALL(copyFromUser),
		MOVQ(RSP.At(0), RCX), // s
		MOVQ(RSP.At(8), RSI), // the part
		ADDQ(timespecSize, RSP),
		MOVQ(RAX, RDX),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(-EINVAL, RDX),
		TESTQ(RCX, RCX),
		IF(S, RETURN()),
		CMPQ(RSI, perSec),
		IF(AE, RETURN()),
		inNS,
		MOVQ(uint64((1<<63-1)/nsPerSec), RDX),
		CMPQ(RCX, RDX),
		IF(AE, MOVQ(uint64(1<<63-1), RAX)).ELSE(
			IMULQ(nsPerSec, RCX),
			LEAQ(RCX.Index(RSI, 1), RAX),
		),
		XORL(RDX, RDX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

func putTimespec() Func {
	return FUNC("put_timespec", "put_timespec writes RSI ns as a timespec to user address RDI. Returns 0 or -EFAULT.",
		SUBQ(timespecSize, RSP),
		MOVQ(RSI, RAX),
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, RSP.At(0)),
		MOVQ(RDX, RSP.At(8)),
		MOVQ(RSP, RSI),
		MOVL(timespecSize, RDX),
		CALL(copyToUser),
		ADDQ(timespecSize, RSP),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

func timeAfter() Func {
	return FUNC("time_after",
		`time_after returns in RAX the monotonic time RDI ns from now, at most 2^63-1, as
sleep_until takes it.`,
		CALL(ktimeGet),
		ADDQ(RDI, RAX),
		IF(O, MOVQ(uint64(1<<63-1), RAX)),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func timeOfReal() Func {
	return FUNC("time_of_real", "time_of_real returns in RAX the monotonic time of RDI ns after 1970, not below 0.",
		MOVQ(RDI, RAX),
		SUBQ(clk.Real, RAX),
		IF(S, XORL(RAX, RAX)),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func sysClockGettime() Func {
	return FUNC("sys_clock_gettime", "sys_clock_gettime(clock EDI, timespec RSI).",
		inSet(RDI, clocksMono, "cpu"),
		IF(B, CALL(ktimeGet)).ELSE(
			MOVL(clocksReal, RAX),
			BTL(RDI, RAX),
			JAE("cpu"),
			CALL(ktimeReal),
		),
		MOVQ(RSI, RDI),
		MOVQ(RAX, RSI),
		JMP(putTimespec),
		LABEL("cpu"),
		PUSHQ(RSI),
		CALL(cpuClockGet),
		POPQ(RDI),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(RAX, RSI),
		JMP(putTimespec),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysClockGetres() Func {
	res, ns := RBX, R12
	return FUNC("sys_clock_getres", "sys_clock_getres(clock EDI, timespec RSI): all clocks count ns, except those of CPU time that count ring 3, or both rings, which are sampled.",
		MOVQ(RSI, res),
		MOVL(1, ns),
		inSet(RDI, clocksMono|clocksReal, "cpu"),
		JB("put"),
		LABEL("cpu"),
		CALL(cpuClockID),
		TESTL(RAX, RAX),
		IF(S, RETURN()),
		ANDL(^layout.CPUClockThread, RAX),
		CMPL(RAX, layout.CPUClockSched),
		IF(NE, MOVL(layout.TimeSlice, ns)),
		LABEL("put"),
		TESTQ(res, res),
		IF(E, returns(0)),
		MOVQ(res, RDI),
		MOVQ(ns, RSI),
		CALL(putTimespec),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sysGettimeofday() Func {
	timezone := RBX
	return FUNC("sys_gettimeofday", "sys_gettimeofday(timeval RDI, timezone RSI), each of them if not 0.",
		MOVQ(RSI, timezone),
		TESTQ(RDI, RDI),
		IF(NE,
			CALL(ktimeReal),
			XORL(RDX, RDX),
			MOVL(1000, RCX),
			DIVQ(RCX),
			XORL(RDX, RDX),
			MOVL(1_000_000, RCX),
			DIVQ(RCX),
			SUBQ(timespecSize, RSP),
			MOVQ(RAX, RSP.At(0)),
			MOVQ(RDX, RSP.At(8)),
			MOVQ(RSP, RSI),
			MOVL(timespecSize, RDX),
			CALL(copyToUser),
			ADDQ(timespecSize, RSP),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		XORL(RAX, RAX),
		TESTQ(timezone, timezone),
		IF(NE,
			MOVQ(timezone, RDI),
			XORL(RSI, RSI), // UTC
			CALL(putUserLong),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysTime() Func {
	seconds := RBX
	return FUNC("sys_time", "sys_time(address RDI) returns the seconds since 1970 and stores them at RDI, if it is not 0.",
		CALL(ktimeReal),
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, seconds),
		TESTQ(RDI, RDI),
		IF(NE,
			MOVQ(RAX, RSI),
			CALL(putUserLong),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVQ(seconds, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysNanosleep() Func {
	remaining := RBX
	return FUNC("sys_nanosleep", "sys_nanosleep(timespec RDI, remaining RSI).",
		MOVQ(RSI, remaining),
		CALL(getTimespec),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(RAX, RDI),
		CALL(timeAfter),
		MOVQ(RAX, RDI),
		MOVQ(remaining, RSI),
		CALL(doNanosleep),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysClockNanosleep() Func {
	remaining, clock, flags, until, tid := RBX, R12, R13, R14, R15
	return FUNC("sys_clock_nanosleep",
		`sys_clock_nanosleep(clock EDI, flags ESI, timespec RDX, remaining RCX). The date
is never set, so a sleep by it needs nothing special.`,
		MOVL(RDI, clock),
		MOVL(RSI, flags),
		MOVQ(RCX, remaining),
		inSet(RDI, clocksSleep, "cpu"),
		JAE("other"),
		MOVQ(RDX, RDI),
		CALL(getTimespec),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(RAX, RDI),
		TESTL(timerAbstime, flags),
		IF(E, CALL(timeAfter)).ELSE(
			XORL(remaining, remaining), // an absolute time has no remainder
			MOVL(clocksReal, RCX),
			BTL(clock, RCX),
			IF(B, CALL(timeOfReal)),
		),
		MOVQ(RAX, RDI),
		MOVQ(remaining, RSI),
		CALL(doNanosleep),
		RETURN(),
		LABEL("other"),
		MOVL(clocksMono|clocksReal|1<<clockThreadCPU, RAX),
		BTL(RDI, RAX),
		IF(B, fail(EOPNOTSUPP)),
		LABEL("cpu"),
		TESTL(RDI, RDI),
		IF(S,
			MOVL(RDI, RAX),
			ANDL(clockFDMask, RAX),
			CMPL(RAX, clockFD),
			IF(E, fail(EOPNOTSUPP)), // a file's clock, which cannot wait either
		).ELSE(
			CMPL(RDI, clockProcessCPU),
			IF(NE, fail(EINVAL)),
		),
		MOVQ(RDX, RDI),
		CALL(getTimespec),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(RAX, until),
		MOVL(clock, RDI),
		CALL(cpuClockID),
		TESTL(RAX, RAX),
		IF(S, RETURN()),
		MOVL(RAX, clock),
		MOVL(RSI, tid),
		TESTL(layout.CPUClockThread, clock),
		IF(NE, // the thread would have to run to be woken
			MOVQ(gs.Current, RAX),
			CMPL(tid, thread(RAX).TID),
			IF(E, fail(EINVAL)),
		),
		TESTL(timerAbstime, flags),
		IF(NE, XORL(remaining, remaining)).ELSE(
			CLI(),
			CALL(cpuAccount),
			MOVL(clock, RDI),
			MOVL(tid, RSI),
			CALL(cpuClock),
			ADDQ(RAX, until),
			IF(O, MOVQ(uint64(1<<63-1), until)),
		),
		MOVL(clock, RDI),
		MOVL(tid, RSI),
		MOVQ(until, RDX),
		MOVQ(remaining, RCX),
		CALL(cpuNanosleep),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func doNanosleep() Func {
	remaining, until := RBX, R12
	return FUNC("do_nanosleep",
		`do_nanosleep sleeps until monotonic time RDI. If a signal ends the sleep, the
remaining time goes to the timespec at RSI, unless that is 0, and the result is -EINTR.`,
		MOVQ(RDI, until),
		MOVQ(RSI, remaining),
		CLI(),
		DO(
			MOVQ(until, RDI),
			CALL(sleepUntil),
			TESTQ(RAX, RAX),
		).WHILE(E),
		CMPQ(RAX, -ETIMEDOUT),
		IF(E, returns(0)),
		TESTQ(remaining, remaining),
		IF(NE,
			CALL(ktimeGet),
			MOVQ(until, RSI),
			SUBQ(RAX, RSI),
			IF(LE, returns(0)),
			MOVQ(remaining, RDI),
			CALL(putTimespec),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		fail(EINTR),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}
