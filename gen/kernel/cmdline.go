package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// execState is what is known about init.
var execState = Fields[layout.Exec[Mem]](Sym(execData))

// cmdline divides the command line between the kernel and init, as Linux does
// (init/main.c; kernel/params.c, next_arg).
func cmdline() Program {
	return Program{
		Funcs: Funcs(
			parseCmdline, setEnv, hasPrefix, nextArg,
		),
		Data: []Data{
			cmdlineText,
		},
	}
}

var cmdlineText = BSS("cmdline_text", 2*layout.CmdlineMax, 8)

func parseCmdline() Func {
	arg, equals, rest, dashes := RBX, RBP, R12, R13
	// param runs items if the word RBX begins with name: RDI is then the text
	// after it. Such a word is the kernel's own and does not reach init.
	param := func(name string, do ...Item) Block {
		return Block{
			MOVQ(arg, RDI),
			LEAQ(Str(name), RSI),
			CALL(hasPrefix),
			IF(E, Block(do)),
		}
	}
	own := Block{
		param("init=",
			MOVQ(RDI, execState.Path),
			MOVQ(RDI, execState.Argv[0]),
			MOVQ(1, execState.Argc), // earlier arguments were another program's
			CONTINUE(),
		),
		param(layout.Argv0Param,
			MOVQ(RDI, execState.Argv[0]),
			CONTINUE(),
		),
		param("variant=",
			CALL(setVariant),
			CONTINUE(),
		),
		param(layout.ControlWord,
			CMPB(RDI.At(0), 0), // nothing after it
			IF(E,
				MOVQ(1, Sym(controlOn)),
				CONTINUE(),
			),
		),
		param(layout.PrinterWord,
			CMPB(RDI.At(0), 0),
			IF(E,
				MOVQ(1, Sym(toPrinter)),
				CONTINUE(),
			),
		),
	}
	return FUNC("parse_cmdline",
		`parse_cmdline takes the kernel's own parameters, and sets Argv and Envp of init.
Of the words that the kernel does not know, one with a "=" goes into the environment,
one with a "." in its name is dropped, and any other is an argument; all words after
"--" are arguments. If there is no "--", init gets the image's own arguments. Double
quotes keep spaces together. Fails by boot_fail.`,
		// The image's own words come first.
		LEAQ(Sym(builtinCmdline), RSI),
		LEAQ(Sym(cmdlineText), RDI),
		CLD(),
		LOOP(
			LODSB(),
			TESTB(RAX, RAX),
			BREAK(E),
			STOSB(),
		),
		MOVB(' ', RDI.At(0)),
		INCQ(RDI),
		MOVQ(bootInfo.Cmdline, RSI),
		XORL(RCX, RCX),
		LOOP(
			CMPQ(RCX, layout.CmdlineMax),
			IF(E,
				LEAQ(Str("the command line is longer than 4095 bytes"), RDI),
				JMP(bootFail),
			),
			MOVZBL(RSI.Index(RCX, 1), RAX),
			MOVB(RAX, RDI.Index(RCX, 1)),
			INCQ(RCX),
			TESTL(RAX, RAX),
			BREAK(E),
		),
		LEAQ(Str("/init"), RAX),
		MOVQ(RAX, execState.Path),
		MOVQ(RAX, execState.Argv[0]),
		MOVQ(1, execState.Argc),
		LEAQ(Str("HOME=/"), RAX),
		MOVQ(RAX, execState.Envp[0]),
		LEAQ(Str("TERM=linux"), RAX),
		MOVQ(RAX, execState.Envp[1]),
		MOVQ(2, execState.Envc),

		LEAQ(Sym(cmdlineText), rest), // the text that is still to be read
		XORL(dashes, dashes),         // 1 after "--"
		LOOP(
			MOVQ(rest, RDI),
			CALL(nextArg),
			TESTQ(RAX, RAX),
			IF(E, // the image's own arguments, if there was no "--"
				TESTL(dashes, dashes),
				BREAK(NE),
				INCL(dashes),
				LEAQ(Sym(builtinArgs), rest),
				CONTINUE(),
			),
			MOVQ(RDI, rest),
			MOVQ(RAX, arg),    // the word
			MOVQ(RDX, equals), // its "=", or 0
			TESTL(dashes, dashes),
			JNE("argument"),
			CMPW(arg.At(0), word("--")),
			IF(E,
				CMPB(arg.At(2), 0),
				IF(E, INCL(dashes), CONTINUE()),
			),
			own,
			// For Linux, a name with a dot is a module's parameter.
			MOVQ(arg, RCX),
			LOOP(
				CMPQ(RCX, equals),
				BREAK(E),
				MOVZBL(RCX.At(0), RAX),
				TESTL(RAX, RAX),
				BREAK(E),
				CMPL(RAX, '.'),
				JE("nobody"),
				INCQ(RCX),
			),
			TESTQ(equals, equals),
			IF(NE,
				CALL(setEnv),
				CONTINUE(),
			),
			LABEL("argument"),
			MOVQ(execState.Argc, RCX),
			CMPQ(RCX, layout.MaxInitArgs),
			IF(E,
				LEAQ(Str("the command line has more than 63 arguments for init"), RDI),
				JMP(bootFail),
			),
			LEAQ(execState.Argv[0], RAX),
			MOVQ(arg, RAX.Index(RCX, 8)),
			INCQ(execState.Argc),
			CONTINUE(),
			LABEL("nobody"),
		),
		RETURN(),
	).Saving(RBX, RBP, R12, R13).Takes()
}

