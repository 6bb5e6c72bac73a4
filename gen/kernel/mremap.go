package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Flags of mremap (Linux include/uapi/linux/mman.h).
const (
	mremapMayMove = 1
	mremapFixed   = 2
)

// mremap is the system call that resizes and moves an area.
func mremap() Program {
	return Program{
		Funcs: Funcs(
			sysMremap,
		),
	}
}

func sysMremap() Func {
	self := area(RAX)
	return FUNC("sys_mremap",
		`sys_mremap makes RDX bytes of the RSI bytes at RDI, in place or, if the flags
RCX allow, elsewhere: at R8 with MREMAP_FIXED. Returns the address.`,
		MOVQ(RDI, RBX),
		MOVQ(RSI, RBP),
		MOVQ(RDX, R12),
		MOVL(RCX, R13),
		MOVQ(R8, R14),
		TESTQ(^(mremapMayMove|mremapFixed), RCX),
		JNE("EINVAL"),
		CMPL(R13, mremapFixed), // then it may move
		JE("EINVAL"),
		TESTL(layout.PageSize-1, RBX),
		JNE("EINVAL"),
		pageAlignUp(RBP),
		pageAlignUp(R12),
		JE("EINVAL"),
		CALL(findArea),
		CMPQ(RBX, self.Start),
		JB("EFAULT"),
		roomForAreas(5, "ENOMEM"),

		TESTL(mremapFixed, R13),
		IF(NE,
			TESTL(layout.PageSize-1, R14),
			JNE("EINVAL"),
			taskSize(RAX),
			SUBQ(R12, RAX),
			JB("EINVAL"),
			CMPQ(R14, RAX),
			JA("EINVAL"),
			// Old and new must not overlap.
			LEAQ(R14.Index(R12, 1), RAX),
			CMPQ(RAX, RBX),
			IF(A,
				LEAQ(RBX.Index(RBP, 1), RAX),
				CMPQ(RAX, R14),
				JA("EINVAL"),
			),
			MOVQ(R14, RDI),
			LEAQ(R14.Index(R12, 1), RSI),
			CALL(unmapRange),
		),
		CMPQ(RBP, R12),
		IF(A,
			taskSize(RAX),
			SUBQ(RBX, RAX),
			CMPQ(RBP, RAX),
			JA("EINVAL"),
			LEAQ(RBX.Index(R12, 1), RDI),
			LEAQ(RBX.Index(RBP, 1), RSI),
			CALL(unmapRange),
			MOVQ(R12, RBP),
		),
		TESTL(mremapFixed, R13),
		IF(E,
			CMPQ(RBP, R12),
			IF(E, MOVQ(RBX, RAX), RETURN()),
		),

		TESTQ(RBP, RBP),
		JE("EINVAL"),
		MOVQ(RBX, RDI),
		CALL(findArea),
		MOVQ(self.End, RCX),
		SUBQ(RBX, RCX),
		CMPQ(RCX, RBP),
		JB("EFAULT"),
		TESTL(mremapFixed, R13),
		IF(E,
			CMPQ(RCX, RBP),
			JNE("move"), // something of the area follows
			LEAQ(RBX.Index(R12, 1), RSI),
			taskSize(RCX),
			CMPQ(RSI, RCX),
			JA("move"),
			CMPQ(RSI, RBX),
			JB("move"),
			MOVQ(self.Next, RDI),
			CMPQ(RSI, area(RDI).Start),
			JA("move"),
			MOVQ(RSI, self.End),
			MOVQ(self.Flags, R14),
			CALL(areaUpdate),
			MOVQ(RBX, RDI),
			LEAQ(RBX.Index(R12, 1), RSI),
			CALL(mergeAreas),
			MOVQ(RBX, RAX),
			JMP("populate"),

			LABEL("move"),
			TESTL(mremapMayMove, R13),
			JE("ENOMEM"),
			MOVQ(R12, RDI),
			MOVL(layout.MMapMinAddr, RSI),
			MOVQ(uint64(layout.MMapBase), RDX),
			CALL(getUnmappedArea),
			TESTQ(RAX, RAX),
			IF(S, RETURN()),
			MOVQ(RAX, R14),
		),
		// Moving must not fail half-way for want of page tables.
		MOVQ(RBP, RAX),
		SHRQ(pdShift-1, RAX), // twice the lowest tables: enough for the upper ones
		ADDQ(6, RAX),         // and two of each level for the ends
		CMPQ(RAX, Sym(pagesFree)),
		JA("ENOMEM"),
		MOVQ(RBX, RDI),
		LEAQ(RBX.Index(RBP, 1), RSI),
		CALL(isolateAreas),
		MOVQ(R14, RDI),
		LEAQ(R14.Index(R12, 1), RSI),
		MOVQ(self.Prot, RDX),
		MOVQ(self.Flags, RCX),
		MOVQ(RCX, R13),
		MOVQ(self.Source, R8),
		MOVQ(self.SourceLen, R9),
		CALL(insertArea),
		MOVQ(RBX, RDI),
		LEAQ(RBX.Index(RBP, 1), RSI),
		MOVQ(R14, RDX),
		CALL(moveRange),
		MOVQ(RBX, RDI),
		LEAQ(RBX.Index(RBP, 1), RSI),
		CALL(unmapRange),
		MOVQ(R14, RAX),
		MOVQ(R13, R14),
		LABEL("populate"), // what is new at RAX, if R14 says that it is locked
		TESTL(layout.AreaLocked, R14),
		IF(NE,
			LEAQ(RAX.Index(RBP, 1), RDI),
			LEAQ(RAX.Index(R12, 1), RSI),
			MOVQ(RAX, RBX),
			MOVL(1, RDX),
			CALL(populateRange),
			MOVQ(RBX, RAX),
		),
		RETURN(),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
		failAt("EFAULT", EFAULT),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}
