package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// testWork leaves the fast path if Thread.Flags asks for work. Interrupts stay
// off from here on, or work could come up behind the test.
func (v Variant) testWork() Block {
	thread := threadAt(v.low())
	if v.Work == WorkTest {
		return Block{
			v.disable(),
			TESTL(layout.TIFAllWork, thread.Flags),
			JNE("sysret_signal"),
		}
	}
	return Block{
		MOVL(layout.TIFAllWork, RDI),
		LABEL("sysret_check"),
		v.disable(),
		MOVL(thread.Flags, RDX),
		ANDL(RDI, RDX),
		JNE("sysret_careful"),
	}
}

// carefulWork lets another thread run from within the fast path, with the frame
// as it is: undefined slots stay so, and with sp=percpu RSPScratch is live over
// the switch. It falls through to the slow path for all other work.
func (v Variant) carefulWork() Block {
	if v.Work != WorkCareful {
		return nil
	}
	return Block{
		LABEL("sysret_careful"),
		TESTL(layout.TIFNeedResched, RDX),
		JE("sysret_signal"),
		PUSHQ(RDI),
		CALL("schedule"),
		POPQ(RDI),
		JMP("sysret_check"),
	}
}

// exit returns to ring 3.
func (v Variant) exit() Block {
	switch v.Exit {
	case ExitIRET:
		return v.iret()
	case ExitOpportunistic:
		return v.opportunistic()
	}
	return v.sysret()
}

// sysret returns by SYSRETQ, which loads RIP from RCX and RFLAGS from R11. RSP
// is loaded last: behind it the frame is out of reach.
func (v Variant) sysret() Block {
	regs := regsAt(v.low())
	exit := Block{LABEL("syscall_return_via_sysret"), v.loadRest(regs)}
	if v.Build == BuildMov { // the order of 3.19
		exit = append(exit, v.loadSYSRET(regs), loadArgs(regs))
	} else { // the order of 4.1
		exit = append(exit, loadArgs(regs), v.loadSYSRET(regs))
	}
	return append(exit,
		MOVQ(v.userSP(regs), RSP),
		SWAPGS().C("GS.base: PerCPU -> user"),
		SYSRETQ(),
	)
}

// loadSYSRET loads the two registers that SYSRETQ takes.
func (v Variant) loadSYSRET(regs layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.IP, RCX),
		MOVQ(v.userFlags(regs), R11),
	}
}

// userSP is where the user's RSP is during a call: the exit's side of (a).
func (v Variant) userSP(regs layout.PtRegs[Mem]) Mem {
	if v.SP == SPFrame {
		return regs.SP
	}
	return gs.RSPScratch
}

// userFlags is the slot of the user's RFLAGS: the exit's side of (b).
func (v Variant) userFlags(regs layout.PtRegs[Mem]) Mem {
	if v.Flags == FlagsSlot {
		return regs.Flags
	}
	return regs.R11
}

// loadArgs loads what a system call must keep, but for RCX, R11 and RSP. RAX is
// the result.
func loadArgs(regs layout.PtRegs[Mem]) Block {
	return Block{
		MOVQ(regs.R10, R10),
		MOVQ(regs.R9, R9),
		MOVQ(regs.R8, R8),
		MOVQ(regs.AX, RAX),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DI, RDI),
	}
}

// loadRest restores the callee-saved registers of a full frame.
func (v Variant) loadRest(regs layout.PtRegs[Mem]) Block {
	if v.Regs != RegsFull {
		return nil
	}
	return loadCalleeSaved(regs)
}

// iret returns by IRETQ. RCX and R11 hold the same as after SYSRETQ.
func (v Variant) iret() Block {
	regs := regsAt(v.low())
	return Block{
		LABEL("swapgs_restore_regs_and_return_to_usermode"),
		v.loadRest(regs),
		MOVQ(regs.R11, R11),
		loadArgs(regs),
		MOVQ(regs.CX, RCX),
		ADDQ(pt.IP.Off-v.low(), RSP).C("to the hardware frame"),
		SWAPGS().C("GS.base: PerCPU -> user"),
		IRETQ(),
	}
}

// opportunistic returns by SYSRETQ if that does what IRETQ would do with the
// frame: the conditions of Linux (4.0 entry_64.S; 6.12 do_syscall_64). A frame
// that was not changed fulfils them all but the last: with TF set, SYSRETQ
// traps before the user's next instruction and IRETQ behind it, so that a
// program which single-steps itself would trap at the same place for ever.
func (v Variant) opportunistic() Block {
	regs := regsAt(v.low())
	return Block{
		MOVQ(regs.CX, RCX),
		MOVQ(regs.R11, R11),
		CMPQ(RCX, regs.IP).C("SYSRETQ loads RIP from RCX"),
		JNE("opportunistic_sysret_failed"),
		CMPQ(R11, regs.Flags).C("and RFLAGS from R11"),
		JNE("opportunistic_sysret_failed"),
		CMPQ(regs.CS, x86.USER_CS).C("and these from MSR_STAR"),
		JNE("opportunistic_sysret_failed"),
		CMPQ(regs.SS, x86.USER_DS),
		JNE("opportunistic_sysret_failed"),
		MOVQ(RCX, RDI),
		SHRQ(47, RDI).C("#GP in ring 0 if RIP is not canonical"),
		JNE("opportunistic_sysret_failed"),
		TESTL(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11).C("SYSRETQ clears RF, traps early on TF"),
		JNE("opportunistic_sysret_failed"),

		LABEL("syscall_return_via_sysret"),
		v.loadRest(regs),
		loadArgs(regs),
		MOVQ(regs.SP, RSP),
		SWAPGS().C("GS.base: PerCPU -> user"),
		SYSRETQ(),

		LABEL("opportunistic_sysret_failed"),
		v.saveRest(),
		JMP("int_ret_from_sys_call"),
	}
}
