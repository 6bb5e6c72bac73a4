#include "textflag.h"

// START keeps the time in R8.
#define START \
	RDTSC; \
	SHLQ	$32, DX; \
	ORQ	DX, AX; \
	MOVQ	AX, R8

// STOP returns the ticks since.
#define STOP(ret) \
	RDTSC; \
	SHLQ	$32, DX; \
	ORQ	DX, AX; \
	SUBQ	R8, AX; \
	MOVQ	AX, ret; \
	RET

// func nothing() uint64
TEXT ·nothing(SB), NOSPLIT, $0-8
	START
	STOP(ret+0(FP))

// func nops() uint64
TEXT ·nops(SB), NOSPLIT, $0-8
	START
	BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90
	BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90
	STOP(ret+0(FP))

// func loop() uint64
TEXT ·loop(SB), NOSPLIT, $0-8
	MOVQ	$10, CX
	START
again:
	DECQ	CX
	JNE	again
	STOP(ret+0(FP))

// func divide() uint64
TEXT ·divide(SB), NOSPLIT, $0-8
	MOVQ	$10, CX
	START
	XORL	DX, DX
	DIVQ	CX
	STOP(ret+0(FP))

// func repMove(n uint64) uint64
TEXT ·repMove(SB), 0, $2048-16
	MOVQ	n+0(FP), CX
	LEAQ	buf-2048(SP), SI
	LEAQ	buf-1024(SP), DI
	CLD
	START
	REP; MOVSB
	STOP(ret+8(FP))

// func repStore(n uint64) uint64
TEXT ·repStore(SB), 0, $8192-16
	MOVQ	n+0(FP), CX
	LEAQ	buf-8192(SP), DI
	CLD
	START
	REP; STOSQ
	STOP(ret+8(FP))

// func repScan(n uint64) uint64
TEXT ·repScan(SB), 0, $1024-16
	MOVQ	n+0(FP), CX
	LEAQ	buf-1024(SP), DI
	XORL	AX, AX
	CLD
	MOVQ	CX, BX
	REP; STOSB
	LEAQ	buf-1024(SP), DI
	MOVB	$1, -1(DI)(BX*1)
	MOVQ	n+0(FP), CX
	ADDQ	$5, CX
	START
	MOVQ	$1, AX
	REPN; SCASB
	STOP(ret+8(FP))
