#include "go_asm.h"
#include "textflag.h"

// LOADUSER sets the user's registers; AX is the userCall.
#define LOADUSER \
	MOVQ $1, DI;                    \
	MOVQ $const_patternSI, SI;      \
	MOVQ $const_patternDX, DX;      \
	MOVQ $const_patternR8, R8;      \
	MOVQ $const_patternR9, R9;      \
	MOVQ $const_patternR10, R10;    \
	MOVQ $const_patternBP, BP;      \
	MOVQ userCall_back(AX), R12;     \
	MOVQ userCall_number(AX), R13;   \
	MOVQ userCall_entry(AX), R14;    \
	MOVQ $const_userFlags, R15

// LIMIT stores the limit of the GDT entry that tells getcpu the CPU, 0 if the
// kernel has none. It clobbers CX and DX.
#define LIMIT(to) \
	MOVL $const_selectorCPU, CX; \
	XORL DX, DX;                 \
	LSLL CX, DX;                 \
	MOVQ DX, to

// See enter_amd64.go.
TEXT ·enter(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ  c+0(FP), AX
	MOVQ  SP, userCall_goSP(AX)
	MOVQ  BP, userCall_goBP(AX)
	MOVQ  userCall_sp(AX), SP
	PUSHQ AX
	MOVQ  userCall_warm(AX), BX
	TESTQ BX, BX
	JEQ   timed
	LOADUSER
	MOVQ  userCall_loop(AX), AX
	CALL  AX

timed:
	MOVQ  0(SP), BX
	LIMIT(userCall_startLimit(BX))
	CMPQ  userCall_step(BX), $0
	JEQ   start
	PUSHFQ
	ORQ   $const_flagTF, 0(SP)
	POPFQ

start:
	RDTSCP
	LFENCE
	SHLQ  $32, DX
	ORQ   DX, AX
	MOVQ  0(SP), DX
	MOVQ  AX, userCall_start(DX)
	MOVQ  CX, userCall_startAux(DX)
	MOVQ  DX, AX
	MOVQ  userCall_trips(AX), BX
	LOADUSER
	MOVQ  userCall_loop(AX), AX
	CALL  AX
	PUSHQ AX
	PUSHQ CX
	PUSHQ DX
	RDTSCP
	LFENCE
	SHLQ  $32, DX
	ORQ   DX, AX
	MOVQ  $0, ·fault+const_faultRunning(SB)
	PUSHFQ
	ANDQ  $~const_flagTF, 0(SP)              // no more steps
	POPFQ
	MOVQ  24(SP), DX
	MOVQ  AX, userCall_end(DX)
	MOVQ  CX, userCall_endAux(DX)
	MOVQ  DX, AX
	LIMIT(userCall_endLimit(AX))
	MOVQ  AX, DX
	POPQ  (userCall_out+16)(DX)
	POPQ  (userCall_out+8)(DX)
	POPQ  (userCall_out+0)(DX)
	MOVQ  BX, (userCall_out+24)(DX)
	MOVQ  SP, (userCall_out+32)(DX)
	MOVQ  BP, (userCall_out+40)(DX)
	MOVQ  SI, (userCall_out+48)(DX)
	MOVQ  DI, (userCall_out+56)(DX)
	MOVQ  R8, (userCall_out+64)(DX)
	MOVQ  R9, (userCall_out+72)(DX)
	MOVQ  R10, (userCall_out+80)(DX)
	MOVQ  R11, (userCall_out+88)(DX)
	MOVQ  R12, (userCall_out+96)(DX)
	MOVQ  R13, (userCall_out+104)(DX)
	MOVQ  R14, (userCall_out+112)(DX)
	MOVQ  R15, (userCall_out+120)(DX)
	POPQ  AX
	MOVQ  userCall_goBP(AX), BP
	MOVQ  userCall_goSP(AX), SP
	RET

// See enter_amd64.go.
TEXT ·wrgsbase(SB), NOSPLIT, $0-8
	MOVQ addr+0(FP), AX
	WRGSBASEQ AX
	RET

// See fault.go. As a signal handler it has the signal in DI, its siginfo in SI
// and the ucontext in DX, with RIP in uc_mcontext.gregs[16] and RFLAGS behind it.
// It returns to the kernel's restorer.
TEXT ·onFault(SB), NOSPLIT|NOFRAME, $0
	CMPL DI, $const_sigtrap
	JNE  other
	MOVL 8(SI), AX           // si_code
	DECL AX
	CMPL AX, $(const_siKernel-1)
	JCC  other               // unsigned: a signal that was sent, or INT3
	ANDQ $~const_flagTF, 176(DX)
	CMPQ ·fault+const_faultRunning(SB), $0
	JEQ  step
	DECQ ·fault+const_faultSteps(SB)
	JEQ  report
	ORQ  $const_flagTF, 176(DX)  // even if this was a POPFQ or IRETQ

step:
	RET

other:
	CMPQ ·fault+const_faultRunning(SB), $0
	JEQ  chain

report:
	MOVQ DI, ·fault+const_faultSignal(SB)
	MOVQ 168(DX), AX
	MOVQ AX, ·fault+const_faultIP(SB)
	MOVQ 16(SI), AX
	MOVQ AX, ·fault+const_faultAddr(SB)
	MOVL $1, AX                             // write
	MOVL $const_faultFD, DI
	LEAQ ·fault(SB), SI
	MOVL $const_faultSize, DX
	SYSCALL
	MOVL $231, AX                           // exit_group
	MOVL $const_faultStatus, DI
	SYSCALL

chain:
	LEAQ ·oldHandlers(SB), AX
	MOVQ (AX)(DI*8), AX
	JMP  AX

// See fault.go. It has the ucontext in DX.
TEXT ·onTick(SB), NOSPLIT|NOFRAME, $0
	CMPQ ·fault+const_faultRunning(SB), $0
	JEQ  done
	MOVQ ·fault+const_faultEntered(SB), AX
	CMPQ AX, ·fault+const_faultTicked(SB)
	MOVQ AX, ·fault+const_faultTicked(SB)
	JNE  done
	ORQ  $const_flagTF, 176(DX)

done:
	RET

// See fault.go.
TEXT ·tickHandler(SB), NOSPLIT, $0-8
	LEAQ ·onTick(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// See fault.go.
TEXT ·faultHandler(SB), NOSPLIT, $0-8
	LEAQ ·onFault(SB), AX
	MOVQ AX, ret+0(FP)
	RET
