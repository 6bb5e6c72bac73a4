package kernel

import (
	elfabi "debug/elf"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

const (
	sigQUIT = 3
	sigABRT = 6
	sigXCPU = 24
	sigXFSZ = 25
	sigSYS  = 31

	// wcoreFlag is the bit of a wait status that says that there is a core.
	wcoreFlag = 0x80
	// coreHeader is where the pages of the stack begin.
	coreHeader = layout.PageSize
)

// sigCore are the signals whose default is to dump core (Linux include/linux/signal.h,
// SIG_KERNEL_COREDUMP_MASK).
var sigCore = sigMask(sigQUIT, sigILL, sigTRAP, sigABRT, sigFPE, sigSEGV, sigBUS, sigSYS, sigXCPU, sigXFSZ)

// core is the core of the process that has dumped one last, and coreSize its length; 0: none
// has.
var core = Fields[layout.CoreFile[Mem]](Sym(coreData))

var (
	coreData = BSS("core_file", coreHeader+layout.CorePages*layout.PageSize, layout.PageSize)
	coreSize = BSS("core_size", 8, 8)
)

// coredumps returns the part that writes what remains of a process that a signal has ended.
func coredumps() Program {
	return Program{
		Funcs: Funcs(doCoredump, elfCoreDump, fillThreadCoreInfo),
		Data:  []Data{coreData, coreSize},
	}
}

func doCoredump() Func {
	limit := R12
	p := process(R8)
	return FUNC("do_coredump",
		`do_coredump makes a core of the current process, which ends by signal ESI with si_code
EDX, if that signal and RLIMIT_CORE say so. Returns what its wait status has besides. The
PtRegs on top of the stack are complete. IF is 0.`,
		MOVQ(gs.Process, R8),
		LEAL(RSI.At(-1), RCX),
		MOVQ(uint64(sigCore), RAX),
		BTQ(RCX, RAX),
		IF(AE, returns(0)),
		CMPQ(p.Dumpable, 0),
		IF(E, returns(0)),
		MOVQ(p.RLimits[rlimitCore][0], limit),
		CMPQ(limit, coreHeader), // as Linux's min_coredump
		IF(B, returns(0)),
		CALL(elfCoreDump),
		CMPQ(RAX, limit), // what does not fit is cut off
		CMOVQA(limit, RAX),
		MOVQ(RAX, Sym(coreSize)),
		returns(wcoreFlag),
	).Saving(R12).Takes(RSI, RDX).Returns(RAX)
}

// pair returns a word with two halves of 32 bits.
func pair(low, high int) uint64 { return uint64(high)<<32 | uint64(uint32(low)) }

func elfCoreDump() Func {
	at, to, end := RBX, R12, R13
	slot := Slots[layout.CoreFile[Slot]]()
	header := SizeOf[layout.CoreFile[Mem]]()
	status := header - slot.SigInfo[0].Off // struct elf_prstatus
	constant := func(v uint64, to Mem) Block { return Block{MOVQ(v, RAX), MOVQ(RAX, to)} }
	owner := process(R8)
	self := thread(RCX)
	// ids puts two 32-bit numbers in a word.
	ids := func(low, high Mem, to Mem) Block {
		return Block{MOVL(low, RAX), MOVL(RAX, to), MOVL(high, RAX), MOVL(RAX, to.Add(4))}
	}
	return FUNC("elf_core_dump",
		`elf_core_dump makes core_file that of the current thread, which ends by signal ESI with
si_code EDX, and returns its size: registers, and pages of the stack as far as there are
any.`,
		LEAQ(Sym(coreData), RDI),
		XORL(RAX, RAX),
		MOVL(coreHeader/8, RCX),
		REP(STOSQ()),
		constant(word(elfabi.ELFMAG)|uint64(elfabi.ELFCLASS64)<<32|uint64(elfabi.ELFDATA2LSB)<<40|uint64(elfabi.EV_CURRENT)<<48, core.Ident[0]),
		constant(pair(int(elfabi.ET_CORE)|int(elfabi.EM_X86_64)<<16, int(elfabi.EV_CURRENT)), core.TypeMachineVersion),
		MOVQ(slot.Note.TypeFlags.Off, core.PhOff),
		constant(pair(0, slot.Note.TypeFlags.Off|(slot.Stack.TypeFlags.Off-slot.Note.TypeFlags.Off)<<16), core.FlagsSizes),
		MOVQ(2, core.Counts),
		MOVQ(int(elfabi.PT_NOTE), core.Note.TypeFlags),
		MOVQ(slot.NoteNameSize.Off+4, core.Note.Offset),
		MOVQ(header-slot.NoteNameSize.Off-4, core.Note.FileSize),
		MOVL(len("CORE")+1, core.NoteNameSize.Add(4)),
		constant(pair(status, int(elfabi.NT_PRSTATUS)), core.NoteSizeType),
		MOVL(word("CORE"), core.NoteName),

		MOVL(RSI, core.SigInfo[0]),
		MOVL(RDX, core.SigInfo[0].Add(4)),
		MOVW(RSI, core.SigInfo[1].Add(4)),
		MOVQ(gs.Current, RCX),
		MOVQ(gs.Process, R8),
		copyField(self.Pending.Mask, core.SigPending),
		copyField(self.SigBlocked, core.SigHeld),
		ids(self.TID, gs.ParentPID, core.PIDs[0]),
		ids(owner.Group, owner.Session, core.PIDs[1]),
		CALL(fillThreadCoreInfo),

		MOVQ(core.Regs.PtRegs.SP, at),
		ANDQ(pageMask, at),
		constant(pair(int(elfabi.PT_LOAD), int(elfabi.PF_R|elfabi.PF_W)), core.Stack.TypeFlags),
		MOVQ(coreHeader, core.Stack.Offset),
		MOVQ(at, core.Stack.VAddr),
		MOVQ(layout.PageSize, core.Stack.Align),
		LEAQ(Sym(coreData).Add(coreHeader), to),
		LEAQ(Sym(coreData).Add(coreHeader+layout.CorePages*layout.PageSize), end),
		LOOP(
			MOVQ(to, RDI),
			MOVQ(at, RSI),
			MOVL(layout.PageSize, RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			BREAK(NE),
			ADDQ(layout.PageSize, at),
			ADDQ(layout.PageSize, to),
			CMPQ(to, end),
			BREAK(AE),
		),
		SUBQ(core.Stack.VAddr, at),
		MOVQ(at, core.Stack.FileSize),
		MOVQ(at, core.Stack.MemSize),
		LEAQ(at.At(coreHeader), RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RSI, RDX).Returns(RAX)
}

func fillThreadCoreInfo() Func {
	self := thread(RDX)
	return FUNC("fill_thread_core_info",
		`fill_thread_core_info puts the registers that the current thread had in ring 3 in
core_file. The PtRegs on top of its stack are complete.`,
		MOVQ(gs.Current, RDX),
		taskPtRegs(self, RSI),
		readsOld(layout.ReaderCoreDump),
		IF(NE, oldRSP(RAX)).ELSE(MOVQ(ptRegs(RSI).SP, RAX)),
		LEAQ(core.Regs.PtRegs.R15, RDI),
		MOVL(regsSize/8, RCX),
		REP(MOVSQ()),
		MOVQ(RAX, core.Regs.PtRegs.SP),
		copyField(self.FSBase, core.Regs.FSBase),
		copyField(self.GSBase, core.Regs.GSBase),
		RETURN(),
	).Takes()
}
