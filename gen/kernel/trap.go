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
	ist      int  // its own stack, with an entry that does not trust CS for SWAPGS
	user     bool // INT n is allowed in ring 3
}

// The interrupt stacks, for vectors that can strike while RSP or GS is still the user's.
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
	{n: x86.X86_TRAP_CP, name: "exc_control_protection", hasError: true},
	{n: layout.ControlVector, name: "int_control", user: true},
	{n: x86.LOCAL_TIMER_VECTOR, name: "sysvec_apic_timer_interrupt"},
	{n: x86.SPURIOUS_APIC_VECTOR, name: "sysvec_spurious_apic_interrupt"},
}

// entry returns the first code of a vector: it extends the hardware's frame to the same
// shape for all vectors and puts the vector in EDI.
func (v vector) entry() Func {
	pt := Slots[layout.PtRegs[Slot]]()
	to := 0
	if v.ist != 0 {
		to = toParanoid
	}
	return FUNC("asm_"+v.name, fmt.Sprintf("asm_%s is vector %d: state on entry as the CPU leaves it, iret frame on the stack.", v.name, v.n),
		FRAME(pt.IP.Off-map[bool]int{true: 8, false: 0}[v.hasError]),
		unless(v.hasError, PUSHQ(-1).Is(pt.OrigAX).C("no error code, and no system call to restart")),
		PUSHQ(RDI).Is(pt.DI),
		MOVL(v.n, RDI),
		JMP(Sym(trapEntries).Add(to)),
	).In("irqentry")
}

// unless returns the item if cond does not hold.
func unless(cond bool, item Item) Block {
	if cond {
		return nil
	}
	return Block{item}
}

// traps returns the IDT and the entries and exits of exceptions and interrupts.
func traps() Program {
	p := Program{
		Funcs: Funcs(
			errorEntry, paranoidEntry, paranoidBody, syncRegs, scheduleUser, doNotifyResume, retintUser, returnToUsermode,
			syscallReturnSlowpath, exitToUserModeLoop, retFromFork, badIret, doTrapUser, fpuFaultCode, doTrapKernel,
			fixupException, debugKernel, machineCheck, nmiKernel, eventMake, sysBreakpoint, sysEvent, sysPeek, trapInit,
		),
		Data: []Data{
			trapEntries, idt, idtEnd, idtr, fpuFault, eventData, trampolineStack, trampolineStackEnd, istStacks, istStacksEnd,
			vectorTable(), trapSignals(),
		},
	}
	for _, v := range vectors {
		p.Funcs = append(p.Funcs, v.entry())
	}
	return p
}

var idt = BSS("idt", 256*x86.GateSize, layout.PageSize)

// trapEntries are the addresses of the selected variant's error_entry and, at toParanoid,
// paranoid_entry. The user's page table maps them with the IDT, before which they lie: a
// stack that runs over ends the machine at the IDT.
var trapEntries = BSS("trap_entries", 16, layout.PageSize)

const toParanoid = 8

var idtEnd = BSS("idt_end", 0, layout.PageSize)

var idtr = BSS("idtr", 16, 16)

var fpuFault = BSS("fpu_fault", fxSize, 16)

var trampolineStack = BSS("trampoline_stack", layout.TrampolineSize, layout.PageSize)

var trampolineStackEnd = BSS("trampoline_stack_end", 0, layout.PageSize)

var istStacks = BSS("ist_stacks", numIST*istSize, layout.PageSize)

var istStacksEnd = BSS("ist_stacks_end", 0, layout.PageSize)

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
			// A breakpoint that the last instruction of ring 0 hit arrives here.
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
exception: the code of the first unmasked exception, 0 if there is none (Linux 3.19
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
	return FUNC("do_trap_kernel",
		`do_trap_kernel handles vector ESI from ring 0; RDI is the PtRegs. An exception
without a fix-up is a panic.`,
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
		IF(E, JMP(nmiKernel)),
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
it sets IP to the place where to continue and returns 1, else 0.`,
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

// vectorTable returns the input from which trapInit builds the IDT: for each vector its
// number and the gate's type and stack, then the address of its entry.
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
		LEAQ(Sym(errorEntry), RAX),
		MOVQ(RAX, Sym(trapEntries)),
		LEAQ(Sym(paranoidEntry), RAX),
		MOVQ(RAX, Sym(trapEntries).Add(toParanoid)),
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
		XORL(RAX, RAX), // at reset the LDT is at address 0
		LLDT(RAX),

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

	fpeFLTINV = 7 // the si_code of x87 and SSE exceptions only
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
		x86.X86_TRAP_MF: sig(sigFPE, fpeFLTINV, 1), // or the code that fpu_fault_code finds
		x86.X86_TRAP_XF: sig(sigFPE, fpeFLTINV, 1),
		x86.X86_TRAP_AC: sig(sigBUS, 1, 0),   // BUS_ADRALN
		x86.X86_TRAP_CP: sig(sigSEGV, 10, 0), // SEGV_CPERR
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
