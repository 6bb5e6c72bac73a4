package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Flags of memfd_create (Linux include/uapi/linux/memfd.h); there are no seals.
const (
	mfdCloExec = 1
	mfdNameMax = 250 // bytes of the name with its NUL
)

// The tree of a memfd's pages: three levels of tables with 512 addresses each.
const (
	memfdLevels  = 3
	memfdBits    = 9
	memfdMaxSize = layout.PageSize << (memfdLevels * memfdBits)
)

// pageLoop runs items for the pieces of R13 bytes at the user's R12 that lie
// in one page of the file RBX from its offset R14 on: of R15 bytes, RAX being
// the page or, if it is not to be made (flag 0), 0.
func pageLoop(make int, items ...Item) Block {
	return Block{
		LOOP(
			TESTQ(R13, R13),
			BREAK(E),
			toPageEnd(R14, R13, R15),
			MOVQ(RBX, RDI),
			MOVQ(R14, RSI),
			SHRQ(12, RSI),
			MOVL(make, RDX),
			CALL(memfdPage),
			Block(items),
			ADDQ(R15, R12),
			SUBQ(R15, R13),
			ADDQ(R15, R14),
			ADDQ(R15, RBP),
		),
	}
}

// inPage adds the offset R14 in its page to r.
func inPage(r Reg) Block {
	return Block{MOVL(R14, RCX), ANDL(layout.PageSize-1, RCX), ADDQ(RCX, r)}
}

// memfds is memfd_create: files in memory that have no name (Linux mm/memfd.c).
// They are the only ones that can be written. The pages are the file's, whoever
// maps them shared; each area that maps it has a reference to the File.
func memfds() Program {
	return Program{
		Funcs: Funcs(
			sysMemfdCreate, memfdPage, memfdPrune, releaseMemfd, memfdTruncate, memfdAllocate,
			readMemfd, writeMemfd,
		),
		Data: []Data{
			memfdOps(),
		},
	}
}

func memfdOps() Data {
	return fileOps("memfd_ops", layout.FileOps[any]{
		Read: readMemfd, Write: writeMemfd, Release: releaseMemfd,
		LSeek: layout.FileSeekData, Anon: 1, Mode: S_IFREG | 0o777,
	})
}

