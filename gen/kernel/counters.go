package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// counters is what counters_init finds: the selectors of the performance
// counters for RDPMC.
var counters = struct{ cycles, instructions, on Mem }{
	Sym(perfCounters), Sym(perfCounters).Add(8), Sym(perfCounters).Add(16),
}

// performanceCounters turns on two of the CPU's counters, for measurements in ring 3, if
// CPUID says that the CPU has them and they do count.
func performanceCounters() Program {
	return Program{
		Funcs: Funcs(
			countersInit,
			sysCountEvent,
		),
		Data: []Data{
			perfCounters,
		},
	}
}

var perfCounters = BSS("perf_counters", 24, 8)

func countersInit() Func {
	const ctl = x86.MSR_F15H_PERF_CTL
	atLeast := func(leaf uint32) Block { // the range of leaf has at least that many
		return Block{MOVL(leaf&0x80000000, RAX), CPUID(), CMPL(RAX, leaf)}
	}
	set := func(msr uint32, value uint64, otherwise string) Block {
		return Block{MOVL(msr, RCX), MOVL(uint32(value), RAX), MOVL(uint32(value>>32), RDX), WRMSR().Fault(otherwise)}
	}
	// A hypervisor may announce counters and have neither the MSRs nor anything
	// that counts; CPUID makes it exit, and time passes.
	counts := func(selector uint32, otherwise string) Block {
		return Block{
			MOVL(selector, RCX),
			RDPMC().Fault(otherwise),
			MOVL(RAX, RDI),
			XORL(RAX, RAX),
			CPUID(),
			MOVL(selector, RCX),
			RDPMC().Fault(otherwise),
			CMPL(RAX, RDI),
			JE(otherwise),
		}
	}
	allow := func(cycles, instructions uint32, otherwise string) Block {
		return Block{
			counts(cycles, otherwise),
			counts(instructions, otherwise),
			MOVL(cycles, RAX), MOVQ(RAX, counters.cycles),
			MOVL(instructions, RAX), MOVQ(RAX, counters.instructions),
			MOVQ(1, counters.on),
			MOVQ(CR4, RAX),
			ORQ(x86.CR4_PCE, RAX),
			MOVQ(RAX, CR4),
			RETURN(),
		}
	}
	return FUNC("counters_init",
		`counters_init makes the CPU count the core's cycles and its retired instructions, in
both rings, and lets ring 3 read them (CR4.PCE): with Intel's fixed counters (CPUID
leaf 0xA announces them from version 2 on), else with two of AMD's extended ones
(CPUID leaf 0x80000001; 0x80000022 says whether they have a common control).
Counters that cannot be set or read, or that stand still, are left alone.`,
		atLeast(0xa),
		IF(AE,
			MOVL(0xa, RAX),
			XORL(RCX, RCX),
			CPUID(),
			MOVZBL(RAX, RAX), // version
			ANDL(0x1f, RDX),  // number of fixed counters
			CMPL(RAX, 2),
			JB("extended"),
			CMPL(RDX, 2),
			JB("extended"),
			set(x86.MSR_CORE_PERF_FIXED_CTR_CTRL, x86.FixedBothRings|x86.FixedBothRings<<4, "extended"),
			set(x86.MSR_CORE_PERF_GLOBAL_CTRL, 3<<32, "extended"),
			allow(x86.FixedCounter+1, x86.FixedCounter, "extended"),
		),
		LABEL("extended"),
		atLeast(0x80000001),
		JB("none"),
		MOVL(uint32(0x80000001), RAX),
		CPUID(),
		BTL(x86.CPUID_80000001_ECX_PERFCTR_CORE, RCX),
		JAE("none"),
		set(ctl, x86.PerfEventBothRings|x86.PerfEventCycles, "none"),
		set(ctl+2, x86.PerfEventBothRings|x86.PerfEventInstruction, "none"),
		atLeast(0x80000022),
		IF(AE,
			MOVL(uint32(0x80000022), RAX),
			CPUID(),
			BTL(x86.CPUID_80000022_EAX_PERFMON_V2, RAX),
			IF(B, set(x86.MSR_AMD64_PERF_GLOBAL_CTL, 3, "none")),
		),
		allow(0, 1, "none"),
		LABEL("none"),
		RETURN(),
	).Saving(RBX).Takes()
}

func sysCountEvent() Func {
	// turnOn sets the bit of counter in a common control, if the CPU has that.
	turnOn := func(msr uint32, counter Reg, otherwise string) Block {
		return Block{
			MOVL(msr, RCX),
			RDMSR().Fault(otherwise),
			SHLQ(32, RDX),
			ORQ(RDX, RAX),
			BTSQ(counter, RAX),
			MOVQ(RAX, RDX),
			SHRQ(32, RDX),
			WRMSR().Fault(otherwise),
		}
	}
	return FUNC("sys_count_event", `sys_count_event(counter, event) is layout.SysCountEvent. AMD's first two extended counters
count cycles and instructions; Intel has fixed ones for these.`,
		CMPQ(RDI, layout.CountedEvents),
		IF(AE, fail(EINVAL)),
		CMPQ(counters.on, 0),
		IF(E, fail(ENODEV)),
		MOVL(RSI, RAX),
		ORL(x86.PerfEventBothRings, RAX),
		MOVQ(RSI, RDX),
		SHRQ(32, RDX),
		CMPQ(counters.cycles, x86.FixedCounter),
		IF(AE,
			MOVL(x86.MSR_P6_EVNTSEL0, RCX),
			ADDL(RDI, RCX),
			WRMSR().Fault("none"),
			turnOn(x86.MSR_CORE_PERF_GLOBAL_CTRL, RDI, "none"),
			JMP("read"),
		),
		ADDL(2, RDI),
		MOVL(uint32(x86.MSR_F15H_PERF_CTL), RCX),
		ADDL(RDI, RCX), // two MSRs for each
		ADDL(RDI, RCX),
		WRMSR().Fault("none"),
		turnOn(x86.MSR_AMD64_PERF_GLOBAL_CTL, RDI, "read"),
		LABEL("read"),
		MOVL(RDI, RCX),
		RDPMC().Fault("none"),
		MOVL(RDI, RAX),
		RETURN(),
		LABEL("none"),
		fail(ENODEV),
	).Takes(RDI, RSI).Returns(RAX)
}
