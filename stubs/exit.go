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
func (v Variant) exit(suffix string) Block {
	switch v.Exit {
	case ExitIRET:
		return v.iret()
	case ExitOpportunistic:
		return v.opportunistic(suffix)
	}
	return v.sysret()
}

// sysret returns by SYSRETQ, which loads RIP from RCX and RFLAGS from R11. RSP
// is loaded last: behind it the frame is out of reach.
func (v Variant) sysret() Block {
	regs := regsAt(v.low())
	exit := Block{LABEL("syscall_return_via_sysret"), v.ibrsExit(), v.loadRest(regs)}
	if v.Build == BuildMov { // the order of 3.19
		exit = append(exit, v.loadSYSRET(regs), loadArgs(regs))
	} else { // the order of 4.1
		exit = append(exit, loadArgs(regs), v.loadSYSRET(regs))
	}
	return append(exit,
		v.leave(v.low()),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.verw(),
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
	return v.scratch()
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
	return Block{
		LABEL("swapgs_restore_regs_and_return_to_usermode"),
		v.ibrsExit(),
		v.loadRest(regsAt(v.low())),
		v.iretFrom(v.low()),
	}
}

// iretFrom returns by IRETQ, the callee-saved registers being the user's. RSP is
// off bytes above the frame's start.
func (v Variant) iretFrom(off int) Block {
	regs := regsAt(off)
	return Block{
		MOVQ(regs.R11, R11),
		loadArgs(regs),
		MOVQ(regs.CX, RCX),
		v.iretTail(off),
	}
}

// IPTest is how an exit that may take SYSRETQ sees that RIP, which is in RCX, is
// one that it can load: #GP in ring 0 if not.
type IPTest uint8

const (
	// IPHalf is that no bit from 47 on is set: 4.0 and 4.1.
	IPHalf IPTest = iota
	// IPCanonical is that bits 47 to 63 are the same: 4.2 to 4.15. An address of
	// the upper half faults in ring 3, as it should.
	IPCanonical
	// IPTaskSize is that it is below layout.TaskSizeMax: 4.16 on, in C.
	IPTaskSize
)

// sysretFits goes to fail unless SYSRETQ does what IRETQ would do with the
// frame, in Linux's order (4.0 entry_64.S; 6.12 do_syscall_64). What the test
// leaves are RIP in RCX and RFLAGS in R11. Clobbers RDI.
//
// A frame that was not changed fulfils all conditions but those of RF and TF:
// with TF set, SYSRETQ traps before the user's next instruction and IRETQ
// behind it, so that a program which single-steps itself would trap at the same
// place for ever.
func (v Variant) sysretFits(regs layout.PtRegs[Mem], fail string) Block {
	ip := Block{
		MOVQ(regs.CX, RCX),
		CMPQ(RCX, regs.IP).C("SYSRETQ loads RIP from RCX"),
		JNE(fail),
	}
	flags := Block{
		MOVQ(regs.R11, R11),
		CMPQ(R11, regs.Flags).C("and RFLAGS from R11"),
		JNE(fail),
	}
	cs := Block{CMPQ(regs.CS, x86.USER_CS).C("and this from MSR_STAR"), JNE(fail)}
	ss := Block{CMPQ(regs.SS, x86.USER_DS).C("and this"), JNE(fail)}
	single := Block{
		TESTL(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11).C("SYSRETQ clears RF, traps early on TF"),
		JNE(fail),
	}
	if v.IPTest == IPTaskSize {
		return Block{ip, flags, cs, ss, v.testIP(fail), single}
	}
	return Block{ip, v.testIP(fail), cs, flags, single, ss}
}

// testIP goes to fail unless SYSRETQ can load RCX.
func (v Variant) testIP(fail string) Block {
	switch v.IPTest {
	case IPCanonical:
		return Block{
			MOVQ(RCX, RDI),
			SHLQ(16, RDI),
			SARQ(16, RDI),
			CMPQ(RDI, RCX).C("#GP in ring 0 if RIP is not canonical"),
			JNE(fail),
		}
	case IPTaskSize:
		return Block{
			MOVQ(uint64(layout.TaskSizeMax), RDI),
			CMPQ(RCX, RDI).C("#GP in ring 0 if RIP is not canonical"),
			JAE(fail),
		}
	}
	return Block{
		MOVQ(RCX, RDI),
		SHRQ(47, RDI).C("#GP in ring 0 if RIP is not canonical"),
		JNE(fail),
	}
}

// opportunistic returns by SYSRETQ if the frame allows it, else by the slow
// exit.
func (v Variant) opportunistic(suffix string) Block {
	regs := regsAt(v.low())
	return Block{
		v.sysretFits(regs, "syscall_return_via_slow_exit"),

		LABEL("syscall_return_via_sysret"),
		v.ibrsExitChecked(regs),
		v.loadRest(regs),
		loadArgs(regs),
		v.leave(v.low()),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.verw(),
		SYSRETQ(),

		LABEL("syscall_return_via_slow_exit"),
		v.toSlowExit(suffix),
	}
}

// toSlowExit leaves a fast path whose frame has no slot left out at the top.
func (v Variant) toSlowExit(suffix string) Block {
	if v.Slow == SlowC {
		return Block{JMP("sysret_signal")}
	}
	return Block{v.saveRest(), JMP(v.slowExit(suffix))}
}