func sysMemfdCreate() Func {
	return FUNC("sys_memfd_create", "sys_memfd_create(name, flags): the name is only for /proc, which does not tell.",
		TESTL(^mfdCloExec, RSI),
		IF(NE, fail(EINVAL)),
		MOVL(RSI, RBX),
		MOVQ(RDI, RSI),
		LEAQ(Sym(pathIn), RDI),
		MOVL(mfdNameMax, RDX),
		CALL(strncpyFromUser),
		CMPQ(RAX, -ENAMETOOLONG),
		IF(E, fail(EINVAL)),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		LEAQ(Sym(memfdOps), RDI),
		MOVL(O_RDWR|O_LARGEFILE, RSI),
		MOVL(RBX, RDX),
		CALL(fileOpen),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func memfdPage() Func {
	return FUNC("memfd_page",
		`memfd_page returns the linear address of the page RSI of the memfd RDI. If it is
not there it is made if EDX is 1, else that is 0; 0 too if there is no memory.`,
		LEAQ(openFile(RDI).Data, RBX), // where the address of the next is
		MOVQ(RSI, R12),
		MOVL(RDX, R13),
		MOVL(memfdLevels*memfdBits, R14),
		LOOP(
			MOVQ(RBX.At(0), RAX),
			TESTQ(RAX, RAX),
			IF(E,
				TESTL(R13, R13),
				IF(E, RETURN()),
				CALL(getKernelPage),
				TESTQ(RAX, RAX),
				IF(E, RETURN()),
				MOVQ(RAX, RBX.At(0)),
				MOVQ(RAX, RDX),
				MOVQ(RAX, RDI),
				XORL(RAX, RAX),
				MOVL(layout.PageSize/8, RCX),
				REP(STOSQ()),
				MOVQ(RDX, RAX),
			),
			SUBL(memfdBits, R14),
			IF(B, RETURN()), // it is the page
			MOVL(R14, RCX),
			MOVQ(R12, RDX),
			SHRQ(RCX, RDX),
			ANDL(1<<memfdBits-1, RDX),
			LEAQ(RAX.Index(RDX, 8), RBX),
		),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX).Returns(RAX)
}

func memfdPrune() Func {
	return FUNC("memfd_prune",
		`memfd_prune frees the pages from R15 on below the table RDI, the first of which is
the page RDX; the pages that its entries lead to are 1<<ESI each.`,
		MOVQ(RDI, RBX),
		MOVL(RSI, R12),
		MOVQ(RDX, R13),
		LEAQ(RBX.At(layout.PageSize), RBP),
		DO(
			CMPQ(RBX.At(0), 0),
			IF(NE,
				TESTL(R12, R12),
				IF(NE,
					MOVQ(RBX.At(0), RDI),
					LEAL(R12.At(-memfdBits), RSI),
					MOVQ(R13, RDX),
					CALL(memfdPrune),
				),
				CMPQ(R13, R15),
				IF(AE,
					MOVQ(RBX.At(0), RDI),
					MOVQ(0, RBX.At(0)),
					CALL(freePage),
				),
			),
			MOVL(R12, RCX),
			MOVL(1, RAX),
			SHLQ(RCX, RAX),
			ADDQ(RAX, R13),
			ADDQ(8, RBX),
			CMPQ(RBX, RBP),
		).WHILE(B),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RDX, R15)
}

func releaseMemfd() Func {
	file := openFile(RBX)
	return FUNC("release_memfd", "release_memfd is the Release of a memfd.",
		MOVQ(RDI, RBX),
		MOVQ(file.Data, RDI),
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		MOVL((memfdLevels-1)*memfdBits, RSI),
		XORL(RDX, RDX),
		XORL(R15, R15),
		CALL(memfdPrune),
		MOVQ(file.Data, RDI),
		CALL(freePage),
		RETURN(),
	).Saving(RBX, R15).Takes(RDI)
}

func memfdTruncate() Func {
	file := openFile(RBX)
	a := area(R12)
	return FUNC("memfd_truncate", "memfd_truncate makes the memfd RDI RSI bytes long. Returns 0 or -errno.",
		MOVQ(uint64(memfdMaxSize), RAX),
		CMPQ(RSI, RAX),
		IF(A, fail(EFBIG)),
		MOVQ(RDI, RBX),
		MOVQ(file.Size, RAX),
		MOVQ(RSI, file.Size),
		CMPQ(RSI, RAX),
		IF(AE, returns(0)),
		// What is left of the last page is zeros from now on.
		MOVQ(RSI, R14),
		TESTL(layout.PageSize-1, RSI),
		IF(NE,
			SHRQ(12, RSI),
			XORL(RDX, RDX),
			CALL(memfdPage),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX, RDI),
				inPage(RDI),
				NEGL(RCX),
				ADDL(layout.PageSize, RCX),
				XORL(RAX, RAX),
				REP(STOSB()),
			),
		),
		ADDQ(layout.PageSize-1, R14),
		ANDQ(pageMask, R14),
		// Who maps what is gone must not go on doing so.
		XORL(RDI, RDI),
		CALL(findArea),
		MOVQ(RAX, R12),
		LOOP(
			CMPQ(a.Next, 0), // last_area
			BREAK(E),
			TESTL(layout.AreaMemFile, a.Flags),
			JE("next"),
			CMPQ(RBX, a.Source),
			JNE("next"),
			MOVQ(R14, RDI),
			SUBQ(a.SourceLen, RDI),
			IF(B, XORL(RDI, RDI)),
			ADDQ(a.Start, RDI),
			MOVQ(a.End, RSI),
			CALL(zapRange),
			LABEL("next"),
			MOVQ(a.Next, R12),
		),
		MOVQ(file.Data, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			MOVL((memfdLevels-1)*memfdBits, RSI),
			XORL(RDX, RDX),
			MOVQ(R14, R15),
			SHRQ(12, R15),
			CALL(memfdPrune),
		),
		returns(0),
	).Saving(RBX, R12, R14, R15).Takes(RDI, RSI).Returns(RAX)
}

