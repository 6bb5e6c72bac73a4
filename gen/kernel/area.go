package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// area gives the fields of the Area that r points to.
func area(r Reg) layout.Area[Mem] { return Fields[layout.Area[Mem]](r) }

var areaSize = SizeOf[layout.Area[Mem]]()

// roomForAreas leaves for label if the table cannot take n more areas.
// Clobbers RAX.
func roomForAreas(n int, label string) Block {
	return Block{
		LEAQ(Sym("mm_areas").Add((layout.MaxAreas-n)*areaSize), RAX),
		CMPQ(RAX, memory.AreasEnd),
		JB(label),
	}
}

// areas is the table of user areas: an array in the order of addresses,
// without overlaps, in which like neighbours without contents of their own are
// one.
func areas() Program {
	var (
		found  = area(RDX)
		self   = area(RBX)
		next   = Fields[layout.Area[Mem]](RBX.At(areaSize))
		before = Fields[layout.Area[Mem]](R12.At(-areaSize))
		after  = area(R13)
		opened = area(RAX)
	)
	return Program{
		Funcs: []Func{
			FUNC("find_area",
				`find_area returns the address of the first area that ends after RDI, or the end
of the table. Clobbers RCX, RDX.`,
				LEAQ(Sym("mm_areas").Add(-areaSize), RAX), // the last that is known to end before
				MOVL(layout.MaxAreas*areaSize, RCX),
				DO(
					LEAQ(RAX.Index(RCX, 1), RDX),
					CMPQ(RDX, memory.AreasEnd),
					IF(B,
						CMPQ(RDI, found.End),
						CMOVQAE(RDX, RAX),
					),
					SHRL(1, RCX),
					CMPL(RCX, areaSize),
				).WHILE(AE),
				ADDQ(areaSize, RAX),
				RETURN(),
			),
			FUNC("open_area",
				`open_area makes room for an area at RDI by moving all from there on up. The
table must have room. Keeps RDI.`,
				MOVQ(memory.AreasEnd, RCX),
				LEAQ(RCX.At(-8), RSI),
				SUBQ(RDI, RCX),
				SHRQ(3, RCX),
				MOVQ(RDI, RDX),
				LEAQ(RSI.At(areaSize), RDI),
				STD(),
				REP(MOVSQ()),
				CLD(),
				MOVQ(RDX, RDI),
				ADDQ(areaSize, memory.AreasEnd),
				RETURN(),
			),
			FUNC("close_areas", "close_areas takes the areas from RDI up to RSI out of the table.",
				MOVQ(memory.AreasEnd, RCX),
				SUBQ(RSI, RCX),
				SHRQ(3, RCX),
				REP(MOVSQ()),
				MOVQ(RDI, memory.AreasEnd),
				RETURN(),
			),
			FUNC("split_area",
				`split_area makes two areas of the area RDI, the second from the address RSI
inside it on. The table must have room.`,
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				ADDQ(areaSize, RDI),
				CALL("open_area"),
				MOVQ(RBX, RSI),
				MOVL(areaSize/8, RCX),
				REP(MOVSQ()),
				MOVQ(RBP, self.End),
				MOVQ(RBP, next.Start),
				SUBQ(self.Start, RBP),
				CMPQ(self.Source, 0),
				IF(NE,
					ADDQ(RBP, next.Source),
					SUBQ(RBP, next.SourceLen),
					IF(B, MOVQ(0, next.SourceLen)),
				),
				RETURN(),
			).Saving(RBX, RBP),
			FUNC("isolate_areas",
				`isolate_areas makes area boundaries of the addresses RDI and RSI where they are
inside areas, and returns the address of the first area after RDI. There are up
to two areas more.`,
				MOVQ(RSI, RBP),
				MOVQ(RDI, R12),
				CALL("find_area"),
				MOVQ(RAX, RBX),
				CMPQ(RAX, memory.AreasEnd),
				IF(B,
					CMPQ(self.Start, R12),
					IF(B,
						MOVQ(RAX, RDI),
						MOVQ(R12, RSI),
						CALL("split_area"),
						ADDQ(areaSize, RBX),
					),
				),
				MOVQ(RBP, RDI),
				CALL("find_area"),
				CMPQ(RAX, memory.AreasEnd),
				IF(B,
					CMPQ(opened.Start, RBP),
					IF(B,
						MOVQ(RAX, RDI),
						MOVQ(RBP, RSI),
						CALL("split_area"),
					),
				),
				MOVQ(RBX, RAX),
				RETURN(),
			).Saving(RBX, RBP, R12),
			FUNC("merge_areas",
				`merge_areas makes one of like neighbours that touch anywhere from the address
RDI to RSI. Areas that are copies of something stay as they are.`,
				MOVQ(RSI, RBP),
				DECQ(RDI), // so that the area that ends there is found
				CALL("find_area"),
				MOVQ(RAX, RBX),
				LOOP(
					LEAQ(RBX.At(areaSize), RDI),
					CMPQ(RDI, memory.AreasEnd),
					BREAK(AE),
					MOVQ(next.Start, RAX),
					CMPQ(RAX, RBP),
					BREAK(A),
					CMPQ(RAX, self.End),
					JNE("unlike"),
					MOVQ(next.Prot, RAX),
					CMPQ(RAX, self.Prot),
					JNE("unlike"),
					MOVQ(next.Flags, RAX),
					CMPQ(RAX, self.Flags),
					JNE("unlike"),
					MOVQ(next.Source, RAX),
					ORQ(self.Source, RAX),
					JNE("unlike"),
					MOVQ(next.End, RAX),
					MOVQ(RAX, self.End),
					LEAQ(RDI.At(areaSize), RSI),
					CALL("close_areas"),
					CONTINUE(),
					LABEL("unlike"),
					ADDQ(areaSize, RBX),
				),
				RETURN(),
			).Saving(RBX, RBP),
			FUNC("insert_area",
				`insert_area enters an area from RDI up to RSI, where there is none, with the
protection RDX, the flags RCX, and R9 bytes from R8 on as its source. The
table must have room.`,
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				MOVQ(RDX, R12),
				MOVQ(RCX, R13),
				CALL("find_area"),
				MOVQ(RAX, RDI),
				CALL("open_area"),
				MOVQ(RBX, area(RDI).Start),
				MOVQ(RBP, area(RDI).End),
				MOVQ(R12, area(RDI).Prot),
				MOVQ(R13, area(RDI).Flags),
				MOVQ(R8, area(RDI).Source),
				MOVQ(R9, area(RDI).SourceLen),
				MOVQ(RBX, RDI),
				MOVQ(RBP, RSI),
				CALL("merge_areas"),
				RETURN(),
			).Saving(RBX, RBP, R12, R13),
			FUNC("unmap_range",
				`unmap_range removes all that is mapped at the addresses from RDI up to RSI,
both a page's. There is one area more if it was the middle of one.`,
				MOVQ(RDI, RBX),
				MOVQ(RSI, RBP),
				CALL("isolate_areas"),
				MOVQ(RAX, R12),
				MOVQ(RBP, RDI),
				CALL("find_area"),
				MOVQ(RAX, R13),
				CMPQ(R12, R13),
				IF(E, RETURN()), // nothing is there
				MOVQ(RBX, RDI),
				MOVQ(RBP, RSI),
				CALL("zap_range"),
				// The neighbours keep the tables that they share.
				XORL(RDX, RDX),
				LEAQ(Sym("mm_areas"), RAX),
				CMPQ(R12, RAX),
				IF(A, MOVQ(before.End, RDX)),
				MOVQ(uint64(1)<<47, RCX),
				CMPQ(R13, memory.AreasEnd),
				IF(B, MOVQ(after.Start, RCX)),
				MOVQ(RBX, RDI),
				MOVQ(RBP, RSI),
				CALL("free_pgtables"),
				MOVQ(R12, RDI),
				MOVQ(R13, RSI),
				CALL("close_areas"),
				RETURN(),
			).Saving(RBX, RBP, R12, R13),
			FUNC("get_unmapped_area",
				`get_unmapped_area returns the highest address from RSI on at which RDI bytes are
free that end at RDX at most, or -ENOMEM.`,
				MOVQ(memory.AreasEnd, RCX),
				LOOP(
					// RDX is where the gap below the last area looked at ends.
					SUBQ(areaSize, RCX),
					MOVQ(RSI, RAX), // where it starts
					LEAQ(Sym("mm_areas"), R8),
					CMPQ(RCX, R8),
					IF(AE,
						CMPQ(RAX, area(RCX).End),
						CMOVQB(area(RCX).End, RAX),
					),
					MOVQ(RDX, R9),
					SUBQ(RAX, R9),
					IF(A,
						CMPQ(R9, RDI),
						IF(AE,
							MOVQ(RDX, RAX),
							SUBQ(RDI, RAX),
							RETURN(),
						),
					),
					CMPQ(RCX, R8),
					BREAK(B),
					CMPQ(RDX, area(RCX).Start),
					CMOVQA(area(RCX).Start, RDX),
				),
				MOVQ(-ENOMEM, RAX),
				RETURN(),
			),
		},
		// unmap_range may use two more for a moment.
		Data: []Data{BSS("mm_areas", (layout.MaxAreas+2)*areaSize, 64)},
	}
}
