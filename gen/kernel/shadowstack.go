package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// shadowStacks returns the kernel's part of variants with cet=user: what begins and ends a
// thread's shadow stack. SYSCALL, SYSRET, interrupts and IRET move its SSP to
// MSR_IA32_PL3_SSP and back, and the variant's switch keeps it (SDM volume 1, chapter 17).
func shadowStacks() Program { return Program{Funcs: Funcs(sysShadowStack, shadowStackEnd)} }

func sysShadowStack() Func {
	desc := RBX
	return FUNC("sys_shadow_stack",
		`sys_shadow_stack(end) is layout.SysShadowStack. CR4.CET stays on: by itself it changes
nothing.`,
		CLI(), // a switch would keep half of it
		TESTQ(RDI, RDI),
		IF(E,
			CALL(shadowStackEnd),
			returns(0),
		),
		MOVQ(RDI, R8),
		MOVQ(gs.Variant, RDI),
		findVariant(desc),
		TESTL(uint64(layout.FeatureCETSS), variant(desc).Info.Needs),
		IF(E, fail(EINVAL)),
		MOVQ(CR4, RAX),
		ORQ(uint64(x86.CR4_CET), RAX),
		MOVQ(RAX, CR4),
		MOVQ(R8, RAX),
		setBase(x86.MSR_IA32_PL3_SSP),
		MOVL(x86.CET_SHSTK_EN, RAX),
		MOVQ(gs.Current, RDX),
		MOVQ(RAX, thread(RDX).UserCET),
		setBase(x86.MSR_IA32_U_CET),
		returns(0),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func shadowStackEnd() Func {
	return FUNC("shadow_stack_end", "shadow_stack_end takes the current thread's shadow stack away, if it has one.",
		MOVQ(gs.Current, RDX),
		CMPQ(thread(RDX).UserCET, 0),
		IF(E, RETURN()),
		XORL(RAX, RAX),
		MOVQ(RAX, thread(RDX).UserCET),
		setBase(x86.MSR_IA32_U_CET),
		RETURN(),
	).Takes().Keeps(RDI, RSI, R8)
}
