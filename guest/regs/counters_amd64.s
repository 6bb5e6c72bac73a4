#include "go_asm.h"
#include "textflag.h"

// READ stores performance counter SELECTOR. It clobbers RAX, RCX and RDX.
#define READ(SELECTOR, TO) \
	MOVL	·perf+(perfState_Counters+SELECTOR)(SB), CX \
	RDPMC \
	SHLQ	$32, DX \
	ORQ	DX, AX \
	MOVQ	AX, ·perf+TO(SB)

// countBegin stores the counters at the beginning of a loop, if there are any. It
// clobbers RAX, RCX and RDX.
TEXT ·countBegin(SB), NOSPLIT|NOFRAME, $0-0
	CMPB	·perf+(perfState_Counters+Counters_Present)(SB), $0
	JEQ	none
	CMPB	·perf+(perfState_Counters+Counters_Explained)(SB), $0
	JEQ	clocks
	READ((Counters_Events+0), (perfState_Begun+Counts_Events+0))
	READ((Counters_Events+4), (perfState_Begun+Counts_Events+8))
	READ((Counters_Events+8), (perfState_Begun+Counts_Events+16))
clocks:
	READ(Counters_Cycles, (perfState_Begun+Counts_Cycles))
	READ(Counters_Instructions, (perfState_Begun+Counts_Instructions))
none:
	RET

// countEnd stores the counters at the end of a loop, if there are any. It clobbers
// RAX, RCX and RDX.
TEXT ·countEnd(SB), NOSPLIT|NOFRAME, $0-0
	CMPB	·perf+(perfState_Counters+Counters_Present)(SB), $0
	JEQ	none
	READ(Counters_Instructions, (perfState_Ended+Counts_Instructions))
	READ(Counters_Cycles, (perfState_Ended+Counts_Cycles))
	CMPB	·perf+(perfState_Counters+Counters_Explained)(SB), $0
	JEQ	none
	READ((Counters_Events+0), (perfState_Ended+Counts_Events+0))
	READ((Counters_Events+4), (perfState_Ended+Counts_Events+8))
	READ((Counters_Events+8), (perfState_Ended+Counts_Events+16))
none:
	RET
