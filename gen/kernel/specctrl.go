package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The kernel's own entries and exits handle SPEC_CTRL as a variant with
// ibrs=entry does: code in the kernel runs with IBRS set, ring 3 with IBRS clear
// (Linux 6.12 arch/x86/entry/entry_64.S: error_entry, paranoid_entry,
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

// enterSpecCtrl keeps ring 3's SPEC_CTRL at an entry from there, and sets the kernel's.
// Clobbers RAX, RCX and RDX.
func enterSpecCtrl() Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		RDMSR(),
		MOVL(RAX, gs.SpecCtrlRing3),
		writeSpecCtrl(0),
	)
}

// leaveSpecCtrl clears IBRS at an exit to ring 3. Interrupts are off. Clobbers RAX, RCX and
// RDX.
func leaveSpecCtrl() Block { return ifSpecCtrl(writeSpecCtrl(x86.SPEC_CTRL_IBRS)) }

// enterSpecCtrlParanoid works like enterSpecCtrl, but at an entry from anywhere. It leaves
// the value of the MSR, whose upper half is reserved, in saved; regs is the frame.
func enterSpecCtrlParanoid(saved Reg, regs *layout.PtRegs[Mem]) Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		RDMSR(),
		MOVL(RAX, saved),
		TESTB(3, regs.CS),
		IF(NE, MOVL(RAX, gs.SpecCtrlRing3)),
		writeSpecCtrl(0),
	)
}

// leaveSpecCtrlParanoid returns to ring 0 with the value that enterSpecCtrlParanoid
// found.
func leaveSpecCtrlParanoid(saved Reg) Block {
	return ifSpecCtrl(
		MOVL(x86.MSR_IA32_SPEC_CTRL, RCX),
		MOVL(saved, RAX),
		XORL(RDX, RDX),
		WRMSR(),
	)
}

// forgetSpecCtrl clears the MSR, which a variant with ibrs=entry or bhb=dis-s may have
// left set, if no variant with ibrs=entry is selected any more. A thread that is inside a call of a
// variant without ibrs=entry when one with it is selected returns from that call with
// the value that the CPU has by then.
func forgetSpecCtrl() Block {
	return Block{
		CMPQ(gs.SpecCtrl, 0),
		IF(E,
			TESTL(uint64(layout.FeatureIBRS), Sym(cpuFeatures)),
			IF(NE, writeSpecCtrl(0)),
		),
	}
}

// readSpecCtrl stores the MSR, or 0 if the CPU lacks it.
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
