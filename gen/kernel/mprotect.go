package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Bits of mprotect's protection beside protAll (Linux
// include/uapi/asm-generic/mman-common.h). PROT_SEM means nothing on x86.
const protSem = 0x8

// Advice of madvise (Linux include/uapi/asm-generic/mman-common.h).
const (
	madvDontNeed       = 4
	madvFree           = 8
	madvWipeOnFork     = 18
	madvCold           = 20
	madvPageOut        = 21
	madvPopulateRead   = 22
	madvPopulateWrite  = 23
	madvDontNeedLocked = 24
	// madvHints are advice that may be heeded or not, as bits: NORMAL, RANDOM,
	// SEQUENTIAL, WILLNEED, HUGEPAGE, NOHUGEPAGE, COLD and PAGEOUT; and what comes
	// true without doing anything in a kernel that neither forks nor dumps:
	// DONTFORK, DOFORK, DONTDUMP, DODUMP, WIPEONFORK and KEEPONFORK.
	madvHints = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<14 | 1<<15 | 1<<madvCold | 1<<madvPageOut |
		1<<10 | 1<<11 | 1<<16 | 1<<17 | 1<<madvWipeOnFork | 1<<19
	madvKnown = madvHints | 1<<madvDontNeed | 1<<madvFree |
		1<<madvPopulateRead | 1<<madvPopulateWrite | 1<<madvDontNeedLocked
)

// Flags of mlock2, mlockall and msync (Linux include/uapi/asm-generic/mman.h,
// mman-common.h).
const (
	mlockOnFault = 1

	mclCurrent = 1
	mclFuture  = 2
	mclOnFault = 4

	msAsync      = 1
	msInvalidate = 2
	msSync       = 4
)

// eachPart runs items for each piece of an area from RBX up to RBP: R12 is
// the area, RDI and RSI the piece. R13 becomes -ENOMEM if there are holes.
func eachPart(hole Block, items ...Item) Block {
	self := area(R12)

	return Block{
		XORL(R13, R13),
		LOOP(
			CMPQ(RBX, RBP),
			BREAK(AE),
			CMPQ(self.Start, RBX),
			IF(A,
				MOVQ(-ENOMEM, R13),
				hole,
				MOVQ(self.Start, RBX),
				CMPQ(RBX, RBP),
				BREAK(AE),
			),
			MOVQ(RBX, RDI),
			MOVQ(self.End, RSI),
			CMPQ(RSI, RBP),
			CMOVQA(RBP, RSI),
			Block(items),
			MOVQ(self.End, RBX),
			MOVQ(self.Next, R12),
		),
	}
}

// mprotect is the system calls that change areas where they are.
func mprotect() Program {
	return Program{
		Funcs: Funcs(
			sysMprotect, sysMadvise, sysMlock, sysMlock2, sysMunlock, lockRange, sysMlockall,
			sysMunlockall, lockAll, sysMsync, sysMincore,
		),
		Data: []Data{
			mincoreVec,
		},
	}
}

var mincoreVec = BSS("mincore_vec", mincoreChunk, 64)

