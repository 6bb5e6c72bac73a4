package stubs

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

var (
	prev = Fields[layout.Thread[Mem]](RDI)
	next = Fields[layout.Thread[Mem]](RSI)
)

// switched are the registers of layout.SwitchFrame, the highest first.
var switched = []Reg{RBP, RBX, R12, R13, R14, R15}

// switchTo returns the variant's part of the context switch: the kernel stack and, with
// sp=percpu, the user's RSP. It runs between two threads that have it; between threads of
// two variants the kernel's own switch runs. All leave a layout.SwitchFrame.
//
// RFLAGS is not kept. IF is 0 on both sides, and ring 3's NT, AC and IOPL do not get this
// far: SYSCALL clears them, an interrupt clears NT and its handler AC, and in ring 0 IOPL
// means nothing.
func (v Axes) switchTo(suffix string) Func {
	const text = `__switch_to_asm switches from the thread RDI to the thread RSI. It returns when
RDI runs again, or begins RSI at ret_from_fork. IF is 0. `
	var push, pop Block
	for _, r := range switched {
		push = append(push, PUSHQ(r))
	}
	for _, r := range slices.Backward(switched) {
		pop = append(pop, POPQ(r))
	}
	name := FuncName(SwitchTo, suffix)
	stacks := Block{
		v.swapUserSP(),
		v.saveShadowStack(),
		MOVQ(RSP, prev.SP),
		MOVQ(next.SP, RSP),
	}
	goesOn := Block{
		v.at(GoesOn),
		v.fillReturnStack(suffix),
	}
	if v.Is(SwitchJump) {
		return FUNC(name, text+`__switch_to
switches everything but the stack and the callee-saved registers.`,
			push,
			stacks,
			goesOn,
			pop,
			JMP("__switch_to").C("which returns to where RSI was switched out"),
		).In("entry")
	}
	return FUNC(name, text+`__switch_to
switches everything but the stack and the callee-saved registers. Linux's is a macro that
pushes RBP and has the compiler keep the others, around it.`,
		push,
		MOVQ(RSI, RBP),
		stacks,
		CALL("__switch_to"),
		MOVQ(gs.Current, RSI),
		MOVQ(RAX, RDI).C("the thread that was left, for ret_from_fork"),
		goesOn,
		TESTL(layout.TIFFork, next.Flags),
		JNE("ret_from_fork"),
		MOVQ(RBP, RSI),
		pop,
		v.returns(suffix),
	).In("entry")
}
