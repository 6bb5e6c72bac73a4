package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis exitwork.
const (
	ExitWorkInlined Value = "exitwork=inlined"
	ExitWorkCalled  Value = "exitwork=called"
	ExitWorkTests   Value = "exitwork=tests"
	ExitWorkChecked Value = "exitwork=checked"
)

var _ = Register(Axis{
	Name: "exitwork", Rank: 330,
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "it belongs to the do_syscall_64 whose handlers take the frame",
	Doc: "how a call that ends in C looks for work before the return to ring 3",
	Values: []Choice{
		{Value: ExitWorkInlined, Since: "Linux 3.19", Doc: "by one test of Thread.Flags"},
		{
			// Linux 6.12: kernel/entry/common.c, arch/x86/include/asm/entry-common.h,
			// arch/x86/kernel/fpu/core.c.
			Value: ExitWorkCalled, Since: "Linux 5.9",
			Doc: "by four functions (syscall_exit_to_user_mode and the functions that it calls): they test for work that only calls have, test Thread.Flags, check that the FPU holds this thread's registers, clear TS_COMPAT and choose the next call's stack",
		},
		{
			// Linux 7.0: include/linux/entry-common.h, syscall_exit_to_user_mode;
			// arch/x86/include/asm/entry-common.h. Without CONFIG_X86_DEBUG_FPU.
			Value: ExitWorkTests, Since: "Linux 6.15",
			Doc: "by the same tests, except that of the FPU, inlined into do_syscall_64",
		},
		{
			// Linux 7.2: the same, with CONFIG_X86_DEBUG_FPU (arch/x86/kernel/fpu/core.c,
			// fpregs_assert_state_consistent) and CONFIG_UNWIND_USER
			// (include/linux/unwind_deferred.h, unwind_reset_info).
			Value: ExitWorkChecked, Since: "Linux 7.2",
			Doc: "by the inlined tests, with a call of the function that checks the FPU among them, and one that asks whether somebody wants to know where in ring 3 the call came from",
		},
	},
})

// Functions of the exit.
const (
	exitToUserMode   = "syscall_exit_to_user_mode"
	exitPrepare      = "syscall_exit_to_user_mode_prepare"
	archExitPrepare  = "arch_exit_to_user_mode_prepare"
	fpregsConsistent = "fpregs_assert_state_consistent"
	returnSlowpath   = "syscall_return_slowpath"
	exitLoop         = "exit_to_user_mode_loop"
)

// exitWork does the work that is pending at do_syscall_64's end, and leaves
// interrupts off.
func (v Axes) exitWork(suffix string) Block {
	if v.Is(ExitWorkCalled) {
		return Block{MOVQ(keptFrame, RDI), CALL(FuncName(exitToUserMode, suffix))}
	}
	if v.inlinesTests() {
		return v.exitTests(suffix)
	}
	return Block{
		v.disable(),
		TESTL(layout.TIFAllWork|layout.TIFEntryWork, current.Flags),
		IF(NE,
			MOVQ(keptFrame, RDI),
			CALL(returnSlowpath).C("turns interrupts off"),
		),
		v.chooseKStackOffset(current),
		v.inlinedRSP0(),
	}
}

// inlinesTests reports whether do_syscall_64 has the tests.
func (v Axes) inlinesTests() bool { return v.Is(ExitWorkTests) || v.Is(ExitWorkChecked) }

// testCallWork tests what asks for work where a call begins and ends.
func (v Axes) testCallWork(mask uint64, work Reg) Ins {
	if v.Is(ExitWorkChecked) {
		return TESTB(mask, work)
	}
	return TESTL(mask, work)
}

// exitTests makes the tests of exitwork=tests and exitwork=checked. Clobbers RAX, RCX and
// RDX, and with exitwork=checked also RBX, in which they keep the flags.
func (v Axes) exitTests(suffix string) Block {
	asked := v.askedFlags()
	return Block{
		MOVQ(current.SyscallWork, RDX),
		v.checkedNOP("a check of context tracking"),
		v.checkedNOP("CONFIG_DEBUG_RSEQ"),
		v.testCallWork(layout.SyscallWorkExit, RDX).C("a tracer? audit?"),
		JNE("syscall_exit_work"),
		LABEL("syscall_exit_work_done"),
		v.disable(),
		v.nop("the rest of CLI's place"),
		v.nop("the tick of a CPU that has no tick in ring 3"),
		MOVQ(current.Flags, asked),
		TESTL(layout.TIFAllWork, asked),
		JNE("exit_work_loop"),
		LABEL("no_work_left"),
		v.checkFPU(suffix),
		TESTQ(asked, asked),
		JNE("arch_exit_work"),
		LABEL("arch_exit_work_done"),
		v.updateRSP0(),
		ANDL(^layout.TSCompat, current.Status),
		v.chooseKStackOffset(current),
		v.guestBarrier(),
		v.resetUnwinder(),
		v.nop("context tracking: ring 3 is next"),
		v.clearDivider(),
		v.nop("DIVL RCX, where ring 3 could see the last division's operands"),
	}
}

