// The code of one lane. The including file defines the names of this copy:
// DO, SYS, INT81, TWICE, SPIN, ALT, PORT, CLISTI, LAND (code) and CTX, SAVEAX, SAVEIP,
// SECOND (one word each).
//
// DO runs the chain that starts at the context in RAX, and returns as an ABI0
// function does. It clobbers every register but RSP and RBP; the x87 and SSE
// state and RFLAGS are restored on return.
//
// The host stack, low address first, while a context is entered:
//	RFLAGS for POPFQ  (sp+0, for a moment)
//	return address    (sp+8)



// SELECTORS stores the segment registers in the State at(AX). Clobbers RBX.
#define SELECTORS(at) \
	XORL	BX, BX \
	MOVW	CS, BX \
	MOVQ	BX, (at+State_CS)(AX) \
	MOVW	SS, BX \
	MOVQ	BX, (at+State_SS)(AX) \
	MOVW	DS, BX \
	MOVQ	BX, (at+State_DS)(AX) \
	MOVW	ES, BX \
	MOVQ	BX, (at+State_ES)(AX) \
	MOVW	FS, BX \
	MOVQ	BX, (at+State_FS)(AX) \
	MOVW	GS, BX \
	MOVQ	BX, (at+State_GS)(AX)

TEXT DO(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, CTX(SB)
	MOVQ	SP, Context_hostSP(AX)
	MOVQ	BP, Context_hostBP(AX)
	PUSHFQ
	POPQ	Context_hostFlags(AX)
	FXSAVE64	Context_hostFX(AX)
	MOVQ	Context_Second(AX), BX
	MOVQ	BX, SECOND(SB)
	MOVL	$const_userSS, BX
	MOVW	BX, DS
	MOVW	BX, ES
	SELECTORS(Context_In)
	MOVQ	-8(FS), BX
	MOVQ	BX, (Context_In+State_FSWord)(AX)
	CMPQ	Context_UseGS(AX), $0
	JEQ	load
	MOVQ	0(GS), BX
	MOVQ	BX, (Context_In+State_GSWord)(AX)
load:
	// RET jumps to the address below the stack under test and changes neither a
	// flag nor a register.
	MOVQ	(Context_In+State_SP)(AX), BX
	MOVQ	Context_Insn(AX), CX
	MOVQ	CX, -8(BX)
	FXRSTOR64	(Context_In+State_FX)(AX)
	PUSHQ	(Context_In+State_Flags)(AX)
	MOVQ	(Context_In+State_BX)(AX), BX
	MOVQ	(Context_In+State_CX)(AX), CX
	MOVQ	(Context_In+State_DX)(AX), DX
	MOVQ	(Context_In+State_SI)(AX), SI
	MOVQ	(Context_In+State_DI)(AX), DI
	MOVQ	(Context_In+State_BP)(AX), BP
	MOVQ	(Context_In+State_R8)(AX), R8
	MOVQ	(Context_In+State_R9)(AX), R9
	MOVQ	(Context_In+State_R10)(AX), R10
	MOVQ	(Context_In+State_R11)(AX), R11
	MOVQ	(Context_In+State_R12)(AX), R12
	MOVQ	(Context_In+State_R13)(AX), R13
	MOVQ	(Context_In+State_R14)(AX), R14
	MOVQ	(Context_In+State_R15)(AX), R15
	POPFQ
	MOVQ	(Context_In+State_SP)(AX), SP // flags are set: only MOV, LEA and RET from here on
	LEAQ	-8(SP), SP
	MOVQ	(Context_In+State_AX)(AX), AX
	RET

TEXT SYS(SB), NOSPLIT|NOFRAME, $0-0
	SYSCALL
	MOVQ	AX, SAVEAX(SB)
	LEAQ	SYS+2(SB), AX
	JMP	LAND(SB)

TEXT INT81(SB), NOSPLIT|NOFRAME, $0-0
	INT	$const_controlVector
	MOVQ	AX, SAVEAX(SB)
	LEAQ	INT81+2(SB), AX
	JMP	LAND(SB)

TEXT TWICE(SB), NOSPLIT|NOFRAME, $0-0
	SYSCALL
	MOVQ	SECOND(SB), AX
	JMP	SYS(SB)

TEXT SPIN(SB), NOSPLIT|NOFRAME, $0-0
	JMP	0(PC)

TEXT ALT(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, SAVEAX(SB)
	LEAQ	ALT(SB), AX
	JMP	LAND(SB)

TEXT PORT(SB), NOSPLIT|NOFRAME, $0-0
	INB
	MOVQ	AX, SAVEAX(SB)
	LEAQ	PORT+1(SB), AX
	JMP	LAND(SB)

TEXT CLISTI(SB), NOSPLIT|NOFRAME, $0-0
	CLI
	STI
	MOVQ	AX, SAVEAX(SB)
	LEAQ	CLISTI+2(SB), AX
	JMP	LAND(SB)

// LAND stores the state. On entry RAX holds the address at which execution
// went on and SAVEAX the RAX under test; every other register is under test.
TEXT LAND(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, SAVEIP(SB)
	MOVQ	CTX(SB), AX
	MOVQ	BX, (Context_Out+State_BX)(AX)
	MOVQ	CX, (Context_Out+State_CX)(AX)
	MOVQ	DX, (Context_Out+State_DX)(AX)
	MOVQ	SI, (Context_Out+State_SI)(AX)
	MOVQ	DI, (Context_Out+State_DI)(AX)
	MOVQ	BP, (Context_Out+State_BP)(AX)
	MOVQ	SP, (Context_Out+State_SP)(AX)
	MOVQ	R8, (Context_Out+State_R8)(AX)
	MOVQ	R9, (Context_Out+State_R9)(AX)
	MOVQ	R10, (Context_Out+State_R10)(AX)
	MOVQ	R11, (Context_Out+State_R11)(AX)
	MOVQ	R12, (Context_Out+State_R12)(AX)
	MOVQ	R13, (Context_Out+State_R13)(AX)
	MOVQ	R14, (Context_Out+State_R14)(AX)
	MOVQ	R15, (Context_Out+State_R15)(AX)
	MOVQ	Context_hostSP(AX), SP
	PUSHFQ
	POPQ	(Context_Out+State_Flags)(AX)
	PUSHQ	Context_hostFlags(AX)
	POPFQ
	FXSAVE64	(Context_Out+State_FX)(AX)
	FXRSTOR64	Context_hostFX(AX)
	MOVQ	Context_hostBP(AX), BP
	MOVQ	SAVEAX(SB), BX
	MOVQ	BX, (Context_Out+State_AX)(AX)
	MOVQ	SAVEIP(SB), BX
	MOVQ	BX, (Context_Out+State_IP)(AX)
	SELECTORS(Context_Out)
	MOVQ	-8(FS), BX
	MOVQ	BX, (Context_Out+State_FSWord)(AX)
	CMPQ	Context_UseGS(AX), $0
	JEQ	stored
	MOVQ	0(GS), BX
	MOVQ	BX, (Context_Out+State_GSWord)(AX)
stored:
	MOVQ	$1, Context_Done(AX)
	MOVQ	Context_Until(AX), BX
	TESTQ	BX, BX
	JEQ	next
	CMPQ	(BX), $0
	JNE	next
	CMPQ	Context_Limit(AX), $0
	JEQ	next
	DECQ	Context_Limit(AX)
	MOVQ	Context_Again(AX), AX
	JMP	DO(SB)
next:
	MOVQ	Context_Next(AX), AX
	TESTQ	AX, AX
	JEQ	end
	JMP	DO(SB)
end:
	RET
