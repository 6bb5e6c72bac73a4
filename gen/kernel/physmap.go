package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

func physmapInit() Func {
	rngPtr, addr, first := RBX, RBP, R12
	rng := Fields[layout.MemRange[Mem]](rngPtr)
	moved := Fields[layout.MemRange[Mem]](first)
	const flags = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_PSE | x86.PAGE_GLOBAL | x86.PAGE_ACCESSED | x86.PAGE_DIRTY
	return FUNC("physmap_init",
		`physmap_init maps the free RAM above PhysMapLow and makes it the first that is handed
out. It is mapped by large pages, so that what else lies in one of them is not used: it
may be a device. Where there is no room for page directories the rest is not used either.`,
		LEAQ(Sym(mmRanges), rngPtr),
		MOVQ(rngPtr, first), // the first range that need not be in front
		LOOP(
			CMPQ(rngPtr, memory.RangesEnd),
			BREAK(AE),
			MOVQ(uint64(layout.PhysMapLow), RAX),
			MOVQ(rng.Start, addr),
			CMPQ(addr, RAX),
			IF(AE,
				ADDQ(largePage-1, addr),
				ANDQ(-largePage, addr),
				MOVQ(rng.End, RCX),
				ANDQ(-largePage, RCX),
				CMPQ(RCX, addr),
				CMOVQB(addr, RCX),
				MOVQ(moved.Start, RDX),
				MOVQ(moved.End, RSI),
				MOVQ(RDX, rng.Start),
				MOVQ(RSI, rng.End),
				MOVQ(addr, moved.Start),
				MOVQ(RCX, moved.End),
				LOOP(
					CMPQ(addr, moved.End),
					BREAK(AE),
					MOVQ(uint64(layout.PhysMap), R8),
					LEAQ(Sym(physmapPdpt), RAX),
					slot(addr, pdptShift, RCX),
					LEAQ(RAX.Index(RCX, 1), RSI),
					CMPQ(RSI.At(0), 0),
					IF(E,
						CALL(lowPage),
						IF(E,
							MOVQ(addr, moved.End),
							BREAK(),
						),
						ORQ(kernelTable, RAX),
						MOVQ(RAX, RSI.At(0)),
					),
					MOVQ(RSI.At(0), RAX),
					tableOf(),
					slot(addr, pdShift, RCX),
					LEAQ(addr.At(flags), RDX),
					MOVQ(RDX, RAX.Index(RCX, 1)),
					ADDQ(largePage, addr),
				),
				ADDQ(memRange, first),
			).ELSE( // RAM does not reach across: there is a PC's ROM
				CMPQ(rng.End, RAX),
				IF(A, MOVQ(RAX, rng.End)),
			),
			ADDQ(memRange, rngPtr),
		),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes()
}

func lowPage() Func {
	rng := Fields[layout.MemRange[Mem]](RCX)
	return FUNC("low_page",
		`low_page takes a page out of the free RAM below PhysMapLow, makes it all zeros and
returns its physical address; ZF is set if there is none. R8 is PhysMap.`,
		LEAQ(Sym(mmRanges), RCX),
		LOOP(
			CMPQ(RCX, memory.RangesEnd),
			IF(AE,
				XORL(RAX, RAX),
				RETURN(),
			),
			MOVQ(rng.Start, RDX),
			CMPQ(RDX, rng.End),
			IF(B,
				MOVQ(uint64(layout.PhysMapLow), RAX),
				CMPQ(RDX, RAX),
				BREAK(B),
			),
			ADDQ(memRange, RCX),
		),
		ADDQ(layout.PageSize, rng.Start),
		LEAQ(R8.Index(RDX, 1), RDI),
		XORL(RAX, RAX),
		MOVL(layout.PageSize/8, RCX),
		CLD(),
		REP(STOSQ()),
		MOVQ(RDX, RAX),
		TESTQ(RAX, RAX), // not 0: RAM begins at 1 MiB
		RETURN(),
	).Takes(R8).Returns(RAX, FLAGS).Keeps(RSI, R8)
}

func pageCountsInit() Func {
	rng := Fields[layout.MemRange[Mem]](RCX)
	size := RSI
	return FUNC("page_counts_init",
		`page_counts_init makes the table of page_counts, as long as the RAM needs it, in the first
free RAM with room for it.`,
		XORL(size, size), // the end of the RAM
		LEAQ(Sym(mmRanges), RCX),
		LOOP(
			CMPQ(RCX, memory.RangesEnd),
			BREAK(AE),
			CMPQ(size, rng.End),
			CMOVQB(rng.End, size),
			ADDQ(memRange, RCX),
		),
		SHRQ(countsShift-3, size),
		ADDQ(8+layout.PageSize-1, size),
		ANDQ(pageMask, size),
		LEAQ(Sym(mmRanges), RCX),
		LOOP(
			CMPQ(RCX, memory.RangesEnd),
			IF(AE, RETURN()), // mm_init finds too little memory
			MOVQ(rng.Start, RDI),
			LEAQ(RDI.Index(size, 1), RAX),
			CMPQ(RAX, rng.End),
			BREAK(BE),
			ADDQ(memRange, RCX),
		),
		MOVQ(RAX, rng.Start),
		MOVQ(uint64(layout.PhysMap), RAX),
		ADDQ(RAX, RDI),
		MOVQ(RDI, Sym(pageCounts)),
		XORL(RAX, RAX),
		MOVQ(size, RCX),
		SHRQ(3, RCX),
		CLD(),
		REP(STOSQ()),
		RETURN(),
	).Takes()
}
