package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

var (
	prev = Fields[layout.Thread[Mem]](RDI)
	next = Fields[layout.Thread[Mem]](RSI)
)

// switchTo returns the variant's part of the context switch: the kernel stack and, with
// sp=percpu, the user's RSP. Each thread leaves by its own variant's function and comes
// back by the same function, which restores what it has saved, whatever the other threads'
// functions do.
//
// RFLAGS is not kept. IF is 0 on both sides, and ring 3's NT, AC and IOPL do not get this
// far: SYSCALL clears them, an interrupt clears NT and its handler AC, and in ring 0 IOPL
// means nothing.
func (v Axes) switchTo(suffix string) []Func {
	resume := FuncName(SwitchResume, suffix)
	return []Func{
		FUNC(FuncName(SwitchTo, suffix), `__switch_to_asm switches from the thread RDI to the thread RSI. It returns when
RDI runs again. IF is 0. Everything but the stack and the callee-saved
registers has been switched already.`,
			PUSHQ(RBP),
			PUSHQ(RBX),
			PUSHQ(R12),
			PUSHQ(R13),
			PUSHQ(R14),
			PUSHQ(R15),
			v.saveUserSP(),
			v.saveShadowStack(),
			LEAQ(Sym(resume), RAX),
			MOVQ(RAX, prev.IP),
			MOVQ(RSP, prev.SP),
			MOVQ(next.SP, RSP),
			v.jump(next.IP, suffix),
		).In("entry"),
		FUNC(resume, `__switch_to_resume is where a thread continues that __switch_to_asm has left: RSI
is the thread, RSP its stack.`,
			v.loadUserSP(),
			v.at(GoesOn),
			v.fillReturnStack(suffix),
			POPQ(R15),
			POPQ(R14),
			POPQ(R13),
			POPQ(R12),
			POPQ(RBX),
			POPQ(RBP),
			v.returns(suffix),
		).In("entry"),
	}
}
