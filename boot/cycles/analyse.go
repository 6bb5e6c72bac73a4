package cycles

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/stats"
)

// Labels and operations of the guest's controls (guest/measure).
const (
	again       = "-again"
	loopAlone   = "-loop"
	calibration = "-calibration"

	opChain    = "chain"
	opDoseNone = "dose-none"
	opDoseOne  = "dose-one"
	opClock    = "clock"
	opStep     = "step"

	counterTSC          = "tsc"
	counterCycles       = "cycles"
	counterInstructions = "instructions"

	chainLength = 64 // cycles of a round of the chain
)

// Result is what many boots give. Figures are core cycles for one operation,
// with SYSCALL and SYSRET, the measuring loop subtracted.
type Result struct {
	Engine  string  `json:"engine"` // kvm, metal, or what the guest found
	Machine Machine `json:"machine"`
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

// Floor is the variant that is sampled by itself, since no thread can run
// beside it: it has a figure and no difference.
const Floor = "bare"

// headOp is the operation whose controls decide.
var headOp = result.Operations[0].Op

// Analyse makes figures of boots. variants are those to compare, the base
// first; nil stands for all. The result comes with a NoiseError too. The same
// boots give the same result.
func Analyse(boots []Boot, variants []string) (*Result, error) {
	boots = slices.Clone(boots)
	if err := comparable(boots); err != nil {
		return nil, err
	}
	res := &Result{Machine: boots[0].Machine, Boots: len(boots), Counted: boots[0].Counters}
	res.Engine, res.Meaningless = engineOf(res.Machine)
	var err error
	if res.Variants, err = variantsOf(boots, variants); err != nil {
		return nil, err
	}
	res.Base = res.Variants[0]
	a := analysis{boots: boots, counter: counterTSC, rng: rand.New(rand.NewPCG(1, 1))}
	if res.Counted {
		a.counter = counterCycles
	}
	if err := a.scale(); err != nil {
		return nil, err
	}
	res.calibrate(&a)
	return res, res.compare(&a)
}

// comparable refuses boots that do not belong together.
func comparable(boots []Boot) error {
	if len(boots) < stats.MinPlacements {
		return fmt.Errorf("%d whole boots: want at least %d, since a boot is the unit of resampling", len(boots), stats.MinPlacements)
	}
	seen := map[uint64]string{}
	for _, b := range boots {
		if b.Machine != boots[0].Machine {
			return fmt.Errorf("the boots are of different machines: %s (%v) and %s (%v)", boots[0].Source, boots[0].Machine, b.Source, b.Machine)
		}
		if b.Counters != boots[0].Counters {
			return fmt.Errorf("the boots do not have the same counters: %s and %s", boots[0].Source, b.Source)
		}
		if at, twice := seen[b.ID]; twice {
			return fmt.Errorf("the same boot is there twice: %s and %s", at, b.Source)
		}
		seen[b.ID] = b.Source
	}
	return nil
}

func (m Machine) String() string {
	s := fmt.Sprintf("%s, %s, signature %s", m.CPU, m.Vendor, m.Signature)
	if m.Hypervisor != "-" {
		s += ", under " + m.Hypervisor
	}
	return s
}

// engineOf tells by the hypervisor what the machine is.
func engineOf(m Machine) (engine, meaningless string) {
	switch m.Hypervisor {
	case "-":
		return "metal", ""
	case "KVMKVMKVM":
		return "kvm", ""
	case "TCGTCGTCGTCG", "bochs":
		return "emulator", "an emulator's clock says nothing of a CPU's cycles"
	}
	return "hypervisor " + m.Hypervisor, ""
}

// variantsOf are the variants that all boots have, or those asked for.
func variantsOf(boots []Boot, want []string) ([]string, error) {
	var have []string
	for _, s := range boots[0].Series {
		if !strings.HasPrefix(s.Label, "-") && s.Counter == counterTSC && !slices.Contains(have, s.Label) {
			have = append(have, s.Label)
		}
	}
	if want == nil {
		want = have
	}
	for _, v := range want {
		if !slices.Contains(have, v) {
			return nil, fmt.Errorf("%s has no variant %s: it has %s", boots[0].Source, v, strings.Join(have, ", "))
		}
	}
	if len(want) == 0 {
		return nil, fmt.Errorf("%s: no variant was sampled", boots[0].Source)
	}
	return want, nil
}

// analysis turns a boot's series into cycles.
type analysis struct {
	boots   []Boot
	counter string
	// cycle is the counter's unit in cycles, of each boot.
	cycle []float64
	rng   *rand.Rand
}

// scale finds the unit: the chain's cycles are known.
func (a *analysis) scale() error {
	for _, b := range a.boots {
		s, ok := b.Find(calibration, opChain, a.counter)
		if !ok || s.Low() <= 0 {
			return fmt.Errorf("%s: no calibration of the clock (%s)", b.Source, opChain)
		}
		perCycle := 1.0
		if a.counter == counterTSC {
			perCycle = float64(s.N) * chainLength / s.Low()
		}
		a.cycle = append(a.cycle, perCycle)
	}
	return nil
}

// values are what one operation takes under a label in each boot, in cycles,
// with the loop around it; ok is unset if a boot has no such series.
func (a *analysis) values(label, op string) (values []float64, ok bool) {
	for i, b := range a.boots {
		s, ok := b.Find(label, op, a.counter)
		if !ok {
			return nil, false
		}
		values = append(values, s.Low()/float64(s.N)*a.cycle[i])
	}
	return values, true
}

// difference is that of two labels, or nil if there is none.
func (a *analysis) difference(from, fromOp, to, toOp string) *stats.Estimate {
	x, ok := a.values(from, fromOp)
	y, both := a.values(to, toOp)
	if !ok || !both {
		return nil
	}
	e, err := stats.Bootstrap(a.rng, stats.Paired(x, y))
	if err != nil {
		return nil
	}
	return &e
}

// calibrate fills in what the machine itself is.
func (res *Result) calibrate(a *analysis) {
	res.CyclesPerTick = stats.Quantile(a.cycle, 0.5)
	add := func(name, unit string, value func(b *Boot, i int) (float64, bool)) {
		var values []float64
		for i := range a.boots {
			if v, ok := value(&a.boots[i], i); ok {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			res.Calibration = append(res.Calibration, Calibration{name, unit, stats.Quantile(values, 0), stats.Quantile(values, 1)})
		}
	}
	low := func(label, op, counter string) func(*Boot, int) (float64, bool) {
		return func(b *Boot, _ int) (float64, bool) {
			s, ok := b.Find(label, op, counter)
			return s.Low() / float64(max(s.N, 1)), ok
		}
	}
	add("resolution of the time-stamp counter", "ticks", func(b *Boot, _ int) (float64, bool) {
		s, ok := b.Find(calibration, opStep, counterTSC)
		return s.Quantiles[0], ok
	})
	add("reading it (fenced)", "ticks", low(calibration, opClock, counterTSC))
	add("core cycles of a tick", "cycles", func(b *Boot, _ int) (float64, bool) {
		s, ok := b.Find(calibration, opChain, counterTSC)
		return float64(s.N) * chainLength / s.Low(), ok
	})
	add("the empty loop, a round", a.counterUnit(), low(loopAlone, headOp, a.counter))
	if res.Counted {
		add("a round of the chain by the cycle counter (64 are right)", "cycles", low(calibration, opChain, counterCycles))
	}
}

func (a *analysis) counterUnit() string {
	if a.counter == counterTSC {
		return "ticks"
	}
	return "cycles"
}

// compare fills in controls and cells, and judges the controls.
func (res *Result) compare(a *analysis) error {
	var failed []string
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
	base := res.baseLabel(a)
	for _, o := range result.Operations {
		aa := a.difference(base, o.Op, again, o.Op)
		control("A/A", o.Op, 0, aa, o.Op == headOp)
		for _, v := range res.Variants {
			values, ok := a.values(v, o.Op)
			if !ok {
				continue
			}
			c := Cell{Op: o.Op, Variant: v, Instructions: a.instructions(v, o.Op)}
			loops, _ := a.values(loopAlone, o.Op)
			for i := range values {
				if loops != nil {
					values[i] = max(values[i]-loops[i], 0)
				}
			}
			c.Cycles, c.Mean = values, stats.Mean(values)
			if v != res.Base && v != Floor {
				c.Difference = a.difference(res.Base, o.Op, v, o.Op)
			}
			if aa != nil && !aa.Holds(0) && math.Abs(aa.Mean) > max(Resolution, 0.01*c.Mean) {
				c.Noisy = "A/A was " + signed(*aa)
			}
			res.Cells = append(res.Cells, c)
		}
	}
	control("+1 cycle", headOp, 1, a.difference(calibration, opDoseNone, calibration, opDoseOne), true)
	if len(failed) > 0 && res.Meaningless == "" {
		return &NoiseError{strings.Join(failed, "; ")}
	}
	return nil
}

// baseLabel is what the guest sampled a second time: its first variant that is
// not the floor, which is not always the base of the comparison.
func (res *Result) baseLabel(a *analysis) string {
	for _, s := range a.boots[0].Series {
		if !strings.HasPrefix(s.Label, "-") {
			return s.Label
		}
	}
	return res.Base
}

// instructions is the median over boots of what the counter of instructions
// gives, the loop subtracted; nil if it was not read.
func (a *analysis) instructions(label, op string) *float64 {
	var values []float64
	for _, b := range a.boots {
		s, ok := b.Find(label, op, counterInstructions)
		loop, both := b.Find(loopAlone, op, counterInstructions)
		if !ok || !both {
			return nil
		}
		values = append(values, s.Low()/float64(s.N)-loop.Low()/float64(loop.N))
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
	if e.Holds(0) {
		return fmt.Sprintf("no difference seen (±%.1f cycles)", max(e.Half(), 0.1))
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
