package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Notes returns what a reader of the figures must know.
func (p Page) Notes() []string {
	notes := slices.Clone(p.Question.Limits)
	if counted := slices.DeleteFunc(p.Engines(), func(e string) bool { return p.Unit(e) != record.Instructions }); len(counted) > 0 {
		notes = append(notes, strings.Join(counted, ", ")+": instructions, counted exactly. An instruction is not a cycle, and a count says nothing about stores, forwarding or caches.")
	}
	for _, e := range p.Engines() {
		if of := engine.Of(e).Notes; of != nil {
			for _, n := range of(nil) {
				notes = append(notes, e+": "+strings.TrimSuffix(n, ".")+".")
			}
		}
	}
	return append(notes, p.bootNotes()...)
}

// bootNotes returns the notes on figures of boots: what the figures are, and what the
// machine is.
func (p Page) bootNotes() []string {
	var notes []string
	for _, res := range p.Booted {
		e := res.Config.Engine
		for _, n := range res.Notes() {
			notes = append(notes, e+": "+n+".")
		}
		for _, c := range res.Calibration {
			notes = append(notes, fmt.Sprintf("%s calibration: %s: %.4g to %.4g %s", e, c.Name, c.Low, c.High, c.Unit))
		}
	}
	return notes
}

// Check is a control of an engine, a pair of paths whose difference is known, as one
// process or all boots measured it.
type Check struct {
	Engine, Name string
	// Where names the process or the boots in which it was measured.
	Where string
	stats.Estimate
}

// Checks returns the controls of null calls in the form of the headline.
func (p Page) Checks() []Check {
	var list []Check
	for _, e := range p.Engines() {
		for _, c := range p.RunControls(e) {
			if c.Op == wire.OpNullCall {
				where := fmt.Sprintf("%s %d, %d %ss", engine.Of(e).Process, c.Run+1, c.Estimate.N, engine.Of(e).Sample)
				list = append(list, Check{e, engine.ControlOp(c.Name, c.Op, c.Truth), where, c.Estimate})
			}
		}
	}
	for _, res := range p.Booted {
		for _, c := range res.Controls {
			if c.Op == wire.OpNullCall {
				where := fmt.Sprintf("%d boots", c.Estimate.N)
				list = append(list, Check{res.Config.Engine, engine.ControlOp(c.Name, c.Op, c.Truth), where, c.Estimate})
			}
		}
	}
	return list
}

// Figure returns what the control read, with its interval.
func (c Check) Figure() string {
	return fmt.Sprintf("%s [%s, %s]", hundredth(c.Mean), hundredth(c.Low), hundredth(c.High))
}

// controlLines returns the controls as lines of the page.
func (p Page) controlLines() []string {
	var lines []string
	for _, c := range p.Checks() {
		lines = append(lines, fmt.Sprintf("%s control, %s: %s: %s", c.Engine, c.Where, c.Name, c.Figure()))
	}
	return lines
}

// Describe names the machines on which an engine measured.
func (p Page) Describe(name string) string {
	var machines []string
	emulated := engine.Of(name).Emulated
	for _, c := range p.Configs(name) {
		text := fmt.Sprintf("machine %s, CPU %s", c.Machine, c.CPU)
		if c.Emulator != "" {
			text += ", " + c.Emulator
		}
		if c.Host != c.CPU && !emulated {
			text += ", on " + c.Host
		}
		if c.Microcode != "" && !emulated {
			text += ", microcode " + c.Microcode
		}
		if c.Conditions != "" && !emulated {
			text += ", " + c.Conditions
		}
		if !slices.Contains(machines, text) {
			machines = append(machines, text)
		}
	}
	slices.Sort(machines)
	return fmt.Sprintf("%s: %s, %s", name, p.Unit(name), strings.Join(machines, "; and "))
}

// Certainty says how certain the engine's differences are, and how tables show that.
func (p Page) Certainty(name string) string {
	kinds := map[analysis.Kind]bool{}
	least, most, runs, stepped := 0, 0, 0, false
	for _, c := range p.Question.Changes {
		from, to := c.Ends()
		for _, op := range p.Ops(name) {
			column := p.Headline(name, op)
			d := p.Difference(column, from, to, op)
			kinds[d.Kind] = true
			stepped = stepped || d.Step != "" && d.Seen()
			if d.Kind == analysis.Interval {
				if least == 0 || d.N < least {
					least = d.N
				}
				most = max(most, d.N)
				runs = max(runs, len(p.Records(column, to, op)))
			}
		}
	}
	var parts []string
	if kinds[analysis.Exact] {
		parts = append(parts, "Exact counts: the same in every sample.")
	}
	if kinds[analysis.Interval] {
		number := fmt.Sprint(least)
		if most > least {
			number = fmt.Sprintf("%d to %d", least, most)
		}
		e := engine.Of(name)
		unit := e.Sample + "s"
		if e.Process != "" {
			if unit += fmt.Sprintf(" in %d %ses", runs, e.Process); runs == 1 {
				unit = e.Sample + "s in 1 " + e.Process
			}
		}
		parts = append(parts, fmt.Sprintf("± is half the 95 %% interval of the mean, over %s %s; none: no difference seen, it is at most that.", number, unit))
	}
	if stepped {
		parts = append(parts, "step: several numbers of additional instructions read the same behind the fence, so that this is the cost of none of them.")
	}
	if kinds[analysis.Spread] {
		parts = append(parts, "a to b: the ranges of the samples of one run, no interval.")
	}
	return strings.Join(parts, " ")
}

// hundredth prints a value with two decimals.
func hundredth(v float64) string {
	if text := fmt.Sprintf("%+.2f", v); text != "-0.00" {
		return text
	}
	return "+0.00"
}
