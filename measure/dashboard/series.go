package dashboard

import (
	"html/template"
	"math"
	"strings"

	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/stats"
)

// page is what the page of a series shows.
type page struct {
	line
	Night string
	// points are the entries of all nights; Nights are those of the last nights, the
	// latest first.
	points  []history.Entry
	Nights  []night
	Control bool
	Changes []change
	Chart   template.HTML
}

// night is a line of the table of nights.
type night struct{ Night, Value, Machine, Build, Detail string }

// change is a change of the series with what changed in the code.
type change struct {
	judge.Finding
	Diffs []listing
	// Why says why there is no listing.
	Why string
}

// listing is the difference between two listings.
type listing struct{ Lines []diffLine }

// diffLine is a line of it, and the class of its style.
type diffLine struct{ Text, Class string }

// mostNights is how many nights the table has.
const mostNights = 60

// mostSteps is how many nights are drawn as steps: more could not be told apart.
const mostSteps = 200

// pageOf begins the page of a series; ok is false if the series is not for people.
func pageOf(entries []history.Entry) (p *page, ok bool) {
	p = &page{}
	for _, e := range entries {
		switch e.Kind {
		case history.Count, history.Sample, history.Check:
			p.points = append(p.points, e)
		case history.Accept:
		default:
			return nil, false
		}
	}
	if len(p.points) == 0 {
		return nil, false
	}
	last := p.points[len(p.points)-1]
	p.line = line{Name: last.Series, Kind: string(last.Kind), Cell: last.Cell, Last: figures(last)}
	p.Control = last.Control
	for i := len(entries) - 1; i >= 0 && len(p.Nights) < mostNights; i-- {
		e := entries[i]
		n := night{Night: e.Night, Machine: e.Machine, Build: e.Build, Detail: e.Detail}
		if e.Kind == history.Accept {
			n.Value = "accepted"
		} else {
			n.Value = figures(e)
		}
		p.Nights = append(p.Nights, n)
	}
	return p, true
}

// changes finds the changes, and what changed in the code at each.
func (p *page) changes(entries []history.Entry, code map[string]string) {
	for _, f := range judge.Changes(entries) {
		c := change{Finding: f}
		before, after := strings.Fields(f.StubBefore), strings.Fields(f.Stub)
		switch {
		case len(after) == 0:
		case f.Stub == f.StubBefore:
			c.Why = "The code of the path is the same."
		case len(before) != len(after):
			c.Why = "The things that are compared are not the same."
		}
		for i := range after {
			if c.Why != "" || before[i] == after[i] {
				continue
			}
			was, hadWas := code[history.CodeSeries(before[i])]
			is, hadIs := code[history.CodeSeries(after[i])]
			if !hadWas || !hadIs {
				c.Why = "The code of the path changed; its listing is not in this history."
				break
			}
			c.Diffs = append(c.Diffs, diffOf(was, is))
		}
		p.Changes = append(p.Changes, c)
	}
}

// diffOf compares two listings.
func diffOf(was, is string) listing {
	var l listing
	for _, text := range history.DiffCode(was, is) {
		d := diffLine{Text: text}
		switch {
		case strings.HasPrefix(text, "+"):
			d.Class = "come"
		case strings.HasPrefix(text, "-"):
			d.Class = "gone"
		}
		l.Lines = append(l.Lines, d)
	}
	return l
}

// draw draws the figures of all nights. A check has none.
func (p *page) draw() {
	var points []chart.XY
	for i, e := range p.points {
		if len(e.Values) == 0 {
			continue
		}
		at := chart.XY{X: float64(i), Y: stats.Quantile(e.Values, 0.5)}
		if n := len(points); n > 0 && len(p.points) <= mostSteps { // a step halfway
			last := points[n-1]
			middle := (last.X + at.X) / 2
			points = append(points, chart.XY{X: middle, Y: last.Y}, chart.XY{X: middle, Y: at.Y})
		}
		points = append(points, at)
	}
	if len(points) == 0 {
		return
	}
	c := chart.New()
	c.Y.Label = p.points[0].Unit
	c.Line(chart.Line{Points: points, Color: chart.Palette[0], Width: 1.5})
	if len(points) == 1 { // no line yet
		c.Mark(chart.Mark{At: points[0], Radius: 3, Color: chart.Palette[0]})
	}
	// One value all the time needs room above and below.
	if c.Y.Max-c.Y.Min < 1e-9*math.Abs(c.Y.Max) || c.Y.Max == c.Y.Min {
		c.Y.Min, c.Y.Max = c.Y.Min-1, c.Y.Max+1
	}
	for _, change := range p.Changes {
		for i, e := range p.points {
			if e.Night == change.Since {
				x := float64(i) - 0.5
				c.Line(chart.Line{Points: []chart.XY{{X: x, Y: c.Y.Min}, {X: x, Y: c.Y.Max}}, Color: chart.Faint, Width: 1})
				break
			}
		}
	}
	c.X.Ticks = p.ticks()
	p.Chart = c.SVG(p.Name+": every night", 170)
}

// ticks returns the first, the middle and the last night.
func (p *page) ticks() []chart.Tick {
	last := len(p.points) - 1
	at := []int{0, last / 2, last}
	if last < 4 {
		at = []int{0, last}
	}
	var ticks []chart.Tick
	for _, i := range at {
		ticks = append(ticks, chart.Tick{Value: float64(i), Label: p.points[i].Night})
	}
	return ticks
}
