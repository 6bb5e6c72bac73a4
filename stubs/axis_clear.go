package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis clear.
const (
	ClearNone Value = "clear=none"
	ClearXor  Value = "clear=xor"
)

var _ = Register(Axis{
	Name: "clear", Rank: 140,
	Doc: "what happens to the user's values in registers that a handler does not need",
	Values: []Choice{
		{Value: ClearNone, Since: "Linux 3.19", Doc: "they stay"},
		{
			Value: ClearXor, Since: "Linux 4.16", Puts: Puts{FrameBuilt: clearRegs}, Promises: PromiseCleared,
			Doc: "they are zeroed once they are in the frame, so that no speculation in the kernel uses values that the user has chosen",
		},
	},
	Excludes: []Exclusion{{
		What: "clear=xor with a fast path",
		Why:  "the handler's arguments would be gone: only do_syscall_64 takes them from the frame (slow=only)",
		Is:   func(v Axes) bool { return v.Is(ClearXor) && !v.Is(SlowOnly) },
	}},
})

// clearRegs zeroes all registers except RDI and RAX, which the call of do_syscall_64
// needs and overwrites, in the order of Linux's CLEAR_REGS.
func clearRegs(Axes) Block {
	var b Block
	for _, r := range []Reg{RSI, RDX, RCX, R8, R9, R10, R11, RBX, RBP, R12, R13, R14, R15} {
		b = append(b, XORL(r, r))
	}
	return b
}
