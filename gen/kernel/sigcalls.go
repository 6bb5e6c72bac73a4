package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const (
	sigBlock   = 0 // how of rt_sigprocmask
	sigUnblock = 1
	sigSetmask = 2

	sigsetSize = 8

	ssOnstack   = 1    // SS_ONSTACK
	minSigStack = 2048 // MINSIGSTKSZ
)

func maskSize(r Reg) Block {
	return Block{CMPQ(r, sigsetSize), IF(NE, fail(EINVAL))}
}

// readMask reads the signal mask at user address from into mask, or leaves.
func readMask(from, mask Reg) Block {
	return Block{
		MOVQ(from, RDI),
		CALL(getUserLong),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVQ(RAX, mask),
		ANDQ(^sigUnblockable, mask),
	}
}

func validSignal(r Reg) Block {
	return Block{CMPL(r, layout.NumSignals), IF(A, fail(EINVAL))}
}

// signalCalls returns the system calls about signals.
func signalCalls() Program {
	return Program{
		Funcs: Funcs(
			sysRtSigaction, flushSignal, sysRtSigprocmask, sysRtSigpending, sysRtSigsuspend, sysPause,
			waitForSignal, sysRtSigtimedwait, sysKill, killProcess, sysTgkill, sysTkill, killThread,
			sysSigaltstack, setAltstack,
		),
	}
}

