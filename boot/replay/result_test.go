package replay

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/entrylab/entrylab/boot/stats"
)

// simulate is a run whose placements are made up: the second variant takes
// difference cycles more than the first, the controls what they are said to.
func simulate(t *testing.T, difference, aa, dose, noise float64, dropped int) *run {
	t.Helper()
	r, err := prepare(Config{Variants: named(t, "linux-3.19", "linux-4.1"), Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		p := &placement{Probe: 16.1, Chain: 42} // ticks for 60 cycles
		if i < dropped {
			p.Probe = 25
		}
		for _, c := range r.job.Cells {
			row := make([]float64, len(r.job.Streams))
			for _, s := range c.Streams {
				cycles := 100 + noise*rng.NormFloat64() + []float64{0, difference, aa, 0, dose}[s]
				row[s] = cycles / 60 * 42
			}
			p.Ticks = append(p.Ticks, row)
		}
		r.placements = append(r.placements, p)
	}
	return r
}

// TestJudge: a run is refused if, and only if, a control fails.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name                        string
		difference, aa, dose, noise float64
		dropped                     int
		want                        string // "" accepted
	}{
		{name: "good", difference: 2, dose: 1, noise: 1},
		{name: "A/A biased", difference: 2, aa: 1, dose: 1, noise: 0.1, want: "A/A was +"},
		{name: "A/A biased the other way", aa: -0.6, dose: 1, noise: 0.5, want: "A/A was -0."},
		{name: "dose not seen", dose: 0, noise: 0.5, want: "+1 cycle was"},
		{name: "dose doubled", dose: 2, noise: 0.5, want: "+1 cycle was +2.0"},
		{name: "noise", dose: 1, noise: 8, want: "A/A was"},
		{name: "neighbour all the time", dose: 1, noise: 0.5, dropped: 196, want: "only 4 of 200 placements"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := simulate(t, tt.difference, tt.aa, tt.dose, tt.noise, tt.dropped).analyse(CPU{})
			var noisy *NoiseError
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &noisy) || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("error is %v, want %q", err, tt.want)
			case tt.want != "":
				return
			}
			if d := res.Headline()[1].Difference; !d.Holds(tt.difference) {
				t.Errorf("the difference is %+v, want %g", d, tt.difference)
			}
			if r := res.CyclesPerTick; r < 1.42 || r > 1.43 {
				t.Errorf("%g cycles for a tick, want 60/42", r)
			}
		})
	}
}

func TestDropped(t *testing.T) {
	res, err := simulate(t, 0, 0, 1, 1, 30).analyse(CPU{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Placements != 170 || res.Dropped != 30 || !strings.Contains(strings.Join(res.Notes(), "\n"), "30 more dropped because the core was shared (15 %)") {
		t.Errorf("%d kept, %d dropped, notes %q", res.Placements, res.Dropped, res.Notes())
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		estimate stats.Estimate
		want     string
	}{
		{stats.Estimate{Mean: 0.05, Low: -0.15, High: 0.25}, "no difference seen (±0.2 cycles)"},
		{stats.Estimate{Mean: 0.005, Low: -0.01, High: 0.02}, "no difference seen (±0.1 cycles)"},
		{stats.Estimate{Mean: 0.7, Low: 0.5, High: 0.9}, "+0.70 ±0.20 cycles on average, less than what alignment does (±1)"},
		{stats.Estimate{Mean: -3.14, Low: -3.34, High: -2.94}, "-3.14 ±0.20 cycles"},
	} {
		if got := Verdict(tt.estimate); got != tt.want {
			t.Errorf("verdict is %q, want %q", got, tt.want)
		}
	}
}

func TestSameCPU(t *testing.T) {
	if err := sameCPU(&userCall{startCPU: 0x1003, endCPU: 0x1003}, 0x1003); err != nil {
		t.Errorf("same CPU: %v", err)
	}
	err := sameCPU(&userCall{startCPU: 0x1003, endCPU: 0x1005}, 0x1003)
	if err == nil || !strings.Contains(err.Error(), "pinned to CPU 3, but a sample ran on CPU 5") {
		t.Errorf("other CPU: %v", err)
	}
}

func TestFindGSBase(t *testing.T) {
	auxv := func(hwcap2 uint64) []byte {
		b := binary.LittleEndian.AppendUint64(nil, 25) // AT_RANDOM
		b = binary.LittleEndian.AppendUint64(b, 0x7fff0002)
		b = binary.LittleEndian.AppendUint64(b, atHWCap2)
		return binary.LittleEndian.AppendUint64(b, hwcap2)
	}
	refused := func(uint64) error { return syscall.EPERM }
	for _, tt := range []struct {
		name  string
		auxv  []byte
		prctl gsBase
		want  string
	}{
		{"instruction", auxv(hwcap2FSGSBASE), refused, ""},
		{"system call", auxv(1), func(uint64) error { return nil }, ""},
		{"neither", auxv(1), refused, "no FSGSBASE, and arch_prctl(ARCH_SET_GS) is refused: operation not permitted"},
		{"no vector", nil, refused, "is refused"},
		{"cut vector", auxv(hwcap2FSGSBASE)[:24], refused, "is refused"},
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
