package report

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
)

// plotted is a plot with the text that a reader needs.
type plotted struct {
	Title, Caption string
	// Source names engine and machine, and says how certain the figures are.
	Source string
	SVG    template.HTML
}

// plots returns the plots for which the records have figures. An engine that only confirms
// another one has none.
func plots(p study.Page) ([]plotted, error) {
	var list []plotted
	if one, err := numbers(p); err != nil {
		return nil, err
	} else if one != nil {
		list = append(list, *one)
	}
	for _, e := range p.Telling() {
		drawn := []func() (*plotted, error){
			func() (*plotted, error) { return phases(p, e) },
			func() (*plotted, error) { return bars(p, e) },
		}
		for _, op := range p.Ops(e) {
			drawn = append(drawn, func() (*plotted, error) { return forest(p, e, op) })
		}
		drawn = append(drawn, func() (*plotted, error) { return distribution(p, e) })
		for _, draw := range drawn {
			one, err := draw()
			if err != nil {
				return nil, err
			}
			if one != nil {
				one.Source = p.Describe(e) + ". " + p.Certainty(e)
				list = append(list, *one)
			}
		}
	}
	return list, nil
}

// numbers shows how many instructions lead to the handler, by the call's number.
func numbers(p study.Page) (*plotted, error) {
	all, err := p.Numbers()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	asked := p.Question.Asked()
	all = slices.DeleteFunc(all, func(b study.ByNumber) bool { return !slices.Contains(asked, b.Variant) })
	c := chart.New()
	c.X.Label, c.Y.Label = "the call's number", "instructions up to the handler"
	for i, b := range all {
		line := chart.Line{Color: chart.Palette[i%len(chart.Palette)], Width: 0.8, Legend: p.Title(b.Variant)}
		for n, x := range b.Counts {
			line.Points = append(line.Points, chart.XY{X: float64(n), Y: float64(x)})
		}
		c.Line(line)
	}
	const title, height, legend = "The way to the handler, by the call's number", 220.0, 0.5
	c.Y.Max += legend * (c.Y.Max - c.Y.Min) // the legend stands above
	return &plotted{
		Title: title, SVG: c.SVG(title, height),
		Caption: "Instructions from SYSCALL to the handler's first, counted in the code. A table leads to every handler in the same number; in a tree some numbers lie deeper than others.",
		Source:  "Counted in the code of the entrylab that wrote this report; nothing was run.",
	}, nil
}

// branch is a row of a forest plot. Without a figure it has only a text.
type branch struct {
	name, text       string
	none             bool
	value, low, high float64
	band             bool
	bandLow, bandHi  float64
}

// forest shows what each change costs in a sampled operation, with its interval, and what
// the other forms of the measurement give.
func forest(p study.Page, of, op string) (*plotted, error) {
	var rows []branch
	measured, banded := 0, false
	for _, c := range p.Question.Changes {
		from, to := c.Ends()
		d := p.Difference(p.Headline(of, op), from, to, op)
		r := branch{name: c.Key, text: chart.Minus(d.Cell().Text), value: d.Value, low: d.Low, high: d.High}
		switch {
		case d.Kind == analysis.Exact:
			return nil, nil
		case c.Exit && engine.Of(of).Unseen != "":
			r.text, r.none = "cannot be seen", true
		case d.Kind == analysis.None:
			r.text, r.none = "not measured", true
		default:
			r.bandLow, r.bandHi, r.band = p.Band(of, from, to, op)
			measured, banded = measured+1, banded || r.band
		}
		rows = append(rows, r)
	}
	if measured == 0 {
		return nil, nil
	}
	o, unit := engine.OperationOf(op), p.Unit(of)
	caption := "Difference in " + unit + " against the path without the change; left of zero is cheaper. Dot and bar with ends: the mean and its 95 % interval."
	align := 0.0
	if unit == record.Cycles {
		align = analysis.Alignment
		caption += fmt.Sprintf(" Grey: ±%g cycle, as much as the alignment of code alone makes.", align)
	}
	if banded {
		caption += " Dashed, below it: what the other forms of the measurement give."
	}
	return drawForest(rows, fmt.Sprintf("%s: what a change costs: %s", of, o.Title), caption, unit, align)
}

// lower is how far below a row its other forms are drawn, tip is the height of the ends of
// an interval; a row has the height 1.
const lower, tip = 0.27, 0.16

func drawForest(rows []branch, title, caption, unit string, align float64) (*plotted, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	slices.Reverse(rows) // the first on top
	c := chart.New()
	c.X.Label = "difference in " + unit
	names := make([]string, len(rows))
	bottom, top := -0.5, float64(len(rows))-0.5
	line := func(color chart.Color, width float64, dashes []float64, x1, y1, x2, y2 float64) {
		c.Line(chart.Line{Points: []chart.XY{{X: x1, Y: y1}, {X: x2, Y: y2}}, Color: color, Width: width, Dashes: dashes})
	}
	if align > 0 {
		c.Band(-align, align)
	}
	line(chart.Faint, 0.7, nil, 0, bottom, 0, top)
	for i, r := range rows {
		names[i] = r.name
		y := float64(i)
		if r.none {
			continue
		}
		line(chart.Palette[0], 1.6, nil, r.low, y, r.high, y)
		for _, x := range []float64{r.low, r.high} {
			line(chart.Palette[0], 1.6, nil, x, y-tip, x, y+tip)
		}
		c.Mark(chart.Mark{At: chart.XY{X: r.value, Y: y}, Radius: 2.6, Color: chart.Palette[0]})
		if r.band {
			line(chart.Faint, 1, []float64{3, 2}, r.bandLow, y-lower, r.bandHi, y-lower)
			for _, x := range []float64{r.bandLow, r.bandHi} {
				c.Mark(chart.Mark{At: chart.XY{X: x, Y: y - lower}, Radius: 2, Color: chart.Faint, Ring: true})
			}
		}
	}
	c.Names(names...)
	c.X.Min, c.X.Max = min(c.X.Min, -align), max(c.X.Max, align)
	width := c.X.Max - c.X.Min
	if width == 0 { // no row differs
		width = 1
	}
	c.X.Min, c.X.Max = c.X.Min-0.05*width, c.X.Max+0.4*width // the figures stand to the right
	for i, r := range rows {
		c.Text(chart.XY{X: c.X.Max, Y: float64(i)}, r.text)
	}
	return &plotted{Title: title, Caption: caption, SVG: c.SVG(title, float64(len(rows))*chart.Row+axisRoom)}, nil
}

