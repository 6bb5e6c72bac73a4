package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The header of a newc entry: 110 characters, a magic and thirteen numbers of
// eight hexadecimal digits (Linux Documentation/driver-api/early-userspace/
// buffer-format.rst). The name follows, then the data, each padded to 4 bytes.
const (
	newcMagic     = "070701"
	newcIno       = 6
	newcMode      = 14
	newcUID       = 22
	newcGID       = 30
	newcNLink     = 38
	newcMTime     = 46
	newcFileSize  = 54
	newcDevMajor  = 62
	newcRdevMajor = 78
	newcRdevMinor = 86
	newcNameSize  = 94
	newcHeader    = 110
	newcFields    = 13

	newcTrailer = "TRAILER!!!"
)

// cpioEntry is the entry that was decoded last.
var cpioEntry = Fields[layout.CpioEntry[Mem]](Sym(cpioEntryData))

// word returns up to eight characters as a little-endian word.
func word(s string) uint64 {
	var w uint64
	for i := range len(s) {
		w |= uint64(s[i]) << (8 * i)
	}
	return w
}

// cpioField loads the number at an offset of a header into RAX.
func cpioField(header Reg, off int) Block {
	return Block{LEAQ(header.At(off), RDI), CALL(cpioHex)}
}

// initrd reads the initramfs where the boot loader has put it: nothing is
// copied. After it in the search comes an archive of the kernel's own
// with the devices.
func initrd() Program {
	return Program{
		Funcs: Funcs(
			cpioCheck, cpioBad, cpioHex, cpioDecode, cpioIsTrailer, cpioSkipZeros, cpioFirst, cpioNext,
			cpioLoad,
		),
		Data: []Data{
			cpioEntryData,
		},
	}
}

var cpioEntryData = BSS("cpio_entry", SizeOf[layout.CpioEntry[Mem]](), 64)

func cpioCheck() Func {
	header, end, field, fields := RBX, R12, R13, R14
	behind := R13
	// expect fails with the text of what was expected at the address where.
	expect := func(where Mem, what string) Block {
		return Block{LEAQ(where, RDI), LEAQ(Str(what), RSI), JMP(cpioBad)}
	}
	return FUNC("cpio_check",
		`cpio_check goes through the initramfs once, so that later readers can rely on its
format. Fails by boot_fail.`,
		MOVQ(bootInfo.InitrdStart, header),
		MOVQ(bootInfo.InitrdEnd, end),
		CMPQ(header, end),
		IF(AE,
			LEAQ(Str("no initramfs: give one with -initrd"), RDI),
			JMP(bootFail),
		),
		LOOP(
			CMPQ(header, end),
			IF(AE, expect(header.At(0), newcTrailer+", not the archive's end")),
			LEAQ(header.At(newcHeader), RAX),
			CMPQ(RAX, end),
			IF(A, expect(header.At(0), "a header of 110 bytes, not the archive's end")),
			CMPL(header.At(0), word(newcMagic[:4])),
			IF(E, CMPW(header.At(4), word(newcMagic[4:]))),
			IF(NE, expect(header.At(0), "the magic "+newcMagic+" of an uncompressed newc archive")),
			LEAQ(header.At(newcIno), field),
			MOVL(newcFields, fields),
			DO(
				MOVQ(field, RDI),
				CALL(cpioHex),
				TESTQ(RDX, RDX),
				IF(NE, expect(field.At(0), "eight hexadecimal digits")),
				ADDQ(8, field),
				DECL(fields),
			).WHILE(NE),

			cpioField(header, newcNameSize),
			LEAQ(RAX.At(-1), RCX),
			CMPQ(RCX, layout.PathMax-1),
			IF(A, expect(header.At(newcNameSize), "the size of a name, 1 to 4096")),
			LEAQ(header.Index(RAX, 1).Add(newcHeader), behind), // the name's end
			CMPQ(behind, end),
			IF(A, expect(header.At(newcNameSize), "the size of a name inside the archive")),
			CMPB(behind.At(-1), 0),
			IF(NE, expect(behind.At(-1), "the NUL of a name")),
			cpioField(header, newcFileSize),
			ADDQ(3, behind),
			ANDQ(-4, behind), // the data
			ADDQ(RAX, behind),
			CMPQ(behind, end),
			IF(A, expect(header.At(newcFileSize), "the size of a file inside the archive")),

			MOVQ(header, RDI),
			CALL(cpioDecode),
			CALL(cpioIsTrailer),
			MOVQ(cpioEntry.Next, header),
			CONTINUE(NE),
			// Another archive may follow after zeros.
			MOVQ(header, RDI),
			CALL(cpioSkipZeros),
			MOVQ(RAX, header),
			TESTQ(RAX, RAX),
			BREAK(E),
		),
		RETURN(),
	).Saving(RBX, R12, R13, R14).Takes()
}

func cpioBad() Func {
	where, what := RBX, R12
	return FUNC("cpio_bad", "cpio_bad fails the boot: the address RDI of the initramfs does not hold what the string RSI names.",
		MOVQ(RDI, where),
		MOVQ(RSI, what),
		tell("initramfs: offset "),
		MOVQ(where, RDI),
		SUBQ(bootInfo.InitrdStart, RDI),
		CALL(messageDec),
		tell(": expected "),
		MOVQ(what, RDI),
		CALL(message),
		JMP(bootFailMessage),
	).Takes(RDI, RSI).NoReturn()
}

