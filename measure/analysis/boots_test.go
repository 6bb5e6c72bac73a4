package analysis

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
)

// analysed goes the whole way from the console.
func analysed(t *testing.T, m cyclestest.Machine, rng *rand.Rand) (*Comparison, error) {
	t.Helper()
	boots, damaged, err := cycles.Parse("console", strings.NewReader(m.Console(rng)))
	if err != nil || len(damaged) > 0 || len(boots) != m.Boots {
		t.Fatalf("%d boots, damaged %q, error %v", len(boots), damaged, err)
	}
	engine.Resolve(boots)
	return compared(boots, nil)
}

// compared compares the variants of boots.
func compared(boots []cycles.Boot, names []string) (*Comparison, error) {
	records, err := Console(boots, names)
	if err != nil {
		return nil, err
	}
	return NewSet(records).Compare(boots[0].Config.Engine, engine.Outcome{}, names)
}

func estimate(v Value) stats.Estimate {
	return stats.Estimate{Mean: v.Difference.Value, Low: v.Difference.Low, High: v.Difference.High}
}

var runs = flag.Int("runs", 200, "TestCoverage: simulated runs of each machine")

// TestCoverage: of many runs, 95 % give an interval that holds the truth, and
// the estimates are not biased. What is tolerated is what the number of runs
// leaves to chance: at 1000, 2 points (3 standard deviations) and 0.05 cycles.
func TestCoverage(t *testing.T) {
	chance := math.Sqrt(1000 / float64(*runs))
	up := func(done float64) float64 { return 8 * done }
	for _, row := range []struct {
		name  string
		truth float64
		with  func(*cyclestest.Machine)
	}{
		{"placements", 0, func(m *cyclestest.Machine) { m.Place = cyclestest.Normal }},
		{"bimodal placements", 0.5, func(m *cyclestest.Machine) { m.Place = cyclestest.Bimodal }},
		{"as few boots as there may be", 0.5, func(m *cyclestest.Machine) { m.Boots, m.Place = stats.MinPlacements, cyclestest.Normal }},
		{"as few, and bimodal", 0.5, func(m *cyclestest.Machine) { m.Boots, m.Place = stats.MinPlacements, cyclestest.Bimodal }},
		{"drift", -0.5, func(m *cyclestest.Machine) { m.Place, m.Drift = cyclestest.Normal, up }},
		{"turbo", 1, func(m *cyclestest.Machine) { m.Place, m.Speed = cyclestest.Normal, cyclestest.Turbo }},
		{"spikes", 1, func(m *cyclestest.Machine) { m.Place, m.Spike, m.Samples = cyclestest.Normal, cyclestest.Spikes, 100 }},
		{"coarse clock", 0.3, func(m *cyclestest.Machine) { m.Place, m.Resolution = cyclestest.Normal, 25 }},
		{"counters", 0.3, func(m *cyclestest.Machine) { m.Place, m.Speed, m.Counters = cyclestest.Normal, cyclestest.Turbo, true }},
		{"everything", 0.5, func(m *cyclestest.Machine) {
			m.Place, m.Drift, m.Speed, m.Spike, m.Resolution, m.Samples = cyclestest.Bimodal, up, cyclestest.Turbo, cyclestest.Spikes, 25, 100
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			m := cyclestest.Quiet(20, 40, row.truth)
			row.with(&m)
			held, sum := 0, 0.0
			for range *runs {
				res, err := analysed(t, m, rng)
				if noisy := (*stats.RefusedError)(nil); err != nil && !errors.As(err, &noisy) {
					t.Fatal(err)
				}
				c, _ := res.Find("b", nullCall)
				if estimate(c).Holds(row.truth) {
					held++
				}
				sum += c.Difference.Value
			}
			coverage, bias := float64(held)/float64(*runs), sum/float64(*runs)-row.truth
			t.Logf("coverage %.1f %%, bias %+.3f", 100*coverage, bias)
			if math.Abs(coverage-0.95) > 0.02*chance {
				t.Errorf("%.1f %% of the intervals hold the truth, want 95 %% within %.1f points", 100*coverage, 2*chance)
			}
			if math.Abs(bias) > 0.05*chance {
				t.Errorf("estimates are off by %+.3f on average", bias)
			}
		})
	}
}

