package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// console returns the part that drives the machine's output: COM1 or another UART, or the
// first parallel port if the command line says so, carries what init writes; the debug
// console, or COM1 if there is none, carries the kernel's log.
func console() Program {
	return Program{
		Funcs: Funcs(
			consoleInit, consoleWrite, printerWrite, consoleDrain, printk, printkChar, printkHex, printkHex64,
			printkDigit, printkDec, bootFail, machineExit,
		),
		Data: []Data{
			hasDebugcon, com1Room, toPrinter,
		},
	}
}

var hasDebugcon = BSS("has_debugcon", 8, 8)

var com1Room = BSS("com1_room", 8, 8)

// toPrinter is set where the console is the parallel port.
var toPrinter = BSS("to_printer", 8, 8)

func consoleInit() Func {
	out := func(reg int, value byte) Block {
		return Block{MOVL(int(value), RAX), uartOut(reg)}
	}
	return FUNC("console_init",
		"console_init finds the UART, sets it to 115200 8n1, and looks for the debug console.",
		CALL(uartFind),
		out(x86.UART_LCR, x86.UART_LCR_DLAB),
		out(x86.UART_DATA, x86.UART_115200),
		out(x86.UART_IER, 0),
		CALL(uartSetUp),
		MOVL(layout.DebugconPort, RDX),
		INB(),
		CMPB(RAX, layout.DebugconPort), // the device returns its own port when read
		SETE(Sym(hasDebugcon)),
		RETURN(),
	).Takes()
}

func consoleWrite() Func {
	return FUNC("console_write",
		`console_write sends RSI bytes at RDI to COM1 or to the printer. COM1 gets as many at
once as its empty FIFO has room for, so that none is lost.`,
		CMPQ(answer.Console.Text, 0),
		IF(NE,
			PUSHQ(RDI),
			PUSHQ(RSI),
			CALL(answerAdd),
			POPQ(RSI),
			POPQ(RDI),
		),
		CMPQ(screen.Taken, 0),
		IF(E,
			PUSHQ(RDI),
			PUSHQ(RSI),
			CALL(screenWrite),
			POPQ(RSI),
			POPQ(RDI),
		),
		CMPB(Sym(toPrinter), 0),
		IF(NE, JMP(printerWrite)),
		MOVQ(RSI, R8), // left
		MOVQ(RDI, RSI),
		CLD(),
		LOOP(
			TESTQ(R8, R8),
			BREAK(E),
			DO(uartIn(x86.UART_LSR), TESTB(x86.UART_LSR_THRE, RAX)).WHILE(E),
			MOVQ(Sym(com1Room), RCX),
			CMPQ(RCX, R8),
			CMOVQA(R8, RCX),
			SUBQ(RCX, R8),
			CMPQ(Sym(uartMemory), 0),
			IF(E,
				MOVL(Sym(uartPort), RDX),
				ADDL(x86.UART_DATA, RDX),
				REP(OUTSB()),
			).ELSE(DO(
				LODSB(),
				uartOut(x86.UART_DATA),
				DECQ(RCX),
			).WHILE(NE)),
		),
		RETURN(),
	).Takes(RDI, RSI)
}

func printerWrite() Func {
	control := func(value byte) Block {
		return Block{MOVL(x86.LPT1+x86.LPT_CONTROL, RDX), MOVL(int(value), RAX), OUTB()}
	}
	return FUNC("printer_write",
		`printer_write sends RSI bytes at RDI to the first parallel port: for each it waits
until the printer is ready, and announces the byte by the strobe.`,
		MOVQ(RSI, RCX), // left
		MOVQ(RDI, RSI),
		CLD(),
		LOOP(
			TESTQ(RCX, RCX),
			BREAK(E),
			MOVL(x86.LPT1+x86.LPT_STATUS, RDX),
			DO(INB(), TESTB(x86.LPT_STATUS_READY, RAX)).WHILE(E),
			MOVL(x86.LPT1+x86.LPT_DATA, RDX),
			LODSB(),
			OUTB(),
			control(x86.LPT_CONTROL_SELECT|x86.LPT_CONTROL_INIT|x86.LPT_CONTROL_STROBE),
			control(x86.LPT_CONTROL_SELECT|x86.LPT_CONTROL_INIT),
			DECQ(RCX),
		),
		RETURN(),
	).Takes(RDI, RSI)
}

func consoleDrain() Func {
	return FUNC("console_drain",
		`console_drain waits until COM1 has sent everything. Otherwise the end of the machine,
or output to another device, would overtake the rest. Clobbers RAX, RDX.`,
		DO(uartIn(x86.UART_LSR), TESTB(x86.UART_LSR_TEMT, RAX)).WHILE(E),
		RETURN(),
	).Takes().Keeps(RDI)
}

