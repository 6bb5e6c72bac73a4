package cycles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
)

// simulated is a machine of known truth that a guest samples on: it prints what
// the guest would.
type simulated struct {
	boots, samples int
	// truth is what variant "b" takes more than variant "a", in cycles.
	truth float64
	// place is what a boot's addresses add to a variant, of mean 0.
	place func(*rand.Rand) float64
	// drift is added to both at the share done of a boot, and speed is the
	// core's cycles for a tick in a boot.
	drift func(done float64) float64
	speed func(*rand.Rand) float64
	// spike disturbs a batch, by cycles for each operation.
	spike func(*rand.Rand) float64
	// resolution is the step of the clock in ticks.
	resolution float64
	// again and dose are what the controls are off.
	again, dose float64
	// miscount is what the cycle counter gives for a cycle, floor what the floor
	// takes; lacks are operations of the calibration, and labels, that are not
	// sampled.
	miscount, floor float64
	lacks           []string
	hypervisor      string
	counters        bool
}

func none(*rand.Rand) float64     { return 0 }
func flat(float64) float64        { return 0 }
func normal(r *rand.Rand) float64 { return 0.8 * r.NormFloat64() }
func steady(*rand.Rand) float64   { return 1.3 }
func turbo(r *rand.Rand) float64  { return 1.2 + 0.2*r.Float64() }

// bimodal is three alignments in four that cost more than the other.
func bimodal(r *rand.Rand) float64 {
	if r.IntN(4) == 0 {
		return -2.1
	}
	return 0.7
}

// spikes are a preemption in 2 % of all batches, and in a third a busy
// neighbour.
func spikes(r *rand.Rand) float64 {
	s := 0.3 * r.ExpFloat64()
	if r.Float64() < 0.02 {
		s += 1e4 * r.Float64()
	}
	if r.Float64() < 0.33 {
		s += 5 * r.Float64()
	}
	return s
}

func quiet(boots, samples int, truth float64) simulated {
	return simulated{
		boots: boots, samples: samples, truth: truth, place: none, drift: flat, speed: steady, spike: none,
		resolution: 1, miscount: 1, floor: 90, hypervisor: "KVMKVMKVM",
	}
}

// console is what the guest prints in all boots.
func (m simulated) console(rng *rand.Rand) string {
	var b strings.Builder
	for range m.boots {
		b.WriteString(m.boot(rng))
	}
	return b.String()
}

func (m simulated) boot(rng *rand.Rand) string {
	var b strings.Builder
	id := rng.Uint64() >> 1
	machine := wire.Machine{Vendor: "GenuineIntel", Signature: 0x306c3, Hypervisor: m.hypervisor, CPU: "Simulated CPU"}
	fmt.Fprintln(&b, wire.Sampling{Boot: id, Seed: 1, Samples: m.samples, Counters: m.counters, Code: "c0de", Machine: machine})
	speed, lines := m.speed(rng), 0
	series := func(label, op string, n int, cycles float64) {
		if slices.Contains(m.lacks, op) || slices.Contains(m.lacks, label) {
			return
		}
		ticks, counted := make([]float64, m.samples), make([]float64, m.samples)
		for i := range ticks {
			total := float64(n) * (cycles + m.spike(rng))
			if op == headOp { // what takes long enough to drift
				total += float64(n) * m.drift(float64(i)/float64(m.samples))
			}
			begin := rng.Float64() * m.resolution
			ticks[i] = math.Floor((begin+total/speed)/m.resolution) * m.resolution
			counted[i] = math.Round(total * m.miscount)
		}
		emit := func(counter string, values []float64) {
			lines++
			b.WriteString(line(label, op, counter, n, values))
		}
		emit(wire.CounterTSC, ticks)
		if m.counters {
			emit(wire.CounterCycles, counted)
			emit(wire.CounterInstructions, slices.Repeat([]float64{float64(50 * n)}, len(counted)))
		}
	}
	const rounds = 500
	a := 150 + m.place(rng)
	series("a", headOp, rounds, a)
	series("b", headOp, rounds, 150+m.truth+m.place(rng))
	series(wire.LabelAgain, headOp, rounds, a+m.again)
	series(wire.LabelLoop, headOp, rounds, 2)
	series("bare", headOp, rounds, m.floor)
	series(wire.LabelCalibration, wire.OpChain, rounds, wire.ChainLength)
	series(wire.LabelCalibration, wire.OpDoseNone, rounds, 200)
	series(wire.LabelCalibration, wire.OpDoseOne, rounds, 201+m.dose)
	series(wire.LabelCalibration, wire.OpClock, 1, 30)
	step := slices.Repeat([]float64{m.resolution}, m.samples)
	if !slices.Contains(m.lacks, wire.OpStep) {
		lines++
		b.WriteString(line(wire.LabelCalibration, wire.OpStep, wire.CounterTSC, 1, step))
	}
	fmt.Fprintln(&b, wire.SamplingEnd{Boot: id, Lines: lines})
	fmt.Fprintln(&b, wire.Summary{})
	return b.String()
}

