package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// kernelTable are the flags of an entry that points to a table of the upper half.
const kernelTable = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_ACCESSED

// userMapped is everything that the user's page table maps of the upper half while a
// variant isolates it: the code and data in use between ring 3 and the load of the
// kernel's CR3, and back. Each range goes from its first symbol up to the second, in
// whole pages.
var userMapped = [][2]Data{
	{entryStart, entryEnd},
	{irqentryStart, irqentryEnd},
	{mdsVerwSel, entryRodataEnd},
	{gdt, gdtEnd},
	{percpuTss, percpuEnd},
	{trampolineStack, trampolineStackEnd},
	{istStacks, istStacksEnd},
	{trapEntries, idtEnd},
}

// upper returns the entry of a top-level table for an address of the upper half.
func upper(pgd Mem, addr uint64) Mem { return pgd.Add(8 * int(addr>>pml4Shift&511)) }

// tableEntry puts an entry that points to the table sym in RAX.
func tableEntry(sym Data) Block {
	return Block{
		LEAQ(Sym(sym), RAX),
		ANDL(uint32(1<<31-1), RAX), // KernelBase is 2 GiB below the end
		ORL(kernelTable, RAX),
	}
}

// markUserFlush notes that translations of the user's PCID have become invalid,
// which INVLPG and a load of the kernel's CR3 do not reach (Linux
// arch/x86/mm/tlb.c, invalidate_user_asid).
func markUserFlush() Ins { return MOVQ(1, gs.UserPCIDFlushMask) }

// invlpg drops one of the user's translations.
func invlpg(addr Mem) Block { return Block{INVLPG(addr), markUserFlush()} }

// toKernelTable loads the kernel's page table if the user's is in force, which
// RAX says. Clobbers RAX.
func toKernelTable() Block {
	return Block{
		TESTL(layout.PTIUserPGTable, RAX),
		IF(NE,
			ANDQ(^layout.PTIUserBits, RAX),
			ORQ(gs.NoFlush, RAX),
			MOVQ(RAX, CR3),
		),
	}
}

// pageTableIsolation returns the part that keeps the page table that ring 3 runs on while a
// variant with cr3=switch or cr3=pcid is selected. It always exists, the second of the pair
// that an address space has, and maps the same in the lower half; its mappings of the upper
// half are common to all address spaces, and change with the selection: everything, or no
// more than userMapped.
//
// So a thread that was inside a call when another variant was selected, and leaves by the
// old one's exit, can come back by the new one's entry on either table.
func pageTableIsolation() Program {
	return Program{
		Funcs: Funcs(
			ptiInit, ptiClonePages, ptiSelect, ptiLoad, sysUserMap,
		),
		Data: []Data{
			userPdpt, userPd, userPageTable, userPhysmapPdpt, ptiMode, userMap(),
		},
	}
}

var userPdpt = BSS("user_pdpt", layout.PageSize, layout.PageSize)

var userPd = BSS("user_pd", layout.PageSize, layout.PageSize)

var userPageTable = BSS("user_page_table", layout.PageSize, layout.PageSize)

var userPhysmapPdpt = BSS("user_physmap_pdpt", layout.PageSize, layout.PageSize)

var ptiMode = BSS("pti_mode", 8, 8)

func userMap() Data {
	rangeSize := SizeOf[layout.AddressRange[Mem]]()
	return BSS("user_map", layout.UserMapMax*rangeSize, 64)
}

func ptiInit() Func {
	copyPages := Block{}
	for _, r := range userMapped {
		copyPages = append(copyPages,
			LEAQ(Sym(r[0]), RDI),
			LEAQ(Sym(r[1]), RSI),
			CALL(ptiClonePages),
		)
	}
	return FUNC("pti_init",
		`pti_init makes the user's page table of init_mm and, if the CPU has PCIDs,
turns them on: both tables have PCID 0 then, until CR3's bit PTIUserPCID is set.`,
		copyPages,
		tableEntry(userPageTable),
		MOVQ(RAX, Sym(userPd)),
		tableEntry(userPdpt),
		MOVQ(RAX, upper(Sym(initPgDir).Add(layout.PageSize), layout.KernelBase)),
		tableEntry(userPhysmapPdpt),
		MOVQ(RAX, upper(Sym(initPgDir).Add(layout.PageSize), layout.PhysMap)),
		TESTL(int(layout.FeaturePCID), Sym(cpuFeatures)),
		IF(NE,
			MOVQ(CR4, RAX),
			ORQ(x86.CR4_PCIDE, RAX),
			MOVQ(RAX, CR4),
		),
		MOVL(layout.CR3Keep, RDI),
		JMP(ptiLoad),
	).Takes()
}

func ptiClonePages() Func {
	return FUNC("pti_clone_pages",
		`pti_clone_pages maps the kernel's pages from RDI up to RSI in user_page_table, at
the same place. Clobbers RAX, RCX, RDX.`,
		LEAQ(Sym(kernelPageTable), RCX),
		LEAQ(Sym(userPageTable), RDX),
		ANDQ(pageMask, RDI),
		DO(
			slot(RDI, ptShift, RAX),
			PUSHQ(RAX.Index(RCX, 1)),
			POPQ(RAX.Index(RDX, 1)),
			ADDQ(layout.PageSize, RDI),
			CMPQ(RDI, RSI),
		).WHILE(B),
		RETURN(),
	).Takes(RDI, RSI)
}

