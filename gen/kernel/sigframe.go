package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

const (
	fxSize = 512 // of an FXSAVE image
	// fxUsed is how much of it FXSAVE writes and FXRSTOR reads; the rest is
	// for software.
	fxUsed = 464

	redZone = 128 // bytes below RSP that a signal must not touch (x86-64 psABI, 3.2.2)

	// Flags in UContext (Linux arch/x86/include/uapi/asm/ucontext.h).
	ucSigcontextSS    = 2 // the frame has SS
	ucStrictRestoreSS = 4 // and sigreturn loads it unchanged

	ssAutodisarm = 1 << 31 // SS_AUTODISARM: a handler starts without alternative stack
)

// onAltStack sets CF if sp lies in the alternative signal stack of t.
// Clobbers tmp.
func onAltStack(t *layout.Thread[Mem], sp, tmp Reg) Block {
	return Block{
		LEAQ(sp.At(-1), tmp),
		SUBQ(t.AltSP, tmp),
		CMPQ(tmp, t.AltSize),
	}
}

func copyRegs(from, to int) Block {
	regsPtr := RBX
	regs := ptRegs(regsPtr)
	frame := Fields[layout.RTSigFrame[Mem]](RSP)
	mc := frame.UC.MC
	// The general registers in the signal frame and in PtRegs.
	general := [...][2]Mem{
		{mc.R8, regs.R8},
		{mc.R9, regs.R9},
		{mc.R10, regs.R10},
		{mc.R11, regs.R11},
		{mc.R12, regs.R12},
		{mc.R13, regs.R13},
		{mc.R14, regs.R14},
		{mc.R15, regs.R15},
		{mc.DI, regs.DI},
		{mc.SI, regs.SI},
		{mc.BP, regs.BP},
		{mc.BX, regs.BX},
		{mc.DX, regs.DX},
		{mc.AX, regs.AX},
		{mc.CX, regs.CX},
		{mc.SP, regs.SP},
		{mc.IP, regs.IP},
	}

	var b Block
	for _, pair := range general {
		b = append(b, MOVQ(pair[from], RAX), MOVQ(RAX, pair[to]))
	}
	return b
}

// restartCode sets the flags to BE if the call of the frame returned one of the ERESTART
// codes: ECX is then ERESTARTNOHAND minus the code.
func restartCode(frame Reg) Block {
	return Block{
		MOVQ(ptRegs(frame).AX, RCX),
		ADDQ(ERESTARTNOHAND, RCX),
		CMPQ(RCX, ERESTARTNOHAND-ERESTARTSYS),
	}
}

// signalFrames makes signals reach a handler, and lets the handler return.
func signalFrames() Program {
	return Program{
		Funcs: Funcs(
			doSignal, restartHandled, nextSignal, dequeueSignal, setupRtFrame, sysRtSigreturn,
			signalDeath,
		),
	}
}

func doSignal() Func {
	frame, action, sig, code, threadPtr := RBX, RBP, R12, R13, R14
	regs := ptRegs(frame)
	t := thread(threadPtr)
	return FUNC("do_signal",
		`do_signal prepares the return to ring 3 through the full pt_regs RDI for the
next signal that the thread does not block: its handler then runs. If there is none,
a call that a signal interrupted needlessly begins again. Turns
interrupts off.`,
		CLI(),
		MOVQ(RDI, frame),
		MOVQ(gs.Current, threadPtr),
		LOOP(
			MOVQ(threadPtr, RDI),
			CALL(nextSignal),
			TESTL(RAX, RAX),
			BREAK(E),
			MOVL(RAX, sig),
			MOVQ(RDX, code), // si_code
			actionOf(sig, gs.SigActions, action),
			CMPQ(sigAction(action).Handler, sigIGN),
			CONTINUE(E),
			IF(B,
				MOVQ(gs.Process, R8),
				CMPQ(process(R8).Trace.Tracer, 0),
				IF(NE,
					MOVQ(frame, RDI),
					MOVL(sig, RSI),
					CALL(ptraceSignal),
					MOVL(RAX, sig),
					MOVQ(RDX, action),
					TESTL(sig, sig),
					CONTINUE(E),
					CMPQ(sigAction(action).Handler, sigIGN),
					CONTINUE(E),
					JA("handled"),
				),
				MOVL(sig, RDI),
				MOVQ(gs.Process, R8),
				CALL(signalIgnored),
				TESTL(RAX, RAX),
				CONTINUE(NE),
				MOVQ(frame, RDI),
				MOVL(sig, RSI),
				MOVL(code, RDX),
				JMP(signalDeath),
			),
			LABEL("handled"),
			MOVL(sigAction(action).Flags, RDI),
			CALL(restartHandled),
			MOVQ(frame, RDI),
			MOVL(sig, RSI),
			MOVQ(action, RDX),
			MOVQ(code, RCX),
			CALL(setupRtFrame),
			TESTQ(RAX, RAX),
			IF(NE, // no room for the frame: a second failure is fatal
				CMPL(sig, sigSEGV),
				IF(E, MOVQ(sigDFL, sigAction(action).Handler)),
				MOVL(sigSEGV, RDI),
				MOVL(siKernel, RSI),
				XORL(RDX, RDX),
				CALL(forceSignal),
				CONTINUE(),
			),
			// The signals that the handler blocks.
			MOVQ(0, t.RestoreMask), // the frame has it
			MOVQ(sigAction(action).Mask, RSI),
			ORQ(t.SigBlocked, RSI),
			MOVL(sigAction(action).Flags, RAX),
			TESTL(saNODEFER, RAX),
			IF(E,
				LEAL(sig.At(-1), RCX),
				BTSQ(RCX, RSI),
			),
			TESTL(uint32(saRESETHAND), RAX),
			IF(NE, MOVQ(sigDFL, sigAction(action).Handler)),
			CALL(setBlocked),
			RETURN(),
		),
		// No handler.
		CMPQ(regs.OrigAX, 0),
		IF(GE,
			restartCode(frame),
			IF(BE,
				MOVQ(regs.OrigAX, RAX),
				MOVQ(RAX, regs.AX),
				SUBQ(2, regs.IP), // the SYSCALL
			),
		),
		CMPQ(t.RestoreMask, 0),
		IF(NE,
			MOVQ(0, t.RestoreMask),
			MOVQ(t.SavedMask, RSI),
			CALL(setBlocked),
		),
		MOVQ(threadPtr, RDI),
		CALL(recalcSigpending),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI)
}