// TestControls: a run is refused if what is known comes out otherwise.
func TestControls(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*cyclestest.Machine)
		want string // "": not refused
	}{
		{"good", func(*cyclestest.Machine) {}, ""},
		{"counters", func(m *cyclestest.Machine) { m.Counters = true }, ""},
		{"A/A is off", func(m *cyclestest.Machine) { m.Again = 0.5 }, "A/A reads +0.50"},
		{"no dose", func(m *cyclestest.Machine) { m.PositiveControl = -1 }, "+1 cycle reads +0.00"},
		{"too large a dose", func(m *cyclestest.Machine) { m.PositiveControl = 1 }, "+1 cycle reads +2.00"},
		{"no dose at all", func(m *cyclestest.Machine) { m.Lacks = []string{wire.OpDoseOne} }, "+1 cycle is missing"},
		{"no resolution", func(m *cyclestest.Machine) { m.Lacks = []string{wire.OpStep} }, "20 of 20 boots lack the calibration: resolution"},
		{"no reading of the clock", func(m *cyclestest.Machine) { m.Lacks = []string{wire.OpClock} }, "lack the calibration: reading it"},
		{"a clock that steps far", func(m *cyclestest.Machine) { m.Resolution = 600 }, "steps by 600 ticks, more than 1 cycle of each of 500"},
		{"a counter that counts too fast", func(m *cyclestest.Machine) { m.Counters, m.Miscount = true, 1.1 }, "the cycle counter gave 70.4 to 70.4 for a chain of 64"},
		{"a floor that is none", func(m *cyclestest.Machine) { m.Floor = 160 }, "the floor took 158.0 cycles, no less than the 148.0 of a"},
		{"no floor", func(m *cyclestest.Machine) { m.Lacks = []string{wire.Floor} }, "20 of 20 boots lack the floor (bare)"},
		{"wide", func(m *cyclestest.Machine) {
			m.Spike = func(r *rand.Rand) float64 { return 40 * r.Float64() }
			m.Samples = 3
		}, "A/A reads"},
	} {
		m := cyclestest.Quiet(20, 60, 1)
		row.with(&m)
		res, err := analysed(t, m, rand.New(rand.NewPCG(3, 4)))
		noisy := (*stats.RefusedError)(nil)
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: refused: %v", row.name, err)
		case row.want != "" && (!errors.As(err, &noisy) || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: error is %v, want a RefusedError with %q", row.name, err, row.want)
		case res == nil || len(res.Controls) < 2 && len(m.Lacks) == 0:
			t.Errorf("%s: the controls are not shown", row.name)
		}
	}
}

// TestFloorOfOne: boots of one variant compare nothing, and want no floor.
func TestFloorOfOne(t *testing.T) {
	m := cyclestest.Quiet(9, 20, 0)
	m.Lacks = []string{wire.Floor, "b"}
	if res, err := analysed(t, m, rand.New(rand.NewPCG(5, 6))); err != nil || len(res.Variants) != 1 {
		t.Errorf("refused: %v", err)
	}
}

// TestFigures: absolute figures are without the loop, the floor has no
// difference, the verdict has words.
func TestFigures(t *testing.T) {
	m := cyclestest.Quiet(20, 60, 2)
	res, err := analysed(t, m, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		variant string
		want    float64
		differs bool
	}{{"a", 148, false}, {"b", 150, true}, {"bare", 88, false}} {
		c, ok := res.Find(row.variant, nullCall)
		if !ok || math.Abs(c.Mean-row.want) > 0.2 || (c.Difference.Kind == Interval) != row.differs {
			t.Errorf("%s: %+v, want %v cycles", row.variant, c, row.want)
		}
	}
	if math.Abs(res.Booted.CyclesPerTick-1.3) > 0.01 || res.Engine.Name != "kvm" || res.Engine.Meaningless != "" {
		t.Errorf("result is of %s, %v cycles a tick, meaningless %q", res.Engine.Name, res.Booted.CyclesPerTick, res.Engine.Meaningless)
	}
	if got := res.Verdict("b"); got != "+2.00 ±0.00 cycles" {
		t.Error(got)
	}
}

