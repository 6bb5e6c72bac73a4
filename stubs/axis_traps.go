package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis traps.
const (
	TrapsIRET   Value = "traps=iret"
	TrapsSYSRET Value = "traps=sysret"
)

var _ = Register(Axis{
	Name: "traps", Rank: 240,
	Doc: "the instruction that ends an interrupt or exception from ring 3, and takes a new thread there",
	Values: []Choice{
		{Value: TrapsIRET, Since: "Linux 3.19", Doc: "IRETQ"},
		{
			// Linux 4.0: arch/x86/kernel/entry_64.S, retint_swapgs and
			// irq_return_via_sysret.
			Value: TrapsSYSRET, Since: "Linux 4.0",
			Doc: "SYSRETQ if it does what IRETQ would do, by the same code and test as the slow path; only 4.0 does so",
		},
	},
	Excludes: []Exclusion{
		{
			What: "traps=sysret without slow=sysret",
			Why:  "a trap ends as the slow path does, which tests the frame only with slow=sysret",
			Is:   func(v Axes) bool { return v.Is(TrapsSYSRET) && !v.Is(SlowSYSRET) },
		},
	},
})

// trapReturn ends traps from a full frame, with interrupts off and no work left.
func (v Axes) trapReturn(suffix string) []Func {
	if !v.Is(TrapsSYSRET) {
		return nil
	}
	return []Func{FUNC(FuncName(TrapReturn, suffix), `retint_swapgs returns to ring 3 from a trap: RSP is at full PtRegs, IF is 0, and no
work is left.`,
		FRAME(0),
		v.restoreRest(),
		v.returnFrom(v.low(), v.loadRestSlow(regsAt(v.low()))),
	).In("entry")}
}