func printk() Func {
	next := RBX
	return FUNC("printk", "printk writes the NUL-terminated string at RDI to the log, after what init has written.",
		MOVQ(RDI, next),
		CALL(consoleDrain),
		LOOP(
			MOVZBL(next.At(0), RDI),
			TESTL(RDI, RDI),
			BREAK(E),
			CALL(printkChar),
			INCQ(next),
		),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func printkChar() Func {
	return FUNC("printk_char", "printk_char writes the character in DIL to the log, to the screen, and to the answer, as far as there are any.",
		MOVQ(answer.Console.Text, RDX),
		TESTQ(RDX, RDX),
		IF(NE,
			MOVQ(answer.Console.Len, RCX),
			CMPQ(RCX, answer.Console.Room),
			IF(B,
				MOVQ(uint64(layout.PhysMap), RAX),
				ADDQ(RAX, RDX),
				MOVB(RDI, RDX.Index(RCX, 1)),
				INCQ(answer.Console.Len),
			).ELSE(INCQ(answer.Console.Lost)),
		),
		CMPQ(screen.Kind, layout.ScreenNone),
		IF(NE,
			PUSHQ(RDI),
			CALL(screenPut),
			CMPB(RSP.At(0), '\n'),
			IF(E, CALL(screenFlush)),
			POPQ(RDI),
		),
		CMPB(Sym(hasDebugcon), 0),
		IF(NE,
			MOVL(layout.DebugconPort, RDX),
			MOVL(RDI, RAX),
			OUTB(),
			RETURN(),
		),
		DO(uartIn(x86.UART_LSR), TESTB(x86.UART_LSR_THRE, RAX)).WHILE(E),
		MOVL(RDI, RAX),
		uartOut(x86.UART_DATA),
		RETURN(),
	).Takes(RDI)
}

func printkHex() Func {
	value, bits := RBX, R12
	return FUNC("printk_hex", "printk_hex writes RDI to the log as 0x and hexadecimal digits, without leading zeros.",
		MOVQ(RDI, value),
		LEAQ(Str("0x"), RDI),
		CALL(printk),
		MOVL(64, bits), // bits still to print
		LOOP( // to the first digit that is not 0, or the last
			ROLQ(4, value),
			SUBL(4, bits),
			BREAK(E),
			TESTB(0xf, value),
			BREAK(NE),
		),
		LOOP(
			MOVL(value, RDI),
			ANDL(0xf, RDI),
			CALL(printkDigit),
			TESTL(bits, bits),
			BREAK(E),
			ROLQ(4, value),
			SUBL(4, bits),
		),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func printkHex64() Func {
	value, digits := RBX, R12
	return FUNC("printk_hex64", "printk_hex64 writes RDI to the log as sixteen hexadecimal digits.",
		MOVQ(RDI, value),
		MOVL(16, digits),
		DO(
			ROLQ(4, value),
			MOVL(value, RDI),
			ANDL(0xf, RDI),
			CALL(printkDigit),
			DECL(digits),
		).WHILE(NE),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func printkDigit() Func {
	return FUNC("printk_digit", "printk_digit writes the hexadecimal digit EDI to the log.",
		CMPL(RDI, 10),
		IF(AE, ADDL('a'-10-'0', RDI)),
		ADDL('0', RDI),
		JMP(printkChar),
	).Takes(RDI)
}

func printkDec() Func {
	digits := RBX
	return FUNC("printk_dec", "printk_dec writes RDI to the log in decimal, unsigned.",
		MOVQ(RDI, RAX),
		MOVL(10, RCX),
		XORL(digits, digits),
		DO(
			XORL(RDX, RDX),
			DIVQ(RCX),
			PUSHQ(RDX),
			INCL(digits),
			TESTQ(RAX, RAX),
		).WHILE(NE),
		DO(
			POPQ(RDI),
			CALL(printkDigit),
			DECL(digits),
		).WHILE(NE),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RBX)
}

func bootFail() Func {
	reason := RBX
	return FUNC("boot_fail", "boot_fail says that the kernel cannot boot because of the string RDI and ends the machine.",
		MOVQ(RDI, reason),
		CALL(screenInit),
		LEAQ(Str("entrylab: cannot boot: "), RDI),
		CALL(printk),
		MOVQ(reason, RDI),
		CALL(printk),
		LEAQ(Str("\n"), RDI),
		CALL(printk),
		MOVL(layout.ExitBoot, RDI),
		JMP(machineExit),
	).Takes(RDI).NoReturn()
}

func machineExit() Func {
	return FUNC("machine_exit",
		`machine_exit ends the machine with the value EDI, a layout.Exit*. Without an
isa-debug-exit the last line in the log must do; Bochs ends at its
shutdown port. Firmware that is still there gets the machine back first.`,
		CLI(),
		CALL(consoleDrain), // QEMU would drop the rest
		CMPQ(answer.Return, 0),
		JNE(answerLeave),
		MOVL(layout.DebugExitPort, RDX),
		MOVL(RDI, RAX),
		OUTL(),
		CMPB(Sym(hasDebugcon), 0),
		IF(NE, // an emulator
			LEAQ(Str(layout.ShutdownWord), RSI),
			MOVL(len(layout.ShutdownWord), RCX),
			MOVL(layout.ShutdownPort, RDX),
			CLD(),
			DO(LODSB(), OUTB(), DECL(RCX)).WHILE(NE),
		),
		LOOP(CLI(), HLT()),
		UD2(),
	).Takes(RDI).NoReturn()
}
