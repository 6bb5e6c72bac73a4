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
	// epollInput are the bits that say how to report, not what.
	epollInput = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
)

// epolls is epoll: instances are files. An instance cannot watch another.
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
	ep := openFile(RBX)
	return FUNC("epoll_forget", "epoll_forget frees the items that watch the File RDI, and those of the instance that it is.",
		MOVQ(RDI, RBX),
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
		`epoll_find returns the item of the instance RDI for the File RSI with the
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
	found := epollItem(RAX)
	// The neighbours in a list.
	after := epollItem(RCX)
	before := epollItem(RDX)
	ep := openFile(RBX)
	return FUNC("epoll_insert",
		`epoll_insert returns a new item of the instance RDI for the File RSI with the
descriptor EDX, or 0 if there is no memory for it. Turns interrupts off.`,
		MOVQ(RDI, RBX),
		MOVL(RDX, RBP),
		LEAQ(Sym(epollCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, returns(0)),
		CALL(slabAlloc),
		MOVQ(RBX, found.Epoll),
		MOVQ(RSI, found.File),
		MOVQ(RBP, found.FD),
		// The head of the file's list, which a timer may walk along.
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
		IF(E, XORL(RCX, RCX)), // it was the only one
		MOVQ(gone.Epoll, RAX),
		CMPQ(RSI, openFile(RAX).Items),
		IF(E, MOVQ(RCX, openFile(RAX).Items)),
		LEAQ(Sym(epollCache), RDI),
		JMP(slabFree),
	).Takes(RSI)
}

func sysEpollCtl() Func {
	item := epollItem(RBX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_epoll_ctl",
		`sys_epoll_ctl(epfd, op, fd, event). What is always ready cannot be watched
(EPERM), as a regular file in Linux, nor can another instance.`,
		MOVL(RDI, RBP),
		MOVL(RSI, R12),
		MOVL(RDX, R13),
		CMPL(R12, epollCtlDel),
		IF(NE,
			LEAQ(Sym(epollEventData), RDI),
			MOVQ(RCX, RSI),
			MOVL(epollEvent, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVL(RBP, RDI),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, RBP), // the instance
		MOVL(R13, RDI),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, R14), // the file
		MOVQ(openFile(R14).Ops, RCX),
		CMPQ(ops.Poll, 0),
		IF(E, fail(EPERM)),
		LEAQ(Sym(epollOps), RAX),
		CMPQ(RAX, openFile(RBP).Ops),
		IF(NE, fail(EINVAL)),
		CMPQ(RBP, R14),
		IF(E, fail(EINVAL)),
		CMPQ(RAX, RCX),
		IF(E, fail(EPERM)),

		MOVQ(RBP, RDI),
		MOVQ(R14, RSI),
		MOVL(R13, RDX),
		CALL(epollFind),
		MOVQ(RAX, RBX),
		CMPL(R12, epollCtlAdd),
		IF(E,
			TESTQ(RBX, RBX),
			IF(NE, fail(EEXIST)),
			MOVQ(RBP, RDI),
			MOVQ(R14, RSI),
			MOVL(R13, RDX),
			CALL(epollInsert),
			TESTQ(RAX, RAX),
			IF(E, fail(ENOMEM)),
			MOVQ(RAX, RBX),
		).ELSE(
			TESTQ(RBX, RBX),
			IF(E,
				CMPL(R12, epollCtlMod),
				IF(A, fail(EINVAL)),
				TESTL(R12, R12),
				IF(E, fail(EINVAL)),
				fail(ENOENT),
			),
			CMPL(R12, epollCtlDel),
			IF(E,
				MOVQ(RBX, RSI),
				CALL(epollRemove),
				returns(0),
			),
			CMPL(R12, epollCtlMod),
			IF(NE, fail(EINVAL)),
		),
		MOVL(Sym(epollEventData), RAX),
		ORL(EPOLLERR|EPOLLHUP, RAX),
		MOVQ(RAX, item.Events),
		MOVQ(Sym(epollEventData).Add(4), RAX),
		MOVQ(RAX, item.Data),
		MOVQ(1, item.Edge), // what is so now has to be reported once
		MOVQ(R14, RDI),
		CALL(filePoll),
		TESTL(item.Events, RAX),
		IF(NE,
			MOVQ(RBP, RDI),
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
	ep := openFile(RBX)
	return FUNC("sys_epoll_pwait", "sys_epoll_pwait(epfd, events, maxevents, timeout, sigmask, sigsetsize): the time-out in ms, -1 for ever.",
		MOVQ(RSI, R12),
		MOVL(RDX, R13),
		MOVL(RCX, R14),
		MOVQ(R8, RBP),
		MOVQ(R9, R15),
		LEAL(R13.At(-1), RAX), // 0 and negative ones too
		CMPL(RAX, (1<<31-1)/epollEvent),
		IF(AE, fail(EINVAL)),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, RBX),
		LEAQ(Sym(epollOps), RAX),
		CMPQ(RAX, ep.Ops),
		MOVQ(-EINVAL, RAX),
		JNE("out"),
		MOVQ(RBP, RDI),
		MOVQ(R15, RSI),
		CALL(waitMask),
		TESTQ(RAX, RAX),
		JNE("out"),
		MOVL(R14, RDI),
		CALL(msDeadline),
		MOVQ(RAX, R14),
		LOOP(
			CLI(),
			MOVQ(RBX, RDI),
			MOVQ(R12, RSI),
			MOVL(R13, RDX),
			CALL(epollScan),
			TESTQ(RAX, RAX),
			BREAK(NE),
			TESTQ(R14, R14),
			BREAK(E),
			MOVQ(RBX, RDI),
			MOVL(EPOLLIN, RSI),
			MOVQ(R14, RDX),
			CALL(fileSleep),
			CMPQ(RAX, -EINTR),
			BREAK(E),
			CMPQ(RAX, -ETIMEDOUT),
			IF(E, // once more: something may have come with the time-out
				MOVQ(RBX, RDI),
				MOVQ(R12, RSI),
				MOVL(R13, RDX),
				CALL(epollScan),
				BREAK(),
			),
		),
		CALL(waitMaskEnd),
		LABEL("out"),
		MOVQ(RBX, RDI),
		CALL(fput),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8, R9).Returns(RAX)
}

func msDeadline() Func {
	return FUNC("ms_deadline", "ms_deadline returns the monotonic time in EDI ms; 0 for 0, and -1, for ever, if EDI is negative.",
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
	item := epollItem(RBX)
	return FUNC("epoll_scan",
		`epoll_scan reports what is ready of the instance RDI in the user's events RSI, EDX
at most, and begins the next time behind the last if there was no room for
more. Returns how many, or -EFAULT if not even one.`,
		MOVQ(RDI, RBP),
		MOVQ(RSI, R12),
		MOVL(RDX, R13), // room left
		XORL(R14, R14), // reported
		MOVQ(openFile(RBP).Items, RBX),
		TESTQ(RBX, RBX),
		JE("done"),
		MOVQ(RBX, R15), // where the turn ends
		DO(
			MOVQ(item.Next, RAX),
			MOVQ(RAX, openFile(RBP).Items),
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
			MOVQ(R12, RDI),
			MOVL(RAX, RSI),
			CALL(putUserInt),
			TESTQ(RAX, RAX),
			JNE("fault"),
			LEAQ(R12.At(4), RDI),
			MOVQ(item.Data, RSI),
			CALL(putUserLong),
			TESTQ(RAX, RAX),
			JNE("fault"),
			TESTL(EPOLLONESHOT, item.Events),
			IF(NE, ANDL(epollInput, item.Events)),
			ADDQ(epollEvent, R12),
			INCL(R14),
			DECL(R13),
			BREAK(E),
			LABEL("next"),
			MOVQ(item.Next, RBX),
			CMPQ(RBX, R15),
		).WHILE(NE),
		LABEL("done"),
		MOVL(R14, RAX),
		RETURN(),
		LABEL("fault"),
		MOVQ(1, item.Edge),
		TESTL(R14, R14),
		JNE("done"),
		fail(EFAULT),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func pollEpoll() Func {
	item := epollItem(RBX)
	return FUNC("poll_epoll", "poll_epoll is the Poll of an instance, for poll and ppoll: readable if something is ready.",
		MOVQ(openFile(RDI).Items, RBX),
		TESTQ(RBX, RBX),
		IF(NE,
			MOVQ(RBX, RBP),
			DO(
				MOVQ(item.File, RDI),
				CALL(filePoll),
				TESTL(item.Events, RAX),
				IF(NE, returns(EPOLLIN|EPOLLRDNORM)),
				MOVQ(item.Next, RBX),
				CMPQ(RBX, RBP),
			).WHILE(NE),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI)
}
