package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Types and flags of statfs (Linux include/uapi/linux/magic.h,
// include/linux/statfs.h). The initramfs looks like the file system in which Linux
// unpacks it.
const (
	ramfsMagic  = 0x858458f6
	pipefsMagic = 0x50495045
	anonMagic   = 0x09041934

	stReadOnly = 1
	stValid    = 0x20
	statfsSize = 120
)

// stats returns the calls that return information about files: stat and its kin, and the
// contents of directories.
func stats() Program {
	return Program{
		Funcs: Funcs(
			statClear, statNode, statToUser, sysFstat, fileNode, sysStat, sysLstat, sysNewfstatat,
			statAt, statFile, sysStatx, devSplit, sysStatfs, sysFstatfs, putStatfs, sysGetdents64,
			dirChild, dirSeen, dirEmit,
		),
		Data: []Data{
			statBuf, statxBuf, readDirState, dirent,
		},
	}
}

var statBuf = BSS("stat_buf", SizeOf[layout.Stat[Mem]](), 64)

var statxBuf = BSS("statx_buf", SizeOf[layout.Statx[Mem]](), 64)

func statClear() Func {
	return FUNC("stat_clear", "stat_clear fills stat_buf with zeros.",
		LEAQ(Sym(statBuf), RDI),
		MOVL(SizeOf[layout.Stat[Mem]]()/8, RCX),
		XORL(RAX, RAX),
		REP(STOSQ()),
		RETURN(),
	).Takes()
}

func statNode() Func {
	header := RBX
	st := Fields[layout.Stat[Mem]](Sym(statBuf))
	field := func(off int) Block { return Block{LEAQ(header.At(off), RDI), CALL(cpioHex)} }
	return FUNC("stat_node", "stat_node fills stat_buf for node.",
		CALL(statClear),
		MOVQ(1, st.Dev),
		MOVQ(layout.PageSize, st.BlkSize),
		MOVQ(1, st.NLink),
		MOVQ(node.Ino, RAX),
		MOVQ(RAX, st.Ino),
		MOVQ(node.Mode, RAX),
		MOVQ(RAX, st.ModeUID),
		MOVQ(node.Size, RAX),
		MOVQ(RAX, st.Size),
		ADDQ(511, RAX),
		SHRQ(9, RAX), // blocks of 512 bytes
		MOVQ(RAX, st.Blocks),
		MOVL(node.Mode, RAX),
		ANDL(S_IFMT, RAX),
		CMPL(RAX, S_IFDIR),
		IF(E, MOVQ(2, st.NLink)),

		// The rest is known only if the archive has an entry for the file itself.
		MOVQ(node.Header, RDI),
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		MOVQ(RDI, header),
		CALL(cpioDecode),
		MOVQ(cpioEntry.NameLen, RAX),
		CMPQ(RAX, node.NameLen),
		IF(NE, RETURN()),
		field(newcUID),
		SHLQ(32, RAX),
		ORQ(RAX, st.ModeUID),
		field(newcGID),
		MOVQ(RAX, st.GID),
		field(newcNLink),
		CMPQ(RAX, st.NLink), // archives made without a count have 0
		IF(A, MOVQ(RAX, st.NLink)),
		field(newcMTime),
		MOVQ(RAX, st.Atime),
		MOVQ(RAX, st.Mtime),
		MOVQ(RAX, st.Ctime),
		CALL(nodeRdev),
		MOVQ(RAX, st.Rdev),
		RETURN(),
	).Saving(RBX).Takes()
}

func statToUser() Func {
	return FUNC("stat_to_user", "stat_to_user copies stat_buf to the user's RDI; returns 0 or -EFAULT.",
		LEAQ(Sym(statBuf), RSI),
		MOVL(SizeOf[layout.Stat[Mem]](), RDX),
		JMP(copyToUser),
	).Takes(RDI).Returns(RAX)
}

func sysFstat() Func {
	buf := RBX
	return FUNC("sys_fstat", "sys_fstat(fd, statbuf).",
		MOVQ(RSI, buf),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, RDI),
		CALL(statFile),
		MOVQ(buf, RDI),
		CALL(statToUser),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func fileNode() Func {
	filePtr := RBX
	file := openFile(filePtr)
	return FUNC("file_node", "file_node sets node to the file by which the File RDI was opened.",
		MOVQ(RDI, filePtr),
		MOVQ(file.NameLen, RSI),
		TESTQ(RSI, RSI),
		IF(NE, // not the root
			MOVQ(file.Node, RDI),
			CALL(cpioDecode),
			MOVQ(cpioEntry.Name, RDI),
			MOVQ(file.NameLen, RSI),
		),
		CALL(nodeFind),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func sysStat() Func {
	return FUNC("sys_stat", "sys_stat(path, statbuf).",
		MOVQ(RSI, RDX),
		atCWD(),
		XORL(RCX, RCX),
		JMP(sysNewfstatat),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysLstat() Func {
	return FUNC("sys_lstat", "sys_lstat(path, statbuf).",
		MOVQ(RSI, RDX),
		atCWD(),
		MOVL(AT_SYMLINK_NOFOLLOW, RCX),
		JMP(sysNewfstatat),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysNewfstatat() Func {
	buf := RBX
	return FUNC("sys_newfstatat", "sys_newfstatat(dirfd, path, statbuf, flags).",
		TESTL(^(AT_SYMLINK_NOFOLLOW|AT_NO_AUTOMOUNT|AT_EMPTY_PATH), RCX),
		IF(NE, fail(EINVAL)),
		MOVQ(RDX, buf),
		MOVL(RCX, RDX),
		CALL(statAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVQ(buf, RDI),
		CALL(statToUser),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func statAt() Func {
	return FUNC("stat_at", "stat_at fills stat_buf for what user_path_at finds. Returns 0 or -errno.",
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(E, CALL(statNode)).ELSE(
			MOVQ(RDX, RDI),
			CALL(statFile),
		),
		returns(0),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}

func statFile() Func {
	mode, size := RBX, R12
	st := Fields[layout.Stat[Mem]](Sym(statBuf))
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("stat_file", "stat_file fills stat_buf for the File RDI.",
		MOVQ(openFile(RDI).Ops, RCX),
		CMPQ(ops.Anon, 0),
		IF(E,
			CALL(fileNode),
			CALL(statNode),
			RETURN(),
		),
		MOVQ(ops.Mode, mode),
		MOVQ(openFile(RDI).Size, size), // of a memfd
		CALL(statClear),
		MOVQ(mode, st.ModeUID),
		MOVQ(size, st.Size),
		MOVQ(1, st.NLink),
		MOVQ(layout.PageSize, st.BlkSize),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func sysStatx() Func {
	buf := RBX
	st := Fields[layout.Stat[Mem]](Sym(statBuf))
	stx := Fields[layout.Statx[Mem]](Sym(statxBuf))
	// statxCopy are the fields that are the same in both.
	var statxCopy Block
	for _, c := range [][2]Mem{
		{st.Ino, stx.Ino},
		{st.Size, stx.Size},
		{st.Blocks, stx.Blocks},
		{st.Atime, stx.Atime},
		{st.Mtime, stx.Mtime},
		{st.Ctime, stx.Ctime},
	} {
		statxCopy = append(statxCopy, MOVQ(c[0], RAX), MOVQ(RAX, c[1]))
	}
	return FUNC("sys_statx",
		`sys_statx(dirfd, path, flags, mask, buf): the fields of stat, whatever the mask
asks for.`,
		TESTL(^(AT_SYMLINK_NOFOLLOW|AT_NO_AUTOMOUNT|AT_EMPTY_PATH|AT_STATX_SYNC_TYPE), RDX),
		JNE("EINVAL"),
		MOVL(RDX, RAX),
		ANDL(AT_STATX_SYNC_TYPE, RAX),
		CMPL(RAX, AT_STATX_SYNC_TYPE),
		JE("EINVAL"),
		TESTL(RCX, RCX),
		JS("EINVAL"), // STATX__RESERVED
		MOVQ(R8, buf),
		CALL(statAt),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		LEAQ(Sym(statxBuf), RDI),
		MOVL(SizeOf[layout.Statx[Mem]]()/8, RCX),
		XORL(RAX, RAX),
		REP(STOSQ()),
		MOVL(layout.StatxBasic, stx.MaskBlkSize),
		MOVL(st.BlkSize, RAX),
		MOVL(RAX, stx.MaskBlkSize.Add(4)),
		MOVL(st.NLink, RAX),
		MOVL(RAX, stx.NLinkUID),
		MOVL(st.ModeUID.Add(4), RAX),
		MOVL(RAX, stx.NLinkUID.Add(4)),
		MOVL(st.GID, RAX),
		MOVL(RAX, stx.GIDMode),
		MOVL(st.ModeUID, RAX),
		MOVL(RAX, stx.GIDMode.Add(4)),
		statxCopy,
		MOVQ(st.Rdev, RAX),
		CALL(devSplit),
		MOVQ(RAX, stx.Rdev),
		MOVQ(st.Dev, RAX),
		CALL(devSplit),
		MOVQ(RAX, stx.Dev),
		MOVQ(buf, RDI),
		LEAQ(Sym(statxBuf), RSI),
		MOVL(SizeOf[layout.Statx[Mem]](), RDX),
		CALL(copyToUser),
		RETURN(),
		failAt("EINVAL", EINVAL),
	).Saving(RBX).Takes(RDI, RSI, RDX, RCX, R8).Returns(RAX)
}

func devSplit() Func {
	return FUNC("dev_split",
		`dev_split splits the device number RAX, as st_rdev has it, into the major number
in the low half and the minor number in the high half.`,
		MOVQ(RAX, RCX), // minor: bits 43:20 and 7:0
		SHRQ(12, RCX),
		ANDL(uint32(0xffff_ff00), RCX),
		MOVZBL(RAX, RDX),
		ORQ(RDX, RCX),
		SHLQ(32, RCX),
		SHRQ(8, RAX),
		ANDL(0xfff, RAX),
		ORQ(RCX, RAX),
		RETURN(),
	).Takes(RAX).Returns(RAX)
}

func sysStatfs() Func {
	buf := RBX
	return FUNC("sys_statfs", "sys_statfs(path, buf).",
		MOVQ(RSI, buf),
		atCWD(),
		XORL(RDX, RDX),
		CALL(userPathAt),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		MOVQ(buf, RDI),
		MOVL(ramfsMagic, RSI),
		MOVL(stReadOnly|stValid, RDX),
		CALL(putStatfs),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysFstatfs() Func {
	file := openFile(RAX)
	ops := Fields[layout.FileOps[Mem]](RCX)
	return FUNC("sys_fstatfs", "sys_fstatfs(fd, buf).",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RSI, RDI),
		MOVL(ramfsMagic, RSI),
		MOVL(stReadOnly|stValid, RDX),
		MOVQ(file.Ops, RCX),
		CMPQ(ops.Anon, 0),
		IF(NE,
			MOVL(anonMagic, RSI),
			MOVL(stValid, RDX),
			CMPQ(file.Pipe, 0),
			IF(NE, MOVL(pipefsMagic, RSI)),
		),
		JMP(putStatfs),
	).Takes(RDI, RSI).Returns(RAX)
}

func putStatfs() Func {
	return FUNC("put_statfs",
		`put_statfs gives the user's RDI a struct statfs of a file system of the type ESI
that does not count blocks, mounted with the flags EDX. Returns 0 or -EFAULT.`,
		SUBQ(statfsSize, RSP),
		MOVQ(RDI, R8),
		MOVL(RSI, R9),
		MOVQ(RSP, RDI),
		XORL(RAX, RAX),
		MOVL(statfsSize/8, RCX),
		REP(STOSQ()),
		MOVQ(R9, RSP.At(0)),               // f_type
		MOVQ(layout.PageSize, RSP.At(8)),  // f_bsize
		MOVQ(nameMax, RSP.At(64)),         // f_namelen
		MOVQ(layout.PageSize, RSP.At(72)), // f_frsize
		MOVQ(RDX, RSP.At(80)),             // f_flags
		MOVQ(R8, RDI),
		MOVQ(RSP, RSI),
		MOVL(statfsSize, RDX),
		CALL(copyToUser),
		ADDQ(statfsSize, RSP),
		RETURN(),
	).Takes(RDI, RSI, RDX).Returns(RAX)
}
