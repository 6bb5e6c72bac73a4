package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// readWord reads the word at user address key into EAX, or leaves.
func readWord(key Reg) Block {
	return Block{
		MOVQ(key, RDI),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, fail(EFAULT)),
	}
}

// writeWord writes ESI to the word at user address key, or leaves.
func writeWord(key Reg) Block {
	return Block{
		MOVQ(key, RDI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
	}
}

// futexesPI returns the part that implements futexes that have an owner, whose TID is the
// word: the kernel hands them over, even when the owner ends. There are no priorities to
// inherit. A thread that waits for one is in its queue with no bits and the owner in
// PIOwner; all that wait for the same futex have the same owner (Linux kernel/futex/pi.c).
func futexesPI() Program {
	return Program{
		Funcs: Funcs(
			futexTopWaiter, futexLockPI, futexUnlockPI, futexHandOver, exitPI,
		),
	}
}

func futexTopWaiter() Func {
	key := RBX
	waiter := thread(RAX)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_top_waiter", "futex_top_waiter returns the thread that has waited longest for user address RBX, or 0. Clobbers RDX.",
		futexBucket(key, RAX, RDX),
		MOVQ(bucket.Head, RAX),
		MOVQ(key, RDX),
		futexKey(RDX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RDX, waiter.FutexKey),
			BREAK(E),
			MOVQ(waiter.FutexNext, RAX),
		),
		RETURN(),
	).Takes(RBX).Returns(RAX)
}

