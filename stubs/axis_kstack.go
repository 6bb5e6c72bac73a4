package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis kstack.
const (
	KStackNone   Value = "kstack=none"
	KStackRDTSC  Value = "kstack=rdtsc"
	KStackPRNG   Value = "kstack=prng"
	KStackCalled Value = "kstack=called"
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
		{
			// Linux 7.2: include/linux/randomize_kstack.h, lib/random32.c (prandom_u32_state),
			// arch/x86/entry/syscall_64.c, arch/x86/include/asm/preempt.h.
			Value: KStackCalled, Since: "Linux 7.2",
			Doc: "by the same generator, a function that is called once interrupts are on. A count keeps other threads from the CPU meanwhile; one that waits gets it right after (preempt_count, preempt_schedule)",
		},
	},
	Excludes: []Exclusion{{
		What: "kstack=prng with irq=early or irq=frame",
		Why:  "the generator's state is the CPU's: an interrupt between its loads and its stores lets another thread draw the same number",
		Is:   func(v Axes) bool { return v.Is(KStackPRNG) && (v.Is(IRQEarly) || v.Is(IRQFrame)) },
	}, {
		What: "kstack=called with irq=off",
		Why:  "no thread can come in between there, and preempt_schedule leaves interrupts on",
		Is:   func(v Axes) bool { return v.Is(KStackCalled) && v.Is(IRQOff) },
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
	if v.Is(KStackCalled) { // once interrupts are on
		return nil
	}
	skips := v.nop("a jump over the next instructions, with randomize_kstack_offset=off")
	if !v.lowersStack() {
		return skips
	}
	room := RCX
	number := Block{MOVL(current.KStackOffset, room)}
	if v.Is(KStackPRNG) {
		number = nextRandom(room)
	}
	return Block{
		skips,
		number,
		lowerBy(room),
	}
}

// lowerBy lowers the stack by a random number, which it clobbers.
func lowerBy(room Reg) Block {
	return Block{
		ANDL(layout.KStackMask, room),
		SUBQ(room, RSP),
		LEAQ(RSP.At(15), room).C("alloca's result, aligned to 16 bytes:"),
		ANDQ(-16, room).C("nobody uses the room"),
	}
}

// tausworthe1 is a generator of random numbers.
type tausworthe1 struct{ keep, up, mix, down int }

// tausworthe are the four generators whose numbers are added without carry (P. L'Ecuyer,
// "Tables of maximally equidistributed combined LFSR generators", 1999; Linux:
// lib/random32.c, prandom_u32_state): what is kept of the last number, by how much that is
// shifted up, and by how much it is shifted up and, mixed with itself, down for the bits that
// come in.
var tausworthe = [...]tausworthe1{
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

// prandom is the function of kstack=called, preemptSchedule what of the kernel lets the
// thread run that waits for PerCPU.PreemptCount to be 0.
const (
	prandom         = "prandom_u32_state"
	preemptSchedule = "preempt_schedule"
)

// The words of its stack in which do_syscall_64 keeps things across these calls.
var (
	localNumber = RBP.At(-8 * (len(keptCalled) + 1))
	localRandom = RBP.At(-8 * (len(keptCalled) + 2))
)

// lowerStackCalled lowers the stack as lowerStack does, by a number that prandom makes. The
// call's number is in RSI.
func (v Axes) lowerStackCalled(suffix string) Block {
	if !v.Is(KStackCalled) {
		return nil
	}
	return Block{
		v.nop("a jump over the next instructions, with randomize_kstack_offset=off"),
		MOVL(RSI, localNumber),
		INCL(gs.PreemptCount).C("no other thread: the generator's state is the CPU's"),
		MOVQ(gs.Self, RAX),
		LEAQ(Fields[layout.PerCPU[Mem]](RAX).KStackRandom[0], RDI),
		CALL(FuncName(prandom, suffix)),
		DECL(gs.PreemptCount),
		MOVL(localNumber, RSI),
		JE("thread_waits"),
		LABEL("alone"),
		lowerBy(RAX),
	}
}

// threadWaits lets another thread run if lowerStackCalled has kept one waiting, and goes
// back.
func (v Axes) threadWaits() Block {
	if !v.Is(KStackCalled) {
		return nil
	}
	return Block{
		LABEL("thread_waits"),
		MOVL(RAX, localRandom),
		CALL(preemptSchedule),
		MOVL(localRandom, RAX),
		MOVL(localNumber, RSI),
		JMP("alone"),
	}
}

// kstackFuncs returns the functions of kstack=called.
func (v Axes) kstackFuncs(suffix string) []Func {
	if !v.Is(KStackCalled) {
		return nil
	}
	state := func(i int) Mem { return RDI.At(4 * i) }
	// Of each generator the register for its last number, and one more.
	regs := [len(tausworthe)][2]Reg{{RCX, RDX}, {RCX, RAX}, {RAX, R9}, {RAX, R10}}
	var next [len(tausworthe)]Reg // the new numbers
	b := Block{MOVL(state(0), regs[0][0])}
	for i, t := range tausworthe {
		var step Block
		next[i], step = t.step(regs[i][0], regs[i][1])
		b = append(b, step)
		if i+1 < len(tausworthe) {
			b = append(b, MOVL(state(i+1), regs[i+1][0])) // before the store, for which nothing waits
		}
		b = append(b, MOVL(next[i], state(i)))
	}
	return []Func{FUNC(FuncName(prandom, suffix), `prandom_u32_state(state) makes the next random number of a generator whose state nobody else
touches meanwhile.`,
		v.called(),
		ENDBR64(),
		b,
		MOVL(next[0], RAX),
		XORL(next[1], RAX),
		XORL(next[2], RAX),
		XORL(next[3], RAX),
		v.returns(suffix),
	).In("entry")}
}

// step makes one generator's next number of its last one, which is in a register, with
// another one; and tells in which of the two it is.
func (t tausworthe1) step(last, other Reg) (next Reg, b Block) {
	const most = 3 // LEA's largest scale, as a shift
	shifted := Block{MOVL(last, other), SHLL(t.mix, other)}
	if t.mix <= most {
		shifted = Block{LEAL(Mem{}.Index(last, 1<<t.mix), other)}
	}
	kept, in := last, other
	if t.mix == t.up { // one shift is enough
		kept, in = other, last
		return in, Block{shifted, XORL(kept, in), ANDL(t.keep<<t.up, kept), SHRL(t.down, in), XORL(kept, in)}
	}
	return in, Block{shifted, XORL(kept, in), SHLL(t.up, kept), ANDL(t.keep<<t.up, kept), SHRL(t.down, in), XORL(kept, in)}
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