func memfdAllocate() Func {
	file := openFile(RBX)
	return FUNC("memfd_allocate",
		`memfd_allocate makes the pages of the RCX bytes from RDX on of the memfd RDI,
which becomes as long unless ESI is 1. Returns 0 or -errno: it makes all of them
or none.`,
		MOVQ(RDI, RBX),
		MOVL(RSI, R12),
		MOVQ(RDX, R13),
		LEAQ(RDX.Index(RCX, 1), R14),
		TESTQ(R14, R14),
		IF(S, fail(EFBIG)),
		MOVQ(uint64(memfdMaxSize), RAX),
		CMPQ(R14, RAX),
		IF(A, fail(EFBIG)),
		SHRQ(12, R13),
		MOVQ(R13, R15),
		XORL(RBP, RBP), // how many are not there yet
		LOOP(
			MOVQ(R15, RAX),
			SHLQ(12, RAX),
			CMPQ(RAX, R14),
			BREAK(AE),
			MOVQ(RBX, RDI),
			MOVQ(R15, RSI),
			XORL(RDX, RDX),
			CALL(memfdPage),
			CMPQ(RAX, 1), // CF if there is none
			ADCQ(0, RBP),
			MOVQ(RBP, RAX),
			SHRQ(memfdBits, RAX), // so many lowest tables,
			LEAQ(RAX.Index(RBP, 1).Add(2*memfdLevels+layout.ReservePages), RAX), // and those at the ends
			CMPQ(RAX, Sym(pagesFree)),
			IF(A, fail(ENOSPC)),
			INCQ(R15),
		),
		LOOP(
			MOVQ(R13, RAX),
			SHLQ(12, RAX),
			CMPQ(RAX, R14),
			BREAK(AE),
			MOVQ(RBX, RDI),
			MOVQ(R13, RSI),
			MOVL(1, RDX),
			CALL(memfdPage),
			INCQ(R13),
		),
		TESTL(R12, R12),
		IF(E,
			CMPQ(R14, file.Size),
			IF(A, MOVQ(R14, file.Size)),
		),
		returns(0),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func readMemfd() Func {
	file := openFile(RBX)
	return FUNC("read_memfd", "read_memfd is the Read of a memfd.",
		MOVQ(RDI, RBX),
		MOVQ(RSI, R12),
		MOVQ(RCX, R14),
		XORL(RBP, RBP), // done
		MOVQ(file.Size, R13),
		SUBQ(R14, R13),
		IF(BE, returns(0)), // at the end or after it
		CMPQ(R13, RDX),
		CMOVQA(RDX, R13),
		pageLoop(0,
			MOVQ(R12, RDI),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX, RSI),
				inPage(RSI),
				MOVQ(R15, RDX),
				CALL(copyOut),
			).ELSE(
				MOVQ(R15, RSI),
				CALL(clearUser),
				TESTQ(RAX, RAX),
				IF(E, MOVQ(R15, RAX)),
			),
			CMPQ(RAX, R15),
			IF(NE, // the rest of the buffer is bad
				TESTQ(RAX, RAX),
				IF(NS, ADDQ(RAX, RBP)),
				TESTQ(RBP, RBP),
				CMOVQNE(RBP, RAX),
				RETURN(),
			),
		),
		MOVQ(RBP, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX)
}

func writeMemfd() Func {
	file := openFile(RBX)
	return FUNC("write_memfd", "write_memfd is the Write of a memfd.",
		MOVQ(RDI, RBX),
		MOVQ(RSI, R12),
		MOVQ(RDX, R13),
		MOVQ(RCX, R14),
		XORL(RBP, RBP), // done
		TESTQ(R13, R13),
		IF(E, returns(0)),
		MOVQ(uint64(memfdMaxSize), RAX),
		SUBQ(R14, RAX),
		IF(BE, fail(EFBIG)),
		CMPQ(R13, RAX),
		CMOVQA(RAX, R13),
		pageLoop(1,
			TESTQ(RAX, RAX),
			IF(E, MOVQ(-ENOSPC, RAX), JMP("failed")),
			MOVQ(RAX, RDI),
			toPageEnd(R12, R15, RDX), // what can be copied at all
			MOVQ(RDX, R15),
			inPage(RDI),
			MOVQ(R12, RSI),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("failed"),
			LEAQ(R14.Index(R15, 1), RAX),
			CMPQ(RAX, file.Size),
			IF(A, MOVQ(RAX, file.Size)),
		),
		MOVQ(RBP, RAX),
		RETURN(),
		LABEL("failed"),
		TESTQ(RBP, RBP),
		CMOVQNE(RBP, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX)
}
