package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis x32.
const (
	X32Off   Value = "x32=off"
	X32Mask  Value = "x32=mask"
	X32Range Value = "x32=range"
)

var _ = Register(Axis{
	Name: "x32", Rank: 450,
	Doc: "what becomes of a call whose number has the bit of x32's calls, 0x40000000 (CONFIG_X86_X32_ABI)",
	Values: []Choice{
		{Value: X32Off, Since: "Linux 3.19", Doc: "it is unknown, as the number is beyond the table"},
		{
			// Linux 3.19: arch/x86/kernel/entry_64.S, system_call (__SYSCALL_MASK).
			Value: X32Mask, Since: "Linux 3.4",
			Doc: "the bit is cleared before the number is tested, which looks at EAX alone, and the call is the one without it. The calls that x32 has for itself are not there",
		},
		{
			// Linux 6.12: arch/x86/entry/common.c, do_syscall_x32.
			Value: X32Range, Since: "Linux 5.13",
			Doc: "a number that is no call's is tested again less that bit: only what no call answers, and x32's calls, pay for it. The call is the one without the bit, where Linux has another function for these",
		},
	},
	Excludes: []Exclusion{
		{
			What: "x32=mask with dispatch=tree, dispatch=switch or dispatch=retpoline",
			Why:  "the do_syscall_64 whose handlers take the frame tests x32's calls by themselves (so x32=range)",
			Is:   func(v Axes) bool { return v.Is(X32Mask) && v.ByFrame() },
		},
		{
			What: "x32=mask with slow=c",
			Why:  "the C of 4.6 clears the bit in all of RAX and the assembly in EAX, so that a number with higher bits would be a call on one path and none on the other",
			Is:   func(v Axes) bool { return v.Is(X32Mask) && v.Is(SlowC) },
		},
		{
			What: "x32=range with dispatch=table",
			Why:  "the second test is in the do_syscall_64 whose handlers take the frame",
			Is:   func(v Axes) bool { return v.Is(X32Range) && !v.ByFrame() },
		},
	},
})

// testNumber tests the number of a call in RAX, an int or not.
func (v Axes) testNumber(isInt bool) Block {
	switch {
	case v.Is(X32Mask):
		return Block{
			ANDL(^layout.X32Bit, RAX).C("an x32 call's bit"),
			CMPL(RAX, layout.SysCallMax),
		}
	case isInt:
		return Block{CMPL(RAX, layout.SysCallMax)}
	}
	return Block{CMPQ(RAX, layout.SysCallMax)}
}

// x32Call makes the call of a number that is beyond the table, if it is x32's.
func (v Axes) x32Call(regs *layout.PtRegs[Mem], suffix string) Block {
	if !v.Is(X32Range) {
		return v.nop("x32's calls")
	}
	number := keptNumber
	if v.Is(KStackCalled) {
		number = v.tracedNumber()
	}
	return Block{
		LEAL(number.At(-layout.X32Bit), RSI).C("an x32 call's number"),
		CMPL(RSI, layout.SysCallMax),
		JA("no_x32_call"),
		MOVQ(keptFrame, RDI),
		v.dispatch(suffix),
		MOVQ(RAX, regs.AX),
		JMP("syscall_return"),
		LABEL("no_x32_call"),
	}
}