func sysRtSigaction() Func {
	action, sig, newAct, oldAct := RBP, R12, R13, R14
	act := sigAction(RSP)
	return FUNC("sys_rt_sigaction", "sys_rt_sigaction(signal EDI, new RSI, old RDX, size RCX).",
		maskSize(RCX),
		LEAL(RDI.At(-1), RCX),
		CMPL(RCX, layout.NumSignals),
		IF(AE, fail(EINVAL)),
		MOVL(RDI, sig),
		MOVQ(RSI, newAct),
		MOVQ(RDX, oldAct),
		MOVQ(gs.Process, RDX),
		realActions(RDX, RDX), // gs.SigActions are others while it is traced
		MOVL(sig, action),
		SHLQ(5, action), // actionSize
		ADDQ(RDX, action),
		SUBQ(2*actionSize, RSP),
		TESTQ(newAct, newAct),
		IF(NE,
			MOVQ(-EINVAL, RAX),
			CMPL(sig, sigKILL),
			JE("out"),
			CMPL(sig, sigSTOP),
			JE("out"),
			MOVQ(RSP, RDI),
			MOVQ(newAct, RSI),
			MOVL(actionSize, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("out"),
		),
		LEAQ(RSP.At(actionSize), RDI), // the old one
		MOVQ(action, RSI),
		MOVL(actionSize/8, RCX),
		REP(MOVSQ()),
		TESTQ(newAct, newAct),
		IF(NE,
			ANDQ(^sigUnblockable, act.Mask),
			MOVQ(action, RDI),
			MOVQ(RSP, RSI),
			MOVL(actionSize/8, RCX),
			REP(MOVSQ()),
			MOVL(sig, RDI),
			MOVQ(gs.Process, R8),
			CALL(signalIgnored),
			TESTL(RAX, RAX),
			IF(NE, // signals already pending are ignored too
				MOVL(sig, RDI),
				CALL(flushSignal),
			),
		),
		XORL(RAX, RAX),
		TESTQ(oldAct, oldAct),
		IF(NE,
			MOVQ(oldAct, RDI),
			LEAQ(RSP.At(actionSize), RSI),
			MOVL(actionSize, RDX),
			CALL(copyToUser),
		),
		LABEL("out"),
		ADDQ(2*actionSize, RSP),
		RETURN(),
	).Saving(RBP, R12, R13, R14).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func flushSignal() Func {
	threadPtr, sig := RBX, R12
	t := thread(threadPtr)
	return FUNC("flush_signal", "flush_signal forgets signal EDI wherever it is pending in the current process. Turns interrupts off.",
		CLI(),
		MOVL(RDI, sig),
		MOVQ(gs.Process, RSI),
		LEAQ(process(RSI).Pending.Mask, RSI),
		CALL(flushPending),
		MOVQ(gs.Process, RAX),
		eachPeer(RAX, threadPtr,
			MOVL(sig, RDI),
			LEAQ(t.Pending.Mask, RSI),
			CALL(flushPending),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func sysRtSigprocmask() Func {
	threadPtr, mask, how, old, before := RBX, R12, R13, R14, R15
	t := thread(threadPtr)
	return FUNC("sys_rt_sigprocmask", "sys_rt_sigprocmask(how EDI, new RSI, old RDX, size RCX).",
		maskSize(RCX),
		MOVQ(gs.Current, threadPtr),
		MOVL(RDI, how),
		MOVQ(RDX, old),
		MOVQ(t.SigBlocked, before),
		TESTQ(RSI, RSI),
		IF(NE,
			readMask(RSI, mask),
			CMPL(how, sigSetmask),
			IF(NE,
				CMPL(how, sigUnblock),
				IF(A, fail(EINVAL)),
				IF(E,
					NOTQ(mask),
					ANDQ(before, mask),
				).ELSE(
					ORQ(before, mask),
				),
			),
			MOVQ(mask, RSI),
			CLI(),
			CALL(setBlocked),
		),
		XORL(RAX, RAX),
		TESTQ(old, old),
		IF(NE,
			MOVQ(old, RDI),
			MOVQ(before, RSI),
			CALL(putUserLong),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysRtSigpending() Func {
	return FUNC("sys_rt_sigpending", "sys_rt_sigpending(set RDI, size RSI) writes which signals are pending and blocked.",
		CMPQ(RSI, sigsetSize),
		IF(NE, fail(EINVAL)),
		MOVQ(gs.Current, RAX),
		MOVQ(thread(RAX).Pending.Mask, RSI),
		MOVQ(gs.Process, RCX),
		ORQ(process(RCX).Pending.Mask, RSI),
		ANDQ(thread(RAX).SigBlocked, RSI),
		JMP(putUserLong),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysRtSigsuspend() Func {
	threadPtr, mask := RBX, R12
	t := thread(threadPtr)
	return FUNC("sys_rt_sigsuspend", "sys_rt_sigsuspend(mask RDI, size RSI) waits for a signal with another mask.",
		maskSize(RSI),
		MOVQ(gs.Current, threadPtr),
		readMask(RDI, mask),
		MOVQ(t.SigBlocked, RAX),
		MOVQ(RAX, t.SavedMask),
		MOVQ(1, t.RestoreMask), // at the exit
		MOVQ(mask, RSI),
		CLI(),
		CALL(setBlocked),
		CALL(waitForSignal),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sysPause() Func {
	return FUNC("sys_pause", "sys_pause waits for a signal.",
		JMP(waitForSignal),
	).Takes().Returns(RAX)
}

func waitForSignal() Func {
	return FUNC("wait_for_signal", "wait_for_signal blocks until a signal is to be delivered. Its result makes do_signal begin the call again if no handler ran.",
		CLI(),
		DO(
			MOVQ(-1, RDI),
			CALL(sleepUntil),
			CMPQ(RAX, -EINTR),
		).WHILE(NE),
		fail(ERESTARTNOHAND),
	).Takes().Returns(RAX)
}

func sysRtSigtimedwait() Func {
	threadPtr, set, infoAddr, timeout, until := RBX, R12, R13, R14, R15
	sig, slept, code := R12, R14, R14
	t := thread(threadPtr)
	info := Fields[layout.SigInfo[Mem]](RSP)
	return FUNC("sys_rt_sigtimedwait",
		`sys_rt_sigtimedwait(set RDI, info RSI, timeout RDX, size RCX) takes a pending signal
of the set, for which it waits until the time-out, and returns it.`,
		maskSize(RCX),
		MOVQ(gs.Current, threadPtr),
		MOVQ(RSI, infoAddr),
		MOVQ(RDX, timeout),
		readMask(RDI, set),
		MOVQ(-1, until),
		TESTQ(timeout, timeout),
		IF(NE,
			MOVQ(timeout, RDI),
			CALL(getTimespec),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, RDI),
			CALL(timeAfter),
			MOVQ(RAX, until),
		),
		CLI(),
		LOOP(
			MOVQ(threadPtr, RDI),
			MOVQ(set, RCX),
			CALL(dequeueSignal),
			TESTL(RAX, RAX),
			BREAK(NE),
			MOVQ(set, t.SigWait),
			MOVQ(threadPtr, RDI),
			CALL(recalcSigpending),
			MOVQ(until, RDI),
			CALL(sleepUntil),
			MOVQ(0, t.SigWait),
			MOVQ(RAX, slept),
			MOVQ(threadPtr, RDI),
			MOVQ(set, RCX),
			CALL(dequeueSignal),
			TESTL(RAX, RAX),
			BREAK(NE),
			TESTQ(slept, slept),
			CONTINUE(E),
			MOVQ(threadPtr, RDI),
			CALL(recalcSigpending),
			MOVQ(-EINTR, RAX),
			CMPQ(slept, -ETIMEDOUT),
			IF(E, MOVQ(-EAGAIN, RAX)),
			RETURN(),
		),
		MOVL(RAX, sig),
		MOVQ(RDX, code),
		MOVQ(threadPtr, RDI),
		CALL(recalcSigpending),
		TESTQ(infoAddr, infoAddr),
		IF(NE,
			SUBQ(SizeOf[layout.SigInfo[Mem]](), RSP),
			MOVQ(RSP, RDI),
			XORL(RAX, RAX),
			MOVL(SizeOf[layout.SigInfo[Mem]]()/8, RCX),
			REP(STOSQ()),
			putSigInfo(info, t, sig, code),
			MOVQ(infoAddr, RDI),
			MOVQ(RSP, RSI),
			MOVL(SizeOf[layout.SigInfo[Mem]](), RDX),
			CALL(copyToUser),
			ADDQ(SizeOf[layout.SigInfo[Mem]](), RSP),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVL(sig, RAX),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysSigaltstack() Func {
	threadPtr, newStack, oldStack, sp := RBX, R12, R13, R14
	t := thread(threadPtr)
	stack := Fields[layout.SigStack[Mem]](RSP)
	size := SizeOf[layout.SigStack[Mem]]()
	return FUNC("sys_sigaltstack", "sys_sigaltstack(new RDI, old RSI).",
		MOVQ(gs.Current, threadPtr),
		MOVQ(RDI, newStack),
		MOVQ(RSI, oldStack),
		CALL(currentUserStackPointer),
		MOVQ(RAX, sp),
		SUBQ(2*size, RSP),
		// The old one, before the new one is in force.
		MOVQ(t.AltSP, RAX),
		MOVQ(RAX, stack.SP.Add(size)),
		MOVQ(t.AltSize, RAX),
		MOVQ(RAX, stack.Size.Add(size)),
		MOVL(t.AltFlags, RCX),
		TESTL(uint32(ssAutodisarm), RCX),
		IF(E,
			onAltStack(t, sp, RDX),
			IF(B, ORL(ssOnstack, RCX)),
		),
		MOVQ(RCX, stack.Flags.Add(size)),
		TESTQ(newStack, newStack),
		IF(NE,
			MOVQ(RSP, RDI),
			MOVQ(newStack, RSI),
			MOVL(size, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("out"),
			MOVQ(stack.SP, RDI),
			MOVL(stack.Flags, RSI),
			MOVQ(stack.Size, RDX),
			MOVQ(sp, RCX),
			CALL(setAltstack),
			TESTQ(RAX, RAX),
			JNE("out"),
		),
		XORL(RAX, RAX),
		TESTQ(oldStack, oldStack),
		IF(NE,
			MOVQ(oldStack, RDI),
			LEAQ(RSP.At(size), RSI),
			MOVL(size, RDX),
			CALL(copyToUser),
		),
		LABEL("out"),
		ADDQ(2*size, RSP),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI).Returns(RAX)
}

func setAltstack() Func {
	threadPtr := RBX
	t := thread(threadPtr)
	return FUNC("set_altstack",
		`set_altstack sets the current thread's alternative signal stack: lowest address
RDI, flags ESI, size RDX; RCX is the user's RSP. Returns 0, -EPERM if the thread
is on the old one, -EINVAL, -ENOMEM (Linux kernel/signal.c, do_sigaltstack).`,
		MOVQ(gs.Current, threadPtr),
		TESTL(uint32(ssAutodisarm), t.AltFlags),
		IF(E,
			onAltStack(t, RCX, RAX),
			IF(B, fail(EPERM)),
		),
		MOVL(RSI, RAX),
		BTRL(31, RAX), // ssAutodisarm
		CMPL(RAX, ssDisable),
		IF(A, fail(EINVAL)),
		IF(E,
			XORL(RDI, RDI),
			XORL(RDX, RDX),
		).ELSE(
			CMPQ(RDX, minSigStack),
			IF(B, fail(ENOMEM)),
		),
		MOVQ(RDI, t.AltSP),
		MOVQ(RDX, t.AltSize),
		MOVL(RSI, RSI),
		MOVQ(RSI, t.AltFlags),
		returns(0),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}
