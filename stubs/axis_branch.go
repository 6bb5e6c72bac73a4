package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis branch.
const (
	BranchIndirect  Value = "branch=indirect"
	BranchRetpoline Value = "branch=retpoline"
)

var _ = Register(Axis{
	Name: "branch", Rank: 160,
	Doc: "how the variant's indirect branches are made",
	Values: []Choice{
		{Value: BranchIndirect, Since: "Linux 3.19", Doc: "by CALL and JMP through memory, whose target the CPU predicts"},
		{
			// P. Turner, "Retpoline: a software construct for preventing
			// branch-target-injection".
			Value: BranchRetpoline, Since: "Linux 4.15", Promises: PromiseNoIndirect,
			Doc: "by a RET to an address that the CPU predicts to be a loop, as compilers make it for Linux",
		},
	},
})

// retpoline returns the name of the variant's thunk.
func retpoline(suffix string) string { return FuncName("__x86_indirect_thunk_rax", suffix) }

// call calls the function whose address is at to.
func (v Axes) call(to Mem, suffix string) Block {
	if !v.Is(BranchRetpoline) {
		return Block{CALL(to)}
	}
	return Block{MOVQ(to, RAX), CALL(retpoline(suffix))}
}

// jumpRAX continues at the address in RAX.
func (v Axes) jumpRAX(suffix string) Block {
	if !v.Is(BranchRetpoline) {
		return Block{JMP(RAX)}
	}
	return Block{JMP(retpoline(suffix))}
}

// thunk returns the functions that call and jumpRAX use. With dispatch=tree and
// dispatch=switch no branch is indirect.
func (v Axes) thunk(suffix string) []Func {
	if !v.Is(BranchRetpoline) || v.Is(DispatchTree) || v.Is(DispatchSwitch) {
		return nil
	}
	set := FuncName("__x86_indirect_thunk_set", suffix)
	return []Func{
		FUNC(retpoline(suffix), "__x86_indirect_thunk_rax continues at the address in RAX.",
			CALL(set),
			LABEL("capture_speculation"), // a RET is only predicted to come here
			PAUSE(),
			LFENCE(),
			JMP("capture_speculation"),
		).In("entry"),
		FUNC(set, "__x86_indirect_thunk_set makes RAX its return address and returns.",
			MOVQ(RAX, RSP.At(0)),
			v.returns(suffix),
		).In("entry"),
	}
}
