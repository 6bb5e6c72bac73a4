package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Events that may come at any instruction of ring 0, which then continues:
// breakpoints of the debug registers, and machine checks that lost nothing.

// debugKernel handles #DB in ring 0.
func debugKernel() Func {
	regs := ptRegs(RDI)
	return FUNC("debug_kernel",
		`debug_kernel(regs, vector) handles #DB from ring 0: a breakpoint in DR0 to
DR3 is counted, and the instruction at IP runs (RF). The trap of ring 3's single step comes
behind SYSCALL in Bochs, though that has cleared TF; there it is forgotten. Any other #DB is
a panic.`,
		MOVQ(DR6, RAX),
		TESTL(x86.DR6_B0_B3, RAX),
		IF(E,
			TESTL(x86.DR6_BS, RAX),
			IF(E, JMP(die)),
			MOVL(uint32(x86.MSR_LSTAR), RCX),
			RDMSR(),
			SHLQ(32, RDX),
			ORQ(RDX, RAX),
			CMPQ(RAX, regs.IP),
			IF(NE, JMP(die)),
			XORL(RAX, RAX), // sticky
			MOVQ(RAX, DR6),
			RETURN(),
		),
		XORL(RAX, RAX), // sticky
		MOVQ(RAX, DR6),
		ORQ(x86.X86_EFLAGS_RF, regs.Flags),
		INCQ(gs.Debugs),
		MOVQ(regs.IP, RAX),
		MOVQ(RAX, gs.EventIP),
		kernelsOwn(),
		CMPQ(event.Kind, layout.EventNone),
		IF(NE, JMP(eventMake)),
		RETURN(),
	).Takes(RDI, RSI)
}

// kernelsOwn checks that GS and page table are the kernel's. Clobbers RAX.
func kernelsOwn() Block {
	return Block{
		LEAQ(Sym(percpuData), RAX),
		CMPQ(RAX, gs.Self),
		JNE(die),
		MOVQ(CR3, RAX),
		TESTL(layout.PTIUserPGTable, RAX),
		JNE(die),
	}
}

// nmiKernel handles NMIs in ring 0.
func nmiKernel() Func {
	regs := ptRegs(RDI)
	return FUNC("nmi_kernel",
		`nmi_kernel(regs, vector) counts an NMI from ring 0. It leaves the one that event_make
waits for without an IRETQ, so that the next one is held back.`,
		INCQ(gs.NMIs),
		MOVQ(regs.IP, RAX),
		MOVQ(RAX, gs.EventIP),
		kernelsOwn(),
		CMPQ(event.Blocking, 0),
		IF(NE,
			MOVQ(0, event.Blocking),
			MOVQ(regs.SP, RSP),
			JMP(eventBlocked),
		),
		CMPQ(event.Kind, layout.EventNMI),
		IF(B, RETURN()),
		MOVQ(regs.IP, RAX),
		CMPQ(RAX, event.At),
		IF(NE, RETURN()),
		INCQ(event.Arrived),
		CMPQ(event.Kind, layout.EventNestedNMI),
		IF(NE, RETURN()),
		XORQ(1, event.Second),
		IF(NE, ownNMI()),
		RETURN(),
	).Takes(RDI, RSI)
}

// ownInterrupt makes the APIC send this CPU an interrupt. Clobbers RAX, RCX, RDX.
func ownInterrupt(vector uint32) Block {
	return apicWrite(x86.APIC_ICR, apicToSelf|apicAssert|vector)
}

// ownNMI makes the APIC send this CPU an NMI. It names the CPU by its ID, as the short form
// for the sender is one for interrupts alone (SDM volume 3, table 11-3). Clobbers RAX, RCX
// and RDX.
func ownNMI() Block {
	id, find := apicAt(x86.APIC_ID)
	return Block{
		find,
		IF(NE,
			MOVL(id, RAX),
			MOVL(RAX, RCX.At(x86.APIC_ICR2)),
			MOVL(apicAssert|apicNMI, RCX.At(x86.APIC_ICR)),
		).ELSE(
			MOVL(x86.APIC_BASE_MSR+x86.APIC_ID>>4, RCX),
			RDMSR(),
			MOVL(RAX, RDX),
			MOVL(apicAssert|apicNMI, RAX),
			MOVL(x86.APIC_BASE_MSR+x86.APIC_ICR>>4, RCX),
			WRMSR(),
		),
	}
}