// askedFlags returns the register that holds Thread.Flags over the tests. Where one of them
// is a function, that is the number's, which nobody needs any more.
func (v Axes) askedFlags() Reg {
	if v.Is(ExitWorkChecked) {
		return keptNumber
	}
	return RAX
}

// checkedNOP emits a NOP that only exitwork=checked has.
func (v Axes) checkedNOP(what string) Block {
	if !v.Is(ExitWorkChecked) {
		return nil
	}
	return v.nop(what)
}

// checkFPU calls the function that checks the FPU.
func (v Axes) checkFPU(suffix string) Block {
	if !v.Is(ExitWorkChecked) {
		return nil
	}
	return Block{CALL(FuncName(fpregsConsistent, suffix))}
}

// resetUnwinder asks whether the unwinder has something to forget of this call:
// unwind_reset_info. Clobbers RAX.
func (v Axes) resetUnwinder() Block {
	if !v.Is(ExitWorkChecked) {
		return nil
	}
	return Block{
		MOVQ(current.UnwindMask, RAX),
		TESTQ(RAX, RAX),
		JNE("exit_never"),
	}
}

// clearDivider loads the 0 and 1 of amd_clear_divider's DIV, which are loaded whether it
// divides or not.
func (v Axes) clearDivider() Block {
	if v.Is(ExitWorkChecked) { // by another compiler
		return Block{XORL(RAX, RAX), MOVL(1, RCX), MOVL(RAX, RDX)}
	}
	return Block{
		XORL(RAX, RAX),
		XORL(RDX, RDX),
		MOVL(1, RCX),
	}
}

// exitTestsFail does the work that exitTests finds, and goes back to them.
func (v Axes) exitTestsFail() Block {
	if !v.inlinesTests() {
		return nil
	}
	asked := v.askedFlags()
	return Block{
		LABEL("exit_work_loop"),
		MOVQ(keptFrame, RDI),
		CALL(exitLoop).C("returns when no work is left, with interrupts off"),
		MOVQ(current.Flags, asked),
		JMP("no_work_left"),
		LABEL("arch_exit_work"),
		TESTL(layout.TIFNever, asked),
		JE("arch_exit_work_done"),
		v.exitNever(),
		UD2().C("nothing sets these flags"),
		LABEL("syscall_exit_work"),
		MOVQ(keptFrame, RDI),
		CALL(traceLeave),
		JMP("syscall_exit_work_done"),
	}
}

// exitNever names the stop behind tests of what nothing ever sets.
func (v Axes) exitNever() Block {
	if !v.Is(ExitWorkChecked) {
		return nil
	}
	return Block{LABEL("exit_never")}
}

// inlinedRSP0 emits updateRSP0 where a path without FRED has nothing in its place.
func (v Axes) inlinedRSP0() Block {
	if !v.Is(EntryFRED) {
		return nil
	}
	return v.updateRSP0()
}

// exitFuncs returns the functions of exitwork=called and exitwork=checked. Each of the
// former saves the registers that the work after its tests would need.
func (v Axes) exitFuncs(suffix string) []Func {
	switch {
	case v.Is(ExitWorkChecked):
		return []Func{v.fpregsChecked(suffix)}
	case !v.Is(ExitWorkCalled):
		return nil
	}
	return []Func{
		v.syscallExitToUserMode(suffix),
		v.syscallExitPrepare(suffix),
		v.archExitPrepare(suffix),
		v.fpregsConsistent(suffix),
	}
}

func (v Axes) syscallExitToUserMode(suffix string) Func {
	frame, asked, task := RBX, RBP, R12
	thread := Fields[layout.Thread[Mem]](task)
	return FUNC(FuncName(exitToUserMode, suffix), `syscall_exit_to_user_mode(regs) does the work that is pending before ring 3 runs again,
and leaves interrupts off.`,
		v.called(),
		v.nop("ENDBR64: nothing calls it through a pointer"),
		pushes(frame, asked, task),
		MOVQ(RDI, frame),
		CALL(FuncName(exitPrepare, suffix)).C("with interrupts on"),
		v.disable(), // from here on no work can come up unseen
		v.nop("the rest of CLI's place"),
		v.nop("the tick of a CPU that has no tick in ring 3"),
		MOVQ(gs.Current, task),
		MOVQ(thread.Flags, asked),
		TESTL(layout.TIFAllWork, asked),
		JNE("exit_work_loop"),
		LABEL("no_work_left"),
		MOVQ(asked, RDI),
		CALL(FuncName(archExitPrepare, suffix)),
		v.nop("context tracking: ring 3 is next"),
		v.clearDivider(),
		v.nop("DIVL RCX, where ring 3 could see the last division's operands"),
		pops(frame, asked, task),
		v.returns(suffix),

		LABEL("exit_work_loop"),
		MOVQ(frame, RDI),
		CALL(exitLoop).C("returns when no work is left, with interrupts off"),
		MOVQ(thread.Flags, asked),
		JMP("no_work_left"),
	).In("entry")
}

