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

// mention is an operation that an answer mentions: its name, and what there are many of
// where it counts.
type mention struct{ op, name, many string }

const (
	fullFrames = "calls need full pt_regs"
	switches   = "thread switches there are for a call"
)

// mentions are the words for operations, in the order of answers.
var mentions = []mention{
	{wire.OpNullCall, "Ordinary call", ""},
	{wire.OpUnknownCall, "Unknown call", "calls have no handler"},
	{wire.OpFullFrameCall, "Call that needs full pt_regs", fullFrames},
	{wire.OpSignalRoundTrip, "Signal and the return from it", "signals there are for a call"},
	{wire.OpThreadSwitchYield, "Thread switch", switches},
	{wire.OpThreadSwitchMM, "Thread switch between address spaces", switches},
	{wire.OpThreadSwitchPreempted, "Thread switch, preempted in user mode", switches},
	{wire.OpFutexRoundTrip, "Futex round trip", switches},
	{wire.OpPipeRoundTrip, "Pipe round trip between processes", switches},
	{wire.OpForkExit, "Fork, exit and wait", "processes there are for a call"},
	{wire.OpForkExecExit, "Fork, exec, exit and wait", "processes there are for a call"},
	{wire.OpTracedCall, "Call that a tracer stops twice", "calls are traced"},
	{wire.OpThreadSwitchFlushed, "Thread switch with the thread's and the per-CPU lines flushed", switches},
	{wire.OpThreadSwitchMMFlushed, "Thread switch between address spaces with these lines flushed", switches},
	{wire.OpNullCallForgotten, "Null call after the CPU has dropped what it predicts of branches", "calls are made"},
	{record.OpSwitchWarm, "Thread switch", switches},
	{record.OpSwitchSP, "Thread switch with the line of usersp cold", switches},
	{record.OpSwitchThread, "Thread switch with the thread's line cold", switches},
	{record.OpSwitchBoth, "Thread switch with both lines cold", switches},
}

// unnamed are the operations that the answer mentions where the question names none.
var unnamed = []string{
	wire.OpNullCall, wire.OpFullFrameCall, wire.OpThreadSwitchYield, wire.OpThreadSwitchPreempted, wire.OpThreadSwitchFlushed,
	record.OpSwitchWarm, record.OpSwitchSP,
}

// answered returns the operations that an answer mentions.
func (q Question) answered() []mention {
	asked := q.Operations
	if len(asked) == 0 {
		asked = unnamed
	}
	return slices.DeleteFunc(slices.Clone(mentions), func(m mention) bool { return !slices.Contains(asked, m.op) })
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
		for _, a := range p.Question.answered() {
			d := p.Difference(p.Headline(e, a.op), from, to, a.op)
			if d.Kind == analysis.None {
				continue
			}
			f := Finding{Engine: e, Op: a.op, Difference: d, Contexts: 1, Least: d.Value, Most: d.Value}
			for _, pair := range c.Contexts {
				if o := p.Difference(p.Headline(e, a.op), p.Question.names[pair[0]], p.Question.names[pair[1]], a.op); o.Kind != analysis.None {
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
		for _, a := range p.Question.answered() {
			tells := f.Op == p.Question.everyCall() || f.Sense() == analysis.Cheaper || f.Sense() == analysis.Dearer
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
	for _, f := range p.Question.Figures {
		if f.Change != c.Key {
			continue
		}
		var said []string
		for _, e := range p.Telling() {
			if c.Exit && blind(e) != "" {
				continue
			}
			column := p.Headline(e, f.Op)
			d := p.Difference(column, from, to, f.Op)
			if f.Unit == percent {
				d = p.share(column, d, from, f.Op)
			}
			if a := f.agreement(d); a != "" {
				said = append(said, e+" "+a)
			}
		}
		list = append(list, Comparison{f, said})
	}
	return list
}

// share returns the difference as a share of what the operation costs without the
// change, in percent. An engine that does not run the whole of a call has none.
func (p Page) share(c analysis.Column, d analysis.Difference, from, op string) analysis.Difference {
	records := p.Records(c, from, op)
	if d.Kind == analysis.None || d.Unit != record.Cycles || blind(c.Engine) != "" || len(records) == 0 {
		return analysis.Difference{}
	}
	each := 100 / analysis.Mean(records)
	d.Unit, d.Value, d.Low, d.High = percent, d.Value*each, d.Low*each, d.High*each
	return d
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
		if around := f.Around(); around != "" && f.Op == p.Question.everyCall() {
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
