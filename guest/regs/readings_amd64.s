#include "go_asm.h"
#include "textflag.h"

// readingsPeer is a raw thread's program. RDI holds the SlowReadings.
TEXT ·readingsPeer(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	DI, R15
	MOVL	$const_sysGettid, AX
	SYSCALL
	MOVQ	AX, R14

	MOVQ	SP, SlowReadings_VforkSP(R15)
	MOVL	$const_sysVfork, AX
	SYSCALL
	TESTQ	AX, AX
	JNE	parent
	MOVQ	R14, DI // this thread, which sleeps
	LEAQ	SlowReadings_Vforked(R15), SI
	MOVL	$const_sysReadings, AX
	SYSCALL
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	SYSCALL
	INT	$3
parent:
	MOVQ	AX, DI
	XORL	SI, SI
	MOVL	$const_waitAll, DX
	XORL	R10, R10
	MOVL	$const_sysWait4, AX
	SYSCALL

	MOVQ	SlowReadings_stack(R15), SI
	MOVQ	SI, SlowReadings_CloneSP(R15)
	MOVQ	$1, SlowReadings_exited(R15)
	LEAQ	SlowReadings_exited(R15), R10
	XORL	DX, DX
	MOVL	$const_eventThreadFlags, DI
	MOVL	$const_sysClone, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	$const_newestThread, DI
	LEAQ	SlowReadings_Cloned(R15), SI
	MOVL	$const_sysReadings, AX
	SYSCALL
wait:
	MOVL	$const_sysYield, AX
	SYSCALL
	CMPL	SlowReadings_exited(R15), $0
	JNE	wait
	RET
child:
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	SYSCALL
	INT	$3
