package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// sigTimer gives the fields of the SigTimer that r points to.
func sigTimer(r Reg) layout.SigTimer[Mem] { return Fields[layout.SigTimer[Mem]](r) }

// Signals of timers, and what they and struct sigevent say (Linux
// include/uapi/asm-generic/signal.h, siginfo.h).
const (
	sigALRM   = 14
	sigVTALRM = 26
	sigPROF   = 27

	siTimer = -2 // SI_TIMER

	sigevSignal   = 0
	sigevNone     = 1
	sigevThread   = 2
	sigevThreadID = 4

	itimerReal    = 0
	itimerVirtual = 1
	itimerProf    = 2

	// ignoredInterval is the least time in ns after which a timer whose signal is
	// ignored looks whether it still is.
	ignoredInterval = 100_000_000

	usPerSec = 1_000_000
)

// sigTimerSize is the size of a SigTimer.
var sigTimerSize = SizeOf[layout.SigTimer[Mem]]()

// intervalTimer makes timerPtr the interval timer of number which, or leaves.
func intervalTimer(which, timerPtr Reg) Block {
	return Block{
		CMPL(which, layout.Intervals),
		IF(AE, fail(EINVAL)),
		MOVL(which, timerPtr),
		IMULQ(sigTimerSize, timerPtr),
		LEAQ(Sym(itimers), RAX),
		ADDQ(RAX, timerPtr),
	}
}

// sigTimers is POSIX timers and the interval timers.
func sigTimers() Program {
	return Program{
		Funcs: Funcs(
			sigtimerNow, sigtimerStart, sigtimerStop, sigtimerExpireCPU, sigtimerExpire,
			sigtimerRelease, sigtimerFree, sigtimerGet, sigtimerSet, getItimerspec, putItimerspec,
			sysTimerCreate, sigtimerInit, posixTimerFind, sysTimerSettime, sysTimerGettime,
			sysTimerGetoverrun, sysTimerDelete, itimersInit, getValidTimeval, putTimeval, putItimerval,
			sysGetitimer, sysSetitimer, sysAlarm,
		),
		Data: []Data{
			sigtimerCache, posixTimers, posixTimerID, itimers, itimerSignals,
		},
	}
}

var sigtimerCache = slabCache("sigtimer_cache", sigTimerSize)

var posixTimers = BSS("posix_timers", 8, 8)

var posixTimerID = BSS("posix_timer_id", 8, 8)

var itimers = BSS("itimers", layout.Intervals*sigTimerSize, 64)

var itimerSignals = RODATA("itimer_signals", []byte{itimerReal: sigALRM, itimerVirtual: sigVTALRM, itimerProf: sigPROF})

func sigtimerNow() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_now", "sigtimer_now returns in RAX what the clock of the SigTimer RBX shows, in ns. IF is 0.",
		CMPQ(t.Wall, layout.SigTimerCPU),
		IF(NE, JMP(ktimeGet)),
		CALL(cpuAccount),
		MOVQ(t.CPU.Clock, RDI),
		MOVQ(t.CPU.TID, RSI),
		JMP(cpuClock),
	).Takes(RBX).Returns(RAX)
}

func sigtimerStart() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_start", "sigtimer_start lets the SigTimer RBX expire when its clock shows RSI ns, above 0. IF is 0.",
		CMPQ(t.Wall, layout.SigTimerCPU),
		IF(NE,
			LEAQ(t.Timer.Expires, RDI),
			JMP(timerAdd),
		),
		MOVQ(RSI, t.CPU.Expires),
		LEAQ(t.CPU.Expires, RDI),
		JMP(cpuTimerAdd),
	).Takes(RSI, RBX)
}

func sigtimerStop() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_stop", "sigtimer_stop lets the SigTimer RBX not expire. IF is 0.",
		LEAQ(t.Timer.Expires, RDI),
		CALL(timerDel),
		LEAQ(t.CPU.Expires, RDI),
		JMP(cpuTimerDel),
	).Takes(RBX)
}