// TestEngines: what ran the guest is told by what CPUID shows.
func TestEngines(t *testing.T) {
	for _, row := range []struct {
		hypervisor, engine string
		meaningless        bool
	}{{"", "metal", false}, {"KVMKVMKVM", "kvm", false}, {"TCGTCGTCGTCG", "tcg", true}, {"bochs", "bochs", true}, {"VMwareVMware", "hypervisor VMwareVMware", false}} {
		m := cyclestest.Quiet(8, 20, 0)
		m.Hypervisor, m.Again = row.hypervisor, 3
		res, err := analysed(t, m, rand.New(rand.NewPCG(7, 8)))
		if res == nil || res.Engine.Name != row.engine || (res.Engine.Meaningless != "") != row.meaningless {
			t.Errorf("%s: %+v", row.hypervisor, res)
		}
		// What is meaningless is never refused as noisy, and says what it is.
		if (err == nil) != row.meaningless || row.meaningless != strings.HasPrefix(res.Notes[0], "MEANINGLESS") {
			t.Errorf("%s: error %v, notes %q", row.hypervisor, err, res.Notes)
		}
	}
}

// TestRefused: boots that do not belong together.
func TestRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	boots := func() []cycles.Boot {
		list, _, err := cycles.Parse("console", strings.NewReader(cyclestest.Quiet(9, 20, 0).Console(rng)))
		if err != nil {
			t.Fatal(err)
		}
		engine.Resolve(list)
		return list
	}
	for _, row := range []struct {
		name  string
		edit  func([]cycles.Boot) []cycles.Boot
		names []string
		want  string
	}{
		{"few", func(b []cycles.Boot) []cycles.Boot { return b[:7] }, nil, "7 whole boots: want at least 8"},
		{"none", func([]cycles.Boot) []cycles.Boot { return nil }, nil, "0 whole boots"},
		{"another CPU", func(b []cycles.Boot) []cycles.Boot { b[3].Config.Host = "Other"; return b }, nil, "different machines"},
		{"other code", func(b []cycles.Boot) []cycles.Boot { b[3].Config.Code = "beef"; return b }, nil, "different code"},
		{"other counters", func(b []cycles.Boot) []cycles.Boot {
			b[3].Figures = append(b[3].Figures, cycles.Figure{Label: wire.LabelCalibration, Op: cycles.OpChainCounted})
			return b
		}, nil, "same counters"},
		{"the same boot", func(b []cycles.Boot) []cycles.Boot { b[3] = b[4]; return b }, nil, "there twice"},
		{"no such variant", func(b []cycles.Boot) []cycles.Boot { return b }, []string{"a", "z"}, "no variant z: it has a, b, bare"},
		{"no loop", func(b []cycles.Boot) []cycles.Boot {
			b[3].Figures = slices.DeleteFunc(b[3].Figures, func(f cycles.Figure) bool { return f.Label == wire.LabelLoop })
			return b
		}, nil, "1 of 9 boots lack the calibration: the empty loop, a round"},
		{"no floor in some", func(b []cycles.Boot) []cycles.Boot {
			for i := range 2 {
				b[i+1].Figures = slices.DeleteFunc(b[i+1].Figures, func(f cycles.Figure) bool { return f.Label == wire.Floor })
			}
			return b
		}, nil, "2 of 9 boots lack the floor (bare)"},
		{"no floor among those asked for", func(b []cycles.Boot) []cycles.Boot {
			for i := range b {
				b[i].Figures = slices.DeleteFunc(b[i].Figures, func(f cycles.Figure) bool { return f.Label == wire.Floor })
			}
			return b
		}, []string{"a", "b"}, "9 of 9 boots lack the floor (bare)"},
		{"no second base", func(b []cycles.Boot) []cycles.Boot {
			for i := range 2 {
				b[i].Figures = slices.DeleteFunc(b[i].Figures, func(f cycles.Figure) bool { return f.Label == wire.LabelAgain })
			}
			return b
		}, nil, "A/A is missing"},
	} {
		if _, err := compared(row.edit(boots()), row.names); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q in it", row.name, err, row.want)
		}
	}
}

