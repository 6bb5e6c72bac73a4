package judge

import (
	"cmp"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// ChangePoint is a place where a series changes its level.
type ChangePoint struct {
	// Index is the index of the first value after the change.
	Index int
	// P is the probability that values without a change differ as much, by Student's
	// t-test over the two pieces beside the point.
	P float64
	// Before and After are the means of the two pieces.
	Before, After float64
}

// change returns the relative size of the change: the larger one of its two directions.
func (c ChangePoint) change() float64 {
	forward, backward := 0.0, 0.0
	if c.Before != 0 {
		forward = math.Abs(c.After/c.Before - 1)
	}
	if c.After != 0 {
		backward = math.Abs(c.Before/c.After - 1)
	}
	return max(forward, backward)
}

// window is the number of values of a long series that are examined together.
const window = 30

// ChangePoints finds the changes of a series by E-divisive means with a t-test for
// the permutations: Matteson and James, "A Nonparametric Approach for Multiple Change
// Point Analysis of Multivariate Data" (arXiv 1306.4933), in the windows of Fleming
// and others, "Hunter: Using Change Point Detection to Hunt for Performance
// Regressions" (arXiv 2301.03034), which Apache Otava follows, too. It first finds weak
// points, at a loose threshold, and then drops the weakest one after the other until all
// have a probability below p and a relative change above least.
func ChangePoints(series []float64, p, least float64) []ChangePoint {
	points := weakPoints(series, loose(p))
	for len(points) > 0 {
		weakest := 0
		for i := range points {
			if points[i].P > points[weakest].P {
				weakest = i
			}
		}
		if points[weakest].P < p {
			for i := range points {
				if points[i].change() < points[weakest].change() {
					weakest = i
				}
			}
			if points[weakest].change() > least {
				break
			}
		}
		points = slices.Delete(points, weakest, weakest+1)
		describe(series, points, weakest-1, weakest)
	}
	return points
}

// loose returns the threshold at which points are kept until their neighbours are known.
func loose(p float64) float64 {
	switch {
	case p < 0.05:
		return 10 * p
	case p < 0.5:
		return 2 * p
	}
	return p
}

// weakPoints returns all changes within windows that overlap by half, in order.
func weakPoints(series []float64, p float64) []ChangePoint {
	var points []ChangePoint
	for start := 0; start < len(series); {
		found := divide(series[start:min(start+window, len(series))], p)
		last := 0
		for _, c := range found {
			c.Index += start
			last = c.Index
			if !slices.ContainsFunc(points, func(old ChangePoint) bool { return old.Index == c.Index }) {
				points = append(points, c)
			}
		}
		start = max(last, start+window/2)
	}
	slices.SortFunc(points, func(a, b ChangePoint) int { return cmp.Compare(a.Index, b.Index) })
	all := make([]int, len(points))
	for i := range all {
		all[i] = i
	}
	describe(series, points, all...)
	return points
}

// describe compares the pieces on both sides of the points with these indices.
func describe(series []float64, points []ChangePoint, indices ...int) {
	for _, i := range indices {
		if i < 0 || i >= len(points) {
			continue
		}
		start, end := 0, len(series)
		if i > 0 {
			start = points[i-1].Index
		}
		if i+1 < len(points) {
			end = points[i+1].Index
		}
		points[i] = compare(series, start, points[i].Index, end)
	}
}

// divide splits the values at their greatest change, and the pieces likewise, as long as
// the greatest change within any piece is significant.
func divide(values []float64, p float64) []ChangePoint {
	within := pairSums(values)
	var points []ChangePoint
	for {
		var best ChangePoint
		bestQ := math.Inf(-1)
		for i := range len(points) + 1 {
			start, end := 0, len(values)
			if i > 0 {
				start = points[i-1].Index
			}
			if i < len(points) {
				end = points[i].Index
			}
			if end-start < 2 {
				continue
			}
			if at, q := within.divide(start, end); q > bestQ {
				best, bestQ = compare(values, start, at, end), q
			}
		}
		if math.IsInf(bestQ, -1) || best.P > p {
			return points
		}
		at, _ := slices.BinarySearchFunc(points, best.Index, func(c ChangePoint, i int) int { return cmp.Compare(c.Index, i) })
		points = slices.Insert(points, at, best)
	}
}

// pairs holds, for each start and end, the sum of the distances of all pairs of
// values between them.
type pairs [][]float64

func pairSums(values []float64) pairs {
	n := len(values)
	sums := make(pairs, n+1)
	for start := range sums {
		sums[start] = make([]float64, n+1)
	}
	for end := 1; end <= n; end++ {
		column := 0.0 // the distances of the last value
		for start := end - 1; start >= 0; start-- {
			column += math.Abs(values[start] - values[end-1])
			sums[start][end] = sums[start][end-1] + column
		}
	}
	return sums
}

// divide returns the place at which the values from start to end are divided best, and
// the divergence there: that of the values before it from those after it, up to the end
// that makes it greatest.
func (w pairs) divide(start, end int) (at int, q float64) {
	q = math.Inf(-1)
	for a := start + 1; a < end; a++ {
		for b := a + 1; b <= end; b++ {
			n, m := float64(a-start), float64(b-a)
			between := w[start][b] - w[start][a] - w[a][b]
			d := 2 / (n + m) * between
			if n > 1 {
				d -= 2 * m / (n + m) / (n - 1) * w[start][a]
			}
			if m > 1 {
				d -= 2 * n / (n + m) / (m - 1) * w[a][b]
			}
			if d > q {
				at, q = a, d
			}
		}
	}
	return at, q
}

// compare makes the t-test over the values from start to at and those from there to end.
// As in Otava, the variance of a piece is not multiplied by n/(n-1). This finds a little
// more, and agrees with Otava's published results.
func compare(values []float64, start, at, end int) ChangePoint {
	left, right := values[start:at], values[at:end]
	c := ChangePoint{Index: at, P: 1, Before: stats.Mean(left), After: stats.Mean(right)}
	if freedom := len(left) + len(right) - 2; freedom > 0 {
		variance := (squares(left, c.Before) + squares(right, c.After)) / float64(freedom)
		t := math.Abs(c.After-c.Before) / math.Sqrt(variance*(1/float64(len(left))+1/float64(len(right))))
		c.P = studentTail(t, freedom)
	}
	return c
}

// studentTail returns the probability that Student's t with that many degrees of freedom
// is at least as far from 0 as t. For values that do not vary at all, t is infinite, or
// NaN if they are the same on both sides.
func studentTail(t float64, freedom int) float64 {
	switch {
	case math.IsNaN(t):
		return 1
	case math.IsInf(t, 0):
		return 0
	}
	return 2 * stats.TDist{V: float64(freedom)}.CDF(-math.Abs(t))
}

// squares returns the piece's part of the pooled variance, times the degrees of freedom.
func squares(values []float64, mean float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	n := float64(len(values))
	return sum * (n - 1) / n
}
