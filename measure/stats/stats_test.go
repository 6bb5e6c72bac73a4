package stats

import (
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// machine simulates what takes samples: two streams whose placements, drift and
// disturbances are known.
type machine struct {
	placements, samples int
	// truth is the mean difference of the two streams over all placements.
	truth float64
	// place is what a placement adds to a stream, of mean 0.
	place func(*rand.Rand) float64
	// drift is what is added to both, at the share done of the run.
	drift func(done float64) float64
	// spike disturbs a sample.
	spike func(*rand.Rand) float64
}

func none(*rand.Rand) float64 { return 0 }

func flat(float64) float64 { return 0 }

// spikes models a preemption in 2 % of all samples, and in a third of them a few cycles
// from a busy neighbour.
func spikes(rng *rand.Rand) float64 {
	s := rng.ExpFloat64() * 0.3
	if rng.Float64() < 0.02 {
		s += 1e4 * rng.Float64()
	}
	if rng.Float64() < 0.33 {
		s += 5 * rng.Float64()
	}
	return s
}

// bimodal models three alignments in four that cost a cycle more than the other.
func bimodal(rng *rand.Rand) float64 {
	if rng.IntN(4) == 0 {
		return -2.1
	}
	return 0.7
}

func normal(rng *rand.Rand) float64 { return 0.8 * rng.NormFloat64() }

// run measures the difference of the two streams once.
func (m machine) run(t *testing.T, rng *rand.Rand) Estimate {
	a, b := make([]float64, m.placements), make([]float64, m.placements)
	samples := make([]float64, m.samples)
	for p := range a {
		for i, figure := range []*float64{&a[p], &b[p]} {
			level := 100 + m.place(rng) + float64(i)*m.truth
			for s := range samples {
				done := (float64(p) + float64(s)/float64(m.samples)) / float64(m.placements)
				samples[s] = level + m.drift(done) + m.spike(rng)
			}
			*figure = LowBand(samples)
		}
	}
	e, err := Bootstrap(rng, Paired(a, b))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var runs = flag.Int("runs", 200, "TestCoverage, TestCoverageOfProcesses: simulated runs of each machine")

// chance returns by what factor the simulated runs leave more to chance than 1000 would.
func chance() float64 { return math.Sqrt(1000 / float64(*runs)) }

// TestCoverage: of many runs, 95 % give an interval that holds the truth, and
// the estimates are not biased. What is tolerated is what the number of runs
// leaves to chance: at 1000, 2 points (3 standard deviations) and 0.05.
func TestCoverage(t *testing.T) {
	linear := func(done float64) float64 { return 8 * done }
	waves := func(done float64) float64 { return 3 * math.Sin(20*done) }
	for _, tt := range []struct {
		name string
		machine
	}{
		{"normal placements", machine{40, 20, 0, normal, flat, none}},
		{"few placements", machine{12, 20, 1, normal, flat, none}},
		{"bimodal placements", machine{60, 20, 0.3, bimodal, flat, none}},
		{"spikes", machine{60, 40, 1, normal, flat, spikes}},
		{"drift", machine{60, 20, -0.5, normal, linear, none}},
		{"everything", machine{60, 40, 0.3, bimodal, waves, spikes}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			held, sum := 0, 0.0
			for range *runs {
				e := tt.run(t, rng)
				if e.Holds(tt.truth) {
					held++
				}
				sum += e.Mean
			}
			coverage := float64(held) / float64(*runs)
			bias := sum/float64(*runs) - tt.truth
			t.Logf("coverage %.1f %%, bias %+.3f", 100*coverage, bias)
			if math.Abs(coverage-confidence) > 0.02*chance() {
				t.Errorf("%.1f %% of the intervals hold the truth, want %.0f %% within %.1f points", 100*coverage, 100*confidence, 2*chance())
			}
			if math.Abs(bias) > 0.05*chance() {
				t.Errorf("estimates are off by %+.3f on average", bias)
			}
		})
	}
}

// TestCoverageCanFail: if samples were the unit of resampling, the intervals of
// the same machine would be far too narrow.
func TestCoverageCanFail(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	held := 0
	const runs = 200
	for range runs {
		var diffs []float64
		for range 10 { // placements
			d := bimodal(rng) - bimodal(rng)
			for range 20 {
				diffs = append(diffs, d+0.1*rng.NormFloat64())
			}
		}
		e, err := Bootstrap(rng, diffs)
		if err != nil {
			t.Fatal(err)
		}
		if e.Holds(0) {
			held++
		}
	}
	if coverage := float64(held) / runs; coverage > 0.7 {
		t.Errorf("coverage of intervals made of samples is %.2f: the simulation shows no placements", coverage)
	}
}

// processes are placements whose processes differ, the number in each given.
type processes struct {
	name string
	size []int
	// place and process are what each adds, of mean 0.
	place, process func(*rand.Rand) float64
	// like is how much a process is like the one before it.
	like float64
}

func (p processes) values(rng *rand.Rand) (values []float64, process []int) {
	at := p.process(rng)
	for i, n := range p.size {
		if i > 0 {
			at = p.like*at + math.Sqrt(1-p.like*p.like)*p.process(rng)
		}
		for range n {
			values, process = append(values, at+p.place(rng)), append(process, i)
		}
	}
	return values, process
}

func scaled(by float64, of func(*rand.Rand) float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 { return by * of(rng) }
}

// TestCoverageOfProcesses: where processes differ, the intervals of a run of
// several hold the truth as often as where they do not, and so two runs agree
// within their intervals. Intervals of placements alone do not hold it, which is
// how this test fails.
func TestCoverageOfProcesses(t *testing.T) {
	many := slices.Repeat([]int{10}, 16)
	right := 0.95 - 0.025*chance()
	slow := right - 0.07 // 16 processes tell too little of a drift as slow as they all
	for _, tt := range []struct {
		processes
		differ bool // more than the placements tell
		least  float64
	}{
		{processes{"alike", many, normal, none, 0}, false, right},
		{processes{"bimodal placements, alike", many, bimodal, none, 0}, false, right},
		{processes{"differ a little", many, normal, scaled(0.2, normal), 0}, false, right},
		{processes{"differ", many, normal, normal, 0}, true, right},
		{processes{"differ, placements alike", many, scaled(0.01, normal), normal, 0}, true, right},
		{processes{"of two kinds", many, normal, bimodal, 0}, true, right},
		{processes{"of unequal size", []int{40, 35, 30, 25, 15, 10, 8, 5}, normal, normal, 0}, true, right},
		{processes{"drift", many, normal, normal, 0.4}, true, right},
		{processes{"drift slowly", many, normal, normal, 0.7}, true, slow},
		{processes{"few", []int{20, 20, 20}, normal, normal, 0}, true, right},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(5, 6))
			values, _ := tt.values(rng)
			d, err := NewDraws(rng, len(values))
			if err != nil {
				t.Fatal(err)
			}
			held, alone, agree := 0, 0, 0
			var last Estimate
			for run := range *runs {
				values, process := tt.values(rng)
				e := d.EstimateOf(values, process)
				if e.Holds(0) {
					held++
				}
				if d.Estimate(values).Holds(0) {
					alone++
				}
				if run%2 == 1 && math.Abs(e.Mean-last.Mean) <= math.Hypot(e.Half(), last.Half()) {
					agree++
				}
				last = e
			}
			coverage, pairs := float64(held)/float64(*runs), float64(agree)/float64(*runs/2)
			t.Logf("coverage %.1f %%, of placements alone %.1f %%; %.1f %% of pairs of runs agree", 100*coverage, 100*float64(alone)/float64(*runs), 100*pairs)
			if coverage < tt.least || pairs < right {
				t.Errorf("%.1f %% of the intervals hold the truth and %.1f %% of the pairs agree, want about 95 %% and no less than %.0f %%", 100*coverage, 100*pairs, 100*tt.least)
			}
			if tt.differ && float64(alone)/float64(*runs) > 0.85 {
				t.Errorf("%.1f %% of intervals of placements alone hold the truth: the simulation shows no processes", 100*float64(alone)/float64(*runs))
			}
		})
	}
}

