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
	// By is what decides it, with the figure and how sure it is.
	By string
	// CPU is the CPU that was measured; empty if only instructions were counted, which are
	// the same on all CPUs. Engine is the engine that measured.
	CPU, Engine string
	// Figures are the reasons.
	Figures []string
}

// String returns the answer in a line.
func (v Verdict) String() string {
	text := v.short()
	if v.By != "" {
		text += ": " + v.By
	}
	switch {
	case v.Engine == "":
		return text
	case v.CPU == "":
		return text + "; by instructions alone, as no cycles were measured"
	}
	return fmt.Sprintf("%s; on %s by %s", text, v.CPU, v.Engine)
}

// short returns the answer without its reason.
func (v Verdict) short() string {
	if v.On == "" {
		return string(v.Worth)
	}
	return string(v.Worth) + " on " + v.On
}

// Answer returns the first line of a study, which sums up the verdicts.
func Answer(list []Verdict) string {
	same := !slices.ContainsFunc(list, func(v Verdict) bool { return v.short() != list[0].short() })
	switch {
	case len(list) == 1:
		return list[0].String()
	case same:
		return fmt.Sprintf("%s, on each of %d CPUs", list[0].short(), len(list))
	}
	return fmt.Sprintf("It depends on the CPU, of which %d were measured", len(list))
}

// Verdicts answers the question for each CPU whose cycles were measured; if none was, by
// the first engine that counted the instructions of what is asked about.
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
			p = NewPage(p.Question, slices.DeleteFunc(slices.Clone(p.records), func(r record.Record) bool {
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
	if p.Question.Cycles {
		const only = "only cycles can tell, and none were measured"
		return []Verdict{{Worth: Undecided, By: only, Figures: []string{only}}}
	}
	var counting []string
	for _, e := range p.Engines() {
		if p.Unit(e) == record.Instructions || engine.Of(e).Call != "" {
			counting = append(counting, e)
		}
	}
	// Not every engine can run every variant.
	if i := slices.IndexFunc(counting, p.answers); i > 0 {
		counting = counting[i:]
	}
	if len(counting) > 0 {
		return []Verdict{p.verdict(counting[0])}
	}
	const nothing = "nothing was measured that could tell"
	return []Verdict{{Worth: Undecided, By: nothing, Figures: []string{nothing}}}
}

// verdict answers the question as an engine measured it.
func (p Page) verdict(of string) Verdict {
	var list []Verdict
	for _, key := range p.Question.Answers {
		list = append(list, p.weigh(of, p.Question.change(key)))
	}
	if len(list) == 1 {
		return list[0]
	}
	all := Verdict{Engine: of, Worth: list[0].Worth, On: list[0].On}
	var each []string
	for i, v := range list {
		key := p.Question.Answers[i]
		each = append(each, key+" "+strings.ToLower(string(v.Worth)))
		all.By += "; " + key + ", " + v.By
		for _, f := range v.Figures {
			all.Figures = append(all.Figures, key+": "+f)
		}
	}
	all.By = all.By[2:]
	if slices.ContainsFunc(list, func(v Verdict) bool { return v.Worth != all.Worth || v.On != all.On }) {
		all.Worth, all.On = Depends, "which of them is meant ("+strings.Join(each, ", ")+")"
	}
	return all
}

// answers reports whether the engine has a figure of a call for all that is asked about.
func (p Page) answers(of string) bool {
	_, call := p.Question.weighed(of)
	return !slices.ContainsFunc(p.Question.Answers, func(key string) bool {
		from, to := p.Question.change(key).Ends()
		return p.Difference(p.Headline(of, call), from, to, call).Kind == analysis.None
	})
}

// weighed returns the operations by which an engine answers, and the one that every call
// pays.
func (q Question) weighed(of string) (list []mention, call string) {
	if call := engine.Of(of).Call; call != "" {
		return []mention{{call, "Null call without its handler", ""}}, call
	}
	return q.answered(), q.everyCall()
}

// weigh weighs what a change makes dearer against what it makes cheaper. What every
// call pays decides, unless another operation says the contrary.
func (p Page) weigh(of string, c Change) Verdict {
	v := Verdict{Engine: of}
	from, to := c.Ends()
	call, name := analysis.Difference{}, ""
	yes, contrary := false, mention{}
	list, everyCall := p.Question.weighed(of)
	for _, a := range list {
		d := p.Difference(p.Headline(of, a.op), from, to, a.op)
		s := d.Sense()
		figure := a.one() + ": " + d.Words() + d.Sure()
		switch {
		case c.Exit && blind(of) != "":
		case a.op == everyCall:
			call, name = d, figure
			yes = p.Question.Claim.affirmed(s)
			v.Figures = append(v.Figures, figure)
		case s == analysis.Cheaper || s == analysis.Dearer:
			v.Figures = append(v.Figures, figure)
			if contrary.op == "" && p.Question.Claim.contrary(yes, s) {
				contrary = a
			}
		case d.Kind != analysis.None && a.op == wire.OpFullFrameCall:
			v.Figures = append(v.Figures, figure)
		}
	}
	switch {
	case call.Kind == analysis.None:
		v.Worth, v.Figures = Undecided, []string{fmt.Sprintf("an ordinary call was not measured both with the change %s and without", c.Key)}
		v.By = v.Figures[0]
		return v
	case call.Step != "" || wide(call):
		v.Worth = Undecided
	case contrary.op != "":
		v.Worth, v.On = Depends, "how many "+contrary.many
	case yes:
		v.Worth = Yes
	default:
		v.Worth = No
	}
	v.By = name
	if s, ok := p.spreadOf(c); ok {
		v.Figures = append(v.Figures, s.String())
		if s.mixed() && p.counted(of) {
			v.Worth, v.On = Depends, "the call's number"
		}
	}
	if rate := p.BreakEven(of, from, to); contrary.op == wire.OpFullFrameCall && call.Sense() == analysis.Dearer {
		v.Figures = append(v.Figures, fmt.Sprintf("worth it %v", rate))
	}
	return v
}

// affirmed reports whether a call's difference affirms the claim.
func (c Claim) affirmed(s analysis.Sense) bool {
	switch c {
	case Cheaper:
		return s == analysis.Cheaper
	case Dearer:
		return s == analysis.Dearer
	}
	return s != analysis.Dearer
}

// contrary reports whether the difference of another operation, which is cheaper or
// dearer, says the contrary of the call's.
func (c Claim) contrary(yes bool, s analysis.Sense) bool {
	if c == Dearer {
		return yes == (s == analysis.Cheaper)
	}
	return yes == (s == analysis.Dearer)
}

// one returns an operation's name with its article, as it stands within a sentence.
func (m mention) one() string {
	article := "a "
	if strings.ContainsAny(m.name[:1], "AEIOU") {
		article = "an "
	}
	return article + strings.ToLower(m.name[:1]) + m.name[1:]
}

// wide reports whether an interval holds both zero and a difference that would matter.
func wide(d analysis.Difference) bool {
	return d.Unit == record.Cycles && !d.Seen() && max(d.High, -d.Low) > analysis.Alignment
}
