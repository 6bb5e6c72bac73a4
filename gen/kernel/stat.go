package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// direntName is the offset of the name in struct linux_dirent64 (Linux
// include/linux/dirent.h): d_ino, d_off, 8 bytes each, d_reclen, 2, d_type, 1.
const direntName = 19

// Types and flags of statfs (Linux include/uapi/linux/magic.h,
// include/linux/statfs.h). The initramfs is like what Linux has it in.
const (
	ramfsMagic  = 0x858458f6
	pipefsMagic = 0x50495045
	anonMagic   = 0x09041934

	stReadOnly = 1
	stValid    = 0x20
	statfsSize = 120
)

// stats is what the kernel tells of files: stat and its kin, and the contents
// of directories.
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

var readDirState = BSS("read_dir_state", SizeOf[layout.ReadDir[Mem]](), 64)

var dirent = BSS("dirent", direntName+layout.PathMax+8, 64)

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

		// The rest is known only if the archive names the file itself.
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
		CMPQ(RAX, st.NLink), // archives made without it say 0
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
	return FUNC("file_node", "file_node sets node to what the File RDI was opened by.",
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
		`sys_statx(dirfd, path, flags, mask, buf): what stat knows, whatever the mask asks
for.`,
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
		`dev_split turns the device number RAX, as st_rdev has it, into the major number
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
that counts no blocks, mounted with the flags EDX. Returns 0 or -EFAULT.`,
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

func sysGetdents64() Func {
	filePtr, pos, header, builtin, nameLen := RBX, R12, R13, R14, R15
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	file := openFile(filePtr)
	return FUNC("sys_getdents64",
		`sys_getdents64(fd, dirp, count): "." and "..", then the members in the order in
which the archive first tells of each. The file's position counts: 0 and 1 are
those two, 2 is the archive's first entry.`,
		MOVQ(RSI, dir.Buf),
		MOVL(RDX, RDX),
		MOVQ(RDX, dir.Left),
		MOVQ(0, dir.Done),
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		MOVQ(RAX, filePtr),
		LEAQ(Sym(dirOps), RCX),
		CMPQ(RCX, file.Ops),
		IF(NE, fail(ENOTDIR)),

		// path_out: the directory, with a slash if it is not the root.
		MOVQ(file.NameLen, RCX),
		TESTQ(RCX, RCX),
		IF(NE,
			MOVQ(file.Node, RDI),
			CALL(cpioDecode),
			MOVQ(cpioEntry.Name, RSI),
			LEAQ(Sym(pathOut), RDI),
			MOVQ(file.NameLen, RCX),
			REP(MOVSB()),
			MOVB('/', RDI.At(0)),
			MOVQ(file.NameLen, RCX),
			INCQ(RCX),
		),
		MOVQ(RCX, dir.PrefixLen),

		CMPQ(file.Pos, 0),
		IF(E,
			MOVQ(filePtr, RDI),
			CALL(fileNode),
			LEAQ(Str("."), RDI),
			MOVL(1, RSI),
			MOVL(1, RDX),
			CALL(dirEmit),
			TESTQ(RAX, RAX),
			JNE("out"),
			MOVQ(1, file.Pos),
		),
		CMPQ(file.Pos, 1),
		IF(E,
			// The parent: the name up to its last slash.
			LEAQ(Sym(pathOut), RDI),
			MOVQ(file.NameLen, RSI),
			LOOP(
				TESTQ(RSI, RSI),
				BREAK(E),
				DECQ(RSI),
				CMPB(RDI.Index(RSI, 1), '/'),
				BREAK(E),
			),
			CALL(nodeFind),
			LEAQ(Str(".."), RDI),
			MOVL(2, RSI),
			MOVL(2, RDX),
			CALL(dirEmit),
			TESTQ(RAX, RAX),
			JNE("out"),
			MOVQ(2, file.Pos),
		),
		CALL(cpioFirst),
		MOVL(2, pos), // position of the current entry
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(pos, file.Pos),
			IF(AE,
				CALL(dirChild),
				TESTQ(RAX, RAX),
				IF(NE,
					MOVQ(cpioEntry.Header, header),
					MOVQ(cpioEntry.Builtin, builtin),
					MOVQ(RAX, nameLen), // length of the child's name
					MOVQ(header, RDI),
					MOVQ(RAX, RSI),
					CALL(dirSeen),
					TESTL(RAX, RAX),
					IF(E,
						LEAQ(Sym(pathOut), RDI),
						MOVQ(dir.PrefixLen, RSI),
						ADDQ(nameLen, RSI),
						CALL(nodeFind),
						LEAQ(Sym(pathOut), RDI),
						ADDQ(dir.PrefixLen, RDI),
						MOVQ(nameLen, RSI),
						LEAQ(pos.At(1), RDX),
						CALL(dirEmit),
						TESTQ(RAX, RAX),
						JNE("out"),
					),
					MOVQ(builtin, cpioEntry.Builtin),
					MOVQ(header, RDI),
					CALL(cpioDecode),
				),
				LEAQ(pos.At(1), RAX),
				MOVQ(RAX, file.Pos),
			),
			INCQ(pos),
			CALL(cpioNext),
		),
		LABEL("out"), // RAX says why no more fit
		CMPQ(dir.Done, 0),
		IF(NE, MOVQ(dir.Done, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func dirChild() Func {
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	return FUNC("dir_child",
		`dir_child: if the current entry lies in the directory that path_out names, it
puts the name of the directory's member that it is, or is below, after it in
path_out and returns the name's length; else 0. Keeps what is current.`,
		MOVQ(cpioEntry.Name, RSI),
		MOVQ(cpioEntry.NameLen, RDX),
		MOVQ(dir.PrefixLen, RCX),
		XORL(RAX, RAX),
		SUBQ(RCX, RDX),
		IF(BE, RETURN()),
		LEAQ(Sym(pathOut), RDI),
		TESTQ(RCX, RCX),
		IF(NE,
			REPE(CMPSB()),
			IF(NE, RETURN()),
		),
		LOOP(
			MOVZBL(RSI.Index(RAX, 1), RCX),
			CMPL(RCX, '/'),
			BREAK(E),
			MOVB(RCX, RDI.Index(RAX, 1)),
			INCQ(RAX),
			CMPQ(RAX, RDX),
			BREAK(E),
		),
		RETURN(),
	).Takes().Returns(RAX)
}

func dirSeen() Func {
	header, nameLen := RBX, RBP
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	return FUNC("dir_seen",
		`dir_seen returns 1 if an entry before the one with the header RDI tells of the
same member of the directory, whose name of RSI bytes is in path_out, else 0.`,
		MOVQ(RDI, header),
		MOVQ(RSI, nameLen),
		CALL(cpioFirst),
		LOOP(
			CMPQ(RAX, header),
			BREAK(E),
			// An entry of the directory has the same start and the name, then
			// nothing or a slash.
			MOVQ(dir.PrefixLen, RCX),
			ADDQ(nameLen, RCX),
			MOVQ(cpioEntry.NameLen, RDX),
			CMPQ(RDX, RCX),
			JB("next"),
			MOVQ(cpioEntry.Name, RSI),
			LEAQ(Sym(pathOut), RDI),
			SUBQ(RCX, RDX),
			REPE(CMPSB()),
			JNE("next"),
			TESTQ(RDX, RDX),
			IF(NE, CMPB(RSI.At(0), '/')),
			IF(E, MOVL(1, RAX), RETURN()),
			LABEL("next"),
			CALL(cpioNext),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, RBP).Takes(RDI, RSI).Returns(RAX)
}

func dirEmit() Func {
	recLen := RBX
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	return FUNC("dir_emit",
		`dir_emit gives the user the entry with the name of RSI bytes at RDI for node; RDX
is the position after it. Returns 0, -EINVAL if there is no room, or -EFAULT.`,
		LEAQ(RSI.At(direntName+1+7), recLen),
		ANDQ(-8, recLen), // d_reclen
		CMPQ(recLen, dir.Left),
		IF(A, fail(EINVAL)),
		LEAQ(Sym(dirent), R8),
		MOVQ(node.Ino, RAX),
		MOVQ(RAX, R8.At(0)),
		MOVQ(RDX, R8.At(8)),
		MOVW(recLen, R8.At(16)),
		MOVL(node.Mode, RAX),
		SHRL(12, RAX), // DT_ is the type's bits in st_mode
		MOVB(RAX, R8.At(18)),
		MOVQ(RSI, RCX),
		MOVQ(RDI, RSI),
		LEAQ(R8.At(direntName), RDI),
		REP(MOVSB()),
		MOVB(0, RDI.At(0)),
		MOVQ(dir.Buf, RDI),
		MOVQ(R8, RSI),
		MOVQ(recLen, RDX),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		IF(NE, RETURN()),
		ADDQ(recLen, dir.Buf),
		ADDQ(recLen, dir.Done),
		SUBQ(recLen, dir.Left),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI, RDX).Returns(RAX)
}
