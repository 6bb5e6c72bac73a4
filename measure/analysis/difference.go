package analysis

import (
	"math/rand/v2"

	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
)

// Kind says how certain a difference is.
type Kind int

// Difference is what a change costs: negative is cheaper.
type Difference struct {
	Kind             Kind
	Value, Low, High float64
	Unit             string
	// N is the number of pairs that the interval is made of, SD their standard
	// deviation.
	N  int
	SD float64
	// Step, if not empty, names the additional instructions that read the same after a
	// fence: the difference is not the cost of instructions.
	Step string
}

// Seen reports whether there is a difference at all, larger than the last digit
// that is printed.
func (d Difference) Seen() bool {
	switch d.Kind {
	case None:
		return false
	case Exact:
		return d.Value != 0
	}
	return stats.Estimate{Low: d.Low, High: d.High}.Seen()
}

// Difference compares two variants.
func (s *Set) Difference(c Column, from, to, op string) Difference {
	k := pair{c, from, to, op}
	d, ok := s.known[k]
	if !ok {
		d = s.difference(c, from, to, op)
		s.known[k] = d
	}
	return d
}

type pair struct {
	Column
	from, to, op string
}

func (s *Set) difference(c Column, from, to, op string) Difference {
	a, b := s.Records(c, from, op), s.Records(c, to, op)
	if len(a) == 0 || len(b) == 0 {
		return Difference{}
	}
	d := Difference{Unit: a[0].Unit}
	if exact(a) && exact(b) {
		d.Kind, d.Value = Exact, b[0].Median-a[0].Median
		d.Low, d.High = d.Value, d.Value
		return d
	}
	if e, err := s.estimate(paired(a, b)); err == nil { // there are enough pairs
		d.Kind, d.Value, d.Low, d.High, d.N, d.SD = Interval, e.Mean, e.Low, e.High, e.N, e.SD
		if op == nullCall && c.Form != engine.Of(c.Engine).Unstepped {
			d.Step = ladderWords(ReadsAs(e, s.ladder(c)))
		}
		return d
	}
	first, second := a[len(a)-1], b[len(b)-1]
	d.Kind, d.Value = Spread, second.Median-first.Median
	d.Low, d.High = second.Min-first.Max, second.Max-first.Min
	return d
}

// estimate resamples the differences of pairs, each of the run of the same index.
// The seed is fixed: the same results give the same page.
func (s *Set) estimate(values []float64, run []int) (stats.Estimate, error) {
	d := s.draws[len(values)]
	if d == nil {
		var err error
		if d, err = stats.NewDraws(rand.New(rand.NewPCG(1, 1)), len(values)); err != nil {
			return stats.Estimate{}, err
		}
		s.draws[len(values)] = d
	}
	return d.EstimateOf(values, run), nil
}

// Pairs returns the differences of each unit of resampling.
func (s *Set) Pairs(c Column, from, to, op string) []float64 {
	values, _ := paired(s.Records(c, from, op), s.Records(c, to, op))
	return values
}

// exact reports whether all runs gave the same exact count.
func exact(records []record.Record) bool {
	for i := range records {
		if !records[i].Exact() || records[i].Median != records[0].Median {
			return false
		}
	}
	return true
}

// paired returns the differences of the samples that belong together: those of the
// same run and index or, for runs that kept none, of the medians. run says from which
// of the records in a each comes.
func paired(a, b []record.Record) (values []float64, run []int) {
	var from, to []float64
	next := 0
	for n := range a {
		x := &a[n]
		at := indexOfRun(b, next, x)
		if at < 0 {
			continue
		}
		y := &b[at]
		next = at + 1
		if len(x.Samples) == 0 || len(y.Samples) == 0 {
			from, to, run = append(from, x.Median), append(to, y.Median), append(run, n)
			continue
		}
		if len(x.Samples) == 1 && len(y.Samples) == 1 {
			n = 0 // a boot is a unit
		}
		for i := range min(len(x.Samples), len(y.Samples)) {
			if x.Samples[i] != nil && y.Samples[i] != nil {
				from, to, run = append(from, *x.Samples[i]), append(to, *y.Samples[i]), append(run, n)
			}
		}
	}
	return stats.Paired(from, to), run
}
