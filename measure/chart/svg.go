package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// picture is a plot that is being drawn as SVG. Its data lie between left and right, top
// and bottom.
type picture struct {
	strings.Builder
	x, y                     Axis
	left, right, top, bottom float64
}

// SVG draws the plot as a part of a page. A screen reader reads the title.
func (p *Plot) SVG(title string, height float64) template.HTML {
	d := &picture{x: p.X.settled(), y: p.Y.settled(), top: gap, right: Width - gap}
	names := 0.0
	for _, t := range d.y.Ticks {
		names = max(names, widthOf(t.Label))
	}
	d.left = names + tickLength + 2*gap
	if d.y.Label != "" {
		d.left += lineHeight
	}
	if n := len(d.x.Ticks); n > 0 { // half of the last label extends beyond its tick
		d.right -= widthOf(d.x.Ticks[n-1].Label) / 2
	}
	d.bottom = height - lineHeight - tickLength - gap
	if d.x.Label != "" {
		d.bottom -= lineHeight
	}
	fmt.Fprintf(d, `<svg role="img" aria-label="%s" viewBox="0 0 %g %.1f" font-size="%g" xmlns="http://www.w3.org/2000/svg">`,
		html.EscapeString(title), Width, height, fontSize)
	d.WriteString(hatches)
	for _, b := range p.bands {
		d.rect(d.atX(b.low), d.top, d.atX(b.high)-d.atX(b.low), d.bottom-d.top, Shade)
	}
	d.axes(height)
	for _, b := range p.bars {
		d.rect(d.atX(min(b.from, b.to)), d.atY(b.y)-b.offset-b.width/2, math.Abs(d.atX(b.to)-d.atX(b.from)), b.width, fill(b.color))
	}
	for _, l := range p.lines {
		d.line(l)
	}
	for _, m := range p.marks {
		inside, edge := m.Color, Color("none")
		if m.Ring {
			inside, edge = edge, inside
		}
		if m.At.X >= d.x.Min && m.At.X <= d.x.Max {
			fmt.Fprintf(d, `<circle cx="%.2f" cy="%.2f" r="%.2f" fill="%s" stroke="%s"/>`, d.atX(m.At.X), d.atY(m.At.Y), m.Radius, inside, edge)
		}
	}
	for _, t := range p.texts {
		d.text(d.atX(t.at.X), d.atY(t.at.Y)+fontSize/3, "end", t.text)
	}
	d.legend(p.legend, p.LegendLeft)
	d.WriteString("</svg>")
	return template.HTML(d.String())
}

// hatches holds the patterns that fill bars.
const hatches = `<defs>
<pattern id="hatch2" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="var(--c2)"/><rect width="1.6" height="5" fill="var(--card)"/></pattern>
<pattern id="hatch3" width="4" height="4" patternUnits="userSpaceOnUse"><rect width="4" height="4" fill="var(--c3)"/><circle cx="2" cy="2" r="1" fill="var(--card)"/></pattern>
</defs>`

// fill returns what bars of a colour are filled with.
func fill(c Color) Color {
	switch c {
	case Palette[1]:
		return "url(#hatch2)"
	case Palette[2]:
		return "url(#hatch3)"
	}
	return c
}

// rect draws a filled rectangle.
func (d *picture) rect(x, y, width, height float64, fill Color) {
	fmt.Fprintf(d, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, x, y, width, height, fill)
}

// atX and atY return where a value is in the picture.
func (d *picture) atX(v float64) float64 {
	return d.left + (v-d.x.Min)/(d.x.Max-d.x.Min)*(d.right-d.left)
}

func (d *picture) atY(v float64) float64 {
	return d.bottom - (v-d.y.Min)/(d.y.Max-d.y.Min)*(d.bottom-d.top)
}

