package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/stats"
)

// Result is the result of a run. All figures are core cycles for one operation.
type Result struct {
	CPU  CPU
	Base string // the first variant
	Seed uint64
	// CyclesPerTick is the core cycles of a tick of the time-stamp counter, measured by a
	// chain of multiplications.
	CyclesPerTick float64
	// Placements is how many were kept, Dropped how many a neighbour on the core disturbed.
	Placements, Dropped int
	// Processes is the number of processes. Process says in which of them each placement
	// was made.
	Processes int
	Process   []int
	// Moved is what was dropped because the CPU changed.
	Moved Moved
	// ProbeFloor is the least time of the probe for a neighbour, in cycles.
	ProbeFloor float64
	Series     []Series
	// Singles are single null calls of the variants in the first form.
	Singles []Single
	// Ladder is what additional instructions read as, for each form of the null call.
	Ladder []Rung
	// Apart says, for variants that cannot be compared with the base, why.
	Apart map[string]string
	// Replaced lists the instructions of all variants that did not run as the build made
	// them.
	Replaced []Replacement
	// Cuts say what of each path was replayed.
	Cuts []Cut
}

// Series is one operation in one form, with a figure for each placement.
type Series struct {
	// Label is the name of a variant or of a control (package wire).
	Label, Op, Form string
	// Cycles are not absolute costs: SYSCALL, SYSRET and SWAPGS are not in them.
	Cycles []float64
}

// Single are the cycles of single null calls of a variant, in all placements that were
// kept. They include what measuring takes.
type Single struct {
	Label  string
	Cycles []float64
	// Process says in which process each was made.
	Process []int
}

// Moved is what a hypervisor has spoiled by moving virtual CPUs: Samples, of Of samples, in
// which that happened, and Placements that lost too many of their samples.
type Moved struct{ Samples, Of, Placements int }

// maxLost is the share of a figure's samples that a placement may lose.
const maxLost = 0.5

// gateTolerance is how much slower than the fastest one a probe may be, as a share.
const gateTolerance = 0.06

// Quieter says what to do about noise, as the end of a refusal.
const Quieter = ": try again when less is running"

// result makes the result of the placements. If these are too few, it returns a
// [stats.RefusedError] too.
func (r *Replay) result(cpu CPU) (*Result, error) {
	base := r.subjects[0]
	res := &Result{CPU: cpu, Base: base.name, Seed: r.job.Seed, Processes: r.config.Processes, Apart: map[string]string{}, Cuts: r.cuts}
	for i, n := range r.subjects {
		res.Replaced = append(res.Replaced, r.stubs[i].replacements...)
		switch {
		case r.excluded[i] != "":
			res.Apart[n.name] = r.excluded[i]
		case n.without == base.without:
		case r.cuts == nil:
			res.Apart[n.name] = "SYSRET is not run, so its cost cannot be compared with that of IRETQ"
		default:
			res.Apart[n.name] = fmt.Sprintf("what ring 3 may not run differs: it is %s here and %s of %s", cmp.Or(n.without, "nothing"), cmp.Or(base.without, "nothing"), base.name)
		}
	}
	kept, err := r.choose(res)
	if err != nil {
		return res, err
	}
	for i, c := range r.job.Cells {
		if c.Single {
			res.Singles = r.singles(c, kept)
			continue
		}
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

// singles returns the single calls of the variants.
func (r *Replay) singles(c cell, kept []*placement) (list []Single) {
	for _, s := range c.Streams {
		if s >= r.controlAA() {
			continue
		}
		one := Single{Label: r.label(s)}
		for _, p := range kept {
			for _, ticks := range p.Single[s] {
				one.Cycles, one.Process = append(one.Cycles, ticks/p.Chain*unit), append(one.Process, p.process)
			}
		}
		list = append(list, one)
	}
	return list
}

// label returns the name of a stream's figures.
func (r *Replay) label(stream int) string {
	switch {
	case stream < r.controlAA():
		return r.subjects[stream].name
	case stream == r.controlAA():
		return wire.LabelAgain
	}
	return wire.LabelCalibration
}

// unit is the number of cycles in a round of the chain.
const unit = chainStep * chainLength

// choose returns the placements that nothing disturbed, and notes how many there are.
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

// rung returns the rung of a cell, from the placements that have ladders. ok is false if
// there are none, and for the cell without additional instructions.
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
