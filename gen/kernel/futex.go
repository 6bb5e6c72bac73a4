package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Operations of futex (Linux include/uapi/linux/futex.h).
const (
	futexWAIT       = 0
	futexWAKE       = 1
	futexREQUEUE    = 3
	futexCMPREQUEUE = 4
	futexLOCKPI     = 6
	futexUNLOCKPI   = 7
	futexTRYLOCKPI  = 8
	futexWAITBITSET = 9
	futexWAKEBITSET = 10
	futexLOCKPI2    = 13
	futexPRIVATE    = 128 // without meaning: no two Spaces share a futex
	futexREALTIME   = 256

	bucketSize = 16
)

// futexKey makes a user address of the loaded Space a FutexKey.
func futexKey(r Reg) Ins { return ORQ(memory.Own.FutexTag, r) }

// futexBucket puts the address of the queue of a futex key into to. Clobbers tmp.
func futexBucket[K RegMem](key K, to, tmp Reg) Block {
	return Block{
		MOVQ(key, to),
		SHRQ(2, to), // the low bits are 0
		MOVQ(to, tmp),
		SHRQ(8, tmp),
		XORL(tmp, to),
		ANDL(layout.FutexBuckets-1, to),
		SHLL(4, to), // bucketSize
		LEAQ(Sym(futexQueues), tmp),
		ADDQ(tmp, to),
	}
}

// futexes returns the part that implements the futex call: threads wait in the queue of
// their word's hash, in order of arrival.
func futexes() Program {
	return Program{
		Funcs: Funcs(
			sysFutex, futexCheck, futexWait, futexEnqueue, futexDequeue, futexWake, futexRequeue,
		),
		Data: []Data{
			futexQueues,
		},
	}
}

var futexQueues = BSS("futex_queues", layout.FutexBuckets*bucketSize, 64)

func sysFutex() Func {
	key, key2, op, val, bits, command := RBX, RBP, R12, R13, R14, R15
	return FUNC("sys_futex",
		`sys_futex(address RDI, operation ESI, value EDX, timeout RCX, address2 R8,
value3 R9D). It waits and wakes with and without bit sets, requeues, and has locks
with an owner; all other operations are -ENOSYS.`,
		MOVQ(RDI, key),
		MOVL(RSI, op),
		MOVL(RDX, val),
		MOVL(RSI, RAX),
		ANDL(^(futexPRIVATE|futexREALTIME), RAX),
		MOVL(-1, bits), // the bits
		CMPL(RAX, futexWAKE),
		JE("wake"),
		CMPL(RAX, futexWAIT),
		JE("wait"),
		CMPL(RAX, futexWAITBITSET),
		IF(E, MOVL(R9, bits), JMP("wait")),
		CMPL(RAX, futexLOCKPI),
		JE("lock_pi"),
		CMPL(RAX, futexLOCKPI2),
		JE("lock_pi"),
		TESTL(futexREALTIME, op), // no other operation takes a time
		IF(NE, fail(ENOSYS)),
		CMPL(RAX, futexWAKEBITSET),
		IF(E, MOVL(R9, bits), JMP("wake")),
		CMPL(RAX, futexCMPREQUEUE),
		IF(E,
			MOVL(R9, bits),
			MOVL(RCX, command),
			MOVQ(R8, key2),
			CALL(getUserInt),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			CMPL(RAX, bits),
			IF(NE, fail(EAGAIN)),
			MOVQ(key2, R8),
			MOVL(command, RCX),
		).ELSE(
			CMPL(RAX, futexREQUEUE),
			JNE("pi"),
		),
		MOVQ(key, RDI),
		MOVL(val, RSI),
		MOVL(RCX, RDX), // the timeout's register holds how many to move
		MOVQ(R8, RCX),
		CALL(futexRequeue),
		RETURN(),
		LABEL("wait"),
		MOVQ(-1, RDX), // for ever
		TESTQ(RCX, RCX),
		IF(NE,
			MOVL(RAX, command),
			MOVQ(RCX, RDI),
			CALL(getTimespec),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, RDI),
			CMPL(command, futexWAIT),
			IF(E, CALL(timeAfter)).ELSE( // WAIT's is relative, WAIT_BITSET's absolute
				TESTL(futexREALTIME, op),
				IF(NE, CALL(timeOfReal)),
			),
			MOVQ(RAX, RDX),
		),
		MOVQ(key, RDI),
		MOVL(val, RSI),
		MOVL(bits, RCX),
		CALL(futexWait),
		RETURN(),
		LABEL("wake"),
		TESTL(futexREALTIME, op),
		IF(NE, fail(ENOSYS)),
		MOVQ(key, RDI),
		MOVL(val, RSI),
		MOVL(bits, RDX),
		CALL(futexWake),
		RETURN(),
		LABEL("pi"),
		MOVQ(key, RDI),
		CMPL(RAX, futexUNLOCKPI),
		IF(E,
			CALL(futexUnlockPI),
			RETURN(),
		),
		CMPL(RAX, futexTRYLOCKPI),
		IF(NE, fail(ENOSYS)),
		MOVL(1, RDX),
		CALL(futexLockPI),
		RETURN(),
		LABEL("lock_pi"),
		MOVL(RAX, command),
		CMPL(RAX, futexLOCKPI),
		IF(E,
			TESTL(futexREALTIME, op),
			IF(NE, fail(ENOSYS)), // the operation has no other clock
			ORL(futexREALTIME, op),
		),
		MOVQ(-1, RSI),
		TESTQ(RCX, RCX),
		IF(NE,
			MOVQ(RCX, RDI),
			CALL(getTimespec),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			TESTL(futexREALTIME, op),
			IF(NE,
				MOVQ(RAX, RDI),
				CALL(timeOfReal),
			),
			MOVQ(RAX, RSI),
		),
		MOVQ(key, RDI),
		XORL(RDX, RDX),
		CALL(futexLockPI),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8, R9).Returns(RAX)
}

