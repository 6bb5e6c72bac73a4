// Package chart draws plots for HTML pages as SVG, in the colours of the page: light or
// dark. Packages report and dashboard show them.
package chart

import (
	_ "embed"
	"html/template"
	"math"
	"regexp"
	"strconv"
)

//go:embed theme.css
var theme string

// Theme is the style sheet of pages with charts: the colours, and the styles that all
// pages share.
var Theme = template.CSS(theme)

// Color is a colour of Theme, so that plots are dark where the page is.
type Color string

// The colours of plots.
const (
	Ink   Color = "var(--ink)"
	Faint Color = "var(--faint)"
	Shade Color = "var(--shade)" // of a region behind the marks
)

// Palette holds the colours for data, in the order of their use. Bars in the second and
// the third colour are hatched, so that they can be told apart without colours.
var Palette = []Color{"var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)"}

// Sizes are in units of the picture. A page shows the picture as wide as it can.
const (
	// Width is the width of all plots: with it, text is readable on a phone.
	Width = 340.0
	// Row is the height that a row of a plot with names needs.
	Row = 20.0

	fontSize   = 10.0
	lineHeight = 13.0
	tickLength = 4.0
	gap        = 4.0
)

// XY is a point in the units of the axes.
type XY struct{ X, Y float64 }

// Axis is one of a plot's two axes. Its range grows with what is added to the plot.
type Axis struct {
	Label    string
	Min, Max float64
	// Ticks are the marked values; nil: round numbers.
	Ticks []Tick
}

// Tick is a marked value of an axis.
type Tick struct {
	Value float64
	Label string
}

// Plot is a picture with two axes. What is added later is drawn above what came before.
type Plot struct {
	X, Y Axis
	// LegendLeft puts the legend at the top left; otherwise it is at the top right.
	LegendLeft bool

	bands  []band
	lines  []Line
	bars   []bar
	marks  []Mark
	texts  []text
	legend []entry
}

// Mark is a dot or, with Ring, a circle.
type Mark struct {
	At     XY
	Radius float64
	Color  Color
	Ring   bool
}

// Line is a line through points. If it has a Legend, the plot's legend shows it.
type Line struct {
	Points []XY
	Color  Color
	Width  float64
	Dashes []float64
	Legend string
}

type (
	bar struct {
		y, from, to, offset, width float64
		color                      Color
	}
	band struct{ low, high float64 }
	text struct {
		at   XY
		text string
	}
	entry struct {
		name   string
		color  Color
		dashes []float64
		bar    bool
	}
)

// New returns an empty plot.
func New() *Plot {
	none := Axis{Min: math.Inf(1), Max: math.Inf(-1)}
	return &Plot{X: none, Y: none}
}

// include extends the axes so that they show a point.
func (p *Plot) include(at XY) {
	p.X.Min, p.X.Max = min(p.X.Min, at.X), max(p.X.Max, at.X)
	p.Y.Min, p.Y.Max = min(p.Y.Min, at.Y), max(p.Y.Max, at.Y)
}

// Line adds a line.
func (p *Plot) Line(l Line) {
	for _, at := range l.Points {
		p.include(at)
	}
	p.lines = append(p.lines, l)
	if l.Legend != "" {
		p.legend = append(p.legend, entry{name: l.Legend, color: l.Color, dashes: l.Dashes})
	}
}

// Mark adds a mark.
func (p *Plot) Mark(m Mark) {
	p.include(m.At)
	p.marks = append(p.marks, m)
}

// Band shades the area between two values of the horizontal axis, behind everything else.
func (p *Plot) Band(low, high float64) {
	p.X.Min, p.X.Max = min(p.X.Min, low), max(p.X.Max, high)
	p.bands = append(p.bands, band{low, high})
}

// Text adds words whose end is at a point.
func (p *Plot) Text(at XY, words string) { p.texts = append(p.texts, text{at, words}) }

// Bars adds a horizontal bar for each row from 0 on. A bar begins at from (nil: at 0), is
// as long as its value, and lies offset above the row's middle.
func (p *Plot) Bars(from, values []float64, offset, width float64, color Color, legend string) {
	for i, v := range values {
		b := bar{y: float64(i), to: v, offset: offset, width: width, color: color}
		if from != nil {
			b.from, b.to = from[i], from[i]+v
		}
		p.include(XY{b.from, b.y})
		p.include(XY{b.to, b.y})
		p.bars = append(p.bars, b)
	}
	p.legend = append(p.legend, entry{name: legend, color: color, bar: true})
}

// Names puts the names of the rows from 0 on at the vertical axis.
func (p *Plot) Names(names ...string) {
	p.Y.Ticks = []Tick{}
	for i, n := range names {
		p.Y.Ticks = append(p.Y.Ticks, Tick{float64(i), n})
	}
	p.Y.Min, p.Y.Max = min(p.Y.Min, -0.5), max(p.Y.Max, float64(len(names))-0.5)
}

// settled returns the axis with ticks and with a range that is not empty.
func (a Axis) settled() Axis {
	switch {
	case a.Min > a.Max: // the plot is empty
		a.Min, a.Max = 0, 1
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-1, a.Max+1
	}
	if a.Ticks == nil {
		a.Ticks = round(a.Min, a.Max)
	}
	return a
}

// round returns ticks at round numbers. The range holds at least three steps.
func round(low, high float64) (ticks []Tick) {
	step := math.Pow(10, math.Floor(math.Log10(high-low)))
	for _, part := range []float64{1, 0.5, 0.2, 0.1} {
		if (high-low)/(step*part) >= 3 {
			step *= part
			break
		}
	}
	for n := math.Ceil(low / step); n*step <= high+step/1e6; n++ {
		value := n * step
		ticks = append(ticks, Tick{value, Minus(strconv.FormatFloat(value+0, 'g', 6, 64))})
	}
	return ticks
}

var negative = regexp.MustCompile(`(^|[\s\[(])-(\d)`)

// Minus gives negative numbers a minus sign that is as wide as a plus sign.
func Minus(text string) string { return negative.ReplaceAllString(text, "$1−$2") }