// eventMake returns the end of #DB's handler for SysEvent.
func eventMake() Func {
	regs := ptRegs(RDI)
	return FUNC("event_make",
		`event_make(regs, vector) makes the event of event.Kind arrive at the instruction to
which #DB returns, IP of the PtRegs RDI.`,
		INCQ(event.Made),
		CMPQ(event.Kind, layout.EventData),
		IF(E, INCQ(event.Arrived), RETURN()),
		MOVQ(regs.IP, RAX),
		SUBQ(event.At, RAX),
		CMPQ(event.Kind, layout.EventFind),
		IF(E, BTSQ(RAX, event.Arrived), RETURN()),
		TESTQ(RAX, RAX),
		JNE(die),
		CMPQ(event.Kind, layout.EventBreakpoint),
		IF(E, INCQ(event.Arrived), RETURN()),
		CMPQ(event.Kind, layout.EventSample),
		IF(E,
			INCQ(event.Arrived),
			CALL(perfSample),
			RETURN(),
		),
		CMPQ(event.Kind, layout.EventInterrupt),
		IF(E,
			MOVQ(layout.EventNone, event.Kind), // its own handler may come here
			CLI(),                              // is news to Bochs, see sys_event
			MOVL(apicPriority>>4, RAX),
			MOVQ(RAX, CR8),
			ownInterrupt(x86.LOCAL_TIMER_VECTOR),
			RETURN(),
		),
		// NMIs are blocked from the arrival of one to an IRETQ: let one come here,
		// and make the next one while the first blocks it. #DB's IRETQ lets that in, or
		// its ERETS, which looks at this bit.
		ORQ(x86.FREDSSNMI, regs.SS),
		MOVQ(1, event.Blocking),
		ownNMI(),
		LOOP(PAUSE()),
		GLOBAL("event_blocked"),
		ownNMI(),
		RETURN(),
	).Saving(RBX, R12, R14).Takes(RDI, RSI) // the registers of paranoid_entry, which the first NMI runs again
}

// eventBlocked names the place where event_make continues once NMIs are blocked.
func eventBlocked() Func { return EXTERN("event_blocked") }

// sysEvent returns the control call by which tests make events arrive.
func sysEvent() Func {
	return FUNC("sys_event", "sys_event(at, kind) is layout.SysEvent.",
		XORL(RDX, RDX),
		MOVQ(RDX, DR7), // the old one is off before its address changes
		CMPQ(RSI, layout.EventHeld),
		JAE("invalid"),
		CMPQ(RSI, layout.EventData),
		IF(E,
			ADDQ(gs.Self, RDI),
			MOVL(x86.DR7_G0|x86.DR7_RW0|x86.DR7_LEN0_8, RDX),
		).ELSE(
			LEAQ(RDI.At(numBreakpoints-1), R8), // the last of EventFind
			// The parts of the group "irqentry" that #DB's handler runs, each with its end.
			overlaps(RDI, R8, asmExcDebug, asmExcNMI, "invalid"),
			overlaps(RDI, R8, paranoidEntry, returnToUsermode, "invalid"),
			CMPQ(Sym(debugOwn), 0),
			IF(NE, // the variant's own
				CMPQ(R8, Sym(debugOwn)),
				IF(AE,
					CMPQ(RDI, Sym(debugOwn).Add(8)),
					JBE("invalid"),
				),
			),
			MOVL(x86.DR7_G0, RDX),
			CMPQ(RSI, layout.EventFind),
			IF(E,
				MOVQ(R8, DR3),
				DECQ(R8),
				MOVQ(R8, DR2),
				DECQ(R8),
				MOVQ(R8, DR1),
				MOVL(x86.DR7_G0_G3, RDX),
			),
		),
		MOVQ(event.Made, RAX),
		SHLQ(layout.EventMade, RAX),
		ORQ(event.Arrived, RAX),
		MOVQ(0, event.Made),
		MOVQ(0, event.Arrived),
		MOVQ(0, event.Second),
		MOVQ(RSI, event.Kind),
		MOVQ(RDI, event.At),
		CMPQ(RSI, layout.EventNone),
		IF(E,
			MOVL(apicPriority>>4, RCX),
			MOVQ(RCX, CR8),
			RETURN(),
		),
		MOVQ(RDI, DR0),
		MOVQ(RDX, DR7),
		TESTL(layout.FREDPad, gs.TopOfStack),
		IF(NE, // Bochs 3.1 lets interrupts in after FRED has cleared IF
			MOVL(maskAll, RCX),
			MOVQ(RCX, CR8),
		),
		RETURN(),
		LABEL("invalid"),
		fail(EINVAL),
	).Takes(RDI, RSI).Returns(RAX)
}

