#include "go_asm.h"
#include "textflag.h"

// The numbers of Linux's system calls.
#define SYS_RT_SIGRETURN 15
#define SYS_CLONE 56
#define SYS_EXIT 60
#define SYS_SET_TID_ADDRESS 218
#define SYS_SET_ROBUST_LIST 273

// handler is every signal's handler: what matters is that the call is
// interrupted.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	RET

// restorer is where a handler returns to.
TEXT ·restorer(SB), NOSPLIT|NOFRAME, $0
	MOVL	$SYS_RT_SIGRETURN, AX
	SYSCALL

// func addresses() (handler, restorer uintptr)
TEXT ·addresses(SB), NOSPLIT, $0-16
	LEAQ	·handler(SB), AX
	MOVQ	AX, handler+0(FP)
	LEAQ	·restorer(SB), AX
	MOVQ	AX, restorer+8(FP)
	RET

// func start(flags uintptr, t *thread) int64
//
// Clones a thread that makes the calls of t and ends. It knows nothing of Go.
// Returns what clone does in the caller.
TEXT ·start(SB), NOSPLIT, $0-24
	MOVQ	flags+0(FP), DI
	MOVQ	t+8(FP), R12
	LEAQ	thread__size(R12), SI // its stack is below
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$SYS_CLONE, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+16(FP)
	RET
child:
	XORL	BP, BP
next:
	MOVQ	thread_next(R12), BX
	CMPQ	BX, thread_end(R12)
	JEQ	end
	MOVQ	call_a+0(BX), DI
	MOVQ	call_a+16(BX), DX
	MOVQ	call_a+24(BX), R10
	MOVQ	call_a+32(BX), R8
	MOVQ	call_a+40(BX), R9
	MOVQ	call_nr(BX), AX
	CMPQ	call_spawn(BX), $0
	JNE	spawn
	MOVQ	call_a+8(BX), SI
	SYSCALL
	MOVQ	AX, call_result(BX)
	ADDQ	$call__size, BX
	MOVQ	BX, thread_next(R12)
	JMP	next

	// A thread that gives the kernel a robust list and a word to clear, and
	// ends. It has no stack: all signals are blocked.
spawn:
	XORL	SI, SI
	MOVL	$SYS_CLONE, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	spawned
	MOVQ	AX, call_result(BX)
	ADDQ	$call__size, BX
	MOVQ	BX, thread_next(R12)
	JMP	next
spawned:
	MOVQ	call_robust(BX), DI
	MOVL	$24, SI
	MOVL	$SYS_SET_ROBUST_LIST, AX
	SYSCALL
	MOVQ	call_word(BX), DI
	MOVL	$SYS_SET_TID_ADDRESS, AX
	SYSCALL
end:
	XORL	DI, DI
	MOVL	$SYS_EXIT, AX
	SYSCALL
	INT	$3
