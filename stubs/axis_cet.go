package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis cet.
const (
	CETOff  Value = "cet=off"
	CETUser Value = "cet=user"
)

var _ = Register(Axis{
	Name: "cet", Rank: 225,
	Doc: "whether threads may have shadow stacks, where CALL keeps return addresses a second time and RET compares them",
	Values: []Choice{
		{Value: CETOff, Since: "Linux 3.19", Doc: "no"},
		{
			// Intel, SDM volume 1, chapter 17; Linux 6.6: arch/x86/kernel/shstk.c, fpu/xstate.c.
			Value: CETUser, Since: "Linux 6.6", Needs: layout.FeatureCETSS, Promises: PromiseShadowStack,
			Puts: Puts{GoesOn: loadShadowStack},
			Doc:  "in ring 3, yes. The path has not one instruction more: SYSCALL keeps SSP in IA32_PL3_SSP, and SYSRET and IRET take it from there; with FRED every event of ring 3 does, and ERETU. A context switch keeps that for each thread, by RDMSR and WRMSR; Linux does so by XSAVES and XRSTORS, with the FPU's state, so that the switch is not its. Ring 0 has no shadow stack",
		},
	},
})

// saveShadowStack keeps the SSP of the thread that leaves, and turns its shadow stack off:
// threads that other variants' switches bring back have none. Clobbers RAX, RCX and RDX.
func (v Axes) saveShadowStack() Block {
	if !v.Is(CETUser) {
		return nil
	}
	return Block{
		MOVL(x86.MSR_IA32_PL3_SSP, RCX).C("IA32_PL3_SSP"),
		RDMSR(),
		SHLQ(32, RDX),
		ORQ(RDX, RAX),
		MOVQ(RAX, prev.PL3SSP),
		MOVL(x86.MSR_IA32_U_CET, RCX).C("IA32_U_CET"),
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		WRMSR(),
	}
}

// loadShadowStack loads the SSP of the thread that continues, and turns its shadow stack on
// or off as it was. Clobbers RAX, RCX and RDX.
func loadShadowStack(Axes) Block {
	return Block{
		MOVL(x86.MSR_IA32_PL3_SSP, RCX).C("IA32_PL3_SSP"),
		MOVQ(next.PL3SSP, RAX),
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		WRMSR(),
		MOVL(x86.MSR_IA32_U_CET, RCX).C("IA32_U_CET"),
		MOVQ(next.UserCET, RAX),
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		WRMSR(),
	}
}
