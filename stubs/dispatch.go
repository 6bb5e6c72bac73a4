package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// fast makes an ordinary call, from the frame to its handler and out.
func (v Axes) fast(suffix string) Block {
	regs := regsAt(v.low())
	return Block{
		v.beforeHandler(regs, suffix),
		v.testEntryWork(suffix),
		v.traceAgain(),
		v.at(BeforeDispatch),
		v.testNumber(false),
		JA("ret_from_sys_call").C("the ax slot holds -ENOSYS"),
		MOVQ(R10, RCX).C("argument 4, as a function takes it"),
		v.call(Sym("sys_call_table").Index(RAX, 8), suffix),
		v.afterCall(suffix),
		MOVQ(RAX, regs.AX),

		LABEL("ret_from_sys_call"),
		v.testWork(suffix),
		v.exit(suffix),

		v.carefulWork(),
		v.slow(suffix),
	}
}

// testEntryWork leaves the fast path for a tracer, and from 4.6 on also if it
// is known already that the fast exit cannot be taken.
func (v Axes) testEntryWork(suffix string) Block {
	flags := threadAt(v.low()).Flags
	if v.Is(SlowC) {
		return Block{
			TESTL(layout.TIFEntryWork|layout.TIFAllWork, flags).C("a tracer? a signal?"),
			JNE(slowPath(suffix)),
		}
	}
	return Block{
		TESTL(layout.TIFEntryWork, flags).C("a tracer?"),
		JNE("tracesys"),
	}
}

// afterCall names the place to which a handler returns from the fast path.
func (v Axes) afterCall(suffix string) Block {
	if !v.Is(SlowC) {
		return nil
	}
	return Block{GLOBAL(fastReturn(suffix)), FRAME(v.low())}
}

func fastReturn(suffix string) string {
	return FuncName("entry_SYSCALL_64_after_fastpath_call", suffix)
}
func slowPath(suffix string) string { return FuncName("entry_SYSCALL64_slow_path", suffix) }

// ptregs returns the entries of sys_call_table with SlowC, for handlers that need full
// pt_regs.
func (v Axes) ptregs(suffix string) []Func {
	common := FuncName("stub_ptregs_64", suffix)
	funcs := []Func{
		FUNC(common, `stub_ptregs_64 is called in the place of the handler RAX, which needs full
pt_regs. From the fast path it begins the call again on the slow one; from there
it jumps to the handler.`,
			LEAQ(Sym(fastReturn(suffix)), R11),
			CMPQ(R11, RSP.At(0)),
			JNE("called_from_c"),
			v.disable(),
			POPQ(RAX).C("no return to the fast path"),
			JMP(slowPath(suffix)),
			LABEL("called_from_c"),
			v.jumpRAX(suffix),
		).In("entry"),
	}
	for _, c := range layout.FullFrameCalls {
		funcs = append(funcs, FUNC(FuncName(c.Stub(), suffix), c.Stub()+" takes the place of "+c.Handler()+".",
			LEAQ(Sym(c.Handler()), RAX),
			JMP(common),
		).In("entry"))
	}
	return funcs
}

// only makes every call with SlowOnly: it has one path.
func (v Axes) only(suffix string) Block {
	return Block{
		MOVQ(RSP, RDI).C("the frame"),
		MOVSLQ(RAX, RSI).C("the number, an int"),
		v.beforeHandlerAt(suffix),
		CALL(FuncName("do_syscall_64", suffix)).C("leaves interrupts off"),
		v.onlySYSRET(),
		LABEL("swapgs_restore_regs_and_return_to_usermode"),
		v.at(BeforeExit),
		v.nop("to the exit of Xen's guests"),
		v.toPTI(),
		v.eraseOnStack(),
		v.popRegs(),
		v.popIRET(),
	}
}

// onlySYSRET leaves by SYSRETQ if do_syscall_64 has found that the frame allows
// that, which AL says.
func (v Axes) onlySYSRET() Block {
	if v.Is(ExitIRET) {
		return nil
	}
	return Block{
		TESTB(RAX, RAX),
		JE("swapgs_restore_regs_and_return_to_usermode"),
		LABEL("syscall_return_via_sysret"),
		v.at(BeforeExit),
		v.popRegs(),
		v.popLeave(),
		SWAPGS().C("GS.base: PerCPU -> user"),
		v.at(BeforeReturn),
		SYSRETQ(),
	}
}

