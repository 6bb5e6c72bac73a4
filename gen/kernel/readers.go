package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The readers of a thread's user RSP (layout.RSPReaders). The selected variant says of
// each where it looks: gs.OldReaders.

// readsOld sets ZF unless a reader takes the user's RSP from where 3.19 has it.
func readsOld(reader int) Ins { return TESTL(1<<reader, gs.OldReaders) }

// oldRSP loads the word that Linux calls old_rsp.
func oldRSP(dst Reg) Block {
	return Block{
		CMPQ(gs.OldRSP, layout.ScratchSP2),
		IF(E, MOVQ(gs.TSS.SP2, dst)).ELSE(MOVQ(gs.RSPScratch, dst)),
	}
}

// taskPtRegs puts the PtRegs on top of a thread's stack in dst (Linux's task_pt_regs).
func taskPtRegs(t *layout.Thread[Mem], dst Reg) Block {
	return Block{MOVQ(t.StackTop, dst), SUBQ(regsSize, dst)}
}

// rspReaders returns the readers, and the control call that asks all of them.
func rspReaders() Program {
	return Program{
		Funcs: Funcs(
			currentUserStackPointer, copyThread, startThread, kstkESP, collectSyscall, perfGetRegsUser, showRegs, sysReadings,
		),
		Data: []Data{readingsData},
	}
}

var readingsData = BSS("readings", SizeOf[layout.Readings[Mem]](), 64)

func currentUserStackPointer() Func {
	return FUNC("current_user_stack_pointer", "current_user_stack_pointer returns the user's RSP of the current call in RAX.",
		readsOld(layout.ReaderStackPointer),
		IF(NE, oldRSP(RAX), RETURN()),
		MOVQ(gs.TopOfStack, RAX),
		SUBQ(regsSize, RAX),
		MOVQ(ptRegs(RAX).SP, RAX),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RDI, RSI)
}

func copyThread() Func {
	t := thread(RDX)
	regs := ptRegs(RAX)
	return FUNC("copy_thread",
		`copy_thread gives the new thread RDX a copy of the current call's frame, with the stack
RSI unless that is 0, in which the call returns 0. As in Linux 3.19, usersp is copied
from a field that only a switch brings up to date.`,
		MOVQ(RSI, R8),
		MOVQ(gs.TopOfStack, RSI),
		SUBQ(regsSize, RSI),
		taskPtRegs(t, RDI),
		MOVQ(RDI, RAX),
		MOVL(regsSize/8, RCX),
		REP(MOVSQ()),
		MOVQ(0, regs.AX),
		TESTQ(R8, R8),
		IF(NE, MOVQ(R8, regs.SP)),
		readsOld(layout.ReaderCopyThread),
		IF(NE,
			MOVQ(gs.Current, RAX),
			MOVQ(thread(RAX).UserSP, RAX),
			MOVQ(RAX, t.UserSP),
		),
		RETURN(),
	).Takes(RDX, RSI)
}

func startThread() Func {
	self := thread(RCX)
	return FUNC("start_thread",
		`start_thread makes the PtRegs RDI those with which the loaded program begins in the
current thread.`,
		CALL(startRegs),
		readsOld(layout.ReaderStartThread),
		IF(NE,
			MOVQ(execState.SP, RAX),
			MOVQ(gs.Current, RCX),
			MOVQ(RAX, self.UserSP),
			CMPQ(gs.OldRSP, layout.ScratchSP2),
			IF(E, MOVQ(RAX, gs.TSS.SP2)).ELSE(MOVQ(RAX, gs.RSPScratch)),
		),
		RETURN(),
	).Takes(RDI)
}

