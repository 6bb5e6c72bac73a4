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

// panics is how the kernel dies: never silently, never hanging.
func panics() Program {
	return Program{
		Funcs: Funcs(
			kernelPanic, die, endOfPanic, printErrorCode, printSymbol, dumpStack,
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
	return FUNC("panic", "panic reports the string RDI and where it was called from, and ends the machine.",
		CLI(),
		MOVQ(RDI, R12),
		say("entrylab: panic: "),
		MOVQ(R12, RDI),
		CALL(printk),
		say("\n"),
		say("entrylab: called from "),
		MOVQ(RSP.At(0), RDI),
		CALL(printSymbol),
		say("\n"),
		MOVQ(RSP, RDI),
		CALL(dumpStack),
		JMP(endOfPanic),
	).Takes(RDI).NoReturn()
}

func die() Func {
	rbx := ptRegs(RBX)
	reg := func(name string, m Mem) Block {
		return Block{say(name), MOVQ(m, RDI), CALL(printkHex64)}
	}
	line := func(items ...Item) Block { return Block{say("entrylab: "), Block(items), say("\n")} }
	return FUNC("die",
		`die reports that vector ESI struck where no handler could help: RDI is its
PtRegs. Ends the machine.`,
		CLI(),
		MOVQ(RDI, RBX),
		MOVL(RSI, R12),
		say("entrylab: panic: "),
		CMPL(R12, x86.X86_TRAP_DF),
		IF(E, // because the frame of a #PF found no room?
			MOVQ(CR2, RAX),
			SUBQ(gs.Current, RAX),
			SUBQ(layout.ThreadGuard, RAX),
			CMPQ(RAX, layout.ThreadStack-layout.ThreadGuard),
			IF(B, say("kernel stack overflow: ")),
		),
		CMPL(R12, 32),
		IF(B,
			LEAQ(Sym(trapNames), RDI),
			LEAQ(RDI.Index(R12, 8), RDI),
			CALL(printk),
		).ELSE(
			say("vector "),
			MOVL(R12, RDI),
			CALL(printkHex),
		),
		CALL(printErrorCode),
		say(" at "),
		MOVQ(rbx.IP, RDI),
		CALL(printSymbol),
		say("\n"),
		line(reg("rip ", rbx.IP), reg(" cs ", rbx.CS), reg(" flags ", rbx.Flags)),
		line(reg("rsp ", rbx.SP), reg(" ss ", rbx.SS), reg(" error ", rbx.OrigAX)),
		line(reg("rax ", rbx.AX), reg(" rbx ", rbx.BX), reg(" rcx ", rbx.CX)),
		line(reg("rdx ", rbx.DX), reg(" rsi ", rbx.SI), reg(" rdi ", rbx.DI)),
		line(reg("rbp ", rbx.BP), reg(" r8  ", rbx.R8), reg(" r9  ", rbx.R9)),
		line(reg("r10 ", rbx.R10), reg(" r11 ", rbx.R11), reg(" r12 ", rbx.R12)),
		line(reg("r13 ", rbx.R13), reg(" r14 ", rbx.R14), reg(" r15 ", rbx.R15)),
		line(
			say("cr2 "), MOVQ(CR2, RDI), CALL(printkHex64),
			say(" cr3 "), MOVQ(CR3, RDI), CALL(printkHex64),
		),
		MOVQ(rbx.SP, RDI),
		TESTB(3, rbx.CS),
		IF(E, CALL(dumpStack)),
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
	rbx := ptRegs(RBX)
	return FUNC("print_error_code",
		`print_error_code writes the error code of the PtRegs RBX for the vector R12: a
selector's parts in brackets, a page fault's bits, or nothing if it is 0.`,
		MOVQ(rbx.OrigAX, R13),
		CMPL(R12, x86.X86_TRAP_PF),
		IF(E,
			say("["),
			TESTL(x86.X86_PF_PROT, R13),
			IF(NE, say("protection")).ELSE(say("not present")),
			TESTL(x86.X86_PF_WRITE, R13),
			IF(NE, say(",write")),
			TESTL(x86.X86_PF_USER, R13),
			IF(NE, say(",user")),
			TESTL(x86.X86_PF_INSTR, R13),
			IF(NE, say(",fetch")),
			say("]"),
			RETURN(),
		),
		TESTL(R13, R13),
		IF(E, RETURN()),
		CMPQ(R13, -1), // the vector has no error code
		IF(E, RETURN()),
		say("["),
		TESTL(2, R13),
		IF(NE, say("IDT[")).ELSE(
			TESTL(4, R13),
			IF(NE, say("LDT[")).ELSE(say("GDT[")),
		),
		MOVL(R13, RDI),
		SHRL(3, RDI),
		CALL(printkDec),
		say("]"),
		TESTL(1, R13),
		IF(NE, say(",EXT")),
		say("]"),
		RETURN(),
	).Saving(R13).Takes(RBX, R12).Returns(RBX)
}

func printSymbol() Func {
	return FUNC("print_symbol", "print_symbol writes the text address RDI as function+offset, any other as a number.",
		MOVQ(RDI, RBX),
		LEAQ(Sym(textStart), RAX),
		SUBQ(RAX, RDI),
		LEAQ(Sym(textEnd), RDX),
		SUBQ(RAX, RDX),
		CMPQ(RDI, RDX),
		IF(AE,
			MOVQ(RBX, RDI),
			CALL(printkHex),
			RETURN(),
		),
		LEAQ(Sym(kallsymsData), RSI),
		LOOP( // to the last entry that is not above
			CMPL(RDI, RSI.At(8)),
			BREAK(B),
			ADDQ(8, RSI),
		),
		SUBL(RSI.At(0), RDI),
		MOVL(RDI, RBX),
		MOVL(RSI.At(4), RAX),
		LEAQ(Sym(kallsymsNames), RDI),
		ADDQ(RAX, RDI),
		CALL(printk),
		LEAQ(Str("+"), RDI),
		CALL(printk),
		MOVL(RBX, RDI),
		CALL(printkHex),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}

func dumpStack() Func {
	return FUNC("dump_stack",
		`dump_stack lists the words from RDI up to the end of its 16 KiB stack that
point into the text; without frame pointers some of them are old. It reads the
current thread's stack and those in the kernel's image.`,
		MOVQ(RDI, RBX),
		ANDQ(-8, RBX),
		MOVQ(gs.Current, RAX),
		SUBQ(RAX, RDI),
		CMPQ(RDI, layout.ThreadSize),
		IF(B,
			CMPQ(RDI, layout.ThreadStack),
			IF(B, LEAQ(RAX.At(layout.ThreadStack), RBX)), // it ran over
		).ELSE(
			LEAQ(Sym(textStart), RAX),
			CMPQ(RBX, RAX),
			IF(B, RETURN()), // nothing to be read
		),
		MOVQ(RBX, R13),
		ORQ(layout.ThreadSize-1, R13),
		MOVL(16, R14), // lines at most
		LOOP(
			CMPQ(RBX, R13),
			BREAK(AE),
			MOVQ(RBX.At(0), RDI),
			ADDQ(8, RBX),
			LEAQ(Sym(textStart), RAX),
			CMPQ(RDI, RAX),
			CONTINUE(B),
			LEAQ(Sym(textEnd), RAX),
			CMPQ(RDI, RAX),
			CONTINUE(AE),
			MOVQ(RDI, R15),
			say("entrylab:   "),
			MOVQ(R15, RDI),
			CALL(printSymbol),
			say("\n"),
			DECL(R14),
			BREAK(E),
		),
		RETURN(),
	).Saving(RBX, R13, R14, R15).Takes(RDI)
}

// kallsyms is the kernel's own symbol table, for panics: it is made from the
// linked functions. Entries are two 32-bit words, the offset in the text and
// that of the name; a last one ends every search.
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
