package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// Flags of the calls that change names (Linux include/uapi/linux/fcntl.h, fs.h).
const (
	AT_REMOVEDIR      = 0x200
	AT_SYMLINK_FOLLOW = 0x400

	renameNoReplace = 1
	renameExchange  = 2
	renameWhiteout  = 4
)

// The kinds of the last component of a path, for parent_walk.
const (
	lastNormal = iota
	lastDot
	lastDotDot
	lastRoot
)

func pathCreate() Func {
	dirfd, slashesOK := RBX, R12
	return FUNC("path_create",
		`path_create is a call that would make what the path RSI, seen from the directory
EDI, names; EDX is 1 if that is a directory, whose name may end in slashes.`,
		MOVL(RDI, dirfd),
		MOVL(RDX, slashesOK),
		MOVQ(RSI, RDI),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		CALL(pathStrip),
		ORL(RAX, slashesOK), // 0: slashes are not allowed
		MOVL(dirfd, RDI),
		MOVL(1, RSI),
		CALL(pathWalk),
		TESTQ(RAX, RAX),
		IF(E, fail(EEXIST)),
		CMPQ(RAX, -ENOENT),
		IF(E,
			CMPB(Sym(pathLast), 0),
			IF(NE,
				TESTL(slashesOK, slashesOK),
				IF(NE, MOVQ(-EROFS, RAX)),
			),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func pathStrip() Func {
	return FUNC("path_strip",
		`path_strip takes the slashes off the end of path_in, RAX bytes, except its first
byte. Returns 1 if there was none, else 0.`,
		LEAQ(Sym(pathIn), RCX),
		MOVL(1, RDX),
		LOOP(
			CMPQ(RAX, 1),
			BREAK(BE),
			CMPB(RCX.Index(RAX, 1).Add(-1), '/'),
			BREAK(NE),
			DECQ(RAX),
			MOVB(0, RCX.Index(RAX, 1)),
			XORL(RDX, RDX),
		),
		MOVL(RDX, RAX),
		RETURN(),
	).Takes(RAX).Returns(RAX)
}

func parentWalk() Func {
	dirfd, kind := RBX, R12
	return FUNC("parent_walk",
		`parent_walk sets node to the directory of what the path RSI, seen from the
directory EDI, names; it does not look for the last component. Returns 0 or -errno;
RDX is the last component's kind, last*.`,
		MOVL(RDI, dirfd),
		MOVQ(RSI, RDI),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(E, fail(ENOENT)),
		CALL(pathStrip),
		// RCX: the last component; R12: its kind.
		LEAQ(Sym(pathIn), RDI),
		MOVQ(RDI, RCX),
		LOOP(
			MOVZBL(RDI.At(0), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			INCQ(RDI),
			CMPL(RAX, '/'),
			IF(E, MOVQ(RDI, RCX)),
		),
		MOVL(RCX.At(0), RAX),
		MOVL(lastRoot, kind),
		TESTB(RAX, RAX),
		IF(NE,
			MOVL(lastDot, kind),
			CMPW(RAX, '.'),
			IF(NE,
				MOVL(lastDotDot, kind),
				ANDL(0xff_ffff, RAX),
				CMPL(RAX, word("..")),
				IF(NE, MOVL(lastNormal, kind)),
			),
		),
		LEAQ(Sym(pathIn), RAX),
		CMPQ(RAX, RCX),
		IF(E, MOVW('.', RCX.At(0))).ELSE(MOVB(0, RCX.At(0))),
		MOVL(dirfd, RDI),
		XORL(RSI, RSI),
		CALL(pathWalk),
		MOVL(kind, RDX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX, RDX)
}

func sysMkdir() Func {
	return jumpCall("mkdir", "(path, mode).", pathCreate, atCWD(), MOVL(1, RDX)).Takes(RDI).Returns(RAX)
}

func sysMkdirat() Func {
	return jumpCall("mkdirat", "(dirfd, path, mode).", pathCreate, MOVL(1, RDX)).Takes(RDI, RSI).Returns(RAX)
}

func sysMknod() Func {
	return jumpCall("mknod", "(path, mode, dev).", sysMknodat, MOVL(RSI, RDX), atCWD()).Takes(RDI, RSI).Returns(RAX)
}

func sysMknodat() Func {
	return FUNC("sys_mknodat", "sys_mknodat(dirfd, path, mode, dev).",
		ANDL(S_IFMT, RDX),
		CMPL(RDX, S_IFDIR),
		IF(E, fail(EPERM)),
		SHRL(12, RDX),
		MOVL(1|1<<(S_IFREG>>12)|1<<(S_IFCHR>>12)|1<<(S_IFBLK>>12)|1<<(S_IFIFO>>12)|1<<(S_IFSOCK>>12), RAX),
		BTL(RDX, RAX),
		IF(AE, fail(EINVAL)),
		XORL(RDX, RDX),
		JMP(pathCreate),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysSymlink() Func {
	return jumpCall("symlink", "(target, path).", sysSymlinkat, MOVQ(RSI, RDX), MOVL(AT_FDCWD, RSI)).Takes(RDI, RSI).Returns(RAX)
}

func sysSymlinkat() Func {
	dirfd, path := RBX, R12
	return FUNC("sys_symlinkat", "sys_symlinkat(target, dirfd, path).",
		MOVL(RSI, dirfd),
		MOVQ(RDX, path),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(E, fail(ENOENT)),
		MOVL(dirfd, RDI),
		MOVQ(path, RSI),
		XORL(RDX, RDX),
		CALL(pathCreate),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysLink() Func {
	return jumpCall("link", "(old, new).", sysLinkat,
		MOVQ(RSI, RCX), atCWD(), MOVL(AT_FDCWD, RDX), XORL(R8, R8)).Takes(RDI, RSI).Returns(RAX)
}

func sysLinkat() Func {
	dirfd, path := RBX, R12
	return FUNC("sys_linkat", "sys_linkat(olddirfd, old, newdirfd, new, flags).",
		MOVL(RDX, dirfd),
		MOVQ(RCX, path),
		TESTL(^(AT_SYMLINK_FOLLOW|AT_EMPTY_PATH), R8),
		IF(NE, fail(EINVAL)),
		MOVL(R8, RDX),
		ANDL(AT_EMPTY_PATH, RDX),
		TESTL(AT_SYMLINK_FOLLOW, R8),
		IF(E, ORL(AT_SYMLINK_NOFOLLOW, RDX)),
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVL(dirfd, RDI),
		MOVQ(path, RSI),
		XORL(RDX, RDX),
		CALL(pathCreate),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func sysUnlink() Func {
	return jumpCall("unlink", "(path).", sysUnlinkat, atCWD(), XORL(RDX, RDX)).Takes(RDI).Returns(RAX)
}

func sysRmdir() Func {
	return jumpCall("rmdir", "(path).", sysUnlinkat, atCWD(), MOVL(AT_REMOVEDIR, RDX)).Takes(RDI).Returns(RAX)
}

func sysUnlinkat() Func {
	flags := RBX
	return FUNC("sys_unlinkat", "sys_unlinkat(dirfd, path, flags).",
		TESTL(^AT_REMOVEDIR, RDX),
		IF(NE, fail(EINVAL)),
		MOVL(RDX, flags),
		CALL(parentWalk),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		CMPL(RDX, lastNormal),
		IF(E, fail(EROFS)),
		TESTL(flags, flags),
		IF(E, fail(EISDIR)),
		CMPL(RDX, lastDotDot),
		IF(E, fail(ENOTEMPTY)),
		CMPL(RDX, lastDot),
		IF(E, fail(EINVAL)),
		fail(EBUSY),
	).Saving(RBX).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysRename() Func {
	return jumpCall("rename", "(old, new).", sysRenameat,
		MOVQ(RSI, RCX), atCWD(), MOVL(AT_FDCWD, RDX)).Takes(RDI, RSI).Returns(RAX)
}

func sysRenameat() Func {
	return jumpCall("renameat", "(olddirfd, old, newdirfd, new).", sysRenameat2, XORL(R8, R8)).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysRenameat2() Func {
	dirfd, oldKind, path, flags := RBX, RBP, R12, R13
	return FUNC("sys_renameat2", "sys_renameat2(olddirfd, old, newdirfd, new, flags).",
		TESTL(^(renameNoReplace|renameExchange|renameWhiteout), R8),
		IF(NE, fail(EINVAL)),
		TESTL(renameExchange, R8),
		IF(NE,
			TESTL(renameNoReplace|renameWhiteout, R8),
			IF(NE, fail(EINVAL)),
		),
		MOVL(RDX, dirfd),
		MOVQ(RCX, path),
		MOVL(R8, flags),
		CALL(parentWalk),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVL(RDX, oldKind),
		MOVL(dirfd, RDI),
		MOVQ(path, RSI),
		CALL(parentWalk),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		CMPL(oldKind, lastNormal),
		IF(NE, fail(EBUSY)),
		CMPL(RDX, lastNormal),
		IF(E, fail(EROFS)),
		TESTL(renameNoReplace, flags),
		IF(NE, fail(EEXIST)),
		fail(EBUSY),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}
