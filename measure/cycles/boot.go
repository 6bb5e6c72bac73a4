package cycles

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// OpChainCounted is the chain, counted by the cycle counter.
const OpChainCounted = "chain-counted"

// Boot is what one boot of the guest sampled. It is made of the guest's lines,
// or of the records that were made of these.
type Boot struct {
	// ID tells boots of one configuration apart: it is the number of a boot that this
	// program ran, else the time-stamp counter when sampling began.
	ID uint64
	// Source says where the boot comes from, for messages.
	Source string
	// Config is what it was measured with. The guest does not know its engine and its
	// machine, only what CPUID shows as the hypervisor's signature, "-" if there is
	// none.
	Config     record.Config
	Hypervisor string
	Figures    []Figure
	// Stolen is how many samples were dropped because the hypervisor had the CPU run others
	// meanwhile, of Taken, if StealTold: if it tells. Records do not keep this.
	StealTold     bool
	Stolen, Taken int
	// Proofs are the verdicts on variants that were run whatever the verdict.
	Proofs map[string]record.Proof
}

// Figure is what one operation took under one label. All values are for one
// operation, in Unit; the measuring loop is subtracted from those of variants
// and from those of the base the second time.
type Figure struct {
	// Label is the variant's name, or begins with a dash.
	Label, Op, Unit string
	// N is the number of operations in a sample, Samples the number of samples.
	N, Samples int
	// Low is the mean of the samples between 5 % and 25 %: the boot's figure.
	Low, Min, Median, Max float64
	// Retired is how many instructions the CPU counted; nil: it did not count.
	Retired *float64
	// Events are how many of the events of wire.Explaining the CPU counted; nil: it did not.
	Events map[string]float64
	// Tail is what the slowest of single operations took; nil: they were not timed.
	Tail *record.Tail
}

// Find returns a figure.
func (b *Boot) Find(label, op string) (Figure, bool) {
	i := slices.IndexFunc(b.Figures, func(f Figure) bool { return f.Label == label && f.Op == op })
	if i < 0 {
		return Figure{}, false
	}
	return b.Figures[i], true
}

// Variants returns the labels that are not controls.
func (b *Boot) Variants() []string {
	var names []string
	for _, f := range b.Figures {
		if !wire.IsControl(f.Label) && !slices.Contains(names, f.Label) {
			names = append(names, f.Label)
		}
	}
	return names
}

// Rename calls a variant by another name.
func (b *Boot) Rename(from, to string) {
	for i := range b.Figures {
		if b.Figures[i].Label == from {
			b.Figures[i].Label = to
		}
	}
}

// Records returns the boot's records, for a results file. axes are the variants' axes.
// The last record is the chain's, without which a boot is not complete.
func (b *Boot) Records(axes map[string]string, now time.Time) []record.Record {
	var records []record.Record
	var last record.Record
	for _, f := range b.Figures {
		r := record.New(b.Config, wire.Measure{
			Variant: f.Label, Op: f.Op, N: f.N, Batches: f.Samples, Min: f.Min, Median: f.Median, Max: f.Max,
		}, axes[f.Label], f.Unit, int(b.ID), now)
		r.Samples, r.Retired, r.Events, r.Tail, r.Proof = []*float64{&f.Low}, f.Retired, f.Events, f.Tail, b.Proofs[f.Label]
		if f.Ends() {
			last = r
			continue
		}
		records = append(records, r)
	}
	return append(records, last)
}

// FigureOf returns the figure that a record of a boot was made of.
func FigureOf(r *record.Record) Figure {
	return Figure{
		Label: r.Variant, Op: r.Op, Unit: r.Unit, N: r.N, Samples: r.Batches,
		Low: *r.Samples[0], Min: r.Min, Median: r.Median, Max: r.Max, Retired: r.Retired, Events: r.Events, Tail: r.Tail,
	}
}

// Ends reports whether the figure is the last of a boot's.
func (f Figure) Ends() bool { return f.Label == wire.LabelCalibration && f.Op == wire.OpChain }

// series is what one counter counted under one label, sorted: the values at 0,
// 5, ... 100 % of the samples, each of n operations.
type series struct {
	label, op, counter string
	n, samples         int
	quantiles          wire.Quantiles
}

// low returns the mean of the samples between 5 % and 25 %, like stats.LowBand, for
// n operations.
func (s series) low() float64 { return s.quantiles.Low() }

