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
	futexWAITBITSET = 9
	futexWAKEBITSET = 10
	futexPRIVATE    = 128 // without meaning: there is one address space
	futexREALTIME   = 256

	bucketSize = 16
)

// futexBucket puts the address of the queue of futex key, a register or memory,
// into to. Clobbers tmp.
func futexBucket(key any, to, tmp Reg) Block {
	return Block{
		MOVQ(key, to),
		SHRQ(2, to), // the low bits are 0
		MOVQ(to, tmp),
		SHRQ(8, tmp),
		XORL(tmp, to),
		ANDL(layout.FutexBuckets-1, to),
		SHLL(4, to), // bucketSize
		LEAQ(Sym("futex_queues"), tmp),
		ADDQ(tmp, to),
	}
}

// futexes is the futex call: threads wait in the queue of their word's hash,
// in the order they came.
func futexes() Program {
	var (
		t      = thread(RDI)
		bucket = Fields[layout.FutexBucket[Mem]](RAX)
	)
	return Program{
		Funcs: []Func{
			FUNC("sys_futex",
				`sys_futex(address RDI, operation ESI, value EDX, timeout RCX, address2 R8,
value3 R9D). Waiting and waking with and without bit sets, and requeueing; the
others are -ENOSYS.`,
				MOVQ(RDI, RBX),
				MOVL(RSI, R12),
				MOVL(RDX, R13),
				MOVL(RSI, RAX),
				ANDL(^(futexPRIVATE|futexREALTIME), RAX),
				MOVL(-1, R14), // the bits
				CMPL(RAX, futexWAKE),
				JE("wake"),
				CMPL(RAX, futexWAIT),
				JE("wait"),
				CMPL(RAX, futexWAITBITSET),
				IF(E,
					MOVL(R9, R14),
					LABEL("wait"),
					MOVQ(-1, RDX), // for ever
					TESTQ(RCX, RCX),
					IF(NE,
						MOVL(RAX, R15),
						MOVQ(RCX, RDI),
						CALL("get_timespec"),
						TESTQ(RDX, RDX),
						IF(NE, MOVQ(RDX, RAX), RETURN()),
						MOVQ(RAX, RDI),
						CMPL(R15, futexWAIT),
						IF(E, CALL("time_after")).ELSE( // WAIT's is relative, WAIT_BITSET's absolute
							TESTL(futexREALTIME, R12),
							IF(NE, CALL("time_of_real")),
						),
						MOVQ(RAX, RDX),
					),
					MOVQ(RBX, RDI),
					MOVL(R13, RSI),
					MOVL(R14, RCX),
					CALL("futex_wait"),
					RETURN(),
				),
				TESTL(futexREALTIME, R12), // no other operation has a time
				IF(NE, fail(ENOSYS)),
				CMPL(RAX, futexWAKEBITSET),
				IF(E,
					MOVL(R9, R14),
					LABEL("wake"),
					TESTL(futexREALTIME, R12),
					IF(NE, fail(ENOSYS)),
					MOVQ(RBX, RDI),
					MOVL(R13, RSI),
					MOVL(R14, RDX),
					CALL("futex_wake"),
					RETURN(),
				),
				CMPL(RAX, futexCMPREQUEUE),
				IF(E,
					MOVL(R9, R14),
					MOVL(RCX, R15),
					MOVQ(R8, RBP),
					CALL("get_user_int"),
					TESTQ(RDX, RDX),
					IF(NE, MOVQ(RDX, RAX), RETURN()),
					CMPL(RAX, R14),
					IF(NE, fail(EAGAIN)),
					MOVQ(RBP, R8),
					MOVL(R15, RCX),
				).ELSE(
					CMPL(RAX, futexREQUEUE),
					IF(NE, fail(ENOSYS)),
				),
				MOVQ(RBX, RDI),
				MOVL(R13, RSI),
				MOVL(RCX, RDX), // the timeout's place holds how many to move
				MOVQ(R8, RCX),
				CALL("futex_requeue"),
				RETURN(),
			).Saving(RBX, RBP, R12, R13, R14, R15),
			FUNC("futex_check", "futex_check returns 0 if user address RDI can be a futex, else -EINVAL or -EFAULT.",
				TESTL(3, RDI),
				IF(NE, fail(EINVAL)),
				userLimit(RDI, RAX),
				IF(AE, fail(EFAULT)),
				returns(0),
			),
			FUNC("futex_wait",
				`futex_wait blocks the thread if the word at user address RDI is ESI, until
futex_wake for one of the bits ECX, or monotonic time RDX (-1: for ever).
Returns 0, -EAGAIN if the word is another, -ETIMEDOUT, -EINTR, -ERESTARTSYS,
-EINVAL, -EFAULT.`,
				MOVL(RSI, R12),
				MOVQ(RDX, R13),
				MOVL(RCX, R14),
				TESTL(RCX, RCX),
				IF(E, fail(EINVAL)),
				CALL("futex_check"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				MOVQ(RDI, RBX),
				LABEL("again"),
				MOVQ(RBX, RDI),
				CALL("get_user_int"),
				TESTQ(RDX, RDX),
				IF(NE, MOVQ(RDX, RAX), RETURN()),
				CMPL(RAX, R12),
				IF(NE, fail(EAGAIN)),
				// Nobody can have run since the word was read.
				CLI(),
				MOVQ(gs.Current, RDI),
				MOVQ(RBX, t.FutexKey),
				MOVQ(R14, t.FutexBits),
				CALL("futex_enqueue"),
				MOVQ(R13, RDI),
				CALL("sleep_until"),
				MOVQ(gs.Current, RDI),
				CMPQ(t.FutexKey, 0), // who wakes takes off the queue: that counts, whatever else came
				IF(E, returns(0)),
				MOVQ(RAX, R15),
				CALL("futex_dequeue"),
				TESTQ(R15, R15),
				JE("again"),
				MOVQ(R15, RAX),
				CMPQ(RAX, -EINTR),
				IF(E,
					CMPQ(R13, -1), // with a time it cannot simply be begun again
					IF(E, MOVQ(-ERESTARTSYS, RAX)),
				),
				RETURN(),
			).Saving(RBX, R12, R13, R14, R15),
			FUNC("futex_enqueue", "futex_enqueue puts thread RDI at the end of its FutexKey's queue. Clobbers RAX, RDX.",
				futexBucket(t.FutexKey, RAX, RDX),
				MOVQ(bucket.Tail, RDX),
				MOVQ(RDX, t.FutexPrev),
				MOVQ(0, t.FutexNext),
				TESTQ(RDX, RDX),
				IF(E, MOVQ(RDI, bucket.Head)).ELSE(MOVQ(RDI, thread(RDX).FutexNext)),
				MOVQ(RDI, bucket.Tail),
				RETURN(),
			),
			FUNC("futex_dequeue", "futex_dequeue takes thread RDI off its FutexKey's queue and clears the key. Clobbers RAX, RCX, RDX.",
				futexBucket(t.FutexKey, RAX, RDX),
				MOVQ(t.FutexNext, RCX),
				MOVQ(t.FutexPrev, RDX),
				TESTQ(RCX, RCX),
				IF(E, MOVQ(RDX, bucket.Tail)).ELSE(MOVQ(RDX, thread(RCX).FutexPrev)),
				TESTQ(RDX, RDX),
				IF(E, MOVQ(RCX, bucket.Head)).ELSE(MOVQ(RCX, thread(RDX).FutexNext)),
				MOVQ(0, t.FutexKey),
				RETURN(),
			),
			FUNC("futex_wake",
				`futex_wake wakes at most ESI threads that wait at user address RDI for one of
the bits EDX; as in Linux one at least. Returns their number, -EINVAL or
-EFAULT. Turns interrupts off.`,
				MOVL(RSI, R12),
				MOVL(RDX, R13),
				TESTL(RDX, RDX),
				IF(E, fail(EINVAL)),
				CALL("futex_check"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				MOVQ(RDI, RBX),
				XORL(R14, R14),
				CLI(),
				futexBucket(RBX, RAX, RDX),
				MOVQ(bucket.Head, RDI),
				LOOP(
					TESTQ(RDI, RDI),
					BREAK(E),
					MOVQ(t.FutexNext, R15),
					CMPQ(RBX, t.FutexKey),
					JNE("next"),
					TESTL(R13, t.FutexBits),
					JE("next"),
					CALL("futex_dequeue"),
					XORL(RSI, RSI),
					CALL("wake_up"),
					INCL(R14),
					CMPL(R14, R12),
					BREAK(GE),
					LABEL("next"),
					MOVQ(R15, RDI),
				),
				MOVL(R14, RAX),
				RETURN(),
			).Saving(RBX, R12, R13, R14, R15),
			FUNC("futex_requeue",
				`futex_requeue wakes at most ESI threads that wait at user address RDI and lets
at most EDX of the others wait at RCX instead. Returns the number of both,
-EINVAL or -EFAULT. Turns interrupts off.`,
				MOVL(RSI, R12),
				MOVL(RDX, R13),
				MOVQ(RCX, R14),
				TESTL(RSI, RSI),
				IF(S, fail(EINVAL)),
				TESTL(RDX, RDX),
				IF(S, fail(EINVAL)),
				CALL("futex_check"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				MOVQ(RDI, RBX),
				MOVQ(RCX, RDI),
				CALL("futex_check"),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				XORL(RBP, RBP),
				CLI(),
				futexBucket(RBX, RAX, RDX),
				MOVQ(bucket.Head, RDI),
				LOOP(
					TESTQ(RDI, RDI),
					BREAK(E),
					MOVQ(t.FutexNext, R15),
					CMPQ(RBX, t.FutexKey),
					JNE("next"),
					CMPL(RBP, R12),
					IF(L,
						CALL("futex_dequeue"),
						XORL(RSI, RSI),
						CALL("wake_up"),
					).ELSE(
						MOVL(RBP, RAX),
						SUBL(R12, RAX),
						CMPL(RAX, R13),
						BREAK(GE),
						CMPQ(RBX, R14),
						IF(NE, // on its own queue it stays where it is
							CALL("futex_dequeue"),
							MOVQ(R14, t.FutexKey),
							CALL("futex_enqueue"),
						),
					),
					INCL(RBP),
					LABEL("next"),
					MOVQ(R15, RDI),
				),
				MOVL(RBP, RAX),
				RETURN(),
			).Saving(RBX, RBP, R12, R13, R14, R15),
		},
		Data: []Data{BSS("futex_queues", layout.FutexBuckets*bucketSize, 64)},
	}
}
