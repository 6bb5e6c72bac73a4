package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// direntName is the offset of the name in struct linux_dirent64 (Linux
// include/linux/dirent.h): d_ino, d_off, 8 bytes each, d_reclen, 2, d_type, 1.
const direntName = 19

var readDirState = BSS("read_dir_state", SizeOf[layout.ReadDir[Mem]](), 64)

var dirent = BSS("dirent", direntName+layout.PathMax+8, 64)

func sysGetdents64() Func {
	filePtr, pos, header, builtin, nameLen := RBX, R12, R13, R14, R15
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	file := openFile(filePtr)
	return FUNC("sys_getdents64",
		`sys_getdents64(fd, dirp, count): ".", "..", then the members in the order in
which they first appear in the archive. The file's position counts entries: 0 and 1
are those two, 2 is the archive's first entry.`,
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

		// path_out: the directory, with a slash after it if it is not the root.
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
						TESTL(RAX, RAX),
						IF(NE, // not a core that nobody has dumped
							LEAQ(Sym(pathOut), RDI),
							ADDQ(dir.PrefixLen, RDI),
							MOVQ(nameLen, RSI),
							LEAQ(pos.At(1), RDX),
							CALL(dirEmit),
							TESTQ(RAX, RAX),
							JNE("out"),
						),
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
		LABEL("out"), // RAX is the reason why no more fit
		CMPQ(dir.Done, 0),
		IF(NE, MOVQ(dir.Done, RAX)),
		RETURN(),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI, RDX).Returns(RAX)
}

func dirChild() Func {
	dir := Fields[layout.ReadDir[Mem]](Sym(readDirState))
	return FUNC("dir_child",
		`dir_child: if the current entry lies in the directory that path_out names, it
copies the name of the directory's member which is that entry, or contains it, after
the directory's in path_out and returns the name's length; else 0. Keeps the current
entry.`,
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
		`dir_seen returns 1 if an entry before the one with the header RDI belongs to the
same member of the directory, whose name of RSI bytes is in path_out, else 0.`,
		MOVQ(RDI, header),
		MOVQ(RSI, nameLen),
		CALL(cpioFirst),
		LOOP(
			CMPQ(RAX, header),
			BREAK(E),
			// An entry of the directory has the same start and the name, followed by
			// nothing or by a slash.
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