// TestRecords: boots that went through a results file are what they were, and
// give the same result.
func TestRecords(t *testing.T) {
	for _, counters := range []bool{false, true} {
		m := cyclestest.Quiet(9, 40, 1)
		m.Place, m.Counters = cyclestest.Normal, counters
		boots, _, err := cycles.Parse("console", strings.NewReader(m.Console(rand.New(rand.NewPCG(13, 14)))))
		if err != nil {
			t.Fatal(err)
		}
		engine.Resolve(boots)
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
		records, cut, err := store.Read("file", &file, nil)
		if err != nil || cut != "" {
			t.Fatal(err, cut)
		}
		for _, v := range []string{"a", "b", "bare"} {
			want, got := values(boots, v, nullCall), values(engine.Boots(records), v, nullCall)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("counters %v: %s (-console +file):\n%s", counters, v, diff)
			}
		}
		if i := slices.IndexFunc(records, func(r record.Record) bool { return r.Retired != nil }); i >= 0 != counters {
			t.Errorf("counters %v: retired instructions %v", counters, i >= 0)
		}
		if i := slices.IndexFunc(records, func(r record.Record) bool { return r.Events[wire.CounterBlocked] == 1 }); i >= 0 != counters {
			t.Errorf("counters %v: blocked forwards %v", counters, i >= 0)
		}
	}
}

// TestMissing: a boot without an operation takes part in all others.
func TestMissing(t *testing.T) {
	m := cyclestest.Quiet(12, 20, 2)
	boots, _, err := cycles.Parse("console", strings.NewReader(m.Console(rand.New(rand.NewPCG(17, 18)))))
	if err != nil {
		t.Fatal(err)
	}
	boots[4].Figures = slices.DeleteFunc(boots[4].Figures, func(f cycles.Figure) bool { return f.Label == "b" })
	engine.Resolve(boots)
	res, err := compared(boots, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := res.Find("b", nullCall); c.Difference.N != 11 || len(c.Samples) != 11 {
		t.Errorf("b: %+v, want 11 boots", c)
	}
}

// TestBootsNoisyOperation: an operation whose A/A fails is left out alone.
func TestBootsNoisyOperation(t *testing.T) {
	var records []record.Record
	for i := range 10 {
		b := cyclestest.Pretended(i+1, 0, 1)
		for j := range b.Figures {
			if f := &b.Figures[j]; f.Op == fullFrame && f.Label == "-again" {
				f.Low += 5
			}
		}
		records = append(records, b.Records(map[string]string{base: "x", whole: "y", floor: "z"}, recordtest.Day)...)
	}
	s := NewSet(records)
	if len(s.Refused) != 1 || !strings.Contains(s.Refused[0].Reason, "full-frame call (fix-up): too noisy: A/A reads +5.00") || !strings.Contains(s.Refused[0].Reason, "-resume=false") {
		t.Errorf("refused are %q", s.Refused)
	}
	if ops := s.Ops("kvm"); !slices.Equal(ops, []string{nullCall}) {
		t.Errorf("operations are %q", ops)
	}
}

// TestNoisyBootsAgain: boots that were taken again, into the file that has those
// that were refused, are the ones that count; those of a machine that booted by
// itself are not taken by a study.
func TestNoisyBootsAgain(t *testing.T) {
	var first, second, console []record.Record
	for i := range 10 {
		noisy, good := cyclestest.Pretended(i+1, 1, 1), cyclestest.Pretended(i+1, 0, 1)
		first = append(first, noisy.Records(nil, recordtest.Day)...)
		second = append(second, good.Records(nil, recordtest.Day.Add(time.Hour))...)
		noisy.Config.Engine, noisy.Config.Emulator = "metal", ""
		console = append(console, noisy.Records(nil, recordtest.Day)...)
	}
	if s := NewSet(slices.Concat(first, second)); len(s.Refused) != 0 || len(s.Ops("kvm")) != 2 {
		t.Errorf("taken again: refused are %q, operations %q", s.Refused, s.Ops("kvm"))
	}
	if s := NewSet(console); len(s.Refused) != 1 || strings.Contains(s.Refused[0].Reason, "-resume") || !strings.Contains(s.Refused[0].Reason, "Boot the machine again") {
		t.Errorf("of a machine by itself refused are %q", s.Refused)
	}
}
