package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// iovMax is the most buffers of one readv or writev (Linux
// include/uapi/linux/uio.h, UIO_MAXIOV).
const iovMax = 1024

// rwfIgnored are the flags of preadv2 and pwritev2 that ask for nothing that is
// not so anyway: RWF_HIPRI, RWF_DSYNC, RWF_SYNC (Linux include/uapi/linux/fs.h).
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

// transfers is reading and writing. What a kind of file does is in its
// FileOps; here is what is common to all.
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
	file := openFile(RBX)
	ops := Fields[layout.FileOps[Mem]](RDX)
	return FUNC("file_rw",
		`file_rw reads (R8 0) or writes (R8 1) RDX bytes at RSI by the descriptor EDI, at
the offset RCX or, if that is -1, at the file's position, which moves on.
Returns the number of bytes or -errno.`,
		MOVQ(RSI, R12),
		MOVQ(RDX, R13),
		MOVQ(RCX, R14),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, RBX),
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
		TESTQ(R14, R14),
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
					TESTQ(R14, R14),
					IF(S, MOVQ(RCX, file.Pos)),
					JMP("positioned"),
				),
			),
		),
		MOVQ(R14, RCX),
		TESTQ(R14, R14),
		IF(S, MOVQ(file.Pos, RCX)),
		LABEL("positioned"),
		MOVQ(RBX, RDI),
		MOVQ(R12, RSI),
		MOVL(maxRW, RDX),
		CMPQ(R13, RDX),
		CMOVQB(R13, RDX),
		CALL(R9),
		TESTQ(R14, R14),
		IF(S,
			TESTQ(RAX, RAX),
			IF(G,
				MOVQ(file.Ops, RDX),
				CMPL(ops.LSeek, layout.FileSeekData),
				IF(E, ADDQ(RAX, file.Pos)),
			),
		),
		LABEL("out"),
		MOVQ(RBX, RDI),
		CALL(fput),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func fileRwv() Func {
	ops := Fields[layout.FileOps[Mem]](RDX)
	return FUNC("file_rwv",
		`file_rwv does file_rw for each of the EDX buffers that the user's iovec RSI
names, at RCX as file_rw has it, until one is not done in full. All are looked at
before the first is touched, as Linux does.`,
		MOVL(R8, RBX),
		SHLQ(32, RBX),
		MOVL(RDI, RAX),
		ORQ(RAX, RBX), // the descriptor and, in the upper half, whether to write
		MOVQ(RSI, R12),
		MOVL(RDX, R13),
		MOVQ(RCX, R14),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		TESTQ(R14, R14),
		IF(NS,
			MOVQ(openFile(RAX).Ops, RDX),
			CMPL(ops.LSeek, layout.FileSeekNone),
			IF(E, fail(ESPIPE)),
		),
		CMPL(R13, iovMax),
		IF(A, fail(EINVAL)),
		MOVQ(R12, RBP),
		LOOP(
			TESTL(R13, R13),
			BREAK(E),
			LEAQ(RBP.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			TESTQ(RAX, RAX),
			IF(S, fail(EINVAL)),
			ADDQ(16, RBP),
			DECL(R13),
		),
		XORL(R15, R15), // bytes done
		LOOP(
			CMPQ(R12, RBP),
			BREAK(E),
			LEAQ(R12.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			MOVQ(RAX, R13),
			MOVQ(R12, RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			ADDQ(16, R12),
			MOVL(RBX, RDI),
			MOVQ(RAX, RSI),
			MOVQ(R13, RDX),
			MOVQ(R14, RCX),
			TESTQ(RCX, RCX),
			IF(NS, ADDQ(R15, RCX)),
			MOVQ(RBX, R8),
			SHRQ(32, R8),
			CALL(fileRw),
			TESTQ(RAX, RAX),
			IF(S,
				TESTQ(R15, R15),
				CMOVQNE(R15, RAX),
				RETURN(),
			),
			ADDQ(RAX, R15),
			CMPQ(RAX, R13),
			BREAK(NE),
		),
		MOVQ(R15, RAX),
		RETURN(),
		LABEL("fault"),
		fail(EFAULT),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func copyOut() Func {
	return FUNC("copy_out",
		`copy_out copies RDX bytes from RSI to the user's RDI, page by page. Returns how
many there was room for, or -EFAULT if none.`,
		MOVQ(RDI, RBX),
		MOVQ(RSI, R12),
		MOVQ(RDX, R13), // left
		XORL(R15, R15), // done
		LOOP(
			TESTQ(R13, R13),
			BREAK(E),
			toPageEnd(RBX, R13, R14),
			MOVQ(RBX, RDI),
			MOVQ(R12, RSI),
			MOVQ(R14, RDX),
			CALL(copyToUser),
			TESTQ(RAX, RAX),
			IF(NE,
				TESTQ(R15, R15),
				BREAK(NE),
				RETURN(),
			),
			ADDQ(R14, RBX),
			ADDQ(R14, R12),
			ADDQ(R14, R15),
			SUBQ(R14, R13),
		),
		MOVQ(R15, RAX),
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
