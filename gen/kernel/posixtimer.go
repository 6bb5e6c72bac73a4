package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

var posixTimerID = BSS("posix_timer_id", 8, 8)

func getItimerspec() Func {
	addr, interval := RBX, R12
	return FUNC("get_itimerspec",
		`get_itimerspec reads the itimerspec at user address RDI: RAX is the value, RCX the
interval in ns, RDX as get_timespec's.`,
		MOVQ(RDI, addr),
		CALL(getTimespec),
		TESTQ(RDX, RDX),
		IF(NE, RETURN()),
		MOVQ(RAX, interval),
		LEAQ(addr.At(timespecSize), RDI),
		CALL(getTimespec),
		MOVQ(interval, RCX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI).Returns(RAX, RDX, RCX)
}

func putItimerspec() Func {
	return putTimes("put_itimerspec", "put_itimerspec writes RSI and the interval RDX, ns, as an itimerspec to user address RDI. Returns 0 or -EFAULT.", putTimespec)
}

func sysTimerCreate() Func {
	timerPtr, notify, clock, idAddr, value, sig := RBX, RBP, R12, R13, R14, R15
	result := R12
	t := sigTimer(timerPtr)
	event := Fields[layout.SigEvent[Mem]](RSP)
	size := SizeOf[layout.SigEvent[Mem]]()
	return FUNC("sys_timer_create", "sys_timer_create(clock EDI, sigevent RSI, id RDX). Without a sigevent the signal is SIGALRM, with the ID as its value.",
		MOVL(RDI, clock),
		MOVQ(RDX, idAddr),
		XORL(value, value), // value
		MOVL(sigALRM, sig),
		XORL(notify, notify), // notify, and the TID in the upper half
		TESTQ(RSI, RSI),
		IF(NE,
			SUBQ(size, RSP),
			MOVQ(RSP, RDI),
			MOVL(size, RDX),
			CALL(copyFromUser),
			MOVQ(event.Value, value),
			MOVL(event.SignoNotify, sig),
			MOVL(event.SignoNotify.Add(4), notify),
			MOVL(event.TID, RCX),
			ADDQ(size, RSP),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
			SHLQ(32, RCX),
			ORQ(RCX, notify),
			BTSQ(63, clock), // there is a sigevent
		),
		// The clock: R8 is SigTimer.Wall, RAX and RSI a clock of CPU time.
		MOVL(clock, RDI),
		XORL(RAX, RAX),
		XORL(RSI, RSI),
		MOVL(layout.SigTimerMono, R8),
		CMPL(RDI, clockMonotonic),
		JE("clock"),
		CMPL(RDI, clockBoottime),
		JE("clock"),
		MOVL(layout.SigTimerReal, R8),
		CMPL(RDI, clockRealtime),
		JE("clock"),
		CMPL(RDI, clockTAI),
		JE("clock"),
		XORL(R8, R8),
		CMPL(RDI, clockMonotonicRaw),
		IF(NE, CMPL(RDI, clockRealtimeCoarse)),
		IF(NE, CMPL(RDI, clockMonotonicCoars)),
		IF(E, fail(EOPNOTSUPP)),
		TESTL(RDI, RDI),
		IF(S,
			MOVL(RDI, RAX),
			ANDL(clockFDMask, RAX),
			CMPL(RAX, clockFD),
			IF(E, fail(EOPNOTSUPP)),
		),
		CALL(cpuClockID),
		TESTL(RAX, RAX),
		IF(S, RETURN()),
		XORL(R8, R8),
		LABEL("clock"),
		PUSHQ(RAX),
		PUSHQ(RSI),
		PUSHQ(R8),
		CMPQ(Sym(sigqueuesUsed), layout.MaxSigPending),
		JAE("again"),
		LEAQ(Sym(sigtimerCache), RDI),
		CALL(slabAlloc),
		TESTQ(RAX, RAX),
		JE("again"),
		INCQ(Sym(sigqueuesUsed)),
		MOVQ(RAX, timerPtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(sigTimerSize/8, RCX),
		REP(STOSQ()),
		POPQ(t.Wall),
		POPQ(t.CPU.TID),
		POPQ(t.CPU.Clock),
		MOVQ(gs.Process, RDX),
		CALL(sigtimerInit),
		MOVL(siTimer, t.Queue.Info.Code),
		MOVL(sig, t.Queue.Info.SignoErrno),

		// Whom it notifies.
		CMPL(notify, sigevNone),
		IF(E, MOVQ(layout.SigTimerNone, t.Notify)).ELSE(
			CMPL(notify, sigevThreadID),
			IF(E,
				MOVQ(layout.SigTimerThread, t.Notify),
				MOVQ(notify, RDI),
				SHRQ(32, RDI),
				MOVQ(RDI, t.TID),
				CALL(findThread),
				TESTQ(RAX, RAX),
				JE("invalid"),
				MOVQ(thread(RAX).Process, RAX),
				CMPQ(RAX, gs.Process),
				JNE("invalid"),
			).ELSE(
				TESTL(^sigevThread, notify), // and sigevSignal
				JNE("invalid"),
			),
			DECL(sig),
			CMPL(sig, layout.NumSignals),
			JAE("invalid"),
		),
		MOVQ(Sym(posixTimerID), RAX),
		MOVQ(RAX, t.ID),
		MOVL(RAX, t.Queue.Info.Fields[0]),
		BTQ(63, clock),
		IF(AE, MOVQ(RAX, value)),
		MOVQ(value, t.Queue.Info.Fields[1]),
		MOVQ(idAddr, RDI),
		MOVL(RAX, RSI),
		CALL(putUserInt),
		TESTQ(RAX, RAX),
		JNE("failed"),
		MOVL(Sym(posixTimerID), RAX),
		INCL(RAX),
		ANDL(1<<31-1, RAX),
		MOVL(RAX, Sym(posixTimerID)),
		MOVQ(gs.Process, RCX),
		MOVQ(process(RCX).PosixTimers, RAX),
		MOVQ(RAX, t.NextID),
		MOVQ(timerPtr, process(RCX).PosixTimers),
		returns(0),
		LABEL("invalid"),
		MOVQ(-EINVAL, RAX),
		LABEL("failed"),
		MOVQ(RAX, result),
		CALL(sigtimerFree),
		MOVQ(result, RAX),
		RETURN(),
		LABEL("again"),
		ADDQ(3*8, RSP),
		fail(EAGAIN),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func posixTimerFind() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("posix_timer_find", "posix_timer_find sets RBX to the current process's POSIX timer with ID EDI, or to 0, which sets ZF. RCX is the word that points to it.",
		MOVQ(gs.Process, RCX),
		LEAQ(process(RCX).PosixTimers, RCX),
		LOOP(
			MOVQ(RCX.At(0), timerPtr),
			TESTQ(timerPtr, timerPtr),
			BREAK(E),
			CMPL(RDI, t.ID),
			IF(E,
				TESTQ(timerPtr, timerPtr),
				BREAK(),
			),
			LEAQ(t.NextID, RCX),
		),
		RETURN(),
	).Takes(RDI).Returns(RCX, RBX, FLAGS)
}

func sysTimerSettime() Func {
	id, flags, old, interval := R12, R13, R14, R15
	value := R12
	return FUNC("sys_timer_settime", "sys_timer_settime(id EDI, flags ESI, new RDX, old RCX).",
		MOVL(RDI, id),
		MOVL(RSI, flags),
		MOVQ(RCX, old),
		TESTQ(RDX, RDX),
		IF(E, fail(EINVAL)),
		MOVQ(RDX, RDI),
		CALL(getItimerspec),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		MOVL(id, RDI),
		MOVQ(RAX, value),
		MOVQ(RCX, interval),
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		CALL(sigtimerGet),
		PUSHQ(RSI),
		PUSHQ(RDX),
		MOVQ(value, RSI),
		MOVQ(interval, RDX),
		MOVL(flags, RCX),
		ANDL(timerAbstime, RCX),
		CALL(sigtimerSet),
		POPQ(RDX),
		POPQ(RSI),
		XORL(RAX, RAX),
		TESTQ(old, old),
		IF(NE,
			MOVQ(old, RDI),
			CALL(putItimerspec),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysTimerGettime() Func {
	spec := R12
	return FUNC("sys_timer_gettime", "sys_timer_gettime(id EDI, itimerspec RSI).",
		MOVQ(RSI, spec),
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		CALL(sigtimerGet),
		MOVQ(spec, RDI),
		CALL(putItimerspec),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sysTimerGetoverrun() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sys_timer_getoverrun", "sys_timer_getoverrun(id EDI) returns how often the timer had expired, beyond the first time, when its signal was last taken.",
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		MOVQ(t.Overrun, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysTimerDelete() Func {
	return FUNC("sys_timer_delete", "sys_timer_delete(id EDI). A signal that is already pending is still delivered.",
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		CALL(posixTimerDelete),
		returns(0),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func posixTimerDelete() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("posix_timer_delete", "posix_timer_delete takes the POSIX timer RBX off its list, where RCX points to it, and frees it once its signal is not pending. Turns interrupts off.",
		MOVQ(t.NextID, RAX),
		MOVQ(RAX, RCX.At(0)),
		CLI(),
		CALL(sigtimerStop),
		CMPQ(t.Queued, 0),
		IF(NE, MOVQ(layout.SigTimerDeleted, t.Queued), RETURN()),
		JMP(sigtimerFree),
	).Takes(RBX, RCX)
}

func timersEnd() Func {
	timerPtr, group, left := RBX, R12, R13
	return FUNC("timers_end",
		`timers_end deletes the POSIX timers of the current process and, if EDI is 1, stops its
interval timers. Turns interrupts off.`,
		MOVL(RDI, left),
		MOVQ(gs.Process, group),
		LOOP(
			LEAQ(process(group).PosixTimers, RCX),
			MOVQ(RCX.At(0), timerPtr),
			TESTQ(timerPtr, timerPtr),
			BREAK(E),
			CALL(posixTimerDelete),
		),
		CLI(),
		TESTL(left, left),
		IF(E, RETURN()),
		LEAQ(process(group).Intervals[0].Timer.Expires, timerPtr),
		MOVL(layout.Intervals, left),
		DO(
			CALL(sigtimerStop),
			MOVQ(0, sigTimer(timerPtr).At),
			ADDQ(sigTimerSize, timerPtr),
			DECL(left),
		).WHILE(NE),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}
