package study

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/boot/replay"
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
	for _, e := range p.Engines() {
		out.prose("", p.Describe(e))
	}
	for _, s := range p.Skipped {
		out.prose("", fmt.Sprintf("%s: %s", s.Engine, s.Reason))
	}
	if p.Left > 0 {
		out.line("%d records of other code than the newest are left out.", p.Left)
	}
	for _, e := range p.Engines() {
		out.line("")
		if first := p.confirms(e); first != "" {
			out.line("%s: the same as %s, in every figure", e, first)
			continue
		}
		out.line("%s: difference in %s", e, p.Unit(e))
		out.table(p.Table(e))
	}
	out.line("")
	for _, c := range Changes {
		out.prose("", fmt.Sprintf("%s: %s", c.Key, c.Title))
		for _, line := range p.Answer(c) {
			out.prose("    ", line)
		}
	}
	out.line("")
	out.line("Break-even: the share of full-frame calls (clone, rt_sigreturn, a signal) from which the eager path is cheaper")
	for _, line := range p.BreakEvens() {
		out.prose("    ", line)
	}
	out.line("")
	for _, line := range p.Notes() {
		out.prose("", "* "+line)
	}
	return out.err
}

// Table is an engine's: a row for each change, a column for each operation.
func (p Page) Table(engine string) [][]string {
	head := []string{""}
	ops := p.Ops(engine)
	for _, op := range ops {
		head = append(head, result.OperationOf(op).Short)
		if p.banded(engine, op) {
			head = append(head, "other forms")
		}
	}
	rows := [][]string{head}
	for _, c := range Changes {
		from, to := c.Ends()
		row := []string{c.Key}
		for _, op := range ops {
			cell, band := p.Difference(p.Headline(engine, op), from, to, op).Cell(), ""
			if low, high, ok := p.Band(engine, from, to, op); ok {
				band = short(low) + " to " + short(high)
			}
			if c.Exit && blind(engine) {
				cell, band = "-", "-"
			}
			row = append(row, cell)
			if p.banded(engine, op) {
				row = append(row, band)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// confirms returns the engine before this one whose every difference is exactly
// the same, if there is one.
func (p Page) confirms(engine string) string {
	for _, first := range p.Engines() {
		if first == engine {
			break
		}
		if p.Unit(first) == result.Instructions && p.Unit(engine) == result.Instructions && reflect.DeepEqual(p.Table(first), p.Table(engine)) {
			return first
		}
	}
	return ""
}

// telling are the engines that do not only confirm another one.
func (p Page) telling() []string {
	return slices.DeleteFunc(p.Engines(), func(e string) bool { return p.confirms(e) != "" })
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
func blind(engine string) bool { return engine == "replay" }

// Answer is what is to be said of a change: on each engine the verdict, and
// beside it what was published.
func (p Page) Answer(c Change) []string {
	from, to := c.Ends()
	var lines []string
	engines := p.telling()
	slices.Reverse(engines) // cycles first
	for _, e := range engines {
		if c.Exit && blind(e) {
			lines = append(lines, e+": cannot compare exits, it does not run SYSRETQ")
			continue
		}
		var parts []string
		for _, op := range []string{nullCall, "thread-switch-yield", "switch-warm", "switch-cold-sp"} {
			d := p.Difference(p.Headline(e, op), from, to, op)
			if d.Kind == None {
				continue
			}
			part := result.OperationOf(op).Short + " " + d.Verdict()
			if op == nullCall {
				part += p.others(e, c, op, d)
			}
			parts = append(parts, part)
		}
		if len(parts) > 0 {
			lines = append(lines, e+": "+strings.Join(parts, "; "))
		}
	}
	return append(lines, p.Published(c)...)
}

// others tells what the change costs in other surroundings.
func (p Page) others(engine string, c Change, op string, first Difference) string {
	low, high, n := first.Value, first.Value, 0
	for _, pair := range c.Pairs[1:] {
		if d := p.Difference(p.Headline(engine, op), name(pair[0]), name(pair[1]), op); d.Kind != None {
			low, high, n = min(low, d.Value), max(high, d.Value), n+1
		}
	}
	switch {
	case n == 0:
		return ""
	case low == high:
		return fmt.Sprintf(" (so in all %d surroundings)", n+1)
	case first.Kind == Exact:
		return fmt.Sprintf(" (%s to %s in %d surroundings)", signed(low), signed(high), n+1)
	}
	return fmt.Sprintf(" (%s to %s in %d surroundings)", short(low), short(high), n+1)
}

// Published are the lines about published figures of a change: each figure with
// its source, and whether the engines agree.
func (p Page) Published(c Change) []string {
	from, to := c.Ends()
	var lines []string
	for _, f := range AllPublished {
		if f.Change != c.Key {
			continue
		}
		var said []string
		for _, e := range p.telling() {
			if c.Exit && blind(e) {
				continue
			}
			d := p.Difference(p.Headline(e, f.Op), from, to, f.Op)
			if a := f.agreement(d); a != "" {
				said = append(said, e+" "+a)
			}
		}
		if len(said) == 0 {
			said = []string{"no engine here measures this"}
		}
		lines = append(lines, fmt.Sprintf("published: %s (%s): %s", f.Text, f.Source, strings.Join(said, ", ")))
	}
	return lines
}

// BreakEvens are the lines of the break-even rates.
func (p Page) BreakEvens() []string {
	var lines []string
	for _, t := range Trades {
		for _, e := range p.telling() {
			if b := p.BreakEven(e, t); b.OK {
				lines = append(lines, fmt.Sprintf("%s instead of %s, %s: %v", Title(name(t.Eager)), Title(name(t.Lazy)), e, b))
			}
		}
	}
	return lines
}

// Notes are what the reader of the figures must know.
func (p Page) Notes() []string {
	notes := []string{"No figure of a context switch was found published."}
	for _, e := range p.Engines() {
		switch e {
		case "icount", "bochs":
			notes = append(notes, e+" counts instructions, exactly; an instruction is not a cycle, and a count says nothing of stores, forwarding or caches.")
		case "kvm":
			notes = append(notes, "kvm: ticks of the time-stamp counter on the CPU itself; the interval is over boots.")
		case "replay":
			notes = append(notes, p.replayNotes()...)
		}
	}
	return notes
}

// replayNotes are what must be said with figures of the replay.
func (p Page) replayNotes() []string {
	notes := []string{
		"replay runs the variants' own code in ring 3, without SYSCALL, SYSRET, SWAPGS, STI and CLI: only differences between paths with the same exit instruction mean anything, and no figure is the cost of a system call.",
		"replay: form SR1 (LFENCE for SYSCALL and SYSRET, a handler with work) is the figure, SR0 (no work), N0 (no fence) and D0 (MFENCE) bound what another CPU makes of it; the switch is of form SR0. Caches are warm but where it says cold.",
		"replay: a difference of up to a cycle is a property of alignment, not of the design; the interval is over random placements of code and data, and over processes where these differ by more.",
	}
	notes = append(notes,
		"replay: for \"usersp cold\" and \"both cold\" the thread lies so that usersp begins a cache line of its own, which no other part of the switch touches. Where it shares one, as in Linux 3.19, whose thread_struct has sp beside it, look at \"thread cold\".",
		"replay: cycles are derived from a chain of multiplications, not counted. Predictors are trained; a busy core pays some 0.2 cycles more for each store.")
	for _, r := range p.Controls("replay") {
		if r.Form != replay.HeadlineForm || !strings.Contains(r.Op, nullCall) {
			continue
		}
		notes = append(notes, fmt.Sprintf("replay control, process %d: %s: %+.2f [%+.2f, %+.2f], %d placements",
			r.Run+1, r.Op, r.Median, r.Interval.Low, r.Interval.High, r.Batches))
	}
	return notes
}

// Describe names the machine of an engine.
func (p Page) Describe(engine string) string {
	for k, records := range p.series {
		if k.Engine != engine || k.variant == Control {
			continue
		}
		r := records[0]
		text := fmt.Sprintf("%s: %s, machine %s, CPU %s", engine, r.Unit, r.Machine, r.CPU)
		if r.Emulator != "" {
			text += ", " + r.Emulator
		}
		if r.Host != r.CPU && !r.Emulated() {
			text += ", on " + r.Host
		}
		if r.Microcode != "" && !r.Emulated() {
			text += ", microcode " + r.Microcode
		}
		return text
	}
	return engine
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
