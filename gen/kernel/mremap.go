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

// mremap returns the system call that resizes and moves an area.
func mremap() Program {
	return Program{
		Funcs: Funcs(
			sysMremap,
		),
	}
}

func sysMremap() Func {
	addr, oldLen, newLen, flags, to := RBX, RBP, R12, R13, R14
	movedFlags, areaFlags := R13, R14
	self := area(RAX)
	return FUNC("sys_mremap",
		`sys_mremap makes RDX bytes of the RSI bytes at RDI, in place or, if the flags
RCX allow, elsewhere: at R8 with MREMAP_FIXED. Returns the address.`,
		MOVQ(RDI, addr),
		MOVQ(RSI, oldLen),
		MOVQ(RDX, newLen),
		MOVL(RCX, flags),
		MOVQ(R8, to),
		TESTQ(^(mremapMayMove|mremapFixed), RCX),
		JNE("EINVAL"),
		CMPL(flags, mremapFixed), // then it may move
		JE("EINVAL"),
		TESTL(layout.PageSize-1, addr),
		JNE("EINVAL"),
		pageAlignUp(oldLen),
		pageAlignUp(newLen),
		JE("EINVAL"),
		CALL(findArea),
		CMPQ(addr, self.Start),
		JB("EFAULT"),
		roomForAreas(5, "ENOMEM"),

		TESTL(mremapFixed, flags),
		IF(NE,
			TESTL(layout.PageSize-1, to),
			JNE("EINVAL"),
			taskSize(RAX),
			SUBQ(newLen, RAX),
			JB("EINVAL"),
			CMPQ(to, RAX),
			JA("EINVAL"),
			// Old and new must not overlap.
			LEAQ(to.Index(newLen, 1), RAX),
			CMPQ(RAX, addr),
			IF(A,
				LEAQ(addr.Index(oldLen, 1), RAX),
				CMPQ(RAX, to),
				JA("EINVAL"),
			),
			MOVQ(to, RDI),
			LEAQ(to.Index(newLen, 1), RSI),
			CALL(unmapRange),
		),
		CMPQ(oldLen, newLen),
		IF(A,
			taskSize(RAX),
			SUBQ(addr, RAX),
			CMPQ(oldLen, RAX),
			JA("EINVAL"),
			LEAQ(addr.Index(newLen, 1), RDI),
			LEAQ(addr.Index(oldLen, 1), RSI),
			CALL(unmapRange),
			MOVQ(newLen, oldLen),
		),
		TESTL(mremapFixed, flags),
		IF(E,
			CMPQ(oldLen, newLen),
			IF(E, MOVQ(addr, RAX), RETURN()),
		),

		TESTQ(oldLen, oldLen),
		JE("EINVAL"),
		MOVQ(addr, RDI),
		CALL(findArea),
		MOVQ(self.End, RCX),
		SUBQ(addr, RCX),
		CMPQ(RCX, oldLen),
		JB("EFAULT"),
		TESTL(mremapFixed, flags),
		IF(E,
			CMPQ(RCX, oldLen),
			JNE("move"), // a part of the area follows
			LEAQ(addr.Index(newLen, 1), RSI),
			taskSize(RCX),
			CMPQ(RSI, RCX),
			JA("move"),
			CMPQ(RSI, addr),
			JB("move"),
			MOVQ(self.Next, RDI),
			CMPQ(RSI, area(RDI).Start),
			JA("move"),
			MOVQ(RSI, self.End),
			MOVQ(self.Flags, areaFlags),
			CALL(areaUpdate),
			MOVQ(addr, RDI),
			LEAQ(addr.Index(newLen, 1), RSI),
			CALL(mergeAreas),
			MOVQ(addr, RAX),
			JMP("populate"),

			LABEL("move"),
			TESTL(mremapMayMove, flags),
			JE("ENOMEM"),
			MOVQ(newLen, RDI),
			MOVL(layout.MMapMinAddr, RSI),
			MOVQ(uint64(layout.MMapBase), RDX),
			CALL(getUnmappedArea),
			TESTQ(RAX, RAX),
			IF(S, RETURN()),
			MOVQ(RAX, to),
		),
		// Moving must not fail half-way for want of page tables.
		MOVQ(oldLen, RAX),
		SHRQ(pdShift-1, RAX), // twice the lowest tables: enough for the upper ones
		ADDQ(6, RAX),         // and two tables of each level for the ends
		CMPQ(RAX, Sym(pagesFree)),
		JA("ENOMEM"),
		MOVQ(addr, RDI),
		LEAQ(addr.Index(oldLen, 1), RSI),
		CALL(isolateAreas),
		MOVQ(to, RDI),
		LEAQ(to.Index(newLen, 1), RSI),
		MOVQ(self.Prot, RDX),
		MOVQ(self.Flags, RCX),
		MOVQ(RCX, movedFlags),
		MOVQ(self.Source, R8),
		MOVQ(self.SourceLen, R9),
		CALL(insertArea),
		MOVQ(addr, RDI),
		LEAQ(addr.Index(oldLen, 1), RSI),
		MOVQ(to, RDX),
		CALL(moveRange),
		MOVQ(addr, RDI),
		LEAQ(addr.Index(oldLen, 1), RSI),
		CALL(unmapRange),
		MOVQ(to, RAX),
		MOVQ(movedFlags, areaFlags),
		LABEL("populate"), // the new part at RAX, if it is locked
		TESTL(layout.AreaLocked, areaFlags),
		IF(NE,
			LEAQ(RAX.Index(oldLen, 1), RDI),
			LEAQ(RAX.Index(newLen, 1), RSI),
			MOVQ(RAX, addr),
			MOVL(1, RDX),
			CALL(populateRange),
			MOVQ(addr, RAX),
		),
		RETURN(),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
		failAt("EFAULT", EFAULT),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}
