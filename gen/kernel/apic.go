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

// apicRegs is the linear address of the local APIC's registers, or 0 if they are MSRs: if
// the CPU was in x2APIC mode at the start. Some CPUs cannot go back from there.
var apicRegs = BSS("apic_regs", 8, 8)

// apicAt puts apicRegs in RCX, with ZF, and returns a register relative to it.
func apicAt(reg int) (Mem, Block) {
	return RCX.At(reg), Block{MOVQ(Sym(apicRegs), RCX), TESTQ(RCX, RCX)}
}

// apicMSR writes EAX to a register in x2APIC mode. Clobbers RCX, RDX.
func apicMSR(reg int) Block {
	return Block{MOVL(x86.APIC_BASE_MSR+reg>>4, RCX), XORL(RDX, RDX), WRMSR()}
}

// apicWrite writes a value to a register. Clobbers RAX, RCX, RDX.
func apicWrite(reg int, value uint32) Block {
	at, find := apicAt(reg)
	return Block{
		find,
		IF(NE, MOVL(value, at)).ELSE(MOVL(value, RAX), apicMSR(reg)),
	}
}

// apic returns the part that drives the local APIC's timer, in one-shot mode: it is
// programmed only for events that somebody waits for.
func apic() Program {
	return Program{
		Funcs: Funcs(
			apicInit, apicTimerRead, apicTimerOff, timerArm,
		),
		Data: []Data{
			apicTimer(), apicRegs,
		},
	}
}

func apicInit() Func {
	return FUNC("apic_init",
		`apic_init turns the local APIC on, if it is off, with everything masked, and makes its
timer count down from 2^32-1, again and again.`,
		MOVL(x86.MSR_APIC_BASE, RCX),
		RDMSR(),
		TESTL(x86.MSR_APIC_BASE_X2, RAX),
		IF(E,
			ORL(x86.MSR_APIC_BASE_ENABLE, RAX),
			WRMSR(),
			MOVQ(uint64(apicPage), RAX),
			MOVQ(RAX, Sym(apicRegs)),
		),
		apicWrite(x86.APIC_SPIV, apicEnabled|x86.SPURIOUS_APIC_VECTOR),
		apicWrite(x86.APIC_TASKPRI, apicPriority),
		apicWrite(x86.APIC_LVTPC, apicMasked),
		apicWrite(x86.APIC_LVT0, apicMasked),
		apicWrite(x86.APIC_LVT1, apicNMI), // a PC's NMI comes in at LINT1
		apicWrite(x86.APIC_LVTERR, apicMasked),
		apicWrite(x86.APIC_TDCR, apicDivBy1),
		apicWrite(x86.APIC_LVTT, apicMasked|apicPeriod|x86.LOCAL_TIMER_VECTOR),
		apicWrite(x86.APIC_TMICT, 1<<32-1),
		RETURN(),
	).Takes()
}

func apicTimerRead() Func {
	count, find := apicAt(x86.APIC_TMCCT)
	return FUNC("apic_timer_read", "apic_timer_read returns in EAX how far the timer has counted. Clobbers RCX, RDX.",
		find,
		IF(NE, MOVL(count, RAX)).ELSE(
			MOVL(x86.APIC_BASE_MSR+x86.APIC_TMCCT>>4, RCX),
			RDMSR(),
		),
		NEGL(RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, R8, R9)
}

func apicTimerOff() Func {
	return FUNC("apic_timer_off", "apic_timer_off stops the timer and unmasks its vector. Clobbers RCX, RDX, RAX.",
		apicWrite(x86.APIC_TMICT, 0),
		apicWrite(x86.APIC_LVTT, x86.LOCAL_TIMER_VECTOR), // one-shot
		MOVQ(uint64(layout.TimerNever), RAX),
		MOVQ(RAX, sched.TimerArmed),
		RETURN(),
	).Takes()
}

// timerProgram names the end of timerArm as a second entry to it.
func timerProgram() Func { return EXTERN("timer_program") }

func timerArm() Func {
	initial, find := apicAt(x86.APIC_TMICT)
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
		find,
		JE("x2apic"),
		MOVL(RAX, initial),
		RETURN(),
		LABEL("x2apic"),
		apicMSR(x86.APIC_TMICT),
		RETURN(),
	).Takes(RDI)
}

// apicTimer returns the timer as a counter to compare the TSC with; its rate is unknown.
func apicTimer() Data {
	const least = 1000 // ticks: 10 us and less
	return counterData("apic_timer", layout.Counter[any]{
		Init: uint64(0), Read: PTR(apicTimerRead), Hz: uint64(0), Mask: uint64(1<<32 - 1), Least: uint64(least), Most: uint64(1 << 31), Source: uint64(0),
	})
}
