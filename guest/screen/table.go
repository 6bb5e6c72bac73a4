package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
)

// boot is what one boot has sampled.
type boot struct {
	wire.Sampling
	series []wire.Series
	lines  []wire.Line // those between the first and the last: the series, and others
	end    wire.SamplingEnd
}

// find returns the samples of an operation under a label.
func (b *boot) find(label, op, counter string) (wire.Series, bool) {
	i := slices.IndexFunc(b.series, func(s wire.Series) bool { return s.Label == label && s.Op == op && s.Counter == counter })
	if i < 0 {
		return wire.Series{}, false
	}
	return b.series[i], true
}

// cycles returns what an operation takes under a label, in cycles: by the cycle counter if
// there is one, else by ticks and the chain, whose cycles are known.
func (b *boot) cycles(label, op string) (float64, bool) {
	counter, scale := wire.CounterCycles, 1.0
	if !b.Counters {
		chain, ok := b.find(wire.LabelCalibration, wire.OpChain, wire.CounterTSC)
		if !ok || chain.Quantiles.Low() <= 0 {
			return 0, false
		}
		counter, scale = wire.CounterTSC, float64(chain.N)*wire.ChainLength/chain.Quantiles.Low()
	}
	all, ok := b.find(label, op, counter)
	loop, has := b.find(wire.LabelLoop, op, counter)
	if !ok || !has {
		return 0, false
	}
	return scale * (all.Quantiles.Low()/float64(all.N) - loop.Quantiles.Low()/float64(loop.N)), true
}

// boots are those of a series, as far as they are whole.
type boots struct {
	whole   []*boot
	current *boot
}

// add takes in a line.
func (b *boots) add(line wire.Line) {
	switch l := line.(type) {
	case wire.Sampling:
		b.current = &boot{Sampling: l}
	case wire.Series:
		if b.current != nil {
			b.current.series = append(b.current.series, l)
			b.current.lines = append(b.current.lines, l)
		}
	case wire.Singles:
		if b.current != nil {
			b.current.lines = append(b.current.lines, l)
		}
	case wire.SamplingEnd:
		if c := b.current; c != nil && l.Boot == c.Boot && l.Lines == len(c.lines) {
			if len(b.whole) > 0 && (b.whole[0].Code != c.Code || b.whole[0].Machine != c.Machine) {
				b.whole = nil // those of other code, or of another machine
			}
			c.end = l
			b.whole = append(b.whole, c)
		}
		b.current = nil
	}
}

// damaged leaves out the boot to which a line belongs that cannot be read.
func (b *boots) damaged() { b.current = nil }

// keep drops all but the last n boots.
func (b *boots) keep(n int) {
	b.whole = b.whole[max(len(b.whole)-n, 0):]
}

// notes say what the figures are of, and whether they can be trusted.
func (b *boots) notes() []string {
	m := b.whole[0].Machine
	lines := []string{fmt.Sprintf("%s of %s", counts(len(b.whole)), strings.TrimSpace(m.CPU))}
	for _, emulator := range []string{"TCG", wire.EngineBochs} {
		if strings.Contains(m.Hypervisor, emulator) {
			return append(lines, "An emulator's clock: these cycles mean nothing.")
		}
	}
	base := variants(b.whole)[0]
	for _, op := range operations {
		d := differences(b.whole, wire.LabelAgain, base, op.Op)
		if low, high, ok := interval(d); ok && (low > 0 || high < 0) {
			lines = append(lines, fmt.Sprintf("NOT TO BE TRUSTED: %s differs from itself, %s: %+.1f to %+.1f", base, op.Short, low, high))
		}
	}
	return lines
}

func counts(n int) string {
	if n == 1 {
		return "1 boot"
	}
	return fmt.Sprintf("%d boots", n)
}

// operations are all, in the order of tables.
var operations = slices.Concat(wire.Operations, wire.Flushed)

// variants returns the names of what was sampled, the floor last.
func variants(all []*boot) []string {
	var names, floor []string
	for _, s := range all[0].series {
		switch {
		case wire.IsControl(s.Label) || slices.Contains(names, s.Label) || slices.Contains(floor, s.Label):
		case s.Label == wire.Floor:
			floor = append(floor, s.Label)
		default:
			names = append(names, s.Label)
		}
	}
	return append(names, floor...)
}

// row is a row of the table.
const row = "%-17s %-20s %9s  %s"

// sampled returns the table of figures that boots have sampled.
func sampled(all []*boot) []string {
	names := variants(all)
	lines := []string{fmt.Sprintf(row, "operation", "variant", "cycles", "difference (95 % interval)")}
	for _, op := range operations {
		title := op.Short
		for i, name := range names {
			var values []float64
			for _, b := range all {
				if v, ok := b.cycles(name, op.Op); ok {
					values = append(values, v)
				}
			}
			if len(values) == 0 {
				continue
			}
			text := ""
			if i > 0 && name != wire.Floor {
				text = difference(differences(all, name, names[0], op.Op))
			}
			lines = append(lines, fmt.Sprintf(row, title, name, fmt.Sprintf("%.1f", median(values)), text))
			title = ""
		}
	}
	return lines
}

// counted returns the table of figures in ticks.
func counted(all []wire.Measure) []string {
	lines := []string{fmt.Sprintf(row, "operation", "variant", "ticks", "difference")}
	for _, op := range operations {
		title := op.Short
		var base float64
		for _, m := range all {
			if m.Op != op.Op {
				continue
			}
			text := ""
			switch {
			case title != "":
				base = m.Median
			case m.Variant != wire.Floor:
				text = fmt.Sprintf("%+.1f", m.Median-base)
			}
			lines = append(lines, fmt.Sprintf(row, title, m.Variant, fmt.Sprintf("%.1f", m.Median), text))
			title = ""
		}
	}
	return lines
}

// differences returns that of each boot that has both.
func differences(all []*boot, label, base, op string) (d []float64) {
	for _, b := range all {
		v, ok := b.cycles(label, op)
		from, has := b.cycles(base, op)
		if ok && has {
			d = append(d, v-from)
		}
	}
	return d
}

// difference prints a difference of boots.
func difference(d []float64) string {
	if len(d) == 0 {
		return ""
	}
	low, high, ok := interval(d)
	switch {
	case !ok && len(d) == 1:
		return fmt.Sprintf("%+.1f (one boot)", median(d))
	case !ok:
		return fmt.Sprintf("%+.1f (too few boots)", median(d))
	case low <= 0 && high >= 0:
		return fmt.Sprintf("no difference seen (+-%.1f)", max(-low, high))
	}
	return fmt.Sprintf("%+.1f (%+.1f to %+.1f)", median(d), low, high)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// interval returns the values between which the true median is with 95 % confidence or
// more, whatever their distribution: the values that are k-th from each end, since that many
// coins are heads, or tails, in less than 2.5 % of all throws each. Fewer than six values have
// none.
func interval(values []float64) (low, high float64, ok bool) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	throw := 1.0 // the probability of k heads
	for range n {
		throw /= 2
	}
	k, tail := 0, throw
	for ; 2*tail <= 0.05; k++ {
		throw *= float64(n-k) / float64(k+1)
		tail += throw
	}
	if k == 0 {
		return 0, 0, false
	}
	return sorted[k-1], sorted[n-k], true
}
