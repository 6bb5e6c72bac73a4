package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// iovMax is the most buffers of one readv or writev (Linux
// include/uapi/linux/uio.h, UIO_MAXIOV).
const iovMax = 1024

// transfers is reading and writing. What a kind of file does is in its
// FileOps; here is what is common to all.
func transfers() Program {
	var (
		file   = openFile(RBX)
		ops    = Fields[layout.FileOps[Mem]](RDX)
		rw     = func(write int) Block { return Block{MOVL(write, R8), JMP("file_rw")} }
		rwv    = func(write int) Block { return Block{MOVL(write, R8), JMP("file_rwv")} }
		atPos  = MOVQ(-1, RCX)
		offset = Block{TESTQ(RCX, RCX), IF(S, fail(EINVAL))}
	)
	return Program{
		Funcs: []Func{
			FUNC("sys_read", "sys_read(fd, buf, count).", atPos, rw(0)),
			FUNC("sys_write", "sys_write(fd, buf, count).", atPos, rw(1)),
			FUNC("sys_pread64", "sys_pread64(fd, buf, count, offset).", offset, rw(0)),
			FUNC("sys_pwrite64", "sys_pwrite64(fd, buf, count, offset).", offset, rw(1)),
			FUNC("sys_readv", "sys_readv(fd, iov, iovcnt).", rwv(0)),
			FUNC("sys_writev", "sys_writev(fd, iov, iovcnt).", rwv(1)),
			FUNC("file_rw",
				`file_rw reads (R8 0) or writes (R8 1) RDX bytes at RSI by the descriptor EDI, at
the offset RCX or, if that is -1, at the file's position, which moves on.
Returns the number of bytes or -errno.`,
				MOVQ(RSI, R12),
				MOVQ(RDX, R13),
				MOVQ(RCX, R14),
				CALL("fget"),
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
				MOVQ(R14, RCX),
				TESTQ(R14, R14),
				IF(S, MOVQ(file.Pos, RCX)),
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
				CALL("fput"),
				RETURN(),
			).Saving(RBX, R12, R13, R14),
			FUNC("file_rwv",
				`file_rwv does file_rw for each of the EDX buffers that the user's iovec RSI
names, until one is not done in full. All are looked at before the first is
touched, as Linux does.`,
				MOVL(RDI, RBX),
				MOVQ(RSI, R12),
				MOVL(R8, R14),
				CMPL(RDX, iovMax),
				IF(A, fail(EINVAL)),
				MOVL(RDX, R13),
				MOVQ(R12, RBP),
				LOOP(
					TESTL(R13, R13),
					BREAK(E),
					LEAQ(RBP.At(8), RDI),
					CALL("get_user_long"),
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
					CALL("get_user_long"),
					TESTQ(RDX, RDX),
					JNE("fault"),
					MOVQ(RAX, R13),
					MOVQ(R12, RDI),
					CALL("get_user_long"),
					TESTQ(RDX, RDX),
					JNE("fault"),
					ADDQ(16, R12),
					MOVL(RBX, RDI),
					MOVQ(RAX, RSI),
					MOVQ(R13, RDX),
					MOVQ(-1, RCX),
					MOVL(R14, R8),
					CALL("file_rw"),
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
			).Saving(RBX, RBP, R12, R13, R14, R15),
			FUNC("copy_out",
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
					CALL("copy_to_user"),
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
			).Saving(RBX, R12, R13, R14, R15),
			FUNC("read_regular", "read_regular is the Read of a regular file.",
				MOVQ(openFile(RDI).Size, RAX),
				SUBQ(RCX, RAX),
				IF(BE, XORL(RAX, RAX), RETURN()), // at the end or after it
				CMPQ(RAX, RDX),
				CMOVQB(RAX, RDX),
				MOVQ(openFile(RDI).Data, RAX),
				MOVQ(RSI, RDI),
				LEAQ(RAX.Index(RCX, 1), RSI),
				JMP("copy_out"),
			),
			FUNC("read_dir", "read_dir is the Read of a directory, which getdents64 is for.",
				fail(EISDIR),
			),
		},
		Data: []Data{
			fileOps("regular_ops", layout.FileOps[any]{Read: "read_regular", LSeek: layout.FileSeekData}),
			fileOps("dir_ops", layout.FileOps[any]{Read: "read_dir", LSeek: layout.FileSeekDir}),
		},
	}
}
