package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Events by FRED, which variants with entry=fred have in the place of SYSCALL's entry
// and the IDT (Intel, Flexible Return and Event Delivery; Linux 6.18: entry_fred.c,
// kernel/fred.c).
//
// CR4.FRED follows the running thread: a thread leaves the kernel as it came in, and the
// context switch turns FRED on or off if the next thread came in otherwise. A thread is
// converted when a trap of it ends, which is also where new threads begin: from then on
// it enters as the selected variant does. A SYSCALL that comes in the other way is
// turned into such a trap and executed again.
func freds() Program {
	return Program{
		Funcs: Funcs(
			fredProbe, fredEventUser, fredEventKernel, badEretu, switchModes, returnInMode,
			syscallOtherMode, fredOtherUser, fredOtherKernel,
		),
	}
}

// fredRegs gives the words that FRED adds to the PtRegs that r points to.
func fredRegs(r Reg) *layout.FREDRegs[Mem] { return Fields[layout.FREDRegs[Mem]](r) }

// changeMode turns FRED on if it is off, and off if it is on. Clobbers RAX and RCX.
func changeMode() Block {
	return Block{
		MOVQ(uint64(x86.CR4_FRED), RCX),
		MOVQ(CR4, RAX),
		XORQ(RCX, RAX),
		MOVQ(RAX, CR4),
	}
}

// hasFRED sets NE if the CPU has FRED.
func hasFRED() Ins { return TESTL(int(layout.FeatureFRED), Sym(cpuFeatures)) }

// writeMSR writes the address in RAX to an MSR, or goes elsewhere if there is none.
// Clobbers RCX and RDX.
func writeMSR(msr uint32, otherwise string) Block {
	return Block{
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		MOVL(msr, RCX),
		WRMSR().Fault(otherwise),
	}
}

// fredLevel returns the bits of FRED_STKLVLS for a vector's stack level.
func fredLevel(vector, level int) uint64 { return uint64(level) << (2 * vector) }

// fredLevels are Linux's stack levels: those of vectors that may strike where the stack
// could be spent or broken.
var fredLevels = fredLevel(x86.X86_TRAP_DB, 1) | fredLevel(x86.X86_TRAP_NMI, 2) | fredLevel(x86.X86_TRAP_MC, 2) | fredLevel(x86.X86_TRAP_DF, 3)

func fredProbe() Func {
	level := func(msr uint32, ist int) Block {
		return Block{LEAQ(Sym(istStacks).Add(ist*istSize), RAX), writeMSR(msr, "none")}
	}
	return FUNC("fred_probe",
		`fred_probe sets FRED's MSRs and executes its instructions once, and notes the CPU's
feature if all of that works: what CPUID announces some emulators do not have. IF is 0,
and SS is KERNEL_DS.`,
		XORL(RAX, RAX),
		LKGS(RAX).Fault("none"),
		level(x86.MSR_IA32_FRED_RSP1, istDB),
		level(x86.MSR_IA32_FRED_RSP2, istNMI),
		level(x86.MSR_IA32_FRED_RSP3, istDF),
		MOVQ(fredLevels, RAX),
		writeMSR(x86.MSR_IA32_FRED_STKLVLS, "none"),
		LEAQ(Sym(fredOtherUser).Add(x86.FREDRedZone), RAX),
		writeMSR(x86.MSR_IA32_FRED_CONFIG, "none"),
		XORL(RAX, RAX),
		writeMSR(x86.MSR_IA32_FRED_RSP0, "none"),
		MOVQ(uint64(x86.CR4_FRED), RCX),
		MOVQ(CR4, RAX),
		ORQ(RCX, RAX),
		MOVQ(RAX, CR4).Fault("none"),
		MOVQ(RSP, RDX),
		PUSHQ(x86.KERNEL_DS),
		PUSHQ(RDX),
		PUSHFQ(),
		PUSHQ(x86.KERNEL_CS),
		LEAQ(Sym(fredReturned), RAX),
		PUSHQ(RAX),
		PUSHQ(0), // the error code
		ERETS(),
		GLOBAL("fred_returned"),
		changeMode(),
		ORQ(uint64(layout.FeatureFRED), Sym(cpuFeatures)),
		LEAQ(Sym(switchModes), RAX),
		MOVQ(RAX, gs.ThreadSwitch),
		LABEL("none"),
		RETURN(),
	).Takes()
}

