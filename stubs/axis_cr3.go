package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis cr3. If ring 3 has its own page table, which maps no more of
// the kernel than its entries and exits need, then what the CPU does ahead of a fault
// finds nothing to read there (page-table isolation, against Meltdown).
const (
	CR3Keep   Value = "cr3=keep"
	CR3Switch Value = "cr3=switch"
	CR3PCID   Value = "cr3=pcid"
)

var _ = Register(Axis{
	Name: "cr3", Rank: 190,
	Doc: "the page table that ring 3 runs on",
	Values: []Choice{
		{Value: CR3Keep, Since: "Linux 3.19", Doc: "the kernel's"},
		{
			Value: CR3Switch, Since: "Linux 4.15", Promises: PromiseIsolated, Puts: Puts{BeforeStack: toKernelCR3, OnTrampoline: toUserCR3},
			Doc: "its own, which maps only as much of the kernel as entry and exit need; every load of CR3 drops the translations",
		},
		{
			Value: CR3PCID, Since: "Linux 4.15", Promises: PromiseIsolated | PromisePCID, Puts: Puts{BeforeStack: toKernelCR3, OnTrampoline: toUserCR3},
			Doc:   "the same, with the translations of both page tables kept by process-context identifiers",
			Needs: layout.FeaturePCID,
		},
	},
	Excludes: []Exclusion{
		{
			What: "cr3=switch or cr3=pcid with scratch=percpu",
			Why:  "the store to RSPScratch would fault: it comes before the kernel's page table is loaded, and the user's maps only the TSS of the per-CPU area",
			Is:   func(v Axes) bool { return v.isolates() && v.Is(ScratchPerCPU) },
		},
		{
			What: "cr3=switch or cr3=pcid with stack=sp0",
			Why:  "SP0 is then the stack for interrupts from ring 3, which the user's page table maps: it is not the thread's",
			Is:   func(v Axes) bool { return v.isolates() && v.Is(StackSP0) },
		},
		{
			What: "cr3=switch or cr3=pcid with leave=stack and SYSRETQ",
			Why:  "CR3 is loaded from a register, after the last access to the thread's stack: RDI must wait on a stack that both tables map",
			Is:   func(v Axes) bool { return v.isolates() && v.Is(LeaveStack) && v.sysrets() },
		},
	},
})

// isolates reports whether ring 3 has its own page table.
func (v Axes) isolates() bool { return !v.Is(CR3Keep) }

// toKernelCR3 loads the kernel's page table: SWITCH_TO_KERNEL_CR3. Only the TSS's
// page and the trampoline stack may be touched before it. It does not check which
// table is in force. Clobbers RSP.
func toKernelCR3(v Axes) Block {
	return Block{
		MOVQ(CR3, RSP),
		v.noFlush(RSP),
		ANDQ(^layout.PTIUserBits, RSP),
		MOVQ(RSP, CR3).C("user's page table -> kernel's"),
	}
}

// noFlush keeps the PCID's translations when the CR3 is loaded next.
func (v Axes) noFlush(cr3 Reg) Block {
	if !v.Is(CR3PCID) {
		return v.nop("keep its translations, with PCIDs")
	}
	return Block{BTSQ(x86.X86_CR3_PCID_NOFLUSH_BIT, cr3).C("keep its translations")}
}

// toUserCR3 loads the user's page table: SWITCH_TO_USER_CR3_STACK. RSP is on the
// trampoline stack. Clobbers RDI.
func toUserCR3(v Axes) Block {
	return Block{
		PUSHQ(RAX),
		MOVQ(CR3, RDI),
		v.userPCID(RDI, RAX),
		ORQ(v.userBits(), RDI),
		MOVQ(RDI, CR3).C("kernel's page table -> user's"),
		POPQ(RAX),
	}
}

// userPCID gives a CR3 the user's PCID, whose translations are kept unless some
// have become invalid: the kernel notes that, as it cannot drop them while its own
// PCID is loaded. Clobbers tmp.
func (v Axes) userPCID(cr3, tmp Reg) Block {
	if !v.Is(CR3PCID) {
		return v.jumpOver("the PCID")
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

// userBits returns the bits that toUserCR3 sets last. Without PCIDs the bit of the user's
// PCID has no meaning, but on a CPU that has them it keeps translations apart when a call
// ends while another variant is selected.
func (v Axes) userBits() int {
	if v.Is(CR3PCID) {
		return layout.PTIUserPGTable
	}
	return layout.PTIUserBits
}

// toPTI jumps to the exit by IRETQ that isolates the page tables.
func (v Axes) toPTI() Block {
	if v.Is(CR3Keep) {
		return v.nop("to the exit that loads CR3")
	}
	return v.jumpOver("the exit that does not load CR3")
}

// popIRET ends an exit by IRETQ that has popped everything but RDI.
func (v Axes) popIRET() Block {
	if v.Is(CR3Keep) {
		return Block{
			POPQ(RDI).Is(pt.DI),
			ADDQ(pt.IP.Off-pt.OrigAX.Off, RSP).C("to the hardware frame"),
			SWAPGS().C("GS.base: PerCPU -> user"),
			v.at(BeforeReturn),
			v.userIRET(""),
		}
	}
	return v.iretTail(pt.DI.Off, "")
}

// iretTail ends an exit by IRETQ on the user's page table: RSP is off bytes above
// the frame's start, and all registers except RSP and RDI are the user's.
func (v Axes) iretTail(off int, way string) Block {
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
		v.at(OnTrampoline),
		POPQ(RDI),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		v.userIRET(way),
	}
}

// pageTable tells the kernel which of layout's CR3 values the variant has.
func (v Axes) pageTable() uint64 {
	switch {
	case v.Is(CR3Switch):
		return layout.CR3Switch
	case v.Is(CR3PCID):
		return layout.CR3PCID
	}
	return layout.CR3Keep
}