// line is a series as the guest sends it.
func line(label, op, counter string, n int, values []float64) string {
	slices.Sort(values)
	s := wire.Series{Label: label, Op: op, Counter: counter, N: n, Samples: len(values)}
	for i := range s.Quantiles {
		s.Quantiles[i] = uint64(math.Round(values[i*(len(values)-1)/wire.Parts]))
	}
	return s.String() + "\n"
}

// analysed goes the whole way from the console.
func (m simulated) analysed(t *testing.T, rng *rand.Rand) (*Result, error) {
	t.Helper()
	boots, damaged, err := Parse("console", strings.NewReader(m.console(rng)))
	if err != nil || len(damaged) > 0 || len(boots) != m.boots {
		t.Fatalf("%d boots, damaged %q, error %v", len(boots), damaged, err)
	}
	return Analyse(boots, nil)
}

// TestCoverage: of many runs, 95 % give an interval that holds the truth, and
// the estimates are not biased.
func TestCoverage(t *testing.T) {
	const runs = 1000
	up := func(done float64) float64 { return 8 * done }
	for _, row := range []struct {
		name  string
		truth float64
		with  func(*simulated)
	}{
		{"placements", 0, func(m *simulated) { m.place = normal }},
		{"bimodal placements", 0.5, func(m *simulated) { m.place = bimodal }},
		{"as few boots as there may be", 0.5, func(m *simulated) { m.boots, m.place = stats.MinPlacements, normal }},
		{"as few, and bimodal", 0.5, func(m *simulated) { m.boots, m.place = stats.MinPlacements, bimodal }},
		{"drift", -0.5, func(m *simulated) { m.place, m.drift = normal, up }},
		{"turbo", 1, func(m *simulated) { m.place, m.speed = normal, turbo }},
		{"spikes", 1, func(m *simulated) { m.place, m.spike, m.samples = normal, spikes, 100 }},
		{"coarse clock", 0.3, func(m *simulated) { m.place, m.resolution = normal, 25 }},
		{"counters", 0.3, func(m *simulated) { m.place, m.speed, m.counters = normal, turbo, true }},
		{"everything", 0.5, func(m *simulated) {
			m.place, m.drift, m.speed, m.spike, m.resolution, m.samples = bimodal, up, turbo, spikes, 25, 100
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			m := quiet(20, 40, row.truth)
			row.with(&m)
			held, sum := 0, 0.0
			for range runs {
				res, err := m.analysed(t, rng)
				if noisy := (*NoiseError)(nil); err != nil && !errors.As(err, &noisy) {
					t.Fatal(err)
				}
				c, _ := res.Find("b", headOp)
				if c.Difference.Holds(row.truth) {
					held++
				}
				sum += c.Difference.Mean
			}
			coverage, bias := float64(held)/runs, sum/runs-row.truth
			t.Logf("coverage %.1f %%, bias %+.3f", 100*coverage, bias)
			if math.Abs(coverage-0.95) > 0.02 {
				t.Errorf("%.1f %% of the intervals hold the truth, want 95 %% within 2 points", 100*coverage)
			}
			if math.Abs(bias) > 0.05 {
				t.Errorf("estimates are off by %+.3f on average", bias)
			}
		})
	}
}

