// Package stats turns noisy samples into figures with intervals. It does not know how
// samples are taken, so that tests can give it simulated ones whose truth is known.
//
// # Terms
//
//   - sample: one timing of a loop of rounds.
//   - placement: samples taken with the same code and data addresses; under an
//     engine that boots machines, a boot. It is the unit of resampling: samples
//     of one placement are not independent, so their number does not make a figure
//     more certain.
//   - process: placements of one process, or of one run, share its pages and its
//     time of day. If processes differ by more than the spread of their placements
//     explains, the interval is computed from the processes.
package stats

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// The band of the sorted samples whose mean is a placement's figure. Whatever
// disturbs a sample makes it longer, so the fast end is the undisturbed one;
// the very fastest are left out because a clock that steps makes some samples
// too short.
const (
	bandLow  = 0.05
	bandHigh = 0.25
)

// LowBand returns the mean of the samples between their 5 % and 25 % quantiles, the
// estimate of an undisturbed sample. NaN without samples.
func LowBand(samples []float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	lo := int(bandLow * float64(len(sorted)))
	hi := max(int(bandHigh*float64(len(sorted))), lo+1)
	return Mean(sorted[lo:hi])
}

// Quantile returns the value below which the share q of the samples lies, interpolated
// between two of them. NaN without samples.
func Quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return quantileOfSorted(sorted, q)
}

