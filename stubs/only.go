package stubs

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The registers in which do_syscall_64 keeps things across its calls.
const (
	keptFrame  = R12
	keptThread = R13
	keptNumber = RBX // as the entry gives it, an int
	keptLong   = R14 // the same, a long
)

var current = Fields[layout.Thread[Mem]](keptThread)

// onlySyscall returns do_syscall_64 where handlers take the frame: it makes the call from
// its frame, does all work that is then pending, and decides whether SYSRETQ may end the
// call (Linux 6.12: arch/x86/entry/common.c, include/linux/entry-common.h).
func (v Axes) onlySyscall(suffix string) Func {
	regs := Fields[layout.PtRegs[Mem]](keptFrame)
	return FUNC(FuncName("do_syscall_64", suffix), `do_syscall_64(regs, number) makes a call from full pt_regs. It does all the work
that is then pending, leaves interrupts off, and returns in AL whether
SYSRETQ may end the call.`,
		v.called(),
		v.nop("ENDBR64: nothing calls it through a pointer"),
		v.enterC(),
		v.lowerStack(),
		v.nop("context tracking: ring 3 is left"),
		v.nop("irqflags tracing"),
		v.at(BeforeDispatch),
		v.nop("the rest of STI's place"),
		v.asTraced(),
		MOVQ(current.SyscallWork, RDX),
		v.testCallWork(layout.SyscallWorkEnter, RDX).C("a tracer? seccomp?"),
		JNE("syscall_enter_work"),

		LABEL("make_call"),
		v.lowerStackCalled(suffix),
		CMPL(v.tracedNumber(), layout.SysCallMax),
		JA("no_such_call"),
		v.callHandler(suffix),
		MOVQ(RAX, regs.AX),
		LABEL("syscall_return"),
		v.exitWork(suffix),
		v.tellSYSRET(regs, suffix),

		LABEL("no_such_call"),
		v.x32Call(regs, suffix),
		v.skipped(),
		JE("syscall_return").C("a tracer skips the call"),
		MOVQ(-layout.ENOSYS, regs.AX),
		JMP("syscall_return"),

		LABEL("syscall_enter_work"),
		MOVQ(keptFrame, RDI),
		CALL(traceEnter),
		v.takeTraced(),
		JMP("make_call"),
		v.threadWaits(),
		v.exitTestsFail(),
	).In("entry")
}

// kept are the registers that are saved, keptCalled those with kstack=called.
var (
	kept       = [...]Reg{keptNumber, keptFrame, keptThread, keptLong}
	keptCalled = [...]Reg{keptNumber, keptFrame, keptThread}
)

// enterC begins do_syscall_64, and keeps its arguments and the thread. With kstack RSP is
// kept in RBP, as it will be lowered by an offset that differs from call to call.
func (v Axes) enterC() Block {
	if v.Is(KStackCalled) {
		return Block{
			PUSHQ(RBP), MOVQ(RSP, RBP),
			PUSHQ(keptNumber), MOVL(RSI, keptNumber),
			PUSHQ(keptFrame), MOVQ(RDI, keptFrame),
			PUSHQ(keptThread),
			SUBQ(16, RSP).C("two words"),
		}
	}
	saved := pushes(kept[:]...)
	if v.lowersStack() {
		saved = Block{PUSHQ(RBP), MOVQ(RSP, RBP), saved}
	}
	return Block{
		saved,
		MOVQ(RDI, keptFrame),
		MOVL(RSI, keptNumber),
		MOVQ(gs.Current, keptThread),
	}
}

// leaveC undoes enterC and returns.
func (v Axes) leaveC(suffix string) Block {
	regs := kept[:]
	switch {
	case !v.lowersStack():
		return Block{pops(regs...), v.returns(suffix)}
	case v.Is(KStackCalled):
		regs = keptCalled[:]
	}
	return Block{LEAQ(RBP.At(-8*len(regs)), RSP), pops(regs...), POPQ(RBP), v.returns(suffix)}
}

// asTraced puts the number where a tracer changes it: with kstack=called in RSI, an int
// that its function's stack holds while others are called; else in keptLong.
func (v Axes) asTraced() Block {
	if v.Is(KStackCalled) {
		return Block{MOVQ(gs.Current, keptThread), MOVL(keptNumber, RSI)}
	}
	return Block{MOVSLQ(keptNumber, keptLong).C("as a tracer would get it")}
}

// takeTraced takes the number that a tracer leaves in RAX.
func (v Axes) takeTraced() Block {
	if v.Is(KStackCalled) {
		return Block{MOVL(RAX, keptNumber), MOVL(keptNumber, RSI)}
	}
	return Block{MOVL(RAX, keptNumber), MOVSLQ(keptNumber, keptLong)}
}

// tracedNumber returns the register in which asTraced and takeTraced put the number.
func (v Axes) tracedNumber() Reg {
	if v.Is(KStackCalled) {
		return RSI
	}
	return keptLong
}

// skipped compares it with that of a call that is not made.
func (v Axes) skipped() Ins {
	if v.Is(KStackCalled) {
		return CMPL(localNumber, -1)
	}
	return CMPL(keptLong, -1)
}

// pushes saves registers; pops restores them, in reverse.
func pushes(regs ...Reg) (b Block) {
	for _, r := range regs {
		b = append(b, PUSHQ(r))
	}
	return b
}

func pops(regs ...Reg) (b Block) {
	for _, r := range slices.Backward(regs) {
		b = append(b, POPQ(r))
	}
	return b
}

// tellSYSRET returns in AL whether SYSRETQ would do what IRETQ does with the frame,
// except with exit=iret.
func (v Axes) tellSYSRET(regs *layout.PtRegs[Mem], suffix string) Block {
	if v.Is(ExitIRET) {
		return v.leaveC(suffix)
	}
	xen := v.jumpOver("Xen's guests, which never take it")
	if v.Is(ExitWorkChecked) { // the last test is the result
		return Block{
			xen,
			v.sysretFrame(regs, "return_by_iret", nil),
			TESTL(x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, R11).C(singleStepped),
			SETE(RAX),
			v.leaveC(suffix),

			LABEL("return_by_iret"),
			XORL(RAX, RAX),
			v.leaveC(suffix),
		}
	}
	return Block{
		xen,
		v.sysretFits(regs, "return_by_iret"),
		MOVL(1, RAX),
		v.leaveC(suffix),

		LABEL("return_by_iret"),
		XORL(RAX, RAX),
		v.leaveC(suffix),
	}
}