func futexLockPI() Func {
	key, owner, until, try, selfPtr, word := RBX, RBP, R12, R13, R14, R15
	result := R15
	self := thread(selfPtr)
	waiter := thread(RAX)
	return FUNC("futex_lock_pi",
		`futex_lock_pi makes the current thread the owner of the futex at user address RDI.
It waits for that until monotonic time RSI (-1: for ever), or not at all if EDX is 1.
Returns 0 or the errors of FUTEX_LOCK_PI. Turns interrupts off.`,
		MOVQ(RDI, key),
		MOVQ(RSI, until),
		MOVL(RDX, try),
		MOVQ(gs.Current, selfPtr),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		LABEL("again"),
		readWord(key),
		MOVL(RAX, word),
		ANDL(futexTIDMask, RAX),
		CMPL(RAX, self.TID),
		IF(E, fail(EDEADLK)),
		CALL(futexTopWaiter),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(waiter.PIOwner, owner),
			TESTQ(owner, owner),
			IF(E, fail(EINVAL)), // a thread waits by FUTEX_WAIT
			ANDL(futexTIDMask, word),
			CMPL(word, thread(owner).TID),
			IF(NE, fail(EINVAL)), // somebody has written to the word
		).ELSE(
			MOVL(word, RSI),
			ANDL(futexTIDMask, word),
			IF(E,
				ANDL(futexOwnerDied, RSI),
				ORL(self.TID, RSI),
				writeWord(key),
				returns(0),
			),
			ORL(uint32(futexWaiters), RSI), // the unlocker must call the kernel
			writeWord(key),
			MOVL(word, RDI),
			CALL(findThread),
			TESTQ(RAX, RAX),
			IF(E, fail(ESRCH)),
			MOVQ(RAX, owner),
		),
		TESTL(try, try),
		IF(NE, fail(EAGAIN)),
		// A circle of owners that wait for each other would never end.
		MOVQ(owner, RAX),
		LOOP(
			CMPQ(RAX, selfPtr),
			IF(E, fail(EDEADLK)),
			MOVQ(waiter.PIOwner, RAX),
			TESTQ(RAX, RAX),
			BREAK(E),
		),
		CLI(),
		MOVQ(selfPtr, RDI),
		MOVQ(key, RAX),
		futexKey(RAX),
		MOVQ(RAX, self.FutexKey),
		MOVQ(0, self.FutexBits),
		MOVQ(owner, self.PIOwner),
		CALL(futexEnqueue),
		MOVQ(until, RDI),
		CALL(sleepUntil),
		CMPQ(self.FutexKey, 0), // the owner that hands it over takes the thread off the queue: that counts
		IF(E, returns(0)),
		MOVQ(RAX, result),
		MOVQ(selfPtr, RDI),
		MOVQ(0, self.PIOwner),
		CALL(futexDequeue),
		TESTQ(result, result),
		JE("again"),
		MOVQ(result, RAX),
		CMPQ(RAX, -EINTR),
		IF(E, MOVQ(-ERESTARTNOINTR, RAX)), // its time is absolute
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func futexUnlockPI() Func {
	key, topPtr, selfPtr := RBX, R12, R14
	self := thread(selfPtr)
	waiter := thread(RAX)
	top := thread(topPtr)
	return FUNC("futex_unlock_pi",
		`futex_unlock_pi hands the futex at user address RDI, which the current thread owns, to
the thread that has waited longest. Returns 0 or the errors of FUTEX_UNLOCK_PI.
Turns interrupts off.`,
		MOVQ(RDI, key),
		readWord(key),
		MOVQ(gs.Current, selfPtr),
		ANDL(futexTIDMask, RAX),
		CMPL(RAX, self.TID),
		IF(NE, fail(EPERM)),
		MOVQ(key, RDI),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		CALL(futexTopWaiter),
		TESTQ(RAX, RAX),
		IF(E,
			XORL(RSI, RSI),
			writeWord(key),
			returns(0),
		),
		CMPQ(selfPtr, waiter.PIOwner),
		IF(NE, fail(EINVAL)),
		MOVQ(RAX, topPtr),
		MOVL(top.TID, RSI),
		ORL(uint32(futexWaiters), RSI),
		writeWord(key),
		CALL(futexHandOver),
		returns(0),
	).Saving(RBX, R12, R14).Takes(RDI).Returns(RAX)
}

func futexHandOver() Func {
	key, topPtr := RBX, R12
	waiter := thread(RAX)
	top := thread(topPtr)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_hand_over", "futex_hand_over makes R12, which waits for user address RBX, the owner for whom the others wait. Turns interrupts off.",
		CLI(),
		MOVQ(topPtr, RDI),
		CALL(futexDequeue),
		MOVQ(0, top.PIOwner),
		futexBucket(key, RAX, RDX),
		MOVQ(bucket.Head, RAX),
		MOVQ(key, RDX),
		futexKey(RDX),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(RDX, waiter.FutexKey),
			IF(E,
				CMPQ(waiter.PIOwner, 0), // not by FUTEX_WAIT
				IF(NE, MOVQ(topPtr, waiter.PIOwner)),
			),
			MOVQ(waiter.FutexNext, RAX),
		),
		MOVQ(topPtr, RDI),
		XORL(RSI, RSI),
		JMP(wakeUp),
	).Takes(RBX, R12)
}

func exitPI() Func {
	key, topPtr, blocked, self := RBX, R12, R13, R14
	top := thread(topPtr)
	return FUNC("exit_pi",
		`exit_pi hands over the futexes that the current thread owns and others wait for; their
words say that the owner has died. Turns interrupts off.`,
		MOVQ(gs.Current, self),
		eachThread(blocked,
			CMPQ(self, thread(blocked).PIOwner),
			IF(E,
				MOVQ(thread(blocked).FutexKey, key),
				CALL(futexTopWaiter),
				MOVQ(RAX, topPtr),
				LOOP( // past those that wait by FUTEX_WAIT
					CMPQ(key, top.FutexKey),
					IF(E,
						CMPQ(top.PIOwner, 0),
						BREAK(NE),
					),
					MOVQ(top.FutexNext, topPtr),
				),
				MOVQ(key, RDI),
				SHLQ(layout.FutexTagBits, RDI), // the user address
				SHRQ(layout.FutexTagBits, RDI),
				MOVL(top.TID, RSI),
				ORL(uint32(futexWaiters|futexOwnerDied), RSI),
				CALL(putUserInt), // if the word is gone, the waiter owns nothing
				CALL(futexHandOver),
			),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes()
}
