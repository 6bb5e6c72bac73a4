package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis newthread.
const (
	NewThreadSlow Value = "newthread=slow"
	NewThreadFast Value = "newthread=fast"
)

var _ = Register(Axis{
	Name: "newthread", Rank: 440,
	Doc: "how a thread that has just been made returns to ring 3 for the first time (ret_from_fork)",
	Values: []Choice{
		{
			// 956421fbb74c ("x86/asm/entry: Remove a bogus 'ret_from_fork' optimization").
			Value: NewThreadSlow, Since: "Linux 3.19.1", Doc: "by the slow path, which takes any frame; with slow=c, slow=only and slow=doreti by IRETQ after the work in C, as in Linux from 4.6 on",
		},
		{
			// Linux 3.18-rc6: arch/x86/kernel/entry_64.S, ret_from_fork.
			Value: NewThreadFast, Since: "Linux 3.19.0",
			Doc: "by the fast exit, after the restore of full-frame calls: it takes the frame of a call by SYSCALL alone",
		},
	},
	Excludes: []Exclusion{
		{
			What: "newthread=fast with slow=c, slow=only or slow=doreti",
			Why:  "there new threads do their work in C, and it may edit any slot",
			Is:   func(v Axes) bool { return v.Is(NewThreadFast) && !v.takesNewThreads() },
		},
		{
			What: "newthread=fast with exit=iret or exit=opportunistic",
			Why:  "the frame of clone is whole, and the exits that take any frame leave nothing to restore: it would be newthread=slow with other code",
			Is:   func(v Axes) bool { return v.Is(NewThreadFast) && !v.Is(ExitSYSRET) },
		},
	},
})

// takesNewThreads reports whether new threads return to ring 3 by the variant.
func (v Axes) takesNewThreads() bool { return !v.Bare && (v.Is(SlowIRET) || v.Is(SlowSYSRET)) }

// newThread begins a thread, from full pt_regs, by the slow path.
func (v Axes) newThread(suffix string) []Func {
	if !v.takesNewThreads() || v.Is(NewThreadFast) {
		return nil
	}
	return []Func{FUNC(FuncName(NewThread, suffix), `ret_from_fork begins a thread: RSP is at full PtRegs, IF is 0.`,
		FRAME(0),
		v.restoreRest(),
		JMP(slowExit(suffix)).C("it cannot be told how this frame came about"),
	).In("entry")}
}

// newThreadFast begins a new thread as newThread does, by the fast path.
func (v Axes) newThreadFast(suffix string) Block {
	if !v.Is(NewThreadFast) {
		return nil
	}
	var rest Block
	if v.Is(RegsSaved) { // the fast exit leaves these as they are
		rest = loadCalleeSaved(regsAt(0))
	}
	return Block{
		GLOBAL(FuncName(NewThread, suffix)), // a new thread, IF is 0
		FRAME(0),
		v.restoreRest(),
		rest,
		v.restore(regsAt(v.low()), RDI),
		JMP("ret_from_sys_call"),
	}
}