func sysMprotect() Func {
	self := area(R12)
	return FUNC("sys_mprotect",
		`sys_mprotect gives the pages of the RSI bytes at RDI the protection RDX. It
works up to the first hole, as Linux does.`,
		TESTL(layout.PageSize-1, RDI),
		JNE("EINVAL"),
		TESTQ(RSI, RSI),
		IF(E, XORL(RAX, RAX), RETURN()),
		pageAlignUp(RSI),
		ADDQ(RDI, RSI),
		JB("ENOMEM"),
		CMPQ(RSI, RDI),
		JBE("ENOMEM"),
		TESTQ(^(protAll|protSem), RDX),
		JNE("EINVAL"),
		roomForAreas(2, "ENOMEM"),
		MOVQ(RDI, RBX),
		MOVQ(RSI, RBP),
		MOVL(RDX, R14),
		ANDL(protAll, R14),
		MOVQ(RBX, R15),
		CALL(isolateAreas),
		MOVQ(RAX, R12),
		eachPart(Block{BREAK()},
			TESTL(layout.AreaShared, self.Flags),
			IF(NE,
				TESTL(layout.ProtWrite, R14),
				IF(NE, MOVQ(-EACCES, R13), BREAK()),
			),
			MOVQ(R14, self.Prot),
			MOVL(R14, RDX),
			CALL(protectRange),
		),
		MOVQ(R15, RDI),
		MOVQ(RBP, RSI),
		CALL(mergeAreas),
		MOVQ(R13, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMadvise() Func {
	self := area(R12)
	return FUNC("sys_madvise",
		`sys_madvise heeds the advice RDX about the RSI bytes at RDI: DONTNEED and FREE
drop the pages at once, POPULATE makes them, hints are accepted, and what would
have to be done and is not is EINVAL, as in a kernel built without.`,
		MOVL(RDX, R14),
		CMPL(R14, 31),
		JA("EINVAL"),
		MOVL(madvKnown, RAX),
		BTL(R14, RAX),
		JAE("EINVAL"),
		TESTL(layout.PageSize-1, RDI),
		JNE("EINVAL"),
		MOVQ(RSI, RAX),
		pageAlignUp(RSI),
		CMPQ(RSI, RAX),
		JB("EINVAL"),
		ADDQ(RDI, RSI),
		JB("EINVAL"),
		MOVQ(RDI, RBX),
		MOVQ(RSI, RBP),
		CALL(findArea),
		MOVQ(RAX, R12),
		CMPL(R14, madvPopulateRead),
		JE("populate"),
		CMPL(R14, madvPopulateWrite),
		JE("populate"),
		eachPart(nil,
			CMPL(R14, madvDontNeedLocked),
			JE("drop"),
			MOVL(1<<madvDontNeed|1<<madvFree|1<<madvCold|1<<madvPageOut, RAX),
			BTL(R14, RAX),
			IF(B, // what gives up pages
				TESTL(layout.AreaLocked, self.Flags),
				JNE("EINVAL"),
			),
			CMPL(R14, madvWipeOnFork),
			JE("private"),
			CMPL(R14, madvDontNeed),
			JE("drop"),
			CMPL(R14, madvFree),
			JNE("next"),
			LABEL("private"), // only of what is anonymous and private
			CMPQ(self.Source, 0),
			JNE("EINVAL"),
			TESTL(layout.AreaSharedMem, self.Flags),
			JNE("EINVAL"),
			CMPL(R14, madvWipeOnFork),
			JE("next"),
			LABEL("drop"),
			TESTL(layout.AreaSharedMem, self.Flags), // others might hold it
			IF(E, CALL(zapRange)),
			LABEL("next"),
		),
		MOVQ(R13, RAX),
		RETURN(),
		LABEL("populate"),
		eachPart(Block{BREAK()},
			MOVL(self.Prot, RAX),
			CMPL(R14, madvPopulateWrite),
			IF(E, ANDL(layout.ProtWrite, RAX)),
			TESTL(RAX, RAX),
			JE("EINVAL"),
			XORL(RDX, RDX),
			CALL(populateRange),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVQ(R13, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMlock() Func {
	return FUNC("sys_mlock", "sys_mlock(addr, len).",
		XORL(RDX, RDX),
		JMP(sysMlock2),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysMlock2() Func {
	return FUNC("sys_mlock2",
		`sys_mlock2(addr, len, flags) makes the pages, unless they are to come when they
are touched; all pages stay once they are there.`,
		TESTL(^mlockOnFault, RDX),
		IF(NE, fail(EINVAL)),
		MOVL(RDX, RBX),
		MOVQ(RDI, R12),
		MOVQ(RSI, R13),
		MOVL(layout.AreaLocked, RDX),
		CALL(lockRange),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		TESTL(RBX, RBX),
		IF(E,
			LEAQ(R12.Index(R13, 1), RSI),
			pageAlignUp(RSI),
			MOVQ(R12, RDI),
			ANDQ(pageMask, RDI),
			XORL(RDX, RDX),
			CALL(populateRange),
			TESTQ(RAX, RAX),
			IF(NE, fail(ENOMEM)),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMunlock() Func {
	return FUNC("sys_munlock", "sys_munlock(addr, len).",
		XORL(RDX, RDX),
		JMP(lockRange),
	).Takes(RDI, RSI).Returns(RAX)
}

func lockRange() Func {
	self := area(R12)
	return FUNC("lock_range",
		`lock_range makes the pages of the RSI bytes at RDI locked (EDX is AreaLocked) or
not (0). Returns 0, -EINVAL if they go round the end of memory, or -ENOMEM; up to
the first hole it is done.`,
		LEAQ(RDI.Index(RSI, 1), RBP),
		MOVQ(RDI, RBX),
		ANDQ(pageMask, RBX),
		pageAlignUp(RBP),
		CMPQ(RBP, RBX),
		IF(B, fail(EINVAL)),
		IF(E, returns(0)),
		roomForAreas(2, "ENOMEM"),
		MOVL(RDX, R14),
		MOVQ(RBX, R15),
		MOVQ(RBX, RDI),
		MOVQ(RBP, RSI),
		CALL(isolateAreas),
		MOVQ(RAX, R12),
		eachPart(Block{BREAK()},
			ANDQ(^layout.AreaLocked, self.Flags),
			ORQ(R14, self.Flags),
		),
		MOVQ(R15, RDI),
		MOVQ(RBP, RSI),
		CALL(mergeAreas),
		MOVQ(R13, RAX),
		RETURN(),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMlockall() Func {
	return FUNC("sys_mlockall", "sys_mlockall(flags): the areas that there are, those to come, or both.",
		LEAL(RDI.At(-1), RAX),
		CMPL(RAX, mclCurrent|mclFuture|mclOnFault),
		IF(AE, fail(EINVAL)),
		CMPL(RDI, mclOnFault),
		IF(E, fail(EINVAL)),
		XORL(RAX, RAX),
		TESTL(mclFuture, RDI),
		IF(NE,
			MOVL(layout.AreaLocked, RAX),
			TESTL(mclOnFault, RDI),
			IF(NE, ORL(layout.AreaOnFault, RAX)),
		),
		MOVQ(RAX, memory.LockFuture),
		TESTL(mclCurrent, RDI),
		IF(E, returns(0)),
		MOVL(RDI, RBX),
		MOVL(layout.AreaLocked, RDX),
		CALL(lockAll),
		TESTL(mclOnFault, RBX),
		IF(E,
			XORL(RDI, RDI),
			taskSize(RSI),
			MOVL(1, RDX),
			CALL(populateRange),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysMunlockall() Func {
	return FUNC("sys_munlockall", "sys_munlockall().",
		XORL(RDX, RDX),
		MOVQ(RDX, memory.LockFuture),
		JMP(lockAll),
	).Takes().Returns(RAX)
}

func lockAll() Func {
	return FUNC("lock_all", "lock_all makes all areas locked (EDX is AreaLocked) or not (0). Returns 0.",
		MOVL(RDX, RBX),
		XORL(RDI, RDI),
		CALL(findArea),
		LOOP(
			CMPQ(area(RAX).Next, 0), // last_area
			BREAK(E),
			ANDQ(^layout.AreaLocked, area(RAX).Flags),
			ORQ(RBX, area(RAX).Flags),
			MOVQ(area(RAX).Next, RAX),
		),
		XORL(RDI, RDI),
		taskSize(RSI),
		CALL(mergeAreas),
		returns(0),
	).Saving(RBX).Takes(RDX).Returns(RAX)
}

func sysMsync() Func {
	self := area(R12)
	return FUNC("sys_msync",
		`sys_msync(addr, len, flags): there is never anything to write back. Pages that
are locked cannot be invalidated.`,
		TESTL(^(msAsync|msInvalidate|msSync), RDX),
		JNE("EINVAL"),
		TESTL(layout.PageSize-1, RDI),
		JNE("EINVAL"),
		MOVL(RDX, RAX),
		ANDL(msAsync|msSync, RAX),
		CMPL(RAX, msAsync|msSync),
		JE("EINVAL"),
		pageAlignUp(RSI),
		ADDQ(RDI, RSI),
		IF(B, fail(ENOMEM)),
		MOVQ(RDI, RBX),
		MOVQ(RSI, RBP),
		MOVL(RDX, R14),
		CALL(findArea),
		MOVQ(RAX, R12),
		eachPart(nil,
			TESTL(msInvalidate, R14),
			IF(NE,
				TESTL(layout.AreaLocked, self.Flags),
				IF(NE, fail(EBUSY)),
			),
		),
		MOVQ(R13, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMincore() Func {
	self := area(R12)
	return FUNC("sys_mincore",
		`sys_mincore(addr, len, vec) gives the user a byte for each page: 1 if touching it
needs no memory more. A file's contents are always in memory.`,
		TESTL(layout.PageSize-1, RDI),
		IF(NE, fail(EINVAL)),
		MOVQ(RDI, RBX),
		taskSize(RAX),
		SUBQ(RBX, RAX),
		JB("ENOMEM"),
		CMPQ(RSI, RAX),
		JA("ENOMEM"),
		LEAQ(RBX.Index(RSI, 1), R15),
		MOVQ(RDX, R14),
		LOOP( // as many pages as the buffer has bytes
			CMPQ(RBX, R15),
			BREAK(AE),
			LEAQ(RBX.At(layout.PageSize*mincoreChunk), RBP),
			CMPQ(RBP, R15),
			CMOVQA(R15, RBP),
			XORL(R13, R13), // bytes in the buffer
			LOOP(
				CMPQ(RBX, RBP),
				BREAK(AE),
				MOVQ(RBX, RDI),
				CALL(findArea),
				MOVQ(RAX, R12),
				CMPQ(self.Start, RBX),
				IF(A,
					TESTL(R13, R13),
					BREAK(NE), // what comes before the hole is told
					fail(ENOMEM),
				),
				MOVQ(RBX, RDI),
				LEAQ(RBX.At(layout.PageSize), RSI),
				CALL(nextPte),
				TESTQ(RAX, RAX),
				IF(E,
					MOVQ(RBX, RSI),
					SUBQ(self.Start, RSI),
					TESTL(layout.AreaMemFile, self.Flags),
					IF(NE,
						ADDQ(self.SourceLen, RSI),
						SHRQ(12, RSI),
						MOVQ(self.Source, RDI),
						XORL(RDX, RDX),
						CALL(memfdPage),
						TESTQ(RAX, RAX),
						SETNE(RAX),
					).ELSE(
						// Is it of a file, and before its end?
						CMPQ(RSI, self.SourceLen),
						SETB(RAX),
					),
				).ELSE(MOVL(1, RAX)),
				LEAQ(Sym(mincoreVec), RCX),
				MOVB(RAX, RCX.Index(R13, 1)),
				INCL(R13),
				ADDQ(layout.PageSize, RBX),
			),
			MOVQ(R14, RDI),
			ADDQ(R13, R14),
			LEAQ(Sym(mincoreVec), RSI),
			MOVQ(R13, RDX),
			CALL(copyToUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		returns(0),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

// mincoreChunk is how many pages mincore looks at before it tells the user (Linux
// has as many).
const mincoreChunk = layout.PageSize