// TestControls: a run is refused if what is known comes out otherwise.
func TestControls(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*simulated)
		want string // "": not refused
	}{
		{"good", func(*simulated) {}, ""},
		{"counters", func(m *simulated) { m.counters = true }, ""},
		{"A/A is off", func(m *simulated) { m.again = 0.5 }, "A/A was +0.50"},
		{"no dose", func(m *simulated) { m.dose = -1 }, "+1 cycle was +0.00"},
		{"too large a dose", func(m *simulated) { m.dose = 1 }, "+1 cycle was +2.00"},
		{"no dose at all", func(m *simulated) { m.lacks = []string{wire.OpDoseOne} }, "+1 cycle is missing"},
		{"no resolution", func(m *simulated) { m.lacks = []string{wire.OpStep} }, "20 of 20 boots lack the calibration: resolution"},
		{"no reading of the clock", func(m *simulated) { m.lacks = []string{wire.OpClock} }, "lack the calibration: reading it"},
		{"a clock that steps far", func(m *simulated) { m.resolution = 600 }, "steps by 600 ticks, more than 1 cycle of each of 500"},
		{"a counter that counts too fast", func(m *simulated) { m.counters, m.miscount = true, 1.1 }, "the cycle counter gave 70.4 to 70.4 for a chain of 64"},
		{"a floor that is none", func(m *simulated) { m.floor = 160 }, "the floor took 158.0 cycles, no less than the 148.0 of a"},
		{"no floor", func(m *simulated) { m.lacks = []string{wire.Floor} }, "20 of 20 boots lack the floor (bare)"},
		{"wide", func(m *simulated) { m.spike = func(r *rand.Rand) float64 { return 40 * r.Float64() }; m.samples = 3 }, "A/A was"},
	} {
		m := quiet(20, 60, 1)
		row.with(&m)
		res, err := m.analysed(t, rand.New(rand.NewPCG(3, 4)))
		noisy := (*NoiseError)(nil)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: refused: %v", row.name, err)
		case row.want != "" && (!errors.As(err, &noisy) || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: error is %v, want a NoiseError with %q", row.name, err, row.want)
		case res == nil || len(res.Controls) < 2 && len(m.lacks) == 0:
			t.Errorf("%s: the controls are not shown", row.name)
		}
	}
}

// TestNoLoop: a boot of which the loop was not sampled has no figures.
func TestNoLoop(t *testing.T) {
	m := quiet(2, 20, 0)
	m.lacks = []string{wire.LabelLoop}
	boots, damaged, err := Parse("console", strings.NewReader(m.console(rand.New(rand.NewPCG(1, 1)))))
	if err != nil || len(boots) != 0 || len(damaged) != 2 || !strings.Contains(damaged[0], headOp+" has no loop (-loop)") {
		t.Errorf("%d boots, damaged %q (%v)", len(boots), damaged, err)
	}
}

// TestFloorOfOne: boots of one variant compare nothing, and want no floor.
func TestFloorOfOne(t *testing.T) {
	m := quiet(9, 20, 0)
	m.lacks = []string{wire.Floor, "b"}
	if res, err := m.analysed(t, rand.New(rand.NewPCG(5, 6))); err != nil || len(res.Variants) != 1 {
		t.Errorf("refused: %v", err)
	}
}

// TestFigures: absolute figures are without the loop, the floor has no
// difference, the verdict has words.
func TestFigures(t *testing.T) {
	m := quiet(20, 60, 2)
	res, err := m.analysed(t, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		variant string
		want    float64
		differs bool
	}{{"a", 148, false}, {"b", 150, true}, {"bare", 88, false}} {
		c, ok := res.Find(row.variant, headOp)
		if !ok || math.Abs(c.Mean-row.want) > 0.2 || (c.Difference != nil) != row.differs {
			t.Errorf("%s: %+v, want %v cycles", row.variant, c, row.want)
		}
	}
	if math.Abs(res.CyclesPerTick-1.3) > 0.01 || res.Config.Engine != "kvm" || res.Meaningless != "" {
		t.Errorf("result is of %s, %v cycles a tick, meaningless %q", res.Config.Engine, res.CyclesPerTick, res.Meaningless)
	}
	if got := Verdict(stats.Estimate{Mean: 0.1, Low: -0.2, High: 0.4}); got != "no difference seen (±0.4 cycles)" {
		t.Error(got)
	}
	if got := Verdict(stats.Estimate{Mean: 2, Low: 1.8, High: 2.2}); got != "+2.00 ±0.20 cycles" {
		t.Error(got)
	}
}