func kstkESP() Func {
	t := thread(RDI)
	return FUNC("kstk_esp", "kstk_esp returns in RAX the user's RSP of thread RDI as /proc/PID/stat shows it (Linux's KSTK_ESP).",
		readsOld(layout.ReaderKSTKESP),
		IF(NE, MOVQ(t.UserSP, RAX), RETURN()),
		taskPtRegs(t, RAX),
		MOVQ(ptRegs(RAX).SP, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RDI, RSI, RDX, RCX, R8)
}

func collectSyscall() Func {
	t := thread(RDI)
	return FUNC("collect_syscall", "collect_syscall returns in RAX the user's RSP of thread RDI, which is in a call, as /proc/PID/syscall shows it.",
		readsOld(layout.ReaderCollectSyscall),
		IF(NE,
			CMPQ(RDI, gs.Current),
			IF(E, oldRSP(RAX), RETURN()),
			MOVQ(t.UserSP, RAX),
			RETURN(),
		),
		taskPtRegs(t, RAX),
		MOVQ(ptRegs(RAX).SP, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RDI, RSI, RDX, RCX, R8)
}

func perfGetRegsUser() Func {
	regs := ptRegs(RDI)
	user := ptRegs(R8)
	sample := Fields[layout.Sample[Mem]](RSI)
	return FUNC("perf_get_regs_user",
		`perf_get_regs_user puts what ring 3 has into the Sample RSI, which strikes in ring 0 at
the PtRegs RDI. Nothing is said while the frame is pushed. Else a frame whose orig_ax is
not -1 is taken for a call's (Linux 3.19 arch/x86/kernel/perf_regs.c: "this code is
severely racy").`,
		MOVQ(gs.TopOfStack, R8),
		SUBQ(regsSize, R8),
		MOVQ(regs.SP, RAX),
		LEAQ(user.R11, RCX),
		CMPQ(RAX, RCX),
		IF(A,
			CMPQ(RAX, gs.TopOfStack),
			IF(BE, RETURN()),
		),
		MOVQ(layout.SampleABI64, sample.ABI),
		copyField(user.IP, sample.UserIP),
		readsOld(layout.ReaderPerfRegs),
		IF(NE,
			CMPQ(user.OrigAX, -1),
			IF(NE,
				oldRSP(RAX),
				MOVQ(RAX, sample.UserSP),
				RETURN(),
			),
		),
		MOVQ(user.SP, RAX),
		MOVQ(RAX, sample.UserSP),
		RETURN(),
	).Takes(RDI, RSI).Keeps(RSI)
}

func showRegs() Func {
	return FUNC("__show_regs",
		`__show_regs returns in RAX the user's RSP that the dump of a panic at the kernel's RDI
shows, or 0: in the variant's own code there may be no frame, and the idle thread has no
call.`,
		LEAQ(Sym(entryStart), RAX),
		SUBQ(RAX, RDI),
		LEAQ(Sym(entryEnd), RCX),
		SUBQ(RAX, RCX),
		XORL(RAX, RAX),
		CMPQ(RDI, RCX),
		IF(B, RETURN()),
		MOVQ(gs.Current, RCX),
		CMPQ(RCX, gs.Idle),
		IF(E, RETURN()),
		readsOld(layout.ReaderShowRegs),
		IF(NE, oldRSP(RAX), RETURN()),
		taskPtRegs(thread(RCX), RAX),
		MOVQ(ptRegs(RAX).SP, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RSI)
}

func sysReadings() Func {
	buf := RBX
	out := Fields[layout.Readings[Mem]](Sym(readingsData))
	return FUNC("sys_readings", "sys_readings(tid, readings) is layout.SysReadings.",
		CLI(),
		MOVQ(RSI, buf),
		CALL(currentUserStackPointer),
		MOVQ(RAX, out.StackPointer),
		PUSHQ(RDI),
		LEAQ(Sym(sysReadings), RDI),
		CALL(showRegs),
		POPQ(RDI),
		MOVQ(RAX, out.ShowRegs),
		MOVQ(gs.Current, RAX),
		CMPQ(RDI, -1), // layout.NewestThread
		IF(E, MOVQ(sched.All, RAX)).ELSE(
			TESTL(RDI, RDI),
			IF(NE,
				CALL(findThread),
				TESTQ(RAX, RAX),
				IF(E, fail(ESRCH)),
			),
		),
		MOVQ(RAX, RDI),
		copyField(thread(RDI).UserSP, out.UserSP),
		copyField(thread(RDI).State, out.State),
		CALL(kstkESP),
		MOVQ(RAX, out.KSTKESP),
		CALL(collectSyscall),
		MOVQ(RAX, out.CollectSyscall),
		taskPtRegs(thread(RDI), RCX),
		copyField(ptRegs(RCX).IP, out.EIP),
		MOVQ(buf, RDI),
		LEAQ(Sym(readingsData), RSI),
		MOVL(SizeOf[layout.Readings[Mem]](), RDX),
		CALL(copyToUser),
		RETURN(),
	).Saving(RBX).Takes(RDI, RSI).Returns(RAX)
}