// maskAll is the task priority that no interrupt exceeds (SDM volume 3, 11.8.3.1).
const maskAll = 15

// numBreakpoints is how many breakpoints a CPU has.
const numBreakpoints = 4

// overlaps jumps to the label if the addresses first to last overlap those from one
// symbol up to another. Clobbers RAX.
func overlaps(first, last Reg, from, to func() Func, label string) Block {
	return Block{
		LEAQ(Sym(from), RAX),
		CMPQ(last, RAX),
		IF(AE,
			LEAQ(Sym(to), RAX),
			CMPQ(first, RAX),
			JB(label),
		),
	}
}

func asmExcDebug() Func { return EXTERN("asm_exc_debug") }
func asmExcNMI() Func   { return EXTERN("asm_exc_nmi") }

var eventData = BSS("event", SizeOf[layout.Event[Mem]](), 64)

var event = Fields[layout.Event[Mem]](Sym(eventData))

// machineCheck handles #MC in both rings.
func machineCheck() Func {
	regs := ptRegs(RDI)
	return FUNC("machine_check",
		`machine_check(regs, vector) handles #MC: if the interrupted code can continue
(MCG_STATUS.RIPV), it is counted and taken out of its bank; any other is a
panic (SDM volume 3, 16.10).`,
		MOVL(uint32(x86.MSR_IA32_MCG_STATUS), RCX),
		RDMSR(),
		TESTL(x86.MCG_STATUS_RIPV, RAX),
		IF(E, JMP(die)),
		MOVL(uint32(x86.MSR_IA32_MCG_CAP), RCX),
		RDMSR(),
		MOVL(RAX, R8),
		ANDL(x86.MCG_CAP_COUNT, R8), // banks
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		MOVL(uint32(x86.MSR_IA32_MC0_STATUS), RCX),
		LOOP(
			SUBL(1, R8),
			BREAK(B),
			WRMSR(),
			ADDL(x86.MCBankMSRs, RCX),
		),
		MOVL(uint32(x86.MSR_IA32_MCG_STATUS), RCX), // the next one may come
		WRMSR(),
		INCQ(gs.MachineChecks),
		MOVQ(regs.IP, RAX),
		MOVQ(RAX, gs.EventIP),
		RETURN(),
	).Takes(RDI, RSI)
}

// sysPeek returns the control call by which tests see SMAP in force.
func sysPeek() Func {
	return FUNC("sys_peek", "sys_peek(address) is layout.SysPeek.",
		accessOK(RDI, 8, "fault"),
		MOVQ(RDI.At(0), RAX).Fault("fault"),
		XORL(RAX, RAX),
		RETURN(),
		LABEL("fault"),
		fail(EFAULT),
	).Takes(RDI).Returns(RAX)
}

// sysBreakpoint returns the control call by which tests set a breakpoint.
func sysBreakpoint() Func {
	return FUNC("sys_breakpoint", "sys_breakpoint(address, dr7) is layout.SysBreakpoint.",
		XORL(RAX, RAX),
		MOVQ(RAX, DR7), // the old one is off before its address changes
		MOVQ(RDI, DR0),
		MOVQ(RSI, DR7),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}
