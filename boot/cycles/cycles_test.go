package cycles

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/stats"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
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
	hypervisor  string
	counters    bool
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
		resolution: 1, hypervisor: "KVMKVMKVM",
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

func summed(kind, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	return fmt.Sprintf("%s: %s crc=%08x\n", kind, text, crc32.ChecksumIEEE([]byte(text)))
}

func (m simulated) boot(rng *rand.Rand) string {
	var b strings.Builder
	id := rng.Uint64()
	b.WriteString(summed("SAMPLING", "boot=%x seed=1 samples=%d counters=%t vendor=GenuineIntel signature=306c3 hypervisor=%s cpu=Simulated_CPU", id, m.samples, m.counters, m.hypervisor))
	speed, lines := m.speed(rng), 0
	series := func(label, op string, n int, cycles float64) {
		ticks, counted := make([]float64, m.samples), make([]float64, m.samples)
		for i := range ticks {
			total := float64(n) * (cycles + m.spike(rng))
			if op == headOp { // what takes long enough to drift
				total += float64(n) * m.drift(float64(i)/float64(m.samples))
			}
			begin := rng.Float64() * m.resolution
			ticks[i] = math.Floor((begin+total/speed)/m.resolution) * m.resolution
			counted[i] = math.Round(total)
		}
		emit := func(counter string, values []float64) {
			lines++
			b.WriteString(line(label, op, counter, n, values))
		}
		emit(counterTSC, ticks)
		if m.counters {
			emit(counterCycles, counted)
			emit(counterInstructions, slices.Repeat([]float64{float64(50 * n)}, len(counted)))
		}
	}
	const rounds = 500
	a := 150 + m.place(rng)
	series("a", headOp, rounds, a)
	series("b", headOp, rounds, 150+m.truth+m.place(rng))
	series(again, headOp, rounds, a+m.again)
	series(loopAlone, headOp, rounds, 2)
	series("bare", headOp, rounds, 90)
	series(calibration, opChain, rounds, chainLength)
	series(calibration, opDoseNone, rounds, 200)
	series(calibration, opDoseOne, rounds, 201+m.dose)
	b.WriteString(summed("SAMPLING", "end=%x lines=%d", id, lines))
	b.WriteString("SUMMARY: 0 tests, 0 unexpected failures, 0 skipped\n")
	return b.String()
}

