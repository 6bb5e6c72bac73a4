package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const (
	epollCtlAdd = 1
	epollCtlDel = 2
	epollCtlMod = 3

	// epollEvent is the size of struct epoll_event, which is packed on x86-64:
	// 4 bytes of events, 8 of data (Linux include/uapi/linux/eventpoll.h).
	epollEvent = 12
	// epollInput are the bits that say how to report, not which events.
	epollInput = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
)

// epolls returns the part that implements epoll: instances are files. An instance cannot
// watch another one.
func epolls() Program {
	return Program{
		Funcs: Funcs(
			sysEpollCreate, sysEpollCreate1, epollForget, epollFind, epollInsert, epollRemove,
			sysEpollCtl, sysEpollWait, sysEpollPwait, msDeadline, epollScan, pollEpoll,
		),
		Data: []Data{
			epollOps(), epollCache, epollEventData,
		},
	}
}

func epollOps() Data {
	return fileOps("epoll_ops", layout.FileOps[any]{Poll: pollEpoll, Anon: 1, Mode: 0o600})
}

var epollCache = slabCache("epoll_cache", SizeOf[layout.EpollItem[Mem]]())

var epollEventData = BSS("epoll_event", 16, 16)

func sysEpollCreate() Func {
	return FUNC("sys_epoll_create", "sys_epoll_create(size): size only has to be positive.",
		TESTL(RDI, RDI),
		IF(LE, fail(EINVAL)),
		XORL(RDI, RDI),
		JMP(sysEpollCreate1),
	).Takes(RDI).Returns(RAX)
}

func sysEpollCreate1() Func {
	return FUNC("sys_epoll_create1", "sys_epoll_create1(flags): flags is 0 or O_CLOEXEC.",
		TESTL(^O_CLOEXEC, RDI),
		IF(NE, fail(EINVAL)),
		MOVL(RDI, RDX),
		LEAQ(Sym(epollOps), RDI),
		MOVL(O_RDWR, RSI),
		JMP(fileOpen),
	).Takes(RDI).Returns(RAX)
}

