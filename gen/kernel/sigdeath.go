package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

func signalDeath() Func {
	frame, sig, code, threadPtr := RBX, R12, R13, R14
	regs := ptRegs(frame)
	t := thread(threadPtr)
	return FUNC("signal_death",
		`signal_death ends the current process, by signal ESI with si_code EDX. If it is init, it
reports that, with the PtRegs RDI and the selected variant, and ends the machine. For
a thread that another one's exec or exit ends, only the thread ends.`,
		MOVQ(gs.Process, RAX),
		MOVQ(process(RAX).ExecThread, RCX),
		ORQ(process(RAX).Exiting, RCX),
		IF(NE, JMP(threadExit)),
		CMPQ(gs.PID, initPID),
		IF(NE,
			MOVL(RSI, sig),
			CALL(doCoredump),
			MOVL(sig, RDI),
			ORL(RAX, RDI),
			JMP(groupExit),
		),
		MOVQ(RDI, frame),
		MOVL(RSI, sig),
		MOVL(RDX, code),
		logLine(logReg("rip ", regs.IP), logReg(" cs ", regs.CS), logReg(" flags ", regs.Flags)),
		logLine(logReg("rsp ", regs.SP), logReg(" ss ", regs.SS)),
		logLine(logReg("rax ", regs.AX), logReg(" rbx ", regs.BX), logReg(" rcx ", regs.CX)),
		logLine(logReg("rdx ", regs.DX), logReg(" rsi ", regs.SI), logReg(" rdi ", regs.DI)),
		logLine(logReg("rbp ", regs.BP), logReg(" r8  ", regs.R8), logReg(" r9  ", regs.R9)),
		logLine(logReg("r10 ", regs.R10), logReg(" r11 ", regs.R11), logReg(" r12 ", regs.R12)),
		logLine(logReg("r13 ", regs.R13), logReg(" r14 ", regs.R14), logReg(" r15 ", regs.R15)),
		logLine(
			logText("variant "),
			MOVQ(gs.Variant, RDX),
			IMULQ(SizeOf[layout.VariantDesc[Mem]](), RDX),
			MOVQ(Sym(variantsHere), RDI),
			ADDQ(RDX, RDI),
			LEAQ(variant(RDI).Info.Name[0], RDI),
			CALL(printk),
		),
		logText("entrylab: init killed by signal "),
		MOVL(sig, RDI),
		CALL(printkDec),
		logText(" ("),
		LEAQ(Sym(signalNames), RDI),
		IMULL(signalNameSize, sig),
		ADDQ(sig, RDI),
		CALL(printk),
		logText(") at "),
		MOVQ(regs.IP, RDI),
		CALL(printkHex),
		MOVQ(gs.Current, threadPtr),
		logText(", thread "),
		MOVQ(t.TID, RDI),
		CALL(printkDec),
		TESTL(code, code),
		IF(G, // nobody sent it
			logText(", code "),
			MOVL(code, RDI),
			CALL(printkDec),
			logText(", address "),
			MOVQ(t.SigAddr, RDI),
			CALL(printkHex),
			logText(", error code "),
			MOVQ(t.ErrorCode, RDI),
			CALL(printkHex),
		),
		logText("\n"),
		MOVL(layout.ExitSignal, RDI),
		JMP(machineExit),
	).Takes(RDI, RSI, RDX).NoReturn()
}

// logText writes text to the log.
func logText(text string) Block { return Block{LEAQ(Str(text), RDI), CALL(printk)} }

// logReg writes a name and a word of 16 digits to the log.
func logReg(name string, m Mem) Block {
	return Block{logText(name), MOVQ(m, RDI), CALL(printkHex64)}
}

// logLine writes a line to the kernel's log.
func logLine(items ...Item) Block {
	return Block{logText("entrylab: "), Block(items), logText("\n")}
}
