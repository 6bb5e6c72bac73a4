package cycles

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// opChainCounted is the chain by the cycle counter.
const opChainCounted = "chain-counted"

// Result is what many boots give. Figures are core cycles for one operation,
// with SYSCALL and SYSRET, the measuring loop subtracted.
type Result struct {
	// Config is that of all boots.
	Config record.Config `json:"config"`
	// Meaningless says why the figures are not a CPU's; empty: they are.
	Meaningless string `json:"meaningless,omitempty"`
	// Base is what the others are compared with.
	Base     string   `json:"base"`
	Variants []string `json:"variants"`
	Boots    int      `json:"boots"`
	// Counted is set if cycles are those of the performance counter; else they
	// are ticks of the time-stamp counter and CyclesPerTick.
	Counted       bool          `json:"counted"`
	CyclesPerTick float64       `json:"cycles_per_tick"`
	Calibration   []Calibration `json:"calibration"`
	Controls      []Control     `json:"controls"`
	Cells         []Cell        `json:"cells"`
	// Placed is set if every boot had its code at other addresses.
	Placed bool `json:"placed"`
}

// Calibration is a figure of the machine itself: its least and its greatest
// over boots.
type Calibration struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Control is a difference whose truth is known.
type Control struct {
	Name     string         `json:"name"`
	Op       string         `json:"op"`
	Truth    float64        `json:"truth"`
	Estimate stats.Estimate `json:"estimate"`
}

// Cell is one operation of one variant.
type Cell struct {
	Op      string `json:"op"`
	Variant string `json:"variant"`
	// Cycles are of each boot, Mean their mean.
	Cycles []float64 `json:"cycles"`
	Mean   float64   `json:"mean"`
	// Instructions, if counted, is the median over boots of retired ones.
	Instructions *float64 `json:"instructions,omitempty"`
	// Difference is from the base; nil for the base and the floor.
	Difference *stats.Estimate `json:"difference,omitempty"`
	// Noisy is why the difference must not be believed; empty: it may.
	Noisy string `json:"noisy,omitempty"`
}

// Resolution is what a control of the null call may be off, in cycles, and half
// the width that its interval may have.
const Resolution = 0.3

// NoiseError says that the controls of a run failed.
type NoiseError struct{ Reason string }

func (e *NoiseError) Error() string {
	return "these boots are too noisy: " + e.Reason + "; nothing can be said about the variants"
}

// headOp is the operation whose controls decide.
var headOp = record.Operations[0].Op

// Analyse makes figures of boots. variants are those to compare, the base
// first; nil stands for all. The result comes with a NoiseError too. The same
// boots give the same result.
func Analyse(boots []Boot, variants []string) (*Result, error) {
	boots = slices.Clone(boots)
	if err := comparable(boots); err != nil {
		return nil, err
	}
	res := &Result{Config: boots[0].Config, Boots: len(boots), Counted: counted(&boots[0])}
	res.Meaningless = Meaningless(res.Config.Engine)
	res.Placed = res.Config.Emulator != "" // an image of a machine by itself is always the same
	var err error
	if res.Variants, err = variantsOf(&boots[0], variants); err != nil {
		return nil, err
	}
	res.Base = res.Variants[0]
	a := analysis{boots: boots, rng: rand.New(rand.NewPCG(1, 1))}
	failed := append(res.calibrate(&a), res.compare(&a)...)
	if len(failed) > 0 && res.Meaningless == "" {
		return res, &NoiseError{strings.Join(failed, "; ")}
	}
	return res, nil
}

// counted reports whether a boot's cycles are those of the cycle counter.
func counted(b *Boot) bool {
	_, ok := b.Find(wire.LabelCalibration, opChainCounted)
	return ok
}

// comparable refuses boots that do not belong together.
func comparable(boots []Boot) error {
	if len(boots) < stats.MinPlacements {
		return fmt.Errorf("%d whole boots: want at least %d, since a boot is the unit of resampling", len(boots), stats.MinPlacements)
	}
	seen := map[uint64]string{}
	first := &boots[0]
	for i := range boots {
		b := &boots[i]
		if b.Config.MachineID() != first.Config.MachineID() {
			return fmt.Errorf("the boots are of different machines: %s (%s) and %s (%s)", first.Source, first.Config.MachineID(), b.Source, b.Config.MachineID())
		}
		if b.Config.Code != first.Config.Code {
			return fmt.Errorf("the boots are of different code: %s (%s) and %s (%s)", first.Source, first.Config.Code, b.Source, b.Config.Code)
		}
		if counted(b) != counted(first) {
			return fmt.Errorf("the boots do not have the same counters: %s and %s", first.Source, b.Source)
		}
		if at, twice := seen[b.ID]; twice {
			return fmt.Errorf("the same boot is there twice: %s and %s", at, b.Source)
		}
		seen[b.ID] = b.Source
	}
	return nil
}

