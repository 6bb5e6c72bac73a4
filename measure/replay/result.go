package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// Result is what a run gives. All figures are core cycles for one operation.
type Result struct {
	CPU      CPU      `json:"cpu"`
	Variants []string `json:"variants"` // the first is the base
	Seed     uint64   `json:"seed"`
	// Code is a hash of the code that ran.
	Code string `json:"code"`
	// CyclesPerTick is core cycles for a tick of the time-stamp counter, from a
	// chain of multiplications.
	CyclesPerTick float64 `json:"cycles_per_tick"`
	// Placements were kept, Dropped were disturbed by a neighbour on the core.
	Placements int `json:"placements"`
	Dropped    int `json:"dropped"`
	// Processes is how many there were, each with pages of its own.
	Processes int `json:"processes"`
	// Process says which process a placement was made in, in the order of the
	// figures' Cycles.
	Process []int `json:"process"`
	// Moved is what was dropped because the CPU changed meanwhile.
	Moved Moved `json:"moved"`
	// ProbeFloor is the least that the probe for a neighbour took, in cycles.
	ProbeFloor float64   `json:"probe_floor"`
	Controls   []Control `json:"controls"`
	Cells      []Cell    `json:"cells"`
	// Ladder is what instructions more read as, for each form of the null call.
	Ladder []Rung `json:"ladder"`
	// Replaced is what did not run as the build made it, of all variants.
	Replaced []Replacement `json:"-"`
}

// Moved is what a hypervisor spoils that moves virtual CPUs: samples during which
// that happened, and placements that lost too many of them.
type Moved struct {
	Samples    int `json:"samples"`
	Of         int `json:"of"` // samples that were taken
	Placements int `json:"placements"`
}

// maxLost is the share of a figure's samples that a placement may lose.
const maxLost = 0.5

// Control is a difference whose truth is known.
type Control struct {
	Name     string         `json:"name"`
	Op       string         `json:"op"`
	Form     string         `json:"form"`
	Truth    float64        `json:"truth"`
	Estimate stats.Estimate `json:"estimate"`
}

// Cell is one operation in one form.
type Cell struct {
	Op   string `json:"op"`
	Form string `json:"form"`
	// Figures are of the variants in their order. They are no absolute costs:
	// SYSCALL, SYSRET and SWAPGS are not in them.
	Figures []Figure `json:"figures"`
	// Noisy is why the differences must not be believed; empty: they may.
	Noisy string `json:"noisy,omitempty"`
}

// Figure is what one variant takes.
type Figure struct {
	Variant string `json:"variant"`
	// Cycles are of each placement; nil: the variant does not have this operation.
	Cycles []float64 `json:"cycles,omitempty"`
	Mean   float64   `json:"mean,omitempty"`
	// Difference is from the base; nil for the base itself, and where there is
	// none: Why tells the reason.
	Difference *stats.Estimate `json:"difference,omitempty"`
	Why        string          `json:"why,omitempty"`
	// ReadAs is what reads the same as the difference in this form: where it is
	// not empty, the difference is one of steps and no cost of instructions.
	ReadAs []ReadAs `json:"read_as,omitempty"`
}

// Resolution is what a control of the headline form may be off, in cycles, and
// half the width that its interval may have.
const Resolution = 0.3

// gateTolerance is how much slower than the floor a probe may be.
const gateTolerance = 0.06

// NoiseError says that the machine was too noisy for figures.
type NoiseError struct{ Reason string }

func (e *NoiseError) Error() string {
	return "this machine is too noisy now: " + e.Reason + "; nothing can be said about the variants, try again when less is running"
}

// analyse makes the result of the placements. The result comes with a
// NoiseError too.
func (r *run) analyse(cpu CPU) (*Result, error) {
	res := &Result{CPU: cpu, Seed: r.config.Seed, Code: r.job.hash(), Processes: r.config.Processes}
	for i, n := range r.config.Variants {
		res.Variants = append(res.Variants, n.Name)
		res.Replaced = append(res.Replaced, r.stubs[i].replacements...)
	}
	a := &analysis{run: r, rng: rand.New(rand.NewPCG(r.config.Seed, 1)), draws: map[int]*stats.Draws{}}
	if err := a.choose(res); err != nil {
		return res, err
	}
	for i, c := range r.job.Cells {
		switch c.Op {
		case opNone:
		case opLadder:
			if rung, ok := a.rung(i); ok {
				res.Ladder = append(res.Ladder, rung)
			}
		case opDose:
			none := a.cycles(r.cell(opNone, c.Form), r.controlNone())
			res.Controls = append(res.Controls, Control{"+1 cycle", OpNull, c.Form, 1, a.difference(none, a.cycles(i, r.controlDose()))})
		default:
			control := Control{"A/A", c.Op, c.Form, 0, a.difference(a.cycles(i, 0), a.cycles(i, r.controlAA()))}
			res.Controls = append(res.Controls, control)
			res.Cells = append(res.Cells, a.figures(i, control))
		}
	}
	for _, c := range res.Cells {
		for i, f := range c.Figures {
			if c.Op == OpNull && f.Difference != nil {
				c.Figures[i].ReadAs = ReadsAs(c.Form, *f.Difference, res.Ladder)
			}
		}
	}
	return res, res.judge()
}