// axisRoom is the height of the axis below a plot's rows.
const axisRoom = 50

// bin is the resolution of a distribution, in the unit of its figures.
const bin = 0.25

// distribution shows the difference in each unit of resampling: a row for each change.
func distribution(p study.Page, of string) (*plotted, error) {
	if p.Unit(of) == record.Instructions {
		return nil, nil
	}
	sample := engine.Of(of).Sample
	c := chart.New()
	c.X.Label = "difference in " + p.Unit(of)
	names := make([]string, len(p.Question.Changes))
	least, most, measured := 0.0, 0.0, 0
	for i, change := range p.Question.Changes {
		row := len(names) - 1 - i // the first on top
		names[row] = change.Key
		from, to := change.Ends()
		if change.Exit && engine.Of(of).Unseen != "" {
			continue
		}
		values := slices.Sorted(slices.Values(p.Pairs(p.Headline(of, wire.OpNullCall), from, to, wire.OpNullCall)))
		if len(values) < 2 {
			continue
		}
		measured++
		shares := map[float64]float64{}
		for _, v := range values {
			shares[math.Round(v/bin)*bin] += 1 / float64(len(values))
		}
		for _, at := range slices.Sorted(maps.Keys(shares)) {
			// The area of a mark is the share. A share below 1 in 100 is a point.
			c.Mark(chart.Mark{At: chart.XY{X: at, Y: float64(row)}, Radius: max(0.6, 8*math.Sqrt(shares[at])), Color: chart.Palette[0]})
		}
		// A few outliers must not hide the others.
		least, most = min(least, values[len(values)/50]), max(most, values[len(values)-1-len(values)/50])
	}
	if measured == 0 {
		return nil, nil
	}
	c.Names(names...)
	c.X.Min, c.X.Max = least-1, most+1
	title := of + ": the difference of an ordinary call in each " + sample
	return &plotted{
		Title: title,
		Caption: fmt.Sprintf("Each row is a change; the area of a mark is the share of the %ss in which the difference was that, to a quarter of a unit. "+
			"Marks a cycle apart are alignment, not noise. An empty row: not measured. The outermost 2 %% on each side may be out of sight.", sample),
		SVG: c.SVG(title, float64(len(names))*chart.Row+axisRoom),
	}, nil
}

// phases shows the phases of a null call.
func phases(p study.Page, of string) (*plotted, error) {
	ops := make([]string, len(record.Phases))
	for i, o := range record.Phases {
		ops[i] = o.Op
	}
	return drawBars(p, of, ops, true, of+": the phases of a null call",
		"Exact counts of getppid, from zero: what the entry does until the handler is called, the handler, and the way out. No bar: not measured.")
}

// bars shows counts of operations that consist mostly of entry and exit.
func bars(p study.Page, of string) (*plotted, error) {
	return drawBars(p, of, []string{wire.OpNullCall, wire.OpFullFrameCall, wire.OpThreadSwitchYield}, false, of+": instructions of an operation",
		"Exact counts, from zero. The full-frame call is one that needs every slot; the switch is one way, by sched_yield. No bar: not measured.")
}

// drawBars draws a bar for each variant and operation or, stacked, one for each variant. It
// leaves out kernels that are not generated: beside their bars, the others would look the
// same.
func drawBars(p study.Page, of string, ops []string, stacked bool, title, caption string) (*plotted, error) {
	if p.Unit(of) != record.Instructions {
		return nil, nil
	}
	var names []string
	values, any := make([][]float64, len(ops)), false
	all := p.Variants()
	slices.Reverse(all) // the first on top
	for _, v := range all {
		if p.Axes(v) == "" {
			continue
		}
		names = append(names, p.Title(v))
		for i, op := range ops {
			value := 0.0
			if records := p.Records(p.Headline(of, op), v, op); len(records) > 0 {
				value = records[len(records)-1].Median
				any = true
			}
			values[i] = append(values[i], value)
		}
	}
	if !any {
		return nil, nil
	}
	c := chart.New()
	c.X.Label = p.Unit(of)
	below := make([]float64, len(names)) // where the next stacked bars begin
	for i, op := range ops {
		color, legend := chart.Palette[i%len(chart.Palette)], engine.OperationOf(op).Short
		if !stacked {
			const width = 5
			c.Bars(nil, values[i], width*float64(len(ops)-1-2*i)/2*1.15, width, color, legend)
			continue
		}
		c.Bars(slices.Clone(below), values[i], 0, 11, color, legend)
		for j, v := range values[i] {
			below[j] += v
		}
	}
	c.Names(names...)
	rows := float64(len(names)) + 0.6*float64(len(ops)) - 0.4 // with the legend above
	c.Y.Min, c.Y.Max = -0.6, rows
	return &plotted{Title: title, Caption: caption, SVG: c.SVG(title, rows*21+axisRoom)}, nil
}
