package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// area gives the fields of the Area that r points to.
func area(r Reg) *layout.Area[Mem] { return Fields[layout.Area[Mem]](r) }

// areaWords is the number of words of an Area that describe it, as opposed to its
// place among the others.
var areaWords = area(RAX).Next.Disp() / 8

// roomForAreas leaves for label if there is no memory for n more areas.
// Clobbers RAX.
func roomForAreas(n int, label string) Block {
	return Block{
		PUSHQ(RDI),
		LEAQ(Sym(areaCache), RDI),
		MOVL(n, RAX),
		CALL(slabReserve),
		POPQ(RDI),
		JB(label),
	}
}

// areas returns the part that keeps the ranges of user addresses that are mapped. They do
// not overlap; equal neighbours without contents of their own are one area. The last of
// them is Space.LastArea, at an address that no range reaches: it follows all others.
func areas() Program {
	return Program{
		Funcs: Funcs(
			areasInit, findArea, areaMaxGap, areaUpdate, rotateArea, newArea, removeArea, splitArea,
			isolateAreas, mergeAreas, insertArea, unmapRange, getUnmappedArea,
		),
		Data: []Data{
			areaCache,
		},
	}
}

var areaCache = slabCache("area_cache", SizeOf[layout.Area[Mem]]())

func areasInit() Func {
	node := area(RDI)
	return FUNC("areas_init", "areas_init makes the last area of the Space RAX its only one; the Space is zero before.",
		LEAQ(space(RAX).LastArea.Start, RDI),
		MOVQ(RDI, space(RAX).Loaded.AreaRoot),
		MOVQ(-1, node.Start),
		MOVQ(-1, node.End),
		MOVQ(-1, node.MaxGap),
		RETURN(),
	).Takes(RAX).Keeps(RAX)
}

