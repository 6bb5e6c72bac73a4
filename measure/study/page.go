package study

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/table"
)

// NewPage returns the page that answers a question from the records; skipped are the
// engines that have none. Records of other code than the question's, as those of another
// question are, are left out.
func NewPage(q Question, records []record.Record, skipped []engine.Skipped) Page {
	mine := q.own(records)
	return Page{analysis.NewSet(mine), q, skipped, mine, len(records) - len(mine)}
}

// noOutcome is the outcome for a page, whose records come from many runs.
var noOutcome engine.Outcome

// Page is what a study prints: what every change costs on every engine, and what was
// published about it.
type Page struct {
	*analysis.Set
	Question Question
	Skipped  []engine.Skipped
	records  []record.Record
	others   int // records that are left out
}

// own returns the records of code that has both ends of a change, and those of kernels
// that were not generated. If there is no such code, it returns all.
func (q Question) own(records []record.Record) []record.Record {
	variants := map[string][]string{} // by code
	for i := range records {
		r := &records[i]
		if !slices.Contains(variants[r.Code], r.Variant) {
			variants[r.Code] = append(variants[r.Code], r.Variant)
		}
	}
	codes := map[string]bool{}
	for code, have := range variants {
		for _, c := range q.Changes {
			for _, pair := range c.pairs() {
				if slices.Contains(have, q.names[pair[0]]) && slices.Contains(have, q.names[pair[1]]) {
					codes[code] = true
				}
			}
		}
	}
	if len(codes) == 0 {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), func(r record.Record) bool {
		linux := r.Axes == "" && r.Variant != engine.Control && !wire.IsControl(r.Variant)
		return !codes[r.Code] && !linux
	})
}

// Own returns the records of which the page is made.
func (p Page) Own() []record.Record { return slices.Clone(p.records) }

// Variants returns the variants that have figures, those of the study first.
func (p Page) Variants() []string { return p.Set.Variants(p.Question.planned()...) }

// Title returns a variant's name for readers.
func (p Page) Title(variant string) string { return p.Question.Title(variant) }

// Ops returns the operations of an engine that the question is about. An engine that
// counts in several units has counts for operations, and they are all asked for.
func (p Page) Ops(name string) []string {
	ops := p.Set.Ops(name)
	if engine.Of(name).Unit == "" {
		return ops
	}
	return slices.DeleteFunc(ops, func(op string) bool { return !p.Question.asks(op) })
}

// Missing returns the engines that have no figures, and why.
func (p Page) Missing() []engine.Skipped { return slices.Concat(p.Skipped, p.Refused) }

// Document returns the page for printing.
func (p Page) Document() *table.Document {
	out := &table.Document{Title: "entrylab study", List: true}
	prose := func(indent, text string) { out.Add(table.Block{Prose: text, Indent: indent}) }
	all := p.Verdicts()
	out.Add(table.Line("%s.", Answer(all)), table.Line("The question: %s", p.Question.Ask))
	for _, v := range all {
		if len(all) > 1 {
			prose("", v.String()+":")
		}
		for _, f := range v.Figures {
			prose("    ", f)
		}
	}
	for _, line := range p.Proofs {
		prose("", line)
	}
	out.Add(table.Space)
	for _, e := range p.Engines() {
		prose("", p.Describe(e))
		out.Data = append(out.Data, p.data(e, all))
	}
	for _, s := range p.Missing() {
		prose("", fmt.Sprintf("%s: %s", s.Engine, s.Reason))
	}
	for _, line := range p.LeftOut() {
		prose("", line)
	}
	for _, e := range p.Engines() {
		out.Add(table.Space)
		if first := p.Confirms(e); first != "" {
			out.Add(table.Line("%s: the same differences as %s, every one", e, first))
			continue
		}
		out.Add(table.Line("%s: difference in %s", e, p.Unit(e)))
		head, rows := p.Table(e)
		text := [][]string{append([]string{""}, head...)}
		for _, r := range rows {
			line := []string{r.Change}
			for _, c := range r.Cells {
				line = append(line, c.Text)
			}
			text = append(text, line)
		}
		out.Add(table.Of(text))
		p.tails(out, e)
		p.kernels(out, e)
	}
	p.numbers(out)
	out.Add(table.Space)
	code := p.code()
	for i, c := range p.Question.Changes {
		prose("", fmt.Sprintf("%s: %s", c.Key, c.Title))
		for _, line := range p.answer(c) {
			prose("    ", line)
		}
		prose("    ", code[i])
	}
	if lines := p.BreakEvens(); len(lines) > 0 {
		out.Add(table.Space, table.Line("Break-even: the share of full-frame calls (clone, rt_sigreturn, a signal) from which the eager path is cheaper"))
		for _, line := range lines {
			prose("    ", line)
		}
	}
	out.Add(table.Space)
	for _, line := range append(p.Notes(), p.controlLines()...) {
		prose("", "* "+line)
	}
	return out
}

// data returns what an engine found, with each variant compared with the base, and what
// of the verdicts is by it, or by nobody.
func (p Page) data(engine string, verdicts []Verdict) table.Data {
	c, _ := p.Compare(engine, noOutcome, p.Variants()) // Missing reports a refusal
	d := table.Compared(c, nil, false).Data[0]
	d.Question = p.Question.Ask
	for _, v := range verdicts {
		if v.Engine == engine || v.Engine == "" {
			d.Answers = append(d.Answers, table.Answer{Worth: string(v.Worth), On: v.On, By: v.By, CPU: v.CPU, Figures: v.Figures})
		}
	}
	return d
}

