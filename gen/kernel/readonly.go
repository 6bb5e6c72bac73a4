package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Flags of the calls that change names (Linux include/uapi/linux/fcntl.h, fs.h).
const (
	AT_REMOVEDIR      = 0x200
	AT_SYMLINK_FOLLOW = 0x400

	renameNoReplace = 1
	renameExchange  = 2
	renameWhiteout  = 4
)

// Nanoseconds of utimensat that are none (Linux include/linux/stat.h).
const (
	utimeNow  = 1<<30 - 1
	utimeOmit = 1<<30 - 2
)

// What the last component of a path is to parent_walk.
const (
	lastNormal = iota
	lastDot
	lastDotDot
	lastRoot
)

// atCWD makes (path, ...) of a call (dirfd, path, ...).
func atCWD() Block {
	return Block{MOVQ(RDI, RSI), MOVL(AT_FDCWD, RDI)}
}

// jumpCall is a call that sets the arguments of another one.
func jumpCall(name, doc string, to func() Func, items ...Item) Func {
	return FUNC("sys_"+name, "sys_"+name+doc, Block(items), JMP(to))
}

func changeCall(name, args string, flags int) Func {
	return jumpCall(name, args, changeAt, atCWD(), MOVL(flags, RDX))
}

// readOnly is the calls that would change files. All files are those of the
// initramfs, which nothing changes: what is wrong with the arguments otherwise is
// said as Linux says it of a file system that is mounted read-only, in its order
// (Linux fs/namei.c, open.c, utimes.c, xattr.c), and then it is EROFS.
func readOnly() Program {
	return Program{
		Funcs: Funcs(
			changeAt, changeFD, changeFile, sysChmod, sysFchmod, sysFchmodat, sysChown, sysLchown,
			sysFchown, sysFchownat, sysTruncate, sysFtruncate, sysFallocate, pathCreate, pathStrip,
			parentWalk, sysMkdir, sysMkdirat, sysMknod, sysMknodat, sysSymlink, sysSymlinkat, sysLink,
			sysLinkat, sysUnlink, sysRmdir, sysUnlinkat, sysRename, sysRenameat, sysRenameat2,
			changeTimes, checkTimes, sysUtimensat, sysFutimesat, sysUtimes, sysUtime, sysSetxattr,
			sysLsetxattr, sysFsetxattr, sysRemovexattr, sysLremovexattr, sysFremovexattr, getXattr,
			xattrName, sysGetxattr, sysLgetxattr, sysFgetxattr, listXattr, sysListxattr, sysLlistxattr,
			sysFlistxattr,
		),
	}
}

