package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// sigTimer gives the fields of the SigTimer that r points to.
func sigTimer(r Reg) *layout.SigTimer[Mem] { return Fields[layout.SigTimer[Mem]](r) }

// Signals of timers, and the values in them and in struct sigevent (Linux
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
	// ignored tests whether it still is.
	ignoredInterval = 100_000_000

	usPerSec = 1_000_000
)

// sigTimerSize is the size of a SigTimer.
var sigTimerSize = SizeOf[layout.SigTimer[Mem]]()

// sigTimers returns the part that implements POSIX timers and the interval timers.
func sigTimers() Program {
	return Program{
		Funcs: Funcs(
			sigtimerNow, sigtimerStart, sigtimerStop, sigtimerExpireCPU, sigtimerExpire,
			sigtimerRelease, sigtimerFree, sigtimerGet, sigtimerSet, getItimerspec, putItimerspec,
			sysTimerCreate, posixTimerDelete, timersEnd, sigtimerInit, posixTimerFind, sysTimerSettime, sysTimerGettime,
			sysTimerGetoverrun, sysTimerDelete, itimersInit, getValidTimeval, putTimeval, putItimerval,
			sysGetitimer, sysSetitimer, sysAlarm,
		),
		Data: []Data{
			sigtimerCache, posixTimerID, itimerSignals,
		},
	}
}

var sigtimerCache = slabCache("sigtimer_cache", sigTimerSize)

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
	return FUNC("sigtimer_start", "sigtimer_start makes the SigTimer RBX expire when its clock shows RSI ns, above 0. IF is 0.",
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
	return FUNC("sigtimer_stop", "sigtimer_stop keeps the SigTimer RBX from expiring. IF is 0.",
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
	return FUNC("sigtimer_expire", "sigtimer_expire is the Func of SigTimer.Timer: it sends the signal, unless it is already pending.",
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
			IF(E, RETURN()), // the thread has ended, and the timer with it
			MOVQ(RAX, RSI),
		),
		INCQ(t.Queued),
		MOVL(t.Queue.Info.SignoErrno, RDI),
		LEAQ(t.Queue.Next, RDX),
		MOVQ(t.Process, R8),
		CALL(sendSignal),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func sigtimerRelease() Func {
	timerPtr, taken := RBX, R12
	t := sigTimer(timerPtr)
	queue := Slots[layout.SigTimer[Slot]]().Queue.Next.Off
	return FUNC("sigtimer_release",
		`sigtimer_release is the Release of SigTimer.Queue: a timer with an interval continues
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
		IF(NE, RETURN()), // it has been set again
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
		// An interval that is too short would leave the machine no time, all the more
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
		DECQ(Sym(sigqueuesUsed)),
		LEAQ(Sym(sigtimerCache), RDI),
		MOVQ(timerPtr, RSI),
		JMP(slabFree),
	).Takes(RBX)
}

func sigtimerGet() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_get",
		`sigtimer_get returns in RSI how long it is until the SigTimer RBX next expires, 0 if
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
					// It expires once, and now; a timer that sends no signal is already over.
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
		`sigtimer_set makes the SigTimer RBX expire RSI ns from now or, if ECX is 1, when its
clock shows RSI, and every RDX ns from then on. With RSI 0 it no longer expires. Turns
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

func sigtimerInit() Func {
	timerPtr := RBX
	t := sigTimer(timerPtr)
	return FUNC("sigtimer_init", "sigtimer_init gives the SigTimer RBX, of the process RDX, its functions. Clobbers RAX.",
		MOVQ(RDX, t.Process),
		LEAQ(Sym(sigtimerExpire), RAX),
		MOVQ(RAX, t.Timer.Func),
		LEAQ(Sym(sigtimerExpireCPU), RAX),
		MOVQ(RAX, t.CPU.Func),
		LEAQ(Sym(sigtimerRelease), RAX),
		MOVQ(RAX, t.Queue.Release),
		RETURN(),
	).Takes(RBX, RDX).Keeps(RCX, RDX)
}
