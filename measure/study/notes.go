package study

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
)

// Notes are what the reader of the figures must know.
func (p Page) Notes() []string {
	notes := []string{"No figure of a context switch was found published."}
	if counted := slices.DeleteFunc(p.Engines(), func(e string) bool { return p.Unit(e) != record.Instructions }); len(counted) > 0 {
		notes = append(notes, strings.Join(counted, ", ")+": instructions, counted exactly. An instruction is not a cycle, and a count says nothing of stores, forwarding or caches.")
	}
	for _, e := range p.Engines() {
		switch e {
		case engineStatic:
			notes = append(notes, "static: what is in the code of a call's entry and exit, nothing is run; a line is 64 bytes of data, a forward a load of the user's RSP from where it was stored before. No cycles follow from it.")
		case engineReplay:
			notes = append(notes, p.replayNotes()...)
		}
	}
	return append(notes, p.bootNotes()...)
}

// bootNotes are what must be said with figures of boots: what they are, and what
// the machine itself is.
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
	return notes
}

// Check is a control of an engine: a pair of paths whose difference is known,
// as a process or all boots measured it.
type Check struct {
	Engine, Name string
	// Where tells what it was taken over.
	Where string
	// Value, Low and High are in cycles.
	Value, Low, High float64
}

// Checks are the controls of ordinary calls in the headline's form.
func (p Page) Checks() []Check {
	var list []Check
	for _, r := range p.Controls(engineReplay) {
		if r.Form == replay.HeadlineForm && strings.Contains(r.Op, nullCall) && r.Interval != nil {
			where := fmt.Sprintf("process %d, %d placements", r.Run+1, r.Batches)
			list = append(list, Check{engineReplay, r.Op, where, r.Median, r.Interval.Low, r.Interval.High})
		}
	}
	for _, res := range p.Booted {
		for _, c := range res.Controls {
			if e := c.Estimate; c.Op == nullCall {
				list = append(list, Check{res.Config.Engine, controlName(c.Name, c.Op, c.Truth), fmt.Sprintf("%d boots", e.N), e.Mean, e.Low, e.High})
			}
		}
	}
	return list
}

// controlName is what results call a pair whose truth is known.
func controlName(name, op string, truth float64) string {
	return fmt.Sprintf("%s of %s, truth %+g", name, op, truth)
}

// Figure is what the control gave, with its interval.
func (c Check) Figure() string {
	return fmt.Sprintf("%s [%s, %s]", hundredth(c.Value), hundredth(c.Low), hundredth(c.High))
}

// controlLines are the controls for the page.
func (p Page) controlLines() []string {
	var lines []string
	for _, c := range p.Checks() {
		lines = append(lines, fmt.Sprintf("%s control, %s: %s: %s", c.Engine, c.Where, c.Name, c.Figure()))
	}
	return lines
}

// Describe names the machine of an engine; of several, all.
func (p Page) Describe(engine string) string {
	var machines []string
	for k, records := range p.series {
		if k.Engine != engine || k.variant == Control {
			continue
		}
		for _, r := range records {
			text := fmt.Sprintf("machine %s, CPU %s", r.Machine, r.CPU)
			if r.Emulator != "" {
				text += ", " + r.Emulator
			}
			if r.Host != r.CPU && !r.Emulated() {
				text += ", on " + r.Host
			}
			if r.Microcode != "" && !r.Emulated() {
				text += ", microcode " + r.Microcode
			}
			if !slices.Contains(machines, text) {
				machines = append(machines, text)
			}
		}
	}
	slices.Sort(machines)
	return fmt.Sprintf("%s: %s, %s", engine, p.Unit(engine), strings.Join(machines, "; and "))
}

// Certainty tells how sure the engine's differences are, and how tables print
// that.
func (p Page) Certainty(engine string) string {
	kinds := map[Kind]bool{}
	least, most, runs, stepped := 0, 0, 0, false
	for _, c := range Changes {
		from, to := c.Ends()
		for _, op := range p.Ops(engine) {
			column := p.Headline(engine, op)
			d := p.Difference(column, from, to, op)
			kinds[d.Kind] = true
			stepped = stepped || d.Step != "" && d.Seen()
			if d.Kind == Interval {
				if least == 0 || d.N < least {
					least = d.N
				}
				most = max(most, d.N)
				runs = max(runs, len(p.Records(column, to, op)))
			}
		}
	}
	var parts []string
	if kinds[Exact] {
		parts = append(parts, "Exact counts: the same in every sample.")
	}
	if kinds[Interval] {
		number := fmt.Sprint(least)
		if most > least {
			number = fmt.Sprintf("%d to %d", least, most)
		}
		unit := "boots"
		if blind(engine) {
			if unit = fmt.Sprintf("placements in %d processes", runs); runs == 1 {
				unit = "placements in 1 process"
			}
		}
		parts = append(parts, fmt.Sprintf("± is half the 95 %% interval of the mean, over %s %s; none: no difference seen, it is at most that.", number, unit))
	}
	if stepped {
		parts = append(parts, "step: several numbers of instructions more read the same behind the fence, so it is the cost of none.")
	}
	if kinds[Spread] {
		parts = append(parts, "a to b: the ranges of the samples of one run, no interval.")
	}
	return strings.Join(parts, " ")
}
