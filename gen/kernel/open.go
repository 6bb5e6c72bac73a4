package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

func nodeType() Block {
	return Block{MOVL(node.Mode, RAX), ANDL(S_IFMT, RAX)}
}

// opens returns the system calls that open files and query them by name. All files are
// those of the initramfs, which nothing changes.
func opens() Program {
	return Program{
		Funcs: Funcs(
			sysOpen, sysCreat, sysOpenat, nodeRdev, sysReadlink, sysReadlinkat, sysAccess,
			sysFaccessat, sysFaccessat2,
		),
	}
}

func sysOpen() Func {
	return FUNC("sys_open", "sys_open(path, flags, mode).",
		MOVL(RSI, RDX),
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		JMP(sysOpenat),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysCreat() Func {
	return FUNC("sys_creat", "sys_creat(path, mode).",
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		MOVL(O_CREAT|O_WRONLY|O_TRUNC, RDX),
		JMP(sysOpenat),
	).Takes(RDI).Returns(RAX)
}

func sysOpenat() Func {
	dirfd, flags, path := RBX, R12, R13
	file := openFile(RDX)
	return FUNC("sys_openat",
		`sys_openat(dirfd, path, flags, mode): opens the devices for reading and writing, and
the other files of the initramfs for reading.`,
		MOVL(RDX, flags),
		TESTL(O_PATH, flags), // such a descriptor would be of no use here
		IF(NE, fail(EINVAL)),
		TESTL(O_TMPFILE, flags),
		IF(NE, // a file without a name in a directory
			MOVL(flags, RAX),
			ANDL(O_TMPFILE|O_DIRECTORY|O_CREAT, RAX),
			CMPL(RAX, O_TMPFILE|O_DIRECTORY),
			IF(NE, fail(EINVAL)),
			TESTL(O_ACCMODE, flags),
			IF(E, fail(EINVAL)),
		),
		TESTL(O_CREAT, flags),
		IF(NE, // a new file's name has no slash after it
			MOVL(RDI, dirfd),
			MOVQ(RSI, path),
			MOVQ(RSI, RDI),
			CALL(getname),
			TESTQ(RAX, RAX),
			IF(S, RETURN()),
			LEAQ(Sym(pathIn), RCX),
			CMPB(RCX.Index(RAX, 1).Add(-1), '/'),
			IF(E,
				MOVL(dirfd, RDI),
				MOVQ(path, RSI),
				CALL(parentWalk),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				CMPL(RDX, lastNormal),
				IF(E, fail(EISDIR)),
			),
			MOVL(dirfd, RDI),
			MOVQ(path, RSI),
		),
		XORL(RDX, RDX),
		TESTL(O_NOFOLLOW, flags),
		IF(NE, INCL(RDX)),
		MOVL(flags, RAX),
		ANDL(O_CREAT|O_EXCL, RAX),
		CMPL(RAX, O_CREAT|O_EXCL),
		IF(E, MOVL(1, RDX)),
		CALL(userPathWalk),
		CMPQ(RAX, -ENOENT),
		IF(E, // a new file must be in an existing directory
			TESTL(O_CREAT, flags),
			IF(NE,
				CMPB(Sym(pathLast), 0),
				IF(NE, MOVQ(-EROFS, RAX)),
			),
		),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),

		MOVL(flags, RAX),
		ANDL(O_CREAT|O_EXCL, RAX),
		CMPL(RAX, O_CREAT|O_EXCL),
		IF(E, fail(EEXIST)),
		MOVL(flags, RCX),
		ANDL(O_ACCMODE, RCX),
		nodeType(),
		CMPL(RAX, S_IFLNK),
		IF(E, fail(ELOOP)),
		CMPL(RAX, S_IFDIR),
		IF(E,
			TESTL(O_TMPFILE, flags),
			IF(NE, fail(EROFS)),
			TESTL(O_CREAT, flags),
			IF(NE, fail(EISDIR)),
			TESTL(RCX, RCX),
			IF(NE, fail(EISDIR)),
			TESTL(O_TRUNC, flags),
			IF(NE, fail(EISDIR)),
			CMPQ(Sym(procTask), 0),
			IF(NE, fail(ENOSYS)), // a thread's folder, which cannot be listed
			LEAQ(Sym(dirOps), RDI),
		).ELSE(
			TESTL(O_DIRECTORY, flags),
			IF(NE, fail(ENOTDIR)),
			CMPL(RAX, S_IFREG),
			IF(E,
				TESTL(RCX, RCX),
				IF(NE, fail(EROFS)),
				TESTL(O_TRUNC, flags),
				IF(NE, fail(EROFS)),
				CALL(procOps),
				MOVQ(RAX, RDI),
				TESTQ(RAX, RAX),
				IF(E, LEAQ(Sym(regularOps), RDI)),
			).ELSE(
				CMPL(RAX, S_IFCHR),
				IF(NE, fail(ENXIO)),
				CALL(nodeRdev),
				MOVL(RAX, RDI),
				CALL(deviceOps),
				TESTQ(RAX, RAX),
				IF(E, fail(ENXIO)),
				MOVQ(RAX, RDI),
			),
		),
		MOVL(flags, RSI),
		ANDL(^(O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_CLOEXEC), RSI),
		ORL(O_LARGEFILE, RSI), // as in 64-bit Linux
		MOVL(flags, RDX),
		ANDL(O_CLOEXEC, RDX),
		CALL(fileOpen),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(node.Header, RCX),
		MOVQ(RCX, file.Node),
		MOVQ(node.NameLen, RCX),
		MOVQ(RCX, file.NameLen),
		MOVL(node.Mode, RCX),
		ANDL(S_IFMT, RCX),
		CMPL(RCX, S_IFREG),
		IF(E,
			MOVQ(node.Data, RCX),
			MOVQ(RCX, file.Data),
			MOVQ(node.Size, RCX),
			MOVQ(RCX, file.Size),
		),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX).Returns(RAX)
}

func nodeRdev() Func {
	header, minor := RBX, R12
	return FUNC("node_rdev", "node_rdev returns the device number of node, which has an entry.",
		MOVQ(node.Header, header),
		LEAQ(header.At(newcRdevMinor), RDI),
		CALL(cpioHex),
		MOVQ(RAX, minor),
		LEAQ(header.At(newcRdevMajor), RDI),
		CALL(cpioHex),
		// major 11:0 to bits 19:8, minor 7:0 to bits 7:0, 31:8 to bits 43:20
		ANDL(0xfff, RAX),
		SHLQ(8, RAX),
		MOVZBL(minor, RCX),
		ORQ(RCX, RAX),
		SHRQ(8, minor),
		SHLQ(20, minor),
		ORQ(minor, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func sysReadlink() Func {
	return FUNC("sys_readlink", "sys_readlink(path, buf, size).",
		MOVQ(RDX, RCX),
		MOVQ(RSI, RDX),
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		JMP(sysReadlinkat),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysReadlinkat() Func {
	buf, size := RBX, R12
	n := R12
	return FUNC("sys_readlinkat", "sys_readlinkat(dirfd, path, buf, size): the target without a NUL, cut to the size.",
		MOVQ(RDX, buf),
		MOVSLQ(RCX, size),
		TESTQ(size, size),
		IF(LE, fail(EINVAL)),
		MOVL(1, RDX),
		CALL(userPathWalk),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		nodeType(),
		CMPL(RAX, S_IFLNK),
		IF(NE, fail(EINVAL)),
		MOVQ(node.Size, RDX),
		CMPQ(size, RDX),
		CMOVQB(size, RDX),
		MOVQ(RDX, n),
		MOVQ(buf, RDI),
		MOVQ(node.Data, RSI),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(n, RAX)),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysAccess() Func {
	return FUNC("sys_access", "sys_access(path, mode).",
		MOVL(RSI, RDX),
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		JMP(sysFaccessat),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysFaccessat() Func {
	return FUNC("sys_faccessat", "sys_faccessat(dirfd, path, mode).",
		XORL(RCX, RCX),
		JMP(sysFaccessat2),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysFaccessat2() Func {
	mode := R12
	return FUNC("sys_faccessat2", "sys_faccessat2(dirfd, path, mode, flags): the process is root.",
		MOVL(RDX, mode),
		TESTL(^7, RDX),
		IF(NE, fail(EINVAL)),
		TESTL(^(AT_EACCESS|AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH), RCX),
		IF(NE, fail(EINVAL)),
		MOVL(RCX, RDX),
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(NE, // of the descriptor
			MOVQ(openFile(RDX).Ops, RCX),
			CMPQ(Fields[layout.FileOps[Mem]](RCX).Anon, 0),
			IF(NE, returns(0)),
			MOVQ(RDX, RDI),
			CALL(fileNode),
		),
		nodeType(),
		CMPL(RAX, S_IFDIR),
		IF(NE,
			TESTL(1, mode), // X_OK
			IF(NE,
				TESTL(0o111, node.Mode),
				IF(E, fail(EACCES)),
			),
		),
		TESTL(2, mode), // W_OK
		IF(NE,
			CMPL(RAX, S_IFCHR),
			IF(NE, fail(EROFS)),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(R12).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}