func newArea() Func {
	words, afterPtr := RBX, R12
	made := RBX
	self := area(made)
	node := area(RDI)
	parent := area(RSI)
	after := area(afterPtr)
	return FUNC("new_area",
		`new_area returns a new area, a copy of the areaWords at RSI, and enters it before
the area RDX. There must be room for it (roomForAreas).`,
		MOVQ(RSI, words),
		MOVQ(RDX, afterPtr),
		LEAQ(Sym(areaCache), RDI),
		CALL(slabAlloc),
		MOVQ(RAX, RDX),
		MOVQ(RAX, RDI),
		MOVQ(words, RSI),
		MOVL(areaWords, RCX),
		REP(MOVSQ()),
		MOVQ(RDX, RDI),
		MOVQ(RDX, made),
		// The weight is a hash of the address, so that trees of the same areas have the
		// same form, and a copy costs the same each time.
		MOVQ(uint64(0x9e3779b97f4a7c15), RCX), // 2^64 by the golden ratio
		MOVQ(node.Start, RAX),
		IMULQ(RCX, RAX),
		MOVQ(RAX, RSI),
		SHRQ(32, RSI),
		XORQ(RSI, RAX),
		IMULQ(RCX, RAX),
		MOVQ(RAX, node.Weight),

		MOVQ(after.Prev, RSI),
		MOVQ(afterPtr, node.Next),
		MOVQ(RSI, node.Prev),
		MOVQ(RDI, after.Prev),
		TESTQ(RSI, RSI),
		IF(NE, MOVQ(RDI, area(RSI).Next)),
		// Of two neighbours in a tree, one has no child on the other's side.
		XORL(RAX, RAX),
		MOVQ(RAX, node.Left),
		MOVQ(RAX, node.Right),
		CMPQ(after.Left, 0),
		IF(E,
			MOVQ(RDI, after.Left),
			MOVQ(afterPtr, node.Parent),
		).ELSE(
			MOVQ(RDI, area(RSI).Right),
			MOVQ(RSI, node.Parent),
		),
		CALL(areaMaxGap),
		LOOP(
			MOVQ(node.Parent, RSI),
			TESTQ(RSI, RSI),
			BREAK(E),
			MOVQ(node.Weight, RAX),
			CMPQ(RAX, parent.Weight),
			BREAK(BE),
			CALL(rotateArea),
		),
		CALL(areaUpdate),
		MOVQ(afterPtr, RDI),
		CALL(areaUpdate),
		TESTL(layout.AreaMemFile, self.Flags),
		IF(NE,
			MOVQ(self.Source, RAX),
			INCQ(openFile(RAX).Refs),
		),
		MOVQ(made, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RSI, RDX).Returns(RAX)
}

func removeArea() Func {
	parent, afterPtr, source := RBX, R12, R13
	found := area(RAX)
	node := area(RDI)
	after := area(afterPtr)
	return FUNC("remove_area", "remove_area takes the area RDI out and frees it.",
		LOOP( // down, until it has at most one child
			MOVQ(node.Left, RSI),
			TESTQ(RSI, RSI),
			BREAK(E),
			MOVQ(node.Right, RDX),
			TESTQ(RDX, RDX),
			BREAK(E),
			MOVQ(area(RSI).Weight, RAX),
			CMPQ(RAX, area(RDX).Weight),
			CMOVQB(RDX, RSI), // the heavier child goes up
			MOVQ(RDI, parent),
			MOVQ(RSI, RDI),
			CALL(rotateArea),
			MOVQ(parent, RDI),
		),
		MOVQ(node.Left, RSI),
		ORQ(node.Right, RSI),
		MOVQ(node.Parent, parent),
		TESTQ(RSI, RSI),
		IF(NE, MOVQ(parent, area(RSI).Parent)),
		replaceChild(parent, RDI, RSI),
		MOVQ(node.Next, afterPtr),
		MOVQ(node.Prev, RAX),
		MOVQ(RAX, after.Prev),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(afterPtr, found.Next)),
		XORL(source, source),
		TESTL(layout.AreaMemFile, node.Flags),
		IF(NE, MOVQ(node.Source, source)),
		MOVQ(RDI, RSI),
		LEAQ(Sym(areaCache), RDI),
		CALL(slabFree),
		MOVQ(parent, RDI),
		TESTQ(RDI, RDI),
		IF(NE, CALL(areaUpdate)),
		MOVQ(afterPtr, RDI),
		CALL(areaUpdate),
		MOVQ(source, RDI),
		TESTQ(RDI, RDI),
		IF(NE, CALL(fput)),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI)
}

func splitArea() Func {
	selfPtr, addr := RBX, RBP
	self := area(selfPtr)
	return FUNC("split_area",
		`split_area makes two areas of the area RDI, the second from the address RSI
inside it on, and returns the second. There must be room for one more.`,
		MOVQ(RDI, selfPtr),
		MOVQ(RSI, addr),
		MOVQ(self.Source, RAX),
		MOVQ(self.SourceLen, RDX),
		TESTQ(RAX, RAX),
		IF(NE,
			SUBQ(self.Start, RSI), // bytes of the first
			TESTL(layout.AreaMemFile, self.Flags),
			IF(NE, ADDQ(RSI, RDX)).ELSE(
				ADDQ(RSI, RAX),
				SUBQ(RSI, RDX),
				IF(B, XORL(RDX, RDX)),
			),
		),
		PUSHQ(RDX), // an Area's first words
		PUSHQ(RAX),
		PUSHQ(self.Flags),
		PUSHQ(self.Prot),
		PUSHQ(self.End),
		PUSHQ(addr),
		MOVQ(addr, self.End),
		MOVQ(RSP, RSI),
		MOVQ(self.Next, RDX),
		CALL(newArea),
		ADDQ(8*areaWords, RSP),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI).Returns(RAX)
}

