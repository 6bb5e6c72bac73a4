package stubs

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The registers in which do_syscall_64 keeps things across its calls.
const (
	keptFrame  = R12
	keptThread = R13
	keptNumber = RBX // as the entry gives it, an int
	keptLong   = R14 // the same, a long
)

var current = Fields[layout.Thread[Mem]](keptThread)

// onlySyscall is do_syscall_64 where handlers take the frame: it makes the call from its frame, does
// all work that is then pending, and decides whether SYSRETQ may end the call (Linux
// 6.12: arch/x86/entry/common.c, include/linux/entry-common.h).
func (v Axes) onlySyscall(suffix string) Func {
	regs := Fields[layout.PtRegs[Mem]](keptFrame)
	return FUNC(FuncName("do_syscall_64", suffix), `do_syscall_64(regs, number) makes a call from full pt_regs. It does all the work
that is then pending, leaves interrupts off, and returns in AL whether
SYSRETQ may end the call.`,
		v.called(),
		v.nop("ENDBR64: nothing calls it through a pointer"),
		v.enterC(),
		MOVQ(RDI, keptFrame),
		MOVL(RSI, keptNumber),
		MOVQ(gs.Current, keptThread),
		v.nop("a jump over the next instructions, with randomize_kstack_offset=off"),
		v.lowerStack(),
		v.nop("context tracking: ring 3 is left"),
		v.nop("irqflags tracing"),
		v.at(BeforeDispatch),
		v.nop("the rest of STI's place"),
		MOVSLQ(keptNumber, keptLong).C("as a tracer would get it"),
		MOVQ(current.SyscallWork, RDX),
		TESTL(layout.SyscallWorkEnter, RDX).C("a tracer? seccomp?"),
		JNE("syscall_enter_work"),

		LABEL("make_call"),
		CMPL(keptLong, layout.SysCallMax),
		JA("no_such_call"),
		v.callHandler(suffix),
		MOVQ(RAX, regs.AX),
		LABEL("syscall_return"),
		v.exitWork(suffix),
		v.tellSYSRET(regs, suffix),

		LABEL("no_such_call"),
		v.x32Call(regs, suffix),
		CMPL(keptLong, -1),
		JE("syscall_return").C("a tracer skips the call"),
		MOVQ(-layout.ENOSYS, regs.AX),
		JMP("syscall_return"),

		LABEL("syscall_enter_work"),
		MOVQ(keptFrame, RDI),
		CALL(traceEnter),
		MOVL(RAX, keptNumber),
		MOVSLQ(keptNumber, keptLong),
		JMP("make_call"),
		v.exitTestsFail(),
	).In("entry")
}

var kept = [...]Reg{keptNumber, keptFrame, keptThread, keptLong}

// enterC begins do_syscall_64. With kstack RSP is kept in RBP, as it will be lowered by
// an offset that differs from call to call.
func (v Axes) enterC() Block {
	if !v.lowersStack() {
		return pushes(kept[:]...)
	}
	return Block{PUSHQ(RBP), MOVQ(RSP, RBP), pushes(kept[:]...)}
}

// leaveC undoes enterC and returns.
func (v Axes) leaveC(suffix string) Block {
	if !v.lowersStack() {
		return Block{pops(kept[:]...), v.returns(suffix)}
	}
	return Block{LEAQ(RBP.At(-8*len(kept)), RSP), pops(kept[:]...), POPQ(RBP), v.returns(suffix)}
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
	return Block{
		v.jumpOver("Xen's guests, which never take it"),
		v.sysretFits(regs, "return_by_iret"),
		MOVL(1, RAX),
		v.leaveC(suffix),

		LABEL("return_by_iret"),
		XORL(RAX, RAX),
		v.leaveC(suffix),
	}
}