func sigtimerExpireCPU() Func {
	cpuOff := Slots[layout.SigTimer[Slot]]().CPU.Expires.Off
	return FUNC("sigtimer_expire_cpu", "sigtimer_expire_cpu is the Func of SigTimer.CPU.",
		SUBQ(cpuOff, RDI),
		JMP(sigtimerExpire),
	).Takes(RDI)
}

func sigtimerExpire() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_expire", "sigtimer_expire is the Func of SigTimer.Timer: it sends the signal, unless it waits already.",
		MOVQ(RDI, timerPtr),
		CMPQ(t.Interval, 0),
		IF(E, MOVQ(0, t.At)),
		CMPQ(t.Queued, 0),
		IF(NE, RETURN()),
		XORL(RSI, RSI),
		CMPQ(t.Notify, layout.SigTimerThread),
		IF(E,
			MOVL(t.TID, RDI),
			CALL(findThread),
			TESTQ(RAX, RAX),
			IF(E, RETURN()), // it has ended, and the timer with it
			MOVQ(RAX, RSI),
		),
		INCQ(t.Queued),
		MOVL(t.Queue.Info.SignoErrno, RDI),
		LEAQ(t.Queue.Next, RDX),
		CALL(sendSignal),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func sigtimerRelease() Func {
	timerPtr, taken := RBX, R12
	t := sigTimer(timerPtr)
	queue := Slots[layout.SigTimer[Slot]]().Queue.Next.Off
	return FUNC("sigtimer_release",
		`sigtimer_release is the Release of SigTimer.Queue: with an interval the timer goes on
at its next multiple from now.`,
		LEAQ(RDI.At(-queue), timerPtr),
		MOVL(RSI, taken),
		CMPQ(t.Queued, layout.SigTimerDeleted),
		IF(E,
			CALL(sigtimerFree),
			RETURN(),
		),
		MOVQ(0, t.Queued),
		MOVQ(0, t.Overrun),
		CMPQ(t.At, 0),
		IF(E, RETURN()),
		MOVQ(t.Timer.Expires, RAX),
		ORQ(t.CPU.Expires, RAX),
		IF(NE, RETURN()), // it has been set anew
		CALL(sigtimerNow),
		MOVQ(RAX, RSI),
		SUBQ(t.At, RAX),
		XORL(RDX, RDX),
		DIVQ(t.Interval),
		MOVL(1<<31-1, RCX),
		CMPQ(RAX, RCX),
		CMOVQA(RCX, RAX),
		MOVQ(RAX, t.Overrun),
		SUBQ(RDX, RSI),
		ADDQ(t.Interval, RSI),
		MOVQ(RSI, t.At),
		// An interval that is too short would leave the machine no time, least of all
		// for a signal that nobody takes.
		MOVL(ignoredInterval, RCX),
		TESTL(taken, taken),
		IF(NE,
			CMPL(t.Queue.Info.Code, siTimer),
			IF(E, // si_overrun
				MOVQ(gs.Current, RCX),
				SHLQ(32, RAX),
				ORQ(RAX, thread(RCX).SigAddr),
			),
			MOVL(layout.MinTimeSlice, RCX),
		),
		CMPQ(t.Interval, RCX),
		IF(B, ADDQ(RCX, RSI)),
		CALL(sigtimerStart),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI)
}

func sigtimerFree() Func {
	timerPtr := RBX
	return FUNC("sigtimer_free", "sigtimer_free takes back the POSIX timer RBX.",
		DECQ(sigs.Queued),
		LEAQ(Sym(sigtimerCache), RDI),
		MOVQ(timerPtr, RSI),
		JMP(slabFree),
	).Takes(RBX)
}

