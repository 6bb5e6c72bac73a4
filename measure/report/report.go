// Package report writes results as one HTML file that needs nothing else: the
// verdicts and tables of a study, plots, the frames and listings of the
// variants with what the proof knows of them, the machine, and what the figures
// do not say.
//
// Every measured number comes from package study; what is shown of the code comes
// from packages explain and count.
package report

import (
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
	"github.com/entrylab/entrylab/stubs/prove"
)

// Report is what the file shows. Nothing else goes into it but this program:
// the same report is always written as the same bytes.
type Report struct {
	Page study.Page
	// Records are all that the page is made of.
	Records []record.Record
	// Files are the names of the results files, Notes what was noticed in
	// reading them.
	Files, Notes []string
}

//go:embed report.html
var text string

var page = template.Must(template.New("report").Funcs(template.FuncMap{"minus": chart.Minus, "theme": func() template.CSS { return chart.Theme }}).Parse(text))

// Write writes the report.
func (r Report) Write(w io.Writer) error {
	// The code takes as long as the figures, and needs none of them.
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
	answered, unanswered := answers(r.Page)
	return page.Execute(w, struct {
		Report
		When                 string
		Builds               []string
		Engines              []section
		Answers              []answer
		Unanswered           []string
		BreakEvens, Cautions []string
		Checks               checked
		Plots                []plotted
		Code                 code
		Machines             []machine
	}{
		Report: r, When: when(r.Records), Builds: builds(r.Records),
		Engines: engines(r.Page), Answers: answered, Unanswered: unanswered,
		BreakEvens: r.Page.BreakEvens(), Cautions: r.Page.Notes(), Checks: checks(r.Page),
		Plots: plots, Code: listed, Machines: machines(r.Records),
	})
}

// when is the time in which the records were measured.
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

// builds are the entrylabs that measured.
func builds(records []record.Record) []string {
	var list []string
	for _, r := range records {
		if !slices.Contains(list, r.Build) {
			list = append(list, r.Build)
		}
	}
	return list
}

// cell is a cell of a table, and the class of its style.
type cell struct{ Text, Class string }

// row is a row of a table.
type row struct {
	Name  string
	Cells []cell
}

// classes are those of differences. A small one has the colour of neither.
var classes = map[analysis.Sense]string{analysis.Same: "soft", analysis.Cheaper: "less", analysis.Dearer: "more"}

// noFigure is the cell of what was not measured.
var noFigure = cell{"–", "soft"}

// cellOf is the cell of a difference.
func cellOf(c analysis.Cell) cell {
	if c.Text == "-" || c.Text == "" {
		return noFigure
	}
	return cell{c.Text, classes[c.Sense]}
}

// classOf is the style of a proof's outcome.
func classOf(o prove.Outcome) string {
	if o == prove.Proved {
		return "new"
	}
	return "bad"
}

// section is a table of differences, and one of what they are differences of.
type section struct {
	Name, Unit, About, Sure string
	// Confirms is the engine that has the same differences; there are no rows
	// then.
	Confirms string
	Head     []string
	Rows     []row
	// CostHead and Costs are absolute figures, where these mean something.
	CostHead []string
	Costs    []row
}

func engines(p study.Page) []section {
	var list []section
	for _, name := range p.Engines() {
		e := section{Name: name, Unit: p.Unit(name), About: p.Describe(name), Sure: p.Certainty(name), Confirms: p.Confirms(name)}
		if e.Confirms == "" {
			head, rows := p.Table(name)
			e.Head = head
			for _, r := range rows {
				line := row{Name: r.Change}
				for _, c := range r.Cells {
					line.Cells = append(line.Cells, cellOf(c))
				}
				if slices.ContainsFunc(line.Cells, func(c cell) bool { return c != noFigure }) {
					e.Rows = append(e.Rows, line)
				}
			}
		}
		if engine.Of(name).Unseen == "" { // it runs all of a call
			e.CostHead, e.Costs = costs(p, name)
		}
		list = append(list, e)
	}
	return list
}

