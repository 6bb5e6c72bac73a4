#include "go_asm.h"
#include "textflag.h"
#include "loop.h"

// The loops whose threads are processes. As in loops_amd64.s, each is there with its
// SYSCALLs and without them.

// PIPES sends a byte to the peer at R12 and waits for one from it, R13 times.
#define PIPES(CALL) \
	MOVQ	n+0(FP), R13 \
	MOVQ	p+8(FP), R12 \
	COUNT \
	TICKS(R15) \
	LEAQ	peer_data(R12), SI \
pipes: \
	MOVQ	peer_out(R12), DI \
	MOVL	$1, DX \
	MOVL	$const_sysWrite, AX \
	CALL \
	MOVQ	peer_in(R12), DI \
	MOVL	$const_sysRead, AX \
	CALL \
	DECQ	R13 \
	JNE	pipes \
	TICKS(BX) \
	SUBQ	R15, BX \
	COUNTED \
	MOVQ	BX, ticks+16(FP)

// func pipes(n uint64, p *peer) (ticks uint64)
TEXT ·pipes(SB), NOSPLIT, $0-24
	PIPES(SYSCALL)
	RET

// func pipesEmpty(n uint64, p *peer) (ticks uint64)
TEXT ·pipesEmpty(SB), NOSPLIT, $0-24
	PIPES(NONE)
	RET

// PIPEPEER is the other side of PIPES. It counts a round before the byte that ends it,
// so that the other process finds it counted, and ends after a round that makes the count
// at RBX 0.
#define PIPEPEER(CALL) \
	LEAQ	peer_data(R12), SI \
pipes: \
	MOVQ	peer_peerIn(R12), DI \
	MOVL	$1, DX \
	MOVL	$const_sysRead, AX \
	CALL \
	INCQ	(BX) \
	MOVQ	(BX), R9 \
	MOVQ	peer_peerOut(R12), DI \
	MOVL	$const_sysWrite, AX \
	CALL \
	TESTQ	R9, R9 \
	JNE	pipes

// pipePeer is a process's program. RDI holds the peer.
TEXT ·pipePeer(SB), NOSPLIT|NOFRAME, $0-0
	SELECT
	LEAQ	peer_count(R12), BX
	MOVQ	$1, peer_ready(R12)
	PIPEPEER(SYSCALL)
	RET

// func pipePeerEmpty(n uint64, p *peer) (ticks uint64)
TEXT ·pipePeerEmpty(SB), NOSPLIT, $8-24
	MOVQ	n+0(FP), R13
	NEGQ	R13
	MOVQ	R13, count-8(SP)
	LEAQ	count-8(SP), BX
	MOVQ	p+8(FP), R12
	TICKS(R15)
	PIPEPEER(NONE)
	TICKS(BX)
	SUBQ	R15, BX
	MOVQ	BX, ticks+16(FP)
	RET

// func makerText() (fork, exec, trace, count, clone uintptr)
//
// The addresses of the code that a maker runs, countBegin's for countEnd, too, which
// stands behind it.
TEXT ·makerText(SB), NOSPLIT, $0-40
	LEAQ	·forkMaker(SB), AX
	MOVQ	AX, fork+0(FP)
	LEAQ	·execMaker(SB), AX
	MOVQ	AX, exec+8(FP)
	LEAQ	·traceMaker(SB), AX
	MOVQ	AX, trace+16(FP)
	LEAQ	·countBegin(SB), AX
	MOVQ	AX, count+24(FP)
	LEAQ	·clone(SB), AX
	MOVQ	AX, clone+32(FP)
	RET

// UNMAP makes a maker small. It clobbers RAX, RBX, RCX, RSI, RDI, R11 and R13.
#define UNMAP \
	LEAQ	maker_gaps(R12), BX \
	MOVL	$const_makerGaps, R13 \