func sigtimerGet() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_get",
		`sigtimer_get returns in RSI how long it is until the SigTimer RBX expires next, 0 if
it is not set, and in RDX its interval, both in ns. Turns interrupts off.`,
		CLI(),
		MOVQ(t.At, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			CALL(sigtimerNow),
			MOVQ(RAX, RSI),
			MOVQ(t.At, RAX),
			SUBQ(RSI, RAX),
			IF(LE,
				NEGQ(RAX),
				MOVQ(t.Interval, RCX),
				TESTQ(RCX, RCX),
				IF(E,
					// Once, and now; what sends no signal has been over since.
					XORL(RAX, RAX),
					CMPQ(t.Notify, layout.SigTimerNone),
					SETNE(RAX),
				).ELSE(
					XORL(RDX, RDX),
					DIVQ(RCX),
					MOVQ(RCX, RAX),
					SUBQ(RDX, RAX),
				),
			),
		),
		MOVQ(RAX, RSI),
		MOVQ(t.Interval, RDX),
		RETURN(),
	).Takes(RBX).Returns(RSI, RDX)
}

func sigtimerSet() Func {
	timerPtr, expires, absolute := RBX, R12, R13
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_set",
		`sigtimer_set lets the SigTimer RBX expire RSI ns from now or, if ECX is 1, when its
clock shows them, and every RDX ns from then on. With RSI 0 it expires no more. Turns
interrupts off.`,
		CLI(),
		MOVQ(RSI, expires),
		MOVL(RCX, absolute),
		TESTQ(RSI, RSI),
		CMOVQE(RSI, RDX),
		MOVQ(RDX, t.Interval),
		MOVQ(0, t.Overrun),
		MOVQ(0, t.At),
		CALL(sigtimerStop),
		TESTQ(expires, expires),
		IF(E, RETURN()),
		TESTL(absolute, absolute),
		IF(E,
			CALL(sigtimerNow),
			ADDQ(RAX, expires),
			IF(O, MOVQ(uint64(1<<63-1), expires)),
		).ELSE(
			CMPQ(t.Wall, layout.SigTimerReal),
			IF(E,
				MOVQ(expires, RDI),
				CALL(timeOfReal),
				MOVQ(RAX, expires),
				TESTQ(RAX, RAX),
				IF(E, INCQ(expires)),
			),
		),
		MOVQ(expires, t.At),
		CMPQ(t.Notify, layout.SigTimerNone),
		IF(NE,
			MOVQ(expires, RSI),
			CALL(sigtimerStart),
		),
		RETURN(),
	).Saving(R12, R13).Takes(RSI, RDX, RCX, RBX)
}

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
	addr, value := RBX, R12
	return FUNC("put_itimerspec", "put_itimerspec writes RSI and the interval RDX, ns, as an itimerspec to user address RDI. Returns 0 or -EFAULT.",
		MOVQ(RDI, addr),
		MOVQ(RSI, value),
		MOVQ(RDX, RSI),
		CALL(putTimespec),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		LEAQ(addr.At(timespecSize), RDI),
		MOVQ(value, RSI),
		CALL(putTimespec),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
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
		XORL(notify, notify), // notify, and the TID above
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
			BTSQ(63, clock), // there is one
		),
		// The clock: R8 is SigTimer.Wall, RAX and RSI those of CPU time.
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
		CMPQ(sigs.Queued, layout.MaxSigPending),
		JAE("again"),
		LEAQ(Sym(sigtimerCache), RDI),
		CALL(slabAlloc),
		TESTQ(RAX, RAX),
		JE("again"),
		INCQ(sigs.Queued),
		MOVQ(RAX, timerPtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(sigTimerSize/8, RCX),
		REP(STOSQ()),
		POPQ(t.Wall),
		POPQ(t.CPU.TID),
		POPQ(t.CPU.Clock),
		CALL(sigtimerInit),
		MOVL(siTimer, t.Queue.Info.Code),
		MOVL(sig, t.Queue.Info.SignoErrno),

		// Whom it tells.
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
		MOVQ(Sym(posixTimers), RAX),
		MOVQ(RAX, t.NextID),
		MOVQ(timerPtr, Sym(posixTimers)),
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

func sigtimerInit() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_init", "sigtimer_init gives the SigTimer RBX its functions. Clobbers RAX.",
		LEAQ(Sym(sigtimerExpire), RAX),
		MOVQ(RAX, t.Timer.Func),
		LEAQ(Sym(sigtimerExpireCPU), RAX),
		MOVQ(RAX, t.CPU.Func),
		LEAQ(Sym(sigtimerRelease), RAX),
		MOVQ(RAX, t.Queue.Release),
		RETURN(),
	).Takes(RBX).Keeps(RCX)
}

