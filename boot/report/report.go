// Package report writes results as one HTML file that needs nothing else: the
// tables and verdicts of a study, plots, the frames and listings of the
// variants, the machine, and what the figures do not say.
//
// In the flow (variant, listing, machine code, image, machine, lines, results,
// table) it stands beside package study, from which it takes every number, at
// the end.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/study"
)

// Report is what the file shows.
type Report struct {
	Page study.Page
	// Records are all that the page is made of.
	Records []result.Record
	// Files are the names of the results files, Notes what was noticed in
	// reading them.
	Files, Notes []string
	// Time is printed as that of the report.
	Time time.Time
}

//go:embed report.html
var text string

var page = template.Must(template.New("report").Parse(text))

// Write writes the report.
func (r Report) Write(w io.Writer) error {
	plots, err := plots(r.Page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	variants, err := variants()
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	data := struct {
		Report
		Date                 string
		Engines              []engine
		Answers              []answer
		BreakEvens, Cautions []string
		Plots                []plotted
		Slots                []slotRow
		Frames               []string
		Diffs                []diff
		Machines             []machine
	}{
		Report: r, Date: r.Time.UTC().Format("2 January 2006 15:04 UTC"),
		Engines: engines(r.Page), Answers: answers(r.Page),
		BreakEvens: r.Page.BreakEvens(), Cautions: r.Page.Notes(),
		Plots: plots, Diffs: variants.diffs, Machines: machines(r.Records),
	}
	data.Frames, data.Slots = frames()
	return page.Execute(w, data)
}

// engine is a table of differences, and one of what they are differences of.
type engine struct {
	Name, Unit, About string
	Head              []string
	Rows              [][]string
	// CostHead and Costs are absolute figures, where these mean something.
	CostHead []string
	Costs    [][]string
}

func engines(p study.Page) []engine {
	var list []engine
	for _, name := range p.Engines() {
		e := engine{Name: name, Unit: p.Unit(name), About: p.Describe(name)}
		rows := p.Table(name)
		e.Head, e.Rows = rows[0], rows[1:]
		if name != "replay" { // it does not run all of a call
			e.CostHead, e.Costs = costs(p, name)
		}
		list = append(list, e)
	}
	return list
}

// costs is a row for each variant, a column for each operation.
func costs(p study.Page, engine string) (head []string, rows [][]string) {
	head = []string{""}
	ops := p.Ops(engine)
	for _, op := range ops {
		head = append(head, result.OperationOf(op).Short)
	}
	for _, v := range p.Variants() {
		row := []string{study.Title(v)}
		some := false
		for _, op := range ops {
			records := p.Records(p.Headline(engine, op), v, op)
			cell := "-"
			if n := len(records); n > 0 {
				cell, some = study.Figure(records[n-1]), true
			}
			row = append(row, cell)
		}
		if some {
			rows = append(rows, row)
		}
	}
	return head, rows
}

type answer struct {
	Key, Title string
	Lines      []string
}

func answers(p study.Page) []answer {
	var list []answer
	for _, c := range study.Changes {
		list = append(list, answer{c.Key, c.Title, p.Answer(c)})
	}
	return list
}

// machine is a configuration that records were taken with.
type machine struct {
	result.Config
	Records     int
	First, Last string
}

func machines(records []result.Record) []machine {
	var list []machine
	for _, r := range records {
		i := slices.IndexFunc(list, func(m machine) bool { return m.Config == r.Config })
		day := r.Time.Format("2006-01-02 15:04:05")
		if i < 0 {
			list = append(list, machine{Config: r.Config, First: day, Last: day})
			i = len(list) - 1
		}
		list[i].Records++
		list[i].First, list[i].Last = min(list[i].First, day), max(list[i].Last, day)
	}
	slices.SortStableFunc(list, func(a, b machine) int { return strings.Compare(a.Engine, b.Engine) })
	return list
}
