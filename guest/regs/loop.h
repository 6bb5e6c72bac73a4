// What the measured loops have in common.

#define NONE

// TICKS puts the time-stamp counter into REG once earlier instructions are done and
// before later ones begin (SDM volume 2, RDTSC). It clobbers RAX and RDX.
#define TICKS(REG) \
	LFENCE \
	RDTSC \
	LFENCE \
	SHLQ	$32, DX \
	ORQ	DX, AX \
	MOVQ	AX, REG

// COUNT and COUNTED read the performance counters before and after a loop, outside
// the part that TICKS times. They clobber RAX, RCX and RDX.
#define COUNT CALL ·countBegin(SB)
#define COUNTED CALL ·countEnd(SB)

// SELECT selects the peer's variant, unless that is negative, gives the thread its
// own address space if the peer asks for one, and moves the peer from RDI to R12. It clobbers RAX, RCX, RDI and R11.
#define SELECT \
	MOVQ	DI, R12 \
	MOVQ	peer_variant(R12), DI \
	TESTQ	DI, DI \
	JLT	selected \
	MOVL	$const_sysSelect, AX \
	INT	$const_controlVector \
selected: \
	MOVQ	peer_ownMM(R12), AX \
	TESTQ	AX, AX \
	JEQ	placed \
	SYSCALL \
	MOVQ	AX, peer_ownMM(R12) \
placed:
