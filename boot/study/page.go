package study

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/boot/result"
)

// Page is what a study prints: every change on every engine, beside what was
// published.
type Page struct {
	*Set
	Skipped []Skipped
}

// pageWidth is where lines of prose are broken.
const pageWidth = 110

// Write prints the page.
func (p Page) Write(w io.Writer) error {
	out := &writer{w: w}
	out.line("Is it worth keeping the user's RSP (a), flags (b) and CS, SS, RCX (c) in the frame at every system call?")
	out.line("")
	for _, c := range p.Columns {
		out.prose("", Describe(p.Set, c))
	}
	for _, s := range p.Skipped {
		out.prose("", fmt.Sprintf("%s: %s", s.Engine, s.Reason))
	}
	if p.Left > 0 {
		out.line("%d records of other code than the newest are left out.", p.Left)
	}
	for _, c := range Changes {
		p.change(out, c)
	}
	p.trades(out)
	p.verdicts(out)
	return out.err
}

// change is the block of one change: a row for each operation.
func (p Page) change(out *writer, c Change) {
	from, to := name(c.Pairs[0][0]), name(c.Pairs[0][1])
	out.line("")
	out.prose("", fmt.Sprintf("%s  %s: %s -> %s", c.Key, c.Title, Title(from), Title(to)))
	head := []string{""}
	for _, col := range p.Columns {
		head = append(head, fmt.Sprintf("%v, %s", col, p.Unit(col)))
	}
	rows := [][]string{head}
	for _, op := range p.ops() {
		row := []string{"  " + result.OperationOf(op).Title}
		found := false
		for _, col := range p.Columns {
			d := p.Difference(col, from, to, op)
			found = found || d.Kind != None
			cell := d.Cell()
			if c.Exit && blind(col) {
				cell = "not comparable"
			}
			if others := p.others(col, c, op, d); others != "" {
				cell += " " + others
			}
			row = append(row, cell)
		}
		if found {
			rows = append(rows, row)
		}
	}
	out.table(rows)
	for _, line := range p.Published(c) {
		out.prose("  ", line)
	}
}

// blind reports whether the engine does not run the instruction that ends a
// call.
func blind(c Column) bool { return c.Engine == "replay" }

// others tells whether the change costs the same in other surroundings.
func (p Page) others(col Column, c Change, op string, first Difference) string {
	low, high, n := first.Value, first.Value, 0
	for _, pair := range c.Pairs[1:] {
		d := p.Difference(col, name(pair[0]), name(pair[1]), op)
		if d.Kind != Exact || first.Kind != Exact {
			continue
		}
		low, high, n = min(low, d.Value), max(high, d.Value), n+1
	}
	switch {
	case n == 0 || low == high:
		return ""
	}
	return fmt.Sprintf("(%s to %s in other surroundings)", signed(low), signed(high))
}

// Published are the lines about published figures of a change: each figure with
// its source, and whether the engines agree.
func (p Page) Published(c Change) []string {
	var lines []string
	for _, f := range AllPublished {
		if f.Change != c.Key {
			continue
		}
		line := fmt.Sprintf("published: %s (%s)", f.Text, f.Source)
		said := false
		for _, col := range p.Columns {
			if c.Exit && blind(col) {
				continue
			}
			d := p.Difference(col, name(c.Pairs[0][0]), name(c.Pairs[0][1]), f.Op)
			if a := f.agreement(d); a != "" {
				line += fmt.Sprintf("; %v: %s, %s", col, d.Verdict(), a)
				said = true
			}
		}
		if !said {
			line += "; no engine here measures this"
		}
		lines = append(lines, line)
	}
	return lines
}

// ops are the operations of all columns.
func (p Page) ops() []string {
	var ops []string
	for _, c := range p.Columns {
		for _, op := range p.Ops(c) {
			if !slices.Contains(ops, op) {
				ops = append(ops, op)
			}
		}
	}
	return ops
}

func (p Page) trades(out *writer) {
	out.line("")
	out.line("Break-even: the share of full-frame calls (clone, rt_sigreturn, a signal) from which the eager path is cheaper")
	for _, t := range Trades {
		for _, c := range p.Columns {
			if b := p.BreakEven(c, t); b.OK {
				out.prose("  ", fmt.Sprintf("%s instead of %s, %v: %v", Title(name(t.Eager)), Title(name(t.Lazy)), c, b))
			}
		}
	}
}

// verdicts are the answer in words.
func (p Page) verdicts(out *writer) {
	out.line("")
	out.line("In words, for an ordinary call and for a thread switch")
	for _, line := range p.Verdicts() {
		out.prose("  ", line)
	}
	out.prose("  ", "No figure of a context switch was found published.")
}

// Verdicts are the sentences of the answer.
func (p Page) Verdicts() []string {
	var lines []string
	for _, c := range Changes {
		from, to := name(c.Pairs[0][0]), name(c.Pairs[0][1])
		var parts []string
		for _, col := range p.Columns {
			if c.Exit && blind(col) {
				continue
			}
			for _, op := range []string{nullCall, threadSwitch} {
				d := p.Difference(col, from, to, op)
				if d.Kind == None {
					continue
				}
				parts = append(parts, fmt.Sprintf("%v %s: %s", col, result.OperationOf(op).Short, d.Verdict()))
			}
		}
		if len(parts) > 0 {
			lines = append(lines, c.Key+": "+strings.Join(parts, "; "))
		}
	}
	return lines
}

const threadSwitch = "thread-switch-yield"

// Describe names the machine of a column.
func Describe(s *Set, c Column) string {
	for k, records := range s.series {
		if k.Column != c || len(records) == 0 {
			continue
		}
		r := records[0]
		text := fmt.Sprintf("%v: %s, machine %s, CPU %s", c, r.Unit, r.Machine, r.CPU)
		if r.QEMU != "" {
			text += ", QEMU " + r.QEMU
		}
		if !r.Emulated() {
			text += ", on " + r.Host
			if r.Microcode != "" {
				text += ", microcode " + r.Microcode
			}
		}
		return text
	}
	return c.String()
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
