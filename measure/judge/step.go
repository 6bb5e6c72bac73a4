package judge

import (
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// Step is a change of a sampled series within its last nights.
type Step struct {
	// Nights is how many nights follow it, the last one included.
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
	// surest is the greatest P of a step. TestRates states what rates follow.
	surest = 1e-4
	// suspect is the greatest P of a night that is measured again.
	suspect = 1e-2
	// mostOff is how many standard deviations a boot may differ from the others of its
	// night. Boots with two kinds of placement are within 2.
	mostOff = 4
)

// Night is one night of a sampled series: the paired differences of its boots.
type Night struct {
	boots          []float64
	median, spread float64
}

// NewNight returns the night of these boots.
func NewNight(boots []float64) Night {
	s := sample(boots)
	return Night{boots, s.Quantile(0.5), spread(s)}
}

// FindStep looks for a step within the last nights of a sampled series, which must begin
// with the last known step, if there is one. Steps smaller than least do not count.
func FindStep(nights []Night, least float64) (Step, bool) {
	nights = nights[max(len(nights)-mostBefore-mostAfter, 0):]
	levels, boot := levels(nights)
	var best Step
	found := false
	for after := fewestAfter; after <= mostAfter; after++ {
		s := stepAt(levels, boot, after)
		// Each night must differ by half of the step. Otherwise one of them was odd.
		odd := slices.ContainsFunc(levels[max(len(levels)-after, 0):], func(v float64) bool { return (v-s.Before)/(s.After-s.Before) < 0.5 })
		if !odd && math.Abs(s.After-s.Before) >= least && s.P < surest && (!found || s.P < best.P) {
			best, found = s, true
		}
	}
	return best, found
}

// Suspect reports whether the last night differs so much from those before it that it
// should be measured again: one night alone can be odd as a whole.
func Suspect(nights []Night, least float64) bool {
	nights = nights[max(len(nights)-mostBefore-1, 0):]
	levels, boot := levels(nights)
	s := stepAt(levels, boot, 1)
	return math.Abs(s.After-s.Before) >= least && s.P < suspect
}

// stepAt compares the levels of the last nights with those of the nights before; if these
// are too few, P is 1.
func stepAt(levels []float64, boot float64, after int) Step {
	at := len(levels) - after
	if at < fewestBefore {
		return Step{P: 1}
	}
	before, last := levels[max(at-mostBefore, 0):at], levels[at:]
	s := Step{Nights: after, Before: median(before), After: stats.Mean(last)}
	// A night's level varies as much as those of the nights before differ, or as much as
	// its boots make it, whichever is more: of few nights the first can be small by chance.
	sd := max(spread(sample(before)), boot)
	t := math.Abs(s.After-s.Before) / (sd * math.Sqrt(1/float64(len(before))+1/float64(len(last))))
	s.P = studentTail(t, 2*len(before))
	return s
}

// levels returns the mean of each night's boots, without those that a neighbour disturbed,
// and the standard error of such a mean.
func levels(nights []Night) (levels []float64, boot float64) {
	spreads := make([]float64, len(nights))
	for i, n := range nights {
		spreads[i] = n.spread
	}
	usual := median(spreads)
	levels = make([]float64, len(nights))
	for i, n := range nights {
		sum, count := 0.0, 0.0
		for _, v := range n.boots {
			if math.Abs(v-n.median) <= mostOff*usual {
				sum, count = sum+v, count+1
			}
		}
		levels[i] = n.median
		if count > 0 {
			levels[i] = sum / count
			boot += usual / math.Sqrt(count) / float64(len(nights))
		}
	}
	return levels, boot
}

// sample sorts values.
func sample(values []float64) stats.Sample {
	return stats.Sample{Xs: slices.Sorted(slices.Values(values)), Sorted: true}
}

func median(values []float64) float64 { return sample(values).Quantile(0.5) }

// spread returns the standard deviation of normal values whose quartiles are as far apart
// as those of values. A few spikes or odd nights hardly change it.
func spread(values stats.Sample) float64 { return values.IQR() / (2 * 0.6745) }