func quantileOfSorted(sorted []float64, q float64) float64 {
	at := min(max(q, 0), 1) * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Mean returns the arithmetic mean, NaN without values.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// SD returns the standard deviation of the values as a sample, NaN for less than two.
func SD(values []float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	mean, sum := Mean(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// Estimate is a mean over placements with its 95 % interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// SD is over placements: how much one placement differs from the next.
	SD float64 `json:"sd"`
	// N is the number of placements.
	N int `json:"placements"`
}

// Half returns half the width of the interval.
func (e Estimate) Half() float64 { return (e.High - e.Low) / 2 }

// Holds reports whether the interval holds a value.
func (e Estimate) Holds(v float64) bool { return e.Low <= v && v <= e.High }

// Least is the smallest difference, in cycles, that is reported. It is a tenth of what
// alignment can cause; a smaller one between identical values would look certain.
const Least = 0.15

// Seen reports whether there is a difference at all: the interval does not hold zero,
// and does not lie wholly within Least of zero.
func (e Estimate) Seen() bool { return !e.Holds(0) && max(-e.Low, e.High) > Least }

// AtMost returns the largest size of a difference that was not seen: the end of the
// interval that is further from zero, and no less than a tenth.
func (e Estimate) AtMost() float64 { return max(-e.Low, e.High, 0.1) }

// MinPlacements is the smallest number of placements that gives an interval.
const MinPlacements = 8

// ErrFew is returned for fewer than MinPlacements values.
var ErrFew = errors.New("too few placements for an interval")

// resamples is how often the bootstrap draws. 2000 draws put the interval's
// ends at a quantile that is off by 0.4 % of the draws at most.
const resamples = 2000

// confidence is the confidence of all intervals.
const confidence = 0.95

// mostDrawn is how many values are resampled at most. For more values, the quantiles of
// the resampled means are those of Student's interval: values of skewness g shift them by
// g*(z*z-1)/(6*sqrt(n)) standard errors (Cornish and Fisher's expansion: Abramowitz and
// Stegun, 26.2.49), which is 0.007 standard errors for g = 1.
const mostDrawn = 1 << 12

// Draws are the random choices by which a bootstrap resamples a number of values. Most of
// its time goes into them, so equally many values may share theirs.
type Draws struct {
	n  int
	at []int32 // the values that are drawn, n for each resample; none of more than mostDrawn
}

// NewDraws draws from n values, as often as the bootstrap resamples.
func NewDraws(rng *rand.Rand, n int) (*Draws, error) {
	if n < MinPlacements {
		return nil, ErrFew
	}
	if n > mostDrawn {
		return &Draws{n: n}, nil
	}
	d := &Draws{n: n, at: make([]int32, n*resamples)}
	for i := range d.at {
		d.at[i] = int32(rng.IntN(n))
	}
	return d, nil
}

// Bootstrap estimates the mean of one value for each placement by draws of its
// own.
func Bootstrap(rng *rand.Rand, values []float64) (Estimate, error) {
	d, err := NewDraws(rng, len(values))
	if err != nil {
		return Estimate{}, err
	}
	return d.Estimate(values), nil
}

// Estimate estimates the mean of one value for each placement; there must be as
// many as the draws were made for. The interval holds the bootstrap's quantiles,
// taken as much further out as few values need (T. Hesterberg, "What Teachers
// Should Know About the Bootstrap", 2015: the expanded percentile interval),
// which follows values that are skewed, and Student's interval, which is the
// wider one for few values that are alike but for some: of 8 with two states in
// each path the quantiles alone hold the truth in 88 % of runs, both together in
// 96 % (TestCoverage of package cycles).
func (d *Draws) Estimate(values []float64) Estimate {
	n := len(values)
	if n != d.n {
		panic(fmt.Sprintf("stats: %d values by the draws of %d", n, d.n))
	}
	e := Estimate{Mean: Mean(values), SD: SD(values), N: n}
	half := student(n-1) * e.SD / math.Sqrt(float64(n))
	e.Low, e.High = e.Mean-half, e.Mean+half
	if n > mostDrawn {
		return e
	}
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for _, at := range d.at[i*n : (i+1)*n] {
			sum += values[at]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)
	tail := expandedTail(n)
	e.Low = min(quantileOfSorted(means, tail), e.Low)
	e.High = max(quantileOfSorted(means, 1-tail), e.High)
	return e
}

// MinProcesses is the smallest number of processes that shows how much they differ from
// each other.
const MinProcesses = 3

// EstimateOf works like Estimate, but for placements of several processes: process says to
// which process each value belongs. The interval contains that of the placements and, with
// at least MinProcesses processes, that of the processes.
func (d *Draws) EstimateOf(values []float64, process []int) Estimate {
	e := d.Estimate(values)
	if half, ok := between(values, process); ok {
		e.Low, e.High = min(e.Low, e.Mean-half), max(e.High, e.Mean+half)
	}
	return e
}

// between returns half the interval of the mean of all values that the means of the
// processes give: Student's, with the variance of a mean of clusters of unequal size (W.
// Cochran, "Sampling Techniques", 3rd edition, 9A.1: the ratio estimator). Processes are
// numbered in the order of time, and on a shared machine one is like the one before it: so
// many that are correlated so are worth the number n(1-r)/(1+r) of independent ones, for
// the mean of an AR(1) series whose r is estimated with its bias of -(1+4r)/n taken off (M.
// Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41, 1954).
func between(values []float64, process []int) (half float64, ok bool) {
	type sum struct{ value, n float64 }
	sums := map[int]sum{}
	for i, v := range values {
		s := sums[process[i]]
		sums[process[i]] = sum{s.value + v, s.n + 1}
	}
	if len(sums) < MinProcesses {
		return 0, false
	}
	mean, squares, k := Mean(values), 0.0, float64(len(sums))
	var offs []float64 // of each process's part of the mean
	for _, p := range slices.Sorted(maps.Keys(sums)) {
		share := sums[p].n / float64(len(values))
		offs = append(offs, sums[p].value/float64(len(values))-share*mean)
		squares += share * share
	}
	variance, products := offs[0]*offs[0], 0.0
	for i := 1; i < len(offs); i++ {
		variance += offs[i] * offs[i]
		products += offs[i] * offs[i-1]
	}
	if variance == 0 {
		return 0, true
	}
	r := 0.0
	if k >= minCorrelated {
		r = products / variance
		r = min(max(r+(1+4*r)/k, 0), maxCorrelation)
	}
	alike := (1 + r) / (1 - r)
	worth := int(1/squares/alike + 0.5)
	return student(max(worth-1, 2)) * math.Sqrt(variance*k/(k-1)*alike), true
}

// What between can find out about a correlation: nothing from fewer than minCorrelated
// processes, and no more than maxCorrelation, at which the mean of 16 is worth less
// than the mean of two.
const (
	minCorrelated  = 8
	maxCorrelation = 0.8
)

// expandedTail returns the share of the bootstrap's means that each end of the interval
// cuts off. It makes the interval as wide as Student's for values that are normal, where
// the plain share would give z instead of t and divide by n instead of n-1.
func expandedTail(n int) float64 {
	return normalCDF(-math.Sqrt(float64(n)/float64(n-1)) * student(n-1))
}

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// student returns how many standard errors Student's t puts the ends of an interval
// from the mean: tables for few degrees of freedom, from 7 on its expansion in
// 1/df (Abramowitz and Stegun, 26.7.5), which is right to 0.001 there.
func student(df int) float64 {
	table := []float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469}
	if df <= len(table) {
		return table[df-1]
	}
	z, v := normalQuantile((1+confidence)/2), float64(df)
	z3, z5, z7, z9 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7), math.Pow(z, 9)
	return z + (z3+z)/(4*v) +
		(5*z5+16*z3+3*z)/(96*v*v) +
		(3*z7+19*z5+17*z3-15*z)/(384*v*v*v) +
		(79*z9+776*z7+1482*z5-1920*z3-945*z)/(92160*v*v*v*v)
}

