package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The requests of ptrace (Linux include/uapi/linux/ptrace.h).
const (
	ptraceTRACEME    = 0
	ptracePEEKTEXT   = 1
	ptracePEEKDATA   = 2
	ptracePEEKUSER   = 3
	ptracePOKETEXT   = 4
	ptracePOKEDATA   = 5
	ptracePOKEUSER   = 6
	ptraceCONT       = 7
	ptraceKILL       = 8
	ptraceSINGLESTEP = 9
	ptraceGETREGS    = 12
	ptraceSETREGS    = 13
	ptraceATTACH     = 16
	ptraceDETACH     = 17
	ptraceSYSCALL    = 24

	// userSize is the size of the kernel's struct user.
	userSize = 928
)

// tracedActions are the actions of every signal of a process that is traced, as do_signal
// sees them: the default, behind which it asks the tracer. So a process that is not traced
// pays nothing for that.
var tracedActions = BSS("traced_actions", actionSize*(layout.NumSignals+1), 64)

// userRegs is the registers that a request hands over.
var userRegs = Fields[layout.UserRegs[Mem]](Sym(userRegsData))

var userRegsData = BSS("user_regs", SizeOf[layout.UserRegs[Mem]](), 64)

// ptraces is ptrace, by which a process looks at a child and changes it (Linux
// kernel/ptrace.c, arch/x86/kernel/ptrace.c). A process is traced by its parent alone, and
// its first thread alone. That stops before a signal is delivered, in do_signal, where its
// frame is full pt_regs. Stops at system calls, PTRACE_SYSCALL, do not exist.
func ptraces() Program {
	return Program{
		Funcs: Funcs(
			sysPtrace, traceBegin, traceEnd, ptraceSignal, ptraceStop, ptraceResume, ptraceRegs, getreg, putReg, ptraceWord,
		),
		Data: []Data{tracedActions, userRegsData},
	}
}

// realActions puts the base of the actions that the program of process p has set in dst.
func realActions(p, dst Reg) Ins { return actionsBase(p, dst) }

func traceBegin() Func {
	p := process(RDI)
	return FUNC("trace_begin", "trace_begin makes the process RDI one that its parent traces. IF is 0.",
		MOVQ(1, p.Trace.On),
		LEAQ(Sym(tracedActions), RAX),
		MOVQ(RAX, p.ActionsBase),
		CMPQ(RDI, gs.Process),
		IF(E, MOVQ(RAX, gs.SigActions)),
		RETURN(),
	).Takes(RDI).Keeps(RDI)
}

func traceEnd() Func {
	p := process(RDI)
	return FUNC("trace_end", "trace_end lets the process RDI run without its tracer; if it has stopped, it goes on, and gets the signal. IF is 0.",
		CMPQ(p.Trace.On, 0),
		IF(E, RETURN()),
		MOVQ(0, p.Trace.On),
		realActions(RDI, RAX),
		MOVQ(RAX, p.ActionsBase),
		MOVQ(p.Trace.Signal, RSI),
		TESTQ(RSI, RSI),
		IF(E, RETURN()),
		JMP(ptraceResume),
	).Takes(RDI)
}

func ptraceResume() Func {
	p := process(RDI)
	return FUNC("ptrace_resume", "ptrace_resume lets the stopped process RDI go on with the signal ESI, 0 for none. IF is 0.",
		MOVQ(RSI, p.Trace.Deliver),
		MOVQ(0, p.Trace.Signal),
		MOVQ(p.PID, RDI),
		CALL(findThread),
		MOVQ(RAX, RDI),
		XORL(RSI, RSI),
		TESTQ(RDI, RDI),
		IF(E, RETURN()),
		JMP(wakeUp),
	).Takes(RDI, RSI)
}

