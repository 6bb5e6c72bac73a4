#include "go_asm.h"
#include "textflag.h"

// READ puts performance counter SELECTOR into RAX. It clobbers RCX and RDX.
#define READ(SELECTOR) \
	MOVL	SELECTOR, CX \
	RDPMC \
	SHLQ	$32, DX \
	ORQ	DX, AX

// countBegin notes the counters, if there are any. It is called by loops, and
// clobbers RAX, RCX and RDX.
TEXT ·countBegin(SB), NOSPLIT|NOFRAME, $0-0
	CMPB	·counters+Counters_Present(SB), $0
	JEQ	none
	READ(·counters+Counters_Cycles(SB))
	MOVQ	AX, ·begun+Counts_Cycles(SB)
	READ(·counters+Counters_Instructions(SB))
	MOVQ	AX, ·begun+Counts_Instructions(SB)
none:
	RET

// countEnd notes what the counters counted since countBegin. A counter is
// narrower than 64 bits and may have wrapped.
TEXT ·countEnd(SB), NOSPLIT|NOFRAME, $0-0
	CMPB	·counters+Counters_Present(SB), $0
	JEQ	none
	READ(·counters+Counters_Instructions(SB))
	SUBQ	·begun+Counts_Instructions(SB), AX
	MOVQ	$const_counterMask, CX
	ANDQ	CX, AX
	MOVQ	AX, ·counted+Counts_Instructions(SB)
	READ(·counters+Counters_Cycles(SB))
	SUBQ	·begun+Counts_Cycles(SB), AX
	MOVQ	$const_counterMask, CX
	ANDQ	CX, AX
	MOVQ	AX, ·counted+Counts_Cycles(SB)
none:
	RET
