package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// PTI is the page table that ring 3 runs on. With one of its own, which maps no
// more of the kernel than its entries and exits need, nothing is there to be read
// by what the CPU does ahead of a fault (page-table isolation, against Meltdown:
// Linux 4.15).
type PTI uint8

const (
	// CR3Keep is the kernel's.
	CR3Keep PTI = layout.CR3Keep
	// CR3Switch is one of the user's; every load of CR3 drops the translations.
	CR3Switch PTI = layout.CR3Switch
	// CR3PCID is the same, and process-context identifiers keep the
	// translations of both.
	CR3PCID PTI = layout.CR3PCID
)

// toKernelCR3 loads the kernel's page table: SWITCH_TO_KERNEL_CR3. What the TSS's
// page and the trampoline stack hold is all that may be touched before. It does
// not ask which table is in force. Clobbers scratch.
func (v Variant) toKernelCR3(scratch Reg) Block {
	if v.CR3 == CR3Keep {
		return nil
	}
	return Block{
		MOVQ(CR3, scratch),
		v.noFlush(scratch),
		ANDQ(^layout.PTIUserBits, scratch),
		MOVQ(scratch, CR3).C("user's page table -> kernel's"),
	}
}

// noFlush keeps the translations of the PCID in a CR3 that is loaded next.
func (v Variant) noFlush(cr3 Reg) Block {
	if v.CR3 != CR3PCID {
		return nil
	}
	return Block{BTSQ(x86.X86_CR3_PCID_NOFLUSH_BIT, cr3).C("keep its translations")}
}

// toUserCR3 loads the user's page table: SWITCH_TO_USER_CR3_STACK. RSP is on the
// trampoline stack. Clobbers scratch.
func (v Variant) toUserCR3(scratch Reg) Block {
	if v.CR3 == CR3Keep {
		return nil
	}
	return Block{
		PUSHQ(RAX),
		MOVQ(CR3, scratch),
		v.userPCID(scratch, RAX),
		ORQ(v.userBits(), scratch),
		MOVQ(scratch, CR3).C("kernel's page table -> user's"),
		POPQ(RAX),
	}
}

// userPCID gives a CR3 the user's PCID, whose translations are kept unless some
// have become invalid: the kernel notes that, as it cannot reach them from its
// own. Clobbers tmp.
func (v Variant) userPCID(cr3, tmp Reg) Block {
	if v.CR3 != CR3PCID {
		return nil
	}
	return Block{
		MOVQ(cr3, tmp),
		ANDQ(layout.CR3ASID, cr3),
		BTQ(cr3, gs.UserPCIDFlushMask).C("have any become invalid?"),
		IF(B,
			BTRQ(cr3, gs.UserPCIDFlushMask),
			MOVQ(tmp, cr3),
		).ELSE(
			MOVQ(tmp, cr3),
			v.noFlush(cr3),
		),
		ORQ(layout.PTIUserPCID, cr3),
	}
}

// userBits are what toUserCR3 sets at last. Without PCIDs the bit of the user's
// has no meaning; it keeps apart what a CPU that has them would mix up when a
// call ends while another variant is selected.
func (v Variant) userBits() int {
	if v.CR3 == CR3PCID {
		return layout.PTIUserPGTable
	}
	return layout.PTIUserBits
}

// popIRET is the end of an exit by IRETQ that has popped all but RDI.
func (v Variant) popIRET() Block {
	if v.CR3 == CR3Keep {
		return Block{POPQ(RDI).Is(pt.DI), v.iretTail(pt.OrigAX.Off)}
	}
	return v.iretTail(pt.DI.Off)
}

// iretTail ends an exit by IRETQ: it pops the hardware frame. RSP is
// off bytes above the frame's start, and all other registers are the user's;
// RDI is too with cr3=keep.
func (v Variant) iretTail(off int) Block {
	leave := Block{
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.verw(),
		IRETQ(),
	}
	if v.CR3 == CR3Keep {
		return Block{ADDQ(pt.IP.Off-off, RSP).C("to the hardware frame"), leave}
	}
	regs := Fields[layout.PtRegs[Mem]](RDI.At(-off))
	return Block{
		MOVQ(RSP, RDI).C("the frame"),
		MOVQ(gs.TSS.SP1, RSP).C("the trampoline stack"),
		PUSHQ(regs.SS),
		PUSHQ(regs.SP),
		PUSHQ(regs.Flags),
		PUSHQ(regs.CS),
		PUSHQ(regs.IP),
		PUSHQ(regs.DI),
		v.toUserCR3(RDI),
		POPQ(RDI),
		leave,
	}
}