// analysis is what the figures of a result are made from.
type analysis struct {
	*run
	kept    []*placement
	process []int // of each
	rng     *rand.Rand
	draws   map[int]*stats.Draws // by the number of placements
}

// unit is the cycles of a round of the chain.
const unit = chainStep * chainLength

// choose keeps the placements that nothing disturbed, and writes down how many
// there are.
func (a *analysis) choose(res *Result) error {
	var still []*placement
	var probes, chains []float64
	for _, p := range a.placements {
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
			a.kept, a.process, chains = append(a.kept, p), append(a.process, p.process), append(chains, p.Chain)
		}
	}
	res.Placements, res.Dropped, res.Process = len(a.kept), len(still)-len(a.kept), a.process
	processes, want := len(slices.Compact(slices.Clone(a.process))), min(res.Processes, stats.MinProcesses)
	if len(a.kept) < stats.MinPlacements || processes < want {
		return &NoiseError{fmt.Sprintf("%d of %d placements in %d of %d processes are left, want %d in %d at least: %s",
			len(a.kept), len(a.placements), processes, res.Processes, stats.MinPlacements, want, res.disturbed())}
	}
	res.CyclesPerTick = unit / stats.Quantile(chains, 0.5)
	res.ProbeFloor = stats.Quantile(probes, 0)
	return nil
}

// cycles are those of a stream in a cell, by placement.
func (a *analysis) cycles(cell, stream int) []float64 {
	values := make([]float64, len(a.kept))
	for i, p := range a.kept {
		values[i] = p.cycles(cell, stream)
	}
	return values
}

func (p *placement) cycles(cell, stream int) float64 { return p.Ticks[cell][stream] / p.Chain * unit }

// difference is that of two figures of all placements that are kept.
func (a *analysis) difference(from, to []float64) stats.Estimate {
	e, err := a.estimate(stats.Paired(from, to), a.process)
	if err != nil {
		panic(err) // choose has looked that there are enough
	}
	return e
}

// estimate estimates the mean of a value for each placement.
func (a *analysis) estimate(values []float64, process []int) (stats.Estimate, error) {
	n := len(values)
	if a.draws[n] == nil {
		var err error
		if a.draws[n], err = stats.NewDraws(a.rng, n); err != nil {
			return stats.Estimate{}, err
		}
	}
	return a.draws[n].EstimateOf(values, process), nil
}

// rung is that of a cell, from the placements that have ladders; ok is unset for a
// cell without an instruction more and where these are too few.
func (a *analysis) rung(cell int) (r Rung, ok bool) {
	at, ok := a.rungs[cell]
	if !ok {
		return Rung{}, false
	}
	var differences []float64
	var process []int
	for i, p := range a.kept {
		if stream := a.ladderStream(); p.Ticks[cell][stream] > 0 {
			differences, process = append(differences, p.cycles(cell, stream)-p.cycles(at.none, stream)), append(process, a.process[i])
		}
	}
	var err error
	at.Estimate, err = a.estimate(differences, process)
	return at.Rung, err == nil
}

