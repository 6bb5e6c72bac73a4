package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis canary.
const (
	CanaryNone   Value = "canary=none"
	CanarySwitch Value = "canary=switch"
)

var _ = Register(Axis{
	Name: "canary", Rank: 220,
	Doc: "what the context switch does for the canaries that a compiler puts below return addresses",
	Values: []Choice{
		{Value: CanaryNone, Since: "Linux 3.19", Doc: "nothing"},
		{
			// Linux 6.12: arch/x86/entry/entry_64.S, __switch_to_asm, with
			// CONFIG_STACKPROTECTOR; here since 4.9.
			Value: CanarySwitch, Since: "Linux 4.9", Puts: Puts{GoesOn: loadCanary}, Promises: PromiseCanary,
			Doc: "it puts the canary of the thread that continues where functions look for it (CONFIG_STACKPROTECTOR). This kernel's functions check none: only the switch is measured",
		},
	},
})

// loadCanary makes the thread's canary the CPU's. RBX is loaded after it.
func loadCanary(Axes) Block {
	return Block{
		MOVQ(next.StackCanary, RBX),
		MOVQ(RBX, gs.StackCanary),
	}
}
