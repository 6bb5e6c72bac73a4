package kernel

import (
	"encoding/binary"
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

// Requests of ioctl (Linux include/uapi/asm-generic/ioctls.h), and flags of
// close_range (include/uapi/linux/close_range.h).
const (
	ttyGetAttr    = 0x5401 // TCGETS
	ttyGetWinSize = 0x5413 // TIOCGWINSZ
	fioNREAD      = 0x541b
	fioNBIO       = 0x5421
	fioNCLEX      = 0x5450
	fioCLEX       = 0x5451

	closeRangeUnshare = 2
	closeRangeCloExec = 4
)

// termiosSize is the size of the kernel's struct termios (Linux
// include/uapi/asm-generic/termbits.h).
const termiosSize = 36

// consoleTermios are the console's settings: 115200 8N1, and nothing is done to
// what passes.
func consoleTermios() []byte {
	const b115200, cs8, cread, clocal = 0x1002, 0x30, 0x80, 0x800
	t := make([]byte, termiosSize)
	binary.LittleEndian.PutUint32(t[8:], b115200|cs8|cread|clocal) // c_cflag
	return t
}

// fdTable is the table of descriptors.
var fdTable = Fields[layout.FDTable[Mem]](Sym(fdTableData))

// fdLimit is the soft limit of descriptors: none from there on is handed out.
var fdLimit = Sym(rlimits).Add(16 * rlimitNoFile)

// files is open files and descriptors: the tables, and the calls that do not
// care what kind of file it is.
func files() Program {
	return Program{
		Funcs: Funcs(
			filesInit, fdFile, fdSlot, fget, fput, fileAlloc, fdInstall, fdRemove, fileOpen, sysClose,
			sysDup, fdDuplicate, sysDup2, sysDup3, sysFcntl, sysIoctl, sysCloseRange, sysSync,
			sysSyncfs, sysFadvise64, sysReadahead, sysLseek, sysFsync,
		),
		Data: []Data{
			consoleTermiosData, consoleWinsize, fdTableData, fileCache(),
		},
	}
}

var consoleTermiosData = RODATA("console_termios", consoleTermios())

var consoleWinsize = RODATA("console_winsize", uint64(0)) // as of a serial line: not known

var fdTableData = BSS("fd_table", SizeOf[layout.FDTable[Mem]](), 64)

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
		MOVQ(64, fdTable.Size),
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
is the FD then. No reference is taken. Clobbers RDI.`,
		XORL(RAX, RAX),
		CMPL(RDI, layout.MaxFD),
		IF(AE, RETURN()),
		MOVL(RDI, RAX),
		SHRL(8, RAX), // layout.FDsPerPage
		LEAQ(fdTable.Pages[0], RDX),
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
		LEAQ(fdTable.Pages[0], RAX),
		LEAQ(RAX.Index(RDI, 8), R9),
		MOVQ(R9.At(0), RAX),
		TESTQ(RAX, RAX),
		IF(E,
			CALL(allocPage),
			MOVQ(RAX, R9.At(0)),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
		),
		LOOP( // how many there can be for select
			CMPQ(R8, fdTable.Size),
			BREAK(B),
			SHLQ(1, fdTable.Size),
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
		CMPQ(n, fdTable.NextFD),
		IF(BE,
			MOVQ(fdTable.NextFD, n),
			MOVL(1, lowest),
		),
		LOOP(
			CMPQ(n, fdLimit),
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
		IF(NE, LEAL(n.At(1), RAX), MOVQ(RAX, fdTable.NextFD)),
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
		CMPQ(RDI, fdTable.NextFD),
		IF(B, MOVQ(RDI, fdTable.NextFD)),
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

func sysClose() Func {
	n := RBX
	return FUNC("sys_close", "sys_close(fd).",
		MOVL(RDI, n),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVL(n, RDI),
		CALL(fdRemove),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func sysDup() Func {
	return FUNC("sys_dup", "sys_dup(fd).",
		XORL(RSI, RSI),
		XORL(RDX, RDX),
		JMP(fdDuplicate),
	).Takes(RDI).Returns(RAX)
}

func fdDuplicate() Func {
	file, cloExec, least := RBX, R12, R13
	return FUNC("fd_duplicate",
		`fd_duplicate makes a descriptor for the File of EDI: the lowest from ESI on,
with the close-on-exec flag if RDX is not 0. Returns it or -errno.`,
		MOVQ(RDX, cloExec),
		MOVL(RSI, least),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, file),
		MOVL(least, RDI),
		MOVQ(file, RSI),
		MOVQ(cloExec, RDX),
		CALL(fdInstall),
		TESTQ(RAX, RAX),
		IF(S,
			MOVQ(file, RDI),
			CALL(fput),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysDup2() Func {
	return FUNC("sys_dup2", "sys_dup2(oldfd, newfd).",
		CMPL(RDI, RSI),
		IF(E,
			CALL(fdFile),
			TESTQ(RAX, RAX),
			MOVL(RSI, RAX),
			IF(E, fail(EBADF)),
			RETURN(),
		),
		XORL(RDX, RDX),
		JMP(sysDup3),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysDup3() Func {
	file, to, flags := RBX, R12, R13
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("sys_dup3", "sys_dup3(oldfd, newfd, flags): flags is 0 or O_CLOEXEC.",
		MOVL(RSI, to),
		MOVL(RDX, flags),
		TESTL(^O_CLOEXEC, RDX),
		IF(NE, fail(EINVAL)),
		CMPL(RDI, RSI),
		IF(E, fail(EINVAL)),
		MOVL(RSI, RSI),
		CMPQ(RSI, fdLimit),
		IF(AE, fail(EBADF)),
		CALL(fget),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, file),
		MOVL(to, RDI),
		CALL(fdSlot),
		TESTQ(RAX, RAX),
		IF(E,
			MOVQ(file, RDI),
			CALL(fput),
			fail(ENOMEM),
		),
		MOVQ(RAX, RDX),
		MOVQ(fd.File, RDI), // what was there
		MOVQ(file, fd.File),
		SHRL(19, flags), // O_CLOEXEC is bit 19
		MOVQ(flags, fd.CloExec),
		TESTQ(RDI, RDI),
		IF(NE, CALL(fput)),
		MOVL(to, RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysFcntl() Func {
	file := openFile(RAX)
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("sys_fcntl", "sys_fcntl(fd, cmd, arg): duplicating, the descriptor's and the file's flags, a pipe's size.",
		MOVL(RDI, R8),
		MOVQ(RDX, R9),
		CALL(fdFile),
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
		IF(E, MOVQ(file.Flags, RAX), RETURN()),
		CMPL(RSI, 4), // F_SETFL
		IF(E,
			ANDL(O_APPEND|O_NONBLOCK, RCX),
			ANDQ(^(O_APPEND|O_NONBLOCK), file.Flags),
			ORQ(RCX, file.Flags),
			XORL(RAX, RAX),
			RETURN(),
		),
		MOVQ(RAX, RDI),
		CMPL(RSI, 1031), // F_SETPIPE_SZ
		IF(E,
			MOVQ(RCX, RSI),
			JMP(pipeResize),
		),
		CMPL(RSI, 1032), // F_GETPIPE_SZ
		IF(E,
			MOVQ(file.Pipe, RDX),
			TESTQ(RDX, RDX),
			IF(E, fail(EBADF)),
			MOVQ(pipe(RDX).Size, RAX),
			RETURN(),
		),
		XORL(RDX, RDX),
		CMPL(RSI, 1030), // F_DUPFD_CLOEXEC
		IF(E, INCL(RDX)).ELSE(
			CMPL(RSI, 0), // F_DUPFD
			IF(NE, fail(EINVAL)),
		),
		MOVL(RCX, RCX),
		CMPQ(RCX, fdLimit),
		IF(AE, fail(EINVAL)),
		MOVL(R8, RDI),
		MOVL(RCX, RSI),
		JMP(fdDuplicate),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysIoctl() Func {
	filePtr, request, arg := RBX, R12, R13
	file := openFile(filePtr)
	fd := Fields[layout.FD[Mem]](RDX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_ioctl",
		`sys_ioctl(fd, request, arg): the console is a terminal whose settings cannot be
changed; of all files what is the descriptor's, and how much there is to read.`,
		MOVL(RSI, request),
		MOVQ(RDX, arg),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, filePtr),
		CMPL(request, fioCLEX),
		IF(E, MOVQ(1, fd.CloExec), returns(0)),
		CMPL(request, fioNCLEX),
		IF(E, MOVQ(0, fd.CloExec), returns(0)),
		CMPL(request, fioNBIO),
		IF(E,
			MOVQ(arg, RDI),
			CALL(getUserInt),
			TESTQ(RDX, RDX),
			IF(NE, fail(EFAULT)),
			ANDQ(^O_NONBLOCK, file.Flags),
			TESTL(RAX, RAX),
			IF(NE, ORQ(O_NONBLOCK, file.Flags)),
			returns(0),
		),
		CMPL(request, fioNREAD),
		IF(E,
			MOVQ(file.Pipe, RCX),
			TESTQ(RCX, RCX),
			IF(NE, MOVQ(pipe(RCX).Len, RSI)).ELSE(
				MOVQ(file.Ops, RCX),
				CMPL(ops.LSeek, layout.FileSeekData),
				IF(NE, fail(ENOTTY)),
				MOVQ(file.Size, RSI),
				SUBQ(file.Pos, RSI),
			),
			MOVQ(arg, RDI),
			CALL(putUserInt),
			RETURN(),
		),
		LEAQ(Sym(consoleOps), RCX),
		CMPQ(RCX, file.Ops),
		IF(NE, fail(ENOTTY)),
		CMPL(request, ttyGetAttr),
		IF(E,
			LEAQ(Sym(consoleTermiosData), RSI),
			MOVL(termiosSize, RDX),
		).ELSE(
			CMPL(request, ttyGetWinSize),
			IF(NE, fail(ENOTTY)),
			LEAQ(Sym(consoleWinsize), RSI),
			MOVL(8, RDX),
		),
		MOVQ(arg, RDI),
		CALL(copyToUser),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysCloseRange() Func {
	n, last, flags := RBX, R12, R13
	fd := Fields[layout.FD[Mem]](RDX)
	return FUNC("sys_close_range",
		`sys_close_range(first, last, flags): CLOSE_RANGE_UNSHARE would take a table of
its own for the thread, which is not there.`,
		TESTL(^(closeRangeUnshare|closeRangeCloExec), RDX),
		IF(NE, fail(EINVAL)),
		CMPL(RDI, RSI),
		IF(A, fail(EINVAL)),
		TESTL(closeRangeUnshare, RDX),
		IF(NE, fail(ENOSYS)),
		MOVL(RDI, n),
		MOVL(RSI, last),
		MOVL(RDX, flags),
		LOOP(
			CMPQ(n, fdTable.Size),
			BREAK(AE),
			CMPQ(n, last),
			BREAK(A),
			MOVL(n, RDI),
			CALL(fdFile),
			TESTQ(RAX, RAX),
			IF(NE,
				TESTL(flags, flags),
				IF(NE, MOVQ(1, fd.CloExec)).ELSE(
					MOVL(n, RDI),
					CALL(fdRemove),
				),
			),
			INCQ(n),
		),
		returns(0),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
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
					// There are data up to the end, and a hole behind it.
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