unmap: \
	MOVQ	0(BX), DI \
	MOVQ	8(BX), SI \
	MOVL	$const_sysMunmap, AX \
	SYSCALL \
	TESTQ	AX, AX \
	JNE	failed \
	ADDQ	$16, BX \
	DECQ	R13 \
	JNE	unmap

// ROUNDSOF moves the maker's rounds to where each of its children has them, too.
#define ROUNDSOF \
	MOVQ	peer_rounds(R12), R13 \
	MOVQ	R13, ·perf+perfState_Left(SB)

// AWAIT waits for the child whose PID is in RAX, and goes on with NEXT until no round is
// left.
#define AWAIT(CALL, NEXT) \
	MOVQ	AX, DI \
	LEAQ	maker_status(R12), SI \
	XORL	DX, DX \
	XORL	R10, R10 \
	MOVL	$const_sysWait4, AX \
	CALL \
	CMPL	maker_status(R12), $0 \
	JNE	ended \
	DECQ	·perf+perfState_Left(SB) \
	JNE	NEXT

// EXECVE is the child's execve, and EXIT its end.
#define EXECVE \
	LEAQ	maker_path(R12), DI \
	LEAQ	maker_argv(R12), SI \
	XORL	DX, DX \
	MOVL	$const_sysExecve, AX

#define EXIT \
	XORL	DI, DI \
	MOVL	$const_sysExitGroup, AX

// PASSED ends a pass, and goes on with NEXT until none is left: then the maker has the
// ticks and counts of the last.
#define PASSED(NEXT) \
	TICKS(BX) \
	SUBQ	R15, BX \
	COUNTED \
	MOVQ	BX, maker_ticks(R12) \
	DECQ	maker_passes(R12) \
	JNE	NEXT \
	MOVQ	·perf+(perfState_Begun+Counts_Cycles)(SB), AX \
	MOVQ	AX, (maker_begun+Counts_Cycles)(R12) \
	MOVQ	·perf+(perfState_Begun+Counts_Instructions)(SB), AX \
	MOVQ	AX, (maker_begun+Counts_Instructions)(R12) \
	MOVQ	·perf+(perfState_Ended+Counts_Cycles)(SB), AX \
	MOVQ	AX, (maker_ended+Counts_Cycles)(R12) \
	MOVQ	·perf+(perfState_Ended+Counts_Instructions)(SB), AX \
	MOVQ	AX, (maker_ended+Counts_Instructions)(R12)

// MAKER makes processes in all its passes, and leaves the ticks and counts of the last
// in the maker at RDI. CHILD is what the child does.
#define MAKER(CHILD) \
	SELECT \
	UNMAP \
passes: \
	ROUNDSOF \
	COUNT \
	TICKS(R15) \
makes: \
	MOVL	$const_sysFork, AX \
	SYSCALL \
	TESTQ	AX, AX \
	JEQ	child \
	JLT	failed \
	AWAIT(SYSCALL, makes) \
	PASSED(passes) \
	RET \
failed: \
	MOVQ	AX, maker_result(R12) \
ended: \
	RET \
child: \
	CHILD \
	EXIT \
	SYSCALL \
	INT	$3

// EXECUTED is EXECVE with its SYSCALL. A child that goes on has the error as its
// status.
#define EXECUTED \
	EXECVE \
	SYSCALL \
	NEGL	AX \
	MOVL	AX, DI \
	MOVL	$const_sysExitGroup, AX \
	SYSCALL

// forkMaker and execMaker are processes' programs. RDI holds the maker. Nothing on their
// stack is used while a child runs, which shares it.
TEXT ·forkMaker(SB), NOSPLIT|NOFRAME, $0-0
	MAKER(NONE)

TEXT ·execMaker(SB), NOSPLIT|NOFRAME, $0-0
	MAKER(EXECUTED)

// EMPTY is MAKER's loop without its SYSCALLs, with the instructions of the child in the
// place of fork: a test that finds no PID, and what EXECUTED says and the program that
// it executes, or CHILD.
#define EMPTY(CHILD) \
	MOVQ	n+0(FP), R13 \
	MOVQ	R13, ·perf+perfState_Left(SB) \
	MOVQ	k+8(FP), R12 \
	MOVQ	$0, maker_status(R12) \
	COUNT \
	TICKS(R15) \
