#include "go_asm.h"
#include "textflag.h"

// The ways into the kernel that a debugger watches (wire.EventMark). At each
// marked instruction every register is what it was a round before, RFLAGS too.

// MARK puts the mark of FIELD into R14, and constants into RFLAGS and RCX.
#define MARK(FIELD) \
	MOVQ	FIELD(R15), R14 \
	XORL	CX, CX

// UNMARKED is MARK for what nobody watches.
#define UNMARKED \
	XORL	R14, R14

// DROP takes the page away.
#define DROP \
	UNMARKED \
	MOVQ	events_page(R15), DI \
	MOVL	$const_pageSize, SI \
	MOVL	$const_madvDontneed, DX \
	MOVL	$const_sysMadvise, AX \
	SYSCALL

// func eventCalls(e *events)
TEXT ·eventCalls(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	MOVQ	events_arg(R15), DI
	MARK(events_mark)
	MOVQ	events_nr(R15), AX
	SYSCALL
	DECQ	events_count(R15)
	JNE	again
	RET

// func eventCopies(e *events)
//
// A call of the slow path that copies to the page.
TEXT ·eventCopies(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	DROP
	MARK(events_mark)
	MOVL	$const_sysFullFrame, AX
	SYSCALL
	DECQ	events_count(R15)
	JNE	again
	RET

// func eventFaults(e *events)
TEXT ·eventFaults(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	DROP
	MARK(events_mark)
	MOVQ	(DI), DX
	DECQ	events_count(R15)
	JNE	again
	RET

// func eventTraps(e *events)
TEXT ·eventTraps(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	MARK(events_mark)
	INT	$3
	DECQ	events_count(R15)
	JNE	again
	RET

// func eventInts(e *events)
TEXT ·eventInts(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	MARK(events_mark)
	MOVL	$const_sysEntryCR3, AX
	INT	$const_controlVector
	DECQ	events_count(R15)
	JNE	again
	RET

// func eventSignals(e *events)
TEXT ·eventSignals(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
	MOVQ	events_pid(R15), DI
	MOVQ	events_tid(R15), SI
	MOVL	$const_eventSignal, DX
again:
	MARK(events_mark)
	MOVL	$const_sysTgkill, AX
	SYSCALL
	DECQ	events_count(R15)
	JNE	again
	RET

// eventHandler is the handler of the watched loops' signals: it returns by itself,
// in the second way. The kernel keeps R15.
TEXT eventHandler<>(SB), NOSPLIT|NOFRAME, $0-0
	ADDQ	$8, SP // the restorer's address
	CMPQ	events_badCS(R15), $0
	JEQ	good
	MOVW	$const_eventBadCS, const_eventCS(DX)
good:
	MARK(events_next)
	MOVL	$const_sysSigreturn, AX
	SYSCALL
	INT	$3

// eventRefused is the handler of the fault of such a return: it mends the frame.
TEXT eventRefused<>(SB), NOSPLIT|NOFRAME, $0-0
	ADDQ	$8, SP
	MOVW	$const_userCS, const_eventCS(DX)
	UNMARKED
	MOVL	$const_sysSigreturn, AX
	SYSCALL
	INT	$3

// func eventHandlers() (returns, refused uintptr)
TEXT ·eventHandlers(SB), NOSPLIT, $0-16
	LEAQ	eventHandler<>(SB), AX
	MOVQ	AX, returns+0(FP)
	LEAQ	eventRefused<>(SB), AX
	MOVQ	AX, refused+8(FP)
	RET

// SECOND begins a second thread: RDI holds the events.
#define SECOND \
	MOVQ	DI, R15 \
	MOVQ	events_variant(R15), DI \
	MOVL	$const_sysSelect, AX \
	INT	$const_controlVector \
	MOVQ	events_ownMM(R15), AX \
	TESTQ	AX, AX \
	JEQ	placed \
	SYSCALL \
	MOVQ	AX, events_ownMM(R15) \
placed: \
	MOVQ	$1, events_ready(R15)

// eventYieldPeer is a raw thread's program. It yields as long as there are rounds.
TEXT ·eventYieldPeer(SB), NOSPLIT|NOFRAME, $0-0
	SECOND
again:
	UNMARKED
	MOVL	$const_sysYield, AX
	SYSCALL
	CMPQ	events_count(R15), $0
	JNE	again
	RET

// func eventFutexes(e *events)
//
// Gives the turn to the second thread, and sleeps until it comes back.
TEXT ·eventFutexes(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
	LEAQ	events_turn(R15), DI
	XORL	R10, R10
again:
	MOVL	$1, events_turn(R15)
	UNMARKED
	MOVL	$const_futexWake, SI
	MOVL	$1, DX
	MOVL	$const_sysFutex, AX
	SYSCALL
	MARK(events_mark)
	MOVL	$const_futexWait, SI
	MOVL	$const_sysFutex, AX
	SYSCALL
	DECQ	events_count(R15)
	JNE	again
	MOVL	$1, events_turn(R15)
	UNMARKED
	MOVL	$const_futexWake, SI
	MOVL	$const_sysFutex, AX
	SYSCALL
	RET

// eventFutexPeer is a raw thread's program, the other side of eventFutexes.
TEXT ·eventFutexPeer(SB), NOSPLIT|NOFRAME, $0-0
	SECOND
	LEAQ	events_turn(R15), DI
	XORL	R10, R10
	UNMARKED
again:
	MOVL	$const_futexWait, SI
	XORL	DX, DX
	MOVL	$const_sysFutex, AX
	SYSCALL
	CMPQ	events_count(R15), $0
	JEQ	end
	MOVL	$0, events_turn(R15)
	MOVL	$const_futexWake, SI
	MOVL	$1, DX
	MOVL	$const_sysFutex, AX
	SYSCALL
	JMP	again
end:
	RET

// func eventClones(e *events)
//
// Each round makes a thread, yields to it, and yields until it has ended.
TEXT ·eventClones(SB), NOSPLIT, $0-8
	MOVQ	e+0(FP), R15
again:
	MOVQ	$1, events_exited(R15)
	MOVL	$const_eventThreadFlags, DI
	MOVQ	events_stack(R15), SI
	XORL	DX, DX
	LEAQ	events_exited(R15), R10
	XORL	R8, R8
	MARK(events_mark)
	MOVL	$const_sysClone, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, events_child(R15)
	JLT	end
	MARK(events_next)
	MOVL	$const_sysYield, AX
	SYSCALL
	UNMARKED
wait:
	CMPL	events_exited(R15), $0
	JEQ	ended
	MOVL	$const_sysYield, AX
	SYSCALL
	JMP	wait
ended:
	DECQ	events_count(R15)
	JNE	again
end:
	RET
child:
	UNMARKED
	XORL	DI, DI
	MOVL	$const_sysExit, AX
	SYSCALL
	INT	$3
