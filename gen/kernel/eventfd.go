package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const efdSemaphore = 1 // EFD_SEMAPHORE: a read takes 1

// eventfds is files that are counters: writing adds, reading takes (Linux
// fs/eventfd.c).
func eventfds() Program {
	file := openFile(RBX)
	// wait sleeps for events of the File RBX, or leaves the function. A signal
	// that interrupts it lets the call begin anew.
	wait := func(events int) Block {
		return Block{
			TESTL(O_NONBLOCK, file.Flags),
			IF(NE, fail(EAGAIN)),
			MOVQ(RBX, RDI),
			MOVL(events, RSI),
			MOVQ(-1, RDX),
			CALL("file_sleep"),
			CMPQ(RAX, -EINTR),
			IF(E, fail(ERESTARTSYS)),
		}
	}
	return Program{
		Funcs: []Func{
			FUNC("sys_eventfd", "sys_eventfd(initval).",
				XORL(RSI, RSI),
				JMP("sys_eventfd2"),
			),
			FUNC("sys_eventfd2", "sys_eventfd2(initval, flags).",
				MOVL(RDI, R12),
				MOVL(RSI, R13),
				TESTL(^(efdSemaphore|O_NONBLOCK|O_CLOEXEC), RSI),
				IF(NE, fail(EINVAL)),
				LEAQ(Sym("eventfd_ops"), RDI),
				ANDL(O_NONBLOCK, RSI),
				ORL(O_RDWR, RSI),
				MOVL(R13, RDX),
				ANDL(O_CLOEXEC, RDX),
				CALL("file_open"),
				TESTQ(RAX, RAX),
				IF(NS,
					MOVQ(R12, openFile(RDX).Count),
					ANDL(efdSemaphore, R13),
					MOVQ(R13, openFile(RDX).Semaphore),
				),
				RETURN(),
			).Saving(R12, R13),
			FUNC("read_eventfd", "read_eventfd is the Read of an eventfd: 8 bytes, the counter or 1.",
				CMPQ(RDX, 8),
				IF(B, fail(EINVAL)),
				MOVQ(RDI, RBX),
				MOVQ(RSI, R12),
				LOOP(
					CLI(),
					CMPQ(file.Count, 0),
					BREAK(NE),
					wait(EPOLLIN),
				),
				MOVQ(file.Count, R13),
				CMPQ(file.Semaphore, 0),
				IF(NE, MOVL(1, R13)),
				SUBQ(R13, file.Count),
				MOVQ(RBX, RDI),
				MOVL(EPOLLOUT, RSI),
				CALL("file_notify"),
				MOVQ(R12, RDI),
				MOVQ(R13, RSI),
				CALL("put_user_long"),
				TESTQ(RAX, RAX),
				IF(E, MOVL(8, RAX)),
				RETURN(),
			).Saving(RBX, R12, R13),
			FUNC("write_eventfd", "write_eventfd is the Write of an eventfd: 8 bytes are added to the counter, which stays below 2^64-1.",
				CMPQ(RDX, 8),
				IF(B, fail(EINVAL)),
				MOVQ(RDI, RBX),
				MOVQ(RSI, RDI),
				CALL("get_user_long"),
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
					wait(EPOLLOUT),
				),
				ADDQ(R12, file.Count),
				MOVQ(RBX, RDI),
				MOVL(EPOLLIN, RSI),
				CALL("file_notify"),
				MOVL(8, RAX),
				RETURN(),
			).Saving(RBX, R12),
			FUNC("poll_eventfd", "poll_eventfd is the Poll of an eventfd.",
				MOVQ(openFile(RDI).Count, RCX),
				XORL(RAX, RAX),
				TESTQ(RCX, RCX),
				IF(NE, ORL(EPOLLIN, RAX)),
				CMPQ(RCX, -2),
				IF(B, ORL(EPOLLOUT, RAX)),
				RETURN(),
			),
		},
		Data: []Data{
			fileOps("eventfd_ops", layout.FileOps[any]{
				Read: "read_eventfd", Write: "write_eventfd", Poll: "poll_eventfd", Anon: 1, Mode: 0o600,
			}),
		},
	}
}
