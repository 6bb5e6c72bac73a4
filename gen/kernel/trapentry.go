package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// pushRegs completes a frame of which the part from DI upwards has been pushed.
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

// popRegsButRDI restores the registers as popRegs does, up to the slot of RDI, where RSP is
// then.
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
// it off: in ring 3 AC is the user's, in ring 0 a copy may be in progress.
func clearAC() Block {
	return Block{
		CMPB(Sym(cpuSmap), 0),
		IF(NE, CLAC()),
	}
}

// exitWork does what Thread.Flags asks for until nothing is left. regs holds
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
		ANDL(^layout.TIFNotifyResume, thread(self).Flags),
	)
}

func errorEntry() Func {
	regs := ptRegs(RSP)
	return FUNC("error_entry",
		`error_entry: EDI holds the vector, the frame is pushed down to DI. It completes
the frame, loads the kernel's GS and page table if the interrupt came from ring 3, and
dispatches. The frame is then on the thread's stack.`,
		pushRegs(),
		CLD(),
		MOVL(RDI, RSI), // vector
		TESTB(3, regs.CS),
		JE("error_from_kernel"),
		SWAPGS(),
		GLOBAL("error_from_user"),
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

		GLOBAL("error_from_kernel"),
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
			// The IRETQ to ring 3 itself faulted: GS and page table are already
			// the user's, and so is the fault.
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
	unswap := RBX
	return FUNC("paranoid_entry",
		`paranoid_entry is error_entry for the vectors with their own stacks. They
can strike in ring 0 before SWAPGS, so the GS base decides, whose sign says
whether it is the kernel's: ring 3 cannot give itself a base with that sign.`,
		pushRegs(),
		CLD(),
		MOVL(RDI, RSI),
		MOVL(uint32(x86.MSR_GS_BASE), RCX),
		RDMSR(),
		XORL(unswap, unswap),
		TESTL(RDX, RDX),
		IF(NS,
			SWAPGS(),
			INCL(unswap), // SWAPGS must be undone
		),
		CALL(paranoidBody),
		TESTL(unswap, unswap),
		IF(NE, SWAPGS()),
		popRegs(),
		IRETQ(),
	).In("irqentry")
}

func paranoidBody() Func {
	vector, specCtrl, cr3 := R12, R12, R14
	regs := Fields[layout.PtRegs[Mem]](RSP.At(8))
	return FUNC("paranoid_body",
		`paranoid_body handles vector ESI; the complete PtRegs are above its return address, on
an interrupt stack. GS is the kernel's. It may have struck before or after a load of
CR3, which is kept. It returns only if it came from ring 0.`,
		MOVQ(CR3, RAX),
		MOVQ(RAX, cr3),
		toKernelTable(),
		clearAC(),
		enterSpecCtrlParanoid(specCtrl, regs),
		TESTB(3, regs.CS),
		IF(NE,
			// From ring 3 nothing is in danger: continue on the thread's
			// own stack, from which signals can be delivered.
			MOVQ(cr3, gs.EntryCR3),
			ADDQ(8, RSP),
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
		LEAQ(RSP.At(8), RDI),
		CALL(doTrapKernel),
		leaveSpecCtrlParanoid(specCtrl),
		TESTL(layout.PTIUserPGTable, cr3),
		IF(NE, MOVQ(cr3, CR3)), // drops the translations of the user's PCID: nothing relies on them
		RET(),
	).In("irqentry")
}

func syncRegs() Func {
	return FUNC("sync_regs", "sync_regs copies the PtRegs above its return address to the thread's stack and returns the copy's address. Keeps RSI.",
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
		`schedule_user is schedule for a path back to ring 3, where interrupts may be on: it
returns with them unchanged.`,
		PUSHFQ(),
		CLI(),
		CALL(schedule),
		POPFQ(),
		RETURN(),
	).Takes()
}

func doNotifyResume() Func {
	return FUNC("do_notify_resume",
		`do_notify_resume(regs, 0, work) delivers the signals if EDX, from Thread.Flags,
says so. TIFNotifyResume asks for no more than this call. The PtRegs are complete and
on top of the thread's stack; any slot may change. IF is any, and is left unchanged
(Linux 3.19 arch/x86/kernel/signal.c).`,
		current(RAX),
		ANDL(^layout.TIFNotifyResume, thread(RAX).Flags),
		TESTL(layout.TIFSigPending, RDX),
		IF(NE,
			PUSHFQ(),
			CALL(doSignal),
			POPFQ(),
		),
		RETURN(),
	).Takes(RDI, RDX)
}

func retintUser() Func {
	return FUNC("retint_user",
		`retint_user returns to ring 3 by IRETQ, or as the selected variant ends traps: RSP
is at complete PtRegs on top of the thread's stack, IF is any. It does the work that
Thread.Flags asks for first. Traps and new threads end here: ring 3 continues on the
page table, and with the SPEC_CTRL, that the selected variant gives it.`,
		exitWork(RSP),
		JMP(gs.TrapReturn),
	).Takes().Spoils(RBX)
}

func returnToUsermode() Func {
	popped := Fields[layout.PtRegs[Mem]](RDI.At(-Slots[layout.PtRegs[Slot]]().DI.Off))
	return FUNC("return_to_usermode",
		`return_to_usermode pops the complete PtRegs at RSP, on any stack, and
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
variant that returns to ring 3 itself. The PtRegs are complete and on top of
the thread's stack; any slot may change. IF is any; it returns with
interrupts off and no work left (Linux 4.6 arch/x86/entry/common.c).`,
		MOVQ(RDI, frame),
		current(RAX),
		TESTL(layout.TIFEntryWork, thread(RAX).Flags),
		IF(NE, CALL(syscallTraceLeave)),
		exitWork(frame),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func exitToUserModeLoop() Func {
	frame := R12
	return FUNC("exit_to_user_mode_loop",
		`exit_to_user_mode_loop(regs) is syscall_return_slowpath without a tracer's stop, for
variants that look for that by themselves (Linux 6.12 kernel/entry/common.c).`,
		MOVQ(RDI, frame),
		exitWork(frame),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI)
}

func retFromFork() Func {
	self := thread(RDX)
	return FUNC("ret_from_fork",
		`ret_from_fork is where a new thread begins, which is the current one: it is returned to
from its stack, or jumped to for TIFFork. IF is 0. A process that finds its TID in its
memory gets it there. The thread goes to ring 3 as the selected variant has new threads do.`,
		MOVQ(gs.Current, RDX),
		ANDL(^layout.TIFFork, self.Flags),
		MOVQ(gs.TopOfStack, RSP),
		SUBQ(regsSize, RSP),
		MOVQ(self.SetTID, RDI),
		TESTQ(RDI, RDI),
		IF(NE,
			MOVL(self.TID, RSI),
			CALL(putUserInt),
		),
		GLOBAL("ret_from_fork_to_user"),
		JMP(gs.NewThread),
	).Takes().Spoils(RBX)
}

// sendGP goes on in a frame as if the user's instruction had raised #GP with the error
// code R8: the thread gets SIGSEGV.
func sendGP(frame Reg) Block {
	return Block{
		MOVQ(-1, ptRegs(frame).OrigAX),
		MOVQ(frame, RSP),
		MOVL(sigSEGV, RDI),
		MOVL(siKernel, RSI),
		XORL(RDX, RDX),
		MOVL(x86.X86_TRAP_GP, RCX),
		CALL(forceSigFault),
		JMP(retintUser),
	}
}

func badIret() Func {
	frame := RBX
	regs := ptRegs(RDI)
	return FUNC("bad_iret",
		`bad_iret: the IRETQ to ring 3 faulted (a bad CS or SS, a non-canonical RIP).
RDI is the PtRegs of that fault: its general registers are the user's, its SP
is at the iret frame. It makes the fault look like one of the user's instruction
(Linux 3.18.1, fixup_bad_iret).`,
		MOVQ(RDI, RSI),
		MOVQ(regs.OrigAX, R8), // the error code
		MOVQ(gs.TopOfStack, frame),
		SUBQ(regsSize, frame),
		// The frame that it should have popped is still on top of the thread's stack,
		// if the IRETQ was on another stack. Else the two frames overlap and the new
		// one lies higher: copy downwards.
		MOVL(ptRegs(RSP).DI.Disp(), RCX),
		DO(
			MOVQ(RSI.Index(RCX, 1), RAX),
			MOVQ(RAX, frame.Index(RCX, 1)),
			SUBQ(8, RCX),
		).WHILE(NS),
		sendGP(frame),
	).Takes(RDI).Spoils(RBX)
}
