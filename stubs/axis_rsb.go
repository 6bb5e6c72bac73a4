package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis rsb.
const (
	RSBKept   Value = "rsb=kept"
	RSBFilled Value = "rsb=filled"
)

var _ = Register(Axis{
	Name: "rsb", Rank: 230,
	Doc: "what the context switch leaves in the CPU's return stack, which predicts where a RET goes",
	Values: []Choice{
		{Value: RSBKept, Since: "Linux 3.19", Doc: "what the previous thread left there"},
		{
			// Linux 6.12: arch/x86/entry/entry_64.S, __switch_to_asm;
			// arch/x86/include/asm/nospec-branch.h, FILL_RETURN_BUFFER.
			Value: RSBFilled, Since: "Linux 4.16", Promises: PromiseReturnStack,
			Doc: "its own addresses, one CALL each: Linux does so on nearly every CPU (RSB_CTXSW), against Spectre's second variant",
		},
	},
})

// fillReturnStack makes two CALLs a turn, as a branch back to a CALL may be
// predicted before its address is in. A RET that is predicted by one of these
// addresses goes no further. R12 is loaded after it.
func (v Axes) fillReturnStack(suffix string) Block {
	if !v.Is(RSBFilled) {
		return nil
	}
	turns, first, second := R12, FuncName("filled_first", suffix), FuncName("filled_second", suffix)
	return Block{
		MOVL(x86.RSB_CLEAR_LOOPS/2, turns),
		LABEL("fill_return_buffer"),
		CALL(first),
		INT3().C("a RET is predicted to come here"),
		GLOBAL(first),
		CALL(second),
		INT3().C("or here"),
		GLOBAL(second),
		ADDQ(2*8, RSP).C("nobody returns"),
		DECL(turns),
		JNE("fill_return_buffer"),
		LFENCE().C("no RET runs ahead of the last turn"),
		v.creditDepth(),
	}
}