// TestEngines: what ran the guest is told by what CPUID shows.
func TestEngines(t *testing.T) {
	for _, row := range []struct {
		hypervisor, engine string
		meaningless        bool
	}{{"", "metal", false}, {"KVMKVMKVM", "kvm", false}, {"TCGTCGTCGTCG", "tcg", true}, {"bochs", "bochs", true}, {"VMwareVMware", "hypervisor VMwareVMware", false}} {
		m := quiet(8, 20, 0)
		m.hypervisor, m.again = row.hypervisor, 3
		res, err := m.analysed(t, rand.New(rand.NewPCG(7, 8)))
		if res == nil || res.Config.Engine != row.engine || (res.Meaningless != "") != row.meaningless {
			t.Errorf("%s: %+v", row.hypervisor, res)
		}
		// What is meaningless is never refused as noisy, and says what it is.
		if (err == nil) != row.meaningless || row.meaningless != strings.HasPrefix(res.Notes()[0], "MEANINGLESS") {
			t.Errorf("%s: error %v, notes %q", row.hypervisor, err, res.Notes())
		}
	}
}

// TestDamage: a boot whose lines are not all as they were sent is left out, and
// the message says where.
func TestDamage(t *testing.T) {
	m := quiet(3, 20, 0)
	lines := strings.SplitAfter(m.console(rand.New(rand.NewPCG(9, 10))), "\n")
	per := len(lines) / 3
	at := func(i int) int { return per + i } // a line of the second boot
	for _, row := range []struct {
		name  string
		edit  func([]string) []string
		whole int
		want  string
	}{
		{"nothing", func(l []string) []string { return l }, 3, ""},
		{"a digit", func(l []string) []string {
			l[at(2)] = strings.Replace(l[at(2)], "samples=20", "samples=21", 1)
			return l
		}, 2, fmt.Sprintf("console:%d: the line is damaged", at(2)+1)},
		{"a line cut off", func(l []string) []string { l[at(2)] = l[at(2)][:40] + "\n"; return l }, 2, "cut off"},
		{"a line lost", func(l []string) []string { return slices.Delete(l, at(2), at(2)+1) }, 2, "10 lines of samples, 9 came"},
		{"a line's kind", func(l []string) []string { l[at(2)] = "SXMPLE" + l[at(2)][6:]; return l }, 2, "10 lines of samples, 9 came"},
		{"a line twice", func(l []string) []string { return slices.Insert(l, at(2), l[at(2)]) }, 2, "comes twice"},
		{"no beginning", func(l []string) []string { return slices.Delete(l, at(0), at(0)+1) }, 2, "without the line that begins"},
		{"a damaged beginning", func(l []string) []string { l[at(0)] = strings.Replace(l[at(0)], "seed=1", "seed=2", 1); return l }, 2, "the line is damaged"},
		{"no end", func(l []string) []string { return slices.Delete(l, per+per-2, per+per) }, 2, "the boot has no end"},
		{"cut off in the last boot", func(l []string) []string { return l[:2*per+4] }, 2, "the boot has no end"},
		{"a line of another boot", func(l []string) []string { l[per+per-2] = l[per-2]; return l }, 2, "but boot"},
		{"a line that is read and means nothing", func(l []string) []string {
			l[at(2)] = wire.Series{Label: "a", Op: "x", Counter: "tsc", N: 0, Samples: 1}.String() + "\n"
			return l
		}, 2, "n=0 samples=1: want at least 1"},
		{"a damaged line of another kind", func(l []string) []string { return slices.Insert(l, at(3), "FAIL: a (b\n") }, 3, ""},
		{"other lines between", func(l []string) []string { return slices.Insert(l, at(3), "entrylab: hello\n", "garbage \x00\xff\n") }, 3, ""},
		{"a line that is too long, with one of samples in it", func(l []string) []string {
			return slices.Insert(l, at(3), strings.Repeat("x", 5*4096)+l[at(3)]) // 4 KiB are read at a time
		}, 3, ""},
	} {
		boots, damaged, err := Parse("console", strings.NewReader(strings.Join(row.edit(slices.Clone(lines)), "")))
		if err != nil || len(boots) != row.whole {
			t.Errorf("%s: %d boots and %v, want %d; damaged %q", row.name, len(boots), err, row.whole, damaged)
		}
		if row.want == "" && len(damaged) > 0 || row.want != "" && (len(damaged) != 1 || !strings.Contains(damaged[0], row.want)) {
			t.Errorf("%s: damaged %q, want %q", row.name, damaged, row.want)
		}
	}
}

