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
// in one page of the file RBX from its offset R14 on. A piece has R15 bytes; RAX is
// its page or, if the page must not be made (flag 0), 0.
func pageLoop(make int, items ...Item) Block {
	file, done, buf, left, pos, n := RBX, RBP, R12, R13, R14, R15
	return Block{
		LOOP(
			TESTQ(left, left),
			BREAK(E),
			toPageEnd(pos, left, n),
			MOVQ(file, RDI),
			MOVQ(pos, RSI),
			SHRQ(12, RSI),
			MOVL(make, RDX),
			CALL(memfdPage),
			Block(items),
			ADDQ(n, buf),
			SUBQ(n, left),
			ADDQ(n, pos),
			ADDQ(n, done),
		),
	}
}

// inPage adds to r the offset of pos in its page. Clobbers RCX.
func inPage(pos, r Reg) Block {
	return Block{MOVL(pos, RCX), ANDL(layout.PageSize-1, RCX), ADDQ(RCX, r)}
}

// memfds returns the part that implements memfd_create: files in memory that have no name
// (Linux mm/memfd.c). They are the only files that can be written. The pages are the
// file's, whoever maps them shared; each area that maps the file has a reference to the
// File.
func memfds() Program {
	return Program{
		Funcs: Funcs(
			sysMemfdCreate, memfdPage, memfdPrune, releaseMemfd, memfdTruncate, memfdUnmap, memfdAllocate,
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
	flags := RBX
	return FUNC("sys_memfd_create", "sys_memfd_create(name, flags): the name is only for /proc, which does not show it.",
		TESTL(^mfdCloExec, RSI),
		IF(NE, fail(EINVAL)),
		MOVL(RSI, flags),
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
		MOVL(flags, RDX),
		CALL(fileOpen),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func memfdPage() Func {
	entry, index, alloc, shift := RBX, R12, R13, R14
	return FUNC("memfd_page",
		`memfd_page returns the linear address of the page RSI of the memfd RDI. If it is
not there it is made if EDX is 1, else the result is 0; it is also 0 if there is no
memory.`,
		LEAQ(openFile(RDI).Data, entry), // where the address of the next table is
		MOVQ(RSI, index),
		MOVL(RDX, alloc),
		MOVL(memfdLevels*memfdBits, shift),
		LOOP(
			MOVQ(entry.At(0), RAX),
			TESTQ(RAX, RAX),
			IF(E,
				TESTL(alloc, alloc),
				IF(E, RETURN()),
				CALL(getKernelPage),
				TESTQ(RAX, RAX),
				IF(E, RETURN()),
				MOVQ(RAX, entry.At(0)),
				MOVQ(RAX, RDX),
				MOVQ(RAX, RDI),
				XORL(RAX, RAX),
				MOVL(layout.PageSize/8, RCX),
				REP(STOSQ()),
				MOVQ(RDX, RAX),
			),
			SUBL(memfdBits, shift),
			IF(B, RETURN()), // it is the page
			MOVL(shift, RCX),
			MOVQ(index, RDX),
			SHRQ(RCX, RDX),
			ANDL(1<<memfdBits-1, RDX),
			LEAQ(RAX.Index(RDX, 8), entry),
		),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX).Returns(RAX)
}

func memfdPrune() Func {
	entry, end, shift, index, from := RBX, RBP, R12, R13, R15
	return FUNC("memfd_prune",
		`memfd_prune frees the pages from R15 on below the table RDI, whose first page is
RDX; each of its entries leads to 1<<ESI pages.`,
		MOVQ(RDI, entry),
		MOVL(RSI, shift),
		MOVQ(RDX, index),
		LEAQ(entry.At(layout.PageSize), end),
		DO(
			CMPQ(entry.At(0), 0),
			IF(NE,
				TESTL(shift, shift),
				IF(NE,
					MOVQ(entry.At(0), RDI),
					LEAL(shift.At(-memfdBits), RSI),
					MOVQ(index, RDX),
					CALL(memfdPrune),
				),
				CMPQ(index, from),
				IF(AE,
					MOVQ(entry.At(0), RDI),
					MOVQ(0, entry.At(0)),
					CALL(freePage),
				),
			),
			MOVL(shift, RCX),
			MOVL(1, RAX),
			SHLQ(RCX, RAX),
			ADDQ(RAX, index),
			ADDQ(8, entry),
			CMPQ(entry, end),
		).WHILE(B),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RDX, R15)
}

func releaseMemfd() Func {
	filePtr, from := RBX, R15
	file := openFile(filePtr)
	return FUNC("release_memfd", "release_memfd is the Release of a memfd.",
		MOVQ(RDI, filePtr),
		MOVQ(file.Data, RDI),
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		MOVL((memfdLevels-1)*memfdBits, RSI),
		XORL(RDX, RDX),
		XORL(from, from),
		CALL(memfdPrune),
		MOVQ(file.Data, RDI),
		CALL(freePage),
		RETURN(),
	).Saving(RBX, R15).Takes(RDI)
}

func memfdTruncate() Func {
	filePtr, size, from := RBX, R14, R15
	file := openFile(filePtr)
	return FUNC("memfd_truncate", "memfd_truncate makes the memfd RDI RSI bytes long. Returns 0 or -errno.",
		MOVQ(uint64(memfdMaxSize), RAX),
		CMPQ(RSI, RAX),
		IF(A, fail(EFBIG)),
		MOVQ(RDI, filePtr),
		MOVQ(file.Size, RAX),
		MOVQ(RSI, file.Size),
		CMPQ(RSI, RAX),
		IF(AE, returns(0)),
		// What is left of the last page is zeros from now on.
		MOVQ(RSI, size),
		TESTL(layout.PageSize-1, RSI),
		IF(NE,
			SHRQ(12, RSI),
			XORL(RDX, RDX),
			CALL(memfdPage),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX, RDI),
				inPage(size, RDI),
				NEGL(RCX),
				ADDL(layout.PageSize, RCX),
				XORL(RAX, RAX),
				REP(STOSB()),
			),
		),
		ADDQ(layout.PageSize-1, size),
		ANDQ(pageMask, size),
		MOVQ(filePtr, RDI),
		MOVQ(size, RSI),
		CALL(memfdUnmap),
		MOVQ(file.Data, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			MOVL((memfdLevels-1)*memfdBits, RSI),
			XORL(RDX, RDX),
			MOVQ(size, from),
			SHRQ(12, from),
			CALL(memfdPrune),
		),
		returns(0),
	).Saving(RBX, R14, R15).Takes(RDI, RSI).Returns(RAX)
}

func memfdUnmap() Func {
	filePtr, mapping, size, mmPtr, self, kept := RBX, R12, R13, R14, R15, RBP
	a := area(mapping)
	return FUNC("memfd_unmap",
		`memfd_unmap removes the pages of the memfd RDI from the offset RSI on, at a page, from
all Spaces that map them.`,
		MOVQ(RDI, filePtr),
		MOVQ(RSI, size),
		MOVQ(gs.Current, self),
		MOVQ(thread(self).MM, kept),
		LEAQ(Sym(initMMData), mmPtr),
		DO(
			MOVQ(mmPtr, thread(self).MM),
			MOVQ(mm(mmPtr).Space, RAX),
			CMPQ(RAX, memory.Space),
			IF(NE, CALL(spaceLoad)),
			XORL(RDI, RDI),
			CALL(findArea),
			MOVQ(RAX, mapping),
			LOOP(
				CMPQ(a.Next, 0), // the last one
				BREAK(E),
				TESTL(layout.AreaMemFile, a.Flags),
				JE("next"),
				CMPQ(filePtr, a.Source),
				JNE("next"),
				MOVQ(size, RDI),
				SUBQ(a.SourceLen, RDI),
				IF(B, XORL(RDI, RDI)),
				ADDQ(a.Start, RDI),
				MOVQ(a.End, RSI),
				CALL(zapRange),
				LABEL("next"),
				MOVQ(a.Next, mapping),
			),
			MOVQ(mm(mmPtr).Next, mmPtr),
			TESTQ(mmPtr, mmPtr),
		).WHILE(NE),
		MOVQ(kept, thread(self).MM),
		MOVQ(mm(kept).Space, RAX),
		CMPQ(RAX, memory.Space),
		IF(NE, CALL(spaceLoad)),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI)
}

func memfdAllocate() Func {
	filePtr, missing, keepSize, page, end, look := RBX, RBP, R12, R13, R14, R15
	file := openFile(filePtr)
	return FUNC("memfd_allocate",
		`memfd_allocate makes the pages of the RCX bytes from RDX on of the memfd RDI, and
makes the file that long unless ESI is 1. Returns 0 or -errno: it makes all of the
pages or none.`,
		MOVQ(RDI, filePtr),
		MOVL(RSI, keepSize),
		MOVQ(RDX, page),
		LEAQ(RDX.Index(RCX, 1), end),
		TESTQ(end, end),
		IF(S, fail(EFBIG)),
		MOVQ(uint64(memfdMaxSize), RAX),
		CMPQ(end, RAX),
		IF(A, fail(EFBIG)),
		SHRQ(12, page),
		MOVQ(page, look),
		XORL(missing, missing), // how many pages are not there yet
		LOOP(
			MOVQ(look, RAX),
			SHLQ(12, RAX),
			CMPQ(RAX, end),
			BREAK(AE),
			MOVQ(filePtr, RDI),
			MOVQ(look, RSI),
			XORL(RDX, RDX),
			CALL(memfdPage),
			CMPQ(RAX, 1), // CF if the page is missing
			ADCQ(0, missing),
			MOVQ(missing, RAX),
			SHRQ(memfdBits, RAX), // that many lowest tables,
			LEAQ(RAX.Index(missing, 1).Add(2*memfdLevels+layout.ReservePages), RAX), // and the tables at the ends
			CMPQ(RAX, Sym(pagesFree)),
			IF(A, fail(ENOSPC)),
			INCQ(look),
		),
		LOOP(
			MOVQ(page, RAX),
			SHLQ(12, RAX),
			CMPQ(RAX, end),
			BREAK(AE),
			MOVQ(filePtr, RDI),
			MOVQ(page, RSI),
			MOVL(1, RDX),
			CALL(memfdPage),
			INCQ(page),
		),
		TESTL(keepSize, keepSize),
		IF(E,
			CMPQ(end, file.Size),
			IF(A, MOVQ(end, file.Size)),
		),
		returns(0),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func readMemfd() Func {
	filePtr, done, buf, left, pos, n := RBX, RBP, R12, R13, R14, R15
	file := openFile(filePtr)
	return FUNC("read_memfd", "read_memfd is the Read of a memfd.",
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		MOVQ(RCX, pos),
		XORL(done, done), // done
		MOVQ(file.Size, left),
		SUBQ(pos, left),
		IF(BE, returns(0)), // at the end or after it
		CMPQ(left, RDX),
		CMOVQA(RDX, left),
		pageLoop(0,
			MOVQ(buf, RDI),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX, RSI),
				inPage(pos, RSI),
				MOVQ(n, RDX),
				CALL(copyOut),
			).ELSE(
				MOVQ(n, RSI),
				CALL(clearUser),
				TESTQ(RAX, RAX),
				IF(E, MOVQ(n, RAX)),
			),
			CMPQ(RAX, n),
			IF(NE, // the rest of the buffer is bad
				TESTQ(RAX, RAX),
				IF(NS, ADDQ(RAX, done)),
				TESTQ(done, done),
				CMOVQNE(done, RAX),
				RETURN(),
			),
		),
		MOVQ(done, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX)
}

func writeMemfd() Func {
	filePtr, done, buf, left, pos, n := RBX, RBP, R12, R13, R14, R15
	file := openFile(filePtr)
	return FUNC("write_memfd", "write_memfd is the Write of a memfd.",
		MOVQ(RDI, filePtr),
		MOVQ(RSI, buf),
		MOVQ(RDX, left),
		MOVQ(RCX, pos),
		XORL(done, done), // done
		TESTQ(left, left),
		IF(E, returns(0)),
		MOVQ(uint64(memfdMaxSize), RAX),
		SUBQ(pos, RAX),
		IF(BE, fail(EFBIG)),
		CMPQ(left, RAX),
		CMOVQA(RAX, left),
		pageLoop(1,
			TESTQ(RAX, RAX),
			IF(E, MOVQ(-ENOSPC, RAX), JMP("failed")),
			MOVQ(RAX, RDI),
			toPageEnd(buf, n, RDX), // the part that can be copied
			MOVQ(RDX, n),
			inPage(pos, RDI),
			MOVQ(buf, RSI),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			JNE("failed"),
			LEAQ(pos.Index(n, 1), RAX),
			CMPQ(RAX, file.Size),
			IF(A, MOVQ(RAX, file.Size)),
		),
		MOVQ(done, RAX),
		RETURN(),
		LABEL("failed"),
		TESTQ(done, done),
		CMOVQNE(done, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX)
}
