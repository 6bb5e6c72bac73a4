package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis stack.
const (
	StackPerCPU Value = "stack=percpu"
	StackSP0    Value = "stack=sp0"
)

var _ = Register(Axis{
	Name: "stack", Rank: 110,
	Doc: "where the entry finds the top of the thread's kernel stack",
	Values: []Choice{
		{Value: StackPerCPU, Since: "Linux 3.19", Doc: "in TopOfStack, in the line of RSPScratch (Linux: kernel_stack to 4.1, pcpu_hot from 6.2 on)"},
		{Value: StackSP0, Since: "Linux 4.2", Doc: "in SP0 of the TSS, which interrupts use; up to 4.14. It saves the context switch a store, which this kernel makes all the same"},
	},
})

func (v Axes) stackTop() Mem {
	if v.Is(StackSP0) {
		return gs.TSS.SP0
	}
	return gs.TopOfStack
}
