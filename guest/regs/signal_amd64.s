#include "go_asm.h"
#include "textflag.h"

// handler is a signal handler that does not need the Go runtime. It logs the
// signal and then applies the action of its number to the context that
// rt_sigreturn will load.
//
// On entry RDI holds the signal's number, RDX the ucontext
// (Linux arch/x86/kernel/signal_64.c). It clobbers what a C function may.
TEXT handler<>(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ	·log(SB), R8
	MOVQ	trapLog_n(R8), R9
	CMPQ	R9, $const_maxTraps
	JAE	full
	IMUL3Q	$Trap__size, R9, R10
	LEAQ	trapLog_traps(R8)(R10*1), R10
	INCQ	trapLog_n(R8)
	MOVQ	DI, Trap_Signal(R10)
	XORL	CX, CX
copy:
	MOVQ	const_ucGregs(DX)(CX*8), AX
	MOVQ	AX, Trap_Regs(R10)(CX*8)
	INCQ	CX
	CMPQ	CX, $const_numGregs
	JB	copy
	JMP	act
full:
	// The log is full: stop a program that traps for ever, by a fault in the
	// handler.
	CMPQ	DI, $const_sigsegv
	JNE	step
	XORL	AX, AX
	MOVQ	AX, (AX)
step:
	MOVQ	(const_ucGregs+8*const_GregFlags)(DX), AX
	ANDQ	$~0x100, AX
	MOVQ	AX, (const_ucGregs+8*const_GregFlags)(DX)
act:
	IMUL3Q	$Action__size, DI, R10
	LEAQ	trapLog_actions(R8)(R10*1), R10
	MOVQ	Action_When(R10), AX
	TESTQ	AX, AX
	JEQ	always
	CMPQ	AX, (const_ucGregs+8*const_GregIP)(DX)
	JNE	done
always:
	MOVQ	Action_Clear(R10), AX
	NOTQ	AX
	ANDQ	AX, (const_ucGregs+8*const_GregFlags)(DX)
	MOVQ	Action_Set(R10), AX
	ORQ	AX, (const_ucGregs+8*const_GregFlags)(DX)
	CMPQ	Action_LikeSYSRET(R10), $0
	JEQ	setip
	MOVQ	(const_ucGregs+8*const_GregFlags)(DX), AX
	MOVQ	AX, (const_ucGregs+8*const_GregR11)(DX)
	MOVQ	(const_ucGregs+8*const_GregIP)(DX), AX
	MOVQ	AX, (const_ucGregs+8*const_GregCX)(DX)
setip:
	CMPQ	Action_SetIP(R10), $0
	JEQ	done
	MOVQ	Action_IP(R10), AX
	MOVQ	AX, (const_ucGregs+8*const_GregIP)(DX)
	// An IRET may have faulted on its selectors.
	MOVW	$const_userCS, (const_ucGregs+8*const_GregCS)(DX)
	MOVW	$const_userSS, (const_ucGregs+8*const_GregCS+6)(DX)
done:
	RET

// counted is the handler of the signal round trip. It does nothing.
TEXT counted<>(SB), NOSPLIT|NOFRAME, $0-0
	RET

// restorer is where a handler returns to: it makes rt_sigreturn.
TEXT restorer<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVL	$const_sysSigreturn, AX
	SYSCALL
	INT	$3

// func handlers() (logging, empty, restore uintptr)
TEXT ·handlers(SB), NOSPLIT, $0-24
	LEAQ	handler<>(SB), AX
	MOVQ	AX, logging+0(FP)
	LEAQ	counted<>(SB), AX
	MOVQ	AX, empty+8(FP)
	LEAQ	restorer<>(SB), AX
	MOVQ	AX, restore+16(FP)
	RET
