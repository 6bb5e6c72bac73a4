package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Registers of the 16550 UART, relative to its port (National Semiconductor
// PC16550D data sheet, table II).
const (
	uartData = 0
	uartIER  = 1
	uartFCR  = 2
	uartLCR  = 3
	uartMCR  = 4
	uartLSR  = 5
	lsrTHRE  = 1 << 5 // the transmit register is empty
)

// console is the way out of the machine: COM1 carries what init writes, the
// debug console, or COM1 where there is none, the kernel's log.
func console() Program {
	out := func(reg int, value byte) Block {
		return Block{MOVL(layout.COM1Port+reg, RDX), MOVL(int(value), RAX), OUTB()}
	}
	return Program{
		Funcs: []Func{
			FUNC("console_init", "console_init sets COM1 to 115200 8n1 without interrupts and looks for the debug console.",
				out(uartIER, 0),
				out(uartLCR, 0x80), // DLAB: the divisor
				out(uartData, 1),
				out(uartIER, 0),
				out(uartLCR, 0x03),
				out(uartFCR, 0x07),
				out(uartMCR, 0x03),
				MOVL(layout.DebugconPort, RDX),
				INB(),
				CMPB(RAX, layout.DebugconPort), // the device reads as its own port
				SETE(Sym("has_debugcon")),
				RETURN(),
			),
			FUNC("console_write", "console_write sends RSI bytes at RDI to COM1.",
				MOVQ(RSI, RCX),
				MOVQ(RDI, RSI),
				CLD(),
				TESTQ(RCX, RCX),
				IF(NE, DO(
					MOVL(layout.COM1Port+uartLSR, RDX),
					DO(INB(), TESTB(lsrTHRE, RAX)).WHILE(E),
					LODSB(),
					MOVL(layout.COM1Port+uartData, RDX),
					OUTB(),
					DECQ(RCX),
				).WHILE(NE)),
				RETURN(),
			),
			FUNC("printk", "printk writes the NUL-terminated string at RDI to the log.",
				MOVQ(RDI, RBX),
				LOOP(
					MOVZBL(RBX.At(0), RDI),
					TESTL(RDI, RDI),
					BREAK(E),
					CALL("printk_char"),
					INCQ(RBX),
				),
				RETURN(),
			).Saving(RBX),
			FUNC("printk_char", "printk_char writes the character in DIL to the log.",
				CMPB(Sym("has_debugcon"), 0),
				IF(NE,
					MOVL(layout.DebugconPort, RDX),
					MOVL(RDI, RAX),
					OUTB(),
					RETURN(),
				),
				MOVL(layout.COM1Port+uartLSR, RDX),
				DO(INB(), TESTB(lsrTHRE, RAX)).WHILE(E),
				MOVL(layout.COM1Port+uartData, RDX),
				MOVL(RDI, RAX),
				OUTB(),
				RETURN(),
			),
			FUNC("printk_hex", "printk_hex writes RDI to the log as 0x and hexadecimal digits, without leading zeros.",
				MOVQ(RDI, RBX),
				LEAQ(Str("0x"), RDI),
				CALL("printk"),
				MOVL(64, R12), // bits still to print
				LOOP( // to the first digit that is not 0, or the last
					ROLQ(4, RBX),
					SUBL(4, R12),
					BREAK(E),
					TESTB(0xf, RBX),
					BREAK(NE),
				),
				LOOP(
					MOVL(RBX, RDI),
					ANDL(0xf, RDI),
					CALL("printk_digit"),
					TESTL(R12, R12),
					BREAK(E),
					ROLQ(4, RBX),
					SUBL(4, R12),
				),
				RETURN(),
			).Saving(RBX, R12),
			FUNC("printk_hex64", "printk_hex64 writes RDI to the log as sixteen hexadecimal digits.",
				MOVQ(RDI, RBX),
				MOVL(16, R12),
				DO(
					ROLQ(4, RBX),
					MOVL(RBX, RDI),
					ANDL(0xf, RDI),
					CALL("printk_digit"),
					DECL(R12),
				).WHILE(NE),
				RETURN(),
			).Saving(RBX, R12),
			FUNC("printk_digit", "printk_digit writes the hexadecimal digit EDI to the log.",
				CMPL(RDI, 10),
				IF(AE, ADDL('a'-10-'0', RDI)),
				ADDL('0', RDI),
				JMP("printk_char"),
			),
			FUNC("printk_dec", "printk_dec writes RDI to the log in decimal, unsigned.",
				MOVQ(RDI, RAX),
				MOVL(10, RCX),
				XORL(RBX, RBX),
				DO(
					XORL(RDX, RDX),
					DIVQ(RCX),
					PUSHQ(RDX),
					INCL(RBX),
					TESTQ(RAX, RAX),
				).WHILE(NE),
				DO(
					POPQ(RDI),
					CALL("printk_digit"),
					DECL(RBX),
				).WHILE(NE),
				RETURN(),
			).Saving(RBX),
			FUNC("boot_fail", "boot_fail says that the kernel cannot boot because of the string RDI and ends the machine.",
				MOVQ(RDI, RBX),
				LEAQ(Str("entrylab: cannot boot: "), RDI),
				CALL("printk"),
				MOVQ(RBX, RDI),
				CALL("printk"),
				LEAQ(Str("\n"), RDI),
				CALL("printk"),
				MOVL(layout.ExitBoot, RDI),
				JMP("machine_exit"),
			),
			FUNC("machine_exit",
				`machine_exit ends the machine with the value EDI, a layout.Exit*. Where there is
no isa-debug-exit the last line in the log has to do; Bochs ends at its
shutdown port.`,
				CLI(),
				MOVL(layout.COM1Port+uartLSR, RDX),
				DO(INB(), TESTB(1<<6, RAX)).WHILE(E), // all sent: QEMU would drop the rest
				MOVL(layout.DebugExitPort, RDX),
				MOVL(RDI, RAX),
				OUTL(),
				CMPB(Sym("has_debugcon"), 0),
				IF(NE, // an emulator
					LEAQ(Str(layout.ShutdownWord), RSI),
					MOVL(len(layout.ShutdownWord), RCX),
					MOVL(layout.ShutdownPort, RDX),
					CLD(),
					DO(LODSB(), OUTB(), DECL(RCX)).WHILE(NE),
				),
				LOOP(CLI(), HLT()),
				UD2(),
			),
		},
		Data: []Data{BSS("has_debugcon", 8, 8)},
	}
}
