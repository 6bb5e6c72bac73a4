// Package report writes results as one self-contained HTML file: the verdicts and
// tables of a study, plots, the frames and listings of the variants with what the
// proof knows of them, the machine, and what the figures do not say.
//
// Every measured number comes from package study; what the page shows of the code
// comes from packages explain and count.
package report

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs/prove"
)

// Report is what the file shows. The bytes of the file depend on nothing else but this
// program.
type Report struct {
	Page study.Page
	// Records are the records from which the page is made.
	Records []record.Record
	// Files are the names of the results files, Notes remarks about reading them.
	Files, Notes []string
}

var (
	//go:embed report.html
	text string
	//go:embed report.js
	script string
)

var page = template.Must(template.New("report").Funcs(template.FuncMap{"minus": chart.Minus, "theme": func() template.CSS { return chart.Theme }, "script": func() template.JS { return template.JS(script) }}).Parse(text))

// Write writes the report.
func (r Report) Write(w io.Writer) error {
	// The code takes as long as the figures, and does not need them.
	var listed code
	failed := make(chan error)
	go func() {
		var err error
		listed, err = codeOf(r.Page)
		failed <- err
	}()
	plots, err := plots(r.Page)
	if err := errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	from := &sources{page: r.Page, ids: map[sourceKey]int{}}
	answered, unanswered := answers(r.Page, from)
	sections := engines(r.Page, from)
	verdicts := r.Page.Verdicts()
	return page.Execute(w, struct {
		Report
		Question             study.Question
		Answer               string
		Verdicts             []study.Verdict
		When                 string
		Builds               []string
		Engines              []section
		Answers              []answer
		Unanswered           []string
		BreakEvens, Cautions []string
		Checks               *table.Table
		Plots                []plotted
		Code                 code
		Machines             *table.Table
		Sources              []source
	}{
		Report: r, Question: r.Page.Question, Answer: study.Answer(verdicts), Verdicts: verdicts, When: when(r.Records), Builds: builds(r.Records),
		Engines: sections, Answers: answered, Unanswered: unanswered,
		BreakEvens: r.Page.BreakEvens(), Cautions: r.Page.Notes(), Checks: checks(r.Page),
		Plots: plots, Code: listed, Machines: machines(r.Records),
		Sources: from.list,
	})
}

// when returns the time in which the records were measured.
func when(records []record.Record) string {
	if len(records) == 0 {
		return "never"
	}
	earlier := func(a, b record.Record) int { return a.Time.Compare(b.Time) }
	first, last := slices.MinFunc(records, earlier).Time.UTC(), slices.MaxFunc(records, earlier).Time.UTC()
	const day, minute = "2 January 2006", "15:04"
	text := first.Format(day + " " + minute)
	switch {
	case first.Format(day) != last.Format(day):
		text += " to " + last.Format(day+" "+minute)
	case first.Format(minute) != last.Format(minute):
		text += " to " + last.Format(minute)
	}
	return text + " UTC"
}

// builds names the entrylabs that measured.
func builds(records []record.Record) []string {
	var list []string
	for _, r := range records {
		if !slices.Contains(list, r.Build) {
			list = append(list, r.Build)
		}
	}
	return list
}

// classes are the styles of differences. A small difference has a neutral colour, and a
// sign of its own.
var classes = map[analysis.Sense]string{analysis.Same: "soft", analysis.Small: "small", analysis.Cheaper: "less", analysis.Dearer: "more"}

// noFigure is the cell for what was not measured.
var noFigure = table.Cell{Text: "–", Class: "soft"}

// cellOf returns the cell of a difference.
func cellOf(c analysis.Cell) table.Cell {
	if c.Text == "-" || c.Text == "" {
		return noFigure
	}
	return table.Cell{Text: c.Text, Class: classes[c.Sense]}
}

// classOf returns the style of a proof's outcome.
func classOf(o prove.Outcome) string {
	if o == prove.Proved {
		return "new"
	}
	return "bad"
}

