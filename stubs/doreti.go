package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Functions of slow=doreti, by FreeBSD's names.
const (
	amd64Syscall = "amd64_syscall"
	astName      = "ast"
	doretiName   = "doreti"
)

// running is the thread that runs, in RAX. FreeBSD keeps its flags and those of its PCB in
// two structures, and has a per-CPU word for each.
var running = Fields[layout.Thread[Mem]](RAX)

// fastSyscall makes a call with slow=doreti, from its frame on (FreeBSD 10.4:
// sys/amd64/amd64/exception.S, fast_syscall).
func (v Axes) fastSyscall(suffix string) Block {
	regs := regsAt(v.low())
	thread := Fields[layout.Thread[Mem]](RDI)
	return Block{
		v.beforeHandlerAt(suffix),
		MOVQ(gs.Current, RDI),
		MOVQ(RSP, thread.Frame),
		MOVL(regs.Flags, RSI),
		ANDL(x86.X86_EFLAGS_TF, RSI).C("does the user single-step?"),
		v.at(BeforeDispatch),
		CALL(FuncName(amd64Syscall, suffix)),

		LABEL("syscall_return"),
		MOVQ(gs.Current, RAX).C("its PCB"),
		v.disable(), // or work could come up after the tests
		TESTL(layout.PCBFullIRET, running.PCBFlags),
		JNE("full_iret"),
		MOVQ(gs.Current, RAX),
		TESTL(layout.TIFAllWork, running.Flags),
		JNE("ast_scheduled"),

		LABEL("syscall_return_via_sysret"),
		v.at(BeforeExit),
		v.loadRest(regs),
		v.loadTrapframe(regs),
		v.leave(v.low()),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),

		LABEL("ast_scheduled"),
		FRAME(v.low()),
		v.callAST(suffix),
		JMP("syscall_return"),

		LABEL("full_iret"),
		JMP(FuncName(doretiName, suffix)),
	}
}

// callAST has ast do the work that Thread.Flags asks for.
func (v Axes) callAST(suffix string) Block {
	return Block{
		v.enableAgain(),
		MOVQ(RSP, RDI).C("the trapframe"),
		CALL(FuncName(astName, suffix)),
	}
}

// doretiFuncs returns the functions of slow=doreti.
func (v Axes) doretiFuncs(suffix string) []Func {
	funcs := []Func{v.amd64Syscall(suffix), v.ast(suffix), v.doreti(suffix)}
	for _, c := range layout.FullFrameCalls {
		if v.Wraps(c) {
			funcs = append(funcs, v.setsFullIRET(c, suffix))
		}
	}
	return funcs
}

// setsFullIRET returns the entry of sys_call_table for a handler that may change any slot. In
// FreeBSD such handlers set the flag themselves.
func (v Axes) setsFullIRET(c layout.FullFrameCall, suffix string) Func {
	return FUNC(FuncName(c.Stub(), suffix), c.Stub()+" has "+c.Handler()+"'s call end by doreti, as SYSRETQ does not carry every slot.",
		MOVQ(gs.Current, RAX),
		ORL(layout.PCBFullIRET, running.PCBFlags),
		JMP(c.Handler()).C("which returns to amd64_syscall"),
	).In("entry")
}

