#include "go_asm.h"
#include "textflag.h"

#define DO do1<>
#define SYS sys1<>
#define INT81 int81_1<>
#define TWICE twice1<>
#define SPIN spin1<>
#define ALT alt1<>
#define PORT port1<>
#define CLISTI clisti1<>
#define LAND land1<>
#define CTX ctx1<>
#define SAVEAX saveax1<>
#define SAVEIP saveip1<>
#define SECOND second1<>

GLOBL CTX(SB), NOPTR, $8
GLOBL SAVEAX(SB), NOPTR, $8
GLOBL SAVEIP(SB), NOPTR, $8
GLOBL SECOND(SB), NOPTR, $8

#include "lane.h"

// The addresses of the instructions under test, in the order of the constants of
// type Insn.
DATA insns1<>+0(SB)/8, $SYS(SB)
DATA insns1<>+8(SB)/8, $INT81(SB)
DATA insns1<>+16(SB)/8, $TWICE(SB)
DATA insns1<>+24(SB)/8, $SPIN(SB)
DATA insns1<>+32(SB)/8, $ALT(SB)
DATA insns1<>+40(SB)/8, $LAND(SB)
DATA insns1<>+48(SB)/8, $PORT(SB)
DATA insns1<>+56(SB)/8, $CLISTI(SB)
GLOBL insns1<>(SB), RODATA|NOPTR, $64

// func insns1() *[numInsns]layout.Word
TEXT ·insns1(SB), NOSPLIT, $0-8
	LEAQ	insns1<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// chain1 is the program of a raw thread that runs a chain. RDI holds the first
// context. Its RET ends the thread; see ·clone.
TEXT ·chain1(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	DI, AX
	JMP	DO(SB)
