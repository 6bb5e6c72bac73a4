package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis ibrs.
const (
	IBRSOff   Value = "ibrs=off"
	IBRSEntry Value = "ibrs=entry"
)

var _ = Register(Axis{
	Name: "ibrs", Rank: 180,
	Doc: "whether the kernel's indirect branches and returns are protected from what ring 3 has taught the CPU's predictors, on CPUs that do not do so themselves",
	Values: []Choice{
		{
			Value: IBRSOff, Since: "Linux 3.19", Doc: "nobody sets SPEC_CTRL",
			Puts: Puts{BeforeHandler: func(v Axes) Block { return v.over(IBRSOff, "IBRS_ENTER") }},
		},
		{
			// Linux 5.19: arch/x86/entry/calling.h, IBRS_ENTER and IBRS_EXIT; SDM
			// volume 4, MSR 48H.
			Value: IBRSEntry, Since: "Linux 5.19", Needs: layout.FeatureIBRS, Promises: PromiseIBRS,
			Doc: "SPEC_CTRL.IBRS is set at the entry, before the first such branch, and ring 3 gets its own value back at the exit (against Retbleed on Intel CPUs from Skylake on that have no enhanced IBRS)",
			Puts: Puts{
				BeforeHandler: func(Axes) Block { return writeSpecCtrl(0) },
				BeforeExit:    func(Axes) Block { return writeSpecCtrl(x86.SPEC_CTRL_IBRS) },
			},
		},
	},
	Excludes: []Exclusion{{
		What: "ibrs=entry with interrupts on before it",
		Why:  "between STI and the write of SPEC_CTRL an interrupt would run the kernel, and whatever thread comes next, on ring 3's predictions (so irq=dispatch or irq=off)",
		Is:   func(v Axes) bool { return v.Is(IBRSEntry) && (v.Is(IRQEarly) || v.Is(IRQFrame)) },
	}},
})

// writeSpecCtrl writes PerCPU.SpecCtrl, without the bits of mask, to the MSR.
// Clobbers RAX, RCX and RDX.
func writeSpecCtrl(mask int) Block {
	b := Block{
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX).C("IA32_SPEC_CTRL"),
		MOVQ(gs.SpecCtrl, RDX),
	}
	if mask != 0 {
		b = append(b, ANDQ(^mask, RDX).C("as ring 3 has it"))
	}
	return append(b,
		MOVL(RDX, RAX),
		SHRQ(32, RDX),
		WRMSR(),
	)
}

// specCtrl returns the kernel's SPEC_CTRL while the variant is selected; 0 means that
// nobody writes the MSR.
func (v Axes) specCtrl() uint64 {
	if !v.Is(IBRSEntry) {
		return 0
	}
	if v.Is(BHBDisS) {
		return x86.SPEC_CTRL_IBRS | x86.SPEC_CTRL_BHI_DIS_S
	}
	return x86.SPEC_CTRL_IBRS
}
