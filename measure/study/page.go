package study

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/measure/record"
)

// Page is what a study prints: every change on every engine, beside what was
// published.
type Page struct {
	*Set
	Skipped []Skipped
}

// Missing is what there is no figure of, and why.
func (p Page) Missing() []Skipped { return slices.Concat(p.Skipped, p.Refused) }

// pageWidth is where lines of prose are broken.
const pageWidth = 110

// Write prints the page.
func (p Page) Write(w io.Writer) error {
	out := &writer{w: w}
	out.line("Is it worth keeping the user's RSP (a), flags (b) and CS, SS, RCX (c) in the frame at every system call?")
	for _, line := range p.Proofs {
		out.prose("", line)
	}
	out.line("")
	for _, e := range p.Engines() {
		out.prose("", p.Describe(e))
	}
	for _, s := range p.Missing() {
		out.prose("", fmt.Sprintf("%s: %s", s.Engine, s.Reason))
	}
	for _, line := range p.LeftOut() {
		out.prose("", line)
	}
	for _, e := range p.Engines() {
		out.line("")
		if first := p.Confirms(e); first != "" {
			out.line("%s: the same differences as %s, every one", e, first)
			continue
		}
		out.line("%s: difference in %s", e, p.Unit(e))
		head, rows := p.Table(e)
		text := [][]string{append([]string{""}, head...)}
		for _, r := range rows {
			line := []string{r.Change}
			for _, c := range r.Cells {
				line = append(line, c.Text)
			}
			text = append(text, line)
		}
		out.table(text)
	}
	out.line("")
	for _, c := range Changes {
		out.prose("", fmt.Sprintf("%s: %s", c.Key, c.Title))
		for _, line := range p.answer(c) {
			out.prose("    ", line)
		}
	}
	out.line("")
	out.line("Break-even: the share of full-frame calls (clone, rt_sigreturn, a signal) from which the eager path is cheaper")
	for _, line := range p.BreakEvens() {
		out.prose("    ", line)
	}
	out.line("")
	for _, line := range append(p.Notes(), p.controlLines()...) {
		out.prose("", "* "+line)
	}
	return out.err
}

// LeftOut tells of the records that are not used.
func (p Page) LeftOut() []string {
	var lines []string
	if p.Left > 0 {
		lines = append(lines, fmt.Sprintf("%d figures of other code than the newest are left out.", p.Left))
	}
	if p.Again > 0 {
		lines = append(lines, fmt.Sprintf("%d figures that were measured again later, in a run of the same number, are left out.", p.Again))
	}
	return lines
}

// Row is what a change makes of each operation.
type Row struct {
	Change string
	Cells  []Cell
}

// Table is an engine's: a row for each change, a column for each operation.
func (p Page) Table(engine string) (head []string, rows []Row) {
	ops := p.Ops(engine)
	for _, op := range ops {
		head = append(head, record.OperationOf(op).Short)
		if p.banded(engine, op) {
			head = append(head, "other forms")
		}
	}
	for _, c := range Changes {
		from, to := c.Ends()
		row := Row{Change: c.Key}
		for _, op := range ops {
			cell, band := p.Difference(p.Headline(engine, op), from, to, op).Cell(), Cell{}
			if low, high, ok := p.Band(engine, from, to, op); ok {
				band.Text = short(low) + " to " + short(high)
			}
			if c.Exit && blind(engine) {
				cell, band = Cell{Text: "-"}, Cell{Text: "-"}
			}
			row.Cells = append(row.Cells, cell)
			if p.banded(engine, op) {
				row.Cells = append(row.Cells, band)
			}
		}
		rows = append(rows, row)
	}
	return head, rows
}

// Confirms returns the engine before this one whose every difference is exactly
// the same, if there is one.
func (p Page) Confirms(engine string) string {
	for _, first := range p.Engines() {
		if first == engine {
			break
		}
		if p.Unit(first) != record.Instructions || p.Unit(engine) != record.Instructions {
			continue
		}
		head, rows := p.Table(first)
		head2, rows2 := p.Table(engine)
		if slices.Equal(head, head2) && reflect.DeepEqual(rows, rows2) {
			return first
		}
	}
	return ""
}

// Telling are the engines that do not only confirm another one.
func (p Page) Telling() []string {
	return slices.DeleteFunc(p.Engines(), func(e string) bool { return p.Confirms(e) != "" })
}

// banded reports whether the engine has several forms of an operation.
func (p Page) banded(engine, op string) bool {
	n := 0
	for _, c := range p.Columns {
		if c.Engine == engine && p.has(c, op) {
			n++
		}
	}
	return n > 1
}

// blind reports whether the engine does not run the instruction that ends a
// call.
func blind(engine string) bool { return engine == engineReplay }

// BreakEvens are the lines of the break-even rates.
func (p Page) BreakEvens() []string {
	var lines []string
	for _, t := range Trades {
		for _, e := range p.Telling() {
			if b := p.BreakEven(e, t); b.OK {
				lines = append(lines, fmt.Sprintf("%s instead of %s, %s: %v", Title(name(t.Eager)), Title(name(t.Lazy)), e, b))
			}
		}
	}
	return lines
}

// writer prints lines and keeps the first error.
type writer struct {
	w   io.Writer
	err error
}

func (o *writer) line(format string, args ...any) {
	if o.err == nil {
		_, o.err = fmt.Fprintln(o.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

// prose prints a text in lines of pageWidth, the later ones set in.
func (o *writer) prose(indent, text string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth && strings.TrimSpace(line) != "" {
			o.line("%s", line)
			line = indent + "    "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	o.line("%s", line)
}

// table prints rows in columns, the first to the left, the others to the right.
func (o *writer) table(rows [][]string) {
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
		o.line("%s", b.String())
	}
}
