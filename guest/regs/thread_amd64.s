#include "go_asm.h"
#include "textflag.h"

// func control(nr, a0, a1 uintptr) int64
//
// INT $0x81 with the registers of a Linux system call. It keeps every register but
// RAX.
TEXT ·control(SB), NOSPLIT, $0-32
	MOVQ	nr+0(FP), AX
	MOVQ	a0+8(FP), DI
	MOVQ	a1+16(FP), SI
	INT	$const_controlVector
	MOVQ	AX, ret+24(FP)
	RET

// programs are the addresses of the programs of raw threads.
DATA programs<>+(8*const_programChain)(SB)/8, $·chain1(SB)
DATA programs<>+(8*const_programYield)(SB)/8, $·yieldPeer(SB)
DATA programs<>+(8*const_programFutex)(SB)/8, $·futexPeer(SB)
DATA programs<>+(8*const_programPreempt)(SB)/8, $·preemptPeer(SB)
DATA programs<>+(8*const_programEventYield)(SB)/8, $·eventYieldPeer(SB)
DATA programs<>+(8*const_programEventFutex)(SB)/8, $·eventFutexPeer(SB)
DATA programs<>+(8*const_programReadings)(SB)/8, $·readingsPeer(SB)
DATA programs<>+(8*const_programDeath)(SB)/8, $·deathPeer(SB)
DATA programs<>+(8*const_programPipe)(SB)/8, $·pipePeer(SB)
DATA programs<>+(8*const_programFork)(SB)/8, $·forkMaker(SB)
DATA programs<>+(8*const_programExec)(SB)/8, $·execMaker(SB)
DATA programs<>+(8*const_programTrace)(SB)/8, $·traceMaker(SB)
GLOBL programs<>(SB), RODATA, $(8*const_programs)

// func entry(p program) uintptr
//
// The address of a program of raw threads.
TEXT ·entry(SB), NOSPLIT, $0-16
	MOVQ	p+0(FP), AX
	LEAQ	programs<>(SB), BX
	MOVQ	(BX)(AX*8), AX
	MOVQ	AX, ret+8(FP)
	RET

// func clone(flags, entry, arg, exited, stack, tls uintptr) int64
//
// Starts a thread, or a process if flags say so, at entry with arg in RDI, on stack,
// with FS base tls. All signals are blocked in the caller, and so in the thread.
// When entry returns, the thread sets the word at exited and ends without touching
// its stack again. A process ends with its parent, too. The result is the caller's of
// clone(2).
//
// The thread's stack, low address first:
//	return address    (sp+0, while entry runs)
//	exited            (sp+8)
TEXT ·clone(SB), NOSPLIT, $0-56
	MOVQ	flags+0(FP), DI
	MOVQ	entry+8(FP), R12
	MOVQ	arg+16(FP), R13
	MOVQ	exited+24(FP), R9
	MOVQ	stack+32(FP), SI
	MOVQ	tls+40(FP), R8
	SUBQ	$16, SI
	MOVQ	R9, 0(SI)
	MOVQ	DI, R14
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$const_sysClone, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+48(FP)
	RET
child:
	XORL	BP, BP
	TESTQ	$const_cloneVM, R14
	JNE	begin
	// A process that waits for this one, or takes turns with it, ends with it.
	MOVL	$const_setDeathSignal, DI
	MOVL	$const_deathSignal, SI
	MOVL	$const_sysPrctl, AX
	SYSCALL
begin:
	MOVQ	R13, DI
	CALL	R12
	MOVQ	0(SP), BX
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	MOVQ	$1, (BX)
	SYSCALL
	INT	$3
