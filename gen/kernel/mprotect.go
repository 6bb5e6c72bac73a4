package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Bits of mprotect's protection in addition to protAll (Linux
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
	// madvHints is advice that may be ignored, as bits: NORMAL, RANDOM,
	// SEQUENTIAL, WILLNEED, HUGEPAGE, NOHUGEPAGE, COLD and PAGEOUT; and advice that
	// needs no action in a kernel that neither forks nor dumps:
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
	addr, end, selfPtr, err := RBX, RBP, R12, R13
	self := area(selfPtr)

	return Block{
		XORL(err, err),
		LOOP(
			CMPQ(addr, end),
			BREAK(AE),
			CMPQ(self.Start, addr),
			IF(A,
				MOVQ(-ENOMEM, err),
				hole,
				MOVQ(self.Start, addr),
				CMPQ(addr, end),
				BREAK(AE),
			),
			MOVQ(addr, RDI),
			MOVQ(self.End, RSI),
			CMPQ(RSI, end),
			CMOVQA(end, RSI),
			Block(items),
			MOVQ(self.End, addr),
			MOVQ(self.Next, selfPtr),
		),
	}
}

// mprotect returns the system calls that change areas where they are.
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
	addr, end, selfPtr, err, prot, start := RBX, RBP, R12, R13, R14, R15
	self := area(selfPtr)
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
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		MOVL(RDX, prot),
		ANDL(protAll, prot),
		MOVQ(addr, start),
		CALL(isolateAreas),
		MOVQ(RAX, selfPtr),
		eachPart(Block{BREAK()},
			TESTL(layout.AreaShared, self.Flags),
			IF(NE,
				TESTL(layout.ProtWrite, prot),
				IF(NE, MOVQ(-EACCES, err), BREAK()),
			),
			MOVQ(prot, self.Prot),
			MOVL(prot, RDX),
			CALL(protectRange),
		),
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		CALL(mergeAreas),
		MOVQ(err, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMadvise() Func {
	addr, end, selfPtr, err, advice := RBX, RBP, R12, R13, R14
	self := area(selfPtr)
	return FUNC("sys_madvise",
		`sys_madvise takes the advice RDX about the RSI bytes at RDI: DONTNEED and FREE
drop the pages at once, POPULATE makes them, hints are accepted, and advice that
would need action and gets none is EINVAL, as in a kernel built without it.`,
		MOVL(RDX, advice),
		CMPL(advice, 31),
		JA("EINVAL"),
		MOVL(madvKnown, RAX),
		BTL(advice, RAX),
		JAE("EINVAL"),
		TESTL(layout.PageSize-1, RDI),
		JNE("EINVAL"),
		MOVQ(RSI, RAX),
		pageAlignUp(RSI),
		CMPQ(RSI, RAX),
		JB("EINVAL"),
		ADDQ(RDI, RSI),
		JB("EINVAL"),
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		CALL(findArea),
		MOVQ(RAX, selfPtr),
		CMPL(advice, madvPopulateRead),
		JE("populate"),
		CMPL(advice, madvPopulateWrite),
		JE("populate"),
		eachPart(nil,
			CMPL(advice, madvDontNeedLocked),
			JE("drop"),
			MOVL(1<<madvDontNeed|1<<madvFree|1<<madvCold|1<<madvPageOut, RAX),
			BTL(advice, RAX),
			IF(B, // advice that gives up pages
				TESTL(layout.AreaLocked, self.Flags),
				JNE("EINVAL"),
			),
			CMPL(advice, madvWipeOnFork),
			JE("private"),
			CMPL(advice, madvDontNeed),
			JE("drop"),
			CMPL(advice, madvFree),
			JNE("next"),
			LABEL("private"), // only for anonymous private memory
			CMPQ(self.Source, 0),
			JNE("EINVAL"),
			TESTL(layout.AreaSharedMem, self.Flags),
			JNE("EINVAL"),
			CMPL(advice, madvWipeOnFork),
			JE("next"),
			LABEL("drop"),
			TESTL(layout.AreaSharedMem, self.Flags), // others might use it
			IF(E, CALL(zapRange)),
			LABEL("next"),
		),
		MOVQ(err, RAX),
		RETURN(),
		LABEL("populate"),
		eachPart(Block{BREAK()},
			MOVL(self.Prot, RAX),
			CMPL(advice, madvPopulateWrite),
			IF(E, ANDL(layout.ProtWrite, RAX)),
			TESTL(RAX, RAX),
			JE("EINVAL"),
			XORL(RDX, RDX),
			CALL(populateRange),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		MOVQ(err, RAX),
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
	flags, start, length := RBX, R12, R13
	return FUNC("sys_mlock2",
		`sys_mlock2(addr, len, flags) makes the pages, unless they may come when they
are touched; all pages stay once they are there.`,
		TESTL(^mlockOnFault, RDX),
		IF(NE, fail(EINVAL)),
		MOVL(RDX, flags),
		MOVQ(RDI, start),
		MOVQ(RSI, length),
		MOVL(layout.AreaLocked, RDX),
		CALL(lockRange),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		TESTL(flags, flags),
		IF(E,
			LEAQ(start.Index(length, 1), RSI),
			pageAlignUp(RSI),
			MOVQ(start, RDI),
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
	addr, end, selfPtr, err, locked, start := RBX, RBP, R12, R13, R14, R15
	self := area(selfPtr)
	return FUNC("lock_range",
		`lock_range makes the pages of the RSI bytes at RDI locked (EDX is AreaLocked) or
not (0). Returns 0, -EINVAL if they wrap around the end of memory, or -ENOMEM after
it has done the pages up to the first hole.`,
		LEAQ(RDI.Index(RSI, 1), end),
		MOVQ(RDI, addr),
		ANDQ(pageMask, addr),
		pageAlignUp(end),
		CMPQ(end, addr),
		IF(B, fail(EINVAL)),
		IF(E, returns(0)),
		roomForAreas(2, "ENOMEM"),
		MOVL(RDX, locked),
		MOVQ(addr, start),
		MOVQ(addr, RDI),
		MOVQ(end, RSI),
		CALL(isolateAreas),
		MOVQ(RAX, selfPtr),
		eachPart(Block{BREAK()},
			ANDQ(^layout.AreaLocked, self.Flags),
			ORQ(locked, self.Flags),
		),
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		CALL(mergeAreas),
		MOVQ(err, RAX),
		RETURN(),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMlockall() Func {
	flags := RBX
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
		MOVQ(RAX, memory.Own.LockFuture),
		TESTL(mclCurrent, RDI),
		IF(E, returns(0)),
		MOVL(RDI, flags),
		MOVL(layout.AreaLocked, RDX),
		CALL(lockAll),
		TESTL(mclOnFault, flags),
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
		MOVQ(RDX, memory.Own.LockFuture),
		JMP(lockAll),
	).Takes().Returns(RAX)
}

func lockAll() Func {
	locked := RBX
	return FUNC("lock_all", "lock_all makes all areas locked (EDX is AreaLocked) or not (0). Returns 0.",
		MOVL(RDX, locked),
		XORL(RDI, RDI),
		CALL(findArea),
		LOOP(
			CMPQ(area(RAX).Next, 0), // the last one
			BREAK(E),
			ANDQ(^layout.AreaLocked, area(RAX).Flags),
			ORQ(locked, area(RAX).Flags),
			MOVQ(area(RAX).Next, RAX),
		),
		XORL(RDI, RDI),
		taskSize(RSI),
		CALL(mergeAreas),
		returns(0),
	).Saving(RBX).Takes(RDX).Returns(RAX)
}

func sysMsync() Func {
	addr, end, selfPtr, err, flags := RBX, RBP, R12, R13, R14
	self := area(selfPtr)
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
		MOVQ(RDI, addr),
		MOVQ(RSI, end),
		MOVL(RDX, flags),
		CALL(findArea),
		MOVQ(RAX, selfPtr),
		eachPart(nil,
			TESTL(msInvalidate, flags),
			IF(NE,
				TESTL(layout.AreaLocked, self.Flags),
				IF(NE, fail(EBUSY)),
			),
		),
		MOVQ(err, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
	).Saving(RBX, RBP, R12, R13, R14).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysMincore() Func {
	addr, chunkEnd, selfPtr, n, vec, end := RBX, RBP, R12, R13, R14, R15
	self := area(selfPtr)
	return FUNC("sys_mincore",
		`sys_mincore(addr, len, vec) gives the user a byte for each page: 1 if touching it
needs no more memory. A file's contents are always in memory.`,
		TESTL(layout.PageSize-1, RDI),
		IF(NE, fail(EINVAL)),
		MOVQ(RDI, addr),
		taskSize(RAX),
		SUBQ(addr, RAX),
		JB("ENOMEM"),
		CMPQ(RSI, RAX),
		JA("ENOMEM"),
		LEAQ(addr.Index(RSI, 1), end),
		MOVQ(RDX, vec),
		LOOP( // as many pages as the buffer has bytes
			CMPQ(addr, end),
			BREAK(AE),
			LEAQ(addr.At(layout.PageSize*mincoreChunk), chunkEnd),
			CMPQ(chunkEnd, end),
			CMOVQA(end, chunkEnd),
			XORL(n, n), // bytes in the buffer
			LOOP(
				CMPQ(addr, chunkEnd),
				BREAK(AE),
				MOVQ(addr, RDI),
				CALL(findArea),
				MOVQ(RAX, selfPtr),
				CMPQ(self.Start, addr),
				IF(A,
					TESTL(n, n),
					BREAK(NE), // the pages before the hole are reported
					fail(ENOMEM),
				),
				MOVQ(addr, RDI),
				LEAQ(addr.At(layout.PageSize), RSI),
				CALL(nextPte),
				TESTQ(RAX, RAX),
				IF(E,
					MOVQ(addr, RSI),
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
						// Is the page a file's, and before its end?
						CMPQ(RSI, self.SourceLen),
						SETB(RAX),
					),
				).ELSE(MOVL(1, RAX)),
				LEAQ(Sym(mincoreVec), RCX),
				MOVB(RAX, RCX.Index(n, 1)),
				INCL(n),
				ADDQ(layout.PageSize, addr),
			),
			MOVQ(vec, RDI),
			ADDQ(n, vec),
			LEAQ(Sym(mincoreVec), RSI),
			MOVQ(n, RDX),
			CALL(copyToUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
		),
		returns(0),
		failAt("ENOMEM", ENOMEM),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

// mincoreChunk is how many pages mincore examines before it writes to the user (the
// same number as in Linux).
const mincoreChunk = layout.PageSize
