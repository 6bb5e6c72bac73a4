package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// switches returns what stands around a variant's switch, and what takes its place between
// threads of two variants.
func switches() Program {
	return Program{
		Funcs: Funcs(contextSwitch, switchVariants, switchTo),
		Data:  []Data{switchScratch},
	}
}

// switchScratch is VariantDesc.UsesScratch of the last selected variant in which that is not
// 0: the word that threads may have the user's RSP in. An image has at most one.
var switchScratch = BSS("switch_scratch", 8, 8)

func contextSwitch() Func {
	prev := thread(RDI)
	next := thread(RSI)
	return FUNC("context_switch",
		`context_switch switches from the thread RDI to RSI. It returns when RDI runs again.
Both have the same variant's switch nearly always: the comparison and the jump through
memory are this kernel's, which has several, and not the variant's. IF is 0.`,
		MOVQ(next.MM, RAX),
		CMPQ(RAX, prev.MM),
		IF(NE, CALL(switchMM)),
		MOVQ(prev.SwitchTo, RAX),
		CMPQ(RAX, next.SwitchTo),
		JNE(switchVariants),
		JMP(RAX),
	).Takes(RDI, RSI)
}

func switchVariants() Func {
	prev := thread(RDI)
	next := thread(RSI)
	area := Fields[layout.PerCPU[Mem]](RDX)
	word := RCX
	turns := R12
	return FUNC("switch_variants",
		`switch_variants switches from the thread RDI to RSI, which have two variants' switches:
it does all that any variant's does. What a thread's own variant has no use for is not
looked at again. IF is 0.`,
		MOVQ(gs.Self, RDX),
		LEAQ(area.RSPScratch, word),
		CMPQ(Sym(switchScratch), layout.ScratchSP2),
		IF(E, LEAQ(area.TSS.SP2, word)),
		MOVQ(word.At(0), RAX),
		MOVQ(RAX, prev.UserSP),
		MOVQ(next.UserSP, RAX),
		MOVQ(RAX, word.At(0)),
		CMPQ(prev.UserCET, 0),
		IF(NE,
			readMSR(x86.MSR_IA32_PL3_SSP, prev.PL3SSP),
			XORL(RAX, RAX),
			setBase(x86.MSR_IA32_U_CET),
		),
		MOVQ(RSP, prev.SP),
		MOVQ(next.SP, RSP),
		CMPQ(next.UserCET, 0),
		IF(NE,
			MOVQ(next.PL3SSP, RAX),
			setBase(x86.MSR_IA32_PL3_SSP),
			MOVQ(next.UserCET, RAX),
			setBase(x86.MSR_IA32_U_CET),
		),
		MOVQ(next.StackCanary, RAX),
		MOVQ(RAX, gs.StackCanary),
		MOVL(x86.RSB_CLEAR_LOOPS/2, turns), // as rsb=filled has it
		LABEL("fill_return_buffer"),
		CALL(filledFirst),
		INT3(),
		GLOBAL("switch_filled_first"),
		CALL(filledSecond),
		INT3(),
		GLOBAL("switch_filled_second"),
		ADDQ(2*8, RSP), // nobody returns
		DECL(turns),
		JNE("fill_return_buffer"),
		LFENCE(),
		MOVQ(-1, gs.CallDepth),
		CALL(switchTo),
		RETURN(),
	).Saving(RBP, RBX, R12, R13, R14, R15) // in the order of layout.SwitchFrame
}

// filledFirst and filledSecond name the places behind switch_variants' CALLs that nobody
// returns from.
func filledFirst() Func { return EXTERN("switch_filled_first") }

func filledSecond() Func { return EXTERN("switch_filled_second") }

func switchTo() Func {
	prev := thread(RDI)
	next := thread(RSI)
	return FUNC("__switch_to",
		`__switch_to makes RSI the current thread instead of RDI. The variant's switch, which
calls it or jumps to it, has switched to the stack of RSI already. It does what all
variants have in common. IF is 0. Returns RDI.`,
		FXSAVE64(prev.FX[0]),
		FXRSTOR64(next.FX[0]),
		MOVQ(next.FSBase, RAX),
		CMPQ(RAX, prev.FSBase),
		IF(NE, setBase(x86.MSR_FS_BASE)),
		MOVQ(next.GSBase, RAX),
		CMPQ(RAX, prev.GSBase),
		IF(NE, setBase(x86.MSR_KERNEL_GS_BASE)),
		// An interrupt from ring 3 leaves SS null, and SYSRET on AMD does not
		// load the whole descriptor: a thread that entered by interrupt must
		// not leave a null SS to one that returns by SYSRET (Linux 4.2,
		// X86_BUG_SYSRET_SS_ATTRS).
		MOVW(SS, RAX),
		CMPW(RAX, x86.KERNEL_DS),
		IF(NE,
			MOVL(x86.KERNEL_DS, RAX),
			MOVW(RAX, SS),
		),
		MOVQ(RSI, gs.Current),
		MOVQ(next.StackTop, RAX),
		MOVQ(RAX, gs.TopOfStack),
		CMPQ(gs.UserBits, 0),
		IF(E, MOVQ(RAX, gs.TSS.SP0)),
		INCQ(next.Switches),
		MOVQ(RDI, RAX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

// setBase writes RAX to an MSR that holds a segment's base. Clobbers RAX, RCX,
// RDX.
func setBase(msr int) Block {
	return Block{
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		MOVL(uint32(msr), RCX),
		WRMSR(),
	}
}