func setEnv() Func {
	arg, equals := RBX, RBP
	return FUNC("set_env",
		`set_env enters the word RBX with its "=" at RBP in the environment, in place of
an earlier one of that name.`,
		LEAQ(execState.Envp[0], RDX),
		XORL(RCX, RCX),
		LOOP(
			CMPQ(RCX, execState.Envc),
			IF(E,
				CMPQ(RCX, layout.MaxInitEnvs),
				IF(E,
					LEAQ(Str("the command line has more than 62 environment variables for init"), RDI),
					JMP(bootFail),
				),
				INCQ(execState.Envc),
				BREAK(),
			),
			// Equal up to the "=".
			MOVQ(RDX.Index(RCX, 8), RDI),
			MOVQ(arg, RSI),
			DO(
				MOVZBL(RSI.At(0), RAX),
				CMPB(RAX, RDI.At(0)),
				JNE("other"),
				INCQ(RDI),
				INCQ(RSI),
				CMPQ(RSI, equals),
			).WHILE(BE),
			BREAK(),
			LABEL("other"),
			INCQ(RCX),
		),
		MOVQ(arg, RDX.Index(RCX, 8)),
		RETURN(),
	).Takes(RBX, RBP)
}

func hasPrefix() Func {
	return FUNC("has_prefix",
		`has_prefix sets ZF if the string RDI begins with the string RSI; RDI then points
after it. Clobbers RAX, RSI.`,
		LOOP(
			MOVZBL(RSI.At(0), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			CMPB(RAX, RDI.At(0)),
			BREAK(NE),
			INCQ(RDI),
			INCQ(RSI),
		),
		RETURN(),
	).Takes(RDI, RSI).Returns(RDI, FLAGS)
}

func nextArg() Func {
	return FUNC("next_arg",
		`next_arg takes the first word of the text RDI apart, in place: it returns the word
in RAX (0 if there is none), its "=" in RDX (0 if there is none), and the text
after it in RDI. Quotes around the word or around the value are removed.`,
		LOOP(
			MOVZBL(RDI.At(0), RAX),
			isSpace(RAX),
			BREAK(NE),
			INCQ(RDI),
		),
		TESTL(RAX, RAX),
		IF(E, XORL(RAX, RAX), RETURN()),
		XORL(RDX, RDX), // "="
		XORL(RSI, RSI), // 1 inside quotes
		XORL(R8, R8),   // 1 if a quote that ends the word must be removed
		CMPL(RAX, '"'),
		IF(E, INCQ(RDI), INCL(RSI), INCL(R8)),
		MOVQ(RDI, R9), // the word
		LOOP(
			MOVZBL(RDI.At(0), RAX),
			TESTL(RAX, RAX),
			BREAK(E),
			TESTL(RSI, RSI),
			IF(E,
				isSpace(RAX),
				BREAK(E),
			),
			CMPL(RAX, '='),
			IF(E,
				TESTQ(RDX, RDX),
				IF(E,
					CMPQ(RDI, R9),
					CMOVQA(RDI, RDX),
				),
			),
			CMPL(RAX, '"'),
			IF(E, XORL(1, RSI)),
			INCQ(RDI),
		),
		MOVQ(RDI, RCX), // the word's end
		TESTL(RAX, RAX),
		IF(NE, INCQ(RDI)),
		TESTQ(RDX, RDX),
		IF(NE,
			CMPB(RDX.At(1), '"'),
			IF(E,
				// The value overwrites its opening quote.
				MOVL(1, R8),
				LEAQ(RDX.At(1), R10),
				LOOP(
					INCQ(R10),
					CMPQ(R10, RCX),
					BREAK(AE),
					MOVZBL(R10.At(0), RAX),
					MOVB(RAX, R10.At(-1)),
				),
				DECQ(RCX),
			),
		),
		TESTL(R8, R8),
		IF(NE,
			CMPQ(RCX, R9),
			IF(A,
				CMPB(RCX.At(-1), '"'),
				IF(E, DECQ(RCX)),
			),
		),
		MOVB(0, RCX.At(0)),
		MOVQ(R9, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX, RDI, RDX)
}

// isSpace sets ZF if r is a space or a control character that separates words
// (tab to carriage return), and clears it otherwise. Clobbers R10.
func isSpace(r Reg) Block {
	return Block{
		LEAQ(r.At(-'\t'), R10),
		CMPL(R10, '\r'-'\t'),
		IF(BE, CMPL(R10, R10)).ELSE(CMPL(r, ' ')),
	}
}
