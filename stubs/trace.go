package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The functions of the kernel for a tracer (PTRACE_SYSCALL). The first two are one from
// 4.6 on: phase 1 has only a part of the frame, and says whether phase 2 is needed.
const (
	traceEnterPhase1 = "syscall_trace_enter_phase1"
	traceEnter       = "syscall_trace_enter"
	traceLeave       = "syscall_trace_leave"
)

// Functions of a variant whose fast path has found TIFEntryWork (Linux 3.19 to 4.2:
// tracesys, in one piece).
const (
	tracePhase1 = "tracesys_phase1"
	tracePhase2 = "tracesys_phase2"
)

// TracerFuncs are the functions, of the kernel and of variants, that an entry goes to for a
// tracer.
var TracerFuncs = []string{tracePhase1, tracePhase2, traceEnterPhase1, traceEnter, "do_syscall_64", amd64Syscall}

// tracesys emits the code to which the fast path goes when there is a tracer. It comes back
// if the tracer has gone meanwhile.
func (v Axes) tracesys(suffix string) Block {
	return Block{
		LABEL("tracesys"),
		CALL(FuncName(tracePhase1, suffix)),
		JE("system_call_fastpath"),
		JMP(FuncName(tracePhase2, suffix)),
	}
}

// traceFuncs returns the functions of the tracer's two phases at entry.
//
// Behind the tracer, restore takes its sp and flags slots to where a wrapper's fix-up finds
// them. In 3.19 that fix-up undoes what the tracer has changed, and makes flags of what it
// has put in R11.
func (v Axes) traceFuncs(suffix string) []Func {
	called, regs := regsAt(v.low()-8), regsAt(v.low())
	return []Func{
		FUNC(FuncName(tracePhase1, suffix), `tracesys_phase1 asks whether there is a tracer still, which needs no more of the frame
than any call has. It returns with the call's registers, and ZF set if there is none.`,
			FRAME(v.low()-8),
			LEAQ(RSP.At(8-v.low()), RDI).C("the frame"),
			CALL(traceEnterPhase1),
			TESTQ(RAX, RAX),
			loadArgs(called),
			MOVQ(called.OrigAX, RAX),
			RET(),
		).In("entry"),
		FUNC(FuncName(tracePhase2, suffix), `tracesys_phase2 makes a call whose tracer wants to see it: RSP is where it is while a
handler runs. The frame is completed, the tracer may change any slot of it, the number too,
and the call ends by the slow exit.`,
			FRAME(v.low()),
			v.saveRest(),
			v.fixup(regsAt(0), R11),
			MOVQ(RSP, RDI).C("the frame"),
			CALL(traceEnter).C("returns the number"),
			v.restore(regsAt(0), R11),
			v.restoreRest(),
			MOVQ(regs.DI, RDI),
			MOVQ(regs.SI, RSI),
			MOVQ(regs.DX, RDX),
			MOVQ(regs.R10, RCX).C("argument 4"),
			MOVQ(regs.R8, R8),
			MOVQ(regs.R9, R9),
			v.at(BeforeDispatch),
			v.testNumber(false),
			JA(slowExit(suffix)).C("the ax slot holds -ENOSYS, or what the tracer has put there"),
			v.call(Sym("sys_call_table").Index(RAX, 8), suffix),
			MOVQ(RAX, regs.AX),
			JMP(slowExit(suffix)).C("which takes any frame"),
		).In("entry"),
	}
}

// traceAgain names the place where tracesys comes back.
func (v Axes) traceAgain() Block {
	if v.Is(SlowC) {
		return nil
	}
	return Block{LABEL("system_call_fastpath")}
}
