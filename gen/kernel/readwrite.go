package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// iovMax is the most buffers of one readv or writev (Linux
// include/uapi/linux/uio.h, UIO_MAXIOV).
const iovMax = 1024

// rwfIgnored are the flags of preadv2 and pwritev2 that ask for what is the case
// anyway: RWF_HIPRI, RWF_DSYNC, RWF_SYNC (Linux include/uapi/linux/fs.h).
const rwfIgnored = 1 | 2 | 4

// offsetAt refuses a negative offset.
func offsetAt(r Reg) Block { return Block{TESTQ(r, r), IF(S, fail(EINVAL))} }

func rw(write int) Block {
	return Block{MOVL(write, R8), JMP(fileRw)}
}

func rwv(write int) Block {
	return Block{MOVL(write, R8), JMP(fileRwv)}
}

// rwv2 takes flags too, and an offset of -1 for the file's position.
func rwv2(write int) Block {
	return Block{
		TESTL(^rwfIgnored, R9),
		IF(NE, fail(EOPNOTSUPP)),
		CMPQ(RCX, -1),
		IF(NE, offsetAt(RCX)),
		rwv(write),
	}
}

func atPos() Ins {
	return MOVQ(-1, RCX)
}

func atOffset() Block {
	return offsetAt(RCX)
}

// transfers returns the part that reads and writes files. What depends on the kind of file
// is in its FileOps; here is what all have in common.
func transfers() Program {
	return Program{
		Funcs: Funcs(
			sysRead, sysWrite, sysPread64, sysPwrite64, sysReadv, sysWritev, sysPreadv, sysPwritev,
			sysPreadv2, sysPwritev2, fileRw, fileRwv, copyOut, readRegular, readDir,
		),
		Data: []Data{
			regularOps(), dirOps(),
		},
	}
}

func regularOps() Data {
	return fileOps("regular_ops", layout.FileOps[any]{Read: readRegular, LSeek: layout.FileSeekData})
}

func dirOps() Data {
	return fileOps("dir_ops", layout.FileOps[any]{Read: readDir, LSeek: layout.FileSeekDir})
}