// stroke draws a line of the axes.
func (d *picture) stroke(x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<path d="M%.2f %.2fL%.2f %.2f" stroke="%s" stroke-width="0.7"/>`, x1, y1, x2, y2, Faint)
}

// axes draws both axes, with their ticks and labels.
func (d *picture) axes(height float64) {
	d.stroke(d.left, d.bottom, d.right, d.bottom)
	for _, t := range d.x.Ticks {
		x := d.atX(t.Value)
		d.stroke(x, d.bottom, x, d.bottom+tickLength)
		d.text(x, d.bottom+tickLength+fontSize, "middle", t.Label)
	}
	d.stroke(d.left, d.top, d.left, d.bottom)
	for _, t := range d.y.Ticks {
		y := d.atY(t.Value)
		d.stroke(d.left-tickLength, y, d.left, y)
		d.text(d.left-tickLength-gap, y+fontSize/3, "end", t.Label)
	}
	if d.x.Label != "" {
		d.text((d.left+d.right)/2, height-gap, "middle", d.x.Label)
	}
	if d.y.Label != "" {
		fmt.Fprintf(d, `<g transform="translate(%g %.2f) rotate(-90)">`, fontSize, (d.top+d.bottom)/2)
		d.text(0, 0, "middle", d.y.Label)
		d.WriteString("</g>")
	}
}

// line draws the part of a line that is within the axes.
func (d *picture) line(l Line) {
	var path strings.Builder
	var last XY
	for i := 1; i < len(l.Points); i++ {
		from, to, ok := d.clipped(l.Points[i-1], l.Points[i])
		if !ok {
			continue
		}
		if path.Len() == 0 || from != last {
			fmt.Fprintf(&path, "M%.2f %.2f", d.atX(from.X), d.atY(from.Y))
		}
		fmt.Fprintf(&path, "L%.2f %.2f", d.atX(to.X), d.atY(to.Y))
		last = to
	}
	fmt.Fprintf(d, `<path d="%s" fill="none" stroke="%s" stroke-width="%g"%s/>`, path.String(), l.Color, l.Width, dashes(l.Dashes))
}

// dashes returns the attribute of a dashed line.
func dashes(list []float64) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(` stroke-dasharray="%s"`, strings.Trim(fmt.Sprint(list), "[]"))
}

// clipped returns the part of a line that is within the axes, and whether there is one
// (Liang and Barsky: the line crosses each side at a share of its length).
func (d *picture) clipped(a, b XY) (from, to XY, ok bool) {
	enter, leave := 0.0, 1.0
	for _, side := range []struct{ along, room float64 }{
		{a.X - b.X, a.X - d.x.Min},
		{b.X - a.X, d.x.Max - a.X},
		{a.Y - b.Y, a.Y - d.y.Min},
		{b.Y - a.Y, d.y.Max - a.Y},
	} {
		switch share := side.room / side.along; {
		case side.along == 0 && side.room < 0:
			return a, b, false
		case side.along < 0:
			enter = max(enter, share)
		case side.along > 0:
			leave = min(leave, share)
		}
	}
	at := func(share float64) XY {
		switch share {
		case 0:
			return a
		case 1:
			return b
		}
		return XY{a.X + share*(b.X-a.X), a.Y + share*(b.Y-a.Y)}
	}
	return at(enter), at(leave), enter <= leave
}

// legend draws the names at the top, each with a sample of its bar or line.
func (d *picture) legend(entries []entry, left bool) {
	const sample = 20.0
	for i, e := range entries {
		y := d.top + (float64(i)+0.5)*lineHeight
		x, anchor := d.right-sample, "end"
		words := x - gap
		if left {
			x, anchor = d.left+gap, "start"
			words = x + sample + gap
		}
		if e.bar {
			d.rect(x, y-3.5, sample, 7, fill(e.color))
		} else {
			fmt.Fprintf(d, `<path d="M%.2f %.2fh%g" stroke="%s" stroke-width="1.8"%s/>`, x, y, sample, e.color, dashes(e.dashes))
		}
		d.text(words, y+fontSize/3, anchor, e.name)
	}
}

// text draws words in the width for which the plot is laid out: with a wider font, a label
// would reach into the plot.
func (d *picture) text(x, y float64, anchor, words string) {
	if words != "" {
		fmt.Fprintf(d, `<text x="%.2f" y="%.2f" text-anchor="%s" textLength="%.2f" lengthAdjust="spacingAndGlyphs" fill="%s">%s</text>`,
			x, y, anchor, widthOf(words), Ink, html.EscapeString(words))
	}
}

// widths holds the widths of the letters from space to tilde in Helvetica, and in the fonts
// that are made to replace it, in thousandths of the font's size.
var widths = [...]int{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
}

// widthOf returns the width of words.
func widthOf(words string) float64 {
	const other = 600
	sum := 0
	for _, r := range words {
		if at := int(r) - ' '; at >= 0 && at < len(widths) {
			sum += widths[at]
		} else {
			sum += other
		}
	}
	return float64(sum) * fontSize / 1000
}