// LeftOut returns lines about the records that are not used.
func (p Page) LeftOut() []string {
	var lines []string
	if p.others > 0 {
		lines = append(lines, fmt.Sprintf("%d figures of other questions' code are left out.", p.others))
	}
	if p.Left > 0 {
		lines = append(lines, fmt.Sprintf("%d figures of other code than the newest are left out.", p.Left))
	}
	if p.Again > 0 {
		lines = append(lines, fmt.Sprintf("%d figures that were measured again later, in a run of the same number, are left out.", p.Again))
	}
	return lines
}

// Row is the difference that a change makes to each operation.
type Row struct {
	Change string
	Cells  []Cell
}

// Cell is the difference in the operation Op. Without an Op, it is the range of the other
// forms of the operation before it.
type Cell struct {
	analysis.Cell
	Op string
}

// Table returns an engine's table: a row for each change, a column for each operation.
func (p Page) Table(of string) (head []string, rows []Row) {
	ops := p.Ops(of)
	for _, op := range ops {
		head = append(head, engine.OperationOf(op).Short)
		if p.banded(of, op) {
			head = append(head, "other forms")
		}
	}
	for _, c := range p.Question.Changes {
		from, to := c.Ends()
		row := Row{Change: c.Key}
		for _, op := range ops {
			cell, band := p.Difference(p.Headline(of, op), from, to, op).Cell(), analysis.Cell{}
			if low, high, ok := p.Band(of, from, to, op); ok {
				band.Text = analysis.Short(low) + " to " + analysis.Short(high)
			}
			if c.Exit && blind(of) != "" {
				cell, band = analysis.Cell{Text: "-"}, analysis.Cell{Text: "-"}
			}
			row.Cells = append(row.Cells, Cell{cell, op})
			if p.banded(of, op) {
				row.Cells = append(row.Cells, Cell{Cell: band})
			}
		}
		rows = append(rows, row)
	}
	return head, rows
}

// Confirms returns the engine before this one that has exactly the same differences, if
// there is one.
func (p Page) Confirms(engine string) string {
	for _, first := range p.Engines() {
		if first == engine {
			break
		}
		if p.Unit(first) != record.Instructions || p.Unit(engine) != record.Instructions {
			continue
		}
		head, rows := p.Table(first)
		head2, rows2 := p.Table(engine)
		if slices.Equal(head, head2) && reflect.DeepEqual(rows, rows2) {
			return first
		}
	}
	return ""
}

// Telling returns the engines that do more than confirm another one.
func (p Page) Telling() []string {
	return slices.DeleteFunc(p.Engines(), func(e string) bool { return p.Confirms(e) != "" })
}

// banded reports whether the engine has several forms of an operation.
func (p Page) banded(engine, op string) bool {
	n := 0
	for _, c := range p.Columns {
		if c.Engine == engine && p.Has(c, op) {
			n++
		}
	}
	return n > 1
}

// BreakEvens returns the break-even rates, a line each.
func (p Page) BreakEvens() []string {
	var lines []string
	for _, t := range p.Question.Trades {
		for _, e := range p.Telling() {
			lazy, eager := p.Question.names[t.Lazy], p.Question.names[t.Eager]
			if b := p.BreakEven(e, lazy, eager); b.OK {
				lines = append(lines, fmt.Sprintf("%s instead of %s, %s: %v", p.Title(eager), p.Title(lazy), e, b))
			}
		}
	}
	return lines
}

// Tailed is the tail of an operation of a variant.
type Tailed struct {
	Variant, Op string
	*record.Tail
}

// Tails returns the tails of an engine that timed single operations.
func (p Page) Tails(of string) (list []Tailed) {
	for _, v := range p.Variants() {
		for _, op := range p.Ops(of) {
			value := analysis.Value{Records: p.Records(p.Headline(of, op), v, op)}
			if t := value.Tail(); t != nil {
				list = append(list, Tailed{v, op, t})
			}
		}
	}
	return list
}

// tails adds what the slowest of single operations take.
func (p Page) tails(out *table.Document, of string) {
	rows := [][]string{{"", "operation", "p99", "p99.9", "largest", "of"}}
	for _, t := range p.Tails(of) {
		rows = append(rows, []string{p.Title(t.Variant), engine.OperationOf(t.Op).Short, analysis.Above(t.P99), analysis.Above(t.P999), analysis.Above(t.Most), fmt.Sprint(t.N)})
	}
	if len(rows) > 1 {
		out.Add(table.Space, table.Line("%s: what the slowest of single operations took above the median one, in %s", of, p.Unit(of)), table.Of(rows))
	}
}

// kernels adds what the operations of real kernels cost by an engine, beside those of the
// question's variants. They have no differences, as a kernel differs in more than one axis.
func (p Page) kernels(out *table.Document, e string) {
	real := slices.DeleteFunc(p.Variants(), func(v string) bool {
		return p.Axes(v) != "" || v == engine.Control || wire.IsControl(v) || len(p.Records(analysis.Column{Engine: e}, v, wire.OpNullCall)) == 0
	})
	if len(real) == 0 {
		return
	}
	ops := slices.DeleteFunc(p.Ops(e), func(op string) bool { return record.IsPart(op) })
	head := []string{""}
	for _, op := range ops {
		head = append(head, engine.OperationOf(op).Short)
	}
	rows := [][]string{head}
	for _, v := range slices.Concat(p.Question.planned(), real) {
		row := []string{v}
		for _, op := range ops {
			cell := "-"
			if records := p.Records(analysis.Column{Engine: e}, v, op); len(records) > 0 {
				cell = analysis.Cost(records)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	out.Add(table.Space, table.Line("%s: %s of each operation, of Linux kernels beside the variants", e, p.Unit(e)), table.Of(rows))
}
