package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis kstack.
const (
	KStackNone  Value = "kstack=none"
	KStackRDTSC Value = "kstack=rdtsc"
)

var _ = Register(Axis{
	Name: "kstack", Rank: 320,
	Of: DispatchTree, Or: alsoByFrame, OfWhy: "only the do_syscall_64 whose handlers take the frame has a stack of its own to lower",
	Doc: "where on the thread's stack a call's C functions begin",
	Values: []Choice{
		{Value: KStackNone, Since: "Linux 3.19", Doc: "right below the frame"},
		{
			// Linux 5.13: include/linux/randomize_kstack.h,
			// arch/x86/include/asm/entry-common.h.
			Value: KStackRDTSC, Since: "Linux 5.13",
			Doc: "up to 1008 bytes lower, by an offset that the exit of the call before has made from the time-stamp counter (CONFIG_RANDOMIZE_KSTACK_OFFSET_DEFAULT)",
		},
	},
})

// kstackTurn is how far an offset is rotated before the counter is mixed in, so
// that the bits of earlier calls matter (Linux 6.12:
// include/linux/randomize_kstack.h).
const kstackTurn = 5

// lowerStack lowers the stack of a function that gets RSP back from RBP:
// add_random_kstack_offset. Clobbers RCX.
func (v Axes) lowerStack() Block {
	if !v.Is(KStackRDTSC) {
		return nil
	}
	room := RCX
	return Block{
		MOVL(current.KStackOffset, room),
		ANDL(layout.KStackMask, room),
		SUBQ(room, RSP),
		LEAQ(RSP.At(15), room).C("alloca's result, aligned to 16 bytes:"),
		ANDQ(-16, room).C("nobody uses the room"),
	}
}

// chooseKStackOffset makes the next call's offset: choose_random_kstack_offset.
// Clobbers RAX, RDX, which RDTSC writes, and RCX.
func (v Axes) chooseKStackOffset(thread *layout.Thread[Mem]) Block {
	if !v.Is(KStackRDTSC) {
		return nil
	}
	offset := RCX
	return Block{
		MOVL(thread.KStackOffset, offset),
		RORL(kstackTurn, offset),
		RDTSC(),
		XORL(RAX, offset),
		MOVL(offset, thread.KStackOffset),
	}
}
