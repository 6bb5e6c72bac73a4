package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis scratch.
const (
	ScratchPerCPU Value = "scratch=percpu"
	ScratchSP2    Value = "scratch=sp2"
)

var _ = Register(Axis{
	Name: "scratch", Rank: 120,
	Doc: "the word that holds the user's RSP while there is no stack yet",
	Values: []Choice{
		{Value: ScratchPerCPU, Since: "Linux 3.19", Doc: "RSPScratch (Linux: old_rsp, rsp_scratch)"},
		{Value: ScratchSP2, Since: "Linux 4.20", Doc: "SP2 of the TSS, which only ring 2 would need: in the cache line of SP0 and SP1, and mapped wherever the TSS is"},
	},
})

func (v Axes) scratch() Mem {
	if v.Is(ScratchSP2) {
		return gs.TSS.SP2
	}
	return gs.RSPScratch
}

// scratchWord tells the kernel which per-CPU word is live in a call, 0 for none.
func (v Axes) scratchWord() uint64 {
	if !v.usesScratch() {
		return 0
	}
	return v.oldRSP()
}

// oldRSP tells the kernel which per-CPU word is the scratch word.
func (v Axes) oldRSP() uint64 {
	if v.Is(ScratchSP2) {
		return layout.ScratchSP2
	}
	return layout.ScratchRSP
}
