package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Booted is what boots report about themselves, in addition to the samples of variants.
type Booted struct {
	// Config is that of all boots.
	Config record.Config
	Boots  int
	// Counted is set if cycles are those of the performance counter; else they
	// are ticks of the time-stamp counter and CyclesPerTick.
	Counted       bool
	CyclesPerTick float64
	Calibration   []Calibration
	Controls      []Control
	// Placed is set if every boot had its code at other addresses.
	Placed bool
	// failed says what else is wrong with the boots than their Controls.
	failed []string
}

// Calibration is a figure of the machine itself: its least and its greatest value
// over boots.
type Calibration struct {
	Name string  `json:"name"`
	Unit string  `json:"unit"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// booted analyses boots. It returns an error if they do not belong together.
func (s *Set) booted(boots []cycles.Boot) (*Booted, error) {
	if err := comparable(boots); err != nil {
		return nil, err
	}
	b := &Booted{Config: boots[0].Config, Boots: len(boots), Counted: counted(&boots[0])}
	// An image that a machine boots without a host is always the same, but may have places.
	b.Placed = b.Config.Emulator != "" || strings.Contains(b.Config.Code, wire.PlacesMark)
	b.calibrate(boots)
	s.control(b, boots)
	b.floor(boots)
	return b, nil
}

// err refuses the boots if a control failed. Meaningless figures are not
// refused: they say that they are meaningless.
func (b *Booted) err() error {
	e := engine.Of(b.Config.Engine)
	if e.MeaninglessOn(b.Config.Host) != "" {
		return nil
	}
	return refusal(e, b.Controls, b.failed...)
}

// counted reports whether a boot's cycles are those of the cycle counter.
func counted(b *cycles.Boot) bool {
	_, ok := b.Find(wire.LabelCalibration, cycles.OpChainCounted)
	return ok
}

// comparable refuses boots that do not belong together.
func comparable(boots []cycles.Boot) error {
	if len(boots) < stats.MinPlacements {
		return fmt.Errorf("%d whole boots: want at least %d, since a boot is the unit of resampling", len(boots), stats.MinPlacements)
	}
	seen := map[uint64]string{}
	first := &boots[0]
	machine := engine.MachineID(first.Config)
	for i := range boots {
		b := &boots[i]
		if id := engine.MachineID(b.Config); id != machine {
			return fmt.Errorf("the boots are of different machines: %s (%s) and %s (%s)", first.Source, machine, b.Source, id)
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

// Console returns the records of boots from consoles, for an analysis without a results
// file. names are the variants to compare; none: all.
func Console(boots []cycles.Boot, names []string) ([]record.Record, error) {
	if err := comparable(boots); err != nil {
		return nil, err
	}
	have := boots[0].Variants()
	if len(have) == 0 {
		return nil, fmt.Errorf("%s: no variant was sampled", boots[0].Source)
	}
	for _, v := range names {
		if !slices.Contains(have, v) {
			return nil, fmt.Errorf("%s has no variant %s: it has %s", boots[0].Source, v, strings.Join(have, ", "))
		}
	}
	return engine.ConsoleRecords(boots, nil), nil
}

// values returns the figures of all boots that have one.
func values(boots []cycles.Boot, label, op string) (values []float64) {
	for i := range boots {
		if f, ok := boots[i].Find(label, op); ok {
			values = append(values, f.Low)
		}
	}
	return values
}

// between returns the difference of two labels over the boots that have both; nil if
// there are too few.
func (s *Set) between(boots []cycles.Boot, from, fromOp, to, toOp string) *stats.Estimate {
	var x, y []float64
	var run []int
	for i := range boots {
		f, ok := boots[i].Find(from, fromOp)
		t, both := boots[i].Find(to, toOp)
		if ok && both {
			x, y, run = append(x, f.Low), append(y, t.Low), append(run, 0)
		}
	}
	e, err := s.estimate(stats.Paired(x, y), run)
	if err != nil {
		return nil
	}
	return &e
}

// Limits of a calibration.
const (
	// maxStep is the largest step of the clock as a share of an operation's cycles: the
	// samples of a boot begin at random within a step.
	maxStep = 1.0
	// maxChain is the largest error of the cycle counter as a share of the chain's
	// cycles.
	maxChain = 0.02
)

// calibrate fills in the machine's own figures, and any reasons why they are not good enough.
func (b *Booted) calibrate(boots []cycles.Boot) {
	add := func(name, unit, label, op string, value func(cycles.Figure) float64) (low, high float64) {
		var values []float64
		for i := range boots {
			if f, ok := boots[i].Find(label, op); ok {
				values = append(values, value(f))
			}
		}
		if lack := len(boots) - len(values); lack > 0 {
			b.failed = append(b.failed, fmt.Sprintf("%d of %d boots lack the calibration: %s", lack, len(boots), name))
			return math.NaN(), math.NaN()
		}
		low, high = stats.Quantile(values, 0), stats.Quantile(values, 1)
		b.Calibration = append(b.Calibration, Calibration{name, unit, low, high})
		return low, high
	}
	figure := func(f cycles.Figure) float64 { return f.Low }
	var speeds []float64
	perTick := func(f cycles.Figure) float64 {
		speeds = append(speeds, wire.ChainLength/f.Low)
		return wire.ChainLength / f.Low
	}
	add("core cycles of a tick", "cycles", wire.LabelCalibration, wire.OpChain, perTick)
	b.CyclesPerTick = stats.Quantile(speeds, 0.5)
	_, step := add("resolution of the time-stamp counter", "ticks", wire.LabelCalibration, wire.OpStep, func(f cycles.Figure) float64 { return f.Min })
	if f, ok := boots[0].Find(boots[0].Variants()[0], nullCall); ok && !b.Counted && step*b.CyclesPerTick > maxStep*float64(f.N) {
		b.failed = append(b.failed, fmt.Sprintf("the time-stamp counter steps by %g ticks, more than %g cycle of each of %d operations", step, maxStep, f.N))
	}
	add("reading it (fenced)", "ticks", wire.LabelCalibration, wire.OpClock, figure)
	add("the empty loop, a round", "cycles", wire.LabelLoop, nullCall, figure)
	if b.Counted {
		low, high := add("a round of the chain by the cycle counter (64 are right)", "cycles", wire.LabelCalibration, cycles.OpChainCounted, figure)
		if low < wire.ChainLength*(1-maxChain) || high > wire.ChainLength*(1+maxChain) {
			b.failed = append(b.failed, fmt.Sprintf("the cycle counter gave %.4g to %.4g for a chain of %d cycles", low, high, wire.ChainLength))
		}
	}
}

// control fills in the controls. Those of the null call must be there.
func (s *Set) control(b *Booted, boots []cycles.Boot) {
	control := func(name, op string, truth float64, e *stats.Estimate) {
		switch {
		case e != nil:
			b.Controls = append(b.Controls, Control{Name: name, Op: op, Truth: truth, Estimate: *e})
		case op == nullCall:
			b.failed = append(b.failed, name+" is missing")
		}
	}
	base := boots[0].Variants()[0] // what the guest samples twice: its first that is not the floor
	for _, o := range engine.Of(b.Config.Engine).Ops {
		control(engine.Again, o.Op, 0, s.between(boots, base, o.Op, wire.LabelAgain, o.Op))
	}
	control(engine.PositiveControl, nullCall, 1, s.between(boots, wire.LabelCalibration, wire.OpDoseNone, wire.LabelCalibration, wire.OpDoseOne))
}

// floor checks that the floor costs least. Boots that compare nothing, such as those of
// a Linux kernel, need none.
func (b *Booted) floor(boots []cycles.Boot) {
	variants := boots[0].Variants()
	base := variants[0]
	floors, costs := values(boots, wire.Floor, nullCall), values(boots, base, nullCall)
	if lack := len(boots) - len(floors); lack > 0 {
		if len(variants) > 1 {
			b.failed = append(b.failed, fmt.Sprintf("%d of %d boots lack the floor (%s)", lack, len(boots), wire.Floor))
		}
		return
	}
	if floor, cost := stats.Mean(floors), stats.Mean(costs); floor >= cost && base != wire.Floor {
		b.failed = append(b.failed, fmt.Sprintf("the floor took %.1f cycles, no less than the %.1f of %s, which does more", floor, cost, base))
	}
}

// Notes returns what a reader of the figures must know.
func (b *Booted) Notes() []string {
	var notes []string
	if why := engine.Of(b.Config.Engine).MeaninglessOn(b.Config.Host); why != "" {
		notes = append(notes, "MEANINGLESS as cycles: "+why+"; this only shows that all steps from the machine to the table work")
	}
	if b.Counted {
		notes = append(notes, "cycles are those of the core's own counter, in both rings")
	} else {
		notes = append(notes, fmt.Sprintf("cycles are ticks of the time-stamp counter times %.4f, from a chain of dependent instructions in the same boot", b.CyclesPerTick))
	}
	placed := fmt.Sprintf("all %d boots had the code at the same addresses: a difference of up to a cycle may be a property of these addresses, and no interval shows that", b.Boots)
	if b.Placed {
		placed = fmt.Sprintf("%d boots, each with the entry paths at other addresses at random: the intervals include the effect of addresses", b.Boots)
	}
	return append(notes, placed,
		"within a boot the variants alternate in random order; a boot gives one figure, the mean of its samples between 5 % and 25 %, and the intervals (95 %) come from the boots",
		"caches were warm and predictors trained; the figures are of this CPU model")
}

// boots analyses the boots among the records, and returns the records without
// those of boots that it refuses and those that belong to no variant.
func (s *Set) boots(records []record.Record) []record.Record {
	type group struct{ engine, code string }
	of := func(r *record.Record) group { return group{r.Engine, r.Code} }
	var groups []group
	byGroup := map[group][]record.Record{}
	for i := range records {
		r := &records[i]
		if wire.IsControl(r.Variant) && !slices.Contains(groups, of(r)) {
			groups = append(groups, of(r))
		}
	}
	if len(groups) == 0 {
		return records
	}
	for i := range records {
		if g := of(&records[i]); slices.Contains(groups, g) {
			byGroup[g] = append(byGroup[g], records[i])
		}
	}
	whole := map[group]map[int]bool{} // runs of the boots that count
	for _, g := range groups {
		whole[g] = map[int]bool{}
		if engine.Of(g.engine).Running != nil {
			s.refuse(g.engine, "kernels that ran on the machine itself do not alternate in one boot: compare -from puts them together", nil)
			continue
		}
		boots := engine.Boots(byGroup[g])
		b, err := s.booted(boots)
		if err == nil {
			err = b.err()
		}
		if err != nil {
			reason := err.Error()
			if _, refused := errors.AsType[*stats.RefusedError](err); refused {
				reason += again(b)
				s.RefusedBoots = append(s.RefusedBoots, b)
			}
			s.refuse(g.engine, reason, err)
			continue
		}
		s.Booted = append(s.Booted, b)
		for i := range boots {
			whole[g][int(boots[i].ID)] = true
		}
		s.controls[Column{Engine: g.engine}] = append(s.controls[Column{Engine: g.engine}], b.Controls...)
	}
	return slices.DeleteFunc(records, func(r record.Record) bool {
		runs, boot := whole[of(&r)]
		return boot && (wire.IsControl(r.Variant) || !runs[r.Run])
	})
}

// again says what to do about boots that are refused: they stay in the results file,
// and a resumed study does not take them again.
func again(b *Booted) string {
	if !b.Placed {
		return ". Boot the machine again, into another file: these boots stay in this one"
	}
	return ". These boots stay in the results file: entrylab study -resume=false takes new ones, or another -o does"
}
