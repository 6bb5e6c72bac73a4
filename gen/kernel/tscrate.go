package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// CPUID leaves of hypervisors: each has its signature at a multiple of 0x100.
const (
	hypervisorFirst = 0x4000_0000
	hypervisorLast  = 0x4001_0000
	// hypervisorTiming: EAX is the TSC's rate in kHz (VMware's timing leaf; it is also
	// in KVM's first range).
	hypervisorTiming = 0x4000_0010
)

// KVM's features and MSRs (Linux Documentation/virt/kvm/x86/cpuid.rst, msr.rst).
const (
	kvmFeatures            = 1 // relative to its first leaf
	kvmFeatureClocksource  = 0
	kvmFeatureClocksource2 = 3
	kvmFeatureStealTime    = 5

	msrKVMSystemTime    = 0x12
	msrKVMSystemTimeNew = 0x4b56_4d01
	msrKVMStealTime     = 0x4b56_4d03
	kvmMSREnable        = 1
)

// Crystals that CPUID leaf 0x15 does not give, in kHz (SDM volume 3, 20.7.3:
// Core from the 6th generation on, Xeon of that time, Atom Goldmont), and the
// crystal of later CPUs.
var crystals = []int{24_000, 25_000, 19_200, 38_400}

// tscRates returns the part that finds the TSC's rate where CPU or hypervisor gives it.
func tscRates() Program {
	return Program{
		Funcs: Funcs(
			cpuid, cpuidTSCHz, hypervisorLeaf, underHypervisor, hypervisorTSCHz, kvmLeaf, kvmclockTSCHz,
		),
		Data: []Data{
			pvclock, crystalsData,
		},
	}
}

var pvclock = BSS("pvclock", SizeOf[layout.PVClock[Mem]](), 64)

var crystalsData = RODATA("crystals", crystalsHz()...)

func cpuid() Func {
	return FUNC("cpuid", "cpuid is the instruction, in one place so that a test can replace it.",
		CPUID(),
		RETURN(),
	).Takes(RAX).Returns(RAX, RDX, RCX, RBX).Keeps(R8, R9)
}