func ptraceSignal() Func {
	sig, selfPtr := RBX, R12
	self := thread(selfPtr)
	return FUNC("ptrace_signal",
		`ptrace_signal stops the current thread before it gets the signal ESI, if it is traced;
RDI is its full pt_regs. Returns in EAX the signal that it is to get, 0 for none, and in RDX
the action that its program has set. IF is 0.`,
		MOVL(RSI, sig),
		MOVQ(gs.Current, selfPtr),
		MOVQ(self.TID, RAX),
		CMPQ(RAX, gs.PID),
		IF(E,
			CMPL(sig, sigKILL),
			IF(NE,
				MOVQ(gs.Process, RCX),
				CMPQ(process(RCX).Trace.On, 0),
				IF(NE,
					CALL(ptraceStop),
					MOVL(RAX, sig),
				),
			),
		),
		MOVQ(gs.Process, RCX),
		realActions(RCX, RCX),
		MOVL(sig, RDX),
		SHLQ(5, RDX), // actionSize
		ADDQ(RCX, RDX),
		MOVL(sig, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI).Returns(RAX, RDX)
}

func ptraceStop() Func {
	frame, group, selfPtr := RBX, R12, R13
	p := process(group)
	self := thread(selfPtr)
	kill := uint64(1) << (sigKILL - 1)
	return FUNC("ptrace_stop",
		`ptrace_stop stops the current thread at the signal ESI until its tracer lets it go on or
SIGKILL comes. RDI is its full pt_regs. Returns in EAX the signal that it is to get. IF is 0.`,
		MOVQ(RDI, frame),
		MOVQ(gs.Process, group),
		MOVQ(gs.Current, selfPtr),
		CMPQ(p.Trace.Step, 0),
		IF(NE,
			MOVQ(0, p.Trace.Step),
			ANDQ(^x86.X86_EFLAGS_TF, ptRegs(frame).Flags),
		),
		MOVL(RSI, RSI),
		MOVQ(RSI, p.Trace.Signal),
		MOVQ(0, p.Trace.Seen),
		MOVQ(p.Parent, RDI),
		TESTQ(RDI, RDI),
		IF(NE, CALL(wakeWaiter)),
		LOOP(
			CMPQ(p.Trace.Signal, 0),
			IF(E,
				MOVQ(p.Trace.Deliver, RAX),
				RETURN(),
			),
			MOVQ(self.Pending.Mask, RAX),
			ORQ(p.Pending.Mask, RAX),
			TESTQ(kill, RAX),
			IF(E, CMPQ(self.SigForced, sigKILL)).ELSE(XORL(RAX, RAX)), // ZF: it dies
			IF(E,
				MOVQ(0, p.Trace.Signal),
				returns(0),
			),
			MOVQ(layout.ThreadBlocked, self.State),
			CALL(schedule),
		),
	).Saving(RBX, R12, R13).Takes(RDI, RSI).Returns(RAX)
}

func sysPtrace() Func {
	request, child, addr, data, frame, selfPtr := RBX, R12, R13, R14, R15, RBP
	c := process(child)
	self := thread(selfPtr)
	return FUNC("sys_ptrace", "sys_ptrace(request EDI, pid ESI, addr RDX, data RCX).",
		CLI(),
		MOVL(RDI, request),
		MOVQ(RDX, addr),
		MOVQ(RCX, data),
		CMPL(request, ptraceTRACEME),
		IF(E,
			MOVQ(gs.Process, RDI),
			CMPQ(process(RDI).Parent, 0),
			IF(E, fail(EPERM)),
			CMPQ(process(RDI).Trace.On, 0),
			IF(NE, fail(EPERM)),
			CALL(traceBegin),
			returns(0),
		),
		MOVL(RSI, RDI),
		CALL(findProcess),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)),
		MOVQ(RAX, child),
		MOVQ(c.PID, RDI),
		CALL(findThread),
		TESTQ(RAX, RAX),
		IF(E, fail(ESRCH)), // a zombie, or its first thread has ended
		MOVQ(RAX, selfPtr), // of the tracee
		MOVQ(c.Parent, RAX),
		CMPQ(RAX, gs.Process),
		IF(NE,
			CMPL(request, ptraceATTACH),
			IF(E, fail(EPERM)),
			fail(ESRCH),
		),
		CMPL(request, ptraceATTACH),
		IF(E,
			CMPQ(c.Trace.On, 0),
			IF(NE, fail(EPERM)),
			MOVQ(child, RDI),
			CALL(traceBegin),
			MOVL(sigSTOP, RDI),
			MOVQ(selfPtr, RSI),
			XORL(RDX, RDX),
			MOVQ(child, R8),
			CALL(sendSignal),
			returns(0),
		),
		CMPQ(c.Trace.On, 0),
		IF(E, fail(ESRCH)),
		CMPL(request, ptraceKILL),
		IF(E,
			MOVQ(selfPtr, RAX),
			CALL(killForced),
			MOVQ(child, RDI),
			XORL(RSI, RSI),
			CALL(ptraceResume),
			returns(0),
		),
		CMPQ(c.Trace.Signal, 0),
		IF(E, fail(ESRCH)), // it runs
		taskPtRegs(self, frame),

		CMPL(request, ptraceSINGLESTEP),
		IF(E,
			MOVQ(1, c.Trace.Step),
			ORQ(x86.X86_EFLAGS_TF, ptRegs(frame).Flags),
			CMPL(request, ptraceSINGLESTEP),
		),
		IF(NE, CMPL(request, ptraceCONT)),
		IF(NE, CMPL(request, ptraceDETACH)),
		IF(E,
			CMPQ(data, layout.NumSignals),
			IF(A, fail(EIO)),
			CMPL(request, ptraceDETACH),
			IF(E,
				MOVQ(0, c.Trace.On),
				realActions(child, RAX),
				MOVQ(RAX, c.ActionsBase),
			),
			MOVQ(child, RDI),
			MOVQ(data, RSI),
			CALL(ptraceResume),
			returns(0),
		),
		CMPL(request, ptraceGETREGS),
		IF(E,
			CALL(ptraceRegs),
			MOVQ(data, RDI),
			LEAQ(Sym(userRegsData), RSI),
			MOVL(SizeOf[layout.UserRegs[Mem]](), RDX),
			CALL(copyToUser),
			RETURN(),
		),
		CMPL(request, ptraceSETREGS),
		IF(E,
			LEAQ(Sym(userRegsData), RDI),
			MOVQ(data, RSI),
			MOVL(SizeOf[layout.UserRegs[Mem]](), RDX),
			CALL(copyFromUser),
			TESTQ(RAX, RAX),
			IF(NE, RETURN()),
			XORL(addr, addr),
			DO(
				LEAQ(Sym(userRegsData), RAX),
				MOVQ(RAX.Index(addr, 1), RSI),
				CALL(putReg),
				TESTQ(RAX, RAX),
				IF(NE, RETURN()),
				ADDQ(8, addr),
				CMPQ(addr, SizeOf[layout.UserRegs[Mem]]()),
			).WHILE(B),
			returns(0),
		),
		CMPL(request, ptracePEEKUSER),
		IF(NE, CMPL(request, ptracePOKEUSER)),
		IF(E,
			TESTL(7, addr),
			IF(NE, fail(EIO)),
			CMPQ(addr, userSize),
			IF(AE, fail(EIO)),
			CMPL(request, ptracePOKEUSER),
			IF(E,
				CMPQ(addr, SizeOf[layout.UserRegs[Mem]]()),
				IF(AE, fail(EIO)),
				MOVQ(data, RSI),
				CALL(putReg),
				RETURN(),
			),
			XORL(RSI, RSI),
			CMPQ(addr, SizeOf[layout.UserRegs[Mem]]()),
			IF(B,
				CALL(ptraceRegs),
				LEAQ(Sym(userRegsData), RAX),
				MOVQ(RAX.Index(addr, 1), RSI),
			),
			MOVQ(data, RDI),
			CALL(putUserLong),
			RETURN(),
		),
		CMPL(request, ptracePEEKTEXT),
		IF(NE, CMPL(request, ptracePEEKDATA)),
		IF(E,
			MOVL(x86.PAGE_PRESENT, RSI),
			CALL(ptraceWord),
			TESTQ(RAX, RAX),
			IF(E, fail(EIO)),
			MOVQ(RAX.At(0), RSI),
			MOVQ(data, RDI),
			CALL(putUserLong),
			RETURN(),
		),
		CMPL(request, ptracePOKETEXT),
		IF(NE, CMPL(request, ptracePOKEDATA)),
		IF(E,
			MOVL(x86.PAGE_PRESENT|x86.PAGE_RW, RSI),
			CALL(ptraceWord),
			TESTQ(RAX, RAX),
			IF(E, fail(EIO)),
			MOVQ(data, RAX.At(0)),
			returns(0),
		),
		CMPL(request, ptraceSYSCALL),
		IF(E, fail(ENOSYS)),
		fail(EIO),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX).Returns(RAX)
}

