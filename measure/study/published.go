package study

import (
	"fmt"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/record"
)

// Published is a figure that somebody published for a change.
type Published struct {
	Change, Op string
	// Unit is record.Cycles or record.Instructions; empty if the figure cannot be compared
	// with a figure from another machine.
	Unit string
	// Low and High are the range that the figure's own precision gives.
	Low, High float64
	// Text is the figure in words, Source says where it was published.
	Text, Source string
}

const (
	mail2014 = "A. Lutomirski, 4 August 2014, Re: [PATCH 4/5] x86: entry_64.S: always allocate complete struct pt_regs"
	mail2015 = "D. Vlasenko, 10 March 2015, Re: [PATCH 3/4] x86: save user rsp in pt_regs->sp on SYSCALL64 fastpath"
)

// AllPublished are the published figures that could be found. None is about context
// switches.
var AllPublished = []Published{
	{
		"(a)", nullCall, record.Cycles, 0.5, 1.5,
		"about +1 cycle (\"we get that cycle back and more\" by PUSH)",
		"A. Lutomirski, 10 March 2015, on the commit that became 263042e4630a (Linux 4.1), as D. Vlasenko quotes it",
	},
	{
		"(b)", nullCall, "", 0, 0,
		"\"adds nothing whatsoever (except to the extent that you continue to initialize R11 on entry instead of in FIXUP_TOP_OF_STACK)\"; the variant does continue to, so that it has one store more",
		"A. Lutomirski, 18 January 2015, the mail",
	},
	{
		"(b) Linux", nullCall, record.Cycles, -0.14, 0.14,
		"54.3 ns before and after, on a 2.7 GHz Sandy Bridge: 0 to the last digit, which is 0.14 cycles",
		"Linux 4.1, commit 29722cd4ef66",
	},
	{
		"(c)", nullCall, record.Cycles, 1.5, 2.5,
		"+2 cycles by MOV: \"each such instruction adds one cycle\", for CS and SS",
		mail2015,
	},
	{
		"(a)+(b)+(c)", nullCall, record.Instructions, 10, 10,
		"ten instructions",
		mail2014,
	},
	{
		"(a)+(b)+(c)", nullCall, record.Cycles, 0, 10,
		"\"considerably fewer than ten cycles\"",
		mail2014,
	},
	{
		"push", nullCall, record.Cycles, -0.5, 0.5,
		"\"seems to perform the same as current, MOV-based code\"",
		mail2015,
	},
	{
		"IRETQ", nullCall, "", 0, 0,
		"SYSRET where IRET was \"cuts nearly 80 ns\"",
		"Linux 4.0, commit 2a23c6b8a9c4",
	},
}

// agreement says whether a measured difference agrees with the published one.
func (p Published) agreement(d analysis.Difference) string {
	if p.Unit == "" || d.Kind == analysis.None || d.Unit != p.Unit {
		return ""
	}
	slack := 0.0
	if p.Unit == record.Cycles {
		slack = analysis.Alignment
	}
	if d.Low-slack <= p.High && p.Low <= d.High+slack {
		if d.Low <= p.High && p.Low <= d.High {
			return "agrees"
		}
		return fmt.Sprintf("agrees within the %g cycle that alignment alone makes", analysis.Alignment)
	}
	return "disagrees"
}
