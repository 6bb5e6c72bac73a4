package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const efdSemaphore = 1 // EFD_SEMAPHORE: a read takes 1

// eventfdWait sleeps for events of the File RBX, or leaves the function. A signal
// that interrupts it lets the call begin anew.
func eventfdWait(events int) Block {
	file := openFile(RBX)

	return Block{
		TESTL(O_NONBLOCK, file.Flags),
		IF(NE, fail(EAGAIN)),
		MOVQ(RBX, RDI),
		MOVL(events, RSI),
		MOVQ(-1, RDX),
		CALL(fileSleep),
		CMPQ(RAX, -EINTR),
		IF(E, fail(ERESTARTSYS)),
	}
}

// eventfds is files that are counters: writing adds, reading takes (Linux
// fs/eventfd.c).
func eventfds() Program {
	return Program{
		Funcs: Funcs(
			sysEventfd, sysEventfd2, readEventfd, writeEventfd, pollEventfd,
		),
		Data: []Data{
			eventfdOps(),
		},
	}
}

func eventfdOps() Data {
	return fileOps("eventfd_ops", layout.FileOps[any]{
		Read: readEventfd, Write: writeEventfd, Poll: pollEventfd, Anon: 1, Mode: 0o600,
	})
}

func sysEventfd() Func {
	return FUNC("sys_eventfd", "sys_eventfd(initval).",
		XORL(RSI, RSI),
		JMP(sysEventfd2),
	).Takes(RDI).Returns(RAX)
}

func sysEventfd2() Func {
	return FUNC("sys_eventfd2", "sys_eventfd2(initval, flags).",
		MOVL(RDI, R12),
		MOVL(RSI, R13),
		TESTL(^(efdSemaphore|O_NONBLOCK|O_CLOEXEC), RSI),
		IF(NE, fail(EINVAL)),
		LEAQ(Sym(eventfdOps), RDI),
		ANDL(O_NONBLOCK, RSI),
		ORL(O_RDWR, RSI),
		MOVL(R13, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		IF(NS,
			MOVQ(R12, openFile(RDX).Count),
			ANDL(efdSemaphore, R13),
			MOVQ(R13, openFile(RDX).Semaphore),
		),
		RETURN(),
	).Saving(R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func readEventfd() Func {
	file := openFile(RBX)
	return FUNC("read_eventfd", "read_eventfd is the Read of an eventfd: 8 bytes, the counter or 1.",
		CMPQ(RDX, 8),
		IF(B, fail(EINVAL)),
		MOVQ(RDI, RBX),
		MOVQ(RSI, R12),
		LOOP(
			CLI(),
			CMPQ(file.Count, 0),
			BREAK(NE),
			eventfdWait(EPOLLIN),
		),
		MOVQ(file.Count, R13),
		CMPQ(file.Semaphore, 0),
		IF(NE, MOVL(1, R13)),
		SUBQ(R13, file.Count),
		MOVQ(RBX, RDI),
		MOVL(EPOLLOUT, RSI),
		CALL(fileNotify),
		MOVQ(R12, RDI),
		MOVQ(R13, RSI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(E, MOVL(8, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX)
}

func writeEventfd() Func {
	file := openFile(RBX)
	return FUNC("write_eventfd", "write_eventfd is the Write of an eventfd: 8 bytes are added to the counter, which stays below 2^64-1.",
		CMPQ(RDX, 8),
		IF(B, fail(EINVAL)),
		MOVQ(RDI, RBX),
		MOVQ(RSI, RDI),
		CALL(getUserLong),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
		CMPQ(RAX, -1),
		IF(E, fail(EINVAL)),
		MOVQ(RAX, R12),
		LOOP(
			CLI(),
			MOVQ(file.Count, RAX),
			NOTQ(RAX), // how much more there is room for, and 1
			CMPQ(R12, RAX),
			BREAK(B),
			eventfdWait(EPOLLOUT),
		),
		ADDQ(R12, file.Count),
		MOVQ(RBX, RDI),
		MOVL(EPOLLIN, RSI),
		CALL(fileNotify),
		MOVL(8, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX)
}

func pollEventfd() Func {
	return FUNC("poll_eventfd", "poll_eventfd is the Poll of an eventfd.",
		MOVQ(openFile(RDI).Count, RCX),
		XORL(RAX, RAX),
		TESTQ(RCX, RCX),
		IF(NE, ORL(EPOLLIN, RAX)),
		CMPQ(RCX, -2),
		IF(B, ORL(EPOLLOUT, RAX)),
		RETURN(),
	).Takes(RDI)
}
