package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Nanoseconds of utimensat with special meanings (Linux include/linux/stat.h).
const (
	utimeNow  = 1<<30 - 1
	utimeOmit = 1<<30 - 2
)

// atCWD turns (path, ...) into the arguments of a call (dirfd, path, ...).
func atCWD() Block {
	return Block{MOVQ(RDI, RSI), MOVL(AT_FDCWD, RDI)}
}

// jumpCall returns a call that sets the arguments of another one, and jumps to it.
func jumpCall(name, doc string, to func() Func, items ...Item) Func {
	return FUNC("sys_"+name, "sys_"+name+doc, Block(items), JMP(to))
}

func changeCall(name, args string, flags int) Func {
	return jumpCall(name, args, changeAt, atCWD(), MOVL(flags, RDX))
}

// readOnly returns the calls that would change files. All files are those of the initramfs,
// which nothing changes. Other errors in the arguments are reported as Linux reports them
// for a file system that is mounted read-only, in its order (Linux fs/namei.c, open.c,
// utimes.c, xattr.c); if there are none, the result is EROFS.
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
		`change_at is a call that would change the file to which the path RSI leads from the
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
	return FUNC("change_file", "change_file is a call that would change the File RAX; without a name there is nothing to change.",
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
	return FUNC("sys_truncate", "sys_truncate(path, length): only regular files can be named.",
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
	return FUNC("sys_ftruncate", "sys_ftruncate(fd, length): of all regular files only memfds are open for writing.",
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
	return FUNC("sys_fallocate", "sys_fallocate(fd, mode, offset, length): of all regular files only memfds are open for writing.",
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

func changeTimes() Func {
	return FUNC("change_times",
		`change_times is a call that would set the times of the file to which the path RSI,
seen from the directory EDI, leads, or the descriptor's if RSI is 0; EDX are the
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
		`check_times tests the two times at the user's R8, if that is not 0: the second
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
		IF(E, // found, so the times matter
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
