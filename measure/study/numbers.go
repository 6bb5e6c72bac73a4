package study

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// ByNumber is how many instructions of a variant's call lead to the handler, by the
// call's number. It is counted in the code of this entrylab.
type ByNumber struct {
	Variant string
	Counts  []int
}

// Numbers returns the counts of the variants of the headlines, if the question asks
// about the call's number.
func (p Page) Numbers() ([]ByNumber, error) {
	if !p.Question.Numbers {
		return nil, nil
	}
	built, err := p.built()
	if err != nil {
		return nil, err
	}
	var list []ByNumber
	for _, c := range p.Question.Changes {
		for _, v := range c.ends {
			if slices.ContainsFunc(list, func(b ByNumber) bool { return b.Variant == v }) {
				continue
			}
			at := slices.IndexFunc(p.Question.variants, func(n stubs.Variant) bool { return n.Name == v })
			counts, err := count.Dispatch(built.Object, p.Question.variants[at])
			if err != nil {
				return nil, err
			}
			list = append(list, ByNumber{v, counts})
		}
	}
	return list, nil
}

// spread is what a change makes of the way to the handler, over all numbers.
type spread struct{ numbers, cheaper, dearer, least, most int }

// across compares two variants number by number.
func across(from, to []int) spread {
	s := spread{numbers: len(from), least: to[0] - from[0], most: to[0] - from[0]}
	for n := range from {
		d := to[n] - from[n]
		s.least, s.most = min(s.least, d), max(s.most, d)
		switch {
		case d < 0:
			s.cheaper++
		case d > 0:
			s.dearer++
		}
	}
	return s
}

func (s spread) String() string {
	text := fmt.Sprintf("the way to the handler: %s to %s instructions, by the call's number", analysis.Signed(float64(s.least)), analysis.Signed(float64(s.most)))
	if s.least == s.most {
		text = fmt.Sprintf("the way to the handler: %s instructions, whatever the call's number", analysis.Signed(float64(s.least)))
	}
	return text + fmt.Sprintf(" (%d of %d are dearer, %d cheaper)", s.dearer, s.numbers, s.cheaper)
}

// mixed reports whether it depends on the number what is cheaper.
func (s spread) mixed() bool { return s.cheaper > 0 && s.dearer > 0 }

// spreadOf returns what a change makes of the way to the handler; ok is false if the
// question does not ask.
func (p Page) spreadOf(c Change) (s spread, ok bool) {
	list, err := p.Numbers()
	if err != nil || list == nil { // the page says why
		return spread{}, false
	}
	counts := func(v string) []int {
		return list[slices.IndexFunc(list, func(b ByNumber) bool { return b.Variant == v })].Counts
	}
	from, to := c.Ends()
	return across(counts(from), counts(to)), true
}

// numbers adds the counts by number to the page.
func (p Page) numbers(out *table.Document) {
	list, err := p.Numbers()
	switch {
	case err != nil:
		out.Add(table.Space, table.Block{Prose: fmt.Sprintf("the way to the handler by number: cannot be counted: %v", err)})
		return
	case list == nil:
		return
	}
	last := len(list[0].Counts) - 1
	out.Add(table.Space, table.Line("instructions up to the handler's first, by the call's number, of 0 to %d, counted in the code", last))
	text := [][]string{{"", "least", "number", "most", "number", "mean", fmt.Sprintf("%s (%d)", wire.OpNullCall, count.NullCall)}}
	for _, b := range list {
		least, most, sum := 0, 0, 0
		for n, x := range b.Counts {
			sum += x
			if x < b.Counts[least] {
				least = n
			}
			if x > b.Counts[most] {
				most = n
			}
		}
		row := []string{
			p.Title(b.Variant), fmt.Sprint(b.Counts[least]), fmt.Sprint(least), fmt.Sprint(b.Counts[most]), fmt.Sprint(most),
			fmt.Sprintf("%.1f", float64(sum)/float64(len(b.Counts))), fmt.Sprint(b.Counts[count.NullCall]),
		}
		if b.Counts[least] == b.Counts[most] {
			row[2], row[4] = "any", "any"
		}
		text = append(text, row)
	}
	out.Add(table.Of(text))
}

// counted reports whether an engine's figures are counts of instructions.
func (p Page) counted(of string) bool { return p.Unit(of) == record.Instructions }
