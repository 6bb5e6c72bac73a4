package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// node is the file that the last path led to.
var node = Fields[layout.Node[Mem]](Sym(nodeData))

func isDir() Block {
	return Block{MOVQ(node.Mode, RAX), ANDL(S_IFMT, RAX), CMPL(RAX, S_IFDIR)}
}

var nodeData = BSS("node", SizeOf[layout.Node[Mem]](), 64)

func nodeFind() Func {
	path, length, entry, below := RBX, RBP, R12, R13
	_, builtin := builtinCpio()
	return FUNC("node_find",
		`node_find sets node to what the RSI bytes at RDI name: a path of components with
single slashes between them, nothing for the root. Returns 1, or 0 if there is
no such file. Of several entries with one name the last wins, as when Linux unpacks
them. Changes the current cpio entry.`,
		MOVQ(RDI, path),
		MOVQ(RSI, length),
		CALL(procFind),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX, path),
			MOVQ(RDX, length),
		),
		XORL(entry, entry), // the entry
		XORL(below, below), // the first entry below it
		TESTQ(length, length),
		IF(E,
			MOVQ(0, node.Header),
			MOVQ(0, node.NameLen),
			MOVQ(1, node.Ino),
			MOVQ(S_IFDIR|0o755, node.Mode),
			MOVQ(0, node.Size),
			MOVL(1, RAX),
			RETURN(),
		),
		CALL(cpioFirst),
		LOOP(
			TESTQ(RAX, RAX),
			BREAK(E),
			CMPQ(cpioEntry.Builtin, 0),
			IF(NE,
				TESTQ(entry, entry),
				BREAK(NE),
			),
			CMPQ(length, cpioEntry.NameLen),
			JA("next"),
			MOVQ(cpioEntry.Name, RSI),
			MOVQ(path, RDI),
			MOVQ(length, RCX),
			REPE(CMPSB()),
			JNE("next"),
			CMPQ(length, cpioEntry.NameLen),
			IF(E,
				MOVQ(cpioEntry.Header, entry),
			).ELSE(
				CMPB(RSI.At(0), '/'),
				JNE("next"),
				TESTQ(below, below),
				CMOVQE(cpioEntry.Header, below),
			),
			LABEL("next"),
			CALL(cpioNext),
		),
		MOVQ(length, node.NameLen),
		TESTQ(entry, entry),
		IF(E,
			XORL(RAX, RAX),
			TESTQ(below, below),
			IF(E, RETURN()),
			MOVQ(below, node.Header),
			// No other entry has this number: a header is longer than a name's part.
			LEAQ(below.Index(length, 1), RAX),
			MOVL(RAX, RAX),
			MOVQ(RAX, node.Ino),
			MOVQ(S_IFDIR|0o755, node.Mode),
			MOVQ(0, node.Size),
			MOVL(1, RAX),
			RETURN(),
		),
		MOVQ(entry, node.Header),
		MOVQ(entry, RDI),
		CALL(cpioDecode),
		MOVQ(cpioEntry.Mode, RAX),
		MOVQ(RAX, node.Mode),
		ANDL(S_IFMT, RAX),
		CMPL(RAX, S_IFREG),
		IF(E, CMPQ(cpioEntry.Size, 0), IF(E, MOVQ(entry, RDI), CALL(cpioHardLink))),
		MOVL(cpioEntry.Header, RAX),
		MOVQ(RAX, node.Ino),
		MOVQ(cpioEntry.Data, RAX),
		MOVQ(RAX, node.Data),
		MOVQ(cpioEntry.Size, RAX),
		MOVQ(RAX, node.Size),
		LEAQ(Sym(builtinCpioData).Add(builtin[procSelfExe]), RAX),
		CMPQ(RAX, entry),
		IF(E,
			MOVQ(gs.Process, RAX),
			MOVQ(process(RAX).Exe, RDI),
			CALL(cpioDecode),
			LEAQ(Sym(exePath), RDI),
			MOVQ(RDI, node.Data),
			INCQ(RDI), // after the slash
			MOVQ(cpioEntry.Name, RSI),
			MOVQ(cpioEntry.NameLen, RCX),
			LEAQ(RCX.At(1), RAX),
			MOVQ(RAX, node.Size),
			REP(MOVSB()),
			MOVQ(entry, RDI),
			CALL(cpioDecode),
		),
		LEAQ(Sym(builtinCpioData).Add(builtin[layout.CorePath]), RAX),
		CMPQ(RAX, entry),
		IF(E,
			LEAQ(Sym(coreData), RAX),
			MOVQ(RAX, node.Data),
			MOVQ(Sym(coreSize), RAX),
			MOVQ(RAX, node.Size),
			TESTQ(RAX, RAX),
			IF(E, RETURN()), // there is none yet
		),
		MOVL(1, RAX),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func cpioHardLink() Func {
	header := RBX
	return FUNC("cpio_hard_link",
		`cpio_hard_link: the current entry, with the header RDI, is an empty file. If it
has several names, the entry that holds its data becomes the current one: newc
archives give the data with one name only.`,
		MOVQ(RDI, header),
		LEAQ(header.At(newcNLink), RDI),
		CALL(cpioHex),
		CMPL(RAX, 2),
		IF(AE,
			CALL(cpioFirst),
			LOOP(
				TESTQ(RAX, RAX),
				BREAK(E),
				CMPQ(cpioEntry.Size, 0),
				JE("next"),
				MOVQ(RAX.At(newcIno), RCX),
				CMPQ(RCX, header.At(newcIno)),
				JNE("next"),
				MOVQ(RAX.At(newcDevMajor), RCX),
				CMPQ(RCX, header.At(newcDevMajor)),
				JNE("next"),
				MOVQ(RAX.At(newcDevMajor+8), RCX), // the minor
				CMPQ(RCX, header.At(newcDevMajor+8)),
				IF(E, RETURN()),
				LABEL("next"),
				CALL(cpioNext),
			),
			MOVQ(header, RDI), // really empty
			CALL(cpioDecode),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}
