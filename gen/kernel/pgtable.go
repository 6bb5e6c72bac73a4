package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Levels of the page tables: an entry at a level maps 1<<shift bytes (SDM
// volume 3, figure 4-8).
const (
	pml4Shift = 39
	pdptShift = 30
	pdShift   = 21
	ptShift   = 12
)

// largePage is what an entry of a page directory can map itself.
const largePage = 1 << pdShift

// userTable are the flags of an entry that points to a table.
const userTable = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_USER | x86.PAGE_ACCESSED

// flushCeiling is how many pages are dropped from the TLB one by one; more flush
// it as a whole (Linux's tlb_single_page_flush_ceiling).
const flushCeiling = 33

// flushTLB drops all of the user's translations. Those of address spaces that
// are not loaded are gone already (switch_mm). Clobbers RAX.
func flushTLB() Block { return Block{MOVQ(CR3, RAX), MOVQ(RAX, CR3), markUserFlush()} }

// slot puts the offset of addr's entry in a table of the level with this shift in
// dst.
func slot(addr Reg, shift int, dst Reg) Block {
	return Block{
		MOVQ(addr, dst),
		SHRQ(shift-3, dst),
		ANDL(511*8, dst),
	}
}

// skipTo rounds addr up to the start of the next entry of a level.
func skipTo(addr Reg, shift int) Block {
	return Block{
		SHRQ(shift, addr),
		INCQ(addr),
		SHLQ(shift, addr),
	}
}

// tableOf follows the entry RAX to its table; R8 holds PhysMap.
func tableOf() Block {
	return Block{ANDQ(pageMask, RAX), ADDQ(R8, RAX)}
}

// notNX clears the only high flag of the entry r that the kernel sets, and not in those
// that lead to a user's table.
func notNX(r Reg) Ins { return BTRQ(63, r) }

// physical puts the physical address of the linear address from in to.
func physical(from, to Reg) Block {
	return Block{MOVQ(uint64(1<<64-layout.PhysMap), to), ADDQ(from, to)}
}

// topLevel puts the current address space's top-level table in RAX.
func topLevel() Block {
	return Block{
		MOVQ(gs.Current, RAX),
		MOVQ(thread(RAX).MM, RAX),
		MOVQ(mm(RAX).PGD, RAX),
		ADDQ(R8, RAX),
	}
}

// setEntry stores RCX as the entry RSI of a table of a level.
func setEntry(shift int) Block {
	if shift == pml4Shift {
		return Block{CALL(setPgd)}
	}
	return Block{MOVQ(RCX, RSI.At(0))}
}

// walkLevel goes from the table RAX to the next lower one. Where that is
// missing the walk continues at the next entry of this level.
func walkLevel(shift int) Block {
	return Block{
		slot(RDI, shift, RCX),
		MOVQ(RAX.Index(RCX, 1), RAX),
		TESTL(x86.PAGE_PRESENT, RAX),
		IF(E, skipTo(RDI, shift), CONTINUE()),
		tableOf(),
	}
}

// pageTables returns the part that keeps the four levels of tables that map the user's
// half. A table exists only where an area reaches into its span. Below the top level all
// address spaces share their tables, so that a change is visible in all.
func pageTables() Program {
	return Program{
		Funcs: Funcs(
			pteAlloc, nextPte, zapRange, freePgtables, protectRange, moveRange,
		),
		Data: []Data{
			protectionMap(),
		},
	}
}

func pteAlloc() Func {
	// allocLevel goes from the table RAX to the next lower one, and makes that
	// one if it is missing.
	allocLevel := func(shift int) Block {
		return Block{
			slot(RDI, shift, RCX),
			LEAQ(RAX.Index(RCX, 1), RSI), // the entry
			MOVQ(RSI.At(0), RAX),
			TESTL(x86.PAGE_PRESENT, RAX),
			IF(E,
				PUSHQ(RDI),
				CALL(allocTable),
				POPQ(RDI),
				TESTQ(RAX, RAX),
				JE("out"),
				MOVQ(RAX, RCX),
				SUBQ(R8, RCX),
				ORQ(userTable, RCX),
				setEntry(shift),
			).ELSE(tableOf()),
		}
	}
	return FUNC("pte_alloc",
		`pte_alloc returns the address of the page-table entry of the user address RDI,
and makes the tables down to it, or returns 0 if there is no memory for them.`,
		MOVQ(uint64(layout.PhysMap), R8),
		topLevel(),
		allocLevel(pml4Shift),
		allocLevel(pdptShift),
		allocLevel(pdShift),
		slot(RDI, ptShift, RCX),
		ADDQ(RCX, RAX),
		LABEL("out"),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func nextPte() Func {
	const line = 8 // entries in a cache line
	emptyLine := Block{MOVQ(RAX.Index(RCX, 1), R9)}
	for i := 1; i < line; i++ {
		emptyLine = append(emptyLine, ORQ(RAX.Index(RCX, 1).Add(8*i), R9))
	}
	return FUNC("next_pte",
		`next_pte returns the address of the first entry in use for the user addresses
from RDI, at a page, up to RSI, and that page's address in RDX; 0 if there is
none.`,
		MOVQ(uint64(layout.PhysMap), R8),
		LOOP(
			CMPQ(RDI, RSI),
			BREAK(AE),
			topLevel(),
			walkLevel(pml4Shift),
			walkLevel(pdptShift),
			walkLevel(pdShift),
			slot(RDI, ptShift, RCX),
			LOOP(
				TESTL(8*line-1, RCX),
				IF(E,
					LABEL("line"),
					emptyLine,
					IF(E,
						ADDQ(line*layout.PageSize, RDI),
						ADDL(line*8, RCX),
						CMPL(RCX, layout.PageSize),
						JB("line"),
						JMP("step"),
					),
					CMPQ(RDI, RSI),
					BREAK(AE),
				),
				CMPQ(RAX.Index(RCX, 1), 0),
				IF(NE,
					ADDQ(RCX, RAX),
					MOVQ(RDI, RDX),
					RETURN(),
				),
				ADDQ(layout.PageSize, RDI),
				ADDL(8, RCX),
				LABEL("step"),
				CMPQ(RDI, RSI),
				BREAK(AE),
				CMPL(RCX, layout.PageSize),
				BREAK(E),
			),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX, RDX, R8)
}

func zapRange() Func {
	addr, end, freed := RBX, RBP, R12
	return FUNC("zap_range", "zap_range frees the pages of the user addresses from RDI up to RSI, both at pages.",
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		XORL(freed, freed), // pages freed
		LOOP(
			MOVQ(addr, RDI),
			MOVQ(end, RSI),
			CALL(nextPte),
			TESTQ(RAX, RAX),
			BREAK(E),
			MOVQ(RAX.At(0), RDI),
			MOVQ(0, RAX.At(0)),
			TESTL(layout.PTEShared|layout.PTECounted, RDI),
			IF(E,
				notNX(RDI),
				ANDQ(pageMask, RDI),
				ADDQ(R8, RDI),
				CALL(freePage),
			).ELSE(
				TESTL(layout.PTECounted, RDI),
				IF(NE, PUSHQ(RDX), CALL(pagePut), POPQ(RDX)),
			),
			INCL(freed),
			CMPL(freed, flushCeiling),
			IF(B, invlpg(RDX.At(0))),
			LEAQ(RDX.At(layout.PageSize), addr),
		),
		CMPL(freed, flushCeiling),
		IF(AE, flushTLB()),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI)
}

func freePgtables() Func {
	start, end, floor, ceiling := RBX, RBP, R12, R13
	// freeTables frees the tables to which entries of one level point where
	// the whole span of the entry is free; above are the levels above it.
	freeTables := func(shift int, above ...int) Block {
		walk := Block{}
		for _, s := range above {
			walk = append(walk, walkLevel(s))
		}
		return Block{
			MOVQ(start, RDI),
			SHRQ(shift, RDI),
			SHLQ(shift, RDI),
			LOOP(
				CMPQ(RDI, end),
				BREAK(AE),
				topLevel(),
				walk,
				slot(RDI, shift, RCX),
				LEAQ(RAX.Index(RCX, 1), RSI),
				MOVQ(RSI.At(0), RAX),
				MOVQ(RDI, RDX),
				skipTo(RDI, shift),
				TESTL(x86.PAGE_PRESENT, RAX),
				CONTINUE(E),
				CMPQ(RDX, floor),
				CONTINUE(B),
				CMPQ(RDI, ceiling),
				CONTINUE(A),
				XORL(RCX, RCX),
				setEntry(shift),
				tableOf(),
				PUSHQ(RDI),
				MOVQ(RAX, RDI),
				CALL(freeTable),
				POPQ(RDI),
				MOVL(1, R9), // something was freed
			),
		}
	}
	return FUNC("free_pgtables",
		`free_pgtables frees the tables for the addresses from RDI up to RSI, in which
there are no pages, except tables that are also needed below RDX or above RCX: the
nearest addresses in use.`,
		MOVQ(RDI, start),
		MOVQ(RSI, end),
		MOVQ(RDX, floor),
		MOVQ(RCX, ceiling),
		MOVQ(uint64(layout.PhysMap), R8),
		XORL(R9, R9),
		freeTables(pdShift, pml4Shift, pdptShift),
		freeTables(pdptShift, pml4Shift),
		freeTables(pml4Shift),
		TESTL(R9, R9),
		IF(NE, flushTLB()), // the CPU caches entries of the upper levels too
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RDX, RCX)
}

func protectRange() Func {
	addr, end, bits := RBX, RBP, R12
	return FUNC("protect_range",
		`protect_range gives the pages of the user addresses from RDI up to RSI the
protection EDX.`,
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		LEAQ(Sym(protectionMap), RAX),
		MOVQ(RAX.Index(RDX, 8), bits),
		LOOP(
			MOVQ(addr, RDI),
			MOVQ(end, RSI),
			CALL(nextPte),
			TESTQ(RAX, RAX),
			BREAK(E),
			MOVQ(RAX.At(0), RCX),
			notNX(RCX),
			ANDQ(pageMask|layout.PTEShared|layout.PTECounted, RCX),
			ORQ(bits, RCX),
			TESTL(layout.PTECounted, RCX),
			IF(NE, ANDQ(^x86.PAGE_RW, RCX)), // until cow_break
			MOVQ(RCX, RAX.At(0)),
			invlpg(RDX.At(0)),
			LEAQ(RDX.At(layout.PageSize), addr),
		),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI, RDX)
}

func moveRange() Func {
	addr, end, distance, pte := RBX, RBP, R12, R13
	return FUNC("move_range",
		`move_range moves the pages of the user addresses from RDI up to RSI to RDX.
There must be memory for the tables there.`,
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		MOVQ(RDX, distance),
		SUBQ(RDI, distance), // how far
		LOOP(
			MOVQ(addr, RDI),
			MOVQ(end, RSI),
			CALL(nextPte),
			TESTQ(RAX, RAX),
			BREAK(E),
			MOVQ(RAX.At(0), pte),
			MOVQ(0, RAX.At(0)),
			invlpg(RDX.At(0)),
			LEAQ(RDX.At(layout.PageSize), addr),
			LEAQ(RDX.Index(distance, 1), RDI),
			CALL(pteAlloc),
			MOVQ(pte, RAX.At(0)),
		),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RDX)
}

// protectionMap gives the flags of a page's entry for each protection. Pages
// are marked accessed and dirty, so that the CPU need not do so.
func protectionMap() Data {
	var content []any
	for prot := range 8 {
		var flags uint64 = x86.PAGE_PRESENT | x86.PAGE_USER | x86.PAGE_ACCESSED | x86.PAGE_DIRTY
		if prot&layout.ProtWrite != 0 {
			flags |= x86.PAGE_RW
		}
		if prot&layout.ProtExec == 0 {
			flags |= x86.PAGE_NX
		}
		if prot == 0 {
			flags = layout.PTEProtNone
		}
		content = append(content, flags)
	}
	return RODATA("protection_map", content...)
}
