package kernel

import (
	"fmt"
	"reflect"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// openFile gives the fields of the File that r points to.
func openFile(r Reg) layout.File[Mem] { return Fields[layout.File[Mem]](r) }

// fileOps is the table of a kind of file. A field is the name of a function,
// a number, or nil for what the kind cannot.
func fileOps(name string, o layout.FileOps[any]) Data {
	var content []any
	for _, v := range reflect.ValueOf(o).Fields() {
		switch v := v.Interface().(type) {
		case nil:
			content = append(content, uint64(0))
		case string:
			content = append(content, PTR(v))
		case int:
			content = append(content, uint64(v))
		default:
			panic(fmt.Sprintf("kernel: %s: a field is a %T; want the name of a function or an int", name, v))
		}
	}
	return RODATA(name, content...)
}

// toPageEnd sets n to the bytes from addr to the end of its page, but left at
// most.
func toPageEnd(addr, left, n Reg) Block {
	return Block{
		MOVQ(addr, n),
		ORQ(-layout.PageSize, n),
		NEGQ(n),
		CMPQ(n, left),
		CMOVQA(left, n),
	}
}

// files is open files and descriptors: the tables, and the calls that do not
// care what kind of file it is.
func files() Program {
	var (
		rax, rbx = openFile(RAX), openFile(RBX)
		fd       = Fields[layout.FD[Mem]](RDX)
		fileSize = SizeOf[layout.File[Mem]]()
		opsRCX   = Fields[layout.FileOps[Mem]](RCX)
	)
	return Program{
		Funcs: []Func{
			FUNC("files_init", "files_init checks the initramfs and opens the console as descriptors 0, 1 and 2. Fails by boot_fail.",
				CALL("cpio_check"),
				CALL("random_init"),
				LEAQ(Str("dev/console"), RDI),
				MOVL(len("dev/console"), RSI),
				CALL("node_find"),
				LEAQ(Sym("console_ops"), RDI),
				MOVL(O_RDWR, RSI),
				CALL("file_alloc"),
				MOVQ(RAX, RBX),
				MOVQ(3, rbx.Refs),
				MOVQ(node.Header, RAX),
				MOVQ(RAX, rbx.Node),
				MOVQ(node.NameLen, RAX),
				MOVQ(RAX, rbx.NameLen),
				LEAQ(Sym("fds"), RDX),
				MOVL(3, RCX),
				DO(
					MOVQ(RBX, fd.File),
					ADDQ(SizeOf[layout.FD[Mem]](), RDX),
					DECL(RCX),
				).WHILE(NE),
				RETURN(),
			).Saving(RBX),
			FUNC("fd_file",
				`fd_file returns the File of the descriptor EDI in RAX, 0 if it is not open; RDX
is the FD. No reference is taken. Clobbers RDI.`,
				XORL(RAX, RAX),
				CMPL(RDI, layout.MaxFD),
				IF(AE, RETURN()),
				MOVL(RDI, RDI),
				SHLQ(4, RDI), // 16 bytes a descriptor
				LEAQ(Sym("fds"), RDX),
				ADDQ(RDI, RDX),
				MOVQ(fd.File, RAX),
				RETURN(),
			),
			FUNC("fget",
				`fget is fd_file with a reference, which fput gives back: another thread may
close the descriptor while a call sleeps.`,
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(NE, INCQ(rax.Refs)),
				RETURN(),
			),
			FUNC("fput", "fput gives back a reference to the File RDI; with the last it is closed. Keeps RAX.",
				DECQ(openFile(RDI).Refs),
				IF(NE, RETURN()),
				PUSHQ(RAX),
				PUSHQ(RDI),
				CALL("epoll_forget"),
				POPQ(RDI),
				MOVQ(openFile(RDI).Ops, RCX),
				MOVQ(opsRCX.Release, RAX),
				TESTQ(RAX, RAX),
				IF(NE, CALL(RAX)),
				POPQ(RAX),
				RETURN(),
			),
			FUNC("file_alloc",
				`file_alloc returns a new File with the FileOps RDI, the flags RSI and one
reference, or 0 if there are too many.`,
				LEAQ(Sym("file_table"), RAX),
				MOVL(layout.MaxFD, RCX),
				LOOP(
					CMPQ(rax.Refs, 0),
					BREAK(E),
					ADDQ(fileSize, RAX),
					DECL(RCX),
					IF(E, XORL(RAX, RAX), RETURN()),
				),
				MOVQ(RDI, RDX),
				MOVQ(RAX, R8),
				MOVQ(RAX, RDI),
				XORL(RAX, RAX),
				MOVL(fileSize/8, RCX),
				REP(STOSQ()),
				MOVQ(R8, RAX),
				MOVQ(RDX, rax.Ops),
				MOVQ(RSI, rax.Flags),
				MOVQ(1, rax.Refs),
				RETURN(),
			),
			FUNC("fd_install",
				`fd_install gives the File RSI the lowest free descriptor from EDI on, with the
close-on-exec flag if RDX is not 0. Returns it, or -EMFILE.`,
				MOVQ(RDX, R8),
				MOVL(RDI, RAX),
				LOOP(
					CMPL(RAX, layout.MaxFD),
					IF(AE, fail(EMFILE)),
					MOVQ(RAX, RDX),
					SHLQ(4, RDX),
					LEAQ(Sym("fds"), RCX),
					ADDQ(RCX, RDX),
					CMPQ(fd.File, 0),
					BREAK(E),
					INCL(RAX),
				),
				MOVQ(RSI, fd.File),
				XORL(RCX, RCX),
				TESTQ(R8, R8),
				SETNE(RCX),
				MOVQ(RCX, fd.CloExec),
				RETURN(),
			),
			FUNC("file_open",
				`file_open makes a File with the FileOps RDI and the flags RSI, and a descriptor
for it with the close-on-exec flag if RDX is not 0. Returns the descriptor, and
the File in RDX, or -errno.`,
				MOVQ(RDX, R12),
				CALL("file_alloc"),
				TESTQ(RAX, RAX),
				IF(E, fail(ENFILE)),
				MOVQ(RAX, RBX),
				XORL(RDI, RDI),
				MOVQ(RBX, RSI),
				MOVQ(R12, RDX),
				CALL("fd_install"),
				TESTQ(RAX, RAX),
				IF(S, MOVQ(0, rbx.Refs)),
				MOVQ(RBX, RDX),
				RETURN(),
			).Saving(RBX, R12),
			FUNC("sys_close", "sys_close(fd).",
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(0, fd.File),
				MOVQ(RAX, RDI),
				XORL(RAX, RAX),
				JMP("fput"),
			),
			FUNC("sys_dup", "sys_dup(fd).",
				XORL(RSI, RSI),
				XORL(RDX, RDX),
				JMP("fd_duplicate"),
			),
			FUNC("fd_duplicate",
				`fd_duplicate makes a descriptor for the File of EDI: the lowest from ESI on,
with the close-on-exec flag if RDX is not 0. Returns it or -errno.`,
				MOVQ(RDX, R12),
				MOVL(RSI, R13),
				CALL("fget"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(RAX, RBX),
				MOVL(R13, RDI),
				MOVQ(RBX, RSI),
				MOVQ(R12, RDX),
				CALL("fd_install"),
				TESTQ(RAX, RAX),
				IF(S,
					MOVQ(RBX, RDI),
					CALL("fput"),
				),
				RETURN(),
			).Saving(RBX, R12, R13),
			FUNC("sys_dup2", "sys_dup2(oldfd, newfd).",
				CMPL(RDI, RSI),
				IF(E,
					CALL("fd_file"),
					TESTQ(RAX, RAX),
					MOVL(RSI, RAX),
					IF(E, fail(EBADF)),
					RETURN(),
				),
				XORL(RDX, RDX),
				JMP("sys_dup3"),
			),
			FUNC("sys_dup3", "sys_dup3(oldfd, newfd, flags): flags is 0 or O_CLOEXEC.",
				MOVL(RSI, R12),
				MOVL(RDX, R13),
				TESTL(^O_CLOEXEC, RDX),
				IF(NE, fail(EINVAL)),
				CMPL(RDI, RSI),
				IF(E, fail(EINVAL)),
				CMPL(RSI, layout.MaxFD),
				IF(AE, fail(EBADF)),
				CALL("fget"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(RAX, RBX),
				MOVL(R12, RDI),
				CALL("fd_file"),
				MOVQ(RBX, fd.File),
				SHRL(19, R13), // O_CLOEXEC is bit 19
				MOVQ(R13, fd.CloExec),
				TESTQ(RAX, RAX),
				IF(NE,
					MOVQ(RAX, RDI),
					CALL("fput"),
				),
				MOVL(R12, RAX),
				RETURN(),
			).Saving(RBX, R12, R13),
			FUNC("sys_fcntl", "sys_fcntl(fd, cmd, arg): duplicating, the descriptor's and the file's flags.",
				MOVL(RDI, R8),
				MOVQ(RDX, R9),
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(R9, RCX),
				CMPL(RSI, 1), // F_GETFD
				IF(E, MOVQ(fd.CloExec, RAX), RETURN()),
				CMPL(RSI, 2), // F_SETFD
				IF(E,
					ANDL(1, RCX),
					MOVQ(RCX, fd.CloExec),
					XORL(RAX, RAX),
					RETURN(),
				),
				CMPL(RSI, 3), // F_GETFL
				IF(E, MOVQ(rax.Flags, RAX), RETURN()),
				CMPL(RSI, 4), // F_SETFL
				IF(E,
					ANDL(O_APPEND|O_NONBLOCK, RCX),
					ANDQ(^(O_APPEND|O_NONBLOCK), rax.Flags),
					ORQ(RCX, rax.Flags),
					XORL(RAX, RAX),
					RETURN(),
				),
				XORL(RDX, RDX),
				CMPL(RSI, 1030), // F_DUPFD_CLOEXEC
				IF(E, INCL(RDX)).ELSE(
					CMPL(RSI, 0), // F_DUPFD
					IF(NE, fail(EINVAL)),
				),
				CMPL(RCX, layout.MaxFD),
				IF(AE, fail(EINVAL)),
				MOVL(R8, RDI),
				MOVL(RCX, RSI),
				JMP("fd_duplicate"),
			),
			FUNC("sys_ioctl",
				`sys_ioctl(fd, request, arg): nothing here is a terminal, so that programs do not
change their output for one.`,
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				fail(ENOTTY),
			),
			FUNC("sys_lseek", "sys_lseek(fd, offset, whence).",
				MOVL(RDX, R8),
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(rax.Ops, RCX),
				MOVQ(opsRCX.LSeek, RCX),
				CMPL(RCX, layout.FileSeekNone),
				IF(E, fail(ESPIPE)),
				CMPL(RCX, layout.FileSeekNull),
				IF(E, XORL(RAX, RAX), RETURN()),
				CMPL(R8, 1), // SEEK_CUR
				IF(E,
					ADDQ(rax.Pos, RSI),
				).ELSE(
					CMPL(R8, 0), // SEEK_SET
					IF(NE,
						CMPL(RCX, layout.FileSeekDir),
						IF(E, fail(EINVAL)),
						CMPL(R8, 2), // SEEK_END
						IF(NE, fail(EINVAL)),
						ADDQ(rax.Size, RSI),
					),
				),
				TESTQ(RSI, RSI),
				IF(S, fail(EINVAL)),
				MOVQ(RSI, rax.Pos),
				MOVQ(RSI, RAX),
				RETURN(),
			),
			FUNC("sys_fsync", "sys_fsync(fd): there is never anything to write back.",
				CALL("fd_file"),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				MOVQ(rax.Ops, RCX),
				CMPL(opsRCX.LSeek, layout.FileSeekData),
				IF(NE,
					CMPL(opsRCX.LSeek, layout.FileSeekDir),
					IF(NE, fail(EINVAL)),
				),
				XORL(RAX, RAX),
				RETURN(),
			),
		},
		Data: []Data{
			BSS("fds", layout.MaxFD*SizeOf[layout.FD[Mem]](), 64),
			BSS("file_table", layout.MaxFD*fileSize, 64),
		},
	}
}