// popLeave loads the last two, RDI and RSP.
func (v Axes) popLeave() Block {
	if v.Is(LeaveTrampoline) {
		return v.leaveFrame(pt.DI.Off)
	}
	return Block{POPQ(RDI).Is(pt.DI), v.leaveFrame(pt.OrigAX.Off)}
}

// popRegs restores the registers from R15 up to RSI.
func (v Axes) popRegs() Block {
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

// doSyscall returns the part that is C in Linux: the call as a function of the frame. With
// SlowOnly it decides about the exit too.
func (v Axes) doSyscall(suffix string) Func {
	regs := Fields[layout.PtRegs[Mem]](RBX)
	thread := Fields[layout.Thread[Mem]](RBX.At(regsSize - layout.ThreadSize))
	doc, enable, result := "do_syscall_64(regs)", v.enableAgain(), Block{RETURN()}
	number, traced := Block{MOVQ(regs.OrigAX, RAX), v.testNumber(false)}, Block{CALL(traceEnter)}
	if v.Is(SlowOnly) {
		doc, enable, result = "do_syscall_64(regs, number)", v.at(BeforeDispatch), v.sysretResult(regs)
		number = Block{MOVL(RSI, RAX), v.testNumber(true)} // see IntNumber
		traced = append(traced, MOVSLQ(RAX, RSI))
	}
	return FUNC(FuncName("do_syscall_64", suffix), doc+` makes a call from full pt_regs. It does all
the work that is then pending, and leaves interrupts off.`,
		MOVQ(RDI, RBX),
		enable,
		TESTL(layout.TIFEntryWork, thread.Flags).C("a tracer?"),
		JNE("syscall_enter_work"),
		LABEL("make_call"),
		number,
		JA("syscall_return").C("the ax slot holds -ENOSYS"),
		MOVQ(regs.DI, RDI),
		MOVQ(regs.SI, RSI),
		MOVQ(regs.DX, RDX),
		MOVQ(regs.R10, RCX).C("argument 4"),
		MOVQ(regs.R8, R8),
		MOVQ(regs.R9, R9),
		v.call(Sym("sys_call_table").Index(RAX, 8), suffix),
		MOVQ(RAX, regs.AX),
		LABEL("syscall_return"),
		v.doWork(thread),
		result,
		LABEL("syscall_enter_work"),
		MOVQ(RBX, RDI),
		traced,
		JMP("make_call"),
	).Saving(RBX).In("entry")
}

// doWork does the work that the thread's flags ask for. 6.12 tests whether
// there is any before it calls.
func (v Axes) doWork(thread *layout.Thread[Mem]) Block {
	call := Block{
		MOVQ(RBX, RDI),
		CALL("syscall_return_slowpath").C("turns interrupts off"),
	}
	if !v.Is(SlowOnly) {
		return call
	}
	return Block{
		v.disable(),
		TESTL(layout.TIFAllWork|layout.TIFEntryWork, thread.Flags),
		IF(NE, call),
	}
}

// sysretResult returns in EAX whether SYSRETQ may be used.
func (v Axes) sysretResult(regs *layout.PtRegs[Mem]) Block {
	if v.Is(ExitIRET) {
		return Block{RETURN()}
	}
	return Block{
		v.sysretFits(regs, "return_by_iret"),
		MOVL(1, RAX),
		RETURN(),
		LABEL("return_by_iret"),
		XORL(RAX, RAX),
		RETURN(),
	}
}

// beforeHandler emits the code before the handler, when its number and third argument are
// in their registers.
func (v Axes) beforeHandler(regs *layout.PtRegs[Mem], suffix string) Block {
	b := v.beforeHandlerAt(suffix)
	if b != nil {
		b = append(b, MOVQ(regs.OrigAX, RAX), MOVQ(regs.DX, RDX))
	}
	return b
}
