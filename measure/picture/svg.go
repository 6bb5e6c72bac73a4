package picture

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
)

// style holds the colours for light and for dark pages.
//
//go:embed style.css
var style string

// drawing is a picture in pixels that is being drawn.
type drawing struct{ b bytes.Buffer }

// Sizes of the text, in pixels. A character is at most charWidth wide.
const (
	charWidth = 8
	rowHeight = 22
)

func (d *drawing) box(x, y, width, height int, class string) {
	fmt.Fprintf(&d.b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d"/>`+"\n", class, x, y, width, height)
}

// text writes a line of text; anchor says whether its start, middle or end is at x.
func (d *drawing) text(x, y int, anchor, class, text string) {
	fmt.Fprintf(&d.b, `<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(text))
}

// line draws a line. Its class says how it ends.
func (d *drawing) line(x1, y1, x2, y2 int, class string) {
	fmt.Fprintf(&d.b, `<line class="%s" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", class, x1, y1, x2, y2)
}

// svg returns the picture. It has a background of its own, so that it can be read on any
// page. A screen reader reads the title.
func (d *drawing) svg(width, height int, title string) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">
<style>
%s</style>
<defs>
<pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="lazy" width="8" height="8"/><rect class="stripe" width="3" height="8"/></pattern>
<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker>
</defs>
<rect class="page" width="%d" height="%d" rx="8"/>
%s</svg>
`, width, height, width, height, html.EscapeString(title), style, width, height, d.b.String())
}

// classes are the styles of slots. A slot that is open until the fix-up is striped, so that
// it differs without colours too.
var classes = map[State]string{AtEntry: "filled", ByFixUp: "open", Room: "empty", NoRoom: "none"}

// Frames draws the frames of variants side by side, as they are while the handler of an
// ordinary call runs. The top of the stack is at the top.
func Frames(variants []stubs.Variant) []byte {
	const (
		left, top  = 132, 62
		width, gap = 250, 40
		under      = 58
	)
	var d drawing
	height := top + int(layout.NumSlots)*rowHeight
	d.text(16, top-10, "start", "soft", "offset")
	d.text(left-12, top-10, "end", "soft", "slot")
	for i := range int(layout.NumSlots) {
		s := layout.NumSlots - 1 - layout.Slot(i)
		y := top + i*rowHeight + rowHeight - 7
		d.text(16, y, "start", "soft", fmt.Sprintf("+%d", 8*int(s)))
		d.text(left-12, y, "end", "ink", s.String())
	}
	first, _ := variants[0].Axes.Frame()
	for i, v := range variants {
		x := left + i*(width+gap)
		d.text(x, top-34, "start", "name", v.Name)
		d.text(x, top-10, "start", "soft", "while the handler runs")
		for j := range int(layout.NumSlots) {
			s := layout.NumSlots - 1 - layout.Slot(j)
			text, state := Slot(v.Axes, s)
			y := top + j*rowHeight
			class, mark := classes[state], ""
			if state == AtEntry && !first.Has(s) {
				class, mark = "new", "+ "
			}
			d.box(x, y, width, rowHeight-2, class)
			d.text(x+10, y+rowHeight-7, "start", "in-"+class, mark+text)
		}
	}
	d.text(16, height+24, "start", "soft", "Plain: filled at every entry.  Striped: open until the fix-up fills it in a call")
	d.text(16, height+24+rowHeight-4, "start", "soft", "that needs full pt_regs.  +: filled at every entry by "+variants[len(variants)-1].Name+" alone.")
	names := make([]string, len(variants))
	for i, v := range variants {
		names[i] = v.Name
	}
	return d.svg(left+len(variants)*width+(len(variants)-1)*gap+edge, height+under,
		"The frame of "+strings.Join(names, " and of ")+", slot by slot, while the handler of an ordinary call runs")
}

// stage is a box of the flow: a name, with lines below it.
type stage struct {
	name  string
	lines []string
}

// Sizes of the flow, in pixels.
const width, gap, edge = 158, 26, 16

// wrapped breaks a text into lines that fit into a box of the flow.
func wrapped(text string) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case (utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word))*charWidth < width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// Flow draws the way from a variant to an answer.
func Flow() []byte {
	var exact, sampled []string
	for _, e := range engine.All() {
		switch {
		case e.Costless != "" || e.Choose != nil || e.Verify != nil:
		case e.Kind == engine.Exact:
			exact = append(exact, e.Name)
		default:
			sampled = append(sampled, e.Name)
		}
	}
	stages := []stage{
		{"variant", []string{"a preset,", "axes combined,", "your Go listing,", "your .S file"}},
		{"proof", []string{"every path of", "the machine code,", "for all inputs,", "before any boot"}},
		{"checks", []string{"registers, frame,", "signals, threads;", "an NMI at every", "instruction"}},
		{"figures", wrapped("exact: " + strings.Join(exact, ", ") + "; cycles: " + strings.Join(sampled, ", "))},
		{"answer", wrapped("yes, no, or it depends, as " + strings.Join(table.Formats, ", "))},
	}
	const top, height = 20, 128
	var d drawing
	for i, s := range stages {
		x := edge + i*(width+gap)
		d.box(x, top, width, height, "filled")
		d.text(x+width/2, top+26, "middle", "name", s.name)
		for j, line := range s.lines {
			d.text(x+width/2, top+50+j*19, "middle", "in-filled", line)
		}
		if i > 0 {
			d.line(x-gap+3, top+height/2, x-4, top+height/2, "arrow")
		}
	}
	return d.svg(2*edge+len(stages)*width+(len(stages)-1)*gap, top+height+20, "From a variant by proof and checks to figures and an answer")
}
