package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// A futex word that is a lock (Linux include/uapi/linux/futex.h).
const (
	futexWaiters   = 0x8000_0000 // FUTEX_WAITERS: the unlocker must wake one
	futexOwnerDied = 0x4000_0000 // FUTEX_OWNER_DIED
	futexTIDMask   = 0x3fff_ffff // FUTEX_TID_MASK: its owner

	robustListLimit = 2048 // ROBUST_LIST_LIMIT: the list is the user's and may be a circle
)

// robustLists handles the locks that a thread holds when it ends: the thread
// keeps a list of them in its own memory, and the kernel marks each so that the
// next owner learns of it (Linux Documentation/locking/robust-futex-ABI.rst).
func robustLists() Program {
	return Program{
		Funcs: Funcs(
			sysSetRobustList, sysGetRobustList, exitRobustList, robustDeath,
		),
	}
}

func sysSetRobustList() Func {
	size := SizeOf[layout.RobustListHead[Mem]]()
	return FUNC("sys_set_robust_list", "sys_set_robust_list(head RDI, size RSI).",
		CMPQ(RSI, size),
		IF(NE, fail(EINVAL)),
		MOVQ(gs.Current, RAX),
		MOVQ(RDI, thread(RAX).RobustList),
		returns(0),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysGetRobustList() Func {
	headAddr, list := RBX, R12
	size := SizeOf[layout.RobustListHead[Mem]]()
	return FUNC("sys_get_robust_list", "sys_get_robust_list(tid EDI, head RSI, size RDX) writes the head's address and its size.",
		MOVQ(RSI, headAddr),
		MOVQ(gs.Current, RAX),
		TESTL(RDI, RDI),
		IF(NE,
			CALL(findThread),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
		),
		MOVQ(thread(RAX).RobustList, list),
		MOVQ(RDX, RDI),
		MOVL(size, RSI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(headAddr, RDI),
		MOVQ(list, RSI),
		CALL(putUserLong),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func exitRobustList() Func {
	list, entry, offset, pending, left := RBX, R12, R13, R14, R15
	head := func(r Reg) *layout.RobustListHead[Mem] { return Fields[layout.RobustListHead[Mem]](r) }
	size := SizeOf[layout.RobustListHead[Mem]]()
	onStack := head(RSP)
	return FUNC("exit_robust_list",
		`exit_robust_list releases the locks on the current thread's list, and the
one that it was about to put there or take off. The list ends where it cannot be
read. An entry's lowest bit says that the lock is a PI futex.`,
		MOVQ(gs.Current, RAX),
		MOVQ(thread(RAX).RobustList, list),
		TESTQ(list, list),
		IF(E, RETURN()),
		SUBQ(size, RSP),
		MOVQ(RSP, RDI),
		MOVQ(list, RSI),
		MOVL(size, RDX),
		CALL(copyFromUser),
		MOVQ(onStack.Next, entry),
		MOVQ(onStack.Offset, offset),
		MOVQ(onStack.Pending, pending),
		ADDQ(size, RSP),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVL(robustListLimit, left),
		LOOP(
			MOVQ(entry, RDI),
			ANDQ(-2, RDI),
			CMPQ(RDI, list),
			BREAK(E), // once around
			CALL(getUserLong),
			PUSHQ(RAX), // the next one: once a lock is free, others may use it
			PUSHQ(RDX),
			XORL(RAX, RAX),
			MOVQ(pending, RCX),
			XORQ(entry, RCX),
			ANDQ(-2, RCX),
			IF(NE,
				MOVQ(entry, RDI),
				XORL(RSI, RSI),
				CALL(robustDeath),
			),
			POPQ(RDX),
			POPQ(entry),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
			TESTQ(RDX, RDX),
			IF(NE, RETURN()),
			DECL(left),
			BREAK(E),
		),
		TESTQ(pending, pending),
		IF(NE,
			MOVQ(pending, RDI),
			MOVL(1, RSI),
			CALL(robustDeath),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes()
}

func robustDeath() Func {
	entry, lock, offset, isPending := RBX, R12, R13, R14
	value := R14
	return FUNC("robust_death",
		`robust_death marks the lock of the list's entry RDI, at the offset R13 from it,
as left by a dead owner if the current thread owns it, and wakes a thread that
waits for it. ESI is 1 for the pending entry, which may be unlocked already with
nobody woken yet. Returns 0, or another value if the word cannot be a lock.`,
		MOVQ(RDI, entry),
		MOVL(RSI, isPending),
		ANDQ(-2, RDI),
		ADDQ(offset, RDI),
		MOVQ(RDI, lock),
		TESTL(3, RDI),
		IF(NE, fail(EINVAL)),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(gs.Current, RCX),
		MOVL(RAX, RDX),
		ANDL(futexTIDMask, RDX),
		IF(E,
			TESTL(isPending, isPending),
			IF(E, returns(0)),
			TESTL(1, entry),
			IF(NE, returns(0)), // the kernel hands a PI futex over itself
			JMP("wake"),
		),
		CMPL(RDX, thread(RCX).TID),
		IF(NE, returns(0)),
		MOVL(RAX, value),
		ANDL(uint32(futexWaiters), RAX),
		ORL(futexOwnerDied, RAX),
		MOVL(RAX, RSI),
		MOVQ(lock, RDI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		TESTL(1, entry),
		IF(NE, returns(0)),
		TESTL(value, value), // futexWaiters
		IF(NS, returns(0)),
		LABEL("wake"),
		MOVQ(lock, RDI),
		MOVL(1, RSI),
		MOVL(-1, RDX),
		CALL(futexWake),
		returns(0),
	).Saving(RBX, R12, R14).Takes(RDI, RSI, R13).Returns(RAX)
}