// fredReturned names the place to which fred_probe's ERETS returns.
func fredReturned() Func { return EXTERN("fred_returned") }

// eventWords puts an event's vector in ESI and its type in EAX.
func eventWords(frame Reg) Block {
	return Block{
		MOVZBL(ptRegs(frame).SS.Add(x86.FREDSSVector/8), RSI),
		MOVZBL(ptRegs(frame).SS.Add(x86.FREDSSType/8), RAX),
		ANDL(0xf, RAX),
	}
}

// readEventData puts what FRED says of an exception where the kernel's handlers look for it:
// the address of a page fault, the cause of a debug trap. Clobbers RDX.
func readEventData(frame Reg) Block {
	return Block{
		MOVQ(fredRegs(frame).EventData, RDX),
		CMPL(RSI, x86.X86_TRAP_PF),
		IF(E, MOVQ(RDX, CR2)),
		CMPL(RSI, x86.X86_TRAP_DB),
		IF(E, MOVQ(RDX, DR6)),
	}
}

func fredEventUser() Func {
	frame := R12
	regs := ptRegs(frame)
	return FUNC("fred_event_user",
		`fred_event_user(regs, error) handles an event of ring 3 that is no call, and does all
the work that is then pending, but after an NMI or a machine check: no other thread is
to run before NMIs are let in again. orig_ax is -1. IF is 0, and is left so.`,
		MOVQ(RDI, frame),
		MOVQ(RSI, R8),
		MOVQ(CR3, RAX),
		MOVQ(RAX, gs.EntryCR3),
		eventWords(frame),
		CMPL(RAX, x86.FREDTypeOther),
		JE("other"),
		CMPL(RAX, x86.FREDTypeSoftware),
		JE("software"),
		CMPL(RAX, x86.FREDTypeException),
		JB("handle"), // an interrupt, or an NMI
		MOVQ(R8, regs.OrigAX),
		readEventData(frame),
		JMP("handle"),

		LABEL("other"),
		CMPL(RSI, x86.FREDSyscall),
		IF(E, // as another kind of variant is selected: once more, its way
			SUBQ(x86.FREDSyscallLength, regs.IP),
			JMP("work"),
		),
		MOVL(x86.X86_TRAP_UD, RSI), // SYSENTER
		JMP("handle"),

		LABEL("software"), // INT n, of which the IDT allows ring 3 these alone
		CMPL(RSI, layout.ControlVector),
		JE("handle"),
		CMPL(RSI, x86.X86_TRAP_BP),
		JE("handle"),
		CMPL(RSI, x86.X86_TRAP_OF),
		JE("handle"),
		MOVL(x86.X86_TRAP_GP, RSI),

		LABEL("handle"),
		MOVQ(frame, RDI),
		CALL(doTrapUser),
		eventWords(frame),
		CMPL(RSI, x86.X86_TRAP_NMI),
		IF(NE, CMPL(RSI, x86.X86_TRAP_MC)),
		IF(E, RETURN()),
		LABEL("work"),
		exitWork(frame),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI)
}

// eretu is the instruction ERETU as a little-endian word.
const eretu = 0xca010ff3

