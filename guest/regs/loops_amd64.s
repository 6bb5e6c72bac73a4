#include "go_asm.h"
#include "textflag.h"
#include "loop.h"

// The measured loops. Each is there twice: with its SYSCALLs, and without them, to
// measure the loop itself. Nothing else differs.
//
// A SYSCALL keeps every register but RAX, RCX and R11, so a loop's operands stay in
// registers and only RAX is loaded again.

// CALLS makes R12 calls of number R13 with first argument RDI.
#define CALLS(CALL) \
	MOVQ	n+0(FP), R12 \
	MOVQ	nr+8(FP), R13 \
	MOVQ	arg+16(FP), DI \
	COUNT \
	TICKS(R15) \
calls: \
	MOVQ	R13, AX \
	CALL \
	DECQ	R12 \
	JNE	calls \
	TICKS(BX) \
	SUBQ	R15, BX \
	COUNTED \
	MOVQ	BX, ticks+24(FP)

// FORGOTTEN makes R12 times the call R13 of RDI, which drops the CPU's predictions, and then the
// call R8, whose ticks it sums up in R9.
#define FORGOTTEN(CALL) \
	MOVQ	n+0(FP), R12 \
	MOVQ	flush+8(FP), R13 \
	MOVQ	what+16(FP), DI \
	MOVQ	nr+24(FP), R8 \
	COUNT \
	XORL	R9, R9 \
calls: \
	MOVQ	R13, AX \
	SYSCALL \
	TICKS(R15) \
	MOVQ	R8, AX \
	CALL \
	TICKS(BX) \
	SUBQ	R15, BX \
	ADDQ	BX, R9 \
	DECQ	R12 \
	JNE	calls \
	MOVQ	R9, BX \
	COUNTED \
	MOVQ	BX, ticks+32(FP)

// func calls(n, nr, arg uint64) (ticks uint64)
TEXT ·calls(SB), NOSPLIT, $0-32
	CALLS(SYSCALL)
	RET

// func callsEmpty(n, nr, arg uint64) (ticks uint64)
TEXT ·callsEmpty(SB), NOSPLIT, $0-32
	CALLS(NONE)
	RET

// func forgotten(n, flush, what, nr uint64) (ticks uint64)
TEXT ·forgotten(SB), NOSPLIT, $0-40
	FORGOTTEN(SYSCALL)
	RET

// func forgottenEmpty(n, flush, what, nr uint64) (ticks uint64)
TEXT ·forgottenEmpty(SB), NOSPLIT, $0-40
	FORGOTTEN(NONE)
	RET

// func signals(n, pid, tid uint64) (ticks uint64)
//
// n times: tgkill to this thread, the empty handler, rt_sigreturn.
TEXT ·signals(SB), NOSPLIT, $0-32
	MOVQ	n+0(FP), R12
	MOVQ	pid+8(FP), DI
	MOVQ	tid+16(FP), SI
	COUNT
	TICKS(R15)
	MOVL	$const_countedSignal, DX
signals:
	MOVL	$const_sysTgkill, AX
	SYSCALL
	DECQ	R12
	JNE	signals
	TICKS(BX)
	SUBQ	R15, BX
	COUNTED
	MOVQ	BX, ticks+24(FP)
	RET

// func signalsEmpty(n, pid, tid uint64) (ticks uint64)
//
// The same without SYSCALLs: a JMP stands for the handler's RET, and the restorer's
// MOV is in the loop.
TEXT ·signalsEmpty(SB), NOSPLIT, $0-32
	MOVQ	n+0(FP), R12
	MOVQ	pid+8(FP), DI
	MOVQ	tid+16(FP), SI
	COUNT
	TICKS(R15)
	MOVL	$const_countedSignal, DX
signals:
	MOVL	$const_sysTgkill, AX
	JMP	restorer
restorer:
	MOVL	$const_sysSigreturn, AX
	DECQ	R12
	JNE	signals
	TICKS(BX)
	SUBQ	R15, BX
	COUNTED
	MOVQ	BX, ticks+24(FP)
	RET

// yieldPeer is a raw thread's program: it yields until its count becomes 0.
// RDI holds the peer. The loop has as many instructions as CALLS has.
TEXT ·yieldPeer(SB), NOSPLIT|NOFRAME, $0-0
	SELECT
	LEAQ	peer_count(R12), BX
	MOVQ	peer_yield(R12), R13
	MOVQ	$1, peer_ready(R12)
yields:
	MOVQ	R13, AX
	SYSCALL
	INCQ	(BX)
	JNE	yields
	RET

// ROUNDS gives the turn, at R12, to the peer and waits for its return, R13 times:
// it wakes the peer, which sleeps while the turn is 0, and sleeps while the turn
// is 1.
#define ROUNDS(CALL) \
	MOVQ	n+0(FP), R13 \
	MOVQ	turn+8(FP), R12 \
	COUNT \
	TICKS(R15) \
	MOVQ	R12, DI \
	XORL	R10, R10 \
rounds: \
	MOVL	$1, (R12) \
	MOVL	$const_futexWake, SI \
	MOVL	$1, DX \
	MOVL	$const_sysFutex, AX \
	CALL \
	MOVL	$const_futexWait, SI \
	MOVL	$const_sysFutex, AX \
	CALL \
	DECQ	R13 \
	JNE	rounds \
	TICKS(BX) \
	SUBQ	R15, BX \
	COUNTED \
	MOVQ	BX, ticks+16(FP)

