package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The PC's interval timer (Intel 8254 data sheet).
const (
	// pitHz is the rate of its input: the PC's 14.31818 MHz crystal divided by
	// twelve.
	pitHz      = 1_193_182
	pitMost    = 54_000 // ticks: 45 ms, before its 16 bits wrap
	pitChannel = 0x42   // channel 2, whose output drives nothing but the speaker
	pitControl = 0x43
	speaker    = 0x61 // bit 0 gates channel 2, bit 1 makes it audible
)

// The HPET (IA-PC HPET Specification 1.0a, 2.3), relative to its page.
const (
	hpetPage    = 0xfed0_0000 // where it is in a PC whose ACPI tables do not say
	hpetID      = 0x00        // REV_ID in the lowest byte; from bit 32 on the period in fs
	hpetConfig  = 0x10
	hpetCounter = 0xf0
	hpetEnable  = 1
	hpetLegacy  = 2 // it would replace the PIT
	hpetMaxFs   = 100_000_000
	fsPerSec    = 1_000_000_000_000_000
)

// The ACPI power-management timer (ACPI 6.5, 4.8.3.3): 24 bits at least.
const pmTimerHz = 3_579_545

// references returns the counters with a known rate that the TSC can be compared with, the
// best first.
func references() Program {
	return Program{
		Funcs: Funcs(
			pitInit, pitRead, hpetInit, hpetRead, pmTimerInit, pmTimerRead,
		),
		Data: []Data{
			pit(), hpetData(), pmTimer(), hpetBase, pmTimerPort,
		},
	}
}

func pit() Data {
	type ref = layout.Counter[any]
	// A window is at least a millisecond. Where reading takes long, in a nested
	// machine, it may be a second, or as much of it as does not wrap.
	const least = 1000
	return counterData("pit", ref{
		Init: PTR(pitInit), Read: PTR(pitRead), Hz: uint64(pitHz), Mask: uint64(0xffff),
		Least: uint64(pitHz / least), Most: uint64(pitMost), Source: uint64(layout.TSCByPIT),
	})
}

func hpetData() Data {
	type ref = layout.Counter[any]
	return counterData("hpet", ref{ // hpet_init fills in the fields that depend on its rate
		Init: PTR(hpetInit), Read: PTR(hpetRead), Hz: uint64(0), Mask: uint64(0xffff_ffff),
		Least: uint64(0), Most: uint64(0), Source: uint64(layout.TSCByHPET),
	})
}

func pmTimer() Data {
	type ref = layout.Counter[any]
	// A window is at least a millisecond. Where reading takes long, in a nested
	// machine, it may be a second, or as much of it as does not wrap.
	const least = 1000
	return counterData("pm_timer", ref{
		Init: PTR(pmTimerInit), Read: PTR(pmTimerRead), Hz: uint64(pmTimerHz), Mask: uint64(0xff_ffff),
		Least: uint64(pmTimerHz / least), Most: uint64(pmTimerHz), Source: uint64(layout.TSCByPMTimer),
	})
}

var hpetBase = BSS("hpet_base", 8, 8)

var pmTimerPort = BSS("pm_timer_port", 8, 8)

func pitInit() Func {
	return FUNC("pit_init", "pit_init makes the PIT's channel 2 count down from 65535, again and again. Returns 1: if there is no PIT, nothing counts.",
		MOVL(speaker, RDX),
		INB(),
		ANDL(^3, RAX),
		ORL(1, RAX),
		OUTB(),
		MOVL(0xb0, RAX), // channel 2, both bytes, mode 0
		MOVL(pitControl, RDX),
		OUTB(),
		MOVL(0xff, RAX),
		MOVL(pitChannel, RDX),
		OUTB(),
		OUTB(),
		returns(1),
	).Takes().Returns(RAX)
}

