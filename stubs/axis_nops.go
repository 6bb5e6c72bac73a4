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
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "the places are in the do_syscall_64 whose handlers take the frame",
	Doc: "what is executed in place of features that are built in but off",
	Values: []Choice{
		{Value: NOPsNone, Since: "Linux 3.19", Doc: "nothing"},
		{
			Value: NOPsPatched, Since: "Linux 6.12",
			Doc: "the NOPs, and the jumps over longer code, to which alternatives, static branches and paravirtual calls are patched at boot, as distributions build them",
			Puts: Puts{
				BeforeStack:  func(v Axes) Block { return v.over(CR3Keep, "SWITCH_TO_KERNEL_CR3") },
				BeforeExit:   func(v Axes) Block { return v.over(IBRSOff, "IBRS_EXIT") },
				OnTrampoline: func(v Axes) Block { return v.over(CR3Keep, "SWITCH_TO_USER_CR3") },
				BeforeReturn: func(v Axes) Block {
					if v.Is(BuffersVERW) || v.Is(EntryFRED) {
						return nil
					}
					return v.nop("CLEAR_CPU_BUFFERS")
				},
			},
		},
	},
})

// nop returns the NOP in the place of something.
func (v Axes) nop(of string) Block {
	if !v.Is(NOPsPatched) {
		return nil
	}
	return Block{NOP().C(of)}
}

// nopBySYSCALL returns nop's NOP in a place that FRED's path does not have.
func (v Axes) nopBySYSCALL(of string) Block {
	if v.Is(EntryFRED) {
		return nil
	}
	return v.nop(of)
}

// over returns the jump over the code of a feature that is off with a value, in SYSCALL's
// path.
func (v Axes) over(off Value, feature string) Block {
	if !v.Is(NOPsPatched) || !v.Is(off) || v.Is(EntryFRED) {
		return nil
	}
	return Block{OVER(feature)}
}

// jumpOver returns the jump over the code of a feature that is off.
func (v Axes) jumpOver(feature string) Block {
	if !v.Is(NOPsPatched) {
		return nil
	}
	return Block{OVER(feature)}
}