// TestRefused: boots that do not belong together.
func TestRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	boots := func() []Boot {
		list, _, err := Parse("console", strings.NewReader(quiet(9, 20, 0).console(rng)))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, row := range []struct {
		name  string
		edit  func([]Boot) []Boot
		names []string
		want  string
	}{
		{"few", func(b []Boot) []Boot { return b[:7] }, nil, "7 whole boots: want at least 8"},
		{"none", func([]Boot) []Boot { return nil }, nil, "0 whole boots"},
		{"another CPU", func(b []Boot) []Boot { b[3].Config.Host = "Other"; return b }, nil, "different machines"},
		{"other code", func(b []Boot) []Boot { b[3].Config.Code = "beef"; return b }, nil, "different code"},
		{"other counters", func(b []Boot) []Boot {
			b[3].Figures = append(b[3].Figures, Figure{Label: wire.LabelCalibration, Op: opChainCounted})
			return b
		}, nil, "same counters"},
		{"the same boot", func(b []Boot) []Boot { b[3] = b[4]; return b }, nil, "there twice"},
		{"no such variant", func(b []Boot) []Boot { return b }, []string{"a", "z"}, "no variant z: it has a, b, bare"},
		{"no chain", func(b []Boot) []Boot {
			b[3].Figures = slices.DeleteFunc(b[3].Figures, func(f Figure) bool { return f.Op == wire.OpChain })
			return b
		}, nil, "1 of 9 boots lack the calibration: core cycles of a tick"},
		{"no loop", func(b []Boot) []Boot {
			b[3].Figures = slices.DeleteFunc(b[3].Figures, func(f Figure) bool { return f.Label == wire.LabelLoop })
			return b
		}, nil, "1 of 9 boots lack the calibration: the empty loop, a round"},
		{"no floor in some", func(b []Boot) []Boot {
			for i := range 2 {
				b[i+1].Figures = slices.DeleteFunc(b[i+1].Figures, func(f Figure) bool { return f.Label == wire.Floor })
			}
			return b
		}, nil, "2 of 9 boots lack the floor (bare)"},
		{"no floor among those asked for", func(b []Boot) []Boot {
			for i := range b {
				b[i].Figures = slices.DeleteFunc(b[i].Figures, func(f Figure) bool { return f.Label == wire.Floor })
			}
			return b
		}, []string{"a", "b"}, "9 of 9 boots lack the floor (bare)"},
		{"no second base", func(b []Boot) []Boot {
			for i := range 2 {
				b[i].Figures = slices.DeleteFunc(b[i].Figures, func(f Figure) bool { return f.Label == wire.LabelAgain })
			}
			return b
		}, nil, "A/A is missing"},
	} {
		if _, err := Analyse(row.edit(boots()), row.names); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q in it", row.name, err, row.want)
		}
	}
}

