package table

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// pageWidth is where lines of prose are broken.
const pageWidth = 110

// text prints the blocks.
func (d *Document) text(w io.Writer) error {
	out := &printer{w: bufio.NewWriter(w)}
	for _, b := range d.Blocks {
		switch {
		case b.Figure.SVG != "":
		case b.Prose != "":
			out.prose(b.Indent, b.Prose)
		case b.Table != nil && b.Table.Tall:
			out.tall(b.Table)
		case b.Table != nil:
			out.table(b.Table)
		case len(b.Notes) > 0:
			for _, n := range b.Notes {
				out.line("* " + n)
			}
		default:
			out.line(b.Line)
		}
	}
	return out.w.Flush() // with the first error
}

type printer struct{ w *bufio.Writer }

func (p *printer) line(text string) { p.w.WriteString(strings.TrimRight(text, " ") + "\n") }

// prose prints a text in lines of pageWidth, the later ones indented.
func (p *printer) prose(indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth && strings.TrimSpace(line) != "" {
			p.line(line)
			line = indent + "    "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	p.line(line)
}

// table prints rows in columns.
func (p *printer) table(t *Table) {
	rows := t.texts()
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			switch {
			case i == 0:
				b.WriteString(text + pad)
			case t.Words:
				b.WriteString("   " + text + pad)
			default:
				b.WriteString("   " + pad + text)
			}
		}
		p.line(b.String())
	}
}

// tall prints a block of lines for each row.
func (p *printer) tall(t *Table) {
	for i, r := range t.Rows {
		if i > 0 {
			p.line("")
		}
		p.line(r.Cells[0].Text)
		width := 0
		for j, c := range r.Cells {
			if j > 0 && c.Text != "" {
				width = max(width, utf8.RuneCountInString(t.Head[j]))
			}
		}
		for j, c := range r.Cells {
			if j > 0 && c.Text != "" {
				for line := range strings.SplitSeq(c.Text, "\n") {
					p.line(fmt.Sprintf("  %-*s  %s", width, t.Head[j], line))
				}
			}
		}
	}
}
