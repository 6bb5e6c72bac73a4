package kernel

import (
	"fmt"
	"reflect"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// openFile gives the fields of the File that r points to.
func openFile(r Reg) *layout.File[Mem] { return Fields[layout.File[Mem]](r) }

// fileOps returns the table of a kind of file. A field is the name of a function, a number,
// or nil for an operation that the kind lacks.
func fileOps(name string, o layout.FileOps[any]) Data {
	var content []any
	for _, v := range reflect.ValueOf(o).Fields() {
		switch v := v.Interface().(type) {
		case nil:
			content = append(content, uint64(0))
		case func() Func:
			content = append(content, PTR(v))
		case int:
			content = append(content, uint64(v))
		default:
			panic(fmt.Sprintf("kernel: %s: a field is a %T; want a function or an int", name, v))
		}
	}
	return RODATA(name, content...)
}

// toPageEnd sets n to the bytes from addr to the end of its page, but at most to
// left.
func toPageEnd(addr, left, n Reg) Block {
	return Block{
		MOVQ(addr, n),
		ORQ(-layout.PageSize, n),
		NEGQ(n),
		CMPQ(n, left),
		CMOVQA(left, n),
	}
}

// fdTable gives the fields of the FDTable that r points to; gs.Files is the current
// process's.
func fdTable(r Reg) *layout.FDTable[Mem] { return Fields[layout.FDTable[Mem]](r) }

// fdLimit puts the current process's soft limit of descriptors in dst: none from it on
// is handed out.
func fdLimit(dst Reg) Block {
	return Block{MOVQ(gs.Process, dst), MOVQ(process(dst).RLimits[rlimitNoFile][0], dst)}
}

// files returns the part that keeps open files and descriptors: the tables, and the calls
// that do not depend on the kind of file.
func files() Program {
	return Program{
		Funcs: Funcs(
			filesInit, fdFile, fdSlot, fget, fput, fileAlloc, fdInstall, fdRemove, fileOpen, sysClose,
			sysDup, fdDuplicate, sysDup2, sysDup3, sysFcntl, sysIoctl, sysCloseRange, sysSync,
			sysSyncfs, sysFadvise64, sysReadahead, sysLseek, sysFsync,
		),
		Data: []Data{
			consoleTermiosData, consoleWinsize, initFiles, fileCache(),
		},
	}
}

// initFiles is the table of init, a page like all others.
var initFiles = BSS("init_files", layout.PageSize, layout.PageSize)

func fileCache() Data {
	fileSize := SizeOf[layout.File[Mem]]()
	return slabCache("file_cache", fileSize)
}

func filesInit() Func {
	filePtr := RBX
	file := openFile(filePtr)
	return FUNC("files_init", "files_init checks the initramfs and opens the console as descriptors 0, 1 and 2. Fails by boot_fail.",
		CALL(cpioCheck),
		CALL(randomInit),
		LEAQ(Str("dev/console"), RDI),
		MOVL(len("dev/console"), RSI),
		CALL(nodeFind),
		LEAQ(Sym(consoleOps), RDI),
		MOVL(O_RDWR, RSI),
		CALL(fileAlloc),
		MOVQ(RAX, filePtr),
		MOVQ(3, file.Refs),
		MOVQ(node.Header, RAX),
		MOVQ(RAX, file.Node),
		MOVQ(node.NameLen, RAX),
		MOVQ(RAX, file.NameLen),
		MOVQ(gs.Files, RAX),
		MOVQ(64, fdTable(RAX).Size),
		DO(
			XORL(RDI, RDI),
			MOVQ(filePtr, RSI),
			XORL(RDX, RDX),
			CALL(fdInstall),
			CMPL(RAX, 2),
		).WHILE(B),
		RETURN(),
	).Saving(RBX).Takes()
}

func fdFile() Func {
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("fd_file",
		`fd_file returns the File of the descriptor EDI in RAX, 0 if it is not open; RDX
is then the FD. It takes no reference. Clobbers RDI.`,
		XORL(RAX, RAX),
		CMPL(RDI, layout.MaxFD),
		IF(AE, RETURN()),
		MOVL(RDI, RAX),
		SHRL(8, RAX), // layout.FDsPerPage
		MOVQ(gs.Files, RDX),
		MOVQ(RDX.Index(RAX, 8), RDX),
		XORL(RAX, RAX),
		TESTQ(RDX, RDX),
		IF(E, RETURN()),
		ANDL(layout.FDsPerPage-1, RDI),
		SHLL(4, RDI),
		ADDQ(RDI, RDX),
		MOVQ(fd.File, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX).Keeps(RSI, RCX, R8, R9)
}

func fdSlot() Func {
	return FUNC("fd_slot", "fd_slot returns the FD of the descriptor EDI, below layout.MaxFD, or 0 if there is no memory for it.",
		MOVL(RDI, R8),
		SHRL(8, RDI),
		MOVQ(gs.Files, RAX),
		LEAQ(RAX.Index(RDI, 8), R9),
		MOVQ(R9.At(0), RAX),
		TESTQ(RAX, RAX),
		IF(E,
			CALL(allocPage),
			MOVQ(RAX, R9.At(0)),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
		),
		MOVQ(gs.Files, R9),
		LOOP( // the number of descriptors that select must look at
			CMPQ(R8, fdTable(R9).Size),
			BREAK(B),
			SHLQ(1, fdTable(R9).Size),
		),
		ANDL(layout.FDsPerPage-1, R8),
		SHLL(4, R8),
		ADDQ(R8, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RSI)
}

func fget() Func {
	file := openFile(RAX)
	return FUNC("fget",
		`fget is fd_file with a reference, which fput gives back: another thread may
close the descriptor while a call sleeps.`,
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(NE, INCQ(file.Refs)),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(R8)
}

func fput() Func {
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("fput", "fput gives back a reference to the File RDI; with the last it is closed. Keeps RAX.",
		DECQ(openFile(RDI).Refs),
		IF(NE, RETURN()),
		PUSHQ(RAX),
		PUSHQ(RDI),
		CALL(epollForget),
		MOVQ(RSP.At(0), RDI),
		MOVQ(openFile(RDI).Ops, RCX),
		MOVQ(ops.Release, RAX),
		TESTQ(RAX, RAX),
		IF(NE, CALL(RAX)),
		POPQ(RSI),
		LEAQ(Sym(fileCache), RDI),
		CALL(slabFree),
		POPQ(RAX),
		RETURN(),
	).Takes(RDI).Keeps(RAX)
}

func fileAlloc() Func {
	ops := RBX
	file := openFile(RAX)
	fileSize := SizeOf[layout.File[Mem]]()
	return FUNC("file_alloc",
		`file_alloc returns a new File with the FileOps RDI, the flags RSI and one
reference, or 0 if there is no memory for it.`,
		MOVQ(RDI, ops),
		LEAQ(Sym(fileCache), RDI),
		MOVL(1, RAX),
		CALL(slabReserve),
		IF(B, returns(0)),
		CALL(slabAlloc),
		MOVQ(RAX, RDX),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		MOVL(fileSize/8, RCX),
		REP(STOSQ()),
		MOVQ(RDX, RAX),
		MOVQ(ops, file.Ops),
		MOVQ(RSI, file.Flags),
		MOVQ(1, file.Refs),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func fdInstall() Func {
	n, cloExec, lowest := RBX, RBP, R12
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("fd_install",
		`fd_install gives the File RSI the lowest free descriptor from EDI on, with the
close-on-exec flag if RDX is not 0. Returns it, or -EMFILE or -ENOMEM.`,
		MOVQ(RDX, cloExec),
		MOVL(RDI, n),
		XORL(lowest, lowest), // 1 if none below is free
		MOVQ(gs.Files, RAX),
		CMPQ(n, fdTable(RAX).NextFD),
		IF(BE,
			MOVQ(fdTable(RAX).NextFD, n),
			MOVL(1, lowest),
		),
		LOOP(
			fdLimit(RAX),
			CMPQ(n, RAX),
			IF(AE, fail(EMFILE)),
			MOVL(n, RDI),
			CALL(fdFile),
			TESTQ(RAX, RAX),
			BREAK(E),
			INCL(n),
		),
		MOVL(n, RDI),
		CALL(fdSlot),
		MOVQ(RAX, RDX),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		TESTL(lowest, lowest),
		MOVQ(gs.Files, RCX),
		IF(NE, LEAL(n.At(1), RAX), MOVQ(RAX, fdTable(RCX).NextFD)),
		MOVQ(RSI, fd.File),
		XORL(RCX, RCX),
		TESTQ(cloExec, cloExec),
		SETNE(RCX),
		MOVQ(RCX, fd.CloExec),
		MOVL(n, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func fdRemove() Func {
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("fd_remove",
		`fd_remove closes the descriptor EDI, which is open: RDX is its FD, RAX its File.
Returns 0.`,
		MOVQ(0, fd.File),
		MOVQ(gs.Files, RCX),
		CMPQ(RDI, fdTable(RCX).NextFD),
		IF(B, MOVQ(RDI, fdTable(RCX).NextFD)),
		MOVQ(RAX, RDI),
		XORL(RAX, RAX),
		JMP(fput),
	).Takes(RDI, RDX, RAX).Returns(RAX)
}

func fileOpen() Func {
	file, flags := RBX, R12
	result := R12
	return FUNC("file_open",
		`file_open makes a File with the FileOps RDI and the flags RSI, and a descriptor
for it with the close-on-exec flag if RDX is not 0. Returns the descriptor, and
the File in RDX, or -errno.`,
		MOVQ(RDX, flags),
		CALL(fileAlloc),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, file),
		XORL(RDI, RDI),
		MOVQ(file, RSI),
		MOVQ(flags, RDX),
		CALL(fdInstall),
		TESTQ(RAX, RAX),
		IF(S,
			MOVQ(RAX, result),
			LEAQ(Sym(fileCache), RDI),
			MOVQ(file, RSI),
			CALL(slabFree),
			MOVQ(result, RAX),
		),
		MOVQ(file, RDX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX, RDX)
}

func sysSync() Func {
	return FUNC("sys_sync", "sys_sync(): there is never anything to write back.", returns(0)).Takes().Returns(RAX)
}

func sysSyncfs() Func {
	return FUNC("sys_syncfs", "sys_syncfs(fd).",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		returns(0),
	).Takes(RDI).Returns(RAX)
}

func sysFadvise64() Func {
	file := openFile(RAX)
	return FUNC("sys_fadvise64", "sys_fadvise64(fd, offset, len, advice): all files are in memory.",
		MOVQ(RDX, R8),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		CMPQ(file.Pipe, 0),
		IF(NE, fail(ESPIPE)),
		TESTQ(R8, R8),
		IF(S, fail(EINVAL)),
		CMPL(RCX, 5), // POSIX_FADV_NOREUSE
		IF(A, fail(EINVAL)),
		returns(0),
	).Takes(RDI, RDX, RCX).Returns(RAX)
}

func sysReadahead() Func {
	file := openFile(RAX)
	return FUNC("sys_readahead", "sys_readahead(fd, offset, count): all files are in memory.",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVL(file.Flags, RCX),
		ANDL(O_ACCMODE, RCX),
		CMPL(RCX, O_WRONLY),
		IF(E, fail(EBADF)),
		LEAQ(Sym(regularOps), RCX),
		CMPQ(RCX, file.Ops),
		IF(NE, fail(EINVAL)),
		returns(0),
	).Takes(RDI).Returns(RAX)
}

func sysLseek() Func {
	file := openFile(RAX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_lseek", "sys_lseek(fd, offset, whence).",
		MOVL(RDX, R8),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(file.Ops, RCX),
		MOVQ(ops.LSeek, RCX),
		CMPL(RCX, layout.FileSeekNone),
		IF(E, fail(ESPIPE)),
		CMPL(RCX, layout.FileSeekNull),
		IF(E, XORL(RAX, RAX), RETURN()),
		CMPL(R8, 1), // SEEK_CUR
		IF(E,
			ADDQ(file.Pos, RSI),
		).ELSE(
			CMPL(R8, 0), // SEEK_SET
			IF(NE,
				CMPL(RCX, layout.FileSeekDir),
				IF(E, fail(EINVAL)),
				CMPL(R8, 2), // SEEK_END
				IF(E, ADDQ(file.Size, RSI)).ELSE(
					// The file is data up to its end, and a hole after it.
					CMPQ(RSI, file.Size),
					IF(AE,
						CMPL(R8, 4), // SEEK_HOLE
						IF(A, fail(EINVAL)),
						fail(ENXIO),
					),
					CMPL(R8, 3), // SEEK_DATA
					IF(NE,
						CMPL(R8, 4),
						IF(NE, fail(EINVAL)),
						MOVQ(file.Size, RSI),
					),
				),
			),
		),
		TESTQ(RSI, RSI),
		IF(S, fail(EINVAL)),
		MOVQ(RSI, file.Pos),
		MOVQ(RSI, RAX),
		RETURN(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysFsync() Func {
	file := openFile(RAX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_fsync", "sys_fsync(fd): there is never anything to write back.",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(file.Ops, RCX),
		CMPL(ops.LSeek, layout.FileSeekData),
		IF(NE,
			CMPL(ops.LSeek, layout.FileSeekDir),
			IF(NE, fail(EINVAL)),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}
