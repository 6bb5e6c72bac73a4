package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// Comparison is what one engine found about variants, compared with the first one.
type Comparison struct {
	Engine engine.Engine
	// Config is what the figures were measured with.
	Config record.Config
	// Variants are the variants that are compared; the first is the base. Others
	// are those that were measured with them, such as the floor.
	Variants, Others []string
	Rows             []Row
	Checks           []wire.Check
	// Units is how many units of resampling sampled figures come from.
	Units    int
	Booted   *Booted // nil where nothing was booted for samples
	Controls []Control
	Ladder   []Rung
	Account  engine.Account
	Notes    []string
	// Vulnerabilities are what each real kernel says about the CPU.
	Vulnerabilities map[string][]wire.Vulnerability
}

// Row is one operation in one form.
type Row struct {
	engine.Op
	Form   string
	Values []Value
}

// Value is the figure of one variant; one without records has none.
type Value struct {
	Variant string
	Records []record.Record
	// Samples has one sample for each unit of resampling; Mean is their mean.
	Samples []float64
	Mean    float64
	// Difference is the difference from the base: None for the base itself, for the floor
	// and where there can be none.
	Difference Difference
	ReadAs     []ReadAs
	// Noisy says why the difference cannot be trusted; empty: it can.
	Noisy string
}

// Base returns the variant that the others are compared with.
func (c *Comparison) Base() string { return c.Variants[0] }

// Unit returns the unit of the figures: "counts" if they have several.
func (c *Comparison) Unit() string { return cmp.Or(c.Engine.Unit, counts) }

// Retired returns how many instructions the CPU counted, the median over the samples; nil
// if it did not count them.
func (v Value) Retired() *float64 {
	var values []float64
	for _, r := range v.Records {
		if r.Retired != nil {
			values = append(values, *r.Retired)
		}
	}
	if len(values) == 0 {
		return nil
	}
	m := stats.Quantile(values, 0.5)
	return &m
}

// Counted is how many of an event the CPU counted in one operation: the median over the
// samples, and the least and the most of them.
type Counted struct{ Median, Least, Most float64 }

// Event returns how many of an event of wire.Explaining the CPU counted; ok is false if it
// did not count it.
func (v Value) Event(name string) (c Counted, ok bool) {
	var values []float64
	for _, r := range v.Records {
		if n, ok := r.Events[name]; ok {
			values = append(values, n)
		}
	}
	if len(values) == 0 {
		return c, false
	}
	return Counted{stats.Quantile(values, 0.5), slices.Min(values), slices.Max(values)}, true
}

// Apart reports whether no sample of one is among those of the other.
func (c Counted) Apart(o Counted) bool { return c.Most < o.Least || o.Most < c.Least }

// Tail returns what the slowest of single operations took above the median one: the
// means over the runs, and the largest of all; nil if no run has it.
func (v Value) Tail() *record.Tail {
	var t record.Tail
	runs := 0.0
	for _, r := range v.Records {
		if r.Tail == nil {
			continue
		}
		runs++
		t.P99 += r.Tail.P99
		t.P999 += r.Tail.P999
		t.Most = max(t.Most, r.Tail.Most)
		t.N += r.Tail.N
	}
	if runs == 0 {
		return nil
	}
	t.P99, t.P999 = t.P99/runs, t.P999/runs
	return &t
}