// TestRecords: boots that went through a results file are what they were, and
// give the same result.
func TestRecords(t *testing.T) {
	for _, counters := range []bool{false, true} {
		m := quiet(9, 40, 1)
		m.place, m.counters = normal, counters
		boots, _, err := Parse("console", strings.NewReader(m.console(rand.New(rand.NewPCG(13, 14)))))
		if err != nil {
			t.Fatal(err)
		}
		var file bytes.Buffer
		for i := range boots {
			boots[i].Config.Build = "test"
			for _, r := range boots[i].Records(map[string]string{"a": "sp=percpu"}, time.Now()) {
				line, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				file.Write(append(line, '\n'))
			}
		}
		records, cut, err := store.Read("file", &file)
		if err != nil || cut != "" {
			t.Fatal(err, cut)
		}
		want, err := Analyse(boots, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Analyse(FromRecords(records), nil)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("counters %v: %v (-console +file):\n%s", counters, err, diff)
		}
		if i := slices.IndexFunc(records, func(r record.Record) bool { return r.Retired != nil }); i >= 0 != counters {
			t.Errorf("counters %v: retired instructions %v", counters, i >= 0)
		}
	}
}

// TestInterruptedRecords: a boot whose last record is missing is left out, and
// of one that was taken a second time all figures are the newer ones.
func TestInterruptedRecords(t *testing.T) {
	boots, _, err := Parse("console", strings.NewReader(quiet(3, 20, 1).console(rand.New(rand.NewPCG(15, 16)))))
	if err != nil {
		t.Fatal(err)
	}
	var lists [3][]record.Record
	for i := range boots {
		boots[i].ID = uint64(i)
		lists[i] = boots[i].Records(nil, time.Now())
	}
	half := lists[1][:len(lists[1])/2]
	for i := range len(lists[1]) {
		if got := FromRecords(slices.Concat(lists[0], lists[1][:i], lists[2])); len(got) != 2 {
			t.Errorf("cut after %d records: %d boots, want 2", i, len(got))
		}
	}
	again := slices.Clone(half) // what was left of another try
	for i := range again {
		x := *again[i].Samples[0] + 1000
		again[i].Samples = []*float64{&x}
	}
	got := FromRecords(slices.Concat(lists[0], again, lists[1], lists[2]))
	if len(got) != 3 {
		t.Fatalf("%d boots, want 3", len(got))
	}
	for _, f := range boots[1].Figures {
		if now, ok := got[1].Find(f.Label, f.Op); !ok || now.Low != f.Low {
			t.Errorf("%s of %s is %v, want %v", f.Op, f.Label, now.Low, f.Low)
		}
	}
}

// TestMissing: a boot without an operation takes part in all others.
func TestMissing(t *testing.T) {
	m := quiet(12, 20, 2)
	boots, _, err := Parse("console", strings.NewReader(m.console(rand.New(rand.NewPCG(17, 18)))))
	if err != nil {
		t.Fatal(err)
	}
	boots[4].Figures = slices.DeleteFunc(boots[4].Figures, func(f Figure) bool { return f.Label == "b" })
	res, err := Analyse(boots, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := res.Find("b", headOp); c.Difference == nil || c.Difference.N != 11 || len(c.Cycles) != 11 {
		t.Errorf("b: %+v, want 11 boots", c)
	}
}

// TestBooted: what a boot's console must tell.
func TestBooted(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	good := quiet(1, 20, 0).console(rng)
	c := record.Config{Engine: "kvm", Code: "0011"}
	for _, row := range []struct{ name, console, want string }{
		{"good", good, ""},
		{"nothing", "hello\n", "boot 7: 0 runs of samples, want 1"},
		{"two", quiet(2, 20, 0).console(rng), "boot 7: 2 runs of samples"},
		{"damaged", strings.Replace(good, "label=a", "label=c", 1), "the line is damaged"},
		{"another engine", quiet(1, 20, 0).with("-").console(rng), "the guest finds itself on metal, want kvm"},
	} {
		b, err := booted("boot 7", row.console, 7, c)
		if row.want == "" && (err != nil || b.ID != 7 || b.Config != c) || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: boot %d, error %v, want %q", row.name, b.ID, err, row.want)
		}
	}
}

func (m simulated) with(hypervisor string) simulated {
	m.hypervisor = hypervisor
	return m
}