func ptraceRegs() Func {
	frame, selfPtr := R15, RBP
	t := thread(selfPtr)
	return FUNC("ptrace_regs", "ptrace_regs puts the registers of the stopped thread RBP with the frame R15 in user_regs.",
		MOVQ(frame, RSI),
		LEAQ(Sym(userRegsData), RDI),
		MOVL(regsSize/8, RCX),
		REP(MOVSQ()),
		CALL(getreg),
		MOVQ(RAX, userRegs.PtRegs.SP),
		copyField(t.FSBase, userRegs.FSBase),
		copyField(t.GSBase, userRegs.GSBase),
		MOVQ(0, userRegs.DS), // nobody has others
		MOVQ(0, userRegs.ES),
		MOVQ(0, userRegs.FS),
		MOVQ(0, userRegs.GS),
		RETURN(),
	).Takes(RBP, R15)
}

func getreg() Func {
	frame, selfPtr := R15, RBP
	t := thread(selfPtr)
	return FUNC("getreg", "getreg returns in RAX the user's RSP of the stopped thread RBP, whose frame R15 is full pt_regs.",
		readsOld(layout.ReaderGetReg),
		IF(NE, MOVQ(t.UserSP, RAX), RETURN()),
		MOVQ(ptRegs(frame).SP, RAX),
		RETURN(),
	).Takes(RBP, R15).Returns(RAX)
}

