package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis nops.
const (
	NOPsNone    Value = "nops=none"
	NOPsPatched Value = "nops=patched"
)

var _ = Register(Axis{
	Name: "nops", Rank: 340,
	Of: DispatchTree, OfWhy: "the places are those of the do_syscall_64 that a tree comes with",
	Doc: "what is executed in the place of features that are built in and off",
	Values: []Choice{
		{Value: NOPsNone, Since: "Linux 3.19", Doc: "nothing"},
		{
			Value: NOPsPatched, Since: "Linux 6.12",
			Doc: "the NOPs, and the jumps over what is longer, that alternatives, static branches and paravirtual calls are patched to at boot, as distributions build them",
			Puts: Puts{
				BeforeStack: func(v Axes) Block { return v.over(CR3Keep, "SWITCH_TO_KERNEL_CR3") },
				BeforeHandler: func(v Axes) Block {
					return Block{
						v.over(IBRSOff, "IBRS_ENTER"),
						v.nop("UNTRAIN_RET"),
						v.nop("CALL_DEPTH_ACCOUNT"), v.nop("and the rest of its place"),
						v.nop("CLEAR_BRANCH_HISTORY"),
					}
				},
				BeforeExit:   func(v Axes) Block { return v.over(IBRSOff, "IBRS_EXIT") },
				OnTrampoline: func(v Axes) Block { return v.over(CR3Keep, "SWITCH_TO_USER_CR3") },
				BeforeReturn: func(v Axes) Block {
					if v.Is(BuffersVERW) {
						return nil
					}
					return v.nop("CLEAR_CPU_BUFFERS")
				},
			},
		},
	},
})

// nop is the NOP in the place of something.
func (v Axes) nop(of string) Block {
	if !v.Is(NOPsPatched) {
		return nil
	}
	return Block{NOP().C(of)}
}

// over is the jump over the code of a feature that is off with a value.
func (v Axes) over(off Value, feature string) Block {
	if !v.Is(NOPsPatched) || !v.Is(off) {
		return nil
	}
	return Block{OVER(feature)}
}

// jumpOver is the jump over the code of a feature that is off.
func (v Axes) jumpOver(feature string) Block {
	if !v.Is(NOPsPatched) {
		return nil
	}
	return Block{OVER(feature)}
}
