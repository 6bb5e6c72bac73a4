package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The kernel's own ways between the rings keep SPEC_CTRL as a variant with
// ibrs=entry does: whoever runs in the kernel has IBRS set, whoever in ring 3 has
// not (Linux 6.12 arch/x86/entry/entry_64.S: error_entry, paranoid_entry,
// swapgs_restore_regs_and_return_to_usermode). Without such a variant
// PerCPU.SpecCtrl is 0 and they leave the MSR alone.

// ifSpecCtrl runs items if a variant with ibrs=entry is selected.
func ifSpecCtrl(items ...Item) Block {
	return Block{
		CMPQ(gs.SpecCtrl, 0),
		IF(NE, items...),
	}
}

// writeSpecCtrl writes PerCPU.SpecCtrl, without the bits of mask, to the MSR.
// Clobbers RAX, RCX and RDX.
func writeSpecCtrl(mask int) Block {
	return Block{
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		MOVQ(gs.SpecCtrl, RDX),
		ANDQ(^mask, RDX),
		MOVL(RDX, RAX),
		SHRQ(32, RDX),
		WRMSR(),
	}
}

// enterSpecCtrl is for ways in from ring 3.
func enterSpecCtrl() Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		RDMSR(),
		MOVL(RAX, gs.SpecCtrlRing3),
		writeSpecCtrl(0),
	)
}

// leaveSpecCtrl is for ways out to ring 3. Interrupts are off.
func leaveSpecCtrl() Block { return ifSpecCtrl(writeSpecCtrl(x86.SPEC_CTRL_IBRS)) }

// enterSpecCtrlParanoid is for ways in from anywhere. It leaves in saved what was
// in the MSR, whose upper half is reserved.
func enterSpecCtrlParanoid(saved Reg) Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		RDMSR(),
		MOVL(RAX, saved),
		TESTB(3, ptRegs(RSP).CS),
		IF(NE, MOVL(RAX, gs.SpecCtrlRing3)),
		writeSpecCtrl(0),
	)
}

// leaveSpecCtrlParanoid goes back to ring 0 with what enterSpecCtrlParanoid has
// found.
func leaveSpecCtrlParanoid(saved Reg) Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		MOVL(saved, RAX),
		XORL(RDX, RDX),
		WRMSR(),
	)
}

// forgetSpecCtrl clears the MSR, which a variant with ibrs=entry may have left
// set, if none is selected any more. A thread that is inside a call of a variant
// without it when one with it is selected returns from that call with what the
// CPU has by then.
func forgetSpecCtrl() Block {
	return Block{
		CMPQ(gs.SpecCtrl, 0),
		IF(E,
			TESTL(uint64(layout.FeatureIBRS), Sym(cpuFeatures)),
			IF(NE, writeSpecCtrl(0)),
		),
	}
}

// readSpecCtrl stores the MSR, 0 if the CPU has none.
func readSpecCtrl(to Mem) Block {
	return Block{
		MOVQ(0, to),
		TESTL(uint64(layout.FeatureIBRS), Sym(cpuFeatures)),
		IF(NE,
			MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
			RDMSR(),
			MOVL(RAX, to),
		),
	}
}