func isolateAreas() Func {
	first, end, start := RBX, RBP, R12
	found := area(RAX)
	return FUNC("isolate_areas",
		`isolate_areas makes area boundaries at the addresses RDI and RSI where they are
inside areas, and returns the first area after RDI. It adds up to two
areas.`,
		MOVQ(RSI, end),
		MOVQ(RDI, start),
		CALL(findArea),
		CMPQ(found.Start, start),
		IF(B,
			MOVQ(RAX, RDI),
			MOVQ(start, RSI),
			CALL(splitArea),
		),
		MOVQ(RAX, first),
		MOVQ(end, RDI),
		CALL(findArea),
		CMPQ(found.Start, end),
		IF(B,
			MOVQ(RAX, RDI),
			MOVQ(end, RSI),
			CALL(splitArea),
		),
		MOVQ(first, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI).Returns(RAX)
}

func mergeAreas() Func {
	selfPtr, end := RBX, RBP
	self := area(selfPtr)
	node := area(RDI)
	return FUNC("merge_areas",
		`merge_areas makes one area of equal neighbours that touch anywhere from the address
RDI to RSI. Areas that are copies of something stay as they are.`,
		MOVQ(RSI, end),
		CALL(findArea),
		MOVQ(RAX, selfPtr),
		CMPQ(self.Prev, 0), // the area may end there
		IF(NE, MOVQ(self.Prev, selfPtr)),
		LOOP(
			MOVQ(self.Next, RDI),
			TESTQ(RDI, RDI),
			BREAK(E),
			MOVQ(node.Start, RAX),
			CMPQ(RAX, end),
			BREAK(A),
			CMPQ(RAX, self.End),
			JNE("unlike"),
			MOVQ(node.Prot, RAX),
			CMPQ(RAX, self.Prot),
			JNE("unlike"),
			MOVQ(node.Flags, RAX),
			CMPQ(RAX, self.Flags),
			JNE("unlike"),
			MOVQ(node.Source, RAX),
			ORQ(self.Source, RAX),
			JNE("unlike"),
			MOVQ(node.End, RAX),
			MOVQ(RAX, self.End),
			CALL(removeArea),
			CONTINUE(),
			LABEL("unlike"),
			MOVQ(RDI, selfPtr),
		),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI)
}

func insertArea() Func {
	start, end := RBX, RBP
	return FUNC("insert_area",
		`insert_area enters an area from RDI up to RSI, where there is none, with the
protection RDX, the flags RCX, and R9 bytes from R8 on as its source. There
must be room for it.`,
		MOVQ(RDI, start),
		MOVQ(RSI, end),
		PUSHQ(R9), // an Area's first words
		PUSHQ(R8),
		PUSHQ(RCX),
		PUSHQ(RDX),
		PUSHQ(RSI),
		PUSHQ(RDI),
		CALL(findArea),
		MOVQ(RSP, RSI),
		MOVQ(RAX, RDX),
		CALL(newArea),
		ADDQ(8*areaWords, RSP),
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		CALL(mergeAreas),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI, RDX, RCX, R8, R9)
}

func unmapRange() Func {
	start, end, afterPtr := RBX, RBP, R12
	after := area(afterPtr)
	return FUNC("unmap_range",
		`unmap_range removes everything that is mapped at the addresses from RDI up to RSI,
both at pages. It adds an area if the range was the middle of one.`,
		MOVQ(RDI, start),
		MOVQ(RSI, end),
		CALL(isolateAreas),
		MOVQ(RAX, afterPtr),
		CMPQ(after.Start, end),
		IF(AE, RETURN()), // nothing is there
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		CALL(zapRange),
		DO(
			MOVQ(afterPtr, RDI),
			MOVQ(after.Next, afterPtr),
			CALL(removeArea),
			CMPQ(after.Start, end),
		).WHILE(B),
		// The neighbours keep the tables that they share with it.
		gapStart(afterPtr, RDX),
		MOVQ(uint64(1)<<47, RCX),
		CMPQ(RCX, after.Start),
		CMOVQA(after.Start, RCX),
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		CALL(freePgtables),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI)
}
