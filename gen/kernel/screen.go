package kernel

import (
	"golang.org/x/image/font/basicfont"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The screen has as many characters whatever shows it.
const (
	screenColumns, screenRows = 80, 25
	screenCells               = screenColumns * screenRows
	screenTab                 = 8
)

// A glyph is a row of pixels after the other, a byte each, with its leftmost pixel in bit 0.
const glyphWidth, glyphHeight = 7, 13

// The font has the characters of ASCII that can be seen, and a mark for all others.
const (
	fontFirst, fontEnd = ' ', 0x7f
	fontOther          = fontEnd
)

const (
	// screenMap is where the pixels are mapped: in the last GiB of addresses.
	screenMap = layout.KernelBase + 1<<30
	// screenMost is how many bytes of pixels there may be.
	screenMost = 1<<30 - largePage

	vgaText = 0xb8000 // physical address of VGA's text
	vgaGrey = 7 << 8  // on black, in a character's word

	vgaPort        = 0x3d4 // of the CRT controller: the register, and after it its value
	vgaCursorStart = 0xa
	vgaCursorOff   = 1 << 5

	// What a PC's BIOS says about the text screen (IBM PS/2 and PC BIOS Interface
	// Technical Reference, "BIOS data area").
	biosVideoMode    = 0x449
	biosVideoColumns = 0x44a
	biosVideoPort    = 0x463
	biosColorText    = 3
)

var (
	screen     = Fields[layout.ScreenState[Mem]](Sym(screenData))
	screenSeen = bootInfo.Screen
)

// screens returns the part that makes the screen a console: it shows what the console and
// the log say, until a program opens /dev/tty1, and then what is written there, and the
// log.
func screens() Program {
	return Program{
		Funcs: Funcs(
			screenInit, screenFindText, screenWrite, screenPut, screenNextRow, screenFlush, screenDraw, screenFill, sysScreenBits,
		),
		Data: []Data{
			screenData, screenWanted, screenShown, screenTable, screenFont(),
		},
	}
}

var (
	screenData   = BSS("screen", SizeOf[layout.ScreenState[Mem]](), 8)
	screenWanted = BSS("screen_wanted", screenCells, 8) // the characters
	screenShown  = BSS("screen_shown", screenCells, 8)  // those that the screen shows; 0: not yet
	screenTable  = BSS("screen_page_table", layout.PageSize, layout.PageSize)
)

// screenFont returns the font's glyphs.
func screenFont() Data {
	face := basicfont.Face7x13
	var glyphs []byte
	for i := range int(fontEnd - fontFirst + 1) {
		for y := range glyphHeight {
			var row byte
			for x := range face.Width {
				if _, _, _, alpha := face.Mask.At(x, i*glyphHeight+y).RGBA(); alpha != 0 {
					row |= 1 << x
				}
			}
			glyphs = append(glyphs, row)
		}
	}
	return RODATA("screen_font", glyphs)
}

func screenInit() Func {
	return FUNC("screen_init",
		`screen_init makes the screen of boot_info, if there is one, a console. It clears
the screen.`,
		CMPQ(screenSeen.Kind, layout.ScreenNone),
		IF(E, RETURN()),
		CMPQ(screen.Kind, layout.ScreenNone),
		IF(NE, RETURN()),
		CMPQ(screenSeen.Kind, layout.ScreenPixels),
		IF(E,
			MOVQ(screenSeen.Pitch, RSI),
			IMULQ(screenSeen.Height, RSI), // bytes
			MOVL(screenMost, RAX),
			CMPQ(RSI, RAX),
			IF(A, RETURN()),

			// As many pixels for one of a glyph as fit: in both directions the same.
			MOVQ(screenSeen.Width, RAX),
			XORL(RDX, RDX),
			MOVL(screenColumns*glyphWidth, RCX),
			DIVL(RCX),
			MOVQ(RAX, R8),
			MOVQ(screenSeen.Height, RAX),
			XORL(RDX, RDX),
			MOVL(screenRows*glyphHeight, RCX),
			DIVL(RCX),
			CMPQ(RAX, R8),
			CMOVQA(R8, RAX),
			TESTQ(RAX, RAX),
			IF(E, RETURN()), // too small
			MOVQ(RAX, screen.Scale),
			MOVQ(RAX, RCX),
			IMULQ(4*glyphWidth, RCX),
			MOVQ(RCX, screen.Right),
			MOVQ(screenSeen.Pitch, RCX),
			MOVQ(RCX, screen.Pitch),
			IMULQ(glyphHeight, RAX),
			IMULQ(RCX, RAX),
			MOVQ(RAX, screen.Down),

			MOVQ(uint64(layout.KernelBase), R8),
			LEAQ(Sym(screenTable), RDI),
			MOVQ(RDI, RAX),
			SUBQ(R8, RAX),
			ORQ(x86.PAGE_PRESENT|x86.PAGE_RW, RAX),
			LEAQ(Sym(kernelPDPT), RCX),
			MOVQ(RAX, RCX.At(511*8)),
			MOVQ(screenSeen.Base, RAX),
			MOVQ(RAX, RDX),
			ANDL(largePage-1, RDX), // the offset in the first page
			SUBQ(RDX, RAX),
			LEAQ(RSI.Index(RDX, 1), R9),
			MOVQ(uint64(x86.PAGE_NX|x86.PAGE_PRESENT|x86.PAGE_RW|x86.PAGE_PSE|x86.PAGE_PCD|x86.PAGE_PWT|x86.PAGE_ACCESSED|x86.PAGE_DIRTY), RCX),
			ORQ(RCX, RAX),
			DO(
				MOVQ(RAX, RDI.At(0)),
				ADDQ(8, RDI),
				ADDQ(largePage, RAX),
				SUBQ(largePage, R9),
			).WHILE(A),
			MOVQ(uint64(screenMap), RDI),
			ADDQ(RDX, RDI),
			MOVQ(RDI, screen.Base),
			copyField(screenSeen.Width, screen.Width),
			copyField(screenSeen.Height, screen.Height),
			XORL(RDI, RDI),
			CALL(screenFill),
		).ELSE(
			MOVQ(uint64(layout.PhysMap+vgaText), RAX),
			MOVQ(RAX, screen.Base),
			MOVL(vgaPort, RDX),
			MOVL(vgaCursorOff<<8|vgaCursorStart, RAX),
			OUTB(),
			INCL(RDX),
			SHRL(8, RAX),
			OUTB(),
		),
		MOVQ(screenSeen.Kind, RAX),
		MOVQ(RAX, screen.Kind),
		LEAQ(Sym(screenWanted), RDI),
		MOVL(screenCells, RCX),
		MOVL(' ', RAX),
		CLD(),
		REP(STOSB()),
		JMP(screenFlush),
	).Takes()
}

func screenFindText() Func {
	return FUNC("screen_find_text",
		`screen_find_text makes VGA's text the screen of boot_info if the BIOS's data says
that it is shown.`,
		MOVQ(uint64(layout.PhysMap), RAX),
		CMPB(RAX.At(biosVideoMode), biosColorText),
		IF(NE, RETURN()),
		CMPW(RAX.At(biosVideoColumns), screenColumns),
		IF(NE, RETURN()),
		CMPW(RAX.At(biosVideoPort), vgaPort),
		IF(NE, RETURN()),
		MOVQ(layout.ScreenText, screenSeen.Kind),
		RETURN(),
	).Takes()
}

func screenWrite() Func {
	next, left := RBX, R12
	return FUNC("screen_write", "screen_write shows RSI bytes at RDI, if there is a screen.",
		CMPQ(screen.Kind, layout.ScreenNone),
		IF(E, RETURN()),
		MOVQ(RDI, next),
		MOVQ(RSI, left),
		LOOP(
			SUBQ(1, left),
			BREAK(B),
			MOVZBL(next.At(0), RDI),
			INCQ(next),
			CALL(screenPut),
		),
		CALL(screenFlush),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI)
}

func screenPut() Func {
	return FUNC("screen_put",
		`screen_put puts the character DIL where the next one goes. A line feed also returns
to the first column. Of a character of several bytes, the first is a mark.`,
		MOVZBL(RDI, RDI),
		CMPL(RDI, '\n'),
		IF(E, JMP(screenNextRow)),
		CMPL(RDI, '\r'),
		IF(E,
			MOVQ(0, screen.Column),
			RETURN(),
		),
		CMPL(RDI, '\t'),
		IF(E,
			ADDQ(screenTab, screen.Column),
			ANDQ(-screenTab, screen.Column),
			RETURN(),
		),
		CMPL(RDI, fontFirst),
		IF(B, RETURN()),
		CMPL(RDI, fontEnd),
		IF(AE,
			CMPL(RDI, 0xc0), // 0x80 to 0xbf continue a character of UTF-8
			IF(B, RETURN()),
			MOVL(fontOther, RDI),
		),
		CMPQ(screen.Column, screenColumns),
		IF(AE,
			PUSHQ(RDI),
			CALL(screenNextRow),
			POPQ(RDI),
		),
		MOVQ(screen.Row, RAX),
		IMULQ(screenColumns, RAX),
		ADDQ(screen.Column, RAX),
		LEAQ(Sym(screenWanted), RCX),
		MOVB(RDI, RCX.Index(RAX, 1)),
		INCQ(screen.Column),
		RETURN(),
	).Takes(RDI)
}

func screenNextRow() Func {
	return FUNC("screen_next_row", "screen_next_row goes to the start of the next row; the first makes room for the last.",
		MOVQ(0, screen.Column),
		CMPQ(screen.Row, screenRows-1),
		IF(B,
			INCQ(screen.Row),
			RETURN(),
		),
		LEAQ(Sym(screenWanted), RDI),
		LEAQ(RDI.At(screenColumns), RSI),
		MOVL((screenCells-screenColumns)/8, RCX),
		CLD(),
		REP(MOVSQ()),
		MOVL(screenColumns, RCX),
		MOVL(' ', RAX),
		REP(STOSB()),
		RETURN(),
	).Takes()
}

func screenFlush() Func {
	cell, word := RBX, R12
	return FUNC("screen_flush", "screen_flush draws the characters that the screen does not show yet.",
		XORL(cell, cell),
		DO(
			LEAQ(Sym(screenWanted), RAX),
			LEAQ(Sym(screenShown), RCX),
			MOVQ(RAX.Index(cell, 1), RDX),
			CMPQ(RDX, RCX.Index(cell, 1)), // eight at a time
			IF(E, ADDL(8, cell)).ELSE(
				MOVL(8, word),
				DO(
					LEAQ(Sym(screenWanted), RAX),
					LEAQ(Sym(screenShown), RCX),
					MOVZBL(RAX.Index(cell, 1), RSI),
					CMPB(RSI, RCX.Index(cell, 1)),
					IF(NE,
						MOVB(RSI, RCX.Index(cell, 1)),
						MOVL(cell, RDI),
						CALL(screenDraw),
					),
					INCL(cell),
					DECL(word),
				).WHILE(NE),
			),
			CMPL(cell, screenCells),
		).WHILE(B),
		RETURN(),
	).Saving(RBX, R12).Takes()
}

func screenDraw() Func {
	at, glyph, row, again, bits := R9, R8, R10, R11, RDX
	return FUNC("screen_draw", "screen_draw draws the character ESI in the cell EDI.",
		CMPQ(screen.Kind, layout.ScreenText),
		IF(E,
			MOVQ(screen.Base, RAX),
			ORL(vgaGrey, RSI),
			MOVW(RSI, RAX.Index(RDI, 2)),
			RETURN(),
		),
		MOVL(RDI, RAX),
		XORL(RDX, RDX),
		MOVL(screenColumns, RCX),
		DIVL(RCX),
		IMULQ(screen.Down, RAX),
		IMULQ(screen.Right, RDX),
		ADDQ(screen.Base, RAX),
		LEAQ(RAX.Index(RDX, 1), at),
		SUBL(fontFirst, RSI),
		IMULQ(glyphHeight, RSI),
		LEAQ(Sym(screenFont), glyph),
		ADDQ(RSI, glyph),
		CLD(),
		MOVL(glyphHeight, row),
		DO(
			MOVQ(screen.Scale, again),
			DO(
				MOVZBL(glyph.At(0), bits),
				MOVQ(at, RDI),
				MOVL(glyphWidth, RSI),
				DO(
					SHRL(1, bits),
					SBBL(RAX, RAX), // white, or black
					MOVQ(screen.Scale, RCX),
					REP(STOSL()),
					DECL(RSI),
				).WHILE(NE),
				ADDQ(screen.Pitch, at),
				DECQ(again),
			).WHILE(NE),
			INCQ(glyph),
			DECL(row),
		).WHILE(NE),
		RETURN(),
	).Takes(RDI, RSI)
}

func screenFill() Func {
	return FUNC("screen_fill", "screen_fill makes all pixels EDI.",
		MOVL(RDI, RAX),
		MOVQ(screen.Pitch, RCX),
		IMULQ(screen.Height, RCX),
		SHRQ(2, RCX),
		MOVQ(screen.Base, RDI),
		CLD(),
		REP(STOSL()),
		RETURN(),
	).Takes(RDI)
}

func sysScreenBits() Func {
	bits, size, left, at, scale := RBX, R12, R13, R14, R15
	return FUNC("sys_screen_bits", "sys_screen_bits(bits, size) is layout.SysScreenBits.",
		MOVQ(RDI, bits),
		MOVQ(RSI, size),
		CMPQ(screen.Kind, layout.ScreenPixels),
		IF(NE, fail(ENODEV)),
		CMPQ(size, layout.ScreenBitsMost),
		IF(A, fail(EINVAL)),
		TESTQ(size, size),
		IF(E, // the characters again
			XORL(RDI, RDI),
			CALL(screenFill),
			LEAQ(Sym(screenShown), RDI),
			XORL(RAX, RAX),
			MOVL(screenCells, RCX),
			REP(STOSB()),
			CALL(screenFlush),
			returns(0),
		),
		MOVQ(screen.Height, RAX),
		CMPQ(screen.Width, RAX),
		IF(B, MOVQ(screen.Width, RAX)),
		XORL(RDX, RDX),
		LEAQ(size.At(2*layout.ScreenEdge), RCX),
		DIVQ(RCX),
		MOVQ(RAX, scale),
		TESTQ(scale, scale),
		IF(E, fail(EINVAL)),
		MOVL(uint32(1<<32-1), RDI),
		CALL(screenFill),
		MOVQ(size, RCX), // in the middle
		IMULQ(scale, RCX),
		MOVQ(screen.Height, RAX),
		SUBQ(RCX, RAX),
		SHRQ(1, RAX),
		IMULQ(screen.Pitch, RAX),
		MOVQ(screen.Width, at),
		SUBQ(RCX, at),
		SHRQ(1, at),
		SHLQ(2, at),
		ADDQ(RAX, at),
		ADDQ(screen.Base, at),
		MOVQ(size, left),
		DO( // for each row of modules
			LEAQ(Sym(consoleBuffer), RDI),
			MOVQ(bits, RSI),
			MOVQ(size, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
			ADDQ(size, bits),
			CLD(),
			MOVQ(scale, R8),
			DO( // and of pixels
				LEAQ(Sym(consoleBuffer), RSI),
				MOVQ(at, RDI),
				MOVQ(size, RDX),
				DO(
					MOVZBL(RSI.At(0), RAX),
					INCQ(RSI),
					DECL(RAX), // 0, black, or all ones, white
					MOVQ(scale, RCX),
					REP(STOSL()),
					DECQ(RDX),
				).WHILE(NE),
				ADDQ(screen.Pitch, at),
				DECQ(R8),
			).WHILE(NE),
			DECQ(left),
		).WHILE(NE),
		returns(0),
	).Saving(RBX, R12, R13, R14, R15).Takes(RDI, RSI).Returns(RAX)
}
