#include "go_asm.h"
#include "textflag.h"

// RDSSPQ to RBX and to R13, which Go's assembler does not know: without a shadow stack they
// do nothing (SDM volume 2, RDSSPD/RDSSPQ).
#define RDSSPQ_BX BYTE $0xf3; BYTE $0x48; BYTE $0x0f; BYTE $0x1e; BYTE $0xcb
#define RDSSPQ_R13 BYTE $0xf3; BYTE $0x49; BYTE $0x0f; BYTE $0x1e; BYTE $0xcd

// shadow makes the rounds of the Shadow at R12.
TEXT shadow<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	SP, Shadow_sp(R12)
	MOVQ	Shadow_Stack(R12), DI
	MOVL	$const_sysShadowStack, AX
	SYSCALL
	MOVQ	AX, Shadow_On(R12)
	TESTQ	AX, AX
	JNE	end
round:
	XORL	R13, R13
	RDSSPQ_R13
	MOVQ	R13, Shadow_Before(R12)
	CMPQ	R13, Shadow_Stack(R12)
	JNE	end
	CALL	shadowed<>(SB)
	DECQ	Shadow_Rounds(R12)
	JNE	round
end:
	JMP	shadowEnd<>(SB)

// shadowed is the function of a round: R13 is its caller's SSP.
TEXT shadowed<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	Shadow_Number(R12), AX
	MOVQ	Shadow_Arg(R12), DI
	MOVQ	Shadow_Arg2(R12), SI
	CMPQ	Shadow_Interrupt(R12), $0
	JNE	interrupt
	SYSCALL
	JMP	called
interrupt:
	INT	$const_controlVector
called:
	XORL	BX, BX
	RDSSPQ_BX
	MOVQ	BX, Shadow_After(R12)
	ADDQ	$8, BX // the return address that CALL has put there
	CMPQ	BX, R13
	JNE	lost
	CMPQ	Shadow_Elsewhere(R12), $0
	JEQ	return
	LEAQ	shadowEnd<>(SB), AX
	MOVQ	AX, (SP)
return:
	RET
lost:
	JMP	shadowEnd<>(SB)

// shadowEnd ends the shadow stack, and then the Shadow at R12.
TEXT shadowEnd<>(SB), NOSPLIT|NOFRAME, $0-0
	XORL	DI, DI
	MOVL	$const_sysShadowStack, AX
	SYSCALL
	MOVQ	Shadow_sp(R12), SP
	MOVQ	Shadow_Back(R12), AX
	JMP	AX

// func shadowCode() layout.Word
TEXT ·shadowCode(SB), NOSPLIT, $0-8
	LEAQ	shadow<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