func fredEventKernel() Func {
	regs := ptRegs(RDI)
	return FUNC("fred_event_kernel",
		`fred_event_kernel(regs) handles an event of ring 0. The error code is in orig_ax. IF
is 0.`,
		eventWords(RDI),
		CMPL(RAX, x86.FREDTypeException),
		IF(AE, readEventData(RDI)),
		// A wild RIP may point anywhere: only the text is read.
		MOVQ(regs.IP, RAX),
		LEAQ(Sym(textStart), RCX),
		LEAQ(Sym(textEnd), RDX),
		CMPQ(RAX, RCX),
		JB(doTrapKernel),
		CMPQ(RAX, RDX),
		JAE(doTrapKernel),
		CMPL(RSI, x86.X86_TRAP_SS),
		IF(NE, CMPL(RSI, x86.X86_TRAP_NP)),
		IF(NE, CMPL(RSI, x86.X86_TRAP_GP)),
		JNE(doTrapKernel),
		CMPL(RAX.At(0), uint32(eretu)),
		JNE(doTrapKernel),
		JMP(badEretu),
	).Takes(RDI).Spoils(RBX)
}

func badEretu() Func {
	frame := R9
	regs := ptRegs(RDI)
	pt := Slots[layout.PtRegs[Slot]]()
	return FUNC("bad_eretu",
		`bad_eretu: the ERETU to ring 3 faulted (a bad CS or SS, a non-canonical RIP). RDI is
the PtRegs of that fault: its general registers are the user's, its SP is at the error
code of the hardware frame. It makes the fault look like one of the user's instruction,
as bad_iret does.`,
		MOVQ(regs.OrigAX, R8), // the error code
		MOVQ(gs.TopOfStack, frame),
		SUBQ(regsSize, frame),
		MOVQ(regs.SP, RSI),
		MOVL(8, RCX),
		DO( // from ip up: most often they lie there already
			MOVQ(RSI.Index(RCX, 1), RAX),
			MOVQ(RAX, frame.Index(RCX, 1).Add(pt.OrigAX.Off)),
			ADDQ(8, RCX),
			CMPL(RCX, regsSize-pt.OrigAX.Off),
		).WHILE(B),
		XORL(RCX, RCX),
		DO( // the fault's frame is below the other
			MOVQ(RDI.Index(RCX, 1), RAX),
			MOVQ(RAX, frame.Index(RCX, 1)),
			ADDQ(8, RCX),
			CMPL(RCX, pt.OrigAX.Off),
		).WHILE(B),
		sendGP(frame),
	).Takes(RDI).Spoils(RBX)
}

// padStacks lets the frames of threads begin where the selected variant has them, on a
// CPU with FRED, and sets RAX to TrapReturn there: new threads end as traps do.
func padStacks(fred Mem) Block {
	return Block{
		hasFRED(),
		IF(NE,
			LEAQ(Sym(retintUser), RCX), // which goes there
			MOVQ(RCX, gs.NewThread),
			LEAQ(Sym(returnInMode), RAX),
			MOVQ(fred, RCX),
			IMULQ(layout.FREDPad, RCX),
			MOVQ(RCX, gs.StackPad),
			MOVQ(gs.Idle, RDX), // which never returns to ring 3
			LEAQ(RDX.At(layout.ThreadSize), RSI),
			SUBQ(RCX, RSI),
			MOVQ(RSI, thread(RDX).StackTop),
		),
	}
}

// otherMode sets up the way in for threads that do not enter as the selected variant
// does yet.
func otherMode(fred Mem) Block {
	return Block{
		hasFRED(),
		IF(NE,
			CMPQ(fred, 0),
			IF(NE,
				wrmsr(x86.MSR_LSTAR, syscallOtherMode),
			).ELSE(
				LEAQ(Sym(fredOtherUser).Add(x86.FREDRedZone), RAX),
				MOVQ(RAX, RDX),
				SHRQ(32, RDX),
				MOVL(x86.MSR_IA32_FRED_CONFIG, RCX),
				WRMSR(),
			),
		),
	}
}

func switchModes() Func {
	return FUNC("switch_modes",
		`switch_modes is what schedule ends in on a CPU with FRED: it turns FRED on or off if
the thread RSI did not enter as RDI did.`,
		MOVQ(thread(RSI).StackTop, RAX),
		XORQ(gs.TopOfStack, RAX),
		TESTL(layout.FREDPad, RAX),
		IF(NE, changeMode()),
		JMP(contextSwitch),
	).Takes(RDI, RSI)
}

