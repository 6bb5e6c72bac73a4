package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// readWord reads the word at RBX into EAX, or leaves.
func readWord() Block {
	return Block{
		MOVQ(RBX, RDI),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
	}
}

// writeWord writes ESI to the word at RBX, or leaves.
func writeWord() Block {
	return Block{
		MOVQ(RBX, RDI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
	}
}

// futexesPI is futexes that have an owner, whose TID is the word: the kernel hands
// them over, also when the owner ends. There are no priorities to inherit. A thread
// that waits for one stands in its queue with no bits and the owner in PIOwner; all
// that wait for the same have the same (Linux kernel/futex/pi.c).
func futexesPI() Program {
	return Program{
		Funcs: Funcs(
			futexTopWaiter, futexLockPI, futexUnlockPI, futexHandOver, exitPI,
		),
	}
}

func futexTopWaiter() Func {
	waiter := thread(RAX)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_top_waiter", "futex_top_waiter returns the thread that has waited longest for user address RBX, or 0. Clobbers RDX.",
		futexBucket(RBX, RAX, RDX),
		MOVQ(bucket.Head, RAX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RBX, waiter.FutexKey),
			BREAK(E),
			MOVQ(waiter.FutexNext, RAX),
		),
		RETURN(),
	).Takes(RBX).Returns(RAX)
}

func futexLockPI() Func {
	self := thread(R14)
	waiter := thread(RAX)
	return FUNC("futex_lock_pi",
		`futex_lock_pi makes the current thread the owner of the futex at user address RDI,
waiting for it until monotonic time RSI (-1: for ever), or not at all if EDX is 1.
Returns 0 or the errors of FUTEX_LOCK_PI. Turns interrupts off.`,
		MOVQ(RDI, RBX),
		MOVQ(RSI, R12),
		MOVL(RDX, R13),
		MOVQ(gs.Current, R14),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		LABEL("again"),
		readWord(),
		MOVL(RAX, R15),
		ANDL(futexTIDMask, RAX),
		CMPL(RAX, self.TID),
		IF(E, fail(EDEADLK)),
		CALL(futexTopWaiter),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(waiter.PIOwner, RBP),
			TESTQ(RBP, RBP),
			IF(E, fail(EINVAL)), // by FUTEX_WAIT
			ANDL(futexTIDMask, R15),
			CMPL(R15, thread(RBP).TID),
			IF(NE, fail(EINVAL)), // somebody has written there
		).ELSE(
			MOVL(R15, RSI),
			ANDL(futexTIDMask, R15),
			IF(E,
				ANDL(futexOwnerDied, RSI),
				ORL(self.TID, RSI),
				writeWord(),
				returns(0),
			),
			ORL(uint32(futexWaiters), RSI), // who unlocks comes here
			writeWord(),
			MOVL(R15, RDI),
			CALL(findThread),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
			MOVQ(RAX, RBP),
		),
		TESTL(R13, R13),
		IF(NE, fail(EAGAIN)),
		// A circle of owners that wait for each other would never end.
		MOVQ(RBP, RAX),
		LOOP(
			CMPQ(RAX, R14),
			IF(E, fail(EDEADLK)),
			MOVQ(waiter.PIOwner, RAX),
			TESTQ(RAX, RAX),
			BREAK(E),
		),
		CLI(),
		MOVQ(R14, RDI),
		MOVQ(RBX, self.FutexKey),
		MOVQ(0, self.FutexBits),
		MOVQ(RBP, self.PIOwner),
		CALL(futexEnqueue),
		MOVQ(R12, RDI),
		CALL(sleepUntil),
		CMPQ(self.FutexKey, 0), // who hands over takes off the queue: that counts
		IF(E, returns(0)),
		MOVQ(RAX, R15),
		MOVQ(R14, RDI),
		MOVQ(0, self.PIOwner),
		CALL(futexDequeue),
		TESTQ(R15, R15),
		JE("again"),
		MOVQ(R15, RAX),
		CMPQ(RAX, -EINTR),
		IF(E, MOVQ(-ERESTARTNOINTR, RAX)), // its time is absolute
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func futexUnlockPI() Func {
	self := thread(R14)
	waiter := thread(RAX)
	top := thread(R12)
	return FUNC("futex_unlock_pi",
		`futex_unlock_pi hands the futex at user address RDI, which the current thread owns, to
the thread that has waited longest. Returns 0 or the errors of FUTEX_UNLOCK_PI.
Turns interrupts off.`,
		MOVQ(RDI, RBX),
		readWord(),
		MOVQ(gs.Current, R14),
		ANDL(futexTIDMask, RAX),
		CMPL(RAX, self.TID),
		IF(NE, fail(EPERM)),
		MOVQ(RBX, RDI),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		CALL(futexTopWaiter),
		TESTQ(RAX, RAX),
		IF(E,
			XORL(RSI, RSI),
			writeWord(),
			returns(0),
		),
		CMPQ(R14, waiter.PIOwner),
		IF(NE, fail(EINVAL)),
		MOVQ(RAX, R12),
		MOVL(top.TID, RSI),
		ORL(uint32(futexWaiters), RSI),
		writeWord(),
		CALL(futexHandOver),
		returns(0),
	).Saving(RBX, R12, R14).Takes(RDI).Returns(RAX)
}

func futexHandOver() Func {
	waiter := thread(RAX)
	top := thread(R12)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_hand_over", "futex_hand_over makes R12, which waits for user address RBX, the owner that the others wait for. Turns interrupts off.",
		CLI(),
		MOVQ(R12, RDI),
		CALL(futexDequeue),
		MOVQ(0, top.PIOwner),
		futexBucket(RBX, RAX, RDX),
		MOVQ(bucket.Head, RAX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RBX, waiter.FutexKey),
			IF(E,
				CMPQ(waiter.PIOwner, 0), // not by FUTEX_WAIT
				IF(NE, MOVQ(R12, waiter.PIOwner)),
			),
			MOVQ(waiter.FutexNext, RAX),
		),
		MOVQ(R12, RDI),
		XORL(RSI, RSI),
		JMP(wakeUp),
	).Takes(RBX, R12)
}

func exitPI() Func {
	top := thread(R12)
	return FUNC("exit_pi",
		`exit_pi hands over the futexes that the current thread owns and others wait for; their
words say that an owner has died. Turns interrupts off.`,
		MOVQ(gs.Current, R14),
		MOVQ(sched.All, R13),
		LOOP(
			TESTQ(R13, R13),
			BREAK(E),
			CMPQ(R14, thread(R13).PIOwner),
			IF(E,
				MOVQ(thread(R13).FutexKey, RBX),
				CALL(futexTopWaiter),
				MOVQ(RAX, R12),
				LOOP( // past those that wait by FUTEX_WAIT
					CMPQ(RBX, top.FutexKey),
					IF(E,
						CMPQ(top.PIOwner, 0),
						BREAK(NE),
					),
					MOVQ(top.FutexNext, R12),
				),
				MOVQ(RBX, RDI),
				MOVL(top.TID, RSI),
				ORL(uint32(futexWaiters|futexOwnerDied), RSI),
				CALL(putUserInt), // if there is no word any more, the waiter owns nothing
				CALL(futexHandOver),
			),
			MOVQ(thread(R13).AllNext, R13),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes()
}
