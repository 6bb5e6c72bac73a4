package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// feature is where CPUID announces something that a variant may need: a bit of
// a register. If a feature has several, one is enough.
type feature struct {
	is   layout.Features
	leaf uint32
	in   Reg
	bit  int
	// sub is the subleaf; a CPU answers 0 to one that it does not have.
	sub uint32
}

var allFeatures = []feature{
	{is: layout.FeaturePCID, leaf: 1, in: RCX, bit: x86.CPUID_1_ECX_PCID},
	{is: layout.FeatureIBRS, leaf: 7, in: RDX, bit: x86.CPUID_7_EDX_SPEC_CTRL},            // Intel
	{is: layout.FeatureIBRS, leaf: 0x80000008, in: RBX, bit: x86.CPUID_80000008_EBX_IBRS}, // AMD
	{is: layout.FeatureIBPB, leaf: 7, in: RDX, bit: x86.CPUID_7_EDX_SPEC_CTRL},
	{is: layout.FeatureIBPB, leaf: 0x80000008, in: RBX, bit: x86.CPUID_80000008_EBX_IBPB},
	{is: layout.FeatureFSGSBASE, leaf: 7, in: RBX, bit: x86.CPUID_7_EBX_FSGSBASE},
	{is: layout.FeatureCETSS, leaf: 7, in: RCX, bit: x86.CPUID_7_ECX_CET_SS},
	{is: layout.FeatureBHICtrl, leaf: 7, sub: 2, in: RDX, bit: x86.CPUID_7_2_EDX_BHI_CTRL},
}

// announcesFRED are the bits of CPUID leaf 7, subleaf 1, EAX that announce FRED.
const announcesFRED = 1<<x86.CPUID_7_1_EAX_FRED | 1<<x86.CPUID_7_1_EAX_LKGS

// features finds out which of the features that variants may need the CPU has.
func features() Program {
	return Program{
		Funcs: Funcs(
			featuresInit, messageFeatures,
		),
		Data: []Data{
			cpuFeatures,
		},
	}
}

var cpuFeatures = BSS("cpu_features", 8, 8)

func featuresInit() Func {
	look := Block{}
	for _, f := range allFeatures {
		look = append(look,
			MOVL(f.leaf&0x80000000, RAX),
			CPUID(),
			CMPL(RAX, f.leaf),
			IF(AE,
				MOVL(f.leaf, RAX),
				MOVL(f.sub, RCX),
				CPUID(),
				BTL(f.bit, f.in),
				IF(B, ORQ(uint64(f.is), Sym(cpuFeatures))),
			),
		)
	}
	return FUNC("features_init", "features_init sets cpu_features, a layout.Features.",
		look,
		XORL(RAX, RAX),
		CPUID(),
		CMPL(RBX, x86.CPUID_0_EBX_INTEL),
		IF(E, ORQ(uint64(layout.FeatureSYSRETRPL), Sym(cpuFeatures))),
		CMPL(RAX, 7),
		IF(B, RETURN()),
		MOVL(7, RAX),
		XORL(RCX, RCX),
		CPUID(),
		TESTL(RAX, RAX), // the last subleaf
		IF(E, RETURN()),
		MOVL(7, RAX),
		MOVL(1, RCX),
		CPUID(),
		ANDL(announcesFRED, RAX),
		CMPL(RAX, announcesFRED),
		IF(E, CALL(fredProbe)),
		RETURN(),
	).Saving(RBX).Takes()
}

func messageFeatures() Func {
	features := RBX
	say := Block{}
	for i, name := range layout.FeatureNames {
		say = append(say,
			TESTL(1<<i, features),
			IF(NE,
				tell(" "+name),
			),
		)
	}
	return FUNC("message_features", "message_features adds the names of the layout.Features RDI to the message, each after a space.",
		MOVQ(RDI, features),
		say,
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

// lacks leaves in RAX, and in ZF, which of the features that the variant desc
// needs the CPU lacks.
func lacks(desc *layout.VariantDesc[Mem]) Block {
	return Block{
		MOVQ(Sym(cpuFeatures), RAX),
		NOTQ(RAX),
		ANDQ(desc.Info.Needs, RAX),
	}
}
