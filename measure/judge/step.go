package judge

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// Step is a change of a sampled series within its last nights.
type Step struct {
	// Nights is how many nights are after it, the last one among them.
	Nights int
	// Before and After are the levels, in the series' unit.
	Before, After float64
	// P is the probability that nights without a change differ as much.
	P float64
}

const (
	// fewestBefore is how many nights a level needs before another one can differ
	// from it, mostBefore how many of them count: a level drifts, with the firmware
	// and the temperature of a machine.
	fewestBefore, mostBefore = 5, 20
	// A step is looked for in the last 2 and the last 3 nights. One night alone can be
	// odd as a whole.
	fewestAfter, mostAfter = 2, 3
	// surest is the greatest P of a step. TestRates has what follows from it.
	surest = 1e-4
	// leastStep is the smallest step, in cycles: less than that is what the next
	// build's alignment makes of nothing.
	leastStep = 0.25
	// mostOff is how many standard deviations a boot may be off the others of its
	// night. Two modes of placement are within 2.
	mostOff = 4
)

// FindStep looks for a step within the last nights of a sampled series. A night is
// the paired differences of its boots; nights before the last known step are not to be
// among them. It is for values in cycles.
func FindStep(nights [][]float64) (Step, bool) {
	nights = nights[max(len(nights)-mostBefore-mostAfter, 0):]
	levels, boot := levels(nights)
	var best Step
	found := false
	for after := fewestAfter; after <= mostAfter; after++ {
		at := len(levels) - after
		if at < fewestBefore {
			break
		}
		before, last := levels[max(at-mostBefore, 0):at], levels[at:]
		s := Step{Nights: after, Before: median(before), After: stats.Mean(last)}
		size := s.After - s.Before
		// Each night must differ by half of it. Otherwise one of them was odd.
		odd := slices.ContainsFunc(last, func(v float64) bool { return (v-s.Before)/size < 0.5 })
		if odd || math.Abs(size) < leastStep {
			continue
		}
		// A night's level varies as those of the nights before differ, or as its boots
		// make it, whichever is more: with few nights the first is small by chance at times.
		spread := max(quartiles(before), boot)
		t := math.Abs(size) / (spread * math.Sqrt(1/float64(len(before))+1/float64(len(last))))
		s.P = studentTail(t, 2*len(before))
		if s.P < surest && (!found || s.P < best.P) {
			best, found = s, true
		}
	}
	return best, found
}

// levels are the nights' means without spikes, boots that met a neighbour, and the
// standard deviation that their boots make of such a mean.
func levels(nights [][]float64) (levels []float64, boot float64) {
	var off []float64
	for _, boots := range nights {
		middle := median(boots)
		for _, v := range boots {
			off = append(off, v-middle)
		}
	}
	spread := quartiles(off)
	for _, boots := range nights {
		middle := median(boots)
		usual := slices.DeleteFunc(slices.Clone(boots), func(v float64) bool { return math.Abs(v-middle) > mostOff*spread })
		levels = append(levels, stats.Mean(usual))
		boot += spread / math.Sqrt(float64(len(usual))) / float64(len(nights))
	}
	return levels, boot
}

func median(values []float64) float64 {
	return stats.Sample{Xs: slices.Sorted(slices.Values(values)), Sorted: true}.Quantile(0.5)
}

// quartiles is the standard deviation of normal values whose quartiles are as far
// apart as those of values. It knows nothing of spikes and odd nights.
func quartiles(values []float64) float64 {
	s := stats.Sample{Xs: slices.Sorted(slices.Values(values)), Sorted: true}
	return s.IQR() / (2 * 0.6745)
}