// section is an engine's table of differences, and the table of its figures.
type section struct {
	Name, Unit, About string
	// Confirms is an engine that has the same differences; then there is no table.
	Confirms string
	Table    *table.Table
	// Costs are the absolute figures, if these mean something.
	Costs *table.Table
	// Tails are what the slowest of single operations take.
	Tails *table.Table
}

func engines(p study.Page, from *sources) []section {
	var list []section
	for _, name := range p.Engines() {
		e := section{Name: name, Unit: p.Unit(name), About: p.Describe(name), Confirms: p.Confirms(name)}
		if e.Confirms == "" {
			head, rows := p.Table(name)
			e.Table = &table.Table{Class: "sortable", Caption: fmt.Sprintf("%s: difference in %s. %s", name, e.Unit, p.Certainty(name)), Head: corner(head)}
			for i, r := range rows {
				cells := []table.Cell{{Text: r.Change}}
				before, after := p.Question.Changes[i].Ends()
				for _, c := range r.Cells {
					cell := cellOf(c.Cell)
					if c.Op != "" {
						cell = from.button(cell, p.Headline(name, c.Op), before, after, c.Op)
					}
					cells = append(cells, cell)
				}
				addSome(e.Table, cells)
			}
		}
		if engine.Of(name).Unseen == "" { // it runs all of a call
			e.Costs = costs(p, name, from)
		}
		e.Tails = tails(p, name)
		list = append(list, e)
	}
	return list
}