func restartHandled() Func {
	frame := RBX
	regs := ptRegs(frame)
	return FUNC("restart_handled",
		`restart_handled decides, before a handler with flags EDI runs, what the call
that the frame RBX belongs to returns, or whether it begins again.`,
		CMPQ(regs.OrigAX, 0),
		IF(L, RETURN()),
		restartCode(frame),
		IF(A, RETURN()),
		CMPL(RCX, ERESTARTNOHAND-ERESTARTNOINTR),
		JE("again"),
		JB("interrupted"), // ERESTARTNOHAND
		TESTL(saRESTART, RDI),
		JNE("again"),
		LABEL("interrupted"),
		MOVQ(-EINTR, regs.AX),
		RETURN(),
		LABEL("again"),
		MOVQ(regs.OrigAX, RAX),
		MOVQ(RAX, regs.AX),
		SUBQ(2, regs.IP),
		RETURN(),
	).Takes(RDI, RBX)
}

func nextSignal() Func {
	return FUNC("next_signal",
		`next_signal takes the next signal for thread RDI that it does not block off the
pending ones: a forced one first, then those sent to the thread, then those sent to
the process, the lowest of each. Returns it in EAX and its si_code in RDX; 0 means
none.`,
		MOVQ(thread(RDI).SigForced, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(0, thread(RDI).SigForced),
			MOVQ(thread(RDI).SigCode, RDX),
			RETURN(), // SigAddr is set, SigFull is 0
		),
		MOVQ(thread(RDI).SigBlocked, RCX),
		NOTQ(RCX),
		JMP(dequeueSignal),
	).Takes(RDI).Returns(RAX, RDX)
}

func dequeueSignal() Func {
	return FUNC("dequeue_signal",
		`dequeue_signal takes the next signal of the mask RCX off those pending for the
current thread, RDI. Returns as next_signal does, and sets SigAddr and SigFull from
the siginfo. IF is 0.`,
		MOVQ(gs.PID, RAX),              // another process's signals have a SigQueue
		MOVQ(RAX, thread(RDI).SigAddr), // si_pid; si_uid is 0
		MOVQ(thread(RDI).Pending.Mask, RDX),
		ANDQ(RCX, RDX),
		IF(NE,
			BSFQ(RDX, RAX),
			CMPQ(thread(RDI).Pending.Head, 0),
			JNE("queued"),
			MOVQ(thread(RDI).Pending.Mask, RDX),
			BTRQ(RAX, RDX),
			MOVQ(RDX, thread(RDI).Pending.Mask),
			INCL(RAX),
			MOVQ(siTkill, RDX),
			RETURN(),
		),
		MOVQ(gs.Process, RSI),
		MOVQ(process(RSI).Pending.Mask, RDX),
		ANDQ(RCX, RDX),
		IF(E, returns(0)),
		BSFQ(RDX, RAX),
		LEAQ(process(RSI).Pending.Mask, RSI),
		CMPQ(sigPending(RSI).Head, 0),
		JNE(sigqueueTake),
		MOVQ(sigPending(RSI).Mask, RDX),
		BTRQ(RAX, RDX),
		MOVQ(RDX, sigPending(RSI).Mask),
		INCL(RAX),
		MOVQ(siUser, RDX),
		RETURN(),
		LABEL("queued"),
		LEAQ(thread(RDI).Pending.Mask, RSI),
		JMP(sigqueueTake),
	).Takes(RDI, RCX).Returns(RAX, RDX)
}

