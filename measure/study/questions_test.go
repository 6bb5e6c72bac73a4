package study

import (
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/golden"
)

// TestQuestionsPage: docs/questions.md has every change, trade and published figure
// that a study asks about.
func TestQuestionsPage(t *testing.T) {
	const file = "../../docs/questions.md"
	var b strings.Builder
	b.WriteString("# The questions\n\n" +
		"A kernel mail of January 2015 asked for three changes to the SYSCALL entry of Linux, to be measured one by one. These are the\n" +
		"questions that `entrylab study` asks, and what was published about each. [Results](results.md) has the answers.\n\n" +
		"This page is made from the declarations in package `measure/study`.\n\n" +
		"## What does each change cost?\n\n" +
		"A change is measured between two variants, and again in other contexts, where the others of the changes are made already.\n")
	for _, c := range Changes {
		fmt.Fprintf(&b, "\n### %s: %s\n\n", c.Key, c.Title)
		for i, p := range c.Pairs {
			fmt.Fprintf(&b, "* from %s to %s%s\n", variantName(p[0]), variantName(p[1]), map[bool]string{true: ", the headline"}[i == 0 && len(c.Pairs) > 1])
		}
		if c.Exit {
			b.WriteString("\nOnly an engine that runs the instruction at the end of a call can tell these apart.\n")
		}
		for _, f := range AllPublished {
			if f.Change == c.Key {
				fmt.Fprintf(&b, "\nPublished: %s (%s).\n", f.Text, f.Source)
			}
		}
	}
	b.WriteString("\n## From when on is it worth it?\n\n" +
		"The path that fills the frame at once makes each ordinary call dearer and each call that needs full pt_regs cheaper. From which\n" +
		"share of such calls on is it the cheaper one?\n\n| instead of | take |\n|---|---|\n")
	for _, trade := range Trades {
		fmt.Fprintf(&b, "| %s | %s |\n", variantName(trade.Lazy), variantName(trade.Eager))
	}
	b.WriteString("\n## What does it do to a context switch?\n\n" +
		"(a) takes the save and restore of the user's RSP out of the switch. The switch is measured with all caches warm, and with the cache\n" +
		"lines of `usersp`, of the thread, or of both flushed. No figure of a context switch was found published.\n")
	golden.Same(t, file, b.String())
}

// variantName is a variant of the plan as the page has it: a preset's name, or the one
// that readers see with the axes that make it.
func variantName(plan string) string {
	if n := name(plan); Title(n) != n {
		return fmt.Sprintf("%s (`%s`)", Title(n), plan)
	}
	return "`" + plan + "`"
}