func futexCheck() Func {
	return FUNC("futex_check", "futex_check returns 0 if user address RDI can be a futex, else -EINVAL or -EFAULT.",
		TESTL(3, RDI),
		IF(NE, fail(EINVAL)),
		userLimit(RDI, RAX),
		IF(AE, fail(EFAULT)),
		returns(0),
	).Takes(RDI).Returns(RAX).Keeps(RDI, RCX)
}

func futexWait() Func {
	key, val, until, bits, result := RBX, R12, R13, R14, R15
	t := thread(RDI)
	return FUNC("futex_wait",
		`futex_wait blocks the thread if the word at user address RDI is ESI, until
futex_wake for one of the bits ECX, or monotonic time RDX (-1: for ever).
Returns 0, -EAGAIN if the word differs, -ETIMEDOUT, -EINTR, -ERESTARTSYS,
-EINVAL, -EFAULT.`,
		MOVL(RSI, val),
		MOVQ(RDX, until),
		MOVL(RCX, bits),
		TESTL(RCX, RCX),
		IF(E, fail(EINVAL)),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(RDI, key),
		LABEL("again"),
		MOVQ(key, RDI),
		CALL(getUserInt),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		CMPL(RAX, val),
		IF(NE, fail(EAGAIN)),
		// Nobody can have run since the word was read.
		CLI(),
		MOVQ(gs.Current, RDI),
		MOVQ(key, RAX),
		futexKey(RAX),
		MOVQ(RAX, t.FutexKey),
		MOVQ(bits, t.FutexBits),
		CALL(futexEnqueue),
		MOVQ(until, RDI),
		CALL(sleepUntil),
		MOVQ(gs.Current, RDI),
		CMPQ(t.FutexKey, 0), // a waker takes the thread off the queue: that counts, whatever else happened
		IF(E, returns(0)),
		MOVQ(RAX, result),
		CALL(futexDequeue),
		TESTQ(result, result),
		JE("again"),
		MOVQ(result, RAX),
		CMPQ(RAX, -EINTR),
		IF(E,
			CMPQ(until, -1), // with a time-out the call cannot simply begin again
			IF(E, MOVQ(-ERESTARTSYS, RAX)),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func futexEnqueue() Func {
	t := thread(RDI)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_enqueue", "futex_enqueue puts thread RDI at the end of its FutexKey's queue. Clobbers RAX, RDX.",
		futexBucket(t.FutexKey, RAX, RDX),
		MOVQ(bucket.Tail, RDX),
		MOVQ(RDX, t.FutexPrev),
		MOVQ(0, t.FutexNext),
		TESTQ(RDX, RDX),
		IF(E, MOVQ(RDI, bucket.Head)).ELSE(MOVQ(RDI, thread(RDX).FutexNext)),
		MOVQ(RDI, bucket.Tail),
		RETURN(),
	).Takes(RDI)
}

func futexDequeue() Func {
	t := thread(RDI)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_dequeue", "futex_dequeue takes thread RDI off its FutexKey's queue and clears the key. Clobbers RAX, RCX, RDX.",
		futexBucket(t.FutexKey, RAX, RDX),
		MOVQ(t.FutexNext, RCX),
		MOVQ(t.FutexPrev, RDX),
		TESTQ(RCX, RCX),
		IF(E, MOVQ(RDX, bucket.Tail)).ELSE(MOVQ(RDX, thread(RCX).FutexPrev)),
		TESTQ(RDX, RDX),
		IF(E, MOVQ(RCX, bucket.Head)).ELSE(MOVQ(RCX, thread(RDX).FutexNext)),
		MOVQ(0, t.FutexKey),
		RETURN(),
	).Takes(RDI).Keeps(RDI)
}

func futexWake() Func {
	key, most, bits, woken, next := RBX, R12, R13, R14, R15
	t := thread(RDI)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_wake",
		`futex_wake wakes at most ESI threads that wait at user address RDI for one of
the bits EDX; at least one, as in Linux. Returns their number, -EINVAL or
-EFAULT. Turns interrupts off.`,
		MOVL(RSI, most),
		MOVL(RDX, bits),
		TESTL(RDX, RDX),
		IF(E, fail(EINVAL)),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(RDI, key),
		futexKey(key),
		XORL(woken, woken),
		CLI(),
		futexBucket(key, RAX, RDX),
		MOVQ(bucket.Head, RDI),
		LOOP(
			TESTQ(RDI, RDI),
			BREAK(E),
			MOVQ(t.FutexNext, next),
			CMPQ(key, t.FutexKey),
			JNE("next"),
			TESTL(bits, t.FutexBits),
			IF(E,
				CMPQ(t.PIOwner, 0),
				JE("next"),
				fail(EINVAL), // a lock's queue: its owner must unlock it
			),
			CALL(futexDequeue),
			XORL(RSI, RSI),
			CALL(wakeUp),
			INCL(woken),
			CMPL(woken, most),
			BREAK(GE),
			LABEL("next"),
			MOVQ(next, RDI),
		),
		MOVL(woken, RAX),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func futexRequeue() Func {
	key, done, most, moves, to, next := RBX, RBP, R12, R13, R14, R15
	t := thread(RDI)
	bucket := Fields[layout.FutexBucket[Mem]](RAX)
	return FUNC("futex_requeue",
		`futex_requeue wakes at most ESI threads that wait at user address RDI and makes
at most EDX of the others wait at RCX instead. Returns the number of both,
-EINVAL or -EFAULT. Turns interrupts off.`,
		MOVL(RSI, most),
		MOVL(RDX, moves),
		MOVQ(RCX, to),
		TESTL(RSI, RSI),
		IF(S, fail(EINVAL)),
		TESTL(RDX, RDX),
		IF(S, fail(EINVAL)),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(RDI, key),
		MOVQ(RCX, RDI),
		CALL(futexCheck),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		futexKey(key),
		futexKey(to),
		XORL(done, done),
		CLI(),
		futexBucket(key, RAX, RDX),
		MOVQ(bucket.Head, RDI),
		LOOP(
			TESTQ(RDI, RDI),
			BREAK(E),
			MOVQ(t.FutexNext, next),
			CMPQ(key, t.FutexKey),
			JNE("next"),
			CMPQ(t.PIOwner, 0),
			IF(NE, fail(EINVAL)),
			CMPL(done, most),
			IF(L,
				CALL(futexDequeue),
				XORL(RSI, RSI),
				CALL(wakeUp),
			).ELSE(
				MOVL(done, RAX),
				SUBL(most, RAX),
				CMPL(RAX, moves),
				BREAK(GE),
				CMPQ(key, to),
				IF(NE, // on its own queue it stays where it is
					CALL(futexDequeue),
					MOVQ(to, t.FutexKey),
					CALL(futexEnqueue),
				),
			),
			INCL(done),
			LABEL("next"),
			MOVQ(next, RDI),
		),
		MOVL(done, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}
