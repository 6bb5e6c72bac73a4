package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// selectEvents are the events of poll that put a descriptor into each of
// select's sets (Linux fs/select.c, POLLIN_SET, POLLOUT_SET, POLLEX_SET).
var selectEvents = [3]int{
	EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLHUP | EPOLLERR,
	EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLERR,
	EPOLLPRI,
}

// selects returns the system calls select and pselect6. A set is read word by word from the
// user's memory each time it is examined, and written only at the end, so it may have any
// size.
func selects() Program {
	return Program{
		Funcs: Funcs(
			sysSelect, sysPselect6, getTimeval, doSelect, selectScan,
		),
	}
}

func sysSelect() Func {
	timeout, n, readFDs, writeFDs, exceptFDs := RBP, R12, R13, R14, R15
	until := R12
	return FUNC("sys_select",
		`sys_select(n, readfds, writefds, exceptfds, timeout): the time-out is a timeval,
NULL for ever; the time that is left is written back.`,
		MOVQ(R8, timeout),
		MOVL(RDI, n),
		MOVQ(RSI, readFDs),
		MOVQ(RDX, writeFDs),
		MOVQ(RCX, exceptFDs),
		MOVQ(-1, R8),
		TESTQ(timeout, timeout),
		IF(NE,
			MOVQ(timeout, RDI),
			CALL(getTimeval),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX, RDI),
				CALL(timeAfter),
			),
			MOVQ(RAX, R8),
		),
		MOVL(n, RDI),
		MOVQ(readFDs, RSI),
		MOVQ(writeFDs, RDX),
		MOVQ(exceptFDs, RCX),
		MOVQ(R8, until),
		CALL(doSelect),
		MOVQ(timeout, RDI),
		MOVQ(until, RSI),
		MOVL(1000, RDX),
		CALL(putTimeLeft),
		RETURN(),
	).Saving(RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func sysPselect6() Func {
	n, until, readFDs, writeFDs, exceptFDs, timeout := RBX, RBP, R12, R13, R14, R15
	return FUNC("sys_pselect6",
		`sys_pselect6(n, readfds, writefds, exceptfds, timeout, sigmask): the time-out is a
timespec, NULL for ever; the time that is left is written back. sigmask points to the
mask's address and its size, or is NULL.`,
		MOVL(RDI, n),
		MOVQ(RSI, readFDs),
		MOVQ(RDX, writeFDs),
		MOVQ(RCX, exceptFDs),
		MOVQ(R8, timeout),
		PUSHQ(0), // the mask's size
		PUSHQ(0), // and address
		TESTQ(R9, R9),
		IF(NE,
			MOVQ(RSP, RDI),
			MOVQ(R9, RSI),
			MOVL(16, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("out"),
		),
		MOVQ(timeout, RDI),
		CALL(timespecDeadline),
		MOVQ(RAX, until),
		MOVQ(RDX, RAX),
		TESTQ(RDX, RDX),
		JNE("out"),
		MOVQ(RSP.At(0), RDI),
		MOVQ(RSP.At(8), RSI),
		CALL(waitMask),
		TESTQ(RAX, RAX),
		JNE("out"),
		MOVL(n, RDI),
		MOVQ(readFDs, RSI),
		MOVQ(writeFDs, RDX),
		MOVQ(exceptFDs, RCX),
		MOVQ(until, R8),
		CALL(doSelect),
		CALL(waitMaskEnd),
		MOVQ(timeout, RDI),
		MOVQ(until, RSI),
		MOVL(1, RDX),
		CALL(putTimeLeft),
		LABEL("out"),
		ADDQ(16, RSP),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8, R9).Returns(RAX)
}

func getTimeval() Func {
	return FUNC("get_timeval",
		`get_timeval reads the timeval at user address RDI, whose microseconds may be more
than a second: RAX is the time in ns, at most 2^63-1; RDX is 0, -EFAULT or, if it
is negative, -EINVAL.`,
		SUBQ(16, RSP),
		MOVQ(RDI, RSI),
		MOVQ(RSP, RDI),
		MOVL(16, RDX),
		CALL(copyFromUser),
		POPQ(RDI), // s
		POPQ(RSI), // us
		MOVQ(RAX, RDX),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(RSI, RAX),
		CQO(),
		MOVL(1_000_000, RCX),
		IDIVQ(RCX),
		ADDQ(RAX, RDI),
		MOVQ(RDX, RCX), // us below a second
		MOVQ(-EINVAL, RDX),
		TESTQ(RDI, RDI),
		IF(S, RETURN()),
		TESTQ(RCX, RCX),
		IF(S, RETURN()),
		XORL(RDX, RDX),
		MOVQ(uint64((1<<63-1)/nsPerSec), RAX),
		CMPQ(RDI, RAX),
		IF(AE, MOVQ(uint64(1<<63-1), RAX), RETURN()),
		IMULQ(nsPerSec, RDI),
		IMULQ(1000, RCX),
		LEAQ(RDI.Index(RCX, 1), RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

func doSelect() Func {
	selPtr := RBX
	sel := Fields[layout.Select[Mem]](selPtr)
	return FUNC("do_select",
		`do_select waits until monotonic time R8 (0: not at all, -1: for ever) for one of
the first EDI descriptors that the sets RSI, RDX and RCX name. Returns how many
bits of the sets are then set, or -errno with the sets unchanged.`,
		TESTL(RDI, RDI),
		IF(S, fail(EINVAL)),
		SUBQ(SizeOf[layout.Select[Mem]](), RSP),
		MOVQ(RSP, selPtr),
		MOVL(RDI, RAX),
		MOVQ(gs.Files, R9),
		CMPQ(RAX, fdTable(R9).Size), // beyond it no descriptor was ever open
		CMOVQA(fdTable(R9).Size, RAX),
		MOVQ(RAX, sel.N),
		MOVQ(RSI, sel.Sets[0]),
		MOVQ(RDX, sel.Sets[1]),
		MOVQ(RCX, sel.Sets[2]),
		MOVQ(R8, sel.Deadline),
		MOVQ(0, sel.Late),
		LOOP(
			CLI(),
			XORL(RDI, RDI),
			CALL(selectScan),
			TESTQ(RAX, RAX),
			JS("out"),
			BREAK(NE),
			CMPQ(sel.Deadline, 0),
			BREAK(E),
			CMPQ(sel.Late, 0),
			BREAK(NE),
			MOVQ(anyFile, RDI),
			MOVQ(-1, RSI),
			MOVQ(sel.Deadline, RDX),
			CALL(fileSleep),
			CMPQ(RAX, -EINTR),
			JE("out"),
			CMPQ(RAX, -ETIMEDOUT),
			IF(E, MOVQ(1, sel.Late)), // once more: something may have happened by then
		),
		MOVL(1, RDI),
		CALL(selectScan),
		LABEL("out"),
		ADDQ(SizeOf[layout.Select[Mem]](), RSP),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func selectScan() Func {
	selPtr, union, base, held, write, bit := RBX, RBP, R12, R13, R14, R15
	sel := Fields[layout.Select[Mem]](selPtr)
	// eachSet runs items for each set.
	eachSet := func(items func(i int) Block) Block {
		var b Block
		for i := range selectEvents {
			b = append(b, items(i))
		}
		return b
	}
	return FUNC("select_scan",
		`select_scan tests once what the Select RBX asks for. Returns how many bits of
the sets are ready, or -errno; if EDI is 1 the sets become those bits.`,
		MOVL(RDI, write),
		XORL(base, base), // the descriptor of the word's first bit
		XORL(held, held), // bits that are ready
		LOOP(
			CMPQ(base, sel.N),
			BREAK(AE),
			XORL(union, union), // bits of all sets
			eachSet(func(i int) Block {
				return Block{
					XORL(RAX, RAX),
					MOVQ(sel.Sets[i], RDI),
					TESTQ(RDI, RDI),
					IF(NE,
						MOVQ(base, RCX),
						SHRQ(3, RCX),
						ADDQ(RCX, RDI),
						CALL(getUserLong),
						TESTQ(RDX, RDX),
						JNE("fault"),
					),
					MOVQ(RAX, sel.Word[i]),
					MOVQ(0, sel.Got[i]),
					ORQ(RAX, union),
				}
			}),
			LOOP(
				BSFQ(union, bit),
				BREAK(E),
				BTRQ(bit, union),
				LEAQ(base.Index(bit, 1), RDI),
				CMPQ(RDI, sel.N),
				BREAK(AE),
				CALL(fdFile),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(RAX, RDI),
				CALL(filePoll),
				eachSet(func(i int) Block {
					return Block{
						TESTL(selectEvents[i], RAX),
						IF(NE,
							BTQ(bit, sel.Word[i]),
							IF(B,
								BTSQ(bit, sel.Got[i]),
								INCL(held),
							),
						),
					}
				}),
			),
			TESTL(write, write),
			IF(NE, eachSet(func(i int) Block {
				return Block{
					MOVQ(sel.Sets[i], RDI),
					TESTQ(RDI, RDI),
					IF(NE,
						MOVQ(base, RCX),
						SHRQ(3, RCX),
						ADDQ(RCX, RDI),
						MOVQ(sel.Got[i], RSI),
						CALL(putUserLong),
						TESTQ(RAX, RAX),
						JNE("fault"),
					),
				}
			})),
			ADDL(64, base),
		),
		MOVL(held, RAX),
		RETURN(),
		LABEL("fault"),
		fail(EFAULT),
	).Saving(RBP, R12, R13, R14, R15).Takes(RDI, RBX).Returns(RAX)
}
