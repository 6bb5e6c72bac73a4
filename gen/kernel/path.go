package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const (
	nameMax    = 255 // bytes of a path's component
	maxSymlink = 40  // symbolic links in a path (Linux include/linux/namei.h, MAXSYMLINKS)
)

// paths finds files by name. The kernel is not preempted, so one set of
// buffers is enough: path_in holds the path that is still to be walked, path_out the
// way so far, without symbolic links and without a leading "/".
func paths() Program {
	return Program{
		Funcs: Funcs(
			getname, nodeFind, cpioHardLink, strlen, pathWalk, userPathWalk, userPathAt, initrdLookup,
			sysGetcwd, sysChdir, sysFchdir, setCwd,
		),
		Data: []Data{
			nodeData, pathIn, pathTmp, pathOut, exePath, pathLen, pathParent, pathLast, cwdRoot,
		},
	}
}

var pathIn = BSS("path_in", layout.PathMax, 64)

var pathTmp = BSS("path_tmp", layout.PathMax, 64)

var pathOut = BSS("path_out", layout.PathMax, 64)

// exePath is where /proc/self/exe leads to.
var exePath = Data{Name: "exe_path", Content: []any{"/"}, Size: layout.PathMax + 8}

var pathLen = BSS("path_len", 8, 8)

var pathParent = BSS("path_parent", 8, 8)

var pathLast = BSS("path_last", 8, 8)

// cwdRoot is the Process.Cwd of a process whose working directory is the root.
var cwdRoot = RODATA("cwd_root", []byte("/\x00"))

func getname() Func {
	return FUNC("getname", "getname copies the user's path at RDI to path_in. Returns its length or -errno.",
		MOVQ(RDI, RSI),
		LEAQ(Sym(pathIn), RDI),
		MOVL(layout.PathMax, RDX),
		JMP(strncpyFromUser),
	).Takes(RDI).Returns(RAX)
}