// variantsOf are the variants that a boot has, or those asked for.
func variantsOf(b *Boot, want []string) ([]string, error) {
	have := b.Variants()
	if want == nil {
		want = have
	}
	for _, v := range want {
		if !slices.Contains(have, v) {
			return nil, fmt.Errorf("%s has no variant %s: it has %s", b.Source, v, strings.Join(have, ", "))
		}
	}
	if len(want) == 0 {
		return nil, fmt.Errorf("%s: no variant was sampled", b.Source)
	}
	return want, nil
}

// analysis compares figures of the same boot.
type analysis struct {
	boots []Boot
	rng   *rand.Rand
}

// values are the figures of all boots that have one.
func (a *analysis) values(label, op string) (values []float64) {
	for i := range a.boots {
		if f, ok := a.boots[i].Find(label, op); ok {
			values = append(values, f.Low)
		}
	}
	return values
}

// difference is that of two labels over the boots that have both; nil if these
// are too few.
func (a *analysis) difference(from, fromOp, to, toOp string) *stats.Estimate {
	var x, y []float64
	for i := range a.boots {
		f, ok := a.boots[i].Find(from, fromOp)
		t, both := a.boots[i].Find(to, toOp)
		if ok && both {
			x, y = append(x, f.Low), append(y, t.Low)
		}
	}
	e, err := stats.Bootstrap(a.rng, stats.Paired(x, y))
	if err != nil {
		return nil
	}
	return &e
}

// What a calibration may show at most.
const (
	// maxStep is how much of a cycle of an operation the clock's step may be: the
	// samples of a boot begin at random in it.
	maxStep = 1.0
	// maxChain is how much of the chain's cycles the cycle counter may be off.
	maxChain = 0.02
)

// calibrate fills in what the machine itself is, and returns why that is not
// good enough.
func (res *Result) calibrate(a *analysis) (failed []string) {
	add := func(name, unit, label, op string, value func(Figure) float64) (low, high float64) {
		var values []float64
		for i := range a.boots {
			if f, ok := a.boots[i].Find(label, op); ok {
				values = append(values, value(f))
			}
		}
		if len(values) < len(a.boots) {
			failed = append(failed, fmt.Sprintf("%d of %d boots lack the calibration: %s", len(a.boots)-len(values), len(a.boots), name))
			return math.NaN(), math.NaN()
		}
		low, high = stats.Quantile(values, 0), stats.Quantile(values, 1)
		res.Calibration = append(res.Calibration, Calibration{name, unit, low, high})
		return low, high
	}
	figure := func(f Figure) float64 { return f.Low }
	var speeds []float64
	perTick := func(f Figure) float64 {
		speeds = append(speeds, wire.ChainLength/f.Low)
		return wire.ChainLength / f.Low
	}
	add("core cycles of a tick", "cycles", wire.LabelCalibration, wire.OpChain, perTick)
	res.CyclesPerTick = stats.Quantile(speeds, 0.5)
	_, step := add("resolution of the time-stamp counter", "ticks", wire.LabelCalibration, wire.OpStep, func(f Figure) float64 { return f.Min })
	if f, ok := a.boots[0].Find(res.Base, headOp); ok && !res.Counted && step*res.CyclesPerTick > maxStep*float64(f.N) {
		failed = append(failed, fmt.Sprintf("the time-stamp counter steps by %g ticks, more than %g cycle of each of %d operations", step, maxStep, f.N))
	}
	add("reading it (fenced)", "ticks", wire.LabelCalibration, wire.OpClock, figure)
	add("the empty loop, a round", "cycles", wire.LabelLoop, headOp, figure)
	if res.Counted {
		low, high := add("a round of the chain by the cycle counter (64 are right)", "cycles", wire.LabelCalibration, opChainCounted, figure)
		if low < wire.ChainLength*(1-maxChain) || high > wire.ChainLength*(1+maxChain) {
			failed = append(failed, fmt.Sprintf("the cycle counter gave %.4g to %.4g for a chain of %d cycles", low, high, wire.ChainLength))
		}
	}
	return failed
}

