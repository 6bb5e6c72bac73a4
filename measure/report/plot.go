package report

import (
	"html/template"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/chart"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/study"
)

// plotted is a plot with what the reader needs for it.
type plotted struct {
	Title, Caption string
	// Source names engine and machine, and how sure the figures are.
	Source string
	SVG    template.HTML
}

// dashes tell the lines of one plot apart where colours do not.
var dashes = [][]vg.Length{nil, {7, 3}, {2, 2}, {9, 3, 2, 3}, {4, 4}, {12, 3}}

// plots are those that the records have figures for. An engine that only
// confirms another has none.
func plots(p study.Page) ([]plotted, error) {
	var list []plotted
	for _, e := range p.Telling() {
		for _, f := range []func(study.Page, string) (*plotted, error){phases, bars, forest, switches, distribution} {
			one, err := f(p, e)
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

// branch is a line of a forest plot.
type branch struct {
	name, text       string
	value, low, high float64
	band             bool
	bandLow, bandHi  float64
}

// forest shows the difference of each change for the null call, with its
// interval, and the band of the other forms.
func forest(p study.Page, of string) (*plotted, error) {
	var rows []branch
	for _, c := range study.Changes {
		from, to := c.Ends()
		op := wire.OpNullCall
		d := p.Difference(p.Headline(of, op), from, to, op)
		if d.Kind == analysis.None || d.Kind == analysis.Exact || c.Exit && engine.Of(of).Unseen != "" {
			continue
		}
		r := branch{name: c.Key, text: chart.Minus(d.Cell().Text), value: d.Value, low: d.Low, high: d.High}
		r.bandLow, r.bandHi, r.band = p.Band(of, from, to, op)
		rows = append(rows, r)
	}
	return drawForest(rows, of+": what a change costs an ordinary call",
		"Difference in "+p.Unit(of)+" against the path without the change; left of zero is cheaper. Dot and thick line: the mean and its interval. Thin line: what other forms of the measurement give.",
		p.Unit(of))
}

// switches is the same for the ways of the context switch.
func switches(p study.Page, of string) (*plotted, error) {
	var rows []branch
	from, to := study.Changes[0].Ends()
	for _, o := range record.Switches {
		d := p.Difference(p.Headline(of, o.Op), from, to, o.Op)
		if d.Kind == analysis.Interval {
			rows = append(rows, branch{name: o.Short, text: chart.Minus(d.Cell().Text), value: d.Value, low: d.Low, high: d.High})
		}
	}
	return drawForest(rows, of+": what (a) saves a context switch",
		"Difference in "+p.Unit(of)+" of a switch, with all caches warm, and with the cache lines of usersp, of the thread, or of both flushed before it. A line that the switch does not touch otherwise is a whole miss.",
		p.Unit(of))
}

func drawForest(rows []branch, title, caption, unit string) (*plotted, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	slices.Reverse(rows) // the first on top
	c := chart.New()
	c.X.Label.Text = "difference in " + unit
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.name
		y := float64(i)
		for _, part := range []struct {
			on       bool
			from, to float64
			width    vg.Length
			color    color.Color
		}{
			{r.band, r.bandLow, r.bandHi, 1.2, chart.Faint},
			{true, r.low, r.high, 5, chart.Palette[0]},
		} {
			if !part.on {
				continue
			}
			if err := chart.Line(c, part.color, part.width, plotter.XY{X: part.from, Y: y}, plotter.XY{X: part.to, Y: y}); err != nil {
				return nil, err
			}
		}
		dot, err := plotter.NewScatter(plotter.XYs{{X: r.value, Y: y}})
		if err != nil {
			return nil, err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: chart.Palette[0], Radius: 3, Shape: draw.CircleGlyph{}}
		c.Add(dot)
	}
	if err := chart.Line(c, chart.Faint, 0.7, plotter.XY{X: 0, Y: -0.5}, plotter.XY{X: 0, Y: float64(len(rows)) - 0.5}); err != nil {
		return nil, err
	}
	c.NominalY(names...)
	c.Y.Min, c.Y.Max = -0.5, float64(len(rows))-0.5
	c.X.Min, c.X.Max = min(c.X.Min, 0), max(c.X.Max, 0)
	width := c.X.Max - c.X.Min
	if width == 0 { // no row differs
		width = 1
	}
	c.X.Min, c.X.Max = c.X.Min-0.05*width, c.X.Max+0.35*width // the figures stand to the right
	if err := figures(c, rows); err != nil {
		return nil, err
	}
	drawn, err := chart.SVG(c, title, vg.Length(len(rows))*0.65*vg.Centimeter+1.8*vg.Centimeter)
	return &plotted{Title: title, Caption: caption, SVG: drawn}, err
}

// figures writes the figure of each row at the right.
func figures(c *plot.Plot, rows []branch) error {
	var at plotter.XYLabels
	for i, r := range rows {
		at.XYs = append(at.XYs, plotter.XY{X: c.X.Max, Y: float64(i)})
		at.Labels = append(at.Labels, r.text)
	}
	labels, err := plotter.NewLabels(at)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		style := &labels.TextStyle[i]
		style.Font, style.Color = chart.Sans, chart.Ink
		style.Font.Size = 10
		style.XAlign, style.YAlign = draw.XRight, draw.YCenter
	}
	c.Add(labels)
	return nil
}

// distribution shows what each placement gave.
func distribution(p study.Page, of string) (*plotted, error) {
	c := chart.New()
	c.X.Label.Text = "difference in " + p.Unit(of)
	c.Y.Label.Text = "share of the placements"
	n, least, most := 0, 0.0, 0.0
	for _, change := range study.Changes {
		if change.Exit || n == len(chart.Palette) {
			continue
		}
		from, to := change.Ends()
		values := slices.Sorted(slices.Values(p.Pairs(p.Headline(of, wire.OpNullCall), from, to, wire.OpNullCall)))
		if len(values) < 2 || p.Unit(of) == record.Instructions {
			continue
		}
		var steps plotter.XYs
		for i, v := range values {
			steps = append(steps, plotter.XY{X: v, Y: float64(i) / float64(len(values))}, plotter.XY{X: v, Y: float64(i+1) / float64(len(values))})
		}
		l, err := plotter.NewLine(steps)
		if err != nil {
			return nil, err
		}
		l.Color, l.Width, l.Dashes = chart.Palette[n], 1.8, dashes[n]
		c.Add(l)
		c.Legend.Add(change.Key, l)
		// A few placements far out must not hide the others.
		least, most = min(least, values[len(values)/50]), max(most, values[len(values)-1-len(values)/50])
		n++
	}
	if n == 0 {
		return nil, nil
	}
	c.X.Min, c.X.Max = least-1, most+1
	c.Legend.Top, c.Legend.Left = true, true
	title := of + ": the difference of an ordinary call in each placement"
	drawn, err := chart.SVG(c, title, 8*vg.Centimeter)
	return &plotted{
		Title:   title,
		Caption: "Each line is a change: the share of the placements of code and data in which the difference was at most so many " + p.Unit(of) + ". Steps a cycle apart are alignment, not noise. The outermost 2 % on each side may be out of sight.",
		SVG:     drawn,
	}, err
}

// phases shows what a null call is made of.
func phases(p study.Page, of string) (*plotted, error) {
	ops := make([]string, len(record.Phases))
	for i, o := range record.Phases {
		ops[i] = o.Op
	}
	return drawBars(p, of, ops, true, of+": the phases of a null call",
		"Exact counts of getppid, from zero: what the entry does until the handler is called, the handler, and the way out.")
}

// bars shows counts of the operations that entry and exit are most of.
func bars(p study.Page, of string) (*plotted, error) {
	return drawBars(p, of, []string{wire.OpNullCall, wire.OpFullFrameCall, wire.OpThreadSwitchYield}, false, of+": instructions of an operation",
		"Exact counts, from zero. The full-frame call is one that needs every slot; the switch is one way, by sched_yield.")
}

// drawBars draws a bar for each variant and operation, or, stacked, one for each
// variant. Variants that lack an operation have none; nor have kernels that are
// not generated, beside which the others could not be told apart.
func drawBars(p study.Page, of string, ops []string, stacked bool, title, caption string) (*plotted, error) {
	if p.Unit(of) != record.Instructions {
		return nil, nil
	}
	var names []string
	values := make([]plotter.Values, len(ops))
	all := p.Variants()
	slices.Reverse(all) // the first on top
	for _, v := range all {
		row := make([]float64, 0, len(ops))
		for _, op := range ops {
			records := p.Records(p.Headline(of, op), v, op)
			if n := len(records); n > 0 && records[n-1].Axes != "" {
				row = append(row, records[n-1].Median)
			}
		}
		if len(row) < len(ops) {
			continue
		}
		names = append(names, study.Title(v))
		for i := range row {
			values[i] = append(values[i], row[i])
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	c := chart.New()
	c.X.Label.Text = p.Unit(of)
	width := vg.Points(5)
	if stacked {
		width = vg.Points(11)
	}
	var below *plotter.BarChart
	for i, op := range ops {
		b, err := plotter.NewBarChart(values[i], width)
		if err != nil {
			return nil, err
		}
		b.Horizontal = true
		b.Color = chart.Palette[i%len(chart.Palette)]
		b.LineStyle.Width = 0
		switch {
		case !stacked:
			b.Offset = width * vg.Length(len(ops)-1-2*i) / 2 * 1.15
		case below != nil:
			b.StackOn(below)
		}
		below = b
		c.Add(b)
		c.Legend.Add(engine.OperationOf(op).Short, b)
	}
	c.NominalY(names...)
	c.X.Min = 0
	rows := float64(len(names)) + 0.6*float64(len(ops)) - 0.4 // the legend stands above
	c.Y.Min, c.Y.Max = -0.6, rows
	c.Legend.Top = true
	drawn, err := chart.SVG(c, title, vg.Length(rows)*0.75*vg.Centimeter+1.6*vg.Centimeter)
	return &plotted{Title: title, Caption: caption, SVG: drawn}, err
}
