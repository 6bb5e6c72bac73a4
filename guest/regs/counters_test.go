package regs

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
)

func TestCounted(t *testing.T) {
	defer func() { perf = perfState{} }()
	perf.Begun = Counts{1<<48 - 100, 7, [layout.CountedEvents]uint64{1, 2, 1<<40 - 1}}
	perf.Ended = Counts{50, 27, [layout.CountedEvents]uint64{1, 5, 4}} // some have wrapped, at 48 and 40 bits
	if got, want := Counted(), (Counts{150, 20, [layout.CountedEvents]uint64{0, 3, 5}}); got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// TestCalibration: on this CPU, too, a chain twice as long takes twice the
// ticks, and the clock moves on.
func TestCalibration(t *testing.T) {
	least := func(l Loop, n int) float64 {
		var all []uint64
		for range 200 {
			ticks, err := l(n, -1)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ticks)
		}
		return float64(slices.Min(all))
	}
	if ratio := least(Chain(), 2000) / least(Chain(), 1000); ratio < 1.8 || ratio > 2.2 {
		t.Errorf("a chain of 2000 rounds takes %.2f times the ticks of one of 1000", ratio)
	}
	if least(Step(), 1) == 0 {
		t.Error("the clock stands still")
	}
	if before := Now(); Now() <= before {
		t.Error("the clock does not move on")
	}
	none, one := PositiveControl(39) // getpid
	if a, b := least(none, 100), least(one, 100); a == 0 || b == 0 {
		t.Errorf("doses take %v and %v ticks", a, b)
	}
	if a, b, c, _ := CPUID(0, 0); a == 0 || b == 0 || c == 0 {
		t.Error("CPUID leaf 0 is empty")
	}
}
