package stubs

// The values of axis switch.
const (
	SwitchCall Value = "switch=call"
	SwitchJump Value = "switch=jump"
)

var _ = Register(Axis{
	Name: "switch", Rank: 215,
	Doc: "how the context switch goes on behind the change of stacks, and how a new thread begins",
	Values: []Choice{
		{
			// Linux 3.19: arch/x86/include/asm/switch_to.h, switch_to.
			Value: SwitchCall, Since: "Linux 3.19", Doc: "it calls __switch_to, and then jumps to ret_from_fork if TIF_FORK says that the thread is new",
		},
		{
			// Linux 4.9: arch/x86/entry/entry_64.S, __switch_to_asm; 0100301bfdf5.
			Value: SwitchJump, Since: "Linux 4.9", Doc: "it loads the registers and jumps to __switch_to, whose return goes to where the thread was switched out or, from a new thread's stack, to ret_from_fork",
		},
	},
})
