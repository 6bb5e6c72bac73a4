package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// While a variant that needs FSGSBASE is selected, CR4.FSGSBASE is set, and so ring 3
// may give itself any base of FS and GS by an instruction, one of the upper half too. The
// kernel reads them from the CPU then, when it switches threads. It does not tell programs
// (AT_HWCAP2), so none but a test uses that, and arch_prctl and fork know of such a
// base only from the thread's next switch on.

// bases returns the part that decides about SWAPGS where CS does not tell, and whether ring
// 3 may set its bases.
func bases() Program {
	return Program{
		Funcs: Funcs(paranoidSelect, switchBases),
		Data:  []Data{debugOwn},
	}
}

// debugOwn are VariantDesc's DebugFirst and DebugLast of the selected variant.
var debugOwn = BSS("debug_own", 16, 8)

func paranoidSelect() Func {
	entry, cr4, th := R11, R10, R9
	return FUNC("paranoid_select",
		`paranoid_select(entry, features) makes RDI, or the kernel's own if it is 0, the
paranoid_entry, for a variant that needs the Features RSI. IF is 0, but NMIs come: what the
entry in force needs is there at every moment.`,
		MOVQ(RDI, entry),
		TESTQ(RDI, RDI),
		IF(E, LEAQ(Sym(paranoidEntry), entry)),
		MOVQ(CR4, cr4),
		TESTL(uint64(layout.FeatureFSGSBASE), RSI),
		IF(NE,
			ORQ(x86.CR4_FSGSBASE, cr4),
			MOVQ(cr4, CR4),
			LEAQ(Sym(switchBases), RAX),
			MOVQ(RAX, gs.ThreadSwitch),
			MOVQ(entry, Sym(trapEntries).Add(toParanoid)),
			RETURN(),
		),
		TESTL(x86.CR4_FSGSBASE, cr4),
		IF(NE,
			// From now on the sign of GS's base tells whose it is: none of ring 3's may
			// look like the kernel's.
			MOVQ(gs.Current, RDI),
			readMSR(x86.MSR_KERNEL_GS_BASE, thread(RDI).GSBase),
			readMSR(x86.MSR_FS_BASE, thread(RDI).FSBase),
			eachThread(th,
				CMPQ(thread(th).GSBase, 0),
				IF(L, MOVQ(0, thread(th).GSBase)),
			),
			MOVQ(thread(RDI).GSBase, RAX),
			setBase(x86.MSR_KERNEL_GS_BASE),
		),
		MOVQ(entry, Sym(trapEntries).Add(toParanoid)),
		ANDQ(^x86.CR4_FSGSBASE, cr4),
		MOVQ(cr4, CR4),
		hasFRED(),
		LEAQ(Sym(contextSwitch), RAX),
		IF(NE, LEAQ(Sym(switchModes), RAX)),
		MOVQ(RAX, gs.ThreadSwitch),
		RETURN(),
	).Takes(RDI, RSI).Keeps(R8)
}

func switchBases() Func {
	return FUNC("switch_bases",
		`switch_bases is what schedule ends in while ring 3 can set its bases: it notes those
of the thread RDI, which is switched out.`,
		readMSR(x86.MSR_FS_BASE, thread(RDI).FSBase),
		readMSR(x86.MSR_KERNEL_GS_BASE, thread(RDI).GSBase),
		hasFRED(),
		IF(NE, JMP(switchModes)),
		JMP(contextSwitch),
	).Takes(RDI, RSI)
}