func ptiSelect() Func {
	return FUNC("pti_select",
		`pti_select makes EDI, a layout.CR3*, the page table that ring 3 runs on. IF is 0.
Keeps R8.`,
		CMPL(RDI, Sym(ptiMode)),
		IF(E, RETURN()),
		JMP(ptiLoad),
	).Takes(RDI).Keeps(R8)
}

func ptiLoad() Func {
	return FUNC("pti_load",
		`pti_load is pti_select, whatever was selected before. The kernel's page table is in
force then: the user's may be about to lose the running code.`,
		MOVL(RDI, Sym(ptiMode)),
		MOVQ(CR3, RAX),
		ANDQ(^layout.PTIUserBits, RAX),
		MOVQ(RAX, CR3),
		XORL(RCX, RCX), // NoFlush
		CMPL(RDI, layout.CR3PCID),
		IF(E, BTSQ(x86.X86_CR3_PCID_NOFLUSH_BIT, RCX)),
		MOVQ(RCX, gs.NoFlush),
		CMPL(RDI, layout.CR3Keep),
		IF(E,
			MOVQ(gs.TopOfStack, RDX),
			XORL(RCX, RCX),
			tableEntry(kernelPd),
		).ELSE(
			MOVQ(gs.TSS.SP1, RDX),
			MOVL(layout.PTIUserBits, RCX),
			tableEntry(userPd),
		),
		MOVQ(RDX, gs.TSS.SP0),
		MOVQ(RCX, gs.UserBits),
		MOVQ(RAX, Sym(userPdpt).Add(8*int(uint64(layout.KernelBase)>>pdptShift&511))),
		MOVQ(RCX, RDX),
		LEAQ(Sym(physmapPdpt), RSI),
		LEAQ(Sym(userPhysmapPdpt), RDI),
		MOVL(layout.PhysMapSize>>pdptShift, RCX),
		CLD(),
		TESTL(RDX, RDX),
		IF(E, REP(MOVSQ())).ELSE(
			XORL(RAX, RAX),
			REP(STOSQ()),
		),
		// The kernel's pages are global, which they must not be if a load of CR3
		// is to drop them. A change of CR4.PGE drops all translations, of every
		// PCID (SDM volume 3, 4.10.4.1).
		MOVQ(CR4, RAX),
		ORQ(x86.CR4_PGE, RAX),
		MOVQ(RAX, CR4),
		MOVQ(RAX, RCX),
		ANDQ(^x86.CR4_PGE, RAX),
		MOVQ(RAX, CR4),
		TESTL(RDX, RDX),
		IF(E, MOVQ(RCX, CR4)),
		RETURN(),
	).Takes(RDI).Keeps(R8)
}

func sysUserMap() Func {
	addr, found := RBX, R12
	rangeSize := SizeOf[layout.AddressRange[Mem]]()
	last := Fields[layout.AddressRange[Mem]](RSI)
	// walkLevel goes from the table RAX to the next lower one, for the address
	// RBX; it goes to "leaf" if the entry maps a page itself, and to "next" after
	// an address that is not mapped.
	walkLevel := func(shift int) Block {
		leaf := Block{}
		switch shift {
		case pdptShift, pdShift:
			leaf = Block{
				MOVL(shift, RCX),
				TESTL(x86.PAGE_PSE, RAX),
				JNE("leaf"),
			}
		case ptShift:
			leaf = Block{MOVL(shift, RCX)}
		}
		return Block{
			slot(addr, shift, RCX),
			MOVQ(RAX.Index(RCX, 1), RAX),
			TESTL(x86.PAGE_PRESENT, RAX),
			IF(E, skipTo(addr, shift), JMP("next")),
			leaf,
			unless(shift == ptShift, Block{notNX(RAX), tableOf()}),
		}
	}
	return FUNC("sys_user_map",
		`sys_user_map(ranges) is layout.SysUserMap: it walks the user's page table as the
CPU would.`,
		MOVQ(uint64(layout.PhysMap), R8),
		XORL(found, found), // ranges found
		MOVQ(-1<<47, addr),
		LEAQ(Sym(userMap).Add(-rangeSize), RSI), // the last range found
		DO(
			MOVQ(gs.Current, RAX),
			MOVQ(thread(RAX).MM, RAX),
			MOVQ(mm(RAX).PGD, RAX),
			LEAQ(RAX.Index(R8, 1).Add(layout.PageSize), RAX),
			walkLevel(pml4Shift),
			walkLevel(pdptShift),
			walkLevel(pdShift),
			walkLevel(ptShift),
			LABEL("leaf"), // of 1<<CL bytes
			TESTQ(found, found),
			JE("begins"),
			CMPQ(addr, last.End),
			JE("goes_on"),
			LABEL("begins"),
			CMPQ(found, layout.UserMapMax),
			IF(E, fail(ENOMEM)),
			INCQ(found),
			ADDQ(rangeSize, RSI),
			MOVQ(addr, last.Start),
			LABEL("goes_on"),
			MOVL(1, RAX),
			SHLQ(RCX, RAX),
			ADDQ(RAX, addr),
			MOVQ(addr, last.End),
			LABEL("next"),
			TESTQ(addr, addr), // 0 follows the last address
		).WHILE(NE),
		LEAQ(Sym(userMap), RSI),
		MOVQ(found, RDX),
		IMULQ(rangeSize, RDX),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(found, RAX)),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI).Returns(RAX)
}
