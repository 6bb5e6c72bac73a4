// Package lines prints the guest's lines, one Write each, and counts outcomes for
// the summary and for init's exit status. Package wire decides what a line looks
// like.
package lines

import (
	"errors"
	"fmt"
	"io"

	"github.com/entrylab/entrylab/gen/wire"
)

// Printer prints lines and counts outcomes.
type Printer struct {
	w       io.Writer
	sum     wire.Summary
	harness int // checks with ERROR
	// measured is set once a figure has been printed.
	measured bool
	listener Listener
	results  io.Writer
}

// Listener shows a person what happens.
type Listener interface {
	Line(line wire.Line) // has been printed
	Plan(steps int)      // so many steps begin
	Step()               // one of them has been made
}

// Listen makes l hear what the Printer prints from now on.
func (p *Printer) Listen(l Listener) { p.listener = l }

// Keep makes the Printer write the lines that are results to w, too, as JSON objects.
func (p *Printer) Keep(w io.Writer) { p.results = w }

// Plan says how many steps there will be until the summary.
func (p *Printer) Plan(steps int) {
	if p.listener != nil {
		p.listener.Plan(steps)
	}
}

// Step says that one of them has been made.
func (p *Printer) Step() {
	if p.listener != nil {
		p.listener.Step()
	}
}

// New returns a Printer that writes each line to w with one Write.
func New(w io.Writer) *Printer { return &Printer{w: w} }

// Skip is the reason why a check does not apply here.
type Skip string

func (s Skip) Error() string { return string(s) }

// Harness is a fault of the harness, or of its machine, that leaves a
// check without a verdict.
type Harness string

func (h Harness) Error() string { return string(h) }

// Result prints one check's outcome: err is nil for PASS, a [Skip] for SKIP, a
// [Harness] for ERROR, and any other error is what is wrong.
func (p *Printer) Result(name string, err error) {
	p.sum.Tests++
	c := wire.Check{Outcome: wire.Pass, Name: name}
	var skip Skip
	var harness Harness
	switch {
	case err == nil:
	case errors.As(err, &skip):
		p.sum.Skipped++
		c.Outcome = wire.Skip
	case errors.As(err, &harness):
		p.sum.Bad++
		p.harness++
		c.Outcome = wire.Error
	default:
		p.sum.Bad++
		c.Outcome = wire.Fail
	}
	if err != nil {
		c.Detail = err.Error()
	}
	p.write(c)
}

// Info prints a text for a person to read.
func (p *Printer) Info(format string, args ...any) { p.write(wire.Info(fmt.Sprintf(format, args...))) }

// Event prints the result of events that the program caused.
func (p *Printer) Event(e wire.Event) { p.write(e) }

// Reading prints what a reader of the user's RSP found.
func (p *Printer) Reading(r wire.Reading) { p.write(r) }

// Symbol prints which function an address is in.
func (p *Printer) Symbol(s wire.Symbol) { p.write(s) }

// Vulnerability prints what the kernel says about a vulnerability.
func (p *Printer) Vulnerability(v wire.Vulnerability) { p.write(v) }

// Proof prints the proof's verdict on a variant. The lines that follow must be read with
// it.
func (p *Printer) Proof(proof wire.Proof) { p.write(proof) }

// Figure prints a line of a measurement: a wire.Measure, or one of the lines of
// samples.
func (p *Printer) Figure(line wire.Line) {
	p.measured = true
	p.write(line)
}

// Summary prints the last line and returns init's exit status. A run without any
// check or figure is a fault of the harness.
func (p *Printer) Summary() int {
	p.write(p.sum)
	switch {
	case p.harness > 0 || p.sum.Tests == 0 && !p.measured:
		return wire.ExitError
	case p.sum.Bad > 0:
		return wire.ExitFail
	}
	return wire.ExitPass
}

func (p *Printer) write(line wire.Line) {
	io.WriteString(p.w, line.String()+"\n")
	if p.results != nil {
		if object := wire.Object(line); object != "" {
			io.WriteString(p.results, object+"\n")
		}
	}
	if p.listener != nil {
		p.listener.Line(line)
	}
}
