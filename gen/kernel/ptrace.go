package kernel

import (
	"math/bits"

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
	ptraceSETOPTIONS = 0x4200

	// ptraceSYSGOOD is PTRACE_O_TRACESYSGOOD, the only option that there is, and sysGood what
	// it adds to the signal of a stop at a call.
	ptraceSYSGOOD = 1
	sysGood       = 0x80

	trapBRKPT   = 1 // SIGTRAP's si_code where a step has ended with a call
	saNOCLDSTOP = 1

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

// ptraces returns the part that implements ptrace, by which a process looks at another and
// changes it (Linux kernel/ptrace.c, arch/x86/kernel/ptrace.c). Only a process's first
// thread is traced. It stops before a signal is delivered, in do_signal, and with
// PTRACE_SYSCALL where a call begins and ends: there its frame is full pt_regs.
func ptraces() Program {
	return Program{
		Funcs: Funcs(
			sysPtrace, traceBegin, traceEnd, traceesEnd, ptraceSignal, ptraceStop, ptraceTell, ptraceResume, traceCalls,
			syscallTraceEnterPhase1, syscallTraceEnter, syscallTraceLeave, ptraceReport, ptraceRegs, getreg, putReg, ptraceWord,
		),
		Data: []Data{tracedActions, userRegsData},
	}
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
			MOVQ(process(RDI).Parent, RDX),
			TESTQ(RDX, RDX),
			IF(E, fail(EPERM)),
			CMPQ(process(RDI).Trace.Tracer, 0),
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
		MOVQ(c.Trace.Tracer, RAX),
		CMPL(request, ptraceATTACH),
		IF(E,
			CMPQ(child, gs.Process),
			IF(E, fail(EPERM)),
			TESTQ(RAX, RAX),
			IF(NE, fail(EPERM)),
			MOVQ(child, RDI),
			MOVQ(gs.Process, RDX),
			CALL(traceBegin),
			MOVL(sigSTOP, RDI),
			MOVQ(selfPtr, RSI),
			XORL(RDX, RDX),
			MOVQ(child, R8),
			CALL(sendSignal),
			returns(0),
		),
		CMPQ(RAX, gs.Process),
		IF(NE, fail(ESRCH)),
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

		CMPL(request, ptraceCONT),
		IF(NE, CMPL(request, ptraceSYSCALL)),
		IF(NE, CMPL(request, ptraceSINGLESTEP)),
		IF(NE, CMPL(request, ptraceDETACH)),
		IF(E,
			CMPQ(data, layout.NumSignals),
			IF(A, fail(EIO)),
			MOVQ(child, RDI),
			CMPL(request, ptraceDETACH),
			IF(E,
				MOVQ(data, RSI),
				CALL(traceEnd),
				returns(0),
			),
			XORL(RSI, RSI),
			CMPL(request, ptraceSYSCALL),
			SETE(RSI),
			CMPL(request, ptraceSINGLESTEP),
			IF(E,
				MOVQ(1, c.Trace.Step),
				ORQ(x86.X86_EFLAGS_TF, ptRegs(frame).Flags),
				MOVL(2, RSI),
			),
			CALL(traceCalls),
			MOVQ(child, RDI),
			MOVQ(data, RSI),
			CALL(ptraceResume),
			returns(0),
		),
		CMPL(request, ptraceSETOPTIONS),
		IF(E,
			TESTQ(^ptraceSYSGOOD, data),
			IF(NE, fail(EINVAL)),
			SHLL(bits.TrailingZeros(sysGood), data),
			MOVQ(data, c.Trace.SysGood),
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
set for itself, NT too (Linux 3.19 arch/x86/kernel/ptrace.c, putreg, set_segment_reg,
set_flags).`,
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
			ANDL(x86.TracedFlags, RSI),
			MOVQ(ptRegs(frame).Flags, RAX),
			ANDL(^x86.TracedFlags, RAX),
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
