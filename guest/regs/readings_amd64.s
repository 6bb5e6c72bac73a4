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

	MOVL	$const_sysFork, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	tracee
	MOVQ	AX, R14
next: // it has stopped itself, or at a call, or has ended
	MOVQ	R14, DI
	LEAQ	SlowReadings_status(R15), SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$const_sysWait4, AX
	SYSCALL
	CMPB	SlowReadings_status(R15), $const_stopped
	JNE	ended
	MOVL	$const_ptraceSyscall, DI
	MOVQ	R14, SI
	XORL	DX, DX
	XORL	R10, R10
	MOVL	$const_sysPtrace, AX
	SYSCALL
	JMP	next
ended:
	RET
tracee: // its call before has another RSP
	MOVQ	SP, SlowReadings_TracedSP(R15)
	SUBQ	$256, SP
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
	ADDQ	$256, SP
	XORL	DI, DI
	LEAQ	SlowReadings_Traced(R15), SI
	MOVL	$const_sysReadings, AX
	SYSCALL
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	SYSCALL
	INT	$3
child:
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	SYSCALL
	INT	$3

// deathPeer is a raw thread's program. RDI holds the death.
TEXT ·deathPeer(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	DI, R15
	MOVL	$const_sysFork, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	dies
	MOVQ	AX, DI
	XORL	SI, SI
	MOVL	$const_waitAll, DX
	XORL	R10, R10
	MOVL	$const_sysWait4, AX
	SYSCALL
	RET
dies:
	MOVQ	SP, death_sp(R15)
	SUBQ	$256, SP
	MOVL	$const_rlimitCore, DI
	LEAQ	death_limit(R15), SI
	MOVL	$const_sysSetrlimit, AX
	SYSCALL
	MOVL	$const_sigAbrt, DI
	LEAQ	death_none(R15), SI
	XORL	DX, DX
	MOVL	$8, R10
	MOVL	$const_sysSigaction, AX
	SYSCALL
	MOVL	$const_sigIll, DI
	LEAQ	death_none(R15), SI
	XORL	DX, DX
	MOVL	$8, R10
	MOVL	$const_sysSigaction, AX
	SYSCALL
	MOVL	$const_sigSetmask, DI
	LEAQ	death_none(R15), SI
	XORL	DX, DX
	MOVL	$8, R10
	MOVL	$const_sysSigprocmask, AX
	SYSCALL
	MOVL	$const_sysGetpid, AX
	SYSCALL
	ADDQ	$256, SP
	CMPQ	death_byException(R15), $0
	JNE	exception
	MOVQ	AX, DI
	MOVL	$const_sigAbrt, SI
	MOVL	$const_sysKill, AX
	SYSCALL
exception:
	UD2