// TestBetween: the interval of processes is Student's of their means where they
// are of one size, and there is none of fewer than MinProcesses.
func TestBetween(t *testing.T) {
	for _, tt := range []struct {
		name    string
		values  []float64
		process []int
		want    float64
		ok      bool
	}{
		{"three of two", []float64{1, 3, 4, 4, 5, 7}, []int{0, 0, 1, 1, 2, 2}, 4.3027 * 2 / math.Sqrt(3), true}, // means 2, 4, 6
		{"in another order", []float64{7, 1, 4, 3, 4, 5}, []int{2, 0, 1, 0, 1, 2}, 4.3027 * 2 / math.Sqrt(3), true},
		{"numbered with gaps", []float64{2, 4, 6}, []int{0, 5, 9}, 4.3027 * 2 / math.Sqrt(3), true},
		{"alike", []float64{4, 4, 4}, []int{0, 1, 2}, 0, true},
		{"two", []float64{1, 3}, []int{0, 1}, 0, false},
		{"one", []float64{1, 3, 5}, []int{0, 0, 0}, 0, false},
	} {
		if got, ok := between(tt.values, tt.process); ok != tt.ok || math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %v, %v, want %v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestLowBand(t *testing.T) {
	ramp := make([]float64, 100)
	for i := range ramp {
		ramp[i] = float64(99 - i)
	}
	for _, tt := range []struct {
		name    string
		samples []float64
		want    float64
	}{
		{"ramp", ramp, 14.5}, // 5 to 24
		{"one", []float64{7}, 7},
		{"spike", []float64{10, 10, 10, 1e6, 10, 10, 10, 10}, 10},
		{"none", nil, math.NaN()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := LowBand(tt.samples); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
				t.Errorf("is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	samples := []float64{4, 1, 3, 2}
	for _, tt := range []struct{ q, want float64 }{{0, 1}, {0.5, 2.5}, {1, 4}, {-1, 1}, {2, 4}} {
		if got := Quantile(samples, tt.q); got != tt.want {
			t.Errorf("quantile %v is %v, want %v", tt.q, got, tt.want)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing is %v", got)
	}
}

// TestStudent compares with tables of Student's t.
func TestStudent(t *testing.T) {
	for _, tt := range []struct {
		df   int
		want float64
	}{{1, 12.7062}, {6, 2.4469}, {7, 2.3646}, {11, 2.2010}, {30, 2.0423}, {120, 1.9799}} {
		if got := student(tt.df); math.Abs(got-tt.want) > 0.001 {
			t.Errorf("t(0.975, %d) is %.4f, want %.4f", tt.df, got, tt.want)
		}
	}
}

func TestBootstrapFew(t *testing.T) {
	if _, err := Bootstrap(rand.New(rand.NewPCG(1, 1)), make([]float64, MinPlacements-1)); !errors.Is(err, ErrFew) {
		t.Errorf("error is %v, want %v", err, ErrFew)
	}
}

// TestDraws: an estimate is that of the resamples' means, and draws that were
// used give the next values what draws of their own would.
func TestDraws(t *testing.T) {
	const n = 40
	rng := rand.New(rand.NewPCG(7, 8))
	fresh := func() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
	d, err := NewDraws(fresh(), n)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		values := make([]float64, n)
		for i := range values {
			values[i] = rng.ExpFloat64() // skewed: the upper end is the resamples'
		}
		got := d.Estimate(values)
		own, err := Bootstrap(fresh(), values)
		if err != nil || got != own {
			t.Errorf("with draws that were used %+v, with its own %+v (%v)", got, own, err)
		}
		draw, means := fresh(), make([]float64, resamples)
		for i := range means {
			for range n {
				means[i] += values[draw.IntN(n)]
			}
			means[i] /= n
		}
		if want := Quantile(means, 1-expandedTail(n)); got.High != max(want, got.Mean+student(n-1)*got.SD/math.Sqrt(n)) {
			t.Errorf("the upper end is %v, that of the resamples %v", got.High, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("the draws of another number of values were taken")
		}
	}()
	d.Estimate(make([]float64, n+1))
}

// TestSeen: a difference whose interval holds zero is none, and so is one that
// is too small to speak of, however sure values that are all alike make it look.
func TestSeen(t *testing.T) {
	alike := func(v float64) []float64 { return slices.Repeat([]float64{v}, 10) }
	some := append(alike(0), 2.8)
	for _, tt := range []struct {
		name   string
		values []float64
		seen   bool
		atMost float64
	}{
		{"all zero", alike(0), false, 0.1},
		{"all a hundredth", alike(0.01), false, 0.1},
		{"all less than is spoken of", alike(-0.12), false, 0.12},
		{"all two", alike(2), true, 2},
		{"one of eleven is not zero", some, false, 1.02}, // the bootstrap draws it up to four times
	} {
		e, err := Bootstrap(rand.New(rand.NewPCG(1, 1)), tt.values)
		if err != nil || e.Seen() != tt.seen || math.Abs(e.AtMost()-tt.atMost) > 0.01 {
			t.Errorf("%s: %+v, seen %v, at most %.2f: want %v, %v (%v)", tt.name, e, e.Seen(), e.AtMost(), tt.seen, tt.atMost, err)
		}
	}
}

func TestGate(t *testing.T) {
	got := Gate([]float64{16.2, 16.9, 17.5, 30}, 0.06)
	want := []bool{true, true, false, false}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("placement %d: kept %v, want %v", i, got[i], want[i])
		}
	}
	if !Gate([]float64{16}, 0)[0] {
		t.Error("what is exactly at the limit goes")
	}
	if len(Gate(nil, 0.06)) != 0 {
		t.Error("no placements give a verdict")
	}
}

// TestSD: of a sample, so the sum of squares is divided by one less than there
// are.
func TestSD(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"two", []float64{1, 3}, math.Sqrt2},
		{"five", []float64{2, 4, 4, 4, 6}, math.Sqrt2},
		{"equal", []float64{7, 7, 7}, 0},
	} {
		if got := SD(tt.values); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := SD([]float64{1}); !math.IsNaN(got) {
		t.Errorf("of one value it is %v, want NaN", got)
	}
}

// TestMostDrawn: where values are no longer resampled, the interval is what resampling
// gives, of values that are skewed, too.
func TestMostDrawn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, mostDrawn+1)
	for i := range values {
		values[i] = rng.ExpFloat64()
	}
	drawn, err := Bootstrap(rng, values[:mostDrawn])
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Bootstrap(rng, values)
	if err != nil {
		t.Fatal(err)
	}
	off := max(math.Abs(drawn.Low-whole.Low), math.Abs(drawn.High-whole.High))
	if off > 0.1*whole.Half() {
		t.Errorf("resampled %v, by Student %v: the ends are off by %g", drawn, whole, off)
	}
}
