package table

import (
	"bufio"
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
		case b.Prose != "":
			out.prose(b.Indent, b.Prose)
		case len(b.Rows) > 0:
			out.table(b.Rows)
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

// prose prints a text in lines of pageWidth, the later ones set in.
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

// table prints rows in columns, the first to the left, the others to the right.
func (p *printer) table(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString("   " + pad + cell)
			}
		}
		p.line(b.String())
	}
}
