// Package chart draws plots for HTML pages, in the colours of the page: light or dark.
// Packages report and dashboard show them.
package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

//go:embed theme.css
var theme string

// Theme is the style sheet of pages with charts: their colours, and what all pages
// have.
var Theme = template.CSS(theme)

// Colours as the plotting library knows them. SVG replaces each by a variable of
// Theme, so that plots are dark where the page is.
var (
	Ink     = color.RGBA{0x01, 0x01, 0x01, 0xff}
	Faint   = color.RGBA{0x02, 0x02, 0x02, 0xff}
	Shade   = color.RGBA{0x03, 0x03, 0x03, 0xff} // of a region behind the marks
	Palette = []color.RGBA{
		{0x10, 0x10, 0x10, 0xff},
		{0x11, 0x11, 0x11, 0xff},
		{0x12, 0x12, 0x12, 0xff},
		{0x13, 0x13, 0x13, 0xff},
		{0x14, 0x14, 0x14, 0xff},
		{0x15, 0x15, 0x15, 0xff},
	}
)

// Width is that of all plots: their text is of readable size on a phone.
const Width = 12 * vg.Centimeter

// Sans is the plots' font.
var Sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

// New is an empty plot in the page's style.
func New() *plot.Plot {
	p := plot.New()
	set := func(style *draw.TextStyle) {
		style.Font = Sans
		style.Font.Size = 10
		style.Color = Ink
	}
	p.BackgroundColor = color.Transparent
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = Faint
		axis.Tick.Color = Faint
		axis.Tick.Marker = ticks{}
		set(&axis.Label.TextStyle)
		set(&axis.Tick.Label)
	}
	set(&p.Legend.TextStyle)
	p.Legend.Padding = 2
	return p
}

// ticks are the library's, with labels as short as they can be.
type ticks struct{ plot.DefaultTicks }

func (t ticks) Ticks(low, high float64) []plot.Tick {
	list := t.DefaultTicks.Ticks(low, high)
	for i, tick := range list {
		if tick.Label != "" {
			list[i].Label = Minus(strconv.FormatFloat(tick.Value, 'g', 6, 64))
		}
	}
	return list
}

// SVG draws the plot, to be a part of the page; title is what a reader hears
// who does not see it.
func SVG(p *plot.Plot, title string, height vg.Length) (template.HTML, error) {
	c := vgsvg.New(Width, height)
	p.Draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	text := b.String()
	text = text[strings.Index(text, "viewBox"):] // without the size: the page gives it
	text = strings.Replace(text, ">", ">"+hatches, 1)
	replace := []string{
		"#010101", "var(--ink)", "#020202", "var(--faint)", "#030303", "var(--shade)",
		`font-family:Liberation Sans`, `font-family:inherit`,
	}
	for i, c := range Palette {
		replace = append(replace, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), fmt.Sprintf("var(--c%d)", i+1))
	}
	text = bar.ReplaceAllString(strings.NewReplacer(replace...).Replace(text), "${1}url(#hatch$2)")
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="%s" `, html.EscapeString(title)) + fixWidths(text)), nil
}

// bar is a bar of the second or third colour. It is hatched, so that bars can be told
// apart without colours.
var bar = regexp.MustCompile(`(<path d="M[^"A]*Z" style="fill:)var\(--c([23])\)`)

const hatches = `<defs>
<pattern id="hatch2" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="var(--c2)"/><rect width="1.6" height="5" fill="var(--card)"/></pattern>
<pattern id="hatch3" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" fill="var(--c3)"/><circle cx="2" cy="2" r="1" fill="var(--card)"/></pattern>
</defs>`

var textElement = regexp.MustCompile(`<text ([^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)

// fixWidths gives each text the width that it was laid out with: the reader's
// font may be wider than the plotting library's, and a label would reach into
// the plot.
func fixWidths(svg string) string {
	return textElement.ReplaceAllStringFunc(svg, func(element string) string {
		m := textElement.FindStringSubmatch(element)
		size, err := strconv.ParseFloat(m[2], 64)
		if err != nil || m[3] == "" {
			return element
		}
		face := font.DefaultCache.Lookup(Sans, vg.Points(size))
		return fmt.Sprintf(`<text textLength="%.2f" lengthAdjust="spacingAndGlyphs" %s>%s</text>`,
			face.Width(html.UnescapeString(m[3])).Points(), m[1], m[3])
	})
}

// Line adds a line through the points, dashed or, with nil, not.
func Line(c *plot.Plot, col color.Color, width vg.Length, dashes []vg.Length, points ...plotter.XY) error {
	l, err := plotter.NewLine(plotter.XYs(points))
	if err != nil {
		return err
	}
	l.Color, l.Width, l.Dashes = col, width, dashes
	c.Add(l)
	return nil
}

var negative = regexp.MustCompile(`(^|[\s\[(])-(\d)`)

// Minus gives negative numbers the sign that is as wide as a plus.
func Minus(text string) string { return negative.ReplaceAllString(text, "$1−$2") }
