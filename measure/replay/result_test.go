package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/stats"
)

// simulate returns a run whose placements are made up: the second variant takes difference
// cycles more than the first, the controls what they are said to.
func simulate(t *testing.T, difference, aa, dose, noise float64, dropped int) *Replay {
	t.Helper()
	r, err := Prepare(Config{Variants: named(t, "linux-3.19", "linux-4.1", axes[1]), Processes: 5, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	r.job.Seed = 7
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		p := &placement{Probe: 16.1, Chain: 42, Samples: 1000, process: i / 40} // ticks for 60 cycles
		if i < dropped {
			p.Probe = 25
		}
		for _, c := range r.job.Cells {
			row := make([]float64, len(r.job.Streams))
			for _, s := range c.Streams {
				cycles := 100 + noise*rng.NormFloat64() + []float64{0, difference, 130, aa, 0, dose, 0}[s]
				row[s] = cycles / 60 * 42
			}
			p.Ticks = append(p.Ticks, row)
			if c.Single {
				for s := range r.job.Streams {
					p.Single = append(p.Single, []float64{42, 42 * float64(s+2), 42 * 10}) // 60 cycles and more
				}
			}
		}
		r.placements = append(r.placements, p)
	}
	return r
}

// TestResult: a result has a figure of each placement for each variant and each
// control, and says what cannot be compared.
func TestResult(t *testing.T) {
	res, err := simulate(t, 2, 0.5, 1, 0, 0).result(CPU{})
	if err != nil {
		t.Fatal(err)
	}
	if r := res.CyclesPerTick; r < 1.42 || r > 1.43 {
		t.Errorf("%g cycles for a tick, want 60/42", r)
	}
	if why := res.Apart[axes[1]]; len(res.Apart) != 1 || !strings.Contains(why, "IRETQ") {
		t.Errorf("SYSRET is compared with IRETQ: %q", res.Apart)
	}
	want := map[string]float64{"linux-3.19": 100, "linux-4.1": 102, axes[1]: 230, wire.LabelAgain: 100.5, wire.OpDoseNone: 100, wire.OpDoseOne: 101}
	for _, s := range res.Series {
		name := s.Label
		if name == wire.LabelCalibration {
			name = s.Op
		}
		if len(s.Cycles) != 200 || math.Abs(stats.Mean(s.Cycles)-want[name]) > 1e-9 {
			t.Errorf("%s %s of %s: %d figures of %g, want 200 of %g", s.Op, s.Form, s.Label, len(s.Cycles), stats.Mean(s.Cycles), want[name])
		}
	}
}

// TestSingles: the single calls of each variant are there, in cycles, from the placements
// that are kept.
func TestSingles(t *testing.T) {
	res, err := simulate(t, 0, 0, 1, 0, 50).result(CPU{})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Singles) != 3 {
		t.Fatalf("single calls of %d variants, want 3", len(res.Singles))
	}
	for i, s := range res.Singles {
		if want := []float64{60, 60 * float64(i+2), 600}; s.Label == wire.LabelAgain || len(s.Cycles) != 3*150 || !slices.Equal(s.Cycles[:3], want) {
			t.Errorf("%s: %d single calls, the first %v, want 450 and %v", s.Label, len(s.Cycles), s.Cycles[:3], want)
		}
		if s.Process[0] != 1 || s.Process[449] != 4 {
			t.Errorf("%s: the first is of process %d, the last of %d, want 1 and 4", s.Label, s.Process[0], s.Process[449])
		}
	}
}

// TestTooFew: too few placements are no result.
func TestTooFew(t *testing.T) {
	_, err := simulate(t, 0, 0, 1, 0.5, 196).result(CPU{})
	const want = "4 of 200 placements in 1 of 5 processes are left, want 8 in 3 at least: 196 more dropped because the core was shared (98 %)"
	if _, refused := errors.AsType[*stats.RefusedError](err); !refused || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q", err, want)
	}
}