// per returns the value for one operation.
func (s series) per(total float64) float64 { return total / float64(s.n) }

// figure returns the series' figure in a unit; each count is scale of it.
func (s series) figure(unit string, scale, loop float64) Figure {
	of := func(total float64) float64 { return s.per(total)*scale - loop }
	return Figure{
		Label: s.label, Op: s.op, Unit: unit, N: s.n, Samples: s.samples,
		Low: of(s.low()), Min: of(float64(s.quantiles[0])), Median: of(float64(s.quantiles[wire.Parts/2])), Max: of(float64(s.quantiles[wire.Parts])),
	}
}

// console is a boot as its lines describe it.
type console struct {
	boot     Boot
	counters bool
	series   []series
	singles  []wire.Singles
}

func (c *console) find(label, op, counter string) (series, bool) {
	i := slices.IndexFunc(c.series, func(s series) bool { return s.label == label && s.op == op && s.counter == counter })
	if i < 0 {
		return series{}, false
	}
	return c.series[i], true
}

// reduced returns the boot with figures: counts of the cycle counter if there is
// one, else ticks times the cycles of a tick, which come from the chain, whose cycles
// are known.
func (c *console) reduced() (Boot, error) {
	b := c.boot
	chain, ok := c.find(wire.LabelCalibration, wire.OpChain, wire.CounterTSC)
	if !ok || chain.low() <= 0 {
		return b, errors.New("no calibration of the clock (" + wire.OpChain + ")")
	}
	tick := float64(chain.n) * wire.ChainLength / chain.low() // in cycles
	counter, scale := wire.CounterTSC, tick
	if c.counters {
		counter, scale = wire.CounterCycles, 1
	}
	for _, s := range c.series {
		switch {
		case s.label == wire.LabelCalibration && (s.op == wire.OpChain || s.op == wire.OpClock || s.op == wire.OpStep):
			if s.counter == wire.CounterTSC {
				b.Figures = append(b.Figures, s.figure(record.Ticks, 1, 0))
			} else if s.counter == wire.CounterCycles && s.op == wire.OpChain {
				f := s.figure(record.Cycles, 1, 0)
				f.Op = OpChainCounted
				b.Figures = append(b.Figures, f)
			}
		case s.counter == counter:
			f, err := c.operation(s, scale)
			if err != nil {
				return b, err
			}
			f.Tail = c.tail(s, tick)
			b.Figures = append(b.Figures, f)
		}
	}
	return b, nil
}

// tail returns how much longer the slowest of single operations took than the median one,
// nil if they were not timed. A tick is that many cycles.
func (c *console) tail(s series, tick float64) *record.Tail {
	i := slices.IndexFunc(c.singles, func(w wire.Singles) bool { return w.Label == s.label && w.Op == s.op })
	if i < 0 {
		return nil
	}
	w := c.singles[i]
	above := func(ticks uint64) float64 { return float64(ticks-w.Median) * tick }
	return &record.Tail{P99: above(w.P99), P999: above(w.P999), Most: above(w.Most), N: w.Samples}
}

// operation returns the figure of a series in cycles.
func (c *console) operation(s series, scale float64) (Figure, error) {
	if s.label == wire.LabelLoop || s.label == wire.LabelCalibration {
		return s.figure(record.Cycles, scale, 0), nil
	}
	loop, ok := c.find(wire.LabelLoop, s.op, s.counter)
	if !ok {
		return Figure{}, fmt.Errorf("%s has no loop (%s)", s.op, wire.LabelLoop)
	}
	f := s.figure(record.Cycles, scale, loop.per(loop.low())*scale)
	if n, ok := c.counted(s, wire.CounterInstructions); ok {
		f.Retired = &n
	}
	for _, event := range wire.Explaining {
		if n, ok := c.counted(s, event); ok {
			if f.Events == nil {
				f.Events = map[string]float64{}
			}
			f.Events[event] = n
		}
	}
	return f, nil
}

// counted returns how many events a counter counted of one operation of a series, without
// those of the loop.
func (c *console) counted(s series, counter string) (float64, bool) {
	all, ok := c.find(s.label, s.op, counter)
	loop, both := c.find(wire.LabelLoop, s.op, counter)
	if !ok || !both {
		return 0, false
	}
	return all.per(all.low()) - loop.per(loop.low()), true
}
