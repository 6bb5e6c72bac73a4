package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis kstack.
const (
	KStackNone  Value = "kstack=none"
	KStackRDTSC Value = "kstack=rdtsc"
	KStackPRNG  Value = "kstack=prng"
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
		{
			// R. Roberts, 19 January 2026, [PATCH v4 2/3] and [3/3]: include/linux/prandom.h,
			// include/linux/randomize_kstack.h, init/main.c.
			Value: KStackPRNG, Since: "after Linux 7.0",
			Doc: "up to 1008 bytes lower, by a generator of random numbers that each CPU has and that makes one at each entry, in place of the counter at the exit; without the count that keeps another thread from coming in between, as interrupts are off",
		},
	},
	Excludes: []Exclusion{{
		What: "kstack=prng with irq=early or irq=frame",
		Why:  "the generator's state is the CPU's: an interrupt between its loads and its stores lets another thread draw the same number",
		Is:   func(v Axes) bool { return v.Is(KStackPRNG) && (v.Is(IRQEarly) || v.Is(IRQFrame)) },
	}},
})

// kstackTurn is how far an offset is rotated before the counter is mixed in, so
// that the bits of earlier calls matter (Linux 6.12:
// include/linux/randomize_kstack.h).
const kstackTurn = 5

// lowersStack reports whether calls begin at a random place of the stack.
func (v Axes) lowersStack() bool { return !v.Is(KStackNone) }

// lowerStack lowers the stack of a function that gets RSP back from RBP:
// add_random_kstack_offset. Clobbers RAX, RCX and RDX.
func (v Axes) lowerStack() Block {
	if !v.lowersStack() {
		return nil
	}
	room := RCX
	number := Block{MOVL(current.KStackOffset, room)}
	if v.Is(KStackPRNG) {
		number = nextRandom(room)
	}
	return Block{
		number,
		ANDL(layout.KStackMask, room),
		SUBQ(room, RSP),
		LEAQ(RSP.At(15), room).C("alloca's result, aligned to 16 bytes:"),
		ANDQ(-16, room).C("nobody uses the room"),
	}
}

// tausworthe are the four generators whose numbers are added without carry (P. L'Ecuyer,
// "Tables of maximally equidistributed combined LFSR generators", 1999; Linux:
// lib/random32.c, prandom_u32_state): what is kept of the last number, by how much that is
// shifted up, and by how much it is shifted up and, mixed with itself, down for the bits that
// come in.
var tausworthe = [...]struct{ keep, up, mix, down int }{
	{-2, 18, 6, 13},
	{-8, 2, 2, 27},
	{-16, 7, 13, 21},
	{-128, 13, 3, 12},
}

// nextRandom makes the next random number. Clobbers RAX and RDX.
func nextRandom(number Reg) (b Block) {
	last, in := RAX, RDX
	for i, t := range tausworthe {
		state := gs.KStackRandom[i/2].Add(4 * (i % 2))
		b = append(
			b,
			MOVL(state, last),
			MOVL(last, in),
			SHLL(t.mix, in),
			XORL(last, in),
			SHRL(t.down, in).C("the bits that come in"),
			ANDL(t.keep, last),
			SHLL(t.up, last),
			XORL(in, last),
			MOVL(last, state),
		)
		if i == 0 {
			b = append(b, MOVL(last, number))
		} else {
			b = append(b, XORL(last, number))
		}
	}
	return b
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