func epollForget() Func {
	epPtr := RBX
	ep := openFile(epPtr)
	return FUNC("epoll_forget", "epoll_forget frees the items that watch the File RDI, and, if it is an instance, its own items.",
		MOVQ(RDI, epPtr),
		LOOP(
			MOVQ(ep.Watchers, RSI),
			TESTQ(RSI, RSI),
			BREAK(E),
			CALL(epollRemove),
		),
		LOOP(
			MOVQ(ep.Items, RSI),
			TESTQ(RSI, RSI),
			BREAK(E),
			CALL(epollRemove),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func epollFind() Func {
	found := epollItem(RAX)
	return FUNC("epoll_find",
		`epoll_find returns the instance RDI's item for the File RSI with the
descriptor EDX, or 0.`,
		MOVQ(openFile(RSI).Watchers, RAX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RDI, found.Epoll),
			IF(E,
				CMPL(RDX, found.FD),
				BREAK(E),
			),
			MOVQ(found.WatchNext, RAX),
		),
		RETURN(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func epollInsert() Func {
	epPtr, fd := RBX, RBP
	found := epollItem(RAX)
	// The neighbours in a list.
	after := epollItem(RCX)
	before := epollItem(RDX)
	ep := openFile(epPtr)
	return FUNC("epoll_insert",
		`epoll_insert returns a new item of the instance RDI for the File RSI with the
descriptor EDX, or 0 if there is no memory for it. Turns interrupts off.`,
		MOVQ(RDI, epPtr),
		MOVL(RDX, fd),
		LEAQ(Sym(epollCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, returns(0)),
		CALL(slabAlloc),
		MOVQ(epPtr, found.Epoll),
		MOVQ(RSI, found.File),
		MOVQ(fd, found.FD),
		// The head of the file's list, which a timer's interrupt may walk.
		CLI(),
		MOVQ(openFile(RSI).Watchers, RCX),
		MOVQ(RAX, openFile(RSI).Watchers),
		MOVQ(RCX, found.WatchNext),
		MOVQ(0, found.WatchPrev),
		TESTQ(RCX, RCX),
		IF(NE, MOVQ(RAX, after.WatchPrev)),
		// The end of the instance's ring.
		MOVQ(ep.Items, RCX),
		TESTQ(RCX, RCX),
		IF(E,
			MOVQ(RAX, ep.Items),
			MOVQ(RAX, found.Next),
			MOVQ(RAX, found.Prev),
		).ELSE(
			MOVQ(after.Prev, RDX),
			MOVQ(RCX, found.Next),
			MOVQ(RDX, found.Prev),
			MOVQ(RAX, after.Prev),
			MOVQ(RAX, before.Next),
		),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI, RDX).Returns(RAX)
}

func epollRemove() Func {
	gone := epollItem(RSI)
	// The neighbours in a list.
	after := epollItem(RCX)
	before := epollItem(RDX)
	return FUNC("epoll_remove", "epoll_remove frees the item RSI. Turns interrupts off.",
		CLI(),
		MOVQ(gone.WatchNext, RCX),
		MOVQ(gone.WatchPrev, RDX),
		TESTQ(RCX, RCX),
		IF(NE, MOVQ(RDX, after.WatchPrev)),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RCX, before.WatchNext)).ELSE(
			MOVQ(gone.File, RAX),
			MOVQ(RCX, openFile(RAX).Watchers),
		),
		MOVQ(gone.Next, RCX),
		MOVQ(gone.Prev, RDX),
		MOVQ(RDX, after.Prev),
		MOVQ(RCX, before.Next),
		CMPQ(RCX, RSI),
		IF(E, XORL(RCX, RCX)), // it was the only item
		MOVQ(gone.Epoll, RAX),
		CMPQ(RSI, openFile(RAX).Items),
		IF(E, MOVQ(RCX, openFile(RAX).Items)),
		LEAQ(Sym(epollCache), RDI),
		JMP(slabFree),
	).Takes(RSI)
}

func sysEpollCtl() Func {
	itemPtr, epfd, op, fd, file := RBX, RBP, R12, R13, R14
	ep := RBP
	item := epollItem(itemPtr)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_epoll_ctl",
		`sys_epoll_ctl(epfd, op, fd, event). A file that is always ready cannot be watched
(EPERM), like a regular file in Linux, nor can another instance.`,
		MOVL(RDI, epfd),
		MOVL(RSI, op),
		MOVL(RDX, fd),
		CMPL(op, epollCtlDel),
		IF(NE,
			LEAQ(Sym(epollEventData), RDI),
			MOVQ(RCX, RSI),
			MOVL(epollEvent, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVL(epfd, RDI),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, ep), // the instance
		MOVL(fd, RDI),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, file), // the file
		MOVQ(openFile(file).Ops, RCX),
		CMPQ(ops.Poll, 0),
		IF(E, fail(EPERM)),
		LEAQ(Sym(epollOps), RAX),
		CMPQ(RAX, openFile(ep).Ops),
		IF(NE, fail(EINVAL)),
		CMPQ(ep, file),
		IF(E, fail(EINVAL)),
		CMPQ(RAX, RCX),
		IF(E, fail(EPERM)),

		MOVQ(ep, RDI),
		MOVQ(file, RSI),
		MOVL(fd, RDX),
		CALL(epollFind),
		MOVQ(RAX, itemPtr),
		CMPL(op, epollCtlAdd),
		IF(E,
			TESTQ(itemPtr, itemPtr),
			IF(NE, fail(EEXIST)),
			MOVQ(ep, RDI),
			MOVQ(file, RSI),
			MOVL(fd, RDX),
			CALL(epollInsert),
			TESTQ(RAX, RAX),
			IF(E, fail(ENOMEM)),
			MOVQ(RAX, itemPtr),
		).ELSE(
			TESTQ(itemPtr, itemPtr),
			IF(E,
				CMPL(op, epollCtlMod),
				IF(A, fail(EINVAL)),
				TESTL(op, op),
				IF(E, fail(EINVAL)),
				fail(ENOENT),
			),
			CMPL(op, epollCtlDel),
			IF(E,
				MOVQ(itemPtr, RSI),
				CALL(epollRemove),
				returns(0),
			),
			CMPL(op, epollCtlMod),
			IF(NE, fail(EINVAL)),
		),
		MOVL(Sym(epollEventData), RAX),
		ORL(EPOLLERR|EPOLLHUP, RAX),
		MOVQ(RAX, item.Events),
		MOVQ(Sym(epollEventData).Add(4), RAX),
		MOVQ(RAX, item.Data),
		MOVQ(1, item.Edge), // events that are already there must be reported once
		MOVQ(file, RDI),
		CALL(filePoll),
		TESTL(item.Events, RAX),
		IF(NE,
			MOVQ(ep, RDI),
			MOVL(EPOLLIN, RSI),
			CALL(fileWake),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysEpollWait() Func {
	return FUNC("sys_epoll_wait", "sys_epoll_wait(epfd, events, maxevents, timeout).",
		XORL(R8, R8),
		JMP(sysEpollPwait),
	).Takes(RDI, RSI, RDX, RCX, R9).Returns(RAX)
}

func sysEpollPwait() Func {
	epPtr, mask, events, room, timeout, maskSize := RBX, RBP, R12, R13, R14, R15
	until := R14
	ep := openFile(epPtr)
	return FUNC("sys_epoll_pwait", "sys_epoll_pwait(epfd, events, maxevents, timeout, sigmask, sigsetsize): the time-out in ms, -1 for ever.",
		MOVQ(RSI, events),
		MOVL(RDX, room),
		MOVL(RCX, timeout),
		MOVQ(R8, mask),
		MOVQ(R9, maskSize),
		LEAL(room.At(-1), RAX), // 0 and negative numbers too
		CMPL(RAX, (1<<31-1)/epollEvent),
		IF(AE, fail(EINVAL)),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, epPtr),
		LEAQ(Sym(epollOps), RAX),
		CMPQ(RAX, ep.Ops),
		MOVQ(-EINVAL, RAX),
		JNE("out"),
		MOVQ(mask, RDI),
		MOVQ(maskSize, RSI),
		CALL(waitMask),
		TESTQ(RAX, RAX),
		JNE("out"),
		MOVL(timeout, RDI),
		CALL(msDeadline),
		MOVQ(RAX, until),
		LOOP(
			CLI(),
			MOVQ(epPtr, RDI),
			MOVQ(events, RSI),
			MOVL(room, RDX),
			CALL(epollScan),
			TESTQ(RAX, RAX),
			BREAK(NE),
			TESTQ(until, until),
			BREAK(E),
			MOVQ(epPtr, RDI),
			MOVL(EPOLLIN, RSI),
			MOVQ(until, RDX),
			CALL(fileSleep),
			CMPQ(RAX, -EINTR),
			BREAK(E),
			CMPQ(RAX, -ETIMEDOUT),
			IF(E, // once more: something may have happened by the time-out
				MOVQ(epPtr, RDI),
				MOVQ(events, RSI),
				MOVL(room, RDX),
				CALL(epollScan),
				BREAK(),
			),
		),
		CALL(waitMaskEnd),
		LABEL("out"),
		MOVQ(epPtr, RDI),
		CALL(fput),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8, R9).Returns(RAX)
}

func msDeadline() Func {
	return FUNC("ms_deadline", "ms_deadline returns the monotonic time EDI ms from now; 0 for 0, and -1, for ever, if EDI is negative.",
		MOVL(RDI, RAX),
		TESTL(RDI, RDI),
		IF(E, RETURN()),
		IF(S, MOVQ(-1, RAX), RETURN()),
		IMULQ(1_000_000, RDI),
		PUSHQ(RDI),
		CALL(ktimeGet),
		POPQ(RDI),
		ADDQ(RDI, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func epollScan() Func {
	itemPtr, ep, events, room, reported, first := RBX, RBP, R12, R13, R14, R15
	item := epollItem(itemPtr)
	return FUNC("epoll_scan",
		`epoll_scan reports what is ready in the instance RDI in the user's events RSI, EDX
at most; if there was no room for more, the next scan begins after the last item.
It returns how many it reported, or -EFAULT if none could be written.`,
		MOVQ(RDI, ep),
		MOVQ(RSI, events),
		MOVL(RDX, room),          // room left
		XORL(reported, reported), // reported
		MOVQ(openFile(ep).Items, itemPtr),
		TESTQ(itemPtr, itemPtr),
		JE("done"),
		MOVQ(itemPtr, first), // where one turn of the ring ends
		DO(
			MOVQ(item.Next, RAX),
			MOVQ(RAX, openFile(ep).Items),
			MOVL(item.Events, RAX),
			TESTL(^epollInput&0xffffffff, RAX),
			JE("next"), // reported by EPOLLONESHOT
			TESTL(EPOLLET, RAX),
			IF(NE,
				CMPQ(item.Edge, 0),
				JE("next"),
			),
			MOVQ(item.File, RDI),
			CALL(filePoll),
			MOVQ(0, item.Edge),
			ANDL(item.Events, RAX),
			JE("next"),
			MOVQ(events, RDI),
			MOVL(RAX, RSI),
			CALL(putUserInt),
			TESTQ(RAX, RAX),
			JNE("fault"),
			LEAQ(events.At(4), RDI),
			MOVQ(item.Data, RSI),
			CALL(putUserLong),
			TESTQ(RAX, RAX),
			JNE("fault"),
			TESTL(EPOLLONESHOT, item.Events),
			IF(NE, ANDL(epollInput, item.Events)),
			ADDQ(epollEvent, events),
			INCL(reported),
			DECL(room),
			BREAK(E),
			LABEL("next"),
			MOVQ(item.Next, itemPtr),
			CMPQ(itemPtr, first),
		).WHILE(NE),
		LABEL("done"),
		MOVL(reported, RAX),
		RETURN(),
		LABEL("fault"),
		MOVQ(1, item.Edge),
		TESTL(reported, reported),
		JNE("done"),
		fail(EFAULT),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func pollEpoll() Func {
	itemPtr, first := RBX, RBP
	item := epollItem(itemPtr)
	return FUNC("poll_epoll", "poll_epoll is the Poll of an instance, for poll and ppoll: readable if something is ready.",
		MOVQ(openFile(RDI).Items, itemPtr),
		TESTQ(itemPtr, itemPtr),
		IF(NE,
			MOVQ(itemPtr, first),
			DO(
				MOVQ(item.File, RDI),
				CALL(filePoll),
				TESTL(item.Events, RAX),
				IF(NE, returns(EPOLLIN|EPOLLRDNORM)),
				MOVQ(item.Next, itemPtr),
				CMPQ(itemPtr, first),
			).WHILE(NE),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI)
}
