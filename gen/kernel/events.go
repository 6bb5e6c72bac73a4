package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// Events that may come at any instruction of ring 0, and after which it goes on:
// breakpoints of the debug registers, and machine checks that lost nothing.

// debugKernel handles #DB in ring 0.
func debugKernel() Func {
	regs := ptRegs(RDI)
	return FUNC("debug_kernel",
		`debug_kernel(regs, vector) handles #DB from ring 0: one of a breakpoint in DR0 to
DR3 is counted, and the instruction at IP runs (RF). Any other is a panic.`,
		MOVQ(DR6, RAX),
		TESTL(x86.DR6_B0_B3, RAX),
		IF(E, JMP(die)),
		XORL(RAX, RAX), // sticky
		MOVQ(RAX, DR6),
		ORQ(x86.X86_EFLAGS_RF, regs.Flags),
		INCQ(gs.Debugs),
		MOVQ(regs.IP, RAX),
		MOVQ(RAX, gs.EventIP),
		RETURN(),
	).Takes(RDI, RSI)
}

// machineCheck handles #MC in both rings.
func machineCheck() Func {
	regs := ptRegs(RDI)
	return FUNC("machine_check",
		`machine_check(regs, vector) handles #MC: one after which the interrupted code can
go on (MCG_STATUS.RIPV) is counted and taken out of its bank; any other is a
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

// sysPeek is the control call by which tests see SMAP in force.
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

// sysBreakpoint is the control call by which tests set a breakpoint.
func sysBreakpoint() Func {
	return FUNC("sys_breakpoint", "sys_breakpoint(address, dr7) is layout.SysBreakpoint.",
		XORL(RAX, RAX),
		MOVQ(RAX, DR7), // the old one is off before its address changes
		MOVQ(RDI, DR0),
		MOVQ(RSI, DR7),
		RETURN(),
	).Takes(RDI, RSI).Returns(RAX)
}