func setupRtFrame() Func {
	regsPtr, userFrame, sig, action, threadPtr, code := RBX, RBP, R12, R13, R14, R15
	fx := R15
	regs := ptRegs(regsPtr)
	t := thread(threadPtr)
	frame := Fields[layout.RTSigFrame[Mem]](RSP)
	mc := frame.UC.MC
	words := SizeOf[layout.RTSigFrame[Mem]]() / 8
	room := (words + words%2) * 8
	const toFrame, toRegs = 1, 0
	return FUNC("setup_rt_frame",
		`setup_rt_frame writes the frame of signal ESI with si_code RCX and the action at
RDX to the user's stack and turns the PtRegs RDI into the handler's. Returns 0
or -EFAULT (Linux arch/x86/kernel/signal.c, __setup_rt_frame).`,
		MOVQ(RDI, regsPtr),
		MOVL(RSI, sig),
		MOVQ(RDX, action),
		MOVQ(RCX, code),
		MOVQ(gs.Current, threadPtr),
		FXSAVE64(t.FX[0]),
		SUBQ(room, RSP),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(words, RCX),
		REP(STOSQ()),

		putSigInfo(&frame.Info, t, sig, code),

		copyRegs(toFrame, toRegs),
		MOVQ(regs.Flags, RAX),
		MOVQ(RAX, mc.Flags),
		MOVQ(regs.CS, RAX),
		MOVW(RAX, mc.Segments),
		MOVL(ucSigcontextSS, RCX),
		CMPW(RAX, x86.USER_CS),
		IF(E, ORL(ucStrictRestoreSS, RCX)),
		MOVQ(RCX, frame.UC.Flags),
		MOVQ(regs.SS, RAX),
		MOVW(RAX, mc.Segments.Add(6)),
		MOVQ(t.ErrorCode, RAX),
		MOVQ(RAX, mc.ErrorCode),
		MOVQ(t.TrapNo, RAX),
		MOVQ(RAX, mc.TrapNo),
		MOVQ(t.CR2, RAX),
		MOVQ(RAX, mc.CR2),
		MOVQ(t.SigBlocked, RAX),
		CMPQ(t.RestoreMask, 0),
		IF(NE, MOVQ(t.SavedMask, RAX)), // the mask before the suspended wait
		MOVQ(RAX, mc.OldMask),
		MOVQ(RAX, frame.UC.SigMask),
		MOVQ(t.AltSP, RAX),
		MOVQ(RAX, frame.UC.Stack.SP),
		MOVL(t.AltFlags, RAX),
		MOVL(RAX, frame.UC.Stack.Flags),
		MOVQ(t.AltSize, RAX),
		MOVQ(RAX, frame.UC.Stack.Size),
		MOVQ(sigAction(action).Restorer, RAX),
		MOVQ(RAX, frame.Restorer),

		// The place: RAX, the FXSAVE image at R15 above it. RCX: 1 on the
		// alternative stack.
		XORL(RCX, RCX),
		MOVQ(regs.SP, RAX),
		TESTL(uint32(ssAutodisarm), t.AltFlags),
		IF(E,
			onAltStack(t, RAX, RDX),
			IF(B, INCL(RCX)),
		),
		SUBQ(redZone, RAX),
		TESTL(saONSTACK, sigAction(action).Flags),
		IF(NE,
			TESTL(RCX, RCX),
			IF(E,
				MOVQ(t.AltSize, RDX),
				TESTQ(RDX, RDX),
				IF(NE,
					ADDQ(t.AltSP, RDX),
					MOVQ(RDX, RAX),
					INCL(RCX),
				),
			),
		),
		SUBQ(fxSize, RAX),
		ANDQ(-64, RAX),
		MOVQ(RAX, fx),
		MOVQ(RAX, mc.FPState),
		SUBQ(words*8, RAX),
		ANDQ(-16, RAX),
		SUBQ(8, RAX),
		TESTL(RCX, RCX),
		IF(NE, // an overflow must not reach the memory below
			onAltStack(t, RAX, RDX),
			JAE("fault"),
		),
		MOVL(sigAction(action).Flags, RDX),
		TESTL(saRESTORER, RDX),
		JE("fault"),

		MOVQ(RAX, userFrame),
		MOVQ(fx, RDI),
		LEAQ(t.FX[0], RSI),
		MOVL(fxSize, RDX),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		JNE("fault"),
		MOVQ(userFrame, RDI),
		MOVQ(RSP, RSI),
		MOVL(words*8, RDX),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		JNE("fault"),

		TESTL(uint32(ssAutodisarm), t.AltFlags),
		IF(NE,
			MOVQ(0, t.AltSP),
			MOVQ(0, t.AltSize),
			MOVQ(ssDisable, t.AltFlags),
		),
		MOVQ(sig, regs.DI),
		LEAQ(userFrame.At(frame.Info.SignoErrno.Disp()), RAX),
		MOVQ(RAX, regs.SI),
		LEAQ(userFrame.At(frame.UC.Flags.Disp()), RAX),
		MOVQ(RAX, regs.DX),
		MOVQ(0, regs.AX), // for a handler with variable arguments
		MOVQ(sigAction(action).Handler, RAX),
		MOVQ(RAX, regs.IP),
		MOVQ(userFrame, regs.SP),
		MOVQ(x86.USER_CS, regs.CS),
		MOVQ(x86.USER_DS, regs.SS),
		ANDQ(^(x86.X86_EFLAGS_DF|x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF), regs.Flags),
		XORL(RAX, RAX),
		LABEL("out"),
		ADDQ(room, RSP),
		RETURN(),
		LABEL("fault"),
		MOVQ(-EFAULT, RAX),
		JMP("out"),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysRtSigreturn() Func {
	regsPtr, threadPtr := RBX, R14
	regs := ptRegs(regsPtr)
	t := thread(threadPtr)
	frame := Fields[layout.RTSigFrame[Mem]](RSP)
	mc := frame.UC.MC
	words := SizeOf[layout.RTSigFrame[Mem]]() / 8
	room := (words + words%2) * 8
	const toFrame, toRegs = 1, 0
	return FUNC("sys_rt_sigreturn",
		`sys_rt_sigreturn restores everything that the frame at RSP-8 of the caller's
full pt_regs holds, as far as ring 3 may set it; IRETQ refuses the rest.
A frame that cannot be read is a SIGSEGV. Returns the restored AX.`,
		MOVQ(gs.TopOfStack, regsPtr),
		SUBQ(regsSize, regsPtr),
		MOVQ(gs.Current, threadPtr),
		SUBQ(room, RSP),
		MOVQ(RSP, RDI),
		MOVQ(regs.SP, RSI),
		SUBQ(8, RSI), // the handler's RET took the restorer's address
		MOVL(frame.Info.SignoErrno.Disp(), RDX),
		CALL(copyFromUser),
		TESTQ(RAX, RAX),
		JNE("bad_frame"),
		LEAQ(t.FX[0], RDI),
		MOVQ(mc.FPState, RSI),
		TESTQ(RSI, RSI),
		IF(E, // as after reset
			XORL(RAX, RAX),
			MOVL(fxUsed/8, RCX),
			REP(STOSQ()),
			MOVL(0x37f, t.FX[0]),
			MOVL(0x1f80, t.FX[3]),
		).ELSE(
			MOVL(fxUsed, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("bad_frame"),
			MOVL(Sym(mxcsrMask), RAX),
			ANDL(RAX, t.FX[3]), // FXRSTOR faults on other bits
		),
		FXRSTOR64(t.FX[0]),

		copyRegs(toRegs, toFrame),
		MOVQ(mc.Flags, RAX),
		ANDL(x86.UserFlags, RAX),
		ANDQ(^x86.UserFlags, regs.Flags),
		ORQ(RAX, regs.Flags),
		MOVZWL(mc.Segments, RCX),
		ORL(3, RCX),
		MOVQ(RCX, regs.CS),
		MOVZWL(mc.Segments.Add(6), RAX),
		ORL(3, RAX),
		TESTL(ucStrictRestoreSS, frame.UC.Flags),
		IF(E, // old frames, whose SS nobody filled
			CMPL(RCX, x86.USER_CS),
			IF(E, MOVL(x86.USER_DS, RAX)),
		),
		MOVQ(RAX, regs.SS),
		forceIRET(),
		MOVQ(-1, regs.OrigAX), // AX is not a result: nothing to restart
		MOVQ(frame.UC.SigMask, RSI),
		CLI(),
		CALL(setBlocked),
		// The alternative stack, as far as it can be set from here.
		MOVQ(frame.UC.Stack.SP, RDI),
		MOVL(frame.UC.Stack.Flags, RSI),
		MOVQ(frame.UC.Stack.Size, RDX),
		MOVQ(regs.SP, RCX),
		CALL(setAltstack),
		MOVQ(regs.AX, RAX),
		JMP("out"),
		LABEL("bad_frame"),
		MOVL(sigSEGV, RDI),
		MOVL(siKernel, RSI),
		XORL(RDX, RDX),
		CALL(forceSignal),
		XORL(RAX, RAX),
		LABEL("out"),
		ADDQ(room, RSP),
		RETURN(),
	).Saving(RBX, R14).Takes().Returns(RAX)
}