func (v Axes) syscallExitPrepare(suffix string) Func {
	frame, asked, task := RBX, RBP, R12
	thread := Fields[layout.Thread[Mem]](task)
	return FUNC(FuncName(exitPrepare, suffix), "syscall_exit_to_user_mode_prepare(regs) does the work that only calls have at their end.",
		v.called(),
		v.nop("ftrace's call"),
		pushes(frame, asked, task),
		MOVQ(RDI, frame),
		v.nop("a check of context tracking"),
		MOVQ(gs.Current, task),
		MOVQ(thread.SyscallWork, asked),
		TESTL(layout.SyscallWorkExit, asked).C("a tracer? audit?"),
		JNE("syscall_exit_work"),
		LABEL("syscall_exit_work_done"),
		pops(frame, asked, task),
		v.returns(suffix),
		LABEL("syscall_exit_work"),
		MOVQ(frame, RDI),
		CALL(traceLeave),
		JMP("syscall_exit_work_done"),
	).In("entry")
}

func (v Axes) archExitPrepare(suffix string) Func {
	asked, task := RBX, RDI
	thread := Fields[layout.Thread[Mem]](task)
	return FUNC(FuncName(archExitPrepare, suffix), "arch_exit_to_user_mode_prepare(flags) is the x86 part of the work.",
		v.called(),
		pushes(asked),
		MOVQ(RDI, asked),
		TESTL(layout.TIFUserReturnNotify, asked),
		JNE("arch_exit_work"),
		TESTL(layout.TIFIOBitmap, asked),
		JNE("arch_exit_work"),
		CALL(FuncName(fpregsConsistent, suffix)),
		TESTL(layout.TIFNeedFPULoad, asked),
		JNE("arch_exit_work"),
		v.updateRSP0(),
		MOVQ(gs.Current, task),
		ANDL(^layout.TSCompat, thread.Status),
		v.chooseKStackOffset(thread),
		v.guestBarrier(),
		pops(asked),
		v.returns(suffix),
		LABEL("arch_exit_work"),
		UD2().C("nothing sets these flags"),
	).In("entry")
}

// fpregsConsistent returns the function that checks the FPU's owner. It is there with
// CONFIG_X86_DEBUG_FPU, as Debian has it. This kernel switches the FPU registers with the
// thread, so Current says whose they are.
func (v Axes) fpregsConsistent(suffix string) Func {
	task, owner, cpu := RAX, RCX, RDX
	thread := Fields[layout.Thread[Mem]](task)
	return FUNC(FuncName(fpregsConsistent, suffix), "fpregs_assert_state_consistent() checks that the FPU holds the running thread's registers.",
		v.called(),
		v.nop("ENDBR64: nothing calls it through a pointer"),
		v.nop("ftrace's call"),
		MOVQ(gs.Current, task),
		TESTL(layout.TIFNeedFPULoad, thread.Flags),
		JNE("in_memory").C("they are loaded later"),
		MOVQ(gs.Current, owner).C("whose registers the FPU holds"),
		CMPQ(owner, task),
		JNE("inconsistent"),
		MOVL(gs.Number, cpu),
		CMPL(cpu, thread.LastCPU).C("and that it is this CPU's FPU"),
		JNE("inconsistent"),
		LABEL("in_memory"),
		v.returns(suffix),
		LABEL("inconsistent"),
		UD2(),
	).In("entry")
}

// fpregsChecked returns the same function of 7.2, which also asks whether the thread has
// such registers at all.
func (v Axes) fpregsChecked(suffix string) Func {
	task, cpu := RAX, RCX
	thread := Fields[layout.Thread[Mem]](task)
	return FUNC(FuncName(fpregsConsistent, suffix), "fpregs_assert_state_consistent() checks that the FPU holds the running thread's registers.",
		v.called(),
		ENDBR64(),
		v.nop("ftrace's call"),
		MOVQ(gs.Current, task),
		TESTL(layout.TaskKernel, thread.TaskFlags),
		JNE("inconsistent").C("no thread of ring 3"),
		TESTL(layout.TIFNeedFPULoad, thread.Flags),
		JNE("in_memory").C("they are loaded later"),
		CMPQ(gs.Current, task).C("whose registers the FPU holds"),
		JNE("inconsistent"),
		MOVL(thread.LastCPU, cpu),
		CMPL(gs.Number, cpu).C("and that it is this CPU's FPU"),
		JNE("inconsistent"),
		LABEL("in_memory"),
		v.returns(suffix),
		LABEL("inconsistent"),
		UD2(),
	).In("entry")
}
