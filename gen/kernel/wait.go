package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// epollItem gives the fields of the EpollItem that r points to.
func epollItem(r Reg) *layout.EpollItem[Mem] { return Fields[layout.EpollItem[Mem]](r) }

// anyFile is the Thread.FileWait of a thread that looks at many files.
const anyFile = -1

// waits makes calls sleep until something happens to a file. A woken call
// tests its condition again.
func waits() Program {
	return Program{
		Funcs: Funcs(
			filePoll, fileSleep, fileNotify, fileWake, waitMask, waitMaskEnd,
		),
	}
}

func filePoll() Func {
	ops := Fields[layout.FileOps[Mem]](RAX)
	return FUNC("file_poll", "file_poll returns the EPOLL mask of what can be done with the File RDI now.",
		MOVQ(openFile(RDI).Ops, RAX),
		MOVQ(ops.Poll, RCX),
		TESTQ(RCX, RCX),
		IF(NE, JMP(RCX)),
		MOVL(EPOLLIN|EPOLLRDNORM|EPOLLOUT|EPOLLWRNORM, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func fileSleep() Func {
	threadPtr := RBX
	t := thread(threadPtr)
	return FUNC("file_sleep",
		`file_sleep blocks the current thread until one of the events RSI happens to the
File RDI (anyFile: to any file), or until RDX, as sleep_until does. IF is 0. Returns
what sleep_until does.`,
		MOVQ(gs.Current, threadPtr),
		MOVQ(RDI, t.FileWait),
		MOVQ(RSI, t.FileEvents),
		MOVQ(RDX, RDI),
		CALL(sleepUntil),
		MOVQ(0, t.FileWait),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX).Returns(RAX)
}

func fileNotify() Func {
	itemPtr, file, events := RBX, R12, R13
	item := epollItem(itemPtr)
	return FUNC("file_notify",
		`file_notify notifies all who wait that the events RSI have happened to the File
RDI. Turns interrupts off.`,
		MOVQ(RDI, file),
		MOVL(RSI, events),
		MOVQ(openFile(RDI).Watchers, itemPtr),
		LOOP(
			TESTQ(itemPtr, itemPtr),
			BREAK(E),
			TESTL(item.Events, events),
			IF(NE,
				MOVQ(1, item.Edge),
				MOVQ(item.Epoll, RDI),
				MOVL(EPOLLIN, RSI),
				CALL(fileWake),
			),
			MOVQ(item.WatchNext, itemPtr),
		),
		MOVQ(file, RDI),
		MOVL(events, RSI),
		CALL(fileWake),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI)
}

func fileWake() Func {
	threadPtr, file, events := RBX, R12, R13
	t := thread(threadPtr)
	return FUNC("file_wake", "file_wake wakes the threads that wait for one of the events RSI of the File RDI. Turns interrupts off.",
		CLI(),
		MOVQ(RDI, file),
		MOVL(RSI, events),
		eachThread(threadPtr,
			CMPQ(t.FileWait, anyFile),
			JE("wake"),
			CMPQ(file, t.FileWait),
			JNE("next"),
			TESTL(events, t.FileEvents),
			JE("next"),
			LABEL("wake"),
			MOVQ(0, t.FileWait),
			MOVQ(threadPtr, RDI),
			XORL(RSI, RSI),
			CALL(wakeUp),
			LABEL("next"),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI)
}

func waitMask() Func {
	self := thread(RAX)
	return FUNC("wait_mask",
		`wait_mask puts the user's signal mask at RDI, of RSI bytes, in force until the end of
the wait, if RDI is not 0. Returns 0 or -errno. Turns interrupts off.`,
		TESTQ(RDI, RDI),
		IF(E, returns(0)),
		CMPQ(RSI, 8),
		IF(NE, fail(EINVAL)),
		CALL(getUserLong),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
		MOVQ(RAX, RSI),
		CLI(),
		MOVQ(gs.Current, RAX),
		MOVQ(self.SigBlocked, RCX),
		MOVQ(RCX, self.SavedMask),
		MOVQ(1, self.RestoreMask),
		CALL(setBlocked),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

func waitMaskEnd() Func {
	return FUNC("wait_mask_end",
		`wait_mask_end undoes wait_mask if the wait's result, RAX, is not -EINTR; after
-EINTR do_signal does, once it has delivered the signals that the mask let through.
Keeps RAX.`,
		MOVQ(gs.Current, RCX),
		CMPQ(thread(RCX).RestoreMask, 0),
		IF(E, RETURN()),
		CMPQ(RAX, -EINTR),
		IF(E, RETURN()),
		MOVQ(0, thread(RCX).RestoreMask),
		PUSHQ(RAX),
		MOVQ(thread(RCX).SavedMask, RSI),
		CLI(),
		CALL(setBlocked),
		POPQ(RAX),
		RETURN(),
	).Takes(RAX).Keeps(RAX)
}