func posixTimerFind() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("posix_timer_find", "posix_timer_find makes RBX the POSIX timer with ID EDI, or 0, which sets ZF. RCX is the word that points to it.",
		LEAQ(Sym(posixTimers), RCX),
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
	return FUNC("sys_timer_getoverrun", "sys_timer_getoverrun(id EDI) returns how often the timer had expired beyond the first time when its signal was taken last.",
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		MOVQ(t.Overrun, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysTimerDelete() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sys_timer_delete", "sys_timer_delete(id EDI). A signal that waits is delivered all the same.",
		CALL(posixTimerFind),
		IF(E, fail(EINVAL)),
		MOVQ(t.NextID, RAX),
		MOVQ(RAX, RCX.At(0)),
		CLI(),
		CALL(sigtimerStop),
		CMPQ(t.Queued, 0),
		IF(NE, MOVQ(layout.SigTimerDeleted, t.Queued)).ELSE(CALL(sigtimerFree)),
		returns(0),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func itimersInit() Func {
	timerPtr, left := RBX, R12
	t := sigTimer(timerPtr)
	return FUNC("itimers_init", "itimers_init makes the interval timers.",
		MOVL(layout.Intervals, left),
		LEAQ(Sym(itimers), timerPtr),
		LEAQ(Sym(itimerSignals), RCX),
		DO(
			CALL(sigtimerInit),
			MOVZBL(RCX.At(0), RAX),
			MOVL(RAX, t.Queue.Info.SignoErrno),
			MOVL(siKernel, t.Queue.Info.Code),
			ADDQ(sigTimerSize, timerPtr),
			INCQ(RCX),
			DECL(left),
		).WHILE(NE),
		MOVQ(layout.SigTimerMono, Fields[layout.SigTimer[Mem]](Sym(itimers)).Wall),
		MOVQ(layout.CPUClockVirt, Fields[layout.SigTimer[Mem]](Sym(itimers).Add(itimerVirtual*sigTimerSize)).CPU.Clock),
		MOVQ(layout.CPUClockProf, Fields[layout.SigTimer[Mem]](Sym(itimers).Add(itimerProf*sigTimerSize)).CPU.Clock),
		RETURN(),
	).Saving(RBX, R12).Takes()
}

func getValidTimeval() Func {
	return FUNC("get_valid_timeval",
		`get_valid_timeval reads the timeval at user address RDI: RAX is the time in ns, at most
2^63-1, RDX 0, -EFAULT or, if it is negative or its us are not below a second,
-EINVAL.`,
		SUBQ(timespecSize, RSP),
		MOVQ(RDI, RSI),
		MOVQ(RSP, RDI),
		MOVL(timespecSize, RDX),
		CALL(copyFromUser),
		MOVQ(RSP.At(0), RCX), // s
		MOVQ(RSP.At(8), RSI), // us
		ADDQ(timespecSize, RSP),
		MOVQ(RAX, RDX),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(-EINVAL, RDX),
		TESTQ(RCX, RCX),
		IF(S, RETURN()),
		CMPQ(RSI, usPerSec),
		IF(AE, RETURN()),
		IMULQ(1000, RSI),
		MOVQ(uint64((1<<63-1)/nsPerSec), RDX),
		CMPQ(RCX, RDX),
		IF(AE, MOVQ(uint64(1<<63-1), RAX)).ELSE(
			IMULQ(nsPerSec, RCX),
			LEAQ(RCX.Index(RSI, 1), RAX),
		),
		XORL(RDX, RDX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

func putTimeval() Func {
	return FUNC("put_timeval", "put_timeval writes RSI ns as a timeval to user address RDI, at least 1 us if they are not 0. Returns 0 or -EFAULT.",
		MOVQ(RSI, RAX),
		XORL(RDX, RDX),
		MOVL(1000, RCX),
		DIVQ(RCX),
		TESTQ(RAX, RAX),
		IF(E,
			TESTQ(RDX, RDX),
			IF(NE, INCL(RAX)),
		),
		XORL(RDX, RDX),
		MOVL(usPerSec, RCX),
		DIVQ(RCX),
		SUBQ(timespecSize, RSP),
		MOVQ(RAX, RSP.At(0)),
		MOVQ(RDX, RSP.At(8)),
		MOVQ(RSP, RSI),
		MOVL(timespecSize, RDX),
		CALL(copyToUser),
		ADDQ(timespecSize, RSP),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

func putItimerval() Func {
	addr, value := RBX, R12
	return FUNC("put_itimerval", "put_itimerval writes RSI and the interval RDX, ns, as an itimerval to user address RDI. Returns 0 or -EFAULT.",
		MOVQ(RDI, addr),
		MOVQ(RSI, value),
		MOVQ(RDX, RSI),
		CALL(putTimeval),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		LEAQ(addr.At(timespecSize), RDI),
		MOVQ(value, RSI),
		CALL(putTimeval),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysGetitimer() Func {
	timerPtr, spec := RBX, R12
	return FUNC("sys_getitimer", "sys_getitimer(which EDI, itimerval RSI).",
		MOVQ(RSI, spec),
		intervalTimer(RDI, timerPtr),
		CALL(sigtimerGet),
		MOVQ(spec, RDI),
		CALL(putItimerval),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func sysSetitimer() Func {
	timerPtr, newAddr, interval, old, which := RBX, R12, R13, R14, R15
	value := R12
	return FUNC("sys_setitimer", "sys_setitimer(which EDI, new RSI, old RDX). Without a new one the timer does not expire.",
		MOVL(RDI, which),
		MOVQ(RSI, newAddr),
		MOVQ(RDX, old),
		XORL(interval, interval),
		TESTQ(newAddr, newAddr),
		IF(NE,
			MOVQ(newAddr, RDI),
			CALL(getValidTimeval),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, interval), // interval
			LEAQ(newAddr.At(timespecSize), RDI),
			CALL(getValidTimeval),
			TESTQ(RDX, RDX),
			IF(NE, MOVQ(RDX, RAX), RETURN()),
			MOVQ(RAX, value),
		),
		intervalTimer(which, timerPtr),
		CALL(sigtimerGet),
		PUSHQ(RSI),
		PUSHQ(RDX),
		MOVQ(value, RSI),
		MOVQ(interval, RDX),
		XORL(RCX, RCX),
		CALL(sigtimerSet),
		POPQ(RDX),
		POPQ(RSI),
		XORL(RAX, RAX),
		TESTQ(old, old),
		IF(NE,
			MOVQ(old, RDI),
			CALL(putItimerval),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysAlarm() Func {
	timerPtr, value, left := RBX, R12, R13
	return FUNC("sys_alarm", "sys_alarm(s EDI) lets the real interval timer expire once, and returns how many s it had left, rounded, but not to 0.",
		MOVL(RDI, value),
		LEAQ(Sym(itimers), timerPtr),
		CALL(sigtimerGet),
		MOVQ(RSI, left),
		MOVQ(value, RSI),
		IMULQ(nsPerSec, RSI),
		XORL(RDX, RDX),
		XORL(RCX, RCX),
		CALL(sigtimerSet),
		MOVQ(left, RAX),
		XORL(RDX, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		CMPL(RDX, nsPerSec/2),
		IF(AE, INCL(RAX), RETURN()),
		TESTL(RAX, RAX),
		IF(E,
			TESTL(RDX, RDX),
			IF(NE, INCL(RAX)),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
}
