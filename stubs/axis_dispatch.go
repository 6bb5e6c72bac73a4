package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis dispatch.
const (
	DispatchTable Value = "dispatch=table"
	DispatchTree  Value = "dispatch=tree"
)

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
	},
	Excludes: []Exclusion{{
		What: "dispatch=tree with a fast path",
		Why:  "x64_sys_call takes the frame, and all arguments from it (slow=only)",
		Is:   func(v Axes) bool { return v.Is(DispatchTree) && !v.Is(SlowOnly) },
	}},
})

// The values of axis nospec.
const (
	NospecNone Value = "nospec=none"
	NospecMask Value = "nospec=mask"
)

var _ = Register(Axis{
	Name: "nospec", Rank: 310,
	Of: DispatchTree, OfWhy: "the call through the table is the one that Linux had before the mask",
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

// callHandler calls the handler of number keptLong, which is in the table.
func (v Axes) callHandler() Block {
	return Block{
		MOVQ(keptFrame, RDI),
		MOVL(keptLong, RSI),
		v.mask(RSI, RCX),
		CALL("x64_sys_call"),
	}
}