func cpuidTSCHz() Func {
	highest := R12
	nominal := R12
	return FUNC("cpuid_tsc_hz",
		`cpuid_tsc_hz returns the TSC's rate in Hz from CPUID leaf 0x15, where TSC/crystal =
EBX/EAX and ECX is the crystal in Hz, or 0. If the leaf does not give the crystal, it
takes the one that brings the TSC closest to the base rate in leaf 0x16, in MHz;
for CPUs without a leaf 0x16 it does not guess (SDM volume 2, CPUID).`,
		XORL(RAX, RAX),
		CALL(cpuid),
		MOVL(RAX, highest), // highest leaf
		CMPL(highest, 0x15),
		IF(B, returns(0)),
		MOVL(0x15, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		TESTL(RAX, RAX),
		IF(E, RETURN()),
		TESTL(RBX, RBX),
		IF(E, returns(0)),
		MOVL(RAX, R8), // denominator
		MOVL(RBX, R9), // numerator
		MOVL(RCX, R10),
		TESTL(R10, R10),
		IF(NE,
			MOVL(R10, RAX),
			MULQ(R9),
			DIVQ(R8),
			RETURN(),
		),
		CMPL(highest, 0x16),
		IF(B, returns(0)),
		MOVL(0x16, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		MOVZWL(RAX, RAX),
		IMULQ(1_000_000, RAX),
		MOVQ(RAX, nominal), // nominal Hz
		LEAQ(Sym(crystalsData), RSI),
		MOVL(len(crystals), RDI),
		MOVQ(RAX, R11),
		SHRQ(6, R11), // closest so far, which is the furthest allowed
		XORL(R10, R10),
		DO(
			MOVQ(RSI.At(0), RAX),
			MULQ(R9),
			DIVQ(R8),
			MOVQ(RAX, RDX),
			SUBQ(nominal, RDX),
			IF(B, NEGQ(RDX)),
			CMPQ(RDX, R11),
			IF(B,
				MOVQ(RDX, R11),
				MOVQ(RAX, R10),
			),
			ADDQ(8, RSI),
			DECL(RDI),
		).WHILE(NE),
		MOVQ(R10, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func hypervisorLeaf() Func {
	// isSignature sets ZF if CPUID has left the signature in EBX, ECX, EDX.
	isSignature := func(text string) Block {
		text = (text + "\x00\x00\x00")[:12]
		return Block{
			CMPL(RBX, signature(text[:4])),
			IF(E, CMPL(RCX, signature(text[4:8]))),
			IF(E, CMPL(RDX, signature(text[8:]))),
		}
	}
	return FUNC("hypervisor_leaf",
		`hypervisor_leaf tests the hypervisor's leaf EDI: it returns the highest of its
leaves in EAX and 1 in EDX if it is KVM, 2 if it is VMware; else 0 in both.`,
		MOVL(RDI, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		isSignature("KVMKVMKVM"),
		IF(E, MOVL(1, RDX), RETURN()),
		isSignature("VMwareVMware"),
		MOVL(2, RDX),
		IF(NE, XORL(RAX, RAX), XORL(RDX, RDX)),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX, RDX)
}

func underHypervisor() Func {
	return FUNC("under_hypervisor", "under_hypervisor returns 1 if CPUID says that there is a hypervisor, else 0.",
		MOVL(1, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		XORL(RAX, RAX),
		BTL(x86.CPUID_1_ECX_HYPERVISOR, RCX),
		SETB(RAX),
		RETURN(),
	).Saving(RBX).Takes().Returns(RAX)
}

func hypervisorTSCHz() Func {
	return FUNC("hypervisor_tsc_hz",
		`hypervisor_tsc_hz returns the TSC's rate in Hz from the hypervisor's timing leaf, or
0. Hypervisors other than those known to have it use that leaf for something else.`,
		CALL(underHypervisor),
		TESTL(RAX, RAX),
		IF(E, RETURN()),
		MOVL(hypervisorFirst, RDI),
		CALL(hypervisorLeaf),
		CMPL(RAX, hypervisorTiming),
		IF(B, returns(0)),
		MOVL(hypervisorTiming, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		MOVL(RAX, RAX),
		IMULQ(1000, RAX),
		RETURN(),
	).Saving(RBX).Takes().Returns(RAX)
}

func kvmLeaf() Func {
	leaf := R12
	return FUNC("kvm_leaf",
		`kvm_leaf returns KVM's first leaf, or 0 without KVM. KVM's leaves may follow those of
another hypervisor that it imitates.`,
		CALL(underHypervisor),
		TESTL(RAX, RAX),
		IF(E, RETURN()),
		MOVL(hypervisorFirst, leaf),
		LOOP(
			MOVL(leaf, RDI),
			CALL(hypervisorLeaf),
			CMPL(RDX, 1),
			BREAK(E),
			ADDL(0x100, leaf),
			CMPL(leaf, hypervisorLast),
			IF(E, returns(0)),
		),
		MOVL(leaf, RAX),
		RETURN(),
	).Saving(R12).Takes().Returns(RAX)
}

func kvmclockTSCHz() Func {
	msr := R12
	time := Fields[layout.PVClock[Mem]](Sym(pvclock))
	return FUNC("kvmclock_tsc_hz",
		`kvmclock_tsc_hz returns the TSC's rate in Hz from the factor of KVM's clock, or 0 if
it has none.`,
		CALL(kvmLeaf),
		TESTL(RAX, RAX),
		IF(E, RETURN()),
		ADDL(kvmFeatures, RAX),
		XORL(RCX, RCX),
		CALL(cpuid),
		MOVL(uint32(msrKVMSystemTimeNew), msr),
		BTL(kvmFeatureClocksource2, RAX),
		IF(AE,
			MOVL(msrKVMSystemTime, msr),
			BTL(kvmFeatureClocksource, RAX),
			IF(AE, returns(0)),
		),
		MOVL(msr, RCX),
		LEAQ(Sym(pvclock), RAX),
		MOVQ(uint64(layout.KernelBase), RDX),
		SUBQ(RDX, RAX), // its physical address, below 4 GiB
		ORL(kvmMSREnable, RAX),
		XORL(RDX, RDX),
		WRMSR(),
		MOVL(msr, RCX),
		XORL(RAX, RAX), // KVM has written the clock, and must stop
		XORL(RDX, RDX),
		WRMSR(),
		// TSC ticks to ns: shifted left by the shift, or right if that is
		// negative, times the factor over 2^32.
		MOVL(time.ScaleFlags, RSI),
		TESTL(RSI, RSI),
		IF(E, returns(0)),
		MOVQ(uint64(nsPerSec<<32), RAX),
		XORL(RDX, RDX),
		DIVQ(RSI),
		MOVSBQ(time.ScaleFlags.Add(4), RCX),
		TESTL(RCX, RCX),
		IF(NS, SHRQ(RCX, RAX)).ELSE(
			NEGL(RCX),
			SHLQ(RCX, RAX),
		),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

// crystalsHz returns the crystals in Hz, a word each.
func crystalsHz() []any {
	var words []any
	for _, khz := range crystals {
		words = append(words, uint64(khz)*1000)
	}
	return words
}
