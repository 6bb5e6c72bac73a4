package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Registers of the local APIC, relative to its page (SDM volume 3, table
// 11-1).
const (
	apicPage     = layout.PhysMap + 0xfee0_0000 // boot/proto maps it uncached
	apicTPR      = 0x80
	apicEOI      = 0xb0
	apicSVR      = 0xf0
	apicLVTTimer = 0x320
	apicLVTPerf  = 0x340
	apicLVT0     = 0x350
	apicLVT1     = 0x360
	apicLVTError = 0x370
	apicInitial  = 0x380
	apicCurrent  = 0x390
	apicDivide   = 0x3e0

	apicEnabled = 1 << 8 // in SVR
	apicNMI     = 4 << 8 // the delivery mode, in LVT entries
	apicMasked  = 1 << 16
	apicPeriod  = 1 << 17 // in the timer's: it starts again from the initial count
	apicDivBy1  = 0xb

	apicBaseEnable = 1 << 11 // in MSR_APIC_BASE
	apicBaseX2     = 1 << 10
)

// apic is the local APIC's timer, in one-shot mode: it is programmed only for
// what somebody waits for.
func apic() Program {
	at := func(reg int) Mem { return RCX.At(reg) }
	base := Block{MOVQ(uint64(apicPage), RCX)}
	return Program{Data: []Data{apicTimer()}, Funcs: []Func{
		FUNC("apic_init",
			`apic_init turns the local APIC on, with nothing unmasked, and lets its timer
count down from 2^32-1, again and again.`,
			MOVL(x86.MSR_APIC_BASE, RCX),
			RDMSR(),
			TESTL(apicBaseX2, RAX),
			IF(NE, // only by way of off back to the registers in memory (SDM volume 3, 11.12.5)
				ANDL(^(apicBaseX2|apicBaseEnable), RAX),
				WRMSR(),
			),
			ORL(apicBaseEnable, RAX),
			WRMSR(),
			base,
			MOVL(apicEnabled|x86.SPURIOUS_APIC_VECTOR, at(apicSVR)),
			MOVL(0, at(apicTPR)),
			MOVL(apicMasked, at(apicLVTPerf)),
			MOVL(apicMasked, at(apicLVT0)),
			MOVL(apicNMI, at(apicLVT1)), // LINT1 is where a PC's NMI comes in
			MOVL(apicMasked, at(apicLVTError)),
			MOVL(apicDivBy1, at(apicDivide)),
			MOVL(apicMasked|apicPeriod|x86.LOCAL_TIMER_VECTOR, at(apicLVTTimer)),
			MOVL(uint32(1<<32-1), at(apicInitial)),
			RETURN(),
		),
		FUNC("apic_timer_read", "apic_timer_read returns in EAX how far the timer has counted. Clobbers RCX.",
			base,
			MOVL(at(apicCurrent), RAX),
			NEGL(RAX),
			RETURN(),
		),
		FUNC("apic_timer_off", "apic_timer_off stops the timer and unmasks its vector. Clobbers RCX, RAX.",
			base,
			MOVL(0, at(apicInitial)),
			MOVL(x86.LOCAL_TIMER_VECTOR, at(apicLVTTimer)), // one-shot
			MOVQ(uint64(layout.TimerNever), RAX),
			MOVQ(RAX, sched.TimerArmed),
			RETURN(),
		),
		FUNC("timer_arm",
			`timer_arm lets the timer fire at monotonic time RDI in ns, if it is not going to
fire earlier already, or at the longest time that it can count. IF is 0.`,
			CMPQ(RDI, sched.TimerArmed),
			IF(GE, RETURN()),
			GLOBAL("timer_program"),
			MOVQ(RDI, sched.TimerArmed),
			CALL("ktime_get"),
			SUBQ(RAX, RDI),
			IF(L, XORL(RDI, RDI)),
			CMPQ(RDI, clk.TimerMax),
			IF(A, MOVQ(clk.TimerMax, RDI)),
			MOVQ(RDI, RAX),
			MULQ(clk.TimerMult), // below 2^64 up to TimerMax
			SHRQ(32, RAX),
			INCL(RAX), // not before the time
			base,
			MOVL(RAX, at(apicInitial)),
			RETURN(),
		),
	}}
}

// apicTimer is the timer as what the TSC is compared with; its rate is not known.
func apicTimer() Data {
	const least = 1000 // ticks: 10 us and less
	return counterData("apic_timer", layout.Counter[any]{
		Init: uint64(0), Read: PTR("apic_timer_read"), Hz: uint64(0), Mask: uint64(1<<32 - 1), Least: uint64(least), Most: uint64(1 << 31), Source: uint64(0),
	})
}
