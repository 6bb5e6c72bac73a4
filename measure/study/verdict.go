package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
)

// Question is the study's question about the three changes together.
const Question = "Is it worth keeping the user's RSP (a), flags (b) and CS, SS, RCX (c) in the frame at every system call?"

// Worth is the answer to the question in a few words.
type Worth string

// The answers. Undecided means that the figures are too few, or too far apart.
const (
	Yes       Worth = "Yes"
	No        Worth = "No"
	Depends   Worth = "It depends"
	Undecided Worth = "Undecided"
)

// Verdict is the answer to the question for one CPU.
type Verdict struct {
	Worth
	// On is what the answer depends on, if it does.
	On string
	// CPU is the CPU that was measured; empty if only instructions were counted, which are
	// the same on all CPUs. Engine is the engine that measured.
	CPU, Engine string
	// Figures are the reasons.
	Figures []string
}

// String returns the answer in a line.
func (v Verdict) String() string {
	text := string(v.Worth)
	if v.On != "" {
		text += " on " + v.On
	}
	if v.CPU == "" {
		return text + ", by instructions alone: no cycles were measured"
	}
	return fmt.Sprintf("%s, on %s by %s", text, v.CPU, v.Engine)
}

// Answer returns the first line of a study, which sums up the verdicts.
func Answer(list []Verdict) string {
	same := !slices.ContainsFunc(list, func(v Verdict) bool { return v.Worth != list[0].Worth })
	switch {
	case len(list) == 1:
		return list[0].String()
	case same:
		return fmt.Sprintf("%s, on each of %d CPUs", list[0].Worth, len(list))
	}
	return fmt.Sprintf("It depends on the CPU, of which %d were measured", len(list))
}

// Verdicts answers the question for each CPU whose cycles were measured; if none was, by
// the first engine that counts instructions.
func (p Page) Verdicts() []Verdict {
	type where struct{ engine, host string }
	var sampled []where
	for _, r := range p.records {
		e := engine.Of(r.Engine)
		if w := (where{r.Engine, r.Host}); e.Kind == engine.Sampled && e.Meaningless == "" && !slices.Contains(sampled, w) {
			sampled = append(sampled, w)
		}
	}
	var list []Verdict
	for _, w := range sampled {
		p := p
		if len(sampled) > 1 {
			p = NewPage(slices.DeleteFunc(slices.Clone(p.records), func(r record.Record) bool {
				return r.Engine != w.engine || r.Host != w.host
			}), nil)
		}
		if !slices.Contains(p.Engines(), w.engine) {
			continue // refused: the page says why
		}
		v := p.verdict(w.engine)
		v.CPU = w.host
		list = append(list, v)
	}
	if len(list) > 0 {
		return list
	}
	for _, e := range p.Engines() {
		if p.Unit(e) == record.Instructions {
			return []Verdict{p.verdict(e)}
		}
	}
	return []Verdict{{Worth: Undecided, Figures: []string{"nothing was measured that could tell"}}}
}

// verdict weighs what the three changes make more expensive against what they make
// cheaper, as an engine measured it.
func (p Page) verdict(of string) Verdict {
	v := Verdict{Engine: of}
	from, to := name(base), name(whole)
	difference := func(op string) analysis.Difference {
		return p.Difference(p.Headline(of, op), from, to, op)
	}
	call, full := difference(nullCall), difference(fullFrame)
	v.Figures = []string{"an ordinary call: " + call.Words()}
	if full.Kind != analysis.None {
		v.Figures = append(v.Figures, "a call that needs full pt_regs: "+full.Words())
	}
	cheaper, dearer := false, false
	for _, a := range answered[2:] {
		d := difference(a.op)
		if s := d.Sense(); s == analysis.Cheaper || s == analysis.Dearer {
			cheaper, dearer = cheaper || s == analysis.Cheaper, dearer || s == analysis.Dearer
			v.Figures = append(v.Figures, strings.ToLower(a.name[:1])+a.name[1:]+": "+d.Words())
		}
	}
	rate := p.BreakEven(of, from, to)
	switch {
	case call.Kind == analysis.None:
		v.Worth, v.Figures = Undecided, []string{"an ordinary call was not measured with the three changes and without"}
	case call.Step != "" || wide(call):
		v.Worth = Undecided
	case call.Sense() == analysis.Dearer && full.Sense() == analysis.Cheaper && rate.Share < 1:
		v.Worth, v.On = Depends, "how many calls need full pt_regs"
		v.Figures = append(v.Figures, fmt.Sprintf("worth it %v", rate))
	case call.Sense() == analysis.Dearer && !cheaper:
		v.Worth = No
	case call.Sense() == analysis.Dearer || dearer:
		v.Worth, v.On = Depends, "how many thread switches there are for a call"
	default:
		v.Worth = Yes
	}
	return v
}

// wide reports whether an interval holds both zero and a difference that would matter.
func wide(d analysis.Difference) bool {
	return d.Unit == record.Cycles && !d.Seen() && max(d.High, -d.Low) > analysis.Alignment
}
