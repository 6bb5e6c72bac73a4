package kernel

import (
	"bytes"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

func say(text string) Block {
	return Block{LEAQ(Str(text), RDI), CALL(printk)}
}

// panics returns the part by which the kernel dies: never silently, and never by hanging.
func panics() Program {
	return Program{
		Funcs: Funcs(
			kernelPanic, die, endOfPanic, printErrorCode, printSymbol, printUser, dumpStack,
		),
		Data: []Data{
			trapNames(),
		},
		Late: kallsyms,
	}
}

func trapNames() Data {
	var names []any
	for _, n := range x86.TrapName {
		var b [8]byte
		copy(b[:], n)
		names = append(names, b[:])
	}
	return RODATA("trap_names", names...)
}

func kernelPanic() Func {
	text := R12
	return FUNC("panic", "panic reports the string RDI and where it was called from, and ends the machine.",
		CLI(),
		MOVQ(RDI, text),
		say("entrylab: panic: "),
		MOVQ(text, RDI),
		CALL(printk),
		say("\n"),
		say("entrylab: called from "),
		MOVQ(RSP.At(0), RDI),
		CALL(printSymbol),
		say("\n"),
		MOVQ(RSP.At(0), RDI),
		CALL(printUser),
		MOVQ(RSP, RDI),
		CALL(dumpStack),
		JMP(endOfPanic),
	).Takes(RDI).NoReturn()
}

func die() Func {
	frame, vector := RBX, R12
	regs := ptRegs(frame)
	reg := func(name string, m Mem) Block {
		return Block{say(name), MOVQ(m, RDI), CALL(printkHex64)}
	}
	line := func(items ...Item) Block { return Block{say("entrylab: "), Block(items), say("\n")} }
	return FUNC("die",
		`die reports that vector ESI struck where no handler could help: RDI is its
PtRegs. It ends the machine.`,
		CLI(),
		MOVQ(RDI, frame),
		MOVL(RSI, vector),
		say("entrylab: panic: "),
		CMPL(vector, x86.X86_TRAP_DF),
		IF(E, // because there was no room for the frame of a #PF?
			MOVQ(CR2, RAX),
			SUBQ(gs.Current, RAX),
			SUBQ(layout.ThreadGuard, RAX),
			CMPQ(RAX, layout.ThreadStack-layout.ThreadGuard),
			IF(B, say("kernel stack overflow: ")),
		),
		CMPL(vector, 32),
		IF(B,
			LEAQ(Sym(trapNames), RDI),
			LEAQ(RDI.Index(vector, 8), RDI),
			CALL(printk),
		).ELSE(
			say("vector "),
			MOVL(vector, RDI),
			CALL(printkHex),
		),
		CALL(printErrorCode),
		say(" at "),
		MOVQ(regs.IP, RDI),
		CALL(printSymbol),
		say("\n"),
		line(reg("rip ", regs.IP), reg(" cs ", regs.CS), reg(" flags ", regs.Flags)),
		line(reg("rsp ", regs.SP), reg(" ss ", regs.SS), reg(" error ", regs.OrigAX)),
		line(reg("rax ", regs.AX), reg(" rbx ", regs.BX), reg(" rcx ", regs.CX)),
		line(reg("rdx ", regs.DX), reg(" rsi ", regs.SI), reg(" rdi ", regs.DI)),
		line(reg("rbp ", regs.BP), reg(" r8  ", regs.R8), reg(" r9  ", regs.R9)),
		line(reg("r10 ", regs.R10), reg(" r11 ", regs.R11), reg(" r12 ", regs.R12)),
		line(reg("r13 ", regs.R13), reg(" r14 ", regs.R14), reg(" r15 ", regs.R15)),
		line(
			say("cr2 "), MOVQ(CR2, RDI), CALL(printkHex64),
			say(" cr3 "), MOVQ(CR3, RDI), CALL(printkHex64),
		),
		TESTB(3, regs.CS),
		IF(E,
			MOVQ(regs.IP, RDI),
			CALL(printUser),
			MOVQ(regs.SP, RDI),
			CALL(dumpStack),
		),
		JMP(endOfPanic),
	).Takes(RDI, RSI).NoReturn()
}

func endOfPanic() Func {
	return FUNC("end_of_panic", "end_of_panic writes the last line and ends the machine.",
		say("entrylab: end of panic\n"),
		MOVL(layout.ExitPanic, RDI),
		JMP(machineExit),
	).Takes().NoReturn()
}

func printErrorCode() Func {
	frame, vector, code := RBX, R12, R13
	regs := ptRegs(frame)
	return FUNC("print_error_code",
		`print_error_code writes the error code of the PtRegs RBX for the vector R12: a
selector's parts in brackets, a page fault's bits, or nothing if it is 0.`,
		MOVQ(regs.OrigAX, code),
		CMPL(vector, x86.X86_TRAP_PF),
		IF(E,
			say("["),
			TESTL(x86.X86_PF_PROT, code),
			IF(NE, say("protection")).ELSE(say("not present")),
			TESTL(x86.X86_PF_WRITE, code),
			IF(NE, say(",write")),
			TESTL(x86.X86_PF_USER, code),
			IF(NE, say(",user")),
			TESTL(x86.X86_PF_INSTR, code),
			IF(NE, say(",fetch")),
			say("]"),
			RETURN(),
		),
		TESTL(code, code),
		IF(E, RETURN()),
		CMPQ(code, -1), // the vector has no error code
		IF(E, RETURN()),
		say("["),
		TESTL(2, code),
		IF(NE, say("IDT[")).ELSE(
			TESTL(4, code),
			IF(NE, say("LDT[")).ELSE(say("GDT[")),
		),
		MOVL(code, RDI),
		SHRL(3, RDI),
		CALL(printkDec),
		say("]"),
		TESTL(1, code),
		IF(NE, say(",EXT")),
		say("]"),
		RETURN(),
	).Saving(R13).Takes(RBX, R12).Returns(RBX)
}

func printSymbol() Func {
	addr := RBX
	off := RBX
	return FUNC("print_symbol", "print_symbol writes the text address RDI as function+offset, any other as a number.",
		MOVQ(RDI, addr),
		LEAQ(Sym(textStart), RAX),
		SUBQ(RAX, RDI),
		LEAQ(Sym(textEnd), RDX),
		SUBQ(RAX, RDX),
		CMPQ(RDI, RDX),
		IF(AE,
			MOVQ(addr, RDI),
			CALL(printkHex),
			RETURN(),
		),
		LEAQ(Sym(kallsymsData), RSI),
		LOOP( // to the last entry that is not above the address
			CMPL(RDI, RSI.At(8)),
			BREAK(B),
			ADDQ(8, RSI),
		),
		SUBL(RSI.At(0), RDI),
		MOVL(RDI, off),
		MOVL(RSI.At(4), RAX),
		LEAQ(Sym(kallsymsNames), RDI),
		ADDQ(RAX, RDI),
		CALL(printk),
		LEAQ(Str("+"), RDI),
		CALL(printk),
		MOVL(off, RDI),
		CALL(printkHex),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func printUser() Func {
	frame, sp := RBX, R12
	return FUNC("print_user", "print_user writes where the current thread has left ring 3, if the dump of a panic at RDI can tell.",
		CALL(showRegs),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, sp),
		MOVQ(gs.Current, RCX),
		taskPtRegs(thread(RCX), frame),
		logLine(logReg("user rip ", ptRegs(frame).IP), logText(" rsp "), MOVQ(sp, RDI), CALL(printkHex64)),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func dumpStack() Func {
	at, end, lines, word := RBX, R13, R14, R15
	return FUNC("dump_stack",
		`dump_stack lists those words from RDI up to the end of its 16 KiB stack that
point into the text; without frame pointers some of them are old. It reads only the
current thread's stack and the stacks in the kernel's image.`,
		MOVQ(RDI, at),
		ANDQ(-8, at),
		MOVQ(gs.Current, RAX),
		SUBQ(RAX, RDI),
		CMPQ(RDI, layout.ThreadSize),
		IF(B,
			CMPQ(RDI, layout.ThreadStack),
			IF(B, LEAQ(RAX.At(layout.ThreadStack), at)), // the stack overflowed
		).ELSE(
			LEAQ(Sym(textStart), RAX),
			CMPQ(at, RAX),
			IF(B, RETURN()), // nothing to be read
		),
		MOVQ(at, end),
		ORQ(layout.ThreadSize-1, end),
		MOVL(16, lines), // lines at most
		LOOP(
			CMPQ(at, end),
			BREAK(AE),
			MOVQ(at.At(0), RDI),
			ADDQ(8, at),
			LEAQ(Sym(textStart), RAX),
			CMPQ(RDI, RAX),
			CONTINUE(B),
			LEAQ(Sym(textEnd), RAX),
			CMPQ(RDI, RAX),
			CONTINUE(AE),
			MOVQ(RDI, word),
			say("entrylab:   "),
			MOVQ(word, RDI),
			CALL(printSymbol),
			say("\n"),
			DECL(lines),
			BREAK(E),
		),
		RETURN(),
	).Saving(RBX, R13, R14, R15).Takes(RDI)
}

// kallsyms returns the kernel's own symbol table, for panics: it is made from the linked
// functions. Entries are two 32-bit words, the offset in the text and the offset of the
// name; a last entry ends every search.
func kallsyms(funcs []Symbol) []Data {
	funcs = slices.SortedFunc(slices.Values(funcs), func(a, b Symbol) int { return int(int64(a.Addr - b.Addr)) })
	var entries []any
	var names bytes.Buffer
	for _, f := range funcs {
		entries = append(entries, uint32(f.Addr-funcs[0].Addr), uint32(names.Len()))
		names.WriteString(f.Name)
		names.WriteByte(0)
	}
	entries = append(entries, uint32(1<<32-1), uint32(0))
	return []Data{RODATA("kallsyms", entries...), RODATA("kallsyms_names", names.Bytes())}
}