// costs is a row for each variant, a column for each operation.
func costs(p study.Page, of string) (head []string, rows []row) {
	ops := p.Ops(of)
	for _, op := range ops {
		head = append(head, engine.OperationOf(op).Short)
	}
	for _, v := range p.Variants() {
		r, some := row{Name: study.Title(v)}, false
		for _, op := range ops {
			records := p.Records(p.Headline(of, op), v, op)
			c := noFigure
			if len(records) > 0 {
				c, some = cell{analysis.Cost(records), ""}, true
			}
			r.Cells = append(r.Cells, c)
		}
		if some {
			rows = append(rows, r)
		}
	}
	return head, rows
}

// answer is what is said of a change: in words, and a table of the operations
// on each engine.
type answer struct {
	Key, Title    string
	Sentences     []string
	Engines       []string // the table's columns, with their units
	Rows          []row
	Around, Blind []string
	Published     []published
}

// published is a figure that was published, and whether the engines agree.
type published struct{ Text, Source, Said, Class string }

// answers are those of the changes that are measured; unanswered are the others.
func answers(p study.Page) (list []answer, unanswered []string) {
	for _, c := range study.Changes {
		if len(p.Findings(c)) == 0 {
			unanswered = append(unanswered, c.Key)
			continue
		}
		a := answer{Key: c.Key, Title: c.Title, Sentences: p.Sentences(c), Blind: p.Blind(c)}
		var columns []string
		findings := p.Findings(c)
		for _, f := range findings {
			if !slices.Contains(columns, f.Engine) {
				columns = append(columns, f.Engine)
				a.Engines = append(a.Engines, f.Engine+", "+f.Unit)
			}
			if around := f.Around(); around != "" && f.Op == record.Operations[0].Op {
				a.Around = append(a.Around, f.Engine+" "+around)
			}
		}
		for _, op := range slices.Concat(record.Sampled, record.Switches) {
			r := row{op.Short, slices.Repeat([]cell{noFigure}, len(columns))}
			some := false
			for _, f := range findings {
				if f.Op == op.Op {
					r.Cells[slices.Index(columns, f.Engine)], some = cellOf(f.Cell()), true
				}
			}
			if some {
				a.Rows = append(a.Rows, r)
			}
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

// checked are the controls: a column for each pair whose truth is known, a row
// for each process or engine.
type checked struct {
	Head []string
	Rows []row
}

func checks(p study.Page) checked {
	var t checked
	all := p.Checks()
	for _, c := range all {
		if !slices.Contains(t.Head, c.Name) {
			t.Head = append(t.Head, c.Name)
		}
	}
	for _, c := range all {
		name := c.Engine + ", " + c.Where
		i := slices.IndexFunc(t.Rows, func(r row) bool { return r.Name == name })
		if i < 0 {
			i = len(t.Rows)
			t.Rows = append(t.Rows, row{name, slices.Repeat([]cell{noFigure}, len(t.Head))})
		}
		t.Rows[i].Cells[slices.Index(t.Head, c.Name)] = cell{c.Figure(), ""}
	}
	return t
}

// machine is a configuration that records were taken with.
type machine struct {
	record.Config
	Records     int
	First, Last string
}

func machines(records []record.Record) []machine {
	var list []machine
	for _, r := range records {
		i := slices.IndexFunc(list, func(m machine) bool { return m.Config == r.Config })
		at := r.Time.UTC().Format(time.DateTime)
		if i < 0 {
			list = append(list, machine{Config: r.Config, First: at, Last: at})
			i = len(list) - 1
		}
		list[i].Records++
		list[i].First, list[i].Last = min(list[i].First, at), max(list[i].Last, at)
	}
	slices.SortStableFunc(list, func(a, b machine) int { return strings.Compare(a.Engine, b.Engine) })
	return list
}
