package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const efdSemaphore = 1 // EFD_SEMAPHORE: a read takes 1

// eventfdWait sleeps for events of a File, or leaves the function. A signal
// that interrupts it makes the call begin again.
func eventfdWait(file Reg, events int) Block {
	return Block{
		TESTL(O_NONBLOCK, openFile(file).Flags),
		IF(NE, fail(EAGAIN)),
		MOVQ(file, RDI),
		MOVL(events, RSI),
		MOVQ(-1, RDX),
		CALL(fileSleep),
		CMPQ(RAX, -EINTR),
		IF(E, fail(ERESTARTSYS)),
	}
}

// eventfds returns the part that implements files that are counters: writing adds, reading
// takes (Linux fs/eventfd.c).
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
	initial, flags := R12, R13
	return FUNC("sys_eventfd2", "sys_eventfd2(initval, flags).",
		MOVL(RDI, initial),
		MOVL(RSI, flags),
		TESTL(^(efdSemaphore|O_NONBLOCK|O_CLOEXEC), RSI),
		IF(NE, fail(EINVAL)),
		LEAQ(Sym(eventfdOps), RDI),
		ANDL(O_NONBLOCK, RSI),
		ORL(O_RDWR, RSI),
		MOVL(flags, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		IF(NS,
			MOVQ(initial, openFile(RDX).Count),
			ANDL(efdSemaphore, flags),
			MOVQ(flags, openFile(RDX).Semaphore),
		),
		RETURN(),
	).Saving(R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func readEventfd() Func {
	filePtr, buf, value := RBX, R12, R13
	file := openFile(filePtr)
	return FUNC("read_eventfd", "read_eventfd is the Read of an eventfd: 8 bytes, the counter or 1.",
		CMPQ(RDX, 8),
		IF(B, fail(EINVAL)),
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		LOOP(
			CLI(),
			CMPQ(file.Count, 0),
			BREAK(NE),
			eventfdWait(filePtr, EPOLLIN),
		),
		MOVQ(file.Count, value),
		CMPQ(file.Semaphore, 0),
		IF(NE, MOVL(1, value)),
		SUBQ(value, file.Count),
		MOVQ(filePtr, RDI),
		MOVL(EPOLLOUT, RSI),
		CALL(fileNotify),
		MOVQ(buf, RDI),
		MOVQ(value, RSI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(E, MOVL(8, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX)
}

func writeEventfd() Func {
	filePtr, value := RBX, R12
	file := openFile(filePtr)
	return FUNC("write_eventfd", "write_eventfd is the Write of an eventfd: 8 bytes are added to the counter, which stays below 2^64-1.",
		CMPQ(RDX, 8),
		IF(B, fail(EINVAL)),
		MOVQ(RDI, filePtr),
		MOVQ(RSI, RDI),
		CALL(getUserLong),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
		CMPQ(RAX, -1),
		IF(E, fail(EINVAL)),
		MOVQ(RAX, value),
		LOOP(
			CLI(),
			MOVQ(file.Count, RAX),
			NOTQ(RAX), // the room that is left, plus 1
			CMPQ(value, RAX),
			BREAK(B),
			eventfdWait(filePtr, EPOLLOUT),
		),
		ADDQ(value, file.Count),
		MOVQ(filePtr, RDI),
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