func putReg() Func {
	addr, frame, selfPtr := R13, R15, RBP
	t := thread(selfPtr)
	slot := Slots[layout.UserRegs[Slot]]()
	return FUNC("put_reg",
		`put_reg sets the register at the offset R13 of struct user to RSI, in the stopped thread
RBP with the frame R15. Returns 0, or -EIO for what would lead out of ring 3: a selector
with another RPL, or a base above user memory. Of the flags it sets those that a program may
set for itself (Linux 3.19 arch/x86/kernel/ptrace.c, putreg, set_segment_reg, set_flags).`,
		CMPQ(addr, slot.PtRegs.CS.Off),
		IF(NE, CMPQ(addr, slot.PtRegs.SS.Off)),
		IF(E,
			CMPQ(RSI, 0xffff),
			IF(A, fail(EIO)),
			MOVL(RSI, RAX),
			NOTL(RAX),
			TESTL(3, RAX),
			IF(NE, fail(EIO)),
		),
		CMPQ(addr, slot.PtRegs.Flags.Off),
		IF(E,
			ANDL(x86.UserFlags, RSI),
			MOVQ(ptRegs(frame).Flags, RAX),
			ANDL(^x86.UserFlags, RAX),
			ORQ(RAX, RSI),
		),
		CMPQ(addr, regsSize),
		IF(B,
			MOVQ(RSI, frame.Index(addr, 1)),
			returns(0),
		),
		CMPQ(addr, slot.GSBase.Off),
		IF(A, // segment registers: 0, or ring 3's
			TESTL(RSI, RSI),
			IF(NE, fail(EIO)),
			returns(0),
		),
		userLimit(RSI, RAX),
		IF(AE, fail(EIO)),
		CMPQ(addr, slot.FSBase.Off),
		IF(E, MOVQ(RSI, t.FSBase)).ELSE(MOVQ(RSI, t.GSBase)),
		returns(0),
	).Takes(RBP, R13, R15, RSI).Returns(RAX)
}

func ptraceWord() Func {
	addr, selfPtr := R13, RBP
	level := func(shift int) Block {
		return Block{
			slot(RDI, shift, RCX),
			MOVQ(RAX.Index(RCX, 1), RAX),
			MOVL(RAX, RCX),
			NOTL(RCX),
			TESTL(RSI, RCX),
			JNE("none"),
			notNX(RAX),
			tableOf(),
		}
	}
	return FUNC("ptrace_word",
		`ptrace_word returns in RAX the linear address of the word at the address R13 of the stopped
thread RBP, or 0 unless it is in one page, whose entry has the bits ESI. A page that was never
touched, and one that is shared after a fork, have not.`,
		MOVQ(addr, RDI),
		accessOK(RDI, 8, "none"),
		MOVL(RDI, RAX),
		ANDL(layout.PageSize-1, RAX),
		CMPL(RAX, layout.PageSize-8),
		JA("none"),
		MOVQ(uint64(layout.PhysMap), R8),
		MOVQ(thread(selfPtr).MM, RAX),
		MOVQ(mm(RAX).PGD, RAX),
		ADDQ(R8, RAX),
		level(pml4Shift), level(pdptShift), level(pdShift), level(ptShift),
		ANDL(layout.PageSize-1, RDI),
		ADDQ(RDI, RAX),
		RETURN(),
		LABEL("none"),
		XORL(RAX, RAX),
		RETURN(),
	).Takes(RBP, R13, RSI).Returns(RAX)
}
