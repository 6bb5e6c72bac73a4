package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// messageMax is the room for a composed message; the rest is cut off.
const messageMax = 4096

// messages composes the text that boot_fail takes as a whole.
func messages() Program {
	return Program{
		Funcs: Funcs(
			message, messageDec, bootFailMessage,
		),
		Data: []Data{
			messageText, messageLen,
		},
	}
}

var messageText = BSS("message_text", messageMax, 8)

var messageLen = BSS("message_len", 8, 8)

// tell adds a text to the message. It clobbers what message does.
func tell(text string) Block { return Block{LEAQ(Str(text), RDI), CALL(message)} }

func message() Func {
	return FUNC("message", "message adds the NUL-terminated string RDI to the message.",
		LEAQ(Sym(messageText), RDX),
		MOVQ(Sym(messageLen), RCX),
		LOOP(
			MOVZBL(RDI.At(0), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			CMPQ(RCX, messageMax-1), // a NUL remains
			BREAK(E),
			MOVB(RAX, RDX.Index(RCX, 1)),
			INCQ(RDI),
			INCQ(RCX),
		),
		MOVQ(RCX, Sym(messageLen)),
		RETURN(),
	).Takes(RDI)
}

func messageDec() Func {
	return FUNC("message_dec", "message_dec adds the number RDI in decimal to the message.",
		SUBQ(24, RSP), // 20 digits and a NUL
		LEAQ(RSP.At(23), RSI),
		MOVB(0, RSI.At(0)),
		MOVQ(RDI, RAX),
		MOVL(10, RCX),
		DO(
			XORL(RDX, RDX),
			DIVQ(RCX),
			ADDL('0', RDX),
			DECQ(RSI),
			MOVB(RDX, RSI.At(0)),
			TESTQ(RAX, RAX),
		).WHILE(NE),
		MOVQ(RSI, RDI),
		CALL(message),
		ADDQ(24, RSP),
		RETURN(),
	).Takes(RDI)
}

func bootFailMessage() Func {
	return FUNC("boot_fail_message", "boot_fail_message is boot_fail with the composed message.",
		LEAQ(Sym(messageText), RDI),
		JMP(bootFail),
	).Takes().NoReturn()
}
