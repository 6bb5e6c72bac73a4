package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// biosBoots is how many boots there are to be of a medium on which a BIOS's loader has counted
// this one, or 0.
var biosBoots = BSS("bios_boots", 8, 8)

// Ways to reset a PC: the keyboard controller's (IBM PS/2 and PC BIOS Interface Technical
// Reference), and the chipset's reset control register (ACPI 6.5, 4.8.3.6, gives its usual port).
const (
	keyboardCommand, keyboardReset = 0x64, 0xfe
	resetControl, resetHard        = 0xcf9, 0x06
)

func biosNextBoot() Func {
	return FUNC("bios_next_boot",
		`bios_next_boot restarts the machine if its boots are counted on the medium and this is
not the last one. Firmware that is still there does so itself.`,
		CMPQ(answer.Boot, 0),
		IF(E, RETURN()),
		CMPQ(answer.Return, 0),
		IF(NE, RETURN()),
		CMPQ(Sym(biosBoots), 0),
		IF(E,
			tell("entrylab: there is no further boot: the boots cannot be counted on the medium\n"),
			JMP("say"),
		),
		tell("entrylab: boot "),
		MOVQ(answer.Boot, RDI),
		CALL(messageDec),
		tell(" of "),
		MOVQ(Sym(biosBoots), RDI),
		CALL(messageDec),
		MOVQ(answer.Boot, RAX),
		CMPQ(RAX, Sym(biosBoots)),
		JAE("last"),
		tell(": the machine starts again\n"),
		LEAQ(Sym(messageText), RDI),
		MOVQ(Sym(messageLen), RSI),
		CALL(consoleWrite),
		CALL(consoleDrain),
		CLI(),
		MOVL(keyboardReset, RAX),
		MOVL(keyboardCommand, RDX),
		OUTB(),
		MOVL(1<<24, RCX), // it takes a while
		DO(PAUSE(), DECL(RCX)).WHILE(NE),
		MOVL(resetHard, RAX),
		MOVL(resetControl, RDX),
		OUTB(),
		LOOP(HLT()),
		LABEL("last"),
		tell(", the last one\n"),
		LABEL("say"),
		LEAQ(Sym(messageText), RDI),
		MOVQ(Sym(messageLen), RSI),
		JMP(consoleWrite),
	).Takes()
}
