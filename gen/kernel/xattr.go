package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

func sysSetxattr() Func {
	const follow = 0
	return changeCall("setxattr", "(path, name, value, size, flags).", follow).Takes(RDI).Returns(RAX)
}

func sysLsetxattr() Func {
	const noFollow = AT_SYMLINK_NOFOLLOW
	return changeCall("lsetxattr", "(path, name, value, size, flags).", noFollow).Takes(RDI).Returns(RAX)
}

func sysFsetxattr() Func {
	return jumpCall("fsetxattr", "(fd, name, value, size, flags).", changeFD).Takes(RDI).Returns(RAX)
}

func sysRemovexattr() Func {
	const follow = 0
	return changeCall("removexattr", "(path, name).", follow).Takes(RDI).Returns(RAX)
}

func sysLremovexattr() Func {
	const noFollow = AT_SYMLINK_NOFOLLOW
	return changeCall("lremovexattr", "(path, name).", noFollow).Takes(RDI).Returns(RAX)
}

func sysFremovexattr() Func {
	return jumpCall("fremovexattr", "(fd, name).", changeFD).Takes(RDI).Returns(RAX)
}

func getXattr() Func {
	name := RBX
	return FUNC("get_xattr", "get_xattr is getxattr of (dirfd EDI, path RSI, flags EDX): there are no attributes, whatever the name RCX.",
		MOVQ(RCX, name),
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(name, RDI),
		MOVL(node.Mode, RSI),
		CALL(xattrName),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func xattrName() Func {
	mode := RBX
	return FUNC("xattr_name",
		`xattr_name returns the answer about the attribute with the user's name
RDI of a file with the mode ESI, -errno: only regular files and directories can
have user attributes, and no file here has any.`,
		MOVL(RSI, mode),
		MOVQ(RDI, RSI),
		LEAQ(Sym(pathIn), RDI),
		MOVL(256, RDX),
		CALL(strncpyFromUser),
		CMPQ(RAX, -EFAULT),
		IF(E, RETURN()),
		TESTQ(RAX, RAX),
		IF(LE, fail(ERANGE)), // none, or too long
		CMPL(Sym(pathIn), word("user")),
		IF(E,
			CMPB(Sym(pathIn).Add(4), '.'),
			IF(E,
				ANDL(S_IFMT, mode),
				CMPL(mode, S_IFREG),
				IF(NE,
					CMPL(mode, S_IFDIR),
					IF(NE, fail(ENODATA)),
				),
			),
		),
		fail(EOPNOTSUPP),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysGetxattr() Func {
	const follow = 0
	return jumpCall("getxattr", "(path, name, value, size).", getXattr, MOVQ(RSI, RCX), atCWD(), MOVL(follow, RDX)).Takes(RDI, RSI).Returns(RAX)
}

func sysLgetxattr() Func {
	const noFollow = AT_SYMLINK_NOFOLLOW
	return jumpCall("lgetxattr", "(path, name, value, size).", getXattr, MOVQ(RSI, RCX), atCWD(), MOVL(noFollow, RDX)).Takes(RDI, RSI).Returns(RAX)
}

func sysFgetxattr() Func {
	name := RBX
	return FUNC("sys_fgetxattr", "sys_fgetxattr(fd, name, value, size).",
		MOVQ(RSI, name),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, RDI),
		CALL(statFile),
		MOVL(Fields[layout.Stat[Mem]](Sym(statBuf)).ModeUID, RSI),
		MOVQ(name, RDI),
		CALL(xattrName),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func listXattr() Func {
	return FUNC("list_xattr", "list_xattr is listxattr of (dirfd EDI, path RSI, flags EDX).",
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		returns(0),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysListxattr() Func {
	const follow = 0
	return jumpCall("listxattr", "(path, list, size).", listXattr, atCWD(), MOVL(follow, RDX)).Takes(RDI).Returns(RAX)
}

func sysLlistxattr() Func {
	const noFollow = AT_SYMLINK_NOFOLLOW
	return jumpCall("llistxattr", "(path, list, size).", listXattr, atCWD(), MOVL(noFollow, RDX)).Takes(RDI).Returns(RAX)
}

func sysFlistxattr() Func {
	return FUNC("sys_flistxattr", "sys_flistxattr(fd, list, size).",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		returns(0),
	).Takes(RDI).Returns(RAX)
}