// Compare compares variants that an engine measured; without names, all of them. If it
// returns the error of a refusal, it returns the comparison too.
func (s *Set) Compare(name string, out engine.Outcome, names []string) (*Comparison, error) {
	e := engine.Of(name)
	c := &Comparison{Engine: e, Checks: out.Checks, Account: out.Account, Variants: names, Vulnerabilities: out.Vulnerabilities}
	if len(names) == 0 {
		c.Variants = s.order
	}
	for _, v := range s.order {
		if !slices.Contains(c.Variants, v) {
			c.Others = append(c.Others, v)
		}
	}
	for _, b := range slices.Concat(s.Booted, s.RefusedBoots) {
		if b.Config.Engine == name {
			c.Booted, c.Controls, c.Config, c.Units = b, b.Controls, b.Config, b.Boots
		}
	}
	forms := e.Forms
	if len(forms) == 0 {
		forms = []string{""}
	}
	for _, o := range e.Ops {
		if len(c.Variants) == 0 {
			break // everything is refused
		}
		for _, form := range forms {
			if row := s.row(c, o, Column{name, form}); row != nil {
				c.Rows = append(c.Rows, *row)
			}
		}
	}
	for _, form := range forms {
		column := Column{name, form}
		if c.Booted == nil {
			c.Controls = append(c.Controls, s.controls[column]...)
		}
		c.Ladder = append(c.Ladder, s.ladder(column)...)
	}
	c.Notes = s.notes(c)
	err := s.refusals[name]
	if err == nil {
		err = s.Judge(name)
	}
	return c, err
}

// row returns the row of an operation in a column; nil if tables do not show it, because
// it is a part, or a form of which the base has no figure.
func (s *Set) row(c *Comparison, o engine.Op, column Column) *Row {
	base := s.Records(column, c.Base(), o.Op)
	if len(base) == 0 && (column.Form != "" || record.IsPart(o.Op)) {
		return nil
	}
	row := &Row{Op: o, Form: column.Form}
	for _, v := range slices.Concat(c.Variants, c.Others) {
		f := Value{Variant: v, Records: s.Records(column, v, o.Op)}
		if len(f.Records) > 0 {
			f.Samples = samplesOf(f.Records)
			f.Mean = stats.Mean(f.Samples)
			f.Noisy = s.noisy[noisy{column, o.Op}]
			c.Config = f.Records[0].Config
			if c.Booted == nil {
				c.Units = max(c.Units, len(f.Samples))
			}
		}
		if v != c.Base() && (v != wire.Floor || c.Booted == nil) && c.Account.Apart[v] == "" {
			f.Difference = s.Difference(column, c.Base(), v, o.Op)
			if d := f.Difference; d.Step != "" {
				f.ReadAs = ReadsAs(stats.Estimate{Mean: d.Value, Low: d.Low, High: d.High}, s.ladder(column))
			}
		}
		row.Values = append(row.Values, f)
	}
	return row
}

// notes returns what a reader of the comparison must know.
func (s *Set) notes(c *Comparison) []string {
	switch {
	case c.Booted != nil && c.Account.Disturbed != "":
		return append(c.Booted.Notes(), c.Account.Disturbed)
	case c.Booted != nil:
		return c.Booted.Notes()
	case c.Engine.Notes != nil:
		return c.Engine.Notes(&c.Account)
	}
	return nil
}

// Find returns the figure of an operation in the engine's first form.
func (c *Comparison) Find(variant, op string) (Value, bool) {
	for _, r := range c.Rows {
		if r.Op.Op != op || len(c.Engine.Forms) > 0 && r.Form != c.Engine.Forms[0] {
			continue
		}
		for _, f := range r.Values {
			if f.Variant == variant {
				return f, len(f.Records) > 0
			}
		}
	}
	return Value{}, false
}

// Verdict puts into words the difference that a sampling engine found for a variant's null call.
func (c *Comparison) Verdict(variant string) string {
	f, ok := c.Find(variant, nullCall)
	d := f.Difference
	e := stats.Estimate{Mean: d.Value, Low: d.Low, High: d.High}
	switch why := c.Account.Apart[variant]; {
	case why != "":
		return "not compared (" + why + ")"
	case !ok || d.Kind == None:
		return "not measured"
	case f.Noisy != "":
		return "too noisy (" + f.Noisy + ")"
	case !d.Seen() && d.Step != "":
		return fmt.Sprintf("no difference seen (±%.1f cycles), but %s read the same in this form%s", e.AtMost(), d.Step, c.otherForms(variant))
	case !d.Seen():
		return fmt.Sprintf("no difference seen (±%.1f cycles)", e.AtMost())
	case d.Step != "":
		return fmt.Sprintf("a step of the fence, %+.1f cycles: %s read the same here%s", e.Mean, d.Step, c.otherForms(variant))
	case max(e.Mean, -e.Mean) < Alignment:
		return fmt.Sprintf("%v cycles on average, less than what alignment does (±%g)", e, Alignment)
	}
	return e.String() + " cycles"
}

