package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// Clocks of clock_gettime (Linux include/uapi/linux/time.h). Those of CPU
// time are not there.
const (
	clockRealtime       = 0
	clockMonotonic      = 1
	clockMonotonicRaw   = 4
	clockRealtimeCoarse = 5
	clockMonotonicCoars = 6
	clockBoottime       = 7
	clockTAI            = 11

	timerAbstime = 1 // TIMER_ABSTIME of clock_nanosleep
	timespecSize = 16
)

// Sets of clocks, one bit each.
const (
	clocksReal  = 1<<clockRealtime | 1<<clockRealtimeCoarse | 1<<clockTAI
	clocksMono  = 1<<clockMonotonic | 1<<clockMonotonicRaw | 1<<clockMonotonicCoars | 1<<clockBoottime
	clocksSleep = 1<<clockRealtime | 1<<clockMonotonic | 1<<clockBoottime | 1<<clockTAI
)

// timeCalls are the system calls that tell the time and sleep.
func timeCalls() Program {
	inSet := func(clock Reg, set int) Block {
		return Block{
			CMPL(clock, clockTAI),
			IF(A, fail(EINVAL)),
			MOVL(set, RAX),
			BTL(clock, RAX),
		}
	}
	return Program{Funcs: []Func{
		FUNC("get_timespec",
			`get_timespec reads the timespec at user address RDI: RAX is the time in ns, at
most 2^63-1, RDX 0 or -EFAULT or, if it is negative or its ns are not below a
second, -EINVAL.`,
			SUBQ(timespecSize, RSP),
			MOVQ(RDI, RSI),
			MOVQ(RSP, RDI),
			MOVL(timespecSize, RDX),
			CALL("copy_from_user"),
			MOVQ(RSP.At(0), RCX), // s
			MOVQ(RSP.At(8), RSI), // ns
			ADDQ(timespecSize, RSP),
			MOVQ(RAX, RDX),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
			MOVQ(-EINVAL, RDX),
			TESTQ(RCX, RCX),
			IF(S, RETURN()),
			CMPQ(RSI, nsPerSec),
			IF(AE, RETURN()),
			MOVQ(uint64((1<<63-1)/nsPerSec), RDX),
			CMPQ(RCX, RDX),
			IF(AE, MOVQ(uint64(1<<63-1), RAX)).ELSE(
				IMULQ(nsPerSec, RCX),
				LEAQ(RCX.Index(RSI, 1), RAX),
			),
			XORL(RDX, RDX),
			RETURN(),
		),
		FUNC("put_timespec", "put_timespec writes RSI ns as a timespec to user address RDI. Returns 0 or -EFAULT.",
			SUBQ(timespecSize, RSP),
			MOVQ(RSI, RAX),
			XORL(RDX, RDX),
			MOVL(nsPerSec, RCX),
			DIVQ(RCX),
			MOVQ(RAX, RSP.At(0)),
			MOVQ(RDX, RSP.At(8)),
			MOVQ(RSP, RSI),
			MOVL(timespecSize, RDX),
			CALL("copy_to_user"),
			ADDQ(timespecSize, RSP),
			RETURN(),
		),
		FUNC("time_after",
			`time_after returns in RAX the monotonic time RDI ns from now, at most 2^63-1, as
sleep_until takes it.`,
			CALL("ktime_get"),
			ADDQ(RDI, RAX),
			IF(O, MOVQ(uint64(1<<63-1), RAX)),
			RETURN(),
		),
		FUNC("time_of_real", "time_of_real returns in RAX the monotonic time of RDI ns after 1970, not below 0.",
			MOVQ(RDI, RAX),
			SUBQ(clk.Real, RAX),
			IF(S, XORL(RAX, RAX)),
			RETURN(),
		),
		FUNC("sys_clock_gettime", "sys_clock_gettime(clock EDI, timespec RSI).",
			inSet(RDI, clocksMono),
			IF(B, CALL("ktime_get")).ELSE(
				MOVL(clocksReal, RAX),
				BTL(RDI, RAX),
				IF(AE, fail(EINVAL)),
				CALL("ktime_real"),
			),
			MOVQ(RSI, RDI),
			MOVQ(RAX, RSI),
			JMP("put_timespec"),
		),
		FUNC("sys_clock_getres", "sys_clock_getres(clock EDI, timespec RSI): all clocks count ns.",
			inSet(RDI, clocksMono|clocksReal),
			IF(AE, fail(EINVAL)),
			TESTQ(RSI, RSI),
			IF(E, returns(0)),
			MOVQ(RSI, RDI),
			MOVL(1, RSI),
			JMP("put_timespec"),
		),
		FUNC("sys_gettimeofday", "sys_gettimeofday(timeval RDI, timezone RSI), each of them if not 0.",
			MOVQ(RSI, RBX),
			TESTQ(RDI, RDI),
			IF(NE,
				CALL("ktime_real"),
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
				CALL("copy_to_user"),
				ADDQ(timespecSize, RSP),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
			),
			XORL(RAX, RAX),
			TESTQ(RBX, RBX),
			IF(NE,
				MOVQ(RBX, RDI),
				XORL(RSI, RSI), // UTC
				CALL("put_user_long"),
			),
			RETURN(),
		).Saving(RBX),
		FUNC("sys_time", "sys_time(address RDI) returns the seconds since 1970 and stores them at RDI, if it is not 0.",
			CALL("ktime_real"),
			XORL(RDX, RDX),
			MOVL(nsPerSec, RCX),
			DIVQ(RCX),
			MOVQ(RAX, RBX),
			TESTQ(RDI, RDI),
			IF(NE,
				MOVQ(RAX, RSI),
				CALL("put_user_long"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
			),
			MOVQ(RBX, RAX),
			RETURN(),
		).Saving(RBX),
		FUNC("sys_nanosleep", "sys_nanosleep(timespec RDI, remaining RSI).",
			MOVQ(RSI, RBX),
			CALL("get_timespec"),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, RDI),
			CALL("time_after"),
			MOVQ(RAX, RDI),
			MOVQ(RBX, RSI),
			CALL("do_nanosleep"),
			RETURN(),
		).Saving(RBX),
		FUNC("sys_clock_nanosleep",
			`sys_clock_nanosleep(clock EDI, flags ESI, timespec RDX, remaining RCX). The date
is never set, so that a sleep by it needs nothing special.`,
			MOVL(RDI, R12),
			MOVL(RSI, R13),
			MOVQ(RCX, RBX),
			inSet(RDI, clocksSleep),
			IF(AE, fail(EINVAL)),
			MOVQ(RDX, RDI),
			CALL("get_timespec"),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, RDI),
			TESTL(timerAbstime, R13),
			IF(E, CALL("time_after")).ELSE(
				XORL(RBX, RBX), // nothing remains of a point in time
				MOVL(clocksReal, RCX),
				BTL(R12, RCX),
				IF(B, CALL("time_of_real")),
			),
			MOVQ(RAX, RDI),
			MOVQ(RBX, RSI),
			CALL("do_nanosleep"),
			RETURN(),
		).Saving(RBX, R12, R13),
		FUNC("do_nanosleep",
			`do_nanosleep sleeps until monotonic time RDI. If a signal ends it, what remains
goes to the timespec at RSI, unless that is 0, and the result is -EINTR.`,
			MOVQ(RDI, R12),
			MOVQ(RSI, RBX),
			CLI(),
			DO(
				MOVQ(R12, RDI),
				CALL("sleep_until"),
				TESTQ(RAX, RAX),
			).WHILE(E),
			CMPQ(RAX, -ETIMEDOUT),
			IF(E, returns(0)),
			TESTQ(RBX, RBX),
			IF(NE,
				CALL("ktime_get"),
				MOVQ(R12, RSI),
				SUBQ(RAX, RSI),
				IF(LE, returns(0)),
				MOVQ(RBX, RDI),
				CALL("put_timespec"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
			),
			fail(EINTR),
		).Saving(RBX, R12),
	}}
}