func sysRead() Func {
	return FUNC("sys_read", "sys_read(fd, buf, count).", atPos(), rw(0)).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysWrite() Func {
	return FUNC("sys_write", "sys_write(fd, buf, count).", atPos(), rw(1)).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysPread64() Func {
	return FUNC("sys_pread64", "sys_pread64(fd, buf, count, offset).", atOffset(), rw(0)).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysPwrite64() Func {
	return FUNC("sys_pwrite64", "sys_pwrite64(fd, buf, count, offset).", atOffset(), rw(1)).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysReadv() Func {
	return FUNC("sys_readv", "sys_readv(fd, iov, iovcnt).", atPos(), rwv(0)).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysWritev() Func {
	return FUNC("sys_writev", "sys_writev(fd, iov, iovcnt).", atPos(), rwv(1)).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysPreadv() Func {
	return FUNC("sys_preadv", "sys_preadv(fd, iov, iovcnt, offset).", atOffset(), rwv(0)).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysPwritev() Func {
	return FUNC("sys_pwritev", "sys_pwritev(fd, iov, iovcnt, offset).", atOffset(), rwv(1)).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysPreadv2() Func {
	return FUNC("sys_preadv2", "sys_preadv2(fd, iov, iovcnt, offset, offset's upper half, flags).", rwv2(0)).Takes(RDI, RSI, RDX, RCX, R9).Returns(RAX)
}

func sysPwritev2() Func {
	return FUNC("sys_pwritev2", "sys_pwritev2(fd, iov, iovcnt, offset, offset's upper half, flags).", rwv2(1)).Takes(RDI, RSI, RDX, RCX, R9).Returns(RAX)
}

func fileRw() Func {
	filePtr, buf, count, pos := RBX, R12, R13, R14
	file := openFile(filePtr)
	ops := Fields[layout.FileOps[Mem]](RDX)
	return FUNC("file_rw",
		`file_rw reads (R8 0) or writes (R8 1) RDX bytes at RSI through the descriptor EDI, at
the offset RCX or, if that is -1, at the file's position, which it advances.
Returns the number of bytes or -errno.`,
		MOVQ(RSI, buf),
		MOVQ(RDX, count),
		MOVQ(RCX, pos),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, filePtr),
		MOVL(file.Flags, RCX),
		ANDL(O_ACCMODE, RCX),
		MOVQ(file.Ops, RDX),
		TESTL(R8, R8),
		IF(E,
			MOVQ(ops.Read, R9),
			CMPL(RCX, O_WRONLY),
		).ELSE(
			MOVQ(ops.Write, R9),
			CMPL(RCX, O_RDONLY),
		),
		MOVQ(-EBADF, RAX),
		JE("out"),
		TESTQ(pos, pos),
		IF(NS,
			CMPL(ops.LSeek, layout.FileSeekNone),
			MOVQ(-ESPIPE, RAX),
			JE("out"),
		),
		TESTQ(R9, R9),
		MOVQ(-EINVAL, RAX),
		JE("out"),
		TESTL(R8, R8),
		IF(NE,
			TESTL(O_APPEND, file.Flags),
			IF(NE,
				CMPL(ops.LSeek, layout.FileSeekData),
				IF(E,
					MOVQ(file.Size, RCX),
					TESTQ(pos, pos),
					IF(S, MOVQ(RCX, file.Pos)),
					JMP("positioned"),
				),
			),
		),
		MOVQ(pos, RCX),
		TESTQ(pos, pos),
		IF(S, MOVQ(file.Pos, RCX)),
		LABEL("positioned"),
		MOVQ(filePtr, RDI),
		MOVQ(buf, RSI),
		MOVL(maxRW, RDX),
		CMPQ(count, RDX),
		CMOVQB(count, RDX),
		CALL(R9),
		TESTQ(pos, pos),
		IF(S,
			TESTQ(RAX, RAX),
			IF(G,
				MOVQ(file.Ops, RDX),
				CMPL(ops.LSeek, layout.FileSeekData),
				IF(E, ADDQ(RAX, file.Pos)),
			),
		),
		LABEL("out"),
		MOVQ(filePtr, RDI),
		CALL(fput),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func fileRwv() Func {
	fdAndWrite, iovEnd, iov, n, pos, done := RBX, RBP, R12, R13, R14, R15
	length := R13
	ops := Fields[layout.FileOps[Mem]](RDX)
	return FUNC("file_rwv",
		`file_rwv does file_rw for each of the EDX buffers that the user's iovec RSI
names, at RCX as in file_rw, until one is not done in full. It tests all buffers
before it touches the first, as Linux does.`,
		MOVL(R8, fdAndWrite),
		SHLQ(32, fdAndWrite),
		MOVL(RDI, RAX),
		ORQ(RAX, fdAndWrite), // the descriptor and, in the upper half, whether to write
		MOVQ(RSI, iov),
		MOVL(RDX, n),
		MOVQ(RCX, pos),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		TESTQ(pos, pos),
		IF(NS,
			MOVQ(openFile(RAX).Ops, RDX),
			CMPL(ops.LSeek, layout.FileSeekNone),
			IF(E, fail(ESPIPE)),
		),
		CMPL(n, iovMax),
		IF(A, fail(EINVAL)),
		MOVQ(iov, iovEnd),
		LOOP(
			TESTL(n, n),
			BREAK(E),
			LEAQ(iovEnd.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			TESTQ(RAX, RAX),
			IF(S, fail(EINVAL)),
			ADDQ(16, iovEnd),
			DECL(n),
		),
		XORL(done, done), // bytes done
		LOOP(
			CMPQ(iov, iovEnd),
			BREAK(E),
			LEAQ(iov.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			MOVQ(RAX, length),
			MOVQ(iov, RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			ADDQ(16, iov),
			MOVL(fdAndWrite, RDI),
			MOVQ(RAX, RSI),
			MOVQ(length, RDX),
			MOVQ(pos, RCX),
			TESTQ(RCX, RCX),
			IF(NS, ADDQ(done, RCX)),
			MOVQ(fdAndWrite, R8),
			SHRQ(32, R8),
			CALL(fileRw),
			TESTQ(RAX, RAX),
			IF(S,
				TESTQ(done, done),
				CMOVQNE(done, RAX),
				RETURN(),
			),
			ADDQ(RAX, done),
			CMPQ(RAX, length),
			BREAK(NE),
		),
		MOVQ(done, RAX),
		RETURN(),
		LABEL("fault"),
		fail(EFAULT),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func copyOut() Func {
	to, from, left, n, done := RBX, R12, R13, R14, R15
	return FUNC("copy_out",
		`copy_out copies RDX bytes from RSI to the user's RDI, page by page. Returns how
many it could copy, or -EFAULT if none.`,
		MOVQ(RDI, to),
		MOVQ(RSI, from),
		MOVQ(RDX, left),  // left
		XORL(done, done), // done
		LOOP(
			TESTQ(left, left),
			BREAK(E),
			toPageEnd(to, left, n),
			MOVQ(to, RDI),
			MOVQ(from, RSI),
			MOVQ(n, RDX),
			CALL(copyToUser),
			TESTQ(RAX, RAX),
			IF(NE,
				TESTQ(done, done),
				BREAK(NE),
				RETURN(),
			),
			ADDQ(n, to),
			ADDQ(n, from),
			ADDQ(n, done),
			SUBQ(n, left),
		),
		MOVQ(done, RAX),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func readRegular() Func {
	return FUNC("read_regular", "read_regular is the Read of a regular file.",
		MOVQ(openFile(RDI).Size, RAX),
		SUBQ(RCX, RAX),
		IF(BE, XORL(RAX, RAX), RETURN()), // at the end or after it
		CMPQ(RAX, RDX),
		CMOVQB(RAX, RDX),
		MOVQ(openFile(RDI).Data, RAX),
		MOVQ(RSI, RDI),
		LEAQ(RAX.Index(RCX, 1), RSI),
		JMP(copyOut),
	).Takes(RDI, RSI, RDX, RCX)
}

func readDir() Func {
	return FUNC("read_dir", "read_dir is the Read of a directory, which getdents64 is for.",
		fail(EISDIR),
	).Takes()
}