// amd64Syscall returns the function that is C in FreeBSD (sys/amd64/amd64/trap.c,
// amd64_syscall and cpu_fetch_syscall_args; sys/kern/subr_syscall.c, syscallenter and
// syscallret).
func (v Axes) amd64Syscall(suffix string) Func {
	td, frame, traced := RBX, RBP, R12
	thread, regs := Fields[layout.Thread[Mem]](td), Fields[layout.PtRegs[Mem]](frame.At(-v.low()))
	return FUNC(FuncName(amd64Syscall, suffix), `amd64_syscall(td, traced) makes the call of the thread's frame, and tells its
tracer of the begin and the end. IF is on, unless the variant keeps it off.`,
		MOVQ(RDI, td),
		MOVL(RSI, traced),
		MOVQ(thread.Frame, frame),
		MOVQ(-layout.ENOSYS, regs.AX),
		TESTL(layout.TIFEntryWork, thread.Flags).C("a tracer?"),
		JNE("trace_enter"),
		LABEL("fetch_args"),
		MOVQ(regs.OrigAX, RAX),
		v.testNumber(false),
		JA("set_retval").C("the ax slot holds -ENOSYS"),
		MOVQ(regs.DI, RDI),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.R10, RCX).C("argument 4"),
		MOVQ(regs.R8, R8),
		MOVQ(regs.R9, R9),
		v.call(Sym("sys_call_table").Index(RAX, 8), suffix),
		MOVQ(RAX, regs.AX),
		LABEL("set_retval"),
		TESTL(traced, traced),
		JNE("single_step"),
		LABEL("syscallret"),
		TESTL(layout.TIFEntryWork, thread.Flags).C("a tracer?"),
		JNE("trace_leave"),
		LABEL("test_rip"),
		MOVQ(regs.IP, RAX),
		SHRQ(userBits, RAX).C("SYSRETQ could fault, in ring 0"),
		JNE("set_full_iret"),
		RETURN(),

		LABEL("single_step"),
		ORL(layout.PCBFullIRET, thread.PCBFlags).C("SYSRETQ would trap too early"),
		JMP("syscallret"),

		LABEL("trace_enter"),
		LEAQ(frame.At(-v.low()), RDI),
		CALL(traceEnter),
		ORL(layout.PCBFullIRET, thread.PCBFlags).C("it may have changed any slot"),
		JMP("fetch_args"),

		LABEL("trace_leave"),
		LEAQ(frame.At(-v.low()), RDI),
		CALL(traceLeave),
		LABEL("set_full_iret"),
		ORL(layout.PCBFullIRET, thread.PCBFlags),
		RETURN(),
	).Saving(RBX, RBP, R12).In("entry")
}

// userBits is how many low bits of a user's address may be set: from the others on
// VM_MAXUSER_ADDRESS begins.
const userBits = 47

// ast returns the function that does the work which is pending (sys/kern/subr_trap.c).
func (v Axes) ast(suffix string) Func {
	td, frame := RBX, RBP
	thread := Fields[layout.Thread[Mem]](td)
	return FUNC(FuncName(astName, suffix), `ast(trapframe) lets another thread run and delivers signals, if Thread.Flags asks for that.
A signal changes the frame, and so the call ends by doreti.`,
		MOVQ(RDI, frame),
		MOVQ(gs.Current, td),
		TESTL(layout.TIFNeedResched, thread.Flags),
		IF(NE, CALL("schedule_user")),
		MOVL(thread.Flags, RDX),
		TESTL(layout.TIFDoNotify, RDX),
		IF(NE,
			LEAQ(frame.At(-v.low()), RDI),
			XORL(RSI, RSI),
			CALL("do_notify_resume"),
			ORL(layout.PCBFullIRET, thread.PCBFlags),
		),
		RETURN(),
	).Saving(RBX, RBP).In("entry")
}

// doreti returns the end of a call by IRETQ, from a frame that is whole.
func (v Axes) doreti(suffix string) Func {
	regs := regsAt(v.low())
	return FUNC(FuncName(doretiName, suffix), `doreti returns to ring 3 by IRETQ, when no work is left: RSP is where fast_syscall has it
while a handler runs.`,
		FRAME(v.low()),
		v.disable(),
		MOVQ(gs.Current, RAX),
		TESTL(layout.TIFAllWork, running.Flags),
		JE("doreti_exit"),
		v.callAST(suffix),
		JMP(FuncName(doretiName, suffix)),

		LABEL("doreti_exit"),
		v.at(BeforeExit),
		MOVQ(regs.DI, RDI),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.CX, RCX),
		MOVQ(regs.R8, R8),
		MOVQ(regs.R9, R9),
		MOVQ(regs.AX, RAX),
		MOVQ(regs.BX, RBX),
		MOVQ(regs.BP, RBP),
		MOVQ(regs.R10, R10),
		MOVQ(regs.R11, R11),
		MOVQ(regs.R12, R12),
		MOVQ(regs.R13, R13),
		MOVQ(regs.R14, R14),
		MOVQ(regs.R15, R15),
		v.doretiIRET(),
	).In("entry")
}

// doretiIRET ends doreti, when all registers but RSP are the user's.
func (v Axes) doretiIRET() Block {
	if !v.Is(CR3Keep) { // needs GS
		return v.iretTail(v.low(), "")
	}
	return Block{
		v.disable(),
		SWAPGS().C("GS.base: PerCPU -> user"),
		ADDQ(pt.IP.Off-v.low(), RSP).C("to the hardware frame"),
		v.at(BeforeReturn),
		v.espfix(""),
	}
}
