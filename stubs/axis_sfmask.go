package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis sfmask.
const (
	SFMaskControl Value = "sfmask=control"
	SFMaskAll     Value = "sfmask=all"
	SFMaskBSD     Value = "sfmask=bsd"
	SFMaskFew     Value = "sfmask=few"
)

var _ = Register(Axis{
	Name: "sfmask", Rank: 65, // its instructions come before the STI of axis irq
	Doc: "the flags that SYSCALL clears (MSR_SYSCALL_MASK)",
	Values: []Choice{
		{
			Value: SFMaskControl, Since: "Linux 3.18", SFMask: controlFlags,
			Doc: "TF, IF, DF, IOPL, NT and AC: the flags that change what the kernel's instructions do",
		},
		{
			Value: SFMaskAll, Since: "Linux 5.14", SFMask: controlFlags | arithmeticFlags | x86.X86_EFLAGS_RF | x86.X86_EFLAGS_ID,
			Doc: "also the arithmetic flags, RF and ID, so that the kernel starts with none of the user's flags",
		},
		{
			Value: SFMaskBSD, Since: "FreeBSD 12", SFMask: x86.X86_EFLAGS_NT | x86.X86_EFLAGS_TF | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_CF | x86.X86_EFLAGS_DF | x86.X86_EFLAGS_AC,
			Doc: "TF, IF, DF, NT and AC, and CF; not IOPL, which ring 3 cannot set",
		},
		{
			Value: SFMaskFew, Since: "no release", SFMask: x86.X86_EFLAGS_TF | x86.X86_EFLAGS_IF,
			Doc:  "TF and IF, which no instruction could clear in time; the entry clears the others by POPFQ once it has a stack",
			Puts: Puts{OnStack: func(Axes) Block { return Block{PUSHQ(x86.X86_EFLAGS_FIXED), POPFQ()} }},
		},
	},
	Excludes: []Exclusion{{
		What: "sfmask=few with top=lazy",
		Why:  "the PUSHQ for POPFQ writes the uppermost word of the stack, the ss slot, which must stay as it was",
		Is:   func(v Axes) bool { return v.Is(SFMaskFew) && v.Is(TopLazy) },
	}},
})

const (
	controlFlags = x86.X86_EFLAGS_TF | x86.X86_EFLAGS_IF | x86.X86_EFLAGS_DF | x86.X86_EFLAGS_IOPL | x86.X86_EFLAGS_NT | x86.X86_EFLAGS_AC

	arithmeticFlags = x86.X86_EFLAGS_CF | x86.X86_EFLAGS_PF | x86.X86_EFLAGS_AF | x86.X86_EFLAGS_ZF | x86.X86_EFLAGS_SF | x86.X86_EFLAGS_OF
)

// SFMask returns the variant's value of MSR_SYSCALL_MASK.
func (v Axes) SFMask() uint64 {
	var mask uint64
	for _, c := range v.choices {
		mask |= c.SFMask
	}
	return mask
}

// clearInHandler returns the flags, apart from the arithmetic ones, that are clear when
// a handler runs, whatever ring 3 had in them: those that SYSCALL or the entry
// clears.
func (v Axes) clearInHandler() uint64 {
	mask := v.SFMask()
	switch {
	case v.Is(SFMaskFew):
		mask = controlFlags | x86.X86_EFLAGS_ID
	case v.Is(EntryFRED): // clears all
		mask = controlFlags | x86.X86_EFLAGS_ID | x86.X86_EFLAGS_RF
	}
	return mask &^ (arithmeticFlags | x86.X86_EFLAGS_IF)
}
