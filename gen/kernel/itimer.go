package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// intervalTimer makes timerPtr the interval timer with the number which, or leaves.
func intervalTimer(which, timerPtr Reg) Block {
	return Block{
		CMPL(which, layout.Intervals),
		IF(AE, fail(EINVAL)),
		MOVL(which, timerPtr),
		IMULQ(sigTimerSize, timerPtr),
		ADDQ(gs.Process, timerPtr),
		ADDQ(process(RAX).Intervals[0].Timer.Expires.Disp(), timerPtr),
	}
}

var itimerSignals = RODATA("itimer_signals", []byte{itimerReal: sigALRM, itimerVirtual: sigVTALRM, itimerProf: sigPROF})

func itimersInit() Func {
	timerPtr, left := RBX, R12
	t := sigTimer(timerPtr)
	p := process(RDX)
	return FUNC("itimers_init", "itimers_init makes the interval timers of the process RDX, which are zero before.",
		MOVL(layout.Intervals, left),
		LEAQ(p.Intervals[0].Timer.Expires, timerPtr),
		LEAQ(Sym(itimerSignals), RCX),
		DO(
			CALL(sigtimerInit),
			MOVZBL(RCX.At(0), RAX),
			MOVL(RAX, t.Queue.Info.SignoErrno),
			MOVL(siKernel, t.Queue.Info.Code),
			MOVQ(p.PID, RAX),
			MOVQ(RAX, t.CPU.TID),
			ADDQ(sigTimerSize, timerPtr),
			INCQ(RCX),
			DECL(left),
		).WHILE(NE),
		MOVQ(layout.SigTimerMono, p.Intervals[itimerReal].Wall),
		MOVQ(layout.CPUClockVirt, p.Intervals[itimerVirtual].CPU.Clock),
		MOVQ(layout.CPUClockProf, p.Intervals[itimerProf].CPU.Clock),
		RETURN(),
	).Saving(RBX, R12).Takes(RDX)
}

func getValidTimeval() Func {
	return getTime("get_valid_timeval",
		`get_valid_timeval reads the timeval at user address RDI: RAX is the time in ns, at most
2^63-1; RDX is 0, -EFAULT or, if it is negative or its us reach a second,
-EINVAL.`,
		usPerSec)
}

func putTimeval() Func {
	return FUNC("put_timeval", "put_timeval writes RSI ns as a timeval to user address RDI, but at least 1 us if RSI is not 0. Returns 0 or -EFAULT.",
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
	return putTimes("put_itimerval", "put_itimerval writes RSI and the interval RDX, ns, as an itimerval to user address RDI. Returns 0 or -EFAULT.", putTimeval)
}

// putTimes writes two times one after the other, each by put.
func putTimes(name, doc string, put func() Func) Func {
	addr, value := RBX, R12
	return FUNC(name, doc,
		MOVQ(RDI, addr),
		MOVQ(RSI, value),
		MOVQ(RDX, RSI),
		CALL(put),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		LEAQ(addr.At(timespecSize), RDI),
		MOVQ(value, RSI),
		CALL(put),
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
	return FUNC("sys_setitimer", "sys_setitimer(which EDI, new RSI, old RDX). Without a new value the timer is switched off.",
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
	return FUNC("sys_alarm", "sys_alarm(s EDI) makes the real interval timer expire once, and returns how many s it had left, rounded, but not to 0.",
		MOVL(RDI, value),
		MOVQ(gs.Process, timerPtr),
		ADDQ(process(RAX).Intervals[0].Timer.Expires.Disp(), timerPtr),
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
