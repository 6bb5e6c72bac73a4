package stubs

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis dispatch.
const (
	DispatchTable Value = "dispatch=table"
	DispatchTree  Value = "dispatch=tree"
	// DispatchSwitch and DispatchRetpoline are for a do_syscall_64 of the same shape.
	DispatchSwitch    Value = "dispatch=switch"
	DispatchRetpoline Value = "dispatch=retpoline"
)

// alsoByFrame are the values with which handlers take their arguments from the frame, as with
// DispatchTree.
var alsoByFrame = []Value{DispatchSwitch, DispatchRetpoline}

// ByFrame reports whether handlers take their arguments from the frame.
func (v Axes) ByFrame() bool { return v.Is(DispatchTree) || slices.ContainsFunc(alsoByFrame, v.Is) }

var _ = Register(Axis{
	Name: "dispatch", Rank: 300,
	Doc: "how a call's number leads to its handler",
	Values: []Choice{
		{Value: DispatchTable, Since: "Linux 3.19", Doc: "by a CALL through its word of sys_call_table"},
		{
			// Linux 6.9: arch/x86/entry/syscall_64.c, x64_sys_call.
			Value: DispatchTree, Since: "Linux 6.9",
			Doc: "by a tree of comparisons (x64_sys_call), which compilers make of a switch when they may not make a table: no indirect branch, and more comparisons the deeper a number lies; the handler takes its arguments from the frame",
		},
		{
			// Linux 6.9: the same, compiled without CONFIG_MITIGATION_RETPOLINE.
			Value: DispatchSwitch, Since: "Linux 6.9",
			Doc: "by the same switch where a compiler may make a table, as without retpolines: one comparison and a JMP through a table of addresses, whose target the CPU predicts",
		},
		{
			// Linux 4.17: arch/x86/entry/common.c, do_syscall_64, with
			// CONFIG_RETPOLINE.
			Value: DispatchRetpoline, Since: "Linux 4.17",
			Doc: "by a retpoline to its word of a table, whose handlers take their arguments from the frame; so up to 6.8",
		},
	},
	Excludes: []Exclusion{{
		What: "dispatch=tree, dispatch=switch or dispatch=retpoline with a fast path",
		Why:  "the handlers take the frame, and all arguments from it (slow=only)",
		Is:   func(v Axes) bool { return v.ByFrame() && !v.Is(SlowOnly) },
	}, {
		What: "dispatch=retpoline with branch=indirect",
		Why:  "the thunk is that of branch=retpoline",
		Is:   func(v Axes) bool { return v.Is(DispatchRetpoline) && !v.Is(BranchRetpoline) },
	}},
})

// The values of axis nospec.
const (
	NospecNone Value = "nospec=none"
	NospecMask Value = "nospec=mask"
)

var _ = Register(Axis{
	Name: "nospec", Rank: 310,
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "the call through the table is the one that Linux had before the mask",
	Doc: "whether a number beyond the table may index it while the CPU predicts that the number is valid",
	Values: []Choice{
		{Value: NospecNone, Since: "Linux 3.19", Doc: "it may, as the comparison is a branch"},
		{
			// Linux 4.16: arch/x86/include/asm/barrier.h, array_index_mask_nospec.
			Value: NospecMask, Since: "Linux 4.16",
			Doc: "no: after the branch the number is ANDed with a mask that SBB makes from the same comparison (array_index_nospec, against Spectre v1)",
		},
	},
})

// mask makes the number in a register 0 if it is beyond the table, even where the CPU
// runs ahead of the branch: the borrow of the comparison becomes all bits or none,
// without a branch. Clobbers bits.
func (v Axes) mask(number, bits Reg) Block {
	if !v.Is(NospecMask) {
		return nil
	}
	return Block{
		CMPL(number, layout.SysCallMax+1),
		SBBQ(bits, bits),
		ANDL(bits, number),
	}
}

// callHandler calls the handler of the call's number, which is in the table.
func (v Axes) callHandler(suffix string) Block {
	frame := MOVQ(keptFrame, RDI)
	if v.Is(KStackCalled) {
		return Block{v.mask(RSI, RCX), frame, v.callMasked(suffix)}
	}
	return Block{
		frame,
		MOVL(keptLong, RSI),
		v.dispatch(suffix),
	}
}

// dispatch calls the handler of the number in RSI with the frame RDI. Clobbers RCX.
func (v Axes) dispatch(suffix string) Block { return Block{v.mask(RSI, RCX), v.callMasked(suffix)} }

// callMasked calls the handler as dispatch does, once the number is masked.
func (v Axes) callMasked(suffix string) Block {
	switch {
	case v.Is(DispatchSwitch):
		return Block{CALL("x64_sys_call_switch")}
	case v.Is(DispatchRetpoline):
		return v.call(Sym("x64_call_table").Index(RSI, 8), suffix)
	}
	return Block{CALL("x64_sys_call")}
}
