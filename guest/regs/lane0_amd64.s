#include "go_asm.h"
#include "textflag.h"

#define DO do0<>
#define SYS sys0<>
#define INT81 int81_0<>
#define TWICE twice0<>
#define SPIN spin0<>
#define ALT alt0<>
#define PORT port0<>
#define CLISTI clisti0<>
#define LAND land0<>
#define CTX ctx0<>
#define SAVEAX saveax0<>
#define SAVEIP saveip0<>
#define SECOND second0<>

GLOBL CTX(SB), NOPTR, $8
GLOBL SAVEAX(SB), NOPTR, $8
GLOBL SAVEIP(SB), NOPTR, $8
GLOBL SECOND(SB), NOPTR, $8

#include "lane.h"

// The addresses of the instructions under test, in the order of the constants of
// type Insn.
DATA insns0<>+0(SB)/8, $SYS(SB)
DATA insns0<>+8(SB)/8, $INT81(SB)
DATA insns0<>+16(SB)/8, $TWICE(SB)
DATA insns0<>+24(SB)/8, $SPIN(SB)
DATA insns0<>+32(SB)/8, $ALT(SB)
DATA insns0<>+40(SB)/8, $LAND(SB)
DATA insns0<>+48(SB)/8, $PORT(SB)
DATA insns0<>+56(SB)/8, $CLISTI(SB)
GLOBL insns0<>(SB), RODATA|NOPTR, $64

// func insns0() *[numInsns]layout.Word
TEXT ·insns0(SB), NOSPLIT, $0-8
	LEAQ	insns0<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func run0(c *Context)
//
// Runs the chain at c on the calling thread; see DO in lane.h for what it
// clobbers.
TEXT ·run0(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	c+0(FP), AX
	JMP	DO(SB)