func TestDropped(t *testing.T) {
	res, err := simulate(t, 0, 0, 1, 0.5, 30).result(CPU{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Placements != 170 || res.Dropped != 30 || !strings.Contains(res.Disturbed(), "30 more dropped because the core was shared (15 %)") {
		t.Errorf("%d kept, %d dropped, notes %q", res.Placements, res.Dropped, res.Disturbed())
	}
}

// TestMoved: placements that lost too many samples are dropped, the others are
// used, and the run is refused when too few are left.
func TestMoved(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lost        func(placement int) float64
		kept        int
		notes, want string
	}{
		{"some", func(i int) float64 { return 0.01 * float64(i%4) }, 200, "1500 of 200000 samples dropped because a hypervisor moved the CPU meanwhile, with 0 placements that lost too many", ""},
		{"some with too many", func(i int) float64 { return 0.6 * float64(i%2) }, 100, "with 100 placements that lost too many", ""},
		{"half is not too many", func(i int) float64 { return 0.5 }, 200, "", ""},
		{"all of most", func(i int) float64 { return float64(min(i%20, 1)) }, 10, "with 190 placements", ""},
		{"all but of two processes", func(i int) float64 { return float64(min(i/80, 1)) }, 80, "", "80 of 200 placements in 2 of 5 processes are left, want 8 in 3 at least"},
		{"all", func(i int) float64 { return 1 }, 0, "", "0 of 200 placements in 0 of 5 processes are left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := simulate(t, 2, 0, 1, 0.05, 0)
			for i, p := range r.placements {
				if p.Lost = tt.lost(i); p.Lost > 0 {
					p.Moved = 10
				}
				if p.Lost == 1 {
					p.Ticks, p.Probe, p.Chain = nil, 0, 0 // as the child sends it
				}
			}
			res, err := r.result(CPU{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("error is %v, want %q", err, tt.want)
			}
			if res.Placements != tt.kept {
				t.Errorf("%d placements are kept, want %d", res.Placements, tt.kept)
			}
			if got := res.Disturbed(); !strings.Contains(got, tt.notes) {
				t.Errorf("says %q, want %q", got, tt.notes)
			}
		})
	}
}

// TestSeries: a sample counts only if both its ends are of one CPU, by each of
// the two ways to tell.
func TestSeries(t *testing.T) {
	for _, tt := range []struct {
		name  string
		call  userCall
		moved int
	}{
		{"same CPU", userCall{startAux: 0x1003, endAux: 0x1003, startLimit: 1, endLimit: 1}, 0},
		{"same CPU, and none that Linux names", userCall{startAux: 3, endAux: 3}, 0},
		{"other physical CPU", userCall{startAux: 0x1003, endAux: 0x1005, startLimit: 1, endLimit: 1}, 1},
		{"other virtual CPU", userCall{startAux: 3, endAux: 3, startLimit: 1, endLimit: 2}, 1},
	} {
		var x series
		tt.call.start, tt.call.end = 100, 300
		x.add(&tt.call, 4)
		if x.moved != tt.moved || len(x.ticks) != 1-tt.moved || tt.moved == 0 && x.ticks[0] != 50 {
			t.Errorf("%s: %+v, want %d moved", tt.name, x, tt.moved)
		}
	}
}

// TestOneCPU: of the CPUs that may be used all must be of one model.
func TestOneCPU(t *testing.T) {
	cpu := func(n int, model, family string) string {
		return fmt.Sprintf("processor\t: %d\ncpu family\t: %s\nmodel\t\t: 1\nmodel name\t: %s\nstepping\t: 1\nmicrocode\t: 0x1\n\n", n, family, model)
	}
	any := func(n int) bool { return n >= 0 }
	two := cpu(0, "A", "25") + cpu(1, "B", "25")
	for _, tt := range []struct {
		name, text string
		may        func(int) bool
		want, fail string
	}{
		{"one", cpu(0, "A", "25"), any, "A (family/model/stepping 25/1/1, microcode 0x1)", ""},
		{"two alike", cpu(0, "A", "25") + cpu(1, "A", "25"), any, "A (family/model/stepping 25/1/1, microcode 0x1)", ""},
		{"two brands", two, any, "", "CPUs of two models, A (family/model/stepping 25/1/1, microcode 0x1) and B"},
		{"two families", cpu(0, "A", "25") + cpu(1, "A", "26"), any, "", "and A (family/model/stepping 26/1/1"},
		{"two, one allowed", two, func(n int) bool { return n == 1 }, "B (family/model/stepping 25/1/1, microcode 0x1)", ""},
		{"none allowed", two, func(int) bool { return false }, "", "lists none that this process may use"},
		{"empty", "", any, "", "lists none that this process may use"},
	} {
		got, err := oneCPU(host.Parse(tt.text), tt.may)
		if tt.fail == "" && (err != nil || got.String() != tt.want) || tt.fail != "" && (err == nil || !strings.Contains(err.Error(), tt.fail)) {
			t.Errorf("%s: %v, %v, want %q%q", tt.name, got, err, tt.want, tt.fail)
		}
	}
}

func TestFindGSBase(t *testing.T) {
	auxv := func(hwcap2 uint64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, 25) // AT_RANDOM
		b = binary.LittleEndian.AppendUint64(b, 0x7fff0002)
		b = binary.LittleEndian.AppendUint64(b, 26)
		return binary.LittleEndian.AppendUint64(b, hwcap2)
	}
	refused := func(uint64) error { return syscall.EPERM }
	for _, tt := range []struct {
		name  string
		auxv  []byte
		prctl gsBase
		want  string
	}{
		{"instruction", auxv(2), refused, ""},
		{"system call", auxv(1), func(uint64) error { return nil }, ""},
		{"neither", auxv(1), refused, "no FSGSBASE, and arch_prctl(ARCH_SET_GS) is refused: operation not permitted"},
		{"no vector", nil, refused, "is refused"},
		{"cut vector", auxv(2)[:24], refused, "is refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := findGSBase(tt.auxv, tt.prctl)
			if tt.want == "" && (err != nil || set == nil) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

// TestPrctl: without FSGSBASE the system call does the same.
func TestPrctl(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const addr = 0x1234000
	if err := prctlGSBase(addr); err != nil {
		t.Fatal(err)
	}
	defer prctlGSBase(0)
	var got uint64
	if err := getGSBase(&got); err != nil || got != addr {
		t.Errorf("GS base is %#x, %v, want %#x", got, err, addr)
	}
}