func changeAt() Func {
	return FUNC("change_at",
		`change_at is a call that would change what the path RSI leads to from the
directory EDI; EDX are user_path_at's flags.`,
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(NE, MOVQ(RDX, RAX), JMP(changeFile)),
		fail(EROFS),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func changeFD() Func {
	return FUNC("change_fd", "change_fd is a call that would change the file of the descriptor EDI.",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		JMP(changeFile),
	).Takes(RDI).Returns(RAX)
}

func changeFile() Func {
	file := openFile(RAX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("change_file", "change_file is a call that would change the File RAX: if it has no name that is not there.",
		MOVQ(file.Ops, RCX),
		CMPQ(ops.Anon, 0),
		IF(NE, fail(ENOSYS)),
		fail(EROFS),
	).Takes(RAX).Returns(RAX)
}

func sysChmod() Func {
	const follow = 0
	return changeCall("chmod", "(path, mode).", follow).Takes(RDI).Returns(RAX)
}

func sysFchmod() Func {
	return jumpCall("fchmod", "(fd, mode).", changeFD).Takes(RDI).Returns(RAX)
}

func sysFchmodat() Func {
	const follow = 0
	return jumpCall("fchmodat", "(dirfd, path, mode).", changeAt, MOVL(follow, RDX)).Takes(RDI, RSI).Returns(RAX)
}

func sysChown() Func {
	const follow = 0
	return changeCall("chown", "(path, uid, gid).", follow).Takes(RDI).Returns(RAX)
}

func sysLchown() Func {
	const noFollow = AT_SYMLINK_NOFOLLOW
	return changeCall("lchown", "(path, uid, gid).", noFollow).Takes(RDI).Returns(RAX)
}

func sysFchown() Func {
	return jumpCall("fchown", "(fd, uid, gid).", changeFD).Takes(RDI).Returns(RAX)
}

func sysFchownat() Func {
	return FUNC("sys_fchownat", "sys_fchownat(dirfd, path, uid, gid, flags).",
		TESTL(^(AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH), R8),
		IF(NE, fail(EINVAL)),
		MOVL(R8, RDX),
		JMP(changeAt),
	).Takes(RDI, RSI, R8).Returns(RAX)
}

func sysTruncate() Func {
	return FUNC("sys_truncate", "sys_truncate(path, length): of regular files only.",
		TESTQ(RSI, RSI),
		IF(S, fail(EINVAL)),
		atCWD(),
		XORL(RDX, RDX),
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVL(node.Mode, RAX),
		ANDL(S_IFMT, RAX),
		CMPL(RAX, S_IFDIR),
		IF(E, fail(EISDIR)),
		CMPL(RAX, S_IFREG),
		IF(NE, fail(EINVAL)),
		fail(EROFS),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysFtruncate() Func {
	file := openFile(RAX)
	return FUNC("sys_ftruncate", "sys_ftruncate(fd, length): of the regular files only memfds are open for writing.",
		TESTQ(RSI, RSI),
		IF(S, fail(EINVAL)),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		LEAQ(Sym(memfdOps), RCX),
		CMPQ(RCX, file.Ops),
		IF(NE, fail(EINVAL)),
		MOVQ(RAX, RDI),
		JMP(memfdTruncate),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysFallocate() Func {
	file := openFile(RAX)
	return FUNC("sys_fallocate", "sys_fallocate(fd, mode, offset, length): of the regular files only memfds are open for writing.",
		MOVQ(RDX, R8),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		TESTQ(R8, R8),
		IF(S, fail(EINVAL)),
		TESTQ(RCX, RCX),
		IF(LE, fail(EINVAL)),
		TESTL(^1, RSI), // FALLOC_FL_KEEP_SIZE
		IF(NE, fail(EOPNOTSUPP)),
		TESTL(O_ACCMODE, file.Flags),
		IF(E, fail(EBADF)),
		CMPQ(file.Pipe, 0),
		IF(NE, fail(ESPIPE)),
		LEAQ(Sym(memfdOps), RDI),
		CMPQ(RDI, file.Ops),
		IF(NE, fail(ENODEV)),
		MOVQ(RAX, RDI),
		MOVQ(R8, RDX),
		JMP(memfdAllocate),
	).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func pathCreate() Func {
	dirfd, slashesOK := RBX, R12
	return FUNC("path_create",
		`path_create is a call that would make what the path RSI, seen from the directory
EDI, names; EDX is 1 if that is a directory, whose name may have slashes behind it.`,
		MOVL(RDI, dirfd),
		MOVL(RDX, slashesOK),
		MOVQ(RSI, RDI),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		CALL(pathStrip),
		ORL(RAX, slashesOK), // 0: it may not have them
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
		`path_strip takes the slashes off the end of path_in, RAX bytes, but for its first
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
directory EDI, names, which itself is not looked for. Returns 0 or -errno; RDX
is what its last component is, last*.`,
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

func changeTimes() Func {
	return FUNC("change_times",
		`change_times is a call that would set the times of what the path RSI, seen from
the directory EDI, leads to, or those of the descriptor if RSI is 0; EDX are the
flags.`,
		TESTQ(RSI, RSI),
		IF(E,
			CMPL(RDI, AT_FDCWD),
			IF(NE,
				TESTL(RDX, RDX),
				IF(NE, fail(EINVAL)),
				JMP(changeFD),
			),
		),
		TESTL(^(AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH), RDX),
		IF(NE, fail(EINVAL)),
		JMP(changeAt),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func checkTimes() Func {
	dirfd, path, flags := RBX, R12, R13
	next := RBX
	return FUNC("check_times",
		`check_times looks at the two times at the user's R8, if that is not 0: the second
word of each must be below R9 or, if that is more than a million, be utimeNow or
utimeOmit. Returns 0, 1 if both are utimeOmit, or -errno.`,
		XORL(RAX, RAX),
		TESTQ(R8, R8),
		IF(E, RETURN()),
		SUBQ(32, RSP),
		MOVQ(RDI, dirfd),
		MOVQ(RSI, path),
		MOVL(RDX, flags),
		MOVQ(RSP, RDI),
		MOVQ(R8, RSI),
		MOVL(32, RDX),
		CALL(copyFromUser),
		MOVQ(dirfd, RDI),
		MOVQ(path, RSI),
		MOVL(flags, RDX),
		TESTQ(RAX, RAX),
		JNE("out"),
		XORL(RCX, RCX), // utimeOmit
		MOVQ(RSP, next),
		DO(
			MOVQ(next.At(8), RAX),
			CMPQ(RAX, R9),
			IF(AE,
				CMPQ(R9, nsPerSec),
				JNE("bad"),
				CMPQ(RAX, utimeNow),
				IF(NE,
					CMPQ(RAX, utimeOmit),
					JNE("bad"),
					INCL(RCX),
				),
			),
			ADDQ(16, next),
			LEAQ(RSP.At(32), RAX),
			CMPQ(next, RAX),
		).WHILE(B),
		MOVL(RCX, RAX),
		SHRL(1, RAX),
		LABEL("out"),
		ADDQ(32, RSP),
		RETURN(),
		LABEL("bad"),
		ADDQ(32, RSP),
		fail(EINVAL),
	).Saving(RBX, R12, R13).Takes(RDI, RSI, RDX, R8, R9).Returns(RAX, RDI, RSI, RDX)
}

func sysUtimensat() Func {
	omitted := RBX
	return FUNC("sys_utimensat", "sys_utimensat(dirfd, path, times, flags).",
		MOVQ(RDX, R8),
		MOVL(RCX, RDX),
		MOVL(nsPerSec, R9),
		CALL(checkTimes),
		CMPQ(RAX, 1),
		IF(E, returns(0)), // nothing would change
		CMPQ(RAX, -EFAULT),
		IF(E, RETURN()),
		MOVQ(RAX, omitted),
		CALL(changeTimes),
		CMPQ(RAX, -EROFS),
		IF(E, // found, so that the times count
			TESTQ(omitted, omitted),
			CMOVQNE(omitted, RAX),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func sysFutimesat() Func {
	return FUNC("sys_futimesat", "sys_futimesat(dirfd, path, times).",
		MOVQ(RDX, R8),
		XORL(RDX, RDX),
		MOVL(1_000_000, R9),
		CALL(checkTimes),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		JMP(changeTimes),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func sysUtimes() Func {
	return jumpCall("utimes", "(path, times).", sysFutimesat, MOVQ(RSI, RDX), atCWD()).Takes(RDI, RSI).Returns(RAX)
}

func sysUtime() Func {
	path, times := RBX, R12
	return FUNC("sys_utime", "sys_utime(path, times): two words.",
		TESTQ(RSI, RSI),
		IF(NE,
			MOVQ(RDI, path),
			MOVQ(RSI, times),
			MOVQ(RSI, RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			LEAQ(times.At(8), RDI),
			CALL(getUserLong),
			TESTQ(RDX, RDX),
			JNE("fault"),
			MOVQ(path, RDI),
		),
		atCWD(),
		XORL(RDX, RDX),
		CALL(changeTimes),
		RETURN(),
		LABEL("fault"),
		fail(EFAULT),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX)
}

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
	return FUNC("get_xattr", "get_xattr is getxattr of (dirfd EDI, path RSI, flags EDX): there are no attributes, of whatever name RCX.",
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
		`xattr_name returns what is the answer about the attribute with the user's name
RDI of a file with the mode ESI, -errno: only regular files and directories can
have those of users, here none has any.`,
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
