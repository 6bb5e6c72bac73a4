package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Clocks that only timerfd_create accepts here, and flags of timerfd_settime (Linux
// include/uapi/linux/time.h, timerfd.h).
const (
	clockRealtimeAlarm = 8
	clockBoottimeAlarm = 9

	tfdAbstime     = 1
	tfdCancelOnSet = 2 // the date is never set
)

// timerFD gives the fields of the TimerFD that r points to.
func timerFD(r Reg) *layout.TimerFD[Mem] { return Fields[layout.TimerFD[Mem]](r) }

// timerFDOf sets timerPtr to the TimerFD of descriptor EDI, or leaves.
func timerFDOf(timerPtr Reg) Block {
	return Block{
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		LEAQ(Sym(timerfdOps), RCX),
		CMPQ(RCX, openFile(RAX).Ops),
		IF(NE, fail(EINVAL)),
		MOVQ(openFile(RAX).Data, timerPtr),
	}
}

// timerFDs returns the part that implements timers that are files: reading returns how
// often they have expired. One with an interval continues only when it is examined, as a
// SigTimer does when its signal is taken.
func timerFDs() Program {
	return Program{
		Funcs: Funcs(
			sysTimerfdCreate, timerfdExpire, timerfdAdvance, timerfdLeft, sysTimerfdSettime,
			sysTimerfdGettime, readTimerfd, pollTimerfd, releaseTimerfd,
		),
		Data: []Data{
			timerfdCache(), timerfdOps(),
		},
	}
}

func timerfdCache() Data {
	size := SizeOf[layout.TimerFD[Mem]]()
	return slabCache("timerfd_cache", size)
}

func timerfdOps() Data {
	return fileOps("timerfd_ops", layout.FileOps[any]{
		Read: readTimerfd, Poll: pollTimerfd, Release: releaseTimerfd, Anon: 1, Mode: 0o600,
	})
}

func sysTimerfdCreate() Func {
	timerPtr, flags, real := RBX, R12, R13
	result := R12
	t := timerFD(timerPtr)
	size := SizeOf[layout.TimerFD[Mem]]()
	return FUNC("sys_timerfd_create", "sys_timerfd_create(clock EDI, flags ESI).",
		MOVL(RSI, flags),
		TESTL(^(O_NONBLOCK|O_CLOEXEC), RSI),
		IF(NE, fail(EINVAL)),
		CMPL(RDI, clockBoottimeAlarm),
		IF(A, fail(EINVAL)),
		MOVL(1<<clockRealtime|1<<clockMonotonic|1<<clockBoottime|1<<clockRealtimeAlarm|1<<clockBoottimeAlarm, RAX),
		BTL(RDI, RAX),
		IF(AE, fail(EINVAL)),
		MOVL(1<<clockRealtime|1<<clockRealtimeAlarm, RAX),
		BTL(RDI, RAX),
		SETB(RAX),
		MOVZBL(RAX, real),
		LEAQ(Sym(timerfdCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, fail(ENOMEM)),
		CALL(slabAlloc),
		MOVQ(RAX, timerPtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(size/8, RCX),
		REP(STOSQ()),
		MOVQ(real, t.Real),
		LEAQ(Sym(timerfdExpire), RAX),
		MOVQ(RAX, t.Timer.Func),
		LEAQ(Sym(timerfdOps), RDI),
		MOVL(flags, RSI),
		ANDL(O_NONBLOCK, RSI),
		ORL(O_RDWR, RSI),
		MOVL(flags, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		IF(S,
			MOVQ(RAX, result),
			LEAQ(Sym(timerfdCache), RDI),
			MOVQ(timerPtr, RSI),
			CALL(slabFree),
			MOVQ(result, RAX),
			RETURN(),
		),
		MOVQ(timerPtr, openFile(RDX).Data),
		MOVQ(RDX, t.File),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func timerfdExpire() Func {
	timerPtr := RBX
	t := timerFD(timerPtr)
	return FUNC("timerfd_expire", "timerfd_expire is the Func of TimerFD.Timer.",
		MOVQ(RDI, timerPtr),
		INCQ(t.Ticks),
		CMPQ(t.Interval, 0),
		IF(E, MOVQ(0, t.At)),
		MOVQ(t.File, RDI),
		MOVL(EPOLLIN, RSI),
		CALL(fileNotify),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func timerfdAdvance() Func {
	timerPtr := RBX
	t := timerFD(timerPtr)
	return FUNC("timerfd_advance", "timerfd_advance counts how often the TimerFD RBX would have expired since it did, by its interval, and restarts it. IF is 0.",
		MOVQ(t.At, RCX),
		TESTQ(RCX, RCX),
		IF(E, RETURN()),
		CMPQ(t.Timer.Expires, 0),
		IF(NE, RETURN()), // it has not expired
		CALL(ktimeGet),
		MOVQ(RAX, RSI),
		SUBQ(RCX, RAX),
		XORL(RDX, RDX),
		DIVQ(t.Interval),
		ADDQ(RAX, t.Ticks),
		SUBQ(RDX, RSI),
		ADDQ(t.Interval, RSI),
		MOVQ(RSI, t.At),
		CMPQ(t.Interval, layout.MinTimeSlice), // as in sigtimer_release
		IF(B, LEAQ(RSI.At(layout.MinTimeSlice), RSI)),
		MOVQ(timerPtr, RDI),
		JMP(timerAdd),
	).Takes(RBX)
}

func timerfdLeft() Func {
	timerPtr := RBX
	t := timerFD(timerPtr)
	return FUNC("timerfd_left", "timerfd_left returns in RSI how long it is until the TimerFD RBX next expires, 0 if it does not, and in RDX its interval, both in ns. Turns interrupts off.",
		CLI(),
		CALL(timerfdAdvance),
		MOVQ(t.At, RSI),
		TESTQ(RSI, RSI),
		IF(NE,
			CALL(ktimeGet),
			SUBQ(RAX, RSI),
			IF(S, XORL(RSI, RSI)),
		),
		MOVQ(t.Interval, RDX),
		RETURN(),
	).Takes(RBX).Returns(RSI, RDX)
}

func sysTimerfdSettime() Func {
	timerPtr, fd, flags, old, interval := RBX, R12, R13, R14, R15
	value := R12
	t := timerFD(timerPtr)
	return FUNC("sys_timerfd_settime", "sys_timerfd_settime(fd EDI, flags ESI, new RDX, old RCX).",
		MOVL(RDI, fd),
		MOVL(RSI, flags),
		MOVQ(RCX, old),
		MOVQ(RDX, RDI),
		CALL(getItimerspec),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RDX, RAX), RETURN()),
		TESTL(^(tfdAbstime|tfdCancelOnSet), flags),
		IF(NE, fail(EINVAL)),
		MOVL(fd, RDI),
		MOVQ(RAX, value),    // value
		MOVQ(RCX, interval), // interval
		timerFDOf(timerPtr),
		CALL(timerfdLeft),
		PUSHQ(RSI),
		PUSHQ(RDX),
		MOVQ(timerPtr, RDI),
		CALL(timerDel),
		MOVQ(0, t.Ticks),
		MOVQ(interval, t.Interval),
		MOVQ(value, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX, RDI),
			TESTL(tfdAbstime, flags),
			IF(E, CALL(timeAfter)).ELSE(
				CMPQ(t.Real, 0),
				IF(NE, CALL(timeOfReal)),
				CMPQ(RAX, 1),
				IF(L, MOVL(1, RAX)),
			),
		),
		MOVQ(RAX, t.At),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(timerPtr, RDI),
			MOVQ(RAX, RSI),
			CALL(timerAdd),
		),
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

func sysTimerfdGettime() Func {
	timerPtr, spec := RBX, R12
	return FUNC("sys_timerfd_gettime", "sys_timerfd_gettime(fd EDI, itimerspec RSI).",
		MOVQ(RSI, spec),
		timerFDOf(timerPtr),
		CALL(timerfdLeft),
		MOVQ(spec, RDI),
		CALL(putItimerspec),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

func readTimerfd() Func {
	timerPtr, filePtr, buf := RBX, R12, R13
	t := timerFD(timerPtr)
	return FUNC("read_timerfd", "read_timerfd is the Read of a timerfd: 8 bytes, how often it has expired since the last time.",
		CMPQ(RDX, 8),
		IF(B, fail(EINVAL)),
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		MOVQ(openFile(RDI).Data, timerPtr),
		LOOP(
			CLI(),
			CMPQ(t.Ticks, 0),
			BREAK(NE),
			TESTL(O_NONBLOCK, openFile(filePtr).Flags),
			IF(NE, fail(EAGAIN)),
			MOVQ(filePtr, RDI),
			MOVL(EPOLLIN, RSI),
			MOVQ(-1, RDX),
			CALL(fileSleep),
			CMPQ(RAX, -EINTR),
			IF(E, fail(ERESTARTSYS)),
		),
		CALL(timerfdAdvance),
		MOVQ(t.Ticks, RSI),
		MOVQ(0, t.Ticks),
		MOVQ(buf, RDI),
		CALL(putUserLong),
		TESTQ(RAX, RAX),
		IF(E, MOVL(8, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX)
}

func pollTimerfd() Func {
	return FUNC("poll_timerfd", "poll_timerfd is the Poll of a timerfd.",
		MOVQ(openFile(RDI).Data, RCX),
		XORL(RAX, RAX),
		CMPQ(timerFD(RCX).Ticks, 0),
		IF(NE, MOVL(EPOLLIN, RAX)),
		RETURN(),
	).Takes(RDI)
}

func releaseTimerfd() Func {
	timerPtr := RBX
	return FUNC("release_timerfd", "release_timerfd is the Release of a timerfd.",
		MOVQ(openFile(RDI).Data, timerPtr),
		CLI(),
		MOVQ(timerPtr, RDI),
		CALL(timerDel),
		LEAQ(Sym(timerfdCache), RDI),
		MOVQ(timerPtr, RSI),
		CALL(slabFree),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}
