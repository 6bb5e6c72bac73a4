#include "go_asm.h"
#include "textflag.h"
#include "loop.h"

// The loops of the calibration.

// NOT takes one cycle on every CPU. No CPU removes it by renaming, as some do with
// the addition of a constant. A round of the chain is wire.ChainLength of them.
#define NOT8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8 \
	NOTQ	R8
#define NOT16 NOT8 \
	NOT8
#define NOT64 NOT16 \
	NOT16 \
	NOT16 \
	NOT16

// DOSE makes R12 calls of number R13, with a chain behind each. A CPU may begin a
// SYSCALL some cycles before the instructions in front of it are done; the chain
// takes longer than that.
#define DOSE(LAST) \
	MOVQ	n+0(FP), R12 \
	MOVQ	nr+8(FP), R13 \
	XORL	DI, DI \
	CALL	·countBegin(SB) \
	TICKS(R15) \
	PCALIGN	$64 \
calls: \
	MOVQ	R13, AX \
	SYSCALL \
	NOT16 \
	NOT16 \
	NOT16 \
	LAST \
	DECQ	R12 \
	JNE	calls \
	TICKS(BX) \
	SUBQ	R15, BX \
	CALL	·countEnd(SB) \
	MOVQ	BX, ticks+16(FP)

// func chain(n uint64) (ticks uint64)
TEXT ·chain(SB), NOSPLIT, $0-16
	MOVQ	n+0(FP), R12
	CALL	·countBegin(SB)
	TICKS(R15)
	PCALIGN	$64
rounds:
	NOT64
	DECQ	R12
	JNE	rounds
	TICKS(BX)
	SUBQ	R15, BX
	CALL	·countEnd(SB)
	MOVQ	BX, ticks+8(FP)
	RET

// func blocked(n uint64) (ticks uint64)
TEXT ·blocked(SB), NOSPLIT, $8-16
	MOVQ	n+0(FP), R12
	CALL	·countBegin(SB)
	TICKS(R15)
rounds:
	MOVB	R12, word-8(SP)
	MOVQ	word-8(SP), AX
	DECQ	R12
	JNE	rounds
	TICKS(BX)
	SUBQ	R15, BX
	CALL	·countEnd(SB)
	MOVQ	BX, ticks+8(FP)
	RET

// func doseNone(n, nr uint64) (ticks uint64)
TEXT ·doseNone(SB), NOSPLIT, $0-24
	DOSE(NOTQ R9)
	RET

// func doseOne(n, nr uint64) (ticks uint64)
TEXT ·doseOne(SB), NOSPLIT, $0-24
	DOSE(NOTQ R8)
	RET

// func clock() (ticks uint64)
TEXT ·clock(SB), NOSPLIT, $0-8
	CALL	·countBegin(SB)
	TICKS(R15)
	TICKS(BX)
	SUBQ	R15, BX
	CALL	·countEnd(SB)
	MOVQ	BX, ticks+0(FP)
	RET

// func step() (ticks uint64)
TEXT ·step(SB), NOSPLIT, $0-8
	TICKS(R15)
again:
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	SUBQ	R15, AX
	JEQ	again
	MOVQ	AX, ticks+0(FP)
	RET

// func now() (ticks uint64)
TEXT ·now(SB), NOSPLIT, $0-8
	TICKS(BX)
	MOVQ	BX, ticks+0(FP)
	RET

// func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL	leaf+0(FP), AX
	MOVL	subleaf+4(FP), CX
	CPUID
	MOVL	AX, a+8(FP)
	MOVL	BX, b+12(FP)
	MOVL	CX, c+16(FP)
	MOVL	DX, d+20(FP)
	RET
