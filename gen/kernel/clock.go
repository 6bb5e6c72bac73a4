package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// clk is the clock's state.
var clk = Fields[layout.Clock[Mem]](Sym(clockData))

const (
	nsPerSec = 1_000_000_000

	// TSC rates outside these bounds, in Hz, are not believed.
	tscMin = 10_000_000
	tscMax = 100_000_000_000
)

// tscTold are the functions that return the TSC's rate as CPU or hypervisor gives
// it, or 0, with their sources; tscCounters are the counters to compare it with
// otherwise. The first that gives a rate is used.
var (
	tscTold = []struct {
		function func() Func
		source   layout.TSCSource
	}{
		{cpuidTSCHz, layout.TSCByCPUID},
		{hypervisorTSCHz, layout.TSCByHypervisor},
		{kvmclockTSCHz, layout.TSCByKVMClock},
	}
	tscCounters = []func() Data{pit, hpetData, pmTimer}
)

// tsc reads the time-stamp counter into RAX. Clobbers RDX.
func tsc() Block { return Block{RDTSC(), SHLQ(32, RDX), ORQ(RDX, RAX)} }

// clocks returns the part that tells the time: the time-stamp counter, calibrated at boot
// together with the local APIC's timer, and the CMOS clock's date.
func clocks() Program {
	return Program{
		Funcs: Funcs(
			ktimeGet, ktimeReal, timeInit, tscInit, tscTake,
		),
		Data: []Data{
			clockData, tscCountersData(),
		},
	}
}

var clockData = BSS("clock", SizeOf[layout.Clock[Mem]](), 64)

func tscCountersData() Data {
	var counters []any
	for _, name := range tscCounters {
		counters = append(counters, PTR(name))
	}
	counters = append(counters, uint64(0))
	return RODATA("tsc_counters", counters...)
}

func ktimeGet() Func {
	return FUNC("ktime_get", "ktime_get returns the monotonic time in ns, always above 0. Clobbers RDX only.",
		tsc(),
		SUBQ(clk.TSCBase, RAX),
		MULQ(clk.Mult), // 128 bits: no boot is too long
		SHRQ(32, RAX),
		SHLQ(32, RDX),
		ORQ(RDX, RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI, RCX)
}

func ktimeReal() Func {
	return FUNC("ktime_real", "ktime_real returns the time since 1970-01-01 UTC in ns. Clobbers RDX only.",
		CALL(ktimeGet),
		ADDQ(clk.Real, RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI)
}

func timeInit() Func {
	return FUNC("time_init",
		`time_init starts the clocks: it finds the rate of the TSC and, from that, the rate
of the local APIC's timer. Fails by boot_fail.`,
		tsc(),
		MOVQ(RAX, clk.TSCBase),
		CALL(apicInit),
		CALL(tscInit),

		// Mult = 10^9 * 2^32 / Hz
		XORL(RDX, RDX),
		MOVQ(uint64(nsPerSec<<32), RAX),
		DIVQ(clk.TSCHz),
		MOVQ(RAX, clk.Mult),

		LEAQ(Sym(apicTimer), RDI),
		CALL(calibrate),
		TESTQ(RAX, RAX),
		IF(E,
			LEAQ(Str("the local APIC's timer does not count, or not evenly"), RDI),
			CALL(bootFail),
		),
		// Its rate in Hz is the TSC's rate divided by the result.
		MOVQ(RAX, RCX),
		MOVQ(clk.TSCHz, RAX),
		MOVQ(RAX, RDX),
		SHLQ(32, RAX),
		SHRQ(32, RDX),
		DIVQ(RCX),
		// TimerMult = Hz * 2^32 / 10^9
		MOVQ(RAX, RDX),
		SHLQ(32, RAX),
		SHRQ(32, RDX),
		MOVL(nsPerSec, RCX),
		DIVQ(RCX),
		MOVQ(RAX, clk.TimerMult),
		MOVQ(RAX, RCX),
		MOVQ(uint64(0xffff_0000<<32), RAX),
		XORL(RDX, RDX),
		DIVQ(RCX),
		MOVQ(RAX, clk.TimerMax),

		CALL(apicTimerOff),
		JMP(rtcInit),
	).Takes()
}

func tscInit() Func {
	ctr, next := RBX, RBP
	told := Block{}
	for _, s := range tscTold {
		told = append(told,
			CALL(s.function),
			MOVL(int(s.source), RDI),
			CALL(tscTake),
			JE("done"),
		)
	}
	return FUNC("tsc_init", "tsc_init sets TSCHz and TSCSource. Fails by boot_fail.",
		told,
		LEAQ(Sym(tscCountersData), next),
		LOOP(
			MOVQ(next.At(0), ctr),
			TESTQ(ctr, ctr),
			BREAK(E),
			ADDQ(8, next),
			CALL(counter(ctr).Init),
			TESTL(RAX, RAX),
			CONTINUE(E),
			MOVQ(ctr, RDI),
			CALL(calibrate),
			MULQ(counter(ctr).Hz),
			SHRQ(32, RAX),
			SHLQ(32, RDX),
			ORQ(RDX, RAX),
			MOVQ(counter(ctr).Source, RDI),
			CALL(tscTake),
			JE("done"),
		),
		LEAQ(Str("neither CPUID nor a hypervisor gives the TSC's rate, and no PIT, HPET or ACPI timer counts evenly: there is no way to tell the time"), RDI),
		CALL(bootFail),
		LABEL("done"),
		RETURN(),
	).Saving(RBX, RBP).Takes()
}

func tscTake() Func {
	return FUNC("tsc_take", "tsc_take makes RAX, in Hz, the TSC's rate from the layout.TSCSource RDI, and sets ZF, unless the rate is impossible.",
		CMPQ(RAX, tscMin),
		IF(B, RETURN()),
		MOVQ(uint64(tscMax), RCX),
		CMPQ(RAX, RCX),
		IF(A, RETURN()),
		MOVQ(RAX, clk.TSCHz),
		MOVQ(RDI, clk.TSCSource),
		CMPL(RAX, RAX),
		RETURN(),
	).Takes(RDI, RAX).Returns(FLAGS)
}
