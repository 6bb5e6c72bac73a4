package kernel

import (
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Signals (Linux include/uapi/asm-generic/signal.h); trap.go has those that
// exceptions raise.
const (
	sigKILL  = 9
	sigCHLD  = 17
	sigCONT  = 18
	sigSTOP  = 19
	sigTSTP  = 20
	sigTTIN  = 21
	sigTTOU  = 22
	sigURG   = 23
	sigWINCH = 28

	sigDFL = 0
	sigIGN = 1

	saRESTORER  = 0x04000000
	saONSTACK   = 0x08000000
	saRESTART   = 0x10000000
	saNODEFER   = 0x40000000
	saRESETHAND = 0x80000000

	siUser  = 0  // si_code of kill
	siTkill = -6 // si_code of tkill and tgkill
	// siDethread and siAsyncNL end the range of codes whose siginfo is known
	// (Linux include/uapi/asm-generic/siginfo.h).
	siDethread = -7
	siAsyncNL  = -60

	initPID = 1
)

// sigMask returns the mask of some signals.
func sigMask(sigs ...int) int {
	mask := 0
	for _, s := range sigs {
		mask |= 1 << (s - 1)
	}
	return mask
}

var (
	// sigIgnored are the signals whose default is to do nothing. Those that
	// would stop the process are among them: there is no job control.
	sigIgnored = sigMask(sigCHLD, sigCONT, sigURG, sigWINCH, sigSTOP, sigTSTP, sigTTIN, sigTTOU)
	// sigUnblockable cannot be blocked, ignored or handled.
	sigUnblockable = sigMask(sigKILL, sigSTOP)

	actionSize = SizeOf[layout.SigAction[Mem]]()
)

func sigAction(r Reg) *layout.SigAction[Mem]   { return Fields[layout.SigAction[Mem]](r) }
func sigPending(r Reg) *layout.SigPending[Mem] { return Fields[layout.SigPending[Mem]](r) }
func sigQueue(r Reg) *layout.SigQueue[Mem]     { return Fields[layout.SigQueue[Mem]](r) }

// actionOf puts the address of signal signo's action into to. base is
// gs.SigActions, or a Process's ActionsBase.
func actionOf(signo Reg, base Mem, to Reg) Block {
	return Block{
		MOVL(signo, to),
		SHLQ(5, to), // actionSize
		ADDQ(base, to),
	}
}

// signals returns the part that sends signals: to one thread, or to a process, that is, to
// any of its threads that does not block the signal. Pending signals are a mask; anything
// more about one than that kill or tkill sent it is in a SigQueue (sigqueue.go).
//
// Unlike in Linux, where init is immune, a signal without a handler does what it would do
// to any other process.
func signals() Program {
	return Program{
		Funcs: Funcs(
			recalcSigpending, setBlocked, retargetSignals, signalIgnored, sendSignal, signalTarget,
			forceSigFault, forceSignal,
		),
		Data: []Data{
			sigqueuesUsed, signalNames(),
		},
	}
}

// sigqueuesUsed is the number of SigQueues in use, at most MaxSigPending.
var sigqueuesUsed = BSS("sigqueues_used", 8, 8)

func recalcSigpending() Func {
	t := thread(RDI)
	return FUNC("recalc_sigpending",
		`recalc_sigpending sets TIFSigPending of thread RDI if a signal is pending that it
does not block or that it waits for, and clears it otherwise; ZF is set if none is.
Clobbers only RAX, RDX.`,
		MOVQ(t.Process, RAX),
		MOVQ(process(RAX).Pending.Mask, RAX),
		ORQ(t.Pending.Mask, RAX),
		MOVQ(t.SigBlocked, RDX),
		NOTQ(RDX),
		ORQ(t.SigWait, RDX),
		ANDQ(RDX, RAX),
		ORQ(t.SigForced, RAX),
		IF(NE,
			ORL(layout.TIFSigPending, t.Flags),
		).ELSE(
			ANDL(^layout.TIFSigPending, t.Flags),
		),
		TESTQ(RAX, RAX),
		RETURN(),
	).Takes(RDI).Returns(FLAGS).Keeps(RDI)
}

func setBlocked() Func {
	t := thread(RDI)
	return FUNC("set_blocked", "set_blocked makes RSI the current thread's mask of blocked signals, less those that cannot be blocked. IF is 0: a timer's signal may come at any time.",
		ANDQ(^sigUnblockable, RSI),
		MOVQ(gs.Current, RDI),
		MOVQ(RSI, t.SigBlocked),
		CALL(recalcSigpending),
		JMP(retargetSignals),
	).Takes(RSI)
}

func retargetSignals() Func {
	threadPtr := RBX
	return FUNC("retarget_signals",
		`retarget_signals makes sure that each signal pending for the current process is
known to a thread that does not block it: the thread that knew may block it now, or
be gone. IF is 0.`,
		MOVQ(gs.Process, RAX),
		CMPQ(process(RAX).Pending.Mask, 0),
		IF(E, RETURN()),
		eachPeer(RAX, threadPtr,
			MOVQ(threadPtr, RDI),
			CALL(recalcSigpending),
			IF(NE,
				MOVQ(-EINTR, RSI),
				CALL(wakeUp),
			),
		),
		RETURN(),
	).Saving(RBX).Takes()
}

func signalIgnored() Func {
	act := sigAction(RAX)
	return FUNC("signal_ignored", "signal_ignored returns 1 in EAX if signal EDI has no effect on the process R8, else 0. Clobbers only RCX.",
		actionOf(RDI, process(R8).ActionsBase, RAX),
		CMPQ(act.Handler, sigIGN),
		IF(A, returns(0)),
		IF(E, returns(1)),
		LEAL(RDI.At(-1), RCX),
		MOVL(sigIgnored, RAX),
		BTQ(RCX, RAX),
		SETB(RAX),
		MOVZBL(RAX, RAX),
		RETURN(),
	).Takes(RDI, R8).Returns(RAX).Keeps(RDX, R8)
}

func sendSignal() Func {
	target, queue, bit := RBX, R12, R13
	t := thread(target)
	group := process(R8)
	return FUNC("send_signal",
		`send_signal sends signal EDI to thread RSI of the process R8, or to that process if
RSI is 0, and wakes a thread that it interrupts. RDX is its SigQueue; with 0 it comes
as if sent by tkill or kill. Turns interrupts off.`,
		CLI(),
		MOVQ(RDX, queue),
		MOVQ(RSI, target),
		LEAL(RDI.At(-1), RCX),
		XORL(bit, bit),
		BTSQ(RCX, bit), // its bit
		TESTQ(target, target),
		IF(E,
			MOVQ(bit, RSI),
			CALL(signalTarget),
			TESTQ(RAX, RAX),
			IF(E, // all threads block it: it is kept, as a handler may still be set
				LEAQ(group.Pending.Mask, RDX),
				TESTQ(queue, queue),
				IF(NE, CALL(sigqueueAdd)),
				ORQ(bit, sigPending(RDX).Mask),
				JMP("done"),
			),
			MOVQ(RAX, target),
			LEAQ(group.Pending.Mask, RDX),
		).ELSE(
			LEAQ(t.Pending.Mask, RDX),
		),
		TESTQ(bit, t.SigBlocked),
		IF(E,
			CALL(signalIgnored),
			TESTL(RAX, RAX),
			JNE("ignored"),
		),
		LABEL("kept"),
		TESTQ(queue, queue),
		IF(NE, CALL(sigqueueAdd)),
		ORQ(bit, sigPending(RDX).Mask),
		MOVQ(target, RDI),
		CALL(recalcSigpending),
		IF(NE,
			MOVQ(-EINTR, RSI),
			CALL(wakeUp),
		),
		LABEL("done"),
		RETURN(),
		LABEL("ignored"),
		CMPQ(group.Trace.Tracer, 0), // a tracer sees it nevertheless
		JNE("kept"),
		TESTQ(queue, queue),
		JE("done"),
		MOVQ(queue, RDI),
		XORL(RSI, RSI),
		CALL(sigQueue(RDI).Release),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX, R8)
}

func signalTarget() Func {
	return FUNC("signal_target", "signal_target returns in RAX the oldest thread of the process R8 that does not block the signal of mask RSI, or waits for it, or 0. Clobbers RCX, RDX.",
		XORL(RAX, RAX),
		eachPeer(R8, RCX,
			MOVQ(thread(RCX).SigWait, RDX),
			NOTQ(RDX),
			ANDQ(thread(RCX).SigBlocked, RDX),
			TESTQ(RSI, RDX),
			IF(E, MOVQ(RCX, RAX)),
		),
		RETURN(),
	).Takes(RSI, R8).Returns(RAX).Keeps(RDI, R8)
}

func forceSigFault() Func {
	return FUNC("force_sig_fault",
		`force_sig_fault delivers exception RCX with error code R8 to the current
thread as signal EDI with si_code ESI and si_addr RDX. If the signal is blocked or
ignored it is fatal. The thread's shadow stack ends: it may be what is broken, and no
handler here needs one.`,
		MOVQ(gs.Current, RAX),
		MOVQ(RCX, thread(RAX).TrapNo),
		MOVQ(R8, thread(RAX).ErrorCode),
		CMPL(RCX, x86.X86_TRAP_PF),
		IF(E, MOVQ(RDX, thread(RAX).CR2)),
		CALL(forceSignal),
		JMP(shadowStackEnd),
	).Takes(RDI, RSI, RDX, RCX, R8)
}

func forceSignal() Func {
	act := sigAction(RAX)
	return FUNC("force_signal", "force_signal is force_sig_fault without an exception: signal EDI, si_code ESI, si_addr RDX.",
		MOVQ(gs.Current, R8),
		MOVL(RDI, RDI),
		MOVQ(RDI, thread(R8).SigForced),
		MOVQ(RSI, thread(R8).SigCode),
		MOVQ(RDX, thread(R8).SigAddr),
		ORL(layout.TIFSigPending, thread(R8).Flags),
		LEAL(RDI.At(-1), RCX),
		actionOf(RDI, gs.SigActions, RAX),
		MOVQ(thread(R8).SigBlocked, RDX),
		BTRQ(RCX, RDX),
		IF(B,
			MOVQ(RDX, thread(R8).SigBlocked),
			MOVQ(sigDFL, act.Handler),
		),
		CMPQ(act.Handler, sigIGN),
		IF(E, MOVQ(sigDFL, act.Handler)),
		RETURN(),
	).Takes(RDI, RSI, RDX)
}

// signalNameSize is the room of a name in signal_names.
const signalNameSize = 12

// signalNames returns the names of signals 0 to 63 and 64, NUL-padded.
func signalNames() Data {
	names := [layout.NumSignals + 1]string{
		1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
		"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
		"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR",
		"SIGSYS",
	}
	var content []any
	for n, name := range names {
		if n >= 32 {
			name = fmt.Sprintf("SIGRTMIN+%d", n-32)
		}
		var b [signalNameSize]byte
		copy(b[:signalNameSize-1], name)
		content = append(content, b[:])
	}
	return RODATA("signal_names", content...)
}
