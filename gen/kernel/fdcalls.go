package kernel

import (
	"encoding/binary"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

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

// consoleTermios returns the console's settings: 115200 8N1, and bytes pass unchanged.
func consoleTermios() []byte {
	const b115200, cs8, cread, clocal = 0x1002, 0x30, 0x80, 0x800
	t := make([]byte, termiosSize)
	binary.LittleEndian.PutUint32(t[8:], b115200|cs8|cread|clocal) // c_cflag
	return t
}

var consoleTermiosData = RODATA("console_termios", consoleTermios())

var consoleWinsize = RODATA("console_winsize", uint64(0)) // unknown, as for a serial line

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
		`fd_duplicate makes a descriptor for the File of EDI: the lowest free one from ESI on,
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
		fdLimit(RAX),
		CMPQ(RSI, RAX),
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
		MOVQ(fd.File, RDI), // the file that was there
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
		fdLimit(RAX),
		CMPQ(RCX, RAX),
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
changed; for all files: the descriptor's flags, and how much there is to read.`,
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
		`sys_close_range(first, last, flags): CLOSE_RANGE_UNSHARE would give the thread its
own table, which is not supported.`,
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
			MOVQ(gs.Files, RAX),
			CMPQ(n, fdTable(RAX).Size),
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
