package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// pollFD is the size of struct pollfd: 4 bytes of descriptor, 2 of events, 2 of
// returned events (Linux include/uapi/asm-generic/poll.h).
const pollFD = 8

// polls returns the system calls poll and ppoll.
func polls() Program {
	return Program{
		Funcs: Funcs(
			sysPoll, sysPpoll, timespecDeadline, putTimeLeft, doPoll,
		),
	}
}

func sysPoll() Func {
	fds, n := RBX, R12
	return FUNC("sys_poll", "sys_poll(fds, nfds, timeout): the time-out in ms, negative for ever.",
		MOVQ(RDI, fds),
		MOVL(RSI, n),
		MOVL(RDX, RDI),
		CALL(msDeadline),
		MOVQ(fds, RDI),
		MOVL(n, RSI),
		MOVQ(RAX, RDX),
		CALL(doPoll),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysPpoll() Func {
	fds, timeout, n, mask, maskSize, until := RBX, RBP, R12, R13, R14, R15
	return FUNC("sys_ppoll",
		`sys_ppoll(fds, nfds, timeout, sigmask, sigsetsize): the time-out is a timespec,
NULL for ever; the time that is left is written back.`,
		MOVQ(RDI, fds),
		MOVL(RSI, n),
		MOVQ(RDX, timeout),
		MOVQ(RCX, mask),
		MOVQ(R8, maskSize),
		MOVQ(RDX, RDI),
		CALL(timespecDeadline),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(RAX, until),
		MOVQ(mask, RDI),
		MOVQ(maskSize, RSI),
		CALL(waitMask),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(fds, RDI),
		MOVL(n, RSI),
		MOVQ(until, RDX),
		CALL(doPoll),
		CALL(waitMaskEnd),
		MOVQ(timeout, RDI),
		MOVQ(until, RSI),
		MOVL(1, RDX),
		CALL(putTimeLeft),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func timespecDeadline() Func {
	return FUNC("timespec_deadline",
		`timespec_deadline returns the monotonic time at which the time-out at the user's
RDI, a timespec, ends: 0 for a time-out of 0, -1, for ever, if RDI is 0. RDX is 0
or -errno.`,
		XORL(RDX, RDX),
		TESTQ(RDI, RDI),
		IF(E, returns(-1)),
		CALL(getTimespec),
		TESTQ(RDX, RDX),
		IF(NE, RETURN()),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX, RDI),
			CALL(timeAfter),
			XORL(RDX, RDX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

func putTimeLeft() Func {
	result, unit, addr := RBX, R12, R13
	units := R12
	return FUNC("put_time_left",
		`put_time_left writes the time that is left until the monotonic time RSI to the user's
RDI, in seconds and units of EDX ns, unless there is no time-out (RDI or RSI is 0).
It ignores a bad address. Keeps RAX.`,
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		TESTQ(RSI, RSI),
		IF(E, RETURN()),
		MOVQ(RAX, result),
		MOVL(RDX, unit),
		MOVQ(RDI, addr),
		CALL(ktimeGet),
		SUBQ(RAX, RSI),
		IF(S, XORL(RSI, RSI)), // the time is up
		MOVQ(RSI, RAX),
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, RSI),
		MOVQ(RDX, RAX),
		XORL(RDX, RDX),
		DIVQ(unit),
		MOVQ(RAX, units),
		MOVQ(addr, RDI),
		CALL(putUserLong),
		LEAQ(addr.At(8), RDI),
		MOVQ(units, RSI),
		CALL(putUserLong),
		MOVQ(result, RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX, RAX).Returns(RAX)
}

func doPoll() Func {
	next, ready, fds, n, until, over := RBX, RBP, R12, R13, R14, R15
	return FUNC("do_poll",
		`do_poll waits until monotonic time RDX (0: not at all, -1: for ever) for the events of
the ESI pollfds at the user's RDI. Returns how many are ready or -errno.`,
		MOVQ(RDI, fds),
		MOVL(RSI, n),
		MOVQ(RDX, until),
		fdLimit(RAX),
		CMPQ(n, RAX),
		IF(A, fail(EINVAL)),
		XORL(over, over), // 1 once the time is up
		LOOP(
			CLI(),
			XORL(ready, ready), // ready
			MOVQ(fds, next),    // the next pollfd
			LOOP(
				LEAQ(fds.Index(n, pollFD), RAX),
				CMPQ(next, RAX),
				BREAK(E),
				MOVQ(next, RDI),
				CALL(getUserLong), // its descriptor and events
				TESTQ(RDX, RDX),
				IF(NE, fail(EFAULT)),
				XORL(RSI, RSI), // its returned events
				MOVL(RAX, RDI),
				TESTL(RDI, RDI),
				IF(NS, // a negative one is skipped
					PUSHQ(RAX),
					MOVL(POLLNVAL, RSI),
					CALL(fdFile),
					TESTQ(RAX, RAX),
					IF(NE,
						MOVQ(RAX, RDI),
						CALL(filePoll),
						MOVZWL(RSP.At(4), RSI),
						ORL(EPOLLERR|EPOLLHUP, RSI),
						ANDL(RAX, RSI),
					),
					ADDQ(8, RSP),
					CMPL(RSI, 1),
					SBBL(-1, ready), // one more ready if there is any
				),
				LEAQ(next.At(6), RDI),
				CALL(putUserShort),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				ADDQ(pollFD, next),
			),
			MOVL(ready, RAX),
			TESTL(RAX, RAX),
			BREAK(NE),
			TESTQ(until, until),
			BREAK(E),
			TESTL(over, over),
			BREAK(NE),
			MOVQ(anyFile, RDI),
			MOVQ(-1, RSI),
			MOVQ(until, RDX),
			CALL(fileSleep),
			CMPQ(RAX, -EINTR),
			BREAK(E),
			CMPQ(RAX, -ETIMEDOUT),
			IF(E, MOVL(1, over)), // once more: something may have happened by then
		),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}
