package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// replaceChild puts the area by in the place of old below its parent, which
// may be 0, for the root.
func replaceChild(parent, old, by Reg) Block {
	return Block{
		TESTQ(parent, parent),
		IF(E, MOVQ(by, memory.Own.AreaRoot)).ELSE(
			CMPQ(old, area(parent).Left),
			IF(E, MOVQ(by, area(parent).Left)).ELSE(MOVQ(by, area(parent).Right)),
		),
	}
}

// gapStart puts where the gap below the area a begins in dst.
func gapStart(a, dst Reg) Block {
	return Block{
		MOVQ(area(a).Prev, dst),
		TESTQ(dst, dst),
		IF(NE, MOVQ(area(dst).End, dst)),
	}
}

func findArea() Func {
	cursor := area(RCX)
	return FUNC("find_area", "find_area returns the first area that ends after RDI. Clobbers RCX.",
		MOVQ(memory.Own.AreaRoot, RCX),
		XORL(RAX, RAX),
		LOOP(
			TESTQ(RCX, RCX),
			BREAK(E),
			CMPQ(RDI, cursor.End),
			IF(B,
				MOVQ(RCX, RAX),
				MOVQ(cursor.Left, RCX),
				CONTINUE(),
			),
			MOVQ(cursor.Right, RCX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RDI, RSI)
}

func areaMaxGap() Func {
	node := area(RDI)
	// atLeast raises RAX to the MaxGap of the area r, if there is one.
	atLeast := func(r Reg) Block {
		return Block{
			TESTQ(r, r),
			IF(NE,
				CMPQ(RAX, area(r).MaxGap),
				CMOVQB(area(r).MaxGap, RAX),
			),
		}
	}
	return FUNC("area_max_gap", "area_max_gap sets MaxGap of the area RDI from its gap and its children. Clobbers RAX, RCX.",
		gapStart(RDI, RCX),
		MOVQ(node.Start, RAX),
		SUBQ(RCX, RAX),
		MOVQ(node.Left, RCX),
		atLeast(RCX),
		MOVQ(node.Right, RCX),
		atLeast(RCX),
		MOVQ(RAX, node.MaxGap),
		RETURN(),
	).Takes(RDI).Keeps(RDI, RDX)
}

func areaUpdate() Func {
	node := area(RDI)
	return FUNC("area_update",
		`area_update sets MaxGap of the area RDI, whose gap below has changed, and of
all areas above it in the tree. Clobbers RAX, RCX, RDI.`,
		DO(
			CALL(areaMaxGap),
			MOVQ(node.Parent, RDI),
			TESTQ(RDI, RDI),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI)
}

func rotateArea() Func {
	found := area(RAX)
	node := area(RDI)
	parent := area(RSI)
	// child is the child of the area r on the given side: 0 is the left one, 8 the
	// right one.
	child := func(r, side Reg) Mem { return r.Index(side, 1).Add(area(r).Left.Disp()) }
	return FUNC("rotate_area",
		`rotate_area makes the area RDI change places with its parent, which becomes its
child on the other side. Keeps RDI.`,
		MOVQ(node.Parent, RSI),
		XORL(R8, R8), // the side of its parent that it was on
		CMPQ(RDI, parent.Left),
		IF(NE, MOVL(8, R8)),
		MOVL(R8, R9),
		XORL(8, R9),
		MOVQ(parent.Parent, RCX),
		replaceChild(RCX, RSI, RDI),
		MOVQ(RCX, node.Parent),
		MOVQ(RDI, parent.Parent),
		MOVQ(child(RDI, R9), RAX),
		MOVQ(RAX, child(RSI, R8)),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(RSI, found.Parent)),
		MOVQ(RSI, child(RDI, R9)),
		MOVQ(RDI, RDX),
		MOVQ(RSI, RDI),
		CALL(areaMaxGap),
		MOVQ(RDX, RDI),
		JMP(areaMaxGap),
	).Takes(RDI).Returns(RDI)
}

func getUnmappedArea() Func {
	found := area(RAX)
	cursor := area(RCX)
	return FUNC("get_unmapped_area",
		`get_unmapped_area returns the highest address from RSI on where RDI bytes are
free that end at RDX at most, or -ENOMEM.`,
		MOVQ(RDX, R8),
		SUBQ(RDI, R8), // the highest that a gap can begin at
		JB("none"),
		MOVQ(memory.Own.AreaRoot, RCX),
		LOOP(
			gapStart(RCX, R9),
			CMPQ(R9, R8),
			JA("left"), // all gaps on the right begin even higher
			MOVQ(cursor.Right, RAX),
			TESTQ(RAX, RAX),
			IF(NE,
				CMPQ(found.MaxGap, RDI),
				IF(AE, MOVQ(RAX, RCX), CONTINUE()),
			),
			LABEL("this"),
			MOVQ(cursor.Start, R10),
			CMPQ(R10, RDX),
			CMOVQA(RDX, R10),
			MOVQ(R9, RAX),
			CMPQ(RAX, RSI),
			CMOVQB(RSI, RAX),
			SUBQ(RDI, R10),
			IF(AE,
				CMPQ(R10, RAX),
				IF(AE, MOVQ(R10, RAX), RETURN()),
			),
			CMPQ(R9, RSI),
			JBE("none"), // all gaps on the left end even lower
			LABEL("left"),
			MOVQ(cursor.Left, RAX),
			TESTQ(RAX, RAX),
			IF(NE,
				CMPQ(found.MaxGap, RDI),
				IF(AE, MOVQ(RAX, RCX), CONTINUE()),
			),
			DO( // up, to the first area that has not been visited
				MOVQ(RCX, RAX),
				MOVQ(cursor.Parent, RCX),
				TESTQ(RCX, RCX),
				JE("none"),
				CMPQ(RAX, cursor.Left),
			).WHILE(E),
			gapStart(RCX, R9),
			JMP("this"),
		),
		LABEL("none"),
		fail(ENOMEM),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}