// hash is that of all code and of what is done with it.
func (j *job) hash() string {
	h := sha256.New()
	for _, c := range append([]chunk{j.User, j.Kernel, j.Dose, j.Probe}, j.Rungs...) {
		h.Write(c.Code)
	}
	for _, s := range j.Streams {
		h.Write(s.Code)
	}
	fmt.Fprint(h, j.Cells)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (r *run) cell(op, form string) int {
	for i, c := range r.job.Cells {
		if c.Op == op && c.Form == form {
			return i
		}
	}
	panic("replay: no cell " + op + " " + form)
}

// figures makes the cell of a result.
func (a *analysis) figures(cell int, control Control) Cell {
	c, base := a.job.Cells[cell], a.cycles(cell, 0)
	out := Cell{Op: c.Op, Form: c.Form}
	if e := control.Estimate; !e.Holds(0) && math.Abs(e.Mean) > max(Resolution, 0.01*stats.Mean(base)) {
		out.Noisy = "A/A was " + signed(e)
	}
	for v, n := range a.config.Variants {
		f := Figure{Variant: n.Name, Why: a.excluded[v]}
		if f.Why != "" {
			out.Figures = append(out.Figures, f)
			continue
		}
		if n.Variant.Bare && c.Op != OpNull {
			f.Why = "bare has no such call"
			out.Figures = append(out.Figures, f)
			continue
		}
		f.Cycles = a.cycles(cell, v)
		f.Mean = stats.Mean(f.Cycles)
		switch {
		case v == 0:
		case iret(n) != iret(a.config.Variants[0]):
			f.Why = "SYSRET is not run, so its cost cannot be compared with that of IRETQ"
		default:
			e := a.difference(base, f.Cycles)
			f.Difference = &e
		}
		out.Figures = append(out.Figures, f)
	}
	return out
}

func iret(n stubs.Named) bool { return n.Variant.Is(stubs.ExitIRET) }

// judge refuses a run whose controls fail in the headline form.
func (res *Result) judge() error {
	for _, c := range res.Controls {
		if c.Op != OpNull || c.Form != HeadlineForm {
			continue
		}
		if e := c.Estimate; math.Abs(e.Mean-c.Truth) > Resolution || e.Half() > Resolution {
			return &NoiseError{fmt.Sprintf("%s was %s cycles over %d placements, want %+g to within %g", c.Name, signed(e), e.N, c.Truth, Resolution)}
		}
	}
	return nil
}

func signed(e stats.Estimate) string { return fmt.Sprintf("%+.2f ±%.2f", e.Mean, e.Half()) }

// Verdict says in words what the difference of a figure of the headline means.
func (res *Result) Verdict(f Figure) string {
	e, same := *f.Difference, Words(f.ReadAs)
	switch {
	case !e.Seen() && same != "":
		return fmt.Sprintf("no difference seen (±%.1f cycles), but %s read the same in this form%s", e.AtMost(), same, res.otherForms(f.Variant))
	case !e.Seen():
		return fmt.Sprintf("no difference seen (±%.1f cycles)", e.AtMost())
	case same != "":
		return fmt.Sprintf("a step of the fence, %+.1f cycles: %s read the same here%s", e.Mean, same, res.otherForms(f.Variant))
	case math.Abs(e.Mean) < 1:
		return signed(e) + " cycles on average, less than what alignment does (±1)"
	}
	return signed(e) + " cycles"
}

// otherForms is the range of a variant's differences in the other forms of the
// null call.
func (res *Result) otherForms(variant string) string {
	var means []float64
	for _, c := range res.Cells {
		if c.Op != OpNull || c.Form == HeadlineForm || c.Noisy != "" {
			continue
		}
		for _, f := range c.Figures {
			if f.Variant == variant && f.Difference != nil {
				means = append(means, f.Difference.Mean)
			}
		}
	}
	if len(means) == 0 {
		return ""
	}
	return fmt.Sprintf("; other forms %+.1f to %+.1f", slices.Min(means), slices.Max(means))
}

// Notes is what a reader of the figures must know.
func (res *Result) Notes() []string {
	return []string{
		fmt.Sprintf("replayed in ring 3 on %v; SYSCALL, SYSRET, SWAPGS, STI and CLI were not run: only differences between paths with the same exit instruction mean anything, no figure is the cost of a system call", res.CPU),
		fmt.Sprintf("form SR1 (LFENCE for SYSCALL and SYSRET, a handler with 60 cycles of work) is the figure; N0 (no fence), SR0 (a handler that does nothing) and D0 (MFENCE) bound what another CPU may make of it; %d placements of code and data at random in %d processes, %s", res.Placements, res.Processes, res.disturbed()),
		"a difference of up to a cycle is a property of alignment, not of the design",
		"caches were warm but for the switches that say so, predictors trained; on a cold or busy core each additional store costs about 0.2 cycles more",
		fmt.Sprintf("cycles are derived from a chain of multiplications (%.4f for a tick of the time-stamp counter), not counted", res.CyclesPerTick),
		"the thread switch is that of the build: \"usersp's line\" and \"both lines\" shift the thread so that usersp begins a cache line of its own; what a miss costs depends on physical memory too, which another process has others of",
	}
}

// disturbed says what was dropped, and why.
func (res *Result) disturbed() string {
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

// Headline is the null call in the headline form.
func (res *Result) Headline() []Figure {
	for _, c := range res.Cells {
		if c.Op == OpNull && c.Form == HeadlineForm {
			return c.Figures
		}
	}
	return nil
}