func cpioHex() Func {
	return FUNC("cpio_hex",
		`cpio_hex returns in RAX the number of eight hexadecimal digits at RDI; RDX is 0,
or -1 if they are not digits. Clobbers RCX, RSI, RDI.`,
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		MOVL(8, RCX),
		DO(
			MOVZBL(RDI.At(0), RSI),
			SUBL('0', RSI),
			CMPL(RSI, 9),
			IF(A,
				ORL('a'-'A', RSI),
				SUBL('a'-'0', RSI),
				CMPL(RSI, 5),
				IF(A, MOVQ(-1, RDX)),
				ADDL(10, RSI),
			),
			SHLQ(4, RAX),
			ORQ(RSI, RAX),
			INCQ(RDI),
			DECL(RCX),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDX)
}

func cpioDecode() Func {
	header, nameLen := RBX, R12
	return FUNC("cpio_decode",
		`cpio_decode makes the entry with the header RDI the current one. It has been
checked before. A leading "/" or "./" and trailing "/" are taken off its name.`,
		MOVQ(RDI, header),
		MOVQ(header, cpioEntry.Header),
		cpioField(header, newcMode),
		MOVQ(RAX, cpioEntry.Mode),
		cpioField(header, newcNameSize),
		MOVQ(RAX, nameLen),
		cpioField(header, newcFileSize),
		MOVQ(RAX, cpioEntry.Size),
		LEAQ(header.At(newcHeader), RSI), // name
		LEAQ(RSI.Index(nameLen, 1).Add(3), RCX),
		ANDQ(-4, RCX),
		MOVQ(RCX, cpioEntry.Data),
		LEAQ(RCX.Index(RAX, 1).Add(3), RCX),
		ANDQ(-4, RCX),
		MOVQ(RCX, cpioEntry.Next),
		DECQ(nameLen), // NUL
		LOOP(
			TESTQ(nameLen, nameLen),
			BREAK(E),
			CMPB(RSI.At(0), '/'),
			IF(NE,
				CMPB(RSI.At(0), '.'),
				BREAK(NE),
				CMPQ(nameLen, 1),
				IF(NE,
					CMPB(RSI.At(1), '/'),
					BREAK(NE),
				),
			),
			INCQ(RSI),
			DECQ(nameLen),
		),
		LOOP(
			TESTQ(nameLen, nameLen),
			BREAK(E),
			CMPB(RSI.Index(nameLen, 1).Add(-1), '/'),
			BREAK(NE),
			DECQ(nameLen),
		),
		MOVQ(RSI, cpioEntry.Name),
		MOVQ(nameLen, cpioEntry.NameLen),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func cpioIsTrailer() Func {
	return FUNC("cpio_is_trailer", "cpio_is_trailer sets ZF if the current entry is the last of its archive. Clobbers RAX, RCX.",
		CMPQ(cpioEntry.NameLen, len(newcTrailer)),
		IF(E,
			MOVQ(cpioEntry.Name, RCX),
			MOVQ(word(newcTrailer[:8]), RAX),
			CMPQ(RAX, RCX.At(0)),
			IF(E, CMPW(RCX.At(8), word(newcTrailer[8:]))),
		),
		RETURN(),
	).Takes().Returns(FLAGS)
}

func cpioSkipZeros() Func {
	return FUNC("cpio_skip_zeros",
		`cpio_skip_zeros returns the first word from RDI on that is not 0, or 0 if the
initramfs ends before one. Words have 4 bytes.`,
		LOOP(
			LEAQ(RDI.At(4), RAX),
			CMPQ(RAX, bootInfo.InitrdEnd),
			IF(A, XORL(RAX, RAX), RETURN()),
			CMPL(RDI.At(0), 0),
			BREAK(NE),
			MOVQ(RAX, RDI),
		),
		MOVQ(RDI, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

func cpioFirst() Func {
	return FUNC("cpio_first", "cpio_first makes the first entry the current one; returns its header in RAX.",
		MOVQ(0, cpioEntry.Builtin),
		MOVQ(bootInfo.InitrdStart, RDI),
		JMP(cpioLoad),
	).Takes().Returns(RAX)
}

func cpioNext() Func {
	return FUNC("cpio_next",
		`cpio_next makes the entry after the current one the current one; returns its
header in RAX, 0 after the last.`,
		MOVQ(cpioEntry.Next, RDI),
		JMP(cpioLoad),
	).Takes().Returns(RAX)
}

func cpioLoad() Func {
	header := RBX
	return FUNC("cpio_load",
		`cpio_load makes the entry with the header RDI the current one, or the one after
if it is a trailer; returns its header in RAX, 0 after the last.`,
		MOVQ(RDI, header),
		LOOP(
			MOVQ(header, RDI),
			CALL(cpioDecode),
			CALL(cpioIsTrailer),
			IF(NE, MOVQ(header, RAX), RETURN()),
			CMPQ(cpioEntry.Builtin, 0),
			IF(NE, XORL(RAX, RAX), RETURN()),
			MOVQ(cpioEntry.Next, RDI),
			CALL(cpioSkipZeros),
			MOVQ(RAX, header),
			TESTQ(RAX, RAX),
			IF(E,
				MOVQ(1, cpioEntry.Builtin),
				LEAQ(Sym(builtinCpioData), header),
			),
		),
		UD2(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}
