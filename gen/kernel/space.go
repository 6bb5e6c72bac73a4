package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// countsShift is how much RAM shares a page of counts, in which each page has 32 bits.
const countsShift = 22

// spaces copies what a process has mapped for another, and takes it away.
//
// After a fork both have the same pages. A page with more than one owner, that is, in
// more than one Space, has the number of the others in page_counts, and its entries have
// PTECounted. In private areas they are read-only, until a write makes a copy for the
// writer (cow_break).
func spaces() Program {
	return Program{
		Funcs: Funcs(
			spaceCopy, clearTables, unmapAll, spaceEmpty, areasCopy, futexTag, pagesCopy, pteAllocIn, pageShare, pagePut, cowBreak,
		),
		Data: []Data{
			pageCounts, lastFutexTag,
		},
	}
}

// pageCounts is the address of a table that has the address of a page of counts for each
// 4 MiB of RAM, or 0 where no page was ever shared.
var pageCounts = BSS("page_counts", 8, 8)

var lastFutexTag = BSS("last_futex_tag", 8, 8)

func spaceCopy() Func {
	mmPtr, madePtr, fromPtr := RBX, R12, R13
	made := space(madePtr)
	return FUNC("space_copy",
		`space_copy gives the MM RDI, which mm_alloc has made for another process, a Space with
a copy of all that is mapped in the loaded one. Returns 0 or -ENOMEM, also if only reserved
pages would be left, which both need to write to what they have; mm_put then frees
the Space with the MM. Memory locks are not inherited.`,
		MOVQ(RDI, mmPtr),
		MOVQ(memory.Space, fromPtr),
		LEAQ(Sym(spaceCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, fail(ENOMEM)),
		CALL(slabAlloc),
		MOVQ(RAX, madePtr),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(SizeOf[layout.Space[Mem]]()/8, RCX),
		REP(STOSQ()),
		MOVQ(madePtr, RAX),
		CALL(areasInit),
		CALL(futexTag),
		MOVQ(RAX, made.Loaded.FutexTag),
		MOVQ(memory.Own.BrkStart, RAX),
		MOVQ(RAX, made.Loaded.BrkStart),
		MOVQ(memory.Own.Brk, RAX),
		MOVQ(RAX, made.Loaded.Brk),
		MOVQ(1, made.Threads),
		MOVQ(1, made.MMs),
		DECQ(space(fromPtr).MMs),
		MOVQ(madePtr, mm(mmPtr).Space),
		MOVQ(madePtr, RAX),
		CALL(spaceLoad),
		MOVQ(fromPtr, RDI),
		CALL(areasCopy),
		PUSHQ(RAX),
		MOVQ(fromPtr, RAX),
		CALL(spaceLoad),
		POPQ(RAX),
		TESTQ(RAX, RAX),
		IF(E,
			MOVQ(mmPtr, RDI),
			CALL(pagesCopy),
			TESTQ(RAX, RAX),
			IF(E,
				CMPQ(Sym(pagesFree), layout.ReservePages),
				IF(A, RETURN()),
			),
		),
		MOVQ(mmPtr, RDI),
		CALL(spaceEmpty),
		fail(ENOMEM),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
}

func clearTables() Func {
	return FUNC("clear_tables", "clear_tables makes the lower halves of the top-level tables of the MM RDI empty.",
		MOVQ(mm(RDI).PGD, RDI),
		MOVQ(uint64(layout.PhysMap), RAX),
		ADDQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(layout.PageSize/2/8, RCX),
		REP(STOSQ()),
		ADDQ(layout.PageSize/2, RDI), // the user's
		MOVL(layout.PageSize/2/8, RCX),
		REP(STOSQ()),
		RETURN(),
	).Takes(RDI)
}

func spaceEmpty() Func {
	kept, keptMM, selfPtr := RBX, R12, R13
	self := thread(selfPtr)
	return FUNC("space_empty", "space_empty unmaps all that is mapped in the Space of the MM RDI, which is not loaded.",
		MOVQ(gs.Current, selfPtr),
		MOVQ(self.MM, keptMM),
		MOVQ(memory.Space, kept),
		MOVQ(RDI, self.MM),
		MOVQ(mm(RDI).Space, RAX),
		CALL(spaceLoad),
		CALL(unmapAll),
		MOVQ(keptMM, self.MM),
		MOVQ(kept, RAX),
		CALL(spaceLoad),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}

func unmapAll() Func {
	return FUNC("unmap_all", "unmap_all unmaps all that is mapped in the loaded Space.",
		LOOP(
			XORL(RDI, RDI),
			CALL(findArea),
			CMPQ(area(RAX).Next, 0),
			BREAK(E), // the last one
			MOVQ(area(RAX).Start, RDI),
			MOVQ(area(RAX).End, RSI),
			CALL(unmapRange),
		),
		RETURN(),
	).Takes()
}

func futexTag() Func {
	linked := mm(RDX)
	return FUNC("futex_tag", "futex_tag returns a FutexTag that no Space has. Clobbers RCX, RDX.",
		MOVQ(Sym(lastFutexTag), RAX),
		LABEL("again"),
		MOVQ(uint64(1)<<(64-layout.FutexTagBits), RCX),
		ADDQ(RCX, RAX),
		LEAQ(Sym(initMMData), RDX),
		DO(
			MOVQ(linked.Space, RCX),
			CMPQ(RAX, space(RCX).Loaded.FutexTag),
			JE("again"),
			MOVQ(linked.Next, RDX),
			TESTQ(RDX, RDX),
		).WHILE(NE),
		MOVQ(RAX, Sym(lastFutexTag)),
		RETURN(),
	).Takes().Returns(RAX)
}

func areasCopy() Func {
	from, made := RBX, R12
	return FUNC("areas_copy",
		`areas_copy enters copies of the areas of the Space RDI in the loaded one, which has
none. Returns 0 or -ENOMEM.`,
		LEAQ(space(RDI).LastArea.Start, from),
		MOVQ(memory.Space, made),
		LEAQ(space(made).LastArea.Start, made),
		LOOP( // from the last to the first
			MOVQ(area(from).Prev, from),
			TESTQ(from, from),
			BREAK(E),
			roomForAreas(1, "full"),
			MOVQ(from, RSI),
			MOVQ(made, RDX),
			CALL(newArea),
			MOVQ(RAX, made),
			ANDQ(^layout.AreaLocked, area(made).Flags),
		),
		returns(0),
		failAt("full", ENOMEM),
	).Saving(RBX, R12).Takes(RDI).Returns(RAX)
}

func pagesCopy() Func {
	mmPtr, from, addr, pte := RBX, R12, RBP, R13
	return FUNC("pages_copy",
		`pages_copy maps the pages of the loaded Space in the MM RDI of another, too: private
ones read-only, in both. Returns 0 or -ENOMEM. Pages that are shared for good are made
first, so that both have the same.`,
		MOVQ(RDI, mmPtr),
		MOVQ(memory.Space, RAX),
		LEAQ(space(RAX).LastArea.Start, from),
		LOOP(
			MOVQ(area(from).Prev, from),
			TESTQ(from, from),
			BREAK(E),
			TESTL(layout.AreaSharedMem, area(from).Flags),
			IF(NE,
				CMPQ(area(from).Source, 0),
				IF(E,
					MOVQ(area(from).Start, RDI),
					MOVQ(area(from).End, RSI),
					MOVL(1, RDX),
					CALL(populateRange),
					CMPQ(RAX, -ENOMEM),
					IF(E, RETURN()),
				),
			),
			MOVQ(area(from).Start, addr),
			LOOP(
				MOVQ(addr, RDI),
				MOVQ(area(from).End, RSI),
				CALL(nextPte),
				TESTQ(RAX, RAX),
				BREAK(E),
				MOVQ(RAX, pte),
				MOVQ(RDX, addr),
				TESTL(layout.PTEShared, pte.At(0)),
				IF(E,
					MOVQ(pte.At(0), RDI),
					CALL(pageShare),
					ORQ(layout.PTECounted, pte.At(0)),
					TESTL(layout.AreaSharedMem, area(from).Flags),
					IF(E, ANDQ(^x86.PAGE_RW, pte.At(0))),
				),
				// The tables of the other one.
				MOVQ(addr, RDI),
				MOVQ(mmPtr, RSI),
				CALL(pteAllocIn),
				TESTQ(RAX, RAX),
				IF(E,
					MOVQ(pte.At(0), RDI),
					TESTL(layout.PTEShared, RDI),
					IF(E, CALL(pagePut)),
					fail(ENOMEM),
				),
				MOVQ(pte.At(0), RCX),
				MOVQ(RCX, RAX.At(0)),
				ADDQ(layout.PageSize, addr),
			),
		),
		flushTLB(), // the caller's pages have become read-only
		returns(0),
	).Saving(RBX, RBP, R12, R13).Takes(RDI).Returns(RAX)
}

func pteAllocIn() Func {
	return FUNC("pte_alloc_in",
		`pte_alloc_in is pte_alloc for the user address RDI in the MM RSI, which is not loaded,
nor is its Space.`,
		PUSHQ(memory.Space),
		MOVQ(gs.Current, RCX),
		PUSHQ(thread(RCX).MM),
		MOVQ(RSI, thread(RCX).MM),
		MOVQ(mm(RSI).Space, RAX),
		MOVQ(RAX, memory.Space),
		CALL(pteAlloc),
		MOVQ(gs.Current, RCX),
		POPQ(thread(RCX).MM),
		POPQ(memory.Space),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}

// pageCounter puts the address of a word of page_counts in to, and the number of the
// page in that 4 MiB in the page's register, which holds its entry without PAGE_NX.
func pageCounter(page, to Reg) Block {
	return Block{
		MOVQ(Sym(pageCounts), RAX),
		MOVQ(page, to),
		SHRQ(countsShift, to),
		LEAQ(RAX.Index(to, 8), to),
		SHRQ(ptShift, page),
		ANDL(1<<(countsShift-ptShift)-1, page),
	}
}

func pageShare() Func {
	return FUNC("page_share", "page_share counts another owner of the page of the entry RDI.",
		notNX(RDI),
		pageCounter(RDI, RSI),
		MOVQ(RSI.At(0), RAX),
		TESTQ(RAX, RAX),
		IF(E,
			PUSHQ(RDI),
			keepPage(allocPage),
			POPQ(RDI),
			MOVQ(RAX, RSI.At(0)),
		),
		ADDL(1, RAX.Index(RDI, 4)),
		RETURN(),
	).Takes(RDI)
}

func pagePut() Func {
	return FUNC("page_put", "page_put takes an owner from the page of the entry RDI, which has PTECounted, and frees the page with the last.",
		notNX(RDI),
		MOVQ(RDI, RDX),
		pageCounter(RDX, RCX),
		MOVQ(RCX.At(0), RCX),
		CMPL(RCX.Index(RDX, 4), 0),
		IF(NE,
			SUBL(1, RCX.Index(RDX, 4)),
			RETURN(),
		),
		ANDQ(pageMask, RDI),
		MOVQ(uint64(layout.PhysMap), RAX),
		ADDQ(RAX, RDI),
		JMP(freePage),
	).Takes(RDI)
}

func cowBreak() Func {
	addr, selfPtr, pte, count, old := RBP, R12, R13, R14, R15
	self := area(selfPtr)
	return FUNC("cow_break",
		`cow_break gives the current process a page of its own for a write to the address RBP in
the area R12, where there is a page. Returns 1; 2 if the page is its own already, 0 if
there is no memory.`,
		MOVQ(addr, RDI),
		CALL(pteAlloc),
		MOVQ(RAX, pte),
		MOVQ(pte.At(0), old),
		TESTL(layout.PTECounted, old),
		IF(E, returns(2)),
		TESTL(x86.PAGE_RW, old),
		IF(NE, returns(2)),
		notNX(old),
		TESTL(layout.AreaSharedMem, self.Flags),
		IF(NE,
			ORQ(x86.PAGE_RW, pte.At(0)),
			JMP("done"),
		),
		MOVQ(old, RDX),
		pageCounter(RDX, RCX),
		MOVQ(RCX.At(0), count),
		LEAQ(count.Index(RDX, 4), count),
		CMPL(count.At(0), 0),
		IF(E, // nobody else has it any more
			ANDQ(^layout.PTECounted, pte.At(0)),
			ORQ(x86.PAGE_RW, pte.At(0)),
			JMP("done"),
		),
		CALL(getFreePage),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, RDI),
		MOVQ(uint64(layout.PhysMap), RSI),
		ANDQ(pageMask, old),
		ADDQ(old, RSI),
		MOVL(layout.PageSize/8, RCX),
		REP(MOVSQ()),
		SUBL(1, count.At(0)),
		physical(RAX, RCX),
		MOVL(self.Prot, RDX),
		LEAQ(Sym(protectionMap), RAX),
		ORQ(RAX.Index(RDX, 8), RCX),
		MOVQ(RCX, pte.At(0)),
		LABEL("done"),
		invlpg(addr.At(0)),
		returns(1),
	).Saving(R13, R14, R15).Takes(RBP, R12).Returns(RAX)
}