func pitRead() Func {
	return FUNC("pit_read", "pit_read returns in EAX how far the PIT's channel 2 has counted. Clobbers RCX, RDX.",
		MOVL(0x80, RAX), // latch channel 2
		MOVL(pitControl, RDX),
		OUTB(),
		MOVL(pitChannel, RDX),
		XORL(RAX, RAX),
		INB(),
		MOVL(RAX, RCX),
		INB(),
		SHLL(8, RAX),
		ORL(RCX, RAX),
		NEGL(RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, R8, R9)
}

func hpetInit() Func {
	hpet := Fields[layout.Counter[Mem]](Sym(hpetData))
	// A window is at least a millisecond. Where reading takes long, in a nested
	// machine, it may be a second, or as much of it as does not wrap.
	const least = 1000
	return FUNC("hpet_init",
		`hpet_init makes the HPET count, if there is one: where ACPI's table says, or at the
usual address of PCs if what is there looks like one. Returns 1, or 0 if there is none.`,
		MOVL(acpiHPET, RDI),
		CALL(acpiTable),
		MOVL(hpetPage, RDX),
		TESTQ(RAX, RAX),
		IF(NE,
			CMPB(RAX.At(acpiHPETSpace), 0), // in memory?
			IF(NE, returns(0)),
			MOVQ(RAX.At(acpiHPETAddress), RDX),
		),
		// It is mapped, as everything below 4 GiB is; an address in RAM is not one.
		MOVL(RDX, RCX),
		CMPQ(RCX, RDX),
		IF(NE, returns(0)),
		CMPL(RDX, uint32(deviceMemory)),
		IF(B, returns(0)),
		MOVQ(uint64(layout.PhysMap), RCX),
		ADDQ(RDX, RCX),
		MOVQ(RCX, Sym(hpetBase)),
		MOVL(RCX.At(hpetID), RAX),
		TESTB(RAX, RAX), // a revision is never 0
		IF(E, returns(0)),
		CMPL(RAX, -1),
		IF(E, returns(0)),
		MOVL(RCX.At(hpetID+4), R8), // fs a tick
		LEAL(R8.At(-1), RAX),
		CMPL(RAX, hpetMaxFs),
		IF(AE, returns(0)),
		MOVL(RCX.At(hpetConfig), RAX),
		TESTL(hpetEnable, RAX),
		IF(E, // else it counts, and may be the timer of firmware that stays
			ANDL(^hpetLegacy, RAX),
			ORL(hpetEnable, RAX),
			MOVL(RAX, RCX.At(hpetConfig)),
		),

		MOVQ(uint64(fsPerSec), RAX),
		XORL(RDX, RDX),
		DIVQ(R8),
		MOVQ(RAX, hpet.Hz),
		MOVQ(RAX, hpet.Most),
		MOVL(least, RCX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, hpet.Least),
		returns(1),
	).Takes().Returns(RAX)
}

func hpetRead() Func {
	return FUNC("hpet_read", "hpet_read returns the lower half of the HPET's counter in EAX. Clobbers RCX.",
		MOVQ(Sym(hpetBase), RCX),
		MOVL(RCX.At(hpetCounter), RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, R8, R9)
}

func pmTimerInit() Func {
	return FUNC("pm_timer_init", "pm_timer_init finds ACPI's timer. Returns 1, or 0 if none can be read through a port.",
		MOVL(acpiFACP, RDI),
		CALL(acpiTable),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVL(RAX.At(acpiPMTimer), RCX),
		MOVL(RCX, Sym(pmTimerPort)),
		XORL(RAX, RAX),
		DECL(RCX),
		CMPL(RCX, 0xffff), // 0: no timer
		SETB(RAX),
		RETURN(),
	).Takes().Returns(RAX)
}

func pmTimerRead() Func {
	return FUNC("pm_timer_read", "pm_timer_read returns ACPI's timer in EAX. Clobbers RDX.",
		MOVL(Sym(pmTimerPort), RDX),
		INL(),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, R8, R9)
}