// Sentence says what an engine that counts found for a variant: the null call with its
// phases, and how many of the other operations differ.
func (c *Comparison) Sentence(variant string) string {
	var phases, others []string
	var dearer, cheaper, same, unseen int
	null := "not measured"
	for _, r := range c.Rows {
		d := c.difference(r, variant)
		switch {
		case r.Op.Op == nullCall:
			null = d.Words()
		case strings.HasPrefix(r.Op.Op, nullCall+"/"):
			if d.Kind == Exact && d.Value != 0 {
				phases = append(phases, r.Short+" "+Signed(d.Value))
			}
		case d.Kind == None:
		case d.Sense() == Dearer:
			dearer++
		case d.Sense() == Cheaper:
			cheaper++
		case d.Kind == Exact:
			same++
		default:
			unseen++
		}
	}
	text := "null call: " + null
	if len(phases) > 0 {
		text += " (" + strings.Join(phases, ", ") + ")"
	}
	for _, o := range []struct {
		n    int
		word string
	}{{dearer, "dearer"}, {cheaper, "cheaper"}, {same, "the same"}, {unseen, "without a difference that is seen"}} {
		if o.n > 0 {
			others = append(others, fmt.Sprintf("%d %s", o.n, o.word))
		}
	}
	if len(others) == 0 {
		return text
	}
	return text + "; other operations: " + strings.Join(others, ", ")
}

// difference returns a row's difference of a variant.
func (c *Comparison) difference(r Row, variant string) Difference {
	for _, v := range r.Values {
		if v.Variant == variant {
			return v.Difference
		}
	}
	return Difference{}
}

// otherForms returns the range of a variant's differences in the other forms of the
// null call.
func (c *Comparison) otherForms(variant string) string {
	var means []float64
	for _, r := range c.Rows {
		for _, f := range r.Values {
			if r.Op.Op == nullCall && r.Form != c.Engine.Forms[0] && f.Variant == variant && f.Noisy == "" && f.Difference.Kind != None {
				means = append(means, f.Difference.Value)
			}
		}
	}
	if len(means) == 0 {
		return ""
	}
	return fmt.Sprintf("; other forms %+.1f to %+.1f", slices.Min(means), slices.Max(means))
}

// Compared returns an error if there is nothing to compare, because the base or
// everything else was not measured: that must not look like success.
func (c *Comparison) Compared(subjects []stubs.Variant) error {
	has := func(v string) bool {
		return slices.ContainsFunc(c.Rows, func(r Row) bool {
			return slices.ContainsFunc(r.Values, func(f Value) bool { return f.Variant == v && len(f.Records) > 0 })
		})
	}
	if has(c.Base()) && slices.ContainsFunc(c.Variants[1:], has) {
		return nil
	}
	var why []string
	var needs layout.Features
	for _, v := range c.Variants {
		if has(v) {
			continue
		}
		if i := slices.IndexFunc(subjects, func(n stubs.Variant) bool { return n.Name == v }); i >= 0 {
			needs |= subjects[i].Features()
		}
		text := v + " was not measured"
		for _, check := range c.Checks {
			if check.Name == v+": measure" {
				text += ": " + check.Detail
			}
		}
		why = append(why, text)
	}
	text := fmt.Sprintf("nothing to compare: %s (engine %s, CPU %s)", strings.Join(why, "; "), c.Engine.Name, c.Config.CPU)
	for _, e := range engine.Measuring() {
		if needs != 0 && e.Name != c.Engine.Name && e.Features == needs {
			text += fmt.Sprintf("; -engine %s has %vs", e.Name, needs)
		}
	}
	return errors.New(text)
}