// func rounds(n uint64, turn *layout.Word) (ticks uint64)
TEXT ·rounds(SB), NOSPLIT, $0-24
	ROUNDS(SYSCALL)
	RET

// func roundsEmpty(n uint64, turn *layout.Word) (ticks uint64)
TEXT ·roundsEmpty(SB), NOSPLIT, $0-24
	ROUNDS(NONE)
	RET

// PEER is the other side of ROUNDS. It ends when the count at RBX becomes 0. RDI and
// R12 hold the address of the turn.
#define PEER(CALL) \
	XORL	R10, R10 \
rounds: \
	MOVL	$const_futexWait, SI \
	XORL	DX, DX \
	MOVL	$const_sysFutex, AX \
	CALL \
	MOVL	$0, (R12) \
	MOVL	$const_futexWake, SI \
	MOVL	$1, DX \
	MOVL	$const_sysFutex, AX \
	CALL \
	INCQ	(BX) \
	JNE	rounds

// futexPeer is a raw thread's program. RDI holds the peer.
TEXT ·futexPeer(SB), NOSPLIT|NOFRAME, $0-0
	SELECT
	LEAQ	peer_count(R12), BX
	MOVQ	$1, peer_ready(R12)
	ADDQ	$peer_turn, R12
	MOVQ	R12, DI
	PEER(SYSCALL)
	RET

// func peerEmpty(n uint64, turn *layout.Word) (ticks uint64)
TEXT ·peerEmpty(SB), NOSPLIT, $8-24
	MOVQ	n+0(FP), R13
	NEGQ	R13
	MOVQ	R13, count-8(SP)
	LEAQ	count-8(SP), BX
	MOVQ	turn+8(FP), R12
	TICKS(R15)
	MOVQ	R12, DI
	PEER(NONE)
	TICKS(BX)
	SUBQ	R15, BX
	MOVQ	BX, ticks+16(FP)
	RET

// SPIN is the loop of both threads of Preempts. It counts iterations in RBX and
// keeps OWN at STEP more than OTHERS, both in the peer at R12, until END equals R8.
// An iteration has the same instructions whatever the values. It clobbers R13.
#define SPIN(OTHERS, STEP, OWN, END) \
spin: \
	MOVQ	OTHERS(R12), R13 \
	ADDQ	$STEP, R13 \
	MOVQ	R13, OWN(R12) \
	INCQ	BX \
	CMPQ	END, R8 \
	JNE	spin

// TIMED is SPIN with its ticks and its iterations as results.
#define TIMED(END) \
	XORL	BX, BX \
	COUNT \
	TICKS(R15) \
	SPIN(peer_second, 1, peer_first, END) \
	TICKS(R9) \
	SUBQ	R15, R9 \
	COUNTED \
	MOVQ	R9, ticks+16(FP)

// func spin(p *peer, n uint64) (ticks, count uint64)
//
// The first thread of Preempts: it leads the other by one up to n.
TEXT ·spin(SB), NOSPLIT, $0-32
	MOVQ	p+0(FP), R12
	MOVQ	n+8(FP), R8
	TIMED(R13)
	MOVQ	BX, count+24(FP)
	RET

// func spinAlone(p *peer, n uint64) (ticks uint64)
//
// n iterations of the same loop.
TEXT ·spinAlone(SB), NOSPLIT, $0-24
	MOVQ	p+0(FP), R12
	MOVQ	n+8(FP), R8
	TIMED(BX)
	RET

// preemptPeer is the program of a raw thread. After a yield it follows the other
// thread's steps up to the number of rounds, stores its iterations, and begins
// again. It only yields while the number of rounds is 0, and ends when that is
// negative. RDI holds the peer.
TEXT ·preemptPeer(SB), NOSPLIT|NOFRAME, $0-0
	SELECT
	MOVQ	$1, peer_ready(R12)
again:
	MOVL	$const_sysYield, AX
	SYSCALL
	MOVQ	peer_rounds(R12), R8
	TESTQ	R8, R8
	JLT	end
	JEQ	again
	XORL	BX, BX
	SPIN(peer_first, 0, peer_second, R13)
	MOVQ	BX, peer_count(R12)
	JMP	again
end:
	RET

// func traced(c *Traced)
//
// Makes the call of c. A debugger waits at the SYSCALL, and writes to where R12 points
// when it is done; R13 is how many words have room there. R14 is c.Per, and R15
// c.Ticks. The call keeps all four.
TEXT ·traced(SB), NOSPLIT, $0-8
	MOVQ	c+0(FP), BX
	MOVQ	Traced_where(BX), R12
	MOVQ	$const_tracedRoom, R13
	MOVQ	Traced_Per(BX), R14
	MOVQ	Traced_Ticks(BX), R15
	MOVQ	(Traced_Args+0)(BX), DI
	MOVQ	(Traced_Args+8)(BX), SI
	MOVQ	(Traced_Args+16)(BX), DX
	MOVQ	(Traced_Args+24)(BX), R10
	MOVQ	(Traced_Args+32)(BX), R8
	MOVQ	(Traced_Args+40)(BX), R9
	MOVQ	Traced_Number(BX), AX
	SYSCALL
	MOVQ	AX, Traced_Result(BX)
	RET