// line is a series as the guest sends it (guest/measure, quantileList).
func line(label, op, counter string, n int, values []float64) string {
	slices.Sort(values)
	var q []string
	last := 0.0
	for i := range parts + 1 {
		at := values[i*(len(values)-1)/parts]
		q = append(q, fmt.Sprintf("%.0f", at-last))
		last = math.Round(at)
	}
	return summed("SAMPLE", "label=%s op=%s counter=%s n=%d samples=%d lost=0 q=%s", label, op, counter, n, len(values), strings.Join(q, ","))
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
	if testing.Short() {
		t.Skip("simulates thousands of runs")
	}
	const runs = 600
	up := func(done float64) float64 { return 8 * done }
	for _, row := range []struct {
		name  string
		truth float64
		with  func(*simulated)
	}{
		{"placements", 0, func(m *simulated) { m.place = normal }},
		{"bimodal placements", 0.5, func(m *simulated) { m.boots, m.place = 40, bimodal }},
		{"drift", -0.5, func(m *simulated) { m.place, m.drift = normal, up }},
		{"turbo", 1, func(m *simulated) { m.place, m.speed = normal, turbo }},
		{"spikes", 1, func(m *simulated) { m.place, m.spike, m.samples = normal, spikes, 100 }},
		{"coarse clock", 0.3, func(m *simulated) { m.place, m.resolution = normal, 25 }},
		{"counters", 0.3, func(m *simulated) { m.place, m.speed, m.counters = normal, turbo, true }},
		{"everything", 0.5, func(m *simulated) {
			m.boots, m.place, m.drift, m.speed, m.spike, m.resolution, m.samples = 40, bimodal, up, turbo, spikes, 25, 100
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
		case res == nil || len(res.Controls) < 2:
			t.Errorf("%s: the controls are not shown", row.name)
		}
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
	if math.Abs(res.CyclesPerTick-1.3) > 0.01 || res.Engine != "kvm" || res.Meaningless != "" {
		t.Errorf("result is of %s, %v cycles a tick, meaningless %q", res.Engine, res.CyclesPerTick, res.Meaningless)
	}
	if got := Verdict(stats.Estimate{Mean: 0.1, Low: -0.2, High: 0.4}); got != "no difference seen (±0.3 cycles)" {
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
	}{{"-", "metal", false}, {"KVMKVMKVM", "kvm", false}, {"TCGTCGTCGTCG", "emulator", true}, {"bochs", "emulator", true}, {"VMwareVMware", "hypervisor VMwareVMware", false}} {
		m := quiet(8, 20, 0)
		m.hypervisor, m.again = row.hypervisor, 3
		res, err := m.analysed(t, rand.New(rand.NewPCG(7, 8)))
		if res == nil || res.Engine != row.engine || (res.Meaningless != "") != row.meaningless {
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
		{"a line lost", func(l []string) []string { return slices.Delete(l, at(2), at(2)+1) }, 2, "8 lines of samples, 7 came"},
		{"a line's kind", func(l []string) []string { l[at(2)] = "SXMPLE" + l[at(2)][6:]; return l }, 2, "8 lines of samples, 7 came"},
		{"a line twice", func(l []string) []string { return slices.Insert(l, at(2), l[at(2)]) }, 2, "comes twice"},
		{"no beginning", func(l []string) []string { return slices.Delete(l, at(0), at(0)+1) }, 2, "without the line that begins"},
		{"a damaged beginning", func(l []string) []string { l[at(0)] = strings.Replace(l[at(0)], "seed=1", "seed=2", 1); return l }, 2, "without the line that begins"},
		{"no end", func(l []string) []string { return slices.Delete(l, per+per-2, per+per) }, 2, "the boot has no end"},
		{"cut off in the last boot", func(l []string) []string { return l[:2*per+4] }, 2, "the boot has no end"},
		{"few quantiles", func(l []string) []string {
			l[at(2)] = summed("SAMPLE", "label=a op=x counter=tsc n=1 samples=1 lost=0 q=1,2")
			return l
		}, 2, "2 quantiles, want 21"},
		{"no number", func(l []string) []string {
			l[at(2)] = summed("SAMPLE", "label=a op=x counter=tsc n=x samples=1 lost=0 q=1")
			return l
		}, 2, "n=x"},
		{"negative", func(l []string) []string {
			l[at(2)] = summed("SAMPLE", "label=a op=x counter=tsc n=1 samples=1 lost=0 q=%s-1", strings.Repeat("1,", parts))
			return l
		}, 2, "invalid syntax"},
		{"other lines between", func(l []string) []string { return slices.Insert(l, at(3), "entrylab: hello\n", "garbage \x00\xff\n") }, 3, ""},
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
		{"another CPU", func(b []Boot) []Boot { b[3].Machine.CPU = "Other"; return b }, nil, "different machines"},
		{"other counters", func(b []Boot) []Boot { b[3].Counters = true; return b }, nil, "same counters"},
		{"the same boot", func(b []Boot) []Boot { b[3] = b[4]; return b }, nil, "there twice"},
		{"no such variant", func(b []Boot) []Boot { return b }, []string{"a", "z"}, "no variant z: it has a, b, bare"},
		{"no chain", func(b []Boot) []Boot {
			b[3].Series = slices.DeleteFunc(b[3].Series, func(s Series) bool { return s.Op == opChain })
			return b
		}, nil, "no calibration"},
		{"no second base", func(b []Boot) []Boot {
			b[3].Series = slices.DeleteFunc(b[3].Series, func(s Series) bool { return s.Label == again })
			return b
		}, nil, "A/A is missing"},
	} {
		if _, err := Analyse(row.edit(boots()), row.names); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q in it", row.name, err, row.want)
		}
	}
}

// TestTCG boots the guest for real. What it takes for cycles is the emulator's
// time, and the result must say so.
func TestTCG(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("no qemu-system-x86_64: run `make deps`")
	}
	var list []stubs.Named
	for _, name := range []string{"linux-3.19", "heukelum-v2", Floor} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	start := time.Now()
	res, err := Run(t.Context(), Config{
		Variants: list, Boots: stats.MinPlacements, Samples: 8,
		VM: vm.Config{Engine: vm.TCG, Timeout: vm.TimeoutFor(t, time.Minute)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d boots in %v", res.Boots, time.Since(start))
	if !strings.Contains(res.Notes()[0], "MEANINGLESS") {
		t.Errorf("notes are %q", res.Notes())
	}
	for _, n := range list[:2] {
		// Not those of two threads, which a busy host brings out of step here.
		for _, op := range []string{"null-call", "unknown-call", "full-frame-call", "signal-round-trip"} {
			if c, ok := res.Find(n.Name, op); !ok || len(c.Cycles) != res.Boots || c.Mean <= 0 {
				t.Errorf("%s of %s: %+v", op, n.Name, c)
			}
		}
	}
	if c, ok := res.Find(Floor, headOp); !ok || c.Difference != nil {
		t.Errorf("floor: %+v", c)
	}
	for _, name := range []string{"A/A", "+1 cycle"} {
		if !slices.ContainsFunc(res.Controls, func(c Control) bool { return c.Name == name && c.Op == headOp }) {
			t.Errorf("no control %s of %s: %+v", name, headOp, res.Controls)
		}
	}
}