// compare fills in controls and cells, and returns which controls failed.
func (res *Result) compare(a *analysis) (failed []string) {
	control := func(name, op string, truth float64, e *stats.Estimate, decides bool) {
		if e == nil {
			if decides {
				failed = append(failed, name+" is missing")
			}
			return
		}
		res.Controls = append(res.Controls, Control{name, op, truth, *e})
		if decides && (math.Abs(e.Mean-truth) > Resolution || e.Half() > Resolution) {
			failed = append(failed, fmt.Sprintf("%s was %s cycles over %d boots, want %+g to within %g", name, signed(*e), e.N, truth, Resolution))
		}
	}
	base := a.boots[0].Variants()[0] // what the guest samples twice: its first that is not the floor
	for _, o := range record.Sampled {
		aa := a.difference(base, o.Op, wire.LabelAgain, o.Op)
		control("A/A", o.Op, 0, aa, o.Op == headOp)
		for _, v := range res.Variants {
			values := a.values(v, o.Op)
			if len(values) == 0 {
				continue
			}
			c := Cell{Op: o.Op, Variant: v, Cycles: values, Mean: stats.Mean(values), Instructions: a.instructions(v, o.Op)}
			if v != res.Base && v != wire.Floor {
				c.Difference = a.difference(res.Base, o.Op, v, o.Op)
			}
			if aa != nil && !aa.Holds(0) && math.Abs(aa.Mean) > max(Resolution, 0.01*c.Mean) {
				c.Noisy = "A/A was " + signed(*aa)
			}
			res.Cells = append(res.Cells, c)
		}
	}
	control("+1 cycle", headOp, 1, a.difference(wire.LabelCalibration, wire.OpDoseNone, wire.LabelCalibration, wire.OpDoseOne), true)
	return append(failed, res.floor(a)...)
}

// floor returns why the floor is none. Of boots that compare nothing, as those of
// a Linux kernel, none is wanted.
func (res *Result) floor(a *analysis) (failed []string) {
	floors, costs := a.values(wire.Floor, headOp), a.values(res.Base, headOp)
	if lack := len(a.boots) - len(floors); lack > 0 {
		if len(a.boots[0].Variants()) > 1 {
			failed = append(failed, fmt.Sprintf("%d of %d boots lack the floor (%s)", lack, len(a.boots), wire.Floor))
		}
		return failed
	}
	if floor, cost := stats.Mean(floors), stats.Mean(costs); floor >= cost && res.Base != wire.Floor {
		failed = append(failed, fmt.Sprintf("the floor took %.1f cycles, no less than the %.1f of %s, which does more", floor, cost, res.Base))
	}
	return failed
}

// instructions is the median over boots of what the counter of instructions
// gives; nil if it was not read.
func (a *analysis) instructions(label, op string) *float64 {
	var values []float64
	for i := range a.boots {
		if f, ok := a.boots[i].Find(label, op); ok && f.Retired != nil {
			values = append(values, *f.Retired)
		}
	}
	if len(values) == 0 {
		return nil
	}
	m := stats.Quantile(values, 0.5)
	return &m
}

func signed(e stats.Estimate) string { return fmt.Sprintf("%+.2f ±%.2f", e.Mean, e.Half()) }

// Find returns the cell.
func (res *Result) Find(variant, op string) (Cell, bool) {
	i := slices.IndexFunc(res.Cells, func(c Cell) bool { return c.Variant == variant && c.Op == op })
	if i < 0 {
		return Cell{}, false
	}
	return res.Cells[i], true
}

// Verdict says in words what a difference means.
func Verdict(e stats.Estimate) string {
	if !e.Seen() {
		return fmt.Sprintf("no difference seen (±%.1f cycles)", e.AtMost())
	}
	return signed(e) + " cycles"
}

// Notes is what a reader of the figures must know.
func (res *Result) Notes() []string {
	var notes []string
	if res.Meaningless != "" {
		notes = append(notes, "MEANINGLESS as cycles: "+res.Meaningless+"; this only shows that the way from the machine to the table works")
	}
	if res.Counted {
		notes = append(notes, "cycles are those of the core's own counter, in both rings")
	} else {
		notes = append(notes, fmt.Sprintf("cycles are ticks of the time-stamp counter times %.4f, from a chain of dependent instructions in the same boot", res.CyclesPerTick))
	}
	placed := fmt.Sprintf("all %d boots had the code at the same addresses: a difference of up to a cycle may be a property of these, and no interval tells", res.Boots)
	if res.Placed {
		placed = fmt.Sprintf("%d boots, each with the entry paths at other addresses at random: the intervals hold what addresses do", res.Boots)
	}
	return append(notes, placed,
		"within a boot the variants alternate in random order; a boot gives one figure, the mean of its samples between 5 % and 25 %, and the intervals (95 %) come from the boots",
		"caches were warm and predictors trained; the figures are of this CPU model")
}