// Resolution is the largest error of a control, in cycles, and of half the width of its
// interval.
const Resolution = 0.3

// Several returns the plural of a unit of resampling: processes, boots.
func Several(unit string) string {
	if strings.HasSuffix(unit, "s") {
		return unit + "es"
	}
	return unit + "s"
}

// RefusedError means that a known difference was measured wrong, or that there are too
// few samples to tell. The unknown differences then cannot be trusted.
type RefusedError struct {
	// Unit is the unit of resampling, such as "boot".
	Unit string
	// Reason says what was seen, and what should have been.
	Reason string
	// Advice says what to do about it, as the end of a sentence; it may be empty.
	Advice string
}

func (e *RefusedError) Error() string {
	return "these " + Several(e.Unit) + " are refused: " + e.Reason + "; nothing can be said about the variants" + e.Advice
}

// String returns the estimate with half its interval.
func (e Estimate) String() string { return fmt.Sprintf("%+.2f ±%.2f", e.Mean, e.Half()) }

// Paired returns the difference of two figures in each placement, b minus a.
func Paired(a, b []float64) []float64 {
	diff := make([]float64, len(a))
	for i := range a {
		diff[i] = b[i] - a[i]
	}
	return diff
}

// Gate says which placements to keep: those in which a probe that is sensitive to
// disturbances took no more than the tolerance (0.06: 6 %) longer than in
// the quietest placement. A placement is kept or dropped as a whole, and by the
// probe alone, so that the choice cannot favour a variant.
func Gate(probes []float64, tolerance float64) []bool {
	keep := make([]bool, len(probes))
	if len(probes) == 0 {
		return keep
	}
	limit := slices.Min(probes) * (1 + tolerance)
	for i, p := range probes {
		keep[i] = p <= limit
	}
	return keep
}

// Floor returns how far apart the means of two groups of independent values lie at most, in
// 95 % of all cases, if both are of the same thing: Student's, with the variance that the
// values have within the groups. Each has two values or more.
func Floor(a, b []float64) float64 {
	df := len(a) + len(b) - 2
	squares := float64(len(a)-1)*math.Pow(SD(a), 2) + float64(len(b)-1)*math.Pow(SD(b), 2)
	return student(df) * math.Sqrt(squares/float64(df)*(1/float64(len(a))+1/float64(len(b))))
}
