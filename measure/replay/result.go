package replay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// Result is what a run gives. All figures are core cycles for one operation.
type Result struct {
	CPU  CPU
	Base string // the first variant
	Seed uint64
	// CyclesPerTick is core cycles for a tick of the time-stamp counter, from a
	// chain of multiplications.
	CyclesPerTick float64
	// Placements were kept, Dropped were disturbed by a neighbour on the core.
	Placements, Dropped int
	// Processes is how many there were, each with pages of its own. Process says in
	// which of them each placement was made.
	Processes int
	Process   []int
	// Moved is what was dropped because the CPU changed meanwhile.
	Moved Moved
	// ProbeFloor is the least that the probe for a neighbour took, in cycles.
	ProbeFloor float64
	Series     []Series
	// Ladder is what instructions more read as, for each form of the null call.
	Ladder []Rung
	// Apart says of variants why they cannot be compared with the base.
	Apart map[string]string
	// Replaced is what did not run as the build made it, of all variants.
	Replaced []Replacement
}

// Series is one operation in one form: a figure of each placement.
type Series struct {
	// Label is a variant's name, or one of the controls' (package wire).
	Label, Op, Form string
	// Cycles are no absolute costs: SYSCALL, SYSRET and SWAPGS are not in them.
	Cycles []float64
}

// Moved is what a hypervisor spoils that moves virtual CPUs: samples during which
// that happened, of those that were taken, and placements that lost too many of them.
type Moved struct{ Samples, Of, Placements int }

// maxLost is the share of a figure's samples that a placement may lose.
const maxLost = 0.5

// gateTolerance is how much slower than the floor a probe may be.
const gateTolerance = 0.06

// Quieter says what to do about noise, as the end of a refusal.
const Quieter = ": try again when less is running"

// result makes the result of the placements. Where these are too few it comes with
// a [stats.RefusedError].
func (r *Replay) result(cpu CPU) (*Result, error) {
	list := r.config.Variants
	res := &Result{CPU: cpu, Base: list[0].Name, Seed: r.job.Seed, Processes: r.config.Processes, Apart: map[string]string{}}
	for i, n := range list {
		res.Replaced = append(res.Replaced, r.stubs[i].replacements...)
		if iret(n) != iret(list[0]) {
			res.Apart[n.Name] = "SYSRET is not run, so its cost cannot be compared with that of IRETQ"
		}
		if why := r.excluded[i]; why != "" {
			res.Apart[n.Name] = why
		}
	}
	kept, err := r.choose(res)
	if err != nil {
		return res, err
	}
	for i, c := range r.job.Cells {
		if c.Op == opLadder {
			if rung, ok := r.rung(i, kept); ok {
				res.Ladder = append(res.Ladder, rung)
			}
			continue
		}
		for _, s := range c.Streams {
			series := Series{Label: r.label(s), Op: c.Op, Form: c.Form}
			for _, p := range kept {
				series.Cycles = append(series.Cycles, p.cycles(i, s))
			}
			res.Series = append(res.Series, series)
		}
	}
	return res, nil
}

func iret(n stubs.Variant) bool { return n.Axes.Is(stubs.ExitIRET) }

// label is what figures of a stream are called.
func (r *Replay) label(stream int) string {
	switch {
	case stream < r.controlAA():
		return r.config.Variants[stream].Name
	case stream == r.controlAA():
		return wire.LabelAgain
	}
	return wire.LabelCalibration
}

// unit is the cycles of a round of the chain.
const unit = chainStep * chainLength

// choose returns the placements that nothing disturbed, and writes down how many
// there are.
func (r *Replay) choose(res *Result) ([]*placement, error) {
	var still, kept []*placement
	var probes, chains []float64
	for _, p := range r.placements {
		res.Moved.Samples += p.Moved
		res.Moved.Of += p.Samples
		if p.Lost > maxLost {
			res.Moved.Placements++
			continue
		}
		still = append(still, p)
		probes = append(probes, p.Probe/p.Chain*unit)
	}
	keep := stats.Gate(probes, gateTolerance)
	for i, p := range still {
		if keep[i] {
			kept, res.Process, chains = append(kept, p), append(res.Process, p.process), append(chains, p.Chain)
		}
	}
	res.Placements, res.Dropped = len(kept), len(still)-len(kept)
	processes, want := len(slices.Compact(slices.Clone(res.Process))), min(res.Processes, stats.MinProcesses)
	if len(kept) < stats.MinPlacements || processes < want {
		return nil, &stats.RefusedError{Unit: "placement", Advice: Quieter, Reason: fmt.Sprintf("%d of %d placements in %d of %d processes are left, want %d in %d at least: %s",
			len(kept), len(r.placements), processes, res.Processes, stats.MinPlacements, want, res.Disturbed())}
	}
	res.CyclesPerTick = unit / stats.Quantile(chains, 0.5)
	res.ProbeFloor = stats.Quantile(probes, 0)
	return kept, nil
}

func (p *placement) cycles(cell, stream int) float64 { return p.Ticks[cell][stream] / p.Chain * unit }

// rung is that of a cell, from the placements that have ladders; ok is unset for a
// cell without an instruction more and where there are none.
func (r *Replay) rung(cell int, kept []*placement) (out Rung, ok bool) {
	at, ok := r.rungs[cell]
	if !ok {
		return Rung{}, false
	}
	out = at.Rung
	for _, p := range kept {
		if stream := r.ladderStream(); p.Ticks[cell][stream] > 0 {
			out.Differences = append(out.Differences, p.cycles(cell, stream)-p.cycles(at.none, stream))
			out.Process = append(out.Process, p.process)
		}
	}
	return out, len(out.Differences) > 0
}

// Disturbed says what was dropped, and why.
func (res *Result) Disturbed() string {
	var parts []string
	if res.Dropped > 0 {
		all := res.Placements + res.Dropped + res.Moved.Placements
		parts = append(parts, fmt.Sprintf("%d more dropped because the core was shared (%.0f %%)", res.Dropped, 100*float64(res.Dropped)/float64(all)))
	}
	if m := res.Moved; m.Samples > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d samples dropped because a hypervisor moved the CPU meanwhile, with %d placements that lost too many", m.Samples, m.Of, m.Placements))
	}
	if len(parts) == 0 {
		return "none disturbed by a neighbour on the core"
	}
	return strings.Join(parts, ", ")
}