func strlen() Func {
	return FUNC("strlen", "strlen returns the length of the NUL-terminated string RDI.",
		XORL(RAX, RAX),
		LOOP(
			CMPB(RDI.Index(RAX, 1), 0),
			BREAK(E),
			INCQ(RAX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func pathWalk() Func {
	next, outLen, comp, compLen, links, follow := RBX, RBP, R12, R13, R14, R15
	file := Fields[layout.File[Mem]](RAX)
	return FUNC("path_walk",
		`path_walk sets node to what path_in leads to, seen from the directory with the
descriptor EDI (AT_FDCWD: the working directory). ESI is 1 if a symbolic link
at the end must not be followed. Returns 0 or -errno; after -ENOENT path_last
is 1 if only the last component is missing.`,
		MOVL(RSI, follow),
		XORL(outLen, outLen), // length of path_out
		XORL(links, links),   // symbolic links followed
		MOVQ(0, Sym(pathLast)),
		LEAQ(Sym(pathIn), next),
		CMPB(next.At(0), 0),
		IF(E, fail(ENOENT)),
		CMPB(next.At(0), '/'),
		IF(NE,
			CMPL(RDI, AT_FDCWD),
			IF(E,
				MOVQ(gs.Process, RAX),
				MOVQ(process(RAX).Cwd, RSI),
				INCQ(RSI), // after the slash
				MOVQ(process(RAX).CwdLen, outLen),
			).ELSE(
				CALL(fdFile),
				TESTQ(RAX, RAX),
				IF(E, fail(EBADF)),
				LEAQ(Sym(dirOps), RCX),
				CMPQ(RCX, file.Ops),
				IF(NE, fail(ENOTDIR)),
				MOVQ(file.NameLen, outLen),
				TESTQ(outLen, outLen),
				IF(NE, // not the root
					MOVQ(file.Node, RDI),
					CALL(cpioDecode),
					MOVQ(cpioEntry.Name, RSI),
				),
			),
			LEAQ(Sym(pathOut), RDI),
			MOVQ(outLen, RCX),
			REP(MOVSB()),
		),
		LOOP(
			LOOP(
				CMPB(next.At(0), '/'),
				BREAK(NE),
				INCQ(next),
			),
			CMPB(next.At(0), 0),
			BREAK(E),
			MOVQ(next, comp),
			LOOP(
				MOVZBL(next.At(0), RAX),
				TESTL(RAX, RAX),
				BREAK(E),
				CMPL(RAX, '/'),
				BREAK(E),
				INCQ(next),
			),
			MOVQ(next, compLen),
			SUBQ(comp, compLen), // the component: R13 bytes at R12
			CMPQ(compLen, nameMax),
			IF(A, fail(ENAMETOOLONG)),
			CMPQ(compLen, 1),
			IF(E,
				CMPB(comp.At(0), '.'),
				CONTINUE(E),
			),
			CMPQ(compLen, 2),
			IF(E,
				CMPW(comp.At(0), word("..")),
				IF(E,
					TESTQ(outLen, outLen),
					CONTINUE(E), // the root's parent is the root
					LEAQ(Sym(pathOut), RAX),
					LOOP(
						DECQ(outLen),
						BREAK(E),
						CMPB(RAX.Index(outLen, 1), '/'),
						BREAK(E),
					),
					CONTINUE(),
				),
			),
			MOVQ(outLen, Sym(pathParent)),
			LEAQ(outLen.Index(compLen, 1), RAX),
			CMPQ(RAX, layout.PathMax-2),
			IF(A, fail(ENAMETOOLONG)),
			LEAQ(Sym(pathOut), RDI),
			ADDQ(outLen, RDI),
			TESTQ(outLen, outLen),
			IF(NE,
				MOVB('/', RDI.At(0)),
				INCQ(RDI),
				INCQ(outLen),
			),
			ADDQ(compLen, outLen),
			MOVQ(comp, RSI),
			MOVQ(compLen, RCX),
			REP(MOVSB()),
			LEAQ(Sym(pathOut), RDI),
			MOVQ(outLen, RSI),
			CALL(nodeFind),
			TESTL(RAX, RAX),
			IF(E,
				CMPB(next.At(0), 0),
				SETE(Sym(pathLast)),
				fail(ENOENT),
			),
			isDir(),
			CONTINUE(E),
			CMPL(RAX, S_IFLNK),
			IF(NE,
				CMPB(next.At(0), 0),
				BREAK(E),
				fail(ENOTDIR),
			),
			TESTL(follow, follow),
			IF(NE,
				CMPB(next.At(0), 0),
				BREAK(E),
			),
			INCL(links),
			CMPL(links, maxSymlink),
			IF(A, fail(ELOOP)),
			// Still to walk: the link's target, then the rest.
			MOVQ(node.Size, RCX),
			TESTQ(RCX, RCX),
			IF(E, fail(ENOENT)),
			CMPQ(RCX, layout.PathMax-1),
			IF(A, fail(ENAMETOOLONG)),
			MOVQ(node.Data, RSI),
			LEAQ(Sym(pathTmp), RDI),
			LEAQ(RDI.At(layout.PathMax), RDX),
			REP(MOVSB()),
			MOVQ(next, RSI),
			DO(
				CMPQ(RDI, RDX),
				IF(AE, fail(ENAMETOOLONG)),
				LODSB(),
				STOSB(),
				TESTB(RAX, RAX),
			).WHILE(NE),
			LEAQ(Sym(pathTmp), RSI),
			LEAQ(Sym(pathIn), next),
			MOVQ(next, RDI),
			MOVL(layout.PathMax/8, RCX),
			REP(MOVSQ()),
			MOVQ(Sym(pathParent), outLen),
			CMPB(next.At(0), '/'),
			IF(E, XORL(outLen, outLen)),
		),
		// It exists, but after "." or ".." node is another file.
		LEAQ(Sym(pathOut), RDI),
		MOVQ(outLen, RSI),
		MOVQ(outLen, Sym(pathLen)),
		CALL(nodeFind),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI).Returns(RAX)
}

func userPathWalk() Func {
	dirfd, follow := RBX, R12
	return FUNC("user_path_walk",
		`user_path_walk sets node to what the user's path at RSI leads to; EDI and EDX
are path_walk's EDI and ESI. Returns 0 or -errno.`,
		MOVL(RDI, dirfd),
		MOVL(RDX, follow),
		MOVQ(RSI, RDI),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		MOVL(dirfd, RDI),
		MOVL(follow, RSI),
		CALL(pathWalk),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX)
}

func userPathAt() Func {
	dirfd, flags := RBX, R12
	return FUNC("user_path_at",
		`user_path_at sets node to what the user's path at RSI leads to, seen from the
directory with the descriptor EDI; of the flags EDX it uses AT_SYMLINK_NOFOLLOW
and AT_EMPTY_PATH. Returns 0 or -errno, or 1 with the File in RDX if the path is
empty and means EDI itself.`,
		MOVL(RDI, dirfd),
		MOVL(RDX, flags),
		MOVQ(RSI, RDI),
		CALL(getname),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		IF(E,
			TESTL(AT_EMPTY_PATH, flags),
			IF(NE,
				CMPL(dirfd, AT_FDCWD),
				IF(NE,
					MOVL(dirfd, RDI),
					CALL(fdFile),
					TESTQ(RAX, RAX),
					IF(E, fail(EBADF)),
					MOVQ(RAX, RDX),
					returns(1),
				),
				MOVW('.', Sym(pathIn)), // the working directory
			),
		),
		MOVL(dirfd, RDI),
		MOVL(flags, RSI),
		SHRL(8, RSI), // AT_SYMLINK_NOFOLLOW is bit 8
		ANDL(1, RSI),
		CALL(pathWalk),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI, RDX).Returns(RAX, RDX)
}

func initrdLookup() Func {
	path := RBX
	return FUNC("initrd_lookup",
		`initrd_lookup finds the regular file with the NUL-terminated path RDI, seen from
the root: init's file. Returns the linear address of its data in RAX, its size in
RDX and its mode in RCX; RAX is 0 if there is no such file. It becomes the Exe of
init.`,
		MOVQ(RDI, path),
		CALL(strlen),
		CMPQ(RAX, layout.PathMax),
		IF(AE, XORL(RAX, RAX), RETURN()),
		LEAQ(RAX.At(1), RCX),
		MOVQ(path, RSI),
		LEAQ(Sym(pathIn), RDI),
		REP(MOVSB()),
		MOVL(AT_FDCWD, RDI),
		XORL(RSI, RSI),
		CALL(pathWalk),
		MOVQ(RAX, RDX),
		XORL(RAX, RAX),
		TESTQ(RDX, RDX),
		IF(NE, RETURN()),
		MOVQ(node.Mode, RCX),
		MOVL(RCX, RDX),
		ANDL(S_IFMT, RDX),
		CMPL(RDX, S_IFREG),
		IF(NE, RETURN()),
		MOVQ(gs.Process, RSI),
		MOVQ(node.Header, RAX),
		MOVQ(RAX, process(RSI).Exe),
		MOVQ(node.Data, RAX),
		MOVQ(node.Size, RDX),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX, RDX, RCX)
}

func sysGetcwd() Func {
	size := RBX
	return FUNC("sys_getcwd", "sys_getcwd(buf, size) copies the working directory's path with its NUL and returns the size with the NUL.",
		MOVQ(gs.Process, RCX),
		MOVQ(process(RCX).CwdLen, RDX),
		ADDQ(2, RDX), // the slash before, the NUL after
		CMPQ(RSI, RDX),
		IF(B, fail(ERANGE)),
		MOVQ(process(RCX).Cwd, RSI),
		MOVQ(RDX, size),
		CALL(copyToUser),
		TESTQ(RAX, RAX),
		IF(E, MOVQ(size, RAX)),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func sysChdir() Func {
	return FUNC("sys_chdir", "sys_chdir(path).",
		MOVQ(RDI, RSI),
		MOVL(AT_FDCWD, RDI),
		XORL(RDX, RDX),
		CALL(userPathWalk),
		TESTQ(RAX, RAX),
		IF(S, RETURN()),
		isDir(),
		IF(NE, fail(ENOTDIR)),
		MOVQ(Sym(pathLen), RCX),
		LEAQ(Sym(pathOut), RSI),
		JMP(setCwd),
	).Takes(RDI).Returns(RAX)
}

func sysFchdir() Func {
	nameLen := RBX
	file := Fields[layout.File[Mem]](RAX)
	return FUNC("sys_fchdir", "sys_fchdir(fd).",
		CALL(fdFile),
		TESTQ(RAX, RAX),
		IF(E, fail(EBADF)),
		LEAQ(Sym(dirOps), RCX),
		CMPQ(RCX, file.Ops),
		IF(NE, fail(ENOTDIR)),
		MOVQ(file.NameLen, nameLen),
		TESTQ(nameLen, nameLen),
		IF(NE,
			MOVQ(file.Node, RDI),
			CALL(cpioDecode),
			MOVQ(cpioEntry.Name, RSI),
		),
		MOVQ(nameLen, RCX),
		CALL(setCwd),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}

func setCwd() Func {
	path, pathLen, group := RBX, R12, R13
	p := process(group)
	return FUNC("set_cwd",
		`set_cwd makes the path of RCX bytes at RSI the current process's working directory.
Returns 0, or -ENOMEM if there is no page for it.`,
		MOVQ(RSI, path),
		MOVQ(RCX, pathLen),
		MOVQ(gs.Process, group),
		LEAQ(Sym(cwdRoot), RAX),
		CMPQ(RAX, p.Cwd),
		IF(E,
			CALL(getKernelPage),
			TESTQ(RAX, RAX),
			IF(E, fail(ENOMEM)),
			MOVQ(RAX, p.Cwd),
		),
		MOVQ(pathLen, p.CwdLen),
		MOVQ(p.Cwd, RDI),
		MOVB('/', RDI.At(0)),
		INCQ(RDI),
		MOVQ(path, RSI),
		MOVQ(pathLen, RCX),
		REP(MOVSB()),
		MOVB(0, RDI.At(0)),
		returns(0),
	).Saving(RBX, R12, R13).Takes(RSI, RCX).Returns(RAX)
}
