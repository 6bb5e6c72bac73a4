package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// IBRS is whether indirect branches and returns in the kernel are kept from what
// ring 3 has taught the CPU's predictors, on CPUs that do not see to it by
// themselves.
type IBRS uint8

const (
	// IBRSOff is that nobody sets SPEC_CTRL.
	IBRSOff IBRS = iota
	// IBRSEntry sets SPEC_CTRL.IBRS at the entry, before the first branch of
	// those, and gives ring 3 its own value back at the exit: Linux's mitigation of
	// Retbleed on Intel CPUs from Skylake on that have no enhanced IBRS (5.19;
	// arch/x86/entry/calling.h, IBRS_ENTER and IBRS_EXIT; SDM volume 4, MSR 48H).
	IBRSEntry
)

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

// ibrsEnter goes over to the kernel's SPEC_CTRL. The frame is built. Clobbers
// RAX, RCX and RDX.
func (v Variant) ibrsEnter() Block {
	if v.IBRS != IBRSEntry {
		return nil
	}
	return writeSpecCtrl(0)
}

// ibrsEnterFast is ibrsEnter where the handler's number and third argument are
// in their registers.
func (v Variant) ibrsEnterFast(regs layout.PtRegs[Mem]) Block {
	if v.IBRS != IBRSEntry {
		return nil
	}
	return Block{
		v.ibrsEnter(),
		MOVQ(regs.OrigAX, RAX),
		MOVQ(regs.DX, RDX),
	}
}

// ibrsExit goes back to ring 3's SPEC_CTRL. Interrupts are off, and no register
// of the user's is loaded yet. Clobbers RAX, RCX and RDX.
func (v Variant) ibrsExit() Block {
	if v.IBRS != IBRSEntry {
		return nil
	}
	return writeSpecCtrl(x86.SPEC_CTRL_IBRS)
}

// ibrsExitChecked is ibrsExit where RCX holds the user's RIP, as sysretFits
// leaves it.
func (v Variant) ibrsExitChecked(regs layout.PtRegs[Mem]) Block {
	if v.IBRS != IBRSEntry {
		return nil
	}
	return Block{v.ibrsExit(), MOVQ(regs.CX, RCX)}
}

// specCtrl is the kernel's SPEC_CTRL while the variant is selected; 0 stands for
// one that nobody writes.
func (v Variant) specCtrl() uint64 {
	if v.IBRS != IBRSEntry {
		return 0
	}
	return x86.SPEC_CTRL_IBRS
}
