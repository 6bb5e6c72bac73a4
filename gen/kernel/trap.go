package kernel

import (
	"fmt"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// vector is one IDT entry that the kernel has.
type vector struct {
	n        int
	name     string
	hasError bool // the CPU pushes an error code
	ist      int  // stack of its own, and an entry that does not trust CS for SWAPGS
	user     bool // INT n is allowed in ring 3
}

// The interrupt stacks: these can strike while RSP or GS is still the user's.
const (
	istDF = 1 + iota
	istNMI
	istDB
	istMC
	numIST = iota
)

var vectors = []vector{
	{n: x86.X86_TRAP_DE, name: "exc_divide_error"},
	{n: x86.X86_TRAP_DB, name: "exc_debug", ist: istDB},
	{n: x86.X86_TRAP_NMI, name: "exc_nmi", ist: istNMI},
	{n: x86.X86_TRAP_BP, name: "exc_int3", user: true},
	{n: x86.X86_TRAP_OF, name: "exc_overflow", user: true},
	{n: x86.X86_TRAP_BR, name: "exc_bounds"},
	{n: x86.X86_TRAP_UD, name: "exc_invalid_op"},
	{n: x86.X86_TRAP_NM, name: "exc_device_not_available"},
	{n: x86.X86_TRAP_DF, name: "exc_double_fault", hasError: true, ist: istDF},
	{n: x86.X86_TRAP_TS, name: "exc_invalid_tss", hasError: true},
	{n: x86.X86_TRAP_NP, name: "exc_segment_not_present", hasError: true},
	{n: x86.X86_TRAP_SS, name: "exc_stack_segment", hasError: true},
	{n: x86.X86_TRAP_GP, name: "exc_general_protection", hasError: true},
	{n: x86.X86_TRAP_PF, name: "exc_page_fault", hasError: true},
	{n: x86.X86_TRAP_MF, name: "exc_coprocessor_error"},
	{n: x86.X86_TRAP_AC, name: "exc_alignment_check", hasError: true},
	{n: x86.X86_TRAP_MC, name: "exc_machine_check", ist: istMC},
	{n: x86.X86_TRAP_XF, name: "exc_simd_coprocessor_error"},
	{n: layout.ControlVector, name: "int_control", user: true},
	{n: x86.LOCAL_TIMER_VECTOR, name: "sysvec_apic_timer_interrupt"},
	{n: x86.SPURIOUS_APIC_VECTOR, name: "sysvec_spurious_apic_interrupt"},
}

// entry is the first code of a vector: it completes the hardware's frame to
// the same shape for all and puts the vector in EDI.
func (v vector) entry() Func {
	pt := Slots[layout.PtRegs[Slot]]()
	to := errorEntry
	if v.ist != 0 {
		to = paranoidEntry
	}
	return FUNC("asm_"+v.name, fmt.Sprintf("asm_%s is vector %d: state on entry as the CPU leaves it, iret frame on the stack.", v.name, v.n),
		FRAME(pt.IP.Off-map[bool]int{true: 8, false: 0}[v.hasError]),
		unless(v.hasError, PUSHQ(-1).Is(pt.OrigAX).C("no error code, and no system call to restart")),
		PUSHQ(RDI).Is(pt.DI),
		MOVL(v.n, RDI),
		JMP(to),
	).In("irqentry")
}

// unless is the item if cond does not hold.
func unless(cond bool, item Item) Block {
	if cond {
		return nil
	}
	return Block{item}
}

// pushRegs completes a frame of which all from DI upwards is pushed.
func pushRegs() Block {
	pt := Slots[layout.PtRegs[Slot]]()
	return Block{
		FRAME(pt.DI.Off),
		PUSHQ(RSI).Is(pt.SI),
		PUSHQ(RDX).Is(pt.DX),
		PUSHQ(RCX).Is(pt.CX),
		PUSHQ(RAX).Is(pt.AX),
		PUSHQ(R8).Is(pt.R8),
		PUSHQ(R9).Is(pt.R9),
		PUSHQ(R10).Is(pt.R10),
		PUSHQ(R11).Is(pt.R11),
		PUSHQ(RBX).Is(pt.BX),
		PUSHQ(RBP).Is(pt.BP),
		PUSHQ(R12).Is(pt.R12),
		PUSHQ(R13).Is(pt.R13),
		PUSHQ(R14).Is(pt.R14),
		PUSHQ(R15).Is(pt.R15),
	}
}

// popRegs restores every general register but RSP from a full frame and
// leaves RSP at the iret frame.
func popRegs() Block {
	pt := Slots[layout.PtRegs[Slot]]()
	return Block{
		popRegsButRDI(),
		POPQ(RDI).Is(pt.DI),
		ADDQ(8, RSP), // orig_ax
	}
}

// popRegsButRDI is popRegs as far as the slot of RDI, which RSP is at then.
func popRegsButRDI() Block {
	pt := Slots[layout.PtRegs[Slot]]()
	return Block{
		FRAME(0),
		POPQ(R15).Is(pt.R15),
		POPQ(R14).Is(pt.R14),
		POPQ(R13).Is(pt.R13),
		POPQ(R12).Is(pt.R12),
		POPQ(RBP).Is(pt.BP),
		POPQ(RBX).Is(pt.BX),
		POPQ(R11).Is(pt.R11),
		POPQ(R10).Is(pt.R10),
		POPQ(R9).Is(pt.R9),
		POPQ(R8).Is(pt.R8),
		POPQ(RAX).Is(pt.AX),
		POPQ(RCX).Is(pt.CX),
		POPQ(RDX).Is(pt.DX),
		POPQ(RSI).Is(pt.SI),
	}
}

// iretq is the instruction IRETQ as a little-endian word. An exception in ring 0
// at an IRETQ is always the one that returns to ring 3: those to ring 0 return
// to a frame that the CPU made, and interrupts are off at all of them.
const iretq = 0xcf48

// clearAC turns SMAP's protection on again where an interrupt may have found
// it off: in ring 3 AC is the user's, in ring 0 a copy may be under way.
func clearAC() Block {
	return Block{
		CMPB(Sym(cpuSmap), 0),
		IF(NE, CLAC()),
	}
}

// exitWork does what Thread.Flags asks for until it asks no more. regs holds
// the PtRegs. Clobbers RBX; leaves interrupts off.
func exitWork(regs Reg) Item {
	self := RBX
	return LOOP(
		CLI(),
		MOVQ(gs.Current, self),
		TESTL(layout.TIFAllWork, thread(self).Flags),
		BREAK(E),
		TESTL(layout.TIFNeedResched, thread(self).Flags),
		IF(NE, CALL(schedule)),
		TESTL(layout.TIFSigPending, thread(self).Flags),
		IF(NE,
			MOVQ(regs, RDI),
			CALL(doSignal),
		),
	)
}

// traps is the IDT and the way in and out of exceptions and interrupts.
func traps() Program {
	p := Program{
		Funcs: Funcs(
			errorEntry, paranoidEntry, syncRegs, scheduleUser, doNotifyResume, retintUser, returnToUsermode,
			syscallReturnSlowpath, retFromFork, badIret, doTrapUser, fpuFaultCode, doTrapKernel,
			fixupException, debugKernel, machineCheck, sysBreakpoint, sysPeek, trapInit,
		),
		Data: []Data{
			idt, idtEnd, idtr, fpuFault, trampolineStack, trampolineStackEnd, istStacks, istStacksEnd,
			vectorTable(), trapSignals(),
		},
	}
	for _, v := range vectors {
		p.Funcs = append(p.Funcs, v.entry())
	}
	return p
}

var idt = BSS("idt", 256*x86.GateSize, layout.PageSize)

var idtEnd = BSS("idt_end", 0, layout.PageSize)

var idtr = BSS("idtr", 16, 16)

var fpuFault = BSS("fpu_fault", fxSize, 16)

var trampolineStack = BSS("trampoline_stack", layout.TrampolineSize, layout.PageSize)

var trampolineStackEnd = BSS("trampoline_stack_end", 0, layout.PageSize)

var istStacks = BSS("ist_stacks", numIST*istSize, layout.PageSize)

var istStacksEnd = BSS("ist_stacks_end", 0, layout.PageSize)

func errorEntry() Func {
	regs := ptRegs(RSP)
	return FUNC("error_entry",
		`error_entry: EDI holds the vector, the frame is pushed down to DI. Completes
it, takes the kernel's GS and page table if the interrupt came from ring 3, and
dispatches. The frame is then on the thread's stack.`,
		pushRegs(),
		CLD(),
		MOVL(RDI, RSI), // vector
		TESTB(3, regs.CS),
		IF(NE,
			SWAPGS(),
			MOVQ(CR3, RAX),
			MOVQ(RAX, gs.EntryCR3),
			toKernelTable(),
			clearAC(),
			enterSpecCtrl(),
			MOVQ(gs.TopOfStack, RAX),
			SUBQ(regsSize, RAX),
			CMPQ(RAX, RSP),
			IF(NE, // it arrived on the trampoline stack
				CALL(syncRegs),
				MOVQ(RAX, RSP),
			),
			MOVQ(RSP, RDI),
			CALL(doTrapUser),
			JMP(retintUser),
		),
		// A wild RIP may point anywhere: only the text is read.
		MOVQ(regs.IP, RAX),
		LEAQ(Sym(textStart), RCX),
		LEAQ(Sym(textEnd), RDX),
		CMPQ(RAX, RCX),
		JB("not_at_iretq"),
		CMPQ(RAX, RDX),
		JAE("not_at_iretq"),
		CMPW(RAX.At(0), iretq),
		IF(E,
			// The IRETQ to ring 3 itself faulted: GS and page table are the
			// user's already, and so is the fault.
			SWAPGS(),
			MOVQ(CR3, RAX),
			toKernelTable(),
			clearAC(),
			enterSpecCtrl(),
			MOVQ(RSP, RDI),
			JMP(badIret),
		),
		LABEL("not_at_iretq"),
		clearAC(),
		MOVQ(RSP, RDI),
		CALL(doTrapKernel),
		popRegs(),
		IRETQ(),
	).In("irqentry")
}

func paranoidEntry() Func {
	unswap, vector, specCtrl, cr3 := RBX, R12, R12, R14
	regs := ptRegs(RSP)
	return FUNC("paranoid_entry",
		`paranoid_entry is error_entry for the vectors with a stack of their own: they
can strike in ring 0 before SWAPGS, so GS is told from its base, whose sign
is the kernel's half; and before or behind a load of CR3, which is kept.`,
		pushRegs(),
		CLD(),
		MOVL(RDI, RSI),
		MOVL(uint32(x86.MSR_GS_BASE), RCX),
		RDMSR(),
		XORL(unswap, unswap),
		TESTL(RDX, RDX),
		IF(NS,
			SWAPGS(),
			INCL(unswap), // to be undone
		),
		MOVQ(CR3, RAX),
		MOVQ(RAX, cr3),
		toKernelTable(),
		clearAC(),
		enterSpecCtrlParanoid(specCtrl),
		TESTB(3, regs.CS),
		IF(NE,
			// From ring 3 nothing is in danger: go on on the thread's
			// own stack, where signals can be delivered from.
			MOVQ(cr3, gs.EntryCR3),
			CALL(syncRegs),
			MOVQ(RAX, RSP),
			MOVQ(RAX, RDI),
			MOVL(RSI, vector),
			CALL(doTrapUser),
			CMPL(vector, x86.X86_TRAP_DB),
			// NMIs stay blocked until an IRETQ: no other thread, which may
			// leave by SYSRETQ, runs before it.
			IF(NE, JMP(returnToUsermode)),
			JMP(retintUser),
		),
		MOVQ(RSP, RDI),
		CALL(doTrapKernel),
		leaveSpecCtrlParanoid(specCtrl),
		TESTL(layout.PTIUserPGTable, cr3),
		IF(NE, MOVQ(cr3, CR3)), // drops the translations of the user's PCID: nothing counts on them
		TESTL(unswap, unswap),
		IF(NE, SWAPGS()),
		popRegs(),
		IRETQ(),
	).In("irqentry")
}

func syncRegs() Func {
	return FUNC("sync_regs", "sync_regs copies the PtRegs above its return address to the thread's stack and returns its place. Keeps RSI.",
		MOVQ(RSI, RDX),
		LEAQ(RSP.At(8), RSI),
		MOVQ(gs.TopOfStack, RDI),
		SUBQ(regsSize, RDI),
		MOVQ(RDI, RAX),
		MOVL(regsSize/8, RCX),
		REP(MOVSQ()),
		MOVQ(RDX, RSI),
		RETURN(),
	).Takes(RSI).Returns(RAX, RSI)
}

func scheduleUser() Func {
	return FUNC("schedule_user",
		`schedule_user is schedule for a path back to ring 3, where interrupts are on: it
returns with them as they were.`,
		PUSHFQ(),
		CLI(),
		CALL(schedule),
		POPFQ(),
		RETURN(),
	).Takes()
}

func doNotifyResume() Func {
	return FUNC("do_notify_resume",
		`do_notify_resume(regs, 0, work) delivers the signals that EDX, of Thread.Flags,
speaks of. The PtRegs is complete and on top of the thread's stack; any of its
slots may change. IF is any, and is left as it was (Linux 3.19
arch/x86/kernel/signal.c).`,
		PUSHFQ(),
		CALL(doSignal),
		POPFQ(),
		RETURN(),
	).Takes(RDI)
}

func retintUser() Func {
	return FUNC("retint_user",
		`retint_user returns to ring 3 by IRETQ: RSP is at a complete PtRegs on top of the
thread's stack, IF is any. Does the work that Thread.Flags asks for first. Traps
and new threads end so: ring 3 goes on on the page table that the selected
variant has it run on, and with its SPEC_CTRL.`,
		exitWork(RSP),
		JMP(returnToUsermode),
	).Takes().Spoils(RBX)
}

func returnToUsermode() Func {
	popped := Fields[layout.PtRegs[Mem]](RDI.At(-Slots[layout.PtRegs[Slot]]().DI.Off))
	return FUNC("return_to_usermode",
		`return_to_usermode pops the complete PtRegs that RSP is at, on any stack, and
returns to ring 3 as retint_user does. IF is 0, no work is left (Linux 6.12,
swapgs_restore_regs_and_return_to_usermode).`,
		leaveSpecCtrl(),
		CMPQ(gs.UserBits, 0),
		IF(E,
			popRegs(),
			SWAPGS(),
			IRETQ(),
		),
		popRegsButRDI(),
		MOVQ(RSP, RDI),
		MOVQ(gs.TSS.SP1, RSP),
		PUSHQ(popped.SS),
		PUSHQ(popped.SP),
		PUSHQ(popped.Flags),
		PUSHQ(popped.CS),
		PUSHQ(popped.IP),
		PUSHQ(popped.DI),
		MOVQ(CR3, RDI),
		ORQ(gs.UserBits, RDI),
		CMPQ(gs.UserPCIDFlushMask, 0),
		IF(E, ORQ(gs.NoFlush, RDI)),
		MOVQ(0, gs.UserPCIDFlushMask),
		MOVQ(RDI, CR3),
		POPQ(RDI),
		SWAPGS(),
		IRETQ(),
	).In("irqentry")
}

func syscallReturnSlowpath() Func {
	frame := R12
	return FUNC("syscall_return_slowpath",
		`syscall_return_slowpath(regs) does the work that Thread.Flags asks for, for a
variant that returns to ring 3 by itself. The PtRegs is complete and on top of
the thread's stack; any of its slots may change. IF is any; it returns with
interrupts off and no work left (Linux 4.6 arch/x86/entry/common.c).`,
		MOVQ(RDI, frame),
		exitWork(frame),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func retFromFork() Func {
	return FUNC("ret_from_fork", "ret_from_fork is where a new thread begins: RSP is at its PtRegs.",
		JMP(retintUser),
	).Takes().Spoils(RBX)
}

func badIret() Func {
	frame := RBX
	regs := ptRegs(RDI)
	return FUNC("bad_iret",
		`bad_iret: the IRETQ to ring 3 faulted (a bad CS or SS, a non-canonical RIP).
RDI is the PtRegs of that fault: its general registers are the user's, its SP
is at the iret frame. Makes it look as if the user's instruction had faulted
(Linux 3.18.1, fixup_bad_iret).`,
		MOVQ(RDI, RSI),
		MOVQ(regs.OrigAX, R8), // the error code
		MOVQ(gs.TopOfStack, frame),
		SUBQ(regsSize, frame),
		// What it was to pop is on top of the thread's stack still, if the
		// IRETQ was on another. Else the two frames overlap, the new one lies
		// higher: copy downwards.
		MOVL(ptRegs(RSP).DI.Disp, RCX),
		DO(
			MOVQ(RSI.Index(RCX, 1), RAX),
			MOVQ(RAX, frame.Index(RCX, 1)),
			SUBQ(8, RCX),
		).WHILE(NS),
		MOVQ(-1, ptRegs(frame).OrigAX),
		MOVQ(frame, RSP),
		MOVL(sigSEGV, RDI),
		MOVL(siKernel, RSI),
		XORL(RDX, RDX),
		MOVL(x86.X86_TRAP_GP, RCX),
		CALL(forceSigFault),
		JMP(retintUser),
	).Takes(RDI).Spoils(RBX)
}

func doTrapUser() Func {
	frame := RBX
	signal := Fields[layout.TrapSignal[Mem]](RSI)
	return FUNC("do_trap_user",
		`do_trap_user handles vector ESI from ring 3; RDI is the PtRegs. Exceptions
become signals.`,
		MOVQ(RDI, frame),
		CMPL(RSI, x86.X86_TRAP_PF),
		IF(E,
			MOVQ(CR2, RSI),
			CALL(doPageFault),
			RETURN(),
		),
		CMPL(RSI, x86.LOCAL_TIMER_VECTOR),
		IF(E, CALL(timerInterrupt), RETURN()),
		CMPL(RSI, layout.ControlVector),
		IF(E, CALL(controlInterrupt), RETURN()),
		CMPL(RSI, x86.SPURIOUS_APIC_VECTOR),
		IF(E, RETURN()),
		CMPL(RSI, x86.X86_TRAP_NMI),
		IF(E, INCQ(gs.NMIs), RETURN()),
		CMPL(RSI, x86.X86_TRAP_MC),
		IF(E, MOVQ(frame, RDI), CALL(machineCheck), RETURN()),
		CMPL(RSI, x86.X86_TRAP_DF),
		IF(E, MOVQ(frame, RDI), JMP(die)),
		CMPL(RSI, x86.X86_TRAP_DB),
		IF(E,
			// A breakpoint that the last instruction of ring 0 met arrives here.
			MOVQ(DR6, RAX),
			TESTL(x86.DR6_B0_B3, RAX),
			IF(NE,
				INCQ(gs.Debugs),
				ORQ(x86.X86_EFLAGS_RF, ptRegs(frame).Flags),
				TESTL(x86.DR6_BS, RAX),
				IF(E,
					XORL(RAX, RAX),
					MOVQ(RAX, DR6),
					RETURN(),
				),
			),
		),
		MOVL(RSI, RCX), // trapno
		IMULQ(SizeOf[layout.TrapSignal[Mem]](), RSI),
		LEAQ(Sym(trapSignals), RAX),
		ADDQ(RAX, RSI),
		MOVQ(signal.Signo, RDI),
		MOVQ(signal.AddrIsIP, RDX),
		MOVQ(signal.Code, RSI),
		TESTL(RDX, RDX),
		IF(NE, MOVQ(ptRegs(frame).IP, RDX)),
		MOVQ(ptRegs(frame).OrigAX, R8),
		CMPQ(R8, -1),
		IF(E, XORL(R8, R8)),
		MOVQ(-1, ptRegs(frame).OrigAX), // not a system call: nothing to restart
		CMPL(RCX, x86.X86_TRAP_DB),
		IF(E,
			// DR6 says why; it is sticky, and TF is the only cause here.
			XORL(RAX, RAX),
			MOVQ(RAX, DR6),
		),
		CMPL(RSI, fpeFLTINV),
		IF(E, CALL(fpuFaultCode), MOVL(RAX, RSI)),
		CALL(forceSigFault),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI)
}

func fpuFaultCode() Func {
	return FUNC("fpu_fault_code",
		`fpu_fault_code returns in EAX the si_code of an x87 (vector ECX is #MF) or SSE
exception: that of the first unmasked one, 0 if there is none (Linux 3.19
arch/x86/kernel/traps.c, math_error). Clobbers only RAX.`,
		FXSAVE64(Sym(fpuFault)),
		CMPL(RCX, x86.X86_TRAP_MF),
		IF(E,
			MOVZWL(Sym(fpuFault), RAX), // FCW: the masks
			NOTL(RAX),
			ANDW(Sym(fpuFault).Add(2), RAX), // FSW
		).ELSE(
			MOVL(Sym(fpuFault).Add(24), RAX), // MXCSR: masks from bit 7
			SHRL(7, RAX),
			NOTL(RAX),
			ANDL(Sym(fpuFault).Add(24), RAX),
		),
		TESTB(0x01, RAX), // invalid
		IF(NE, MOVL(fpeFLTINV, RAX), RETURN()),
		TESTB(0x04, RAX),               // division by zero
		IF(NE, MOVL(3, RAX), RETURN()), // FPE_FLTDIV
		TESTB(0x08, RAX),               // overflow
		IF(NE, MOVL(4, RAX), RETURN()), // FPE_FLTOVF
		TESTB(0x12, RAX),               // denormal, underflow
		IF(NE, MOVL(5, RAX), RETURN()), // FPE_FLTUND
		ANDL(0x20, RAX),                // inexact
		IF(NE, MOVL(6, RAX)),           // FPE_FLTRES
		RETURN(),
	).Takes(RCX).Returns(RAX).Keeps(RDI, RDX, RCX, R8)
}

func doTrapKernel() Func {
	regs := ptRegs(RDI)
	return FUNC("do_trap_kernel",
		`do_trap_kernel handles vector ESI from ring 0; RDI is the PtRegs. What has no
fix-up is a panic.`,
		CMPL(RSI, x86.X86_TRAP_PF),
		IF(E,
			MOVQ(CR2, RSI),
			JMP(doPageFault),
		),
		CMPL(RSI, x86.LOCAL_TIMER_VECTOR),
		IF(E, JMP(timerInterrupt)),
		CMPL(RSI, x86.SPURIOUS_APIC_VECTOR),
		IF(E, RETURN()),
		CMPL(RSI, x86.X86_TRAP_NMI),
		IF(E,
			INCQ(gs.NMIs),
			MOVQ(regs.IP, RAX),
			MOVQ(RAX, gs.EventIP),
			RETURN(),
		),
		CMPL(RSI, x86.X86_TRAP_MC),
		IF(E, JMP(machineCheck)),
		CMPL(RSI, x86.X86_TRAP_DB),
		IF(E, JMP(debugKernel)),
		PUSHQ(RSI),
		PUSHQ(RDI),
		CALL(fixupException),
		POPQ(RDI),
		POPQ(RSI),
		TESTL(RAX, RAX),
		IF(NE, RETURN()),
		JMP(die),
	).Takes(RDI, RSI)
}

func fixupException() Func {
	regs := ptRegs(RDI)
	fixup := Fields[layout.ExTableEntry[Mem]](RCX)
	return FUNC("fixup_exception",
		`fixup_exception looks the IP of the PtRegs RDI up in __ex_table. If it is there
it sets IP to the place to go on at and returns 1, else 0.`,
		LEAQ(Sym(exTable), RCX),
		LEAQ(Sym(exTableEnd), RDX),
		MOVQ(regs.IP, RSI),
		XORL(RAX, RAX),
		LOOP(
			CMPQ(RCX, RDX),
			BREAK(AE),
			CMPQ(RSI, fixup.IP),
			IF(E,
				MOVQ(fixup.Fixup, RSI),
				MOVQ(RSI, regs.IP),
				INCL(RAX),
				BREAK(),
			),
			ADDQ(SizeOf[layout.ExTableEntry[Mem]](), RCX),
		),
		RETURN(),
	).Takes(RDI).Returns(RAX)
}

const istSize = 4096

// vectorTable is what trapInit builds the IDT from: for each vector its number
// and the gate's type and stack, then the address of its entry.
func vectorTable() Data {
	var content []any
	for _, v := range vectors {
		gate := x86.GateInterrupt
		if v.user {
			gate = x86.GateUser
		}
		content = append(content, uint32(v.n), uint32(gate<<8|v.ist), PTR(v.entry))
	}
	return RODATA("vector_table", content...)
}

// trapInit fills the IDT and the TSS and loads both.
func trapInit() Func {
	ist := Block{}
	for i := range numIST {
		ist = append(ist,
			LEAQ(Sym(istStacks).Add((i+1)*istSize), RAX),
			MOVQ(RAX, gs.TSS.IST[i]),
		)
	}
	return FUNC("trap_init", "trap_init fills the IDT and the TSS, loads both, and masks the 8259s.",
		LEAQ(Sym(vectorTable), RSI),
		MOVL(len(vectors), RCX),
		DO(
			MOVL(RSI.At(0), RDI),
			SHLL(4, RDI), // 16 bytes a gate
			LEAQ(Sym(idt), RAX),
			ADDQ(RAX, RDI),
			MOVQ(RSI.At(8), RAX),
			MOVW(RAX, RDI.At(0)), // offset 15:0
			MOVW(x86.KERNEL_CS, RDI.At(2)),
			MOVL(RSI.At(4), RDX),
			MOVW(RDX, RDI.At(4)), // IST, type
			SHRQ(16, RAX),
			MOVW(RAX, RDI.At(6)), // offset 31:16
			SHRQ(16, RAX),
			MOVL(RAX, RDI.At(8)), // offset 63:32
			ADDQ(16, RSI),
			DECL(RCX),
		).WHILE(NE),
		LEAQ(Sym(idt), RAX),
		MOVQ(RAX, Sym(idtr).Add(2)),
		MOVW(256*x86.GateSize-1, Sym(idtr)),
		LIDT(Sym(idtr)),

		ist,
		MOVQ(gs.TopOfStack, RAX),
		MOVQ(RAX, gs.TSS.SP0),
		LEAQ(Sym(trampolineStack).Add(layout.TrampolineSize), RAX),
		MOVQ(RAX, gs.TSS.SP1),
		MOVL(x86.TSSSize<<16, gs.TSS.IOMap), // beyond the limit: no I/O map
		// The descriptor's base is scattered: bits 23:0 at 16, 31:24 at 56, 63:32 above.
		MOVQ(gs.Self, RAX),
		ADDQ(Slots[layout.PerCPU[Slot]]().TSS.Reserved0.Off+layout.TSSOffset, RAX),
		MOVQ(RAX, RDX),
		ANDL(0xffffff, RDX),
		SHLQ(16, RDX),
		ORQ(RDX, Sym(gdt).Add(x86.TSS_SEL)),
		MOVQ(RAX, RDX),
		SHRQ(24, RDX),
		MOVB(RDX, Sym(gdt).Add(x86.TSS_SEL+7)),
		SHRQ(32, RAX),
		MOVL(RAX, Sym(gdt).Add(x86.TSS_SEL+8)),
		MOVL(x86.TSS_SEL, RAX),
		LTR(RAX),

		MOVL(0xff, RAX),
		MOVL(0x21, RDX),
		OUTB(),
		MOVL(0xa1, RDX),
		OUTB(),
		RETURN(),
	).Takes()
}

// Signals and codes that traps raise (Linux include/uapi/asm-generic/signal.h,
// siginfo.h).
const (
	sigILL   = 4
	sigTRAP  = 5
	sigBUS   = 7
	sigFPE   = 8
	sigSEGV  = 11
	siKernel = 0x80

	fpeFLTINV = 7 // the si_code of x87's and SSE's exceptions alone
)

// trapSignals gives each exception vector its signal, si_code and whether
// si_addr is the faulting instruction (Linux 3.19 arch/x86/kernel/traps.c).
func trapSignals() Data {
	type signal = layout.TrapSignal[uint64]
	sig := func(signo, code, addrIsIP uint64) signal {
		return signal{Signo: signo, Code: code, AddrIsIP: addrIsIP}
	}
	of := map[int]signal{
		x86.X86_TRAP_DE: sig(sigFPE, 1, 1),  // FPE_INTDIV
		x86.X86_TRAP_DB: sig(sigTRAP, 2, 1), // TRAP_TRACE
		x86.X86_TRAP_BP: sig(sigTRAP, siKernel, 0),
		x86.X86_TRAP_UD: sig(sigILL, 2, 1), // ILL_ILLOPN
		x86.X86_TRAP_NP: sig(sigBUS, siKernel, 0),
		x86.X86_TRAP_SS: sig(sigBUS, siKernel, 0),
		x86.X86_TRAP_MF: sig(sigFPE, fpeFLTINV, 1), // or what fpu_fault_code finds
		x86.X86_TRAP_XF: sig(sigFPE, fpeFLTINV, 1),
		x86.X86_TRAP_AC: sig(sigBUS, 1, 0), // BUS_ADRALN
	}
	var content []any
	for n := range 32 {
		s, ok := of[n]
		if !ok {
			s = sig(sigSEGV, siKernel, 0)
		}
		content = append(content, s.Signo, s.Code, s.AddrIsIP)
	}
	return RODATA("trap_signals", content...)
}
