package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// Finding is what an engine found about a change in one operation.
type Finding struct {
	Engine, Op string
	analysis.Difference
	// Contexts is the number of pairs of variants in which the change was measured. Least
	// and Most are the least and the greatest difference in any of them.
	Contexts    int
	Least, Most float64
}

// answered lists the operations that an answer mentions, with the words for them.
var answered = []struct{ op, name string }{
	{nullCall, "Ordinary call"},
	{fullFrame, "Call that needs full pt_regs"},
	{wire.OpThreadSwitchYield, "Thread switch"},
	{wire.OpThreadSwitchPreempted, "Thread switch, preempted in user mode"},
	{wire.OpThreadSwitchFlushed, "Thread switch with the thread's and the per-CPU lines flushed"},
	{record.OpSwitchWarm, "Thread switch"},
	{record.OpSwitchSP, "Thread switch with the line of usersp cold"},
}

// Findings returns what the engines found about a change, those with cycles first. It
// leaves out engines that only confirm another one, or cannot see the change.
func (p Page) Findings(c Change) []Finding {
	from, to := c.Ends()
	engines := p.Telling()
	slices.Reverse(engines)
	var list []Finding
	for _, e := range engines {
		if c.Exit && blind(e) != "" {
			continue
		}
		for _, a := range answered {
			d := p.Difference(p.Headline(e, a.op), from, to, a.op)
			if d.Kind == analysis.None {
				continue
			}
			f := Finding{Engine: e, Op: a.op, Difference: d, Contexts: 1, Least: d.Value, Most: d.Value}
			for _, pair := range c.Pairs[1:] {
				if o := p.Difference(p.Headline(e, a.op), name(pair[0]), name(pair[1]), a.op); o.Kind != analysis.None {
					f.Least, f.Most, f.Contexts = min(f.Least, o.Value), max(f.Most, o.Value), f.Contexts+1
				}
			}
			list = append(list, f)
		}
	}
	return list
}

// Around says what the change costs in all pairs of variants that it was measured in;
// empty if there is only one.
func (f Finding) Around() string {
	print := analysis.Short
	if f.Kind == analysis.Exact {
		print = analysis.Signed
	}
	switch {
	case f.Contexts == 1:
		return ""
	case f.Least == f.Most:
		return fmt.Sprintf("so in all %d contexts", f.Contexts)
	}
	return fmt.Sprintf("%s to %s in %d contexts", print(f.Least), print(f.Most), f.Contexts)
}

// Sentences returns the answer in words, by the most telling engine: one with cycles, if
// there is one. The first sentence says what an ordinary call pays. Another operation is
// mentioned if its difference is larger than alignment alone can make.
func (p Page) Sentences(c Change) []string {
	var list []string
	findings := p.Findings(c)
	for _, f := range findings {
		for _, a := range answered {
			tells := f.Op == nullCall || f.Sense() == analysis.Cheaper || f.Sense() == analysis.Dearer
			if a.op == f.Op && f.Engine == findings[0].Engine && tells {
				list = append(list, a.name+": "+f.Words()+".")
			}
		}
	}
	switch {
	case len(findings) == 0:
		list = []string{"Not measured."}
	case len(list) == 0:
		list = []string{"No difference seen."}
	}
	return list
}

// Blind names the engines that cannot see a change, and says why.
func (p Page) Blind(c Change) []string {
	var list []string
	for _, e := range p.Telling() {
		if c.Exit && blind(e) != "" {
			list = append(list, e+": "+blind(e))
		}
	}
	return list
}

// Comparison is a published figure beside what was measured.
type Comparison struct {
	Published
	// Said says whether the engines agree: a phrase for each engine that measures the same.
	Said []string
}

// Published compares the published figures of a change with those that were measured.
func (p Page) Published(c Change) []Comparison {
	from, to := c.Ends()
	var list []Comparison
	for _, f := range AllPublished {
		if f.Change != c.Key {
			continue
		}
		var said []string
		for _, e := range p.Telling() {
			if c.Exit && blind(e) != "" {
				continue
			}
			d := p.Difference(p.Headline(e, f.Op), from, to, f.Op)
			if a := f.agreement(d); a != "" {
				said = append(said, e+" "+a)
			}
		}
		list = append(list, Comparison{f, said})
	}
	return list
}

// String returns the comparison in a line.
func (c Comparison) String() string {
	said := strings.Join(c.Said, ", ")
	if said == "" {
		said = "no engine here measures this"
	}
	return fmt.Sprintf("published: %s (%s): %s", c.Text, c.Source, said)
}

// answer returns the page's lines about a change: the verdict of each engine, and what was
// published.
func (p Page) answer(c Change) []string {
	lines := p.Blind(c)
	of, text := "", ""
	flush := func() {
		if text != "" {
			lines = append(lines, of+": "+text)
		}
		text = ""
	}
	for _, f := range p.Findings(c) {
		if f.Engine != of {
			flush()
			of = f.Engine
		}
		if text != "" {
			text += "; "
		}
		text += engine.OperationOf(f.Op).Short + " " + f.Verdict()
		if around := f.Around(); around != "" && f.Op == nullCall {
			text += " (" + around + ")"
		}
	}
	flush()
	from, to := c.Ends()
	for _, e := range p.Engines() {
		if text := p.counts(e, from, to); text != "" && engine.Of(e).Unit == "" {
			lines = append(lines, e+": "+text)
		}
	}
	for _, f := range p.Published(c) {
		lines = append(lines, f.String())
	}
	return lines
}

// counts returns, for an engine whose counts have several units, the differences in all
// operations; empty without counts.
func (p Page) counts(engine, from, to string) string {
	var parts []string
	counted := false
	for _, op := range p.Ops(engine) {
		d := p.Difference(p.Headline(engine, op), from, to, op)
		counted = counted || d.Kind != analysis.None
		if d.Seen() {
			parts = append(parts, analysis.Signed(d.Value)+" "+op)
		}
	}
	if counted && len(parts) == 0 {
		return "no difference in any count"
	}
	return strings.Join(parts, ", ")
}