func returnInMode() Func {
	regs := ptRegs(RSP)
	self := RCX
	return FUNC("return_in_mode",
		`return_in_mode is TrapReturn on a CPU with FRED: from here on, the thread enters as the
selected variant does.`,
		MOVQ(gs.TopOfStack, RAX),
		XORQ(gs.StackPad, RAX),
		TESTL(layout.FREDPad, RAX),
		IF(NE,
			changeMode(),
			MOVL(x86.KERNEL_DS, RAX), // null after an interrupt by the IDT; ERETS compares it
			MOVW(RAX, SS),
			MOVZWL(regs.CS, RAX), // FRED has more in these words
			MOVQ(RAX, regs.CS),
			MOVZWL(regs.SS, RAX),
			MOVQ(RAX, regs.SS),
			MOVQ(gs.Current, self),
			LEAQ(self.At(layout.ThreadSize), RAX),
			SUBQ(gs.StackPad, RAX),
			MOVQ(RAX, thread(self).StackTop),
			MOVQ(RAX, gs.TopOfStack),
			CMPQ(gs.UserBits, 0),
			IF(E, MOVQ(RAX, gs.TSS.SP0)),
		),
		JMP(gs.Return),
	).Takes().Spoils(RBX)
}

func syscallOtherMode() Func {
	pt := Slots[layout.PtRegs[Slot]]()
	return FUNC("syscall_other_mode",
		`syscall_other_mode is where SYSCALL arrives while a variant with entry=fred is
selected, of a thread whose events are not FRED's yet. It makes them so, and ring 3
executes SYSCALL again. On entry RSP and GS are the user's, RCX is the return address, R11
the flags, IF is 0.`,
		SWAPGS(),
		XCHGQ(gs.TopOfStack, RSP), // the scratch words may be in use
		FRAME(regsSize),
		PUSHQ(x86.USER_DS).Is(pt.SS),
		PUSHQ(gs.TopOfStack).Is(pt.SP),
		PUSHQ(R11).Is(pt.Flags),
		PUSHQ(x86.USER_CS).Is(pt.CS),
		PUSHQ(RCX).Is(pt.IP),
		PUSHQ(-1).Is(pt.OrigAX),
		PUSHQ(RDI).Is(pt.DI),
		pushRegs(),
		LEAQ(RSP.At(regsSize), RAX),
		MOVQ(RAX, gs.TopOfStack),
		SUBQ(x86.FREDSyscallLength, ptRegs(RSP).IP),
		JMP(gs.TrapReturn),
	).In("irqentry")
}

// fredSave completes a frame that FRED has begun.
func fredSave() Block {
	pt := Slots[layout.PtRegs[Slot]]()
	return Block{
		FRAME(pt.OrigAX.Off),
		PUSHQ(RDI).Is(pt.DI),
		pushRegs(),
		MOVQ(RSP, RDI),
	}
}

func fredOtherUser() Func {
	return FUNC("fred_other_user",
		`fred_other_user is where events of ring 3 arrive while no variant with entry=fred is
selected, of a thread whose events are FRED's still.`,
		fredSave(),
		MOVQ(ptRegs(RDI).OrigAX, RSI),
		MOVQ(-1, ptRegs(RDI).OrigAX),
		CALL(fredEventUser),
		JMP(gs.TrapReturn),
	).In("irqentry").At(x86.FREDEntryAlign, 0)
}

func fredOtherKernel() Func {
	pt := Slots[layout.PtRegs[Slot]]()
	return FUNC("fred_other_kernel",
		"fred_other_kernel is where events of ring 0 arrive then.",
		fredSave(),
		CALL(fredEventKernel),
		popRegsButRDI(),
		POPQ(RDI).Is(pt.DI),
		ERETS(),
	).In("irqentry").At(x86.FREDKernelEntry, 0)
}
