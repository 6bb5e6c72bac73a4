package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// counters is what counters_init finds: the selectors of the performance
// counters for RDPMC.
var counters = struct{ cycles, instructions, on Mem }{
	Sym("perf_counters"), Sym("perf_counters").Add(8), Sym("perf_counters").Add(16),
}

// setMSR writes a constant to an MSR. Clobbers RAX, RCX, RDX.
func setMSR(msr uint32, value uint64) Block {
	return Block{MOVL(msr, RCX), MOVL(uint32(value), RAX), MOVL(uint32(value>>32), RDX), WRMSR()}
}

// performanceCounters turns on two of the CPU's counters, where CPUID tells that
// it has them, for measurements in ring 3.
func performanceCounters() Program {
	const ctl = x86.MSR_F15H_PERF_CTL
	atLeast := func(leaf uint32) Block { // of the range of leaf
		return Block{MOVL(leaf&0x80000000, RAX), CPUID(), CMPL(RAX, leaf)}
	}
	allow := func(cycles, instructions uint64) Block {
		return Block{
			MOVL(uint32(cycles), RAX), MOVQ(RAX, counters.cycles),
			MOVL(uint32(instructions), RAX), MOVQ(RAX, counters.instructions),
			MOVQ(1, counters.on),
			MOVQ(CR4, RAX),
			ORQ(x86.CR4_PCE, RAX),
			MOVQ(RAX, CR4),
			RETURN(),
		}
	}
	return Program{
		Funcs: []Func{
			FUNC("counters_init",
				`counters_init makes the core's cycles and its retired instructions be counted, in
both rings, and lets ring 3 read them: by Intel's fixed counters (CPUID leaf 0xA
tells of them from version 2 on), else by two of AMD's extended ones.`,
				atLeast(0xa),
				IF(AE,
					MOVL(0xa, RAX),
					XORL(RCX, RCX),
					CPUID(),
					MOVZBL(RAX, RAX), // version
					ANDL(0x1f, RDX),  // number of fixed counters
					CMPL(RAX, 2),
					JB("none"),
					CMPL(RDX, 2),
					JB("none"),
					setMSR(x86.MSR_CORE_PERF_FIXED_CTR_CTRL, x86.FixedBothRings|x86.FixedBothRings<<4),
					setMSR(x86.MSR_CORE_PERF_GLOBAL_CTRL, 3<<32),
					allow(x86.FixedCounter+1, x86.FixedCounter),
				),
				LABEL("none"),
				atLeast(0x80000001),
				IF(AE,
					MOVL(uint32(0x80000001), RAX),
					CPUID(),
					BTL(x86.CPUID_80000001_ECX_PERFCTR_CORE, RCX),
					IF(B,
						setMSR(ctl, x86.PerfEventBothRings|x86.PerfEventCycles),
						setMSR(ctl+2, x86.PerfEventBothRings|x86.PerfEventInstruction),
						atLeast(0x80000022),
						IF(AE,
							MOVL(uint32(0x80000022), RAX),
							CPUID(),
							BTL(x86.CPUID_80000022_EAX_PERFMON_V2, RAX),
							IF(B, setMSR(x86.MSR_AMD64_PERF_GLOBAL_CTL, 3)),
						),
						allow(0, 1),
					),
				),
				RETURN(),
			).Saving(RBX),
		},
		Data: []Data{BSS("perf_counters", 24, 8)},
	}
}
