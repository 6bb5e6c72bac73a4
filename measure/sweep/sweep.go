// Package sweep moves an entry through the places that it can have in a cache line, and
// says where its cost makes a step. Two runs must see a step for it to be one.
package sweep

import (
	"fmt"
	"math"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// Runs is how often a sweep is made.
const Runs = 2

// Subjects returns the variant at each place in a line, every so many bytes; step divides
// LineSize. The first begins a line.
func Subjects(v stubs.Variant, step int) ([]stubs.Variant, error) {
	if v.Lies() != (stubs.EntryPlace{}) {
		return nil, fmt.Errorf("%s has a place already", v.Name)
	}
	if step < 1 || step >= stubs.LineSize || stubs.LineSize%step != 0 {
		return nil, fmt.Errorf("a step of %d bytes: want one of 1, 2, 4, 8, 16 or 32", step)
	}
	var list []stubs.Variant
	for offset := 0; offset < stubs.LineSize; offset += step {
		list = append(list, v.At(offset))
	}
	return list, nil
}

// Sweep is what the runs found.
type Sweep struct {
	Subject string
	Engine  engine.Engine
	// Accounts are what the runs report about themselves.
	Accounts []engine.Account
	Points   []Point
	Steps    []Step
	// Once are steps that one run has seen and another has not.
	Once []Step
	// Most is the largest difference between neighbours that is not ruled out where no
	// step was seen, in cycles.
	Most float64
}

// Point is a place: its difference from the beginning of a line, in each run.
type Point struct {
	Offset      int
	Differences []analysis.Difference
}

// Step is between two places, of which the second costs more, or less if it is negative:
// so many cycles in each run.
type Step struct {
	From, To int
	Cycles   []float64
}

func (s Step) String() string {
	var each []string
	for _, c := range s.Cycles {
		each = append(each, analysis.Short(c))
	}
	return fmt.Sprintf("from +%d to +%d: %s cycles", s.From, s.To, strings.Join(each, " and "))
}

// New analyses the runs of an engine, each of these subjects.
func New(subject string, e engine.Engine, subjects []stubs.Variant, runs []engine.Outcome) (*Sweep, error) {
	s := &Sweep{Subject: subject, Engine: e}
	var sets []*analysis.Set
	for i, out := range runs {
		set := analysis.NewSet(out.Asked)
		if len(set.Refused) > 0 {
			return nil, fmt.Errorf("run %d: %s", i+1, set.Refused[0].Reason)
		}
		sets, s.Accounts = append(sets, set), append(s.Accounts, out.Account)
	}
	between := func(from, to stubs.Variant) (list []analysis.Difference, err error) {
		for i, set := range sets {
			d := set.Difference(set.Headline(e.Name, wire.OpNullCall), from.Name, to.Name, wire.OpNullCall)
			if d.Kind != analysis.Interval {
				return nil, fmt.Errorf("run %d has too few samples of %s and %s", i+1, from.Name, to.Name)
			}
			list = append(list, d)
		}
		return list, nil
	}
	for i, v := range subjects {
		p := Point{Offset: v.Place.Offset}
		if i > 0 {
			var err error
			if p.Differences, err = between(subjects[0], v); err != nil {
				return nil, err
			}
		}
		s.Points = append(s.Points, p)
		next := subjects[(i+1)%len(subjects)] // the next line begins behind the last
		list, err := between(v, next)
		if err != nil {
			return nil, err
		}
		s.step(Step{From: v.Place.Offset, To: v.Place.Offset + subjects[1].Place.Offset}, list)
	}
	return s, nil
}

// step files what the runs say of two neighbours.
func (s *Sweep) step(at Step, runs []analysis.Difference) {
	seen, most := 0, 0.0
	for i, d := range runs {
		at.Cycles = append(at.Cycles, d.Value)
		most = max(most, math.Abs(d.Low), math.Abs(d.High))
		if d.Seen() && math.Abs(d.Value) >= stats.Resolution && (i == 0 || d.Value > 0 == (runs[0].Value > 0)) {
			seen++
		}
	}
	switch seen {
	case len(runs):
		s.Steps = append(s.Steps, at)
		return
	case 0:
	default:
		s.Once = append(s.Once, at)
	}
	s.Most = max(s.Most, most)
}

// Answer says in a sentence where the steps are.
func (s *Sweep) Answer() string {
	if len(s.Steps) == 0 {
		return fmt.Sprintf("No step: no place in a line costs %.1f cycles more than the next, in %d runs", s.Most, Runs)
	}
	noun := "steps"
	if len(s.Steps) == 1 {
		noun = "step"
	}
	return fmt.Sprintf("%d %s, the same in %d runs", len(s.Steps), noun, Runs)
}

// Document returns the sweep for people and programs.
func (s *Sweep) Document() *table.Document {
	d := &table.Document{Title: "entrylab sweep " + s.Subject}
	d.Add(table.Line("%s.", s.Answer()))
	for _, step := range s.Steps {
		d.Add(table.Line("    %v", step))
	}
	for _, step := range s.Once {
		d.Add(table.Line("    not in both runs, and so no step: %v", step))
	}
	d.Add(table.Space, table.Line("engine %s: %s", s.Engine.Name, s.Engine.About))
	for i, a := range s.Accounts {
		if a.On != "" {
			d.Add(table.Line("run %d: %s", i+1, strings.TrimSuffix(a.On+", "+a.Disturbed, ", ")))
		}
	}
	t := &table.Table{Name: "places", Head: []string{"place"}, Key: 0}
	for i := range Runs {
		t.Head = append(t.Head, fmt.Sprintf("run %d, cycles", i+1))
	}
	ladder := false
	for _, p := range s.Points {
		row := []any{fmt.Sprintf("+%d", p.Offset)}
		for i := range Runs {
			cell := table.Cell{Text: "0", Value: 0}
			if p.Differences != nil {
				d := p.Differences[i]
				cell = table.Cell{Text: d.Cell().Text, Value: d.Value}
				if d.Seen() && d.Step != "" { // a word that is the places' here
					cell.Text, ladder = "read as "+analysis.Short(d.Value), true
				}
			}
			row = append(row, cell)
		}
		t.Add(row...)
	}
	d.Add(table.Space, table.Line("the null call's difference from an entry that begins a line of %d bytes, 95 %% intervals", stubs.LineSize), table.Space,
		table.Block{Table: t})
	if ladder {
		d.Add(table.Space, table.Line("read as: additional instructions read the same in this form, so it is no cost of the place"))
	}
	d.Add(table.Block{Figure: s.plot()})
	if s.Engine.Notes != nil && len(s.Accounts) > 0 {
		d.Add(table.Space, table.Block{Notes: s.Engine.Notes(&s.Accounts[0])})
	}
	return d
}

// plot shows the points of each run with their intervals.
func (s *Sweep) plot() table.Figure {
	c := chart.New()
	c.X.Label, c.Y.Label = "bytes behind the beginning of a line", "cycles"
	for run := range Runs {
		color := chart.Palette[run]
		path := chart.Line{Color: color, Width: 1, Legend: fmt.Sprintf("run %d", run+1)}
		for _, p := range s.Points {
			at := chart.XY{X: float64(p.Offset) + 0.6*float64(run)} // beside each other
			low, high := 0.0, 0.0
			if p.Differences != nil {
				at.Y, low, high = p.Differences[run].Value, p.Differences[run].Low, p.Differences[run].High
			}
			path.Points = append(path.Points, at)
			c.Line(chart.Line{Points: []chart.XY{{X: at.X, Y: low}, {X: at.X, Y: high}}, Color: color, Width: 1.6})
			c.Mark(chart.Mark{At: at, Radius: 2.6, Color: color})
		}
		c.Line(path)
	}
	height := c.Y.Max - c.Y.Min
	if height == 0 {
		height = 1
	}
	c.Y.Max += 0.3 * height // the legend stands above
	const title = "What the place of an entry costs"
	return table.Figure{Title: title, SVG: c.SVG(title, 200)}
}