makes: \
	MOVL	$const_sysFork, AX \
	TESTQ	AX, AX \
	JNE	child \
child: \
	CHILD \
	EXIT \
	TESTQ	AX, AX \
	JEQ	ended \
	JLT	ended \
	AWAIT(NONE, makes) \
	TICKS(BX) \
	SUBQ	R15, BX \
	COUNTED \
	MOVQ	BX, ticks+16(FP) \
ended:

// func forksEmpty(n uint64, k *maker) (ticks uint64)
TEXT ·forksEmpty(SB), NOSPLIT, $0-24
	EMPTY(NONE)
	RET

// func execsEmpty(n uint64, k *maker) (ticks uint64)
TEXT ·execsEmpty(SB), NOSPLIT, $0-24
	EMPTY(EXECVE)
	RET

// TRACED lets the child at R9 go on to its next stop, and waits for that.
#define TRACED(CALL) \
	MOVL	$const_ptraceSyscall, DI \
	MOVQ	R9, SI \
	XORL	DX, DX \
	XORL	R10, R10 \
	MOVL	$const_sysPtrace, AX \
	CALL \
	MOVQ	R9, DI \
	LEAQ	maker_status(R12), SI \
	MOVL	$const_sysWait4, AX \
	CALL \
	CMPL	maker_status(R12), $const_stoppedAtCall \
	JNE	ended

// traceMaker is the program of a process that traces a child, whose calls are null calls. RDI
// holds the maker.
TEXT ·traceMaker(SB), NOSPLIT|NOFRAME, $0-0
	SELECT
	UNMAP
	MOVL	$const_sysFork, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	JLT	failed
	MOVQ	AX, R9
	MOVQ	AX, DI // until it stops itself
	LEAQ	maker_status(R12), SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$const_sysWait4, AX
	SYSCALL
	TRACED(SYSCALL) // its first null call begins
passes:
	MOVQ	peer_rounds(R12), R13
	COUNT
	TICKS(R15)
traces:
	TRACED(SYSCALL)
	TRACED(SYSCALL)
	DECQ	R13
	JNE	traces
	PASSED(passes)
	MOVQ	R9, DI
	MOVL	$const_sigKill, SI
	MOVL	$const_sysKill, AX
	SYSCALL
	MOVQ	R9, DI
	LEAQ	maker_status(R12), SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$const_sysWait4, AX
	SYSCALL
	MOVL	$0, maker_status(R12)
	RET
failed:
	MOVQ	AX, maker_result(R12)
ended:
	RET
child:
	XORL	SI, SI
	MOVL	$const_ptraceTraceMe, DI
	MOVL	$const_sysPtrace, AX
	SYSCALL
	MOVL	$const_sysGetpid, AX
	SYSCALL
	MOVL	AX, DI
	MOVL	$const_sigStop, SI
	MOVL	$const_sysKill, AX
	SYSCALL
null:
	MOVL	$const_sysGetppid, AX
	SYSCALL
	JMP	null

// func tracesEmpty(n uint64, k *maker) (ticks uint64)
//
// The tracer's loop without its SYSCALLs, with the child's two instructions in each round.
TEXT ·tracesEmpty(SB), NOSPLIT, $0-24
	MOVQ	n+0(FP), R13
	MOVQ	k+8(FP), R12
	MOVL	$const_stoppedAtCall, maker_status(R12)
	COUNT
	TICKS(R15)
traces:
	TRACED(NONE)
	TRACED(NONE)
	MOVL	$const_sysGetppid, AX
	JMP	null
null:
	DECQ	R13
	JNE	traces
	TICKS(BX)
	SUBQ	R15, BX
	COUNTED
	MOVQ	BX, ticks+16(FP)
ended:
	RET