// tails has a row for each variant whose single operations were timed; nil: none.
func tails(p study.Page, of string) *table.Table {
	t := &table.Table{
		Class: "sortable", Head: []string{"", "operation", "p99", "p99.9", "largest", "of"},
		Caption: fmt.Sprintf("%s: what the slowest of single operations took above the median one, in %s.", of, p.Unit(of)),
	}
	for _, r := range p.Tails(of) {
		t.Add(p.Title(r.Variant), engine.OperationOf(r.Op).Short, analysis.Above(r.P99), analysis.Above(r.P999), analysis.Above(r.Most), r.N)
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// corner adds the empty head of the column with the rows' names.
func corner(head []string) []string { return append([]string{""}, head...) }

// addSome adds a row if it has a figure.
func addSome(t *table.Table, cells []table.Cell) {
	if slices.ContainsFunc(cells[1:], func(c table.Cell) bool { return c != noFigure }) {
		t.Rows = append(t.Rows, table.Row{Cells: cells})
	}
}

// costs returns a table with a row for each variant and a column for each operation; nil if
// there is no figure.
func costs(p study.Page, of string, from *sources) *table.Table {
	ops, t := p.Ops(of), &table.Table{Class: "sortable", Head: []string{""}}
	for _, op := range ops {
		t.Head = append(t.Head, engine.OperationOf(op).Short)
	}
	for _, v := range p.Variants() {
		cells := []table.Cell{{Text: p.Title(v)}}
		for _, op := range ops {
			c := noFigure
			column := p.Headline(of, op)
			if records := p.Records(column, v, op); len(records) > 0 {
				c = from.button(table.Cell{Text: analysis.Cost(records)}, column, "", v, op)
			}
			cells = append(cells, c)
		}
		addSome(t, cells)
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// answer is the answer about a change: in words, and as a table of the operations on each
// engine.
type answer struct {
	Key, Title    string
	Sentences     []string
	Table         *table.Table // a column for each engine, with its unit
	Around, Blind []string
	Published     []published
}

// published is a published figure, and whether the engines agree with it.
type published struct{ Text, Source, Said, Class string }

// answers returns the answers about the changes that were measured; unanswered are the
// other changes.
func answers(p study.Page, from *sources) (list []answer, unanswered []string) {
	for _, c := range p.Question.Changes {
		if len(p.Findings(c)) == 0 {
			unanswered = append(unanswered, c.Key)
			continue
		}
		a := answer{Key: c.Key, Title: c.Title, Sentences: p.Sentences(c), Table: &table.Table{Head: []string{""}}, Blind: p.Blind(c)}
		var columns []string
		findings := p.Findings(c)
		for _, f := range findings {
			if !slices.Contains(columns, f.Engine) {
				columns = append(columns, f.Engine)
				a.Table.Head = append(a.Table.Head, f.Engine+", "+f.Unit)
			}
			if around := f.Around(); around != "" && f.Op == record.Operations[0].Op {
				a.Around = append(a.Around, f.Engine+" "+around)
			}
		}
		for _, op := range slices.Concat(record.Sampled, record.Switches) {
			cells := append([]table.Cell{{Text: op.Short}}, slices.Repeat([]table.Cell{noFigure}, len(columns))...)
			for _, f := range findings {
				if f.Op == op.Op {
					before, after := c.Ends()
					cells[1+slices.Index(columns, f.Engine)] = from.button(cellOf(f.Cell()), p.Headline(f.Engine, f.Op), before, after, f.Op)
				}
			}
			addSome(a.Table, cells)
		}
		if len(a.Table.Rows) == 0 {
			a.Table = nil
		}
		for _, f := range p.Published(c) {
			said := published{f.Text, f.Source, strings.Join(f.Said, ", "), "new"}
			switch {
			case len(f.Said) == 0:
				said.Said, said.Class = "not measured here", "lazy"
			case strings.Contains(said.Said, "disagrees"):
				said.Class = "bad"
			}
			a.Published = append(a.Published, said)
		}
		list = append(list, a)
	}
	return list, unanswered
}

// checks returns the table of the controls: a column for each pair whose difference is
// known, a row for each process or engine.
func checks(p study.Page) *table.Table {
	t := &table.Table{
		Caption: "Controls: pairs of paths whose difference is known, in each process that measured; in cycles, with the 95 % interval. " +
			"A process in which a control is wrong is refused.",
		Head: []string{""},
	}
	all := p.Checks()
	for _, c := range all {
		if !slices.Contains(t.Head, c.Name) {
			t.Head = append(t.Head, c.Name)
		}
	}
	for _, c := range all {
		name := c.Engine + ", " + c.Where
		i := slices.IndexFunc(t.Rows, func(r table.Row) bool { return r.Cells[0].Text == name })
		if i < 0 {
			i = len(t.Rows)
			t.Rows = append(t.Rows, table.Row{Cells: append([]table.Cell{{Text: name}}, slices.Repeat([]table.Cell{noFigure}, len(t.Head)-1)...)})
		}
		t.Rows[i].Cells[slices.Index(t.Head, c.Name)] = table.Cell{Text: c.Figure()}
	}
	return t
}

// machines returns the table of the configurations with which the records were taken.
func machines(records []record.Record) *table.Table {
	type machine struct {
		record.Config
		records     int
		first, last string
	}
	var list []machine
	for _, r := range records {
		i := slices.IndexFunc(list, func(m machine) bool { return m.Config == r.Config })
		at := r.Time.UTC().Format(time.DateTime)
		if i < 0 {
			list = append(list, machine{Config: r.Config, first: at, last: at})
			i = len(list) - 1
		}
		list[i].records++
		list[i].first, list[i].last = min(list[i].first, at), max(list[i].last, at)
	}
	slices.SortStableFunc(list, func(a, b machine) int { return strings.Compare(a.Engine, b.Engine) })
	t := &table.Table{Head: []string{
		"engine", "figures", "machine", "CPU", "emulator", "host", "microcode", "kernel", "entrylab", "code", "from", "to, UTC",
	}}
	for _, m := range list {
		t.Add(m.Engine, m.records, m.Machine, m.CPU, cmp.Or(m.Emulator, "–"), strings.TrimSuffix(m.Host+", "+m.Conditions, ", "), cmp.Or(m.Microcode, "–"), cmp.Or(m.Kernel, "–"),
			m.Build, m.Code, m.first, m.last)
	}
	return t
}
