package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

const (
	apicPage = layout.PhysMap + 0xfee0_0000 // boot/proto maps it uncached

	apicEnabled = 1 << 8  // in SPIV
	apicNMI     = 4 << 8  // the delivery mode, in LVT entries and in the ICR
	apicAssert  = 1 << 14 // in the ICR
	apicToSelf  = 1 << 18 // in the ICR: no destination but this CPU
	apicMasked  = 1 << 16
	apicPeriod  = 1 << 17 // in the timer's: it starts again from the initial count
	apicDivBy1  = 0xb

	// apicPriority is TPR: vectors below the kernel's own wait, those of firmware that
	// stays in memory (SDM volume 3, 11.8.3.1).
	apicPriority = x86.LOCAL_TIMER_VECTOR&^0xf - 1
)

func apicAt(reg int) Mem {
	return RCX.At(reg)
}

func apicBase() Block {
	return Block{MOVQ(uint64(apicPage), RCX)}
}

// apic is the local APIC's timer, in one-shot mode: it is programmed only for
// events that somebody waits for.
func apic() Program {
	return Program{
		Funcs: Funcs(
			apicInit, apicTimerRead, apicTimerOff, timerArm,
		),
		Data: []Data{
			apicTimer(),
		},
	}
}

func apicInit() Func {
	return FUNC("apic_init",
		`apic_init turns the local APIC on, with everything masked, and makes its timer
count down from 2^32-1, again and again.`,
		MOVL(x86.MSR_APIC_BASE, RCX),
		RDMSR(),
		TESTL(x86.MSR_APIC_BASE_X2, RAX),
		IF(NE, // the way back to the registers in memory leads through off (SDM volume 3, 11.12.5)
			ANDL(^(x86.MSR_APIC_BASE_X2|x86.MSR_APIC_BASE_ENABLE), RAX),
			WRMSR(),
		),
		ORL(x86.MSR_APIC_BASE_ENABLE, RAX),
		WRMSR(),
		apicBase(),
		MOVL(apicEnabled|x86.SPURIOUS_APIC_VECTOR, apicAt(x86.APIC_SPIV)),
		MOVL(apicPriority, apicAt(x86.APIC_TASKPRI)),
		MOVL(apicMasked, apicAt(x86.APIC_LVTPC)),
		MOVL(apicMasked, apicAt(x86.APIC_LVT0)),
		MOVL(apicNMI, apicAt(x86.APIC_LVT1)), // a PC's NMI comes in at LINT1
		MOVL(apicMasked, apicAt(x86.APIC_LVTERR)),
		MOVL(apicDivBy1, apicAt(x86.APIC_TDCR)),
		MOVL(apicMasked|apicPeriod|x86.LOCAL_TIMER_VECTOR, apicAt(x86.APIC_LVTT)),
		MOVL(uint32(1<<32-1), apicAt(x86.APIC_TMICT)),
		RETURN(),
	).Takes()
}

func apicTimerRead() Func {
	return FUNC("apic_timer_read", "apic_timer_read returns in EAX how far the timer has counted. Clobbers RCX.",
		apicBase(),
		MOVL(apicAt(x86.APIC_TMCCT), RAX),
		NEGL(RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, R8, R9)
}

func apicTimerOff() Func {
	return FUNC("apic_timer_off", "apic_timer_off stops the timer and unmasks its vector. Clobbers RCX, RAX.",
		apicBase(),
		MOVL(0, apicAt(x86.APIC_TMICT)),
		MOVL(x86.LOCAL_TIMER_VECTOR, apicAt(x86.APIC_LVTT)), // one-shot
		MOVQ(uint64(layout.TimerNever), RAX),
		MOVQ(RAX, sched.TimerArmed),
		RETURN(),
	).Takes()
}

// timerProgram is the end of timerArm, and a second entry to it.
func timerProgram() Func { return EXTERN("timer_program") }

func timerArm() Func {
	return FUNC("timer_arm",
		`timer_arm makes the timer fire at monotonic time RDI in ns, unless it will
fire earlier already, or at the longest time that it can count. IF is 0.`,
		CMPQ(RDI, sched.TimerArmed),
		IF(GE, RETURN()),
		GLOBAL("timer_program"),
		MOVQ(RDI, sched.TimerArmed),
		CALL(ktimeGet),
		SUBQ(RAX, RDI),
		IF(L, XORL(RDI, RDI)),
		CMPQ(RDI, clk.TimerMax),
		IF(A, MOVQ(clk.TimerMax, RDI)),
		MOVQ(RDI, RAX),
		MULQ(clk.TimerMult), // below 2^64 up to TimerMax
		SHRQ(32, RAX),
		INCL(RAX), // never before the time
		apicBase(),
		MOVL(RAX, apicAt(x86.APIC_TMICT)),
		RETURN(),
	).Takes(RDI)
}

// apicTimer is the timer as a counter to compare the TSC with; its rate is unknown.
func apicTimer() Data {
	const least = 1000 // ticks: 10 us and less
	return counterData("apic_timer", layout.Counter[any]{
		Init: uint64(0), Read: PTR(apicTimerRead), Hz: uint64(0), Mask: uint64(1<<32 - 1), Least: uint64(least), Most: uint64(1 << 31), Source: uint64(0),
	})
}
