package analysis

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/stats"
)

const (
	base  = "linux-3.19"
	whole = "heukelum-v2"
	floor = wire.Floor
)

func TestDifference(t *testing.T) {
	inexact := func(variant string, low, mid, high float64) record.Record {
		r := recordtest.Counted(variant, nullCall, mid)
		r.Min, r.Max, r.Agree = low, high, 0.1
		return r
	}
	for _, tt := range []struct {
		name    string
		records []record.Record
		column  Column
		want    string // cell
		verdict string
	}{
		{
			"exact",
			[]record.Record{recordtest.Counted(base, nullCall, 42), recordtest.Counted(whole, nullCall, 48)},
			Column{Engine: "icount"},
			"+6", "+6 instructions, exactly",
		},
		{
			"one, exactly",
			[]record.Record{recordtest.Counted(base, nullCall, 42), recordtest.Counted(whole, nullCall, 41)},
			Column{Engine: "icount"},
			"-1", "-1 instruction, exactly",
		},
		{
			"none, exactly",
			[]record.Record{recordtest.Counted(base, nullCall, 42), recordtest.Counted(whole, nullCall, 42)},
			Column{Engine: "icount"},
			"0", "no difference, exactly",
		},
		{
			"not measured",
			[]record.Record{recordtest.Counted(base, nullCall, 42)},
			Column{Engine: "icount"},
			"-", "not measured",
		},
		{
			"ranges that overlap",
			[]record.Record{inexact(base, 40, 42, 44), inexact(whole, 43, 45, 46)},
			Column{Engine: "icount"},
			"none ±6.0", "no difference seen, ±6.0 instructions",
		},
		{
			"ranges apart",
			[]record.Record{inexact(base, 40, 42, 44), inexact(whole, 50, 52, 53)},
			Column{Engine: "icount"},
			"+6.0 to +13.0", "+10.0 instructions [+6.0, +13.0], ranges of one run",
		},
		{
			"placements that agree", // the noise that both share is no noise of the difference
			[]record.Record{recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(53, 0.3)...)},
			Column{"replay", "SR1"},
			"+3.0 ±0.1", "+3.0 cycles [+2.9, +3.1]",
		},
		{
			"as much as alignment makes",
			[]record.Record{recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(50.9, 0)...)},
			Column{"replay", "SR1"},
			"+0.9 ±0.1", "+0.9 cycles [+0.9, +0.9], no more than the 1 that alignment alone makes",
		},
		{
			"none seen",
			[]record.Record{recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(50.1, 1)...)},
			Column{"replay", "SR1"},
			"none ±0.4", "no difference seen, ±0.4 cycles",
		},
		{
			"less than is spoken of",
			[]record.Record{recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(50.1, 0)...)},
			Column{"replay", "SR1"},
			"none ±0.1", "no difference seen, ±0.1 cycles",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewSet(tt.records).Difference(tt.column, base, whole, nullCall)
			if d.Cell().Text != tt.want || d.Verdict() != tt.verdict {
				t.Errorf("got %q and %q, want %q and %q", d.Cell().Text, d.Verdict(), tt.want, tt.verdict)
			}
		})
	}
}

// TestRuns: placements of several runs are put together by run and index, and
// one that is missing takes its partner with it.
func TestRuns(t *testing.T) {
	a0, b0 := recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(52, 0)...)
	a1, b1 := recordtest.Timed(base, nullCall, "SR1", 1, recordtest.Around(70, 0)...), recordtest.Timed(whole, nullCall, "SR1", 1, recordtest.Around(72, 0)...)
	b0.Samples[3] = nil
	d := NewSet([]record.Record{a0, b1, a1, b0}).Difference(Column{"replay", "SR1"}, base, whole, nullCall)
	if d.N != 79 || math.Abs(d.Value-2) > 1e-9 {
		t.Errorf("%d pairs, difference %g, want 79 and 2", d.N, d.Value)
	}
}

// TestDrawsShared: differences of as many pairs are resampled by one set's draws:
// these are most of what a page takes.
func TestDrawsShared(t *testing.T) {
	const a, b, c = "linux-3.19", "linux-3.19+a", "linux-3.19+b"
	records := []record.Record{
		recordtest.Timed(a, nullCall, "", 1, recordtest.Around(50, 1)...), recordtest.Timed(b, nullCall, "", 1, recordtest.Around(52, 3)...),
		recordtest.Timed(c, nullCall, "", 1, recordtest.Around(54, 5)...),
	}
	s, other := NewSet(records), NewSet(records)
	s.Difference(s.Columns[0], a, b, nullCall)
	other.Difference(s.Columns[0], a, b, nullCall)
	if len(s.draws) != 1 {
		t.Fatalf("%d numbers of pairs were drawn for, want 1", len(s.draws))
	}
	for n := range s.draws {
		d, err := stats.NewDraws(rand.New(rand.NewPCG(2, 2)), n)
		if err != nil {
			t.Fatal(err)
		}
		other.draws[n] = d
	}
	if x, y := s.Difference(s.Columns[0], a, c, nullCall), other.Difference(s.Columns[0], a, c, nullCall); x.Kind != Interval || x == y {
		t.Errorf("the draws were not used: %+v with those of the set, %+v with others", x, y)
	}
}

// TestBetweenRuns: runs that differ by more than their placements tell make the
// interval wider, and runs that agree do not.
func TestBetweenRuns(t *testing.T) {
	for _, tt := range []struct {
		name  string
		means []float64
		want  string
	}{
		{"agree", []float64{2, 2, 2}, "+2.0 ±0.1"},
		{"differ", []float64{-479, -489, -484}, "-484.0 ±12.4"}, // 4.303*5/√3
		{"two tell nothing", []float64{-479, -489}, "-484.0 ±1.1"},
	} {
		var all []record.Record
		for run, m := range tt.means {
			all = append(all, recordtest.Timed(base, nullCall, "SR1", run, recordtest.Around(500, 0)...), recordtest.Timed(whole, nullCall, "SR1", run, recordtest.Around(500+m, 0)...))
		}
		if got := NewSet(all).Difference(Column{"replay", "SR1"}, base, whole, nullCall).Cell().Text; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNewest(t *testing.T) {
	old, now := recordtest.Counted(base, nullCall, 40), recordtest.Counted(base, nullCall, 42)
	old.Code, old.Time = "old", recordtest.Day.Add(-time.Hour)
	linux := recordtest.Counted("Linux 6.1", nullCall, 322)
	linux.Code, linux.Axes = "vmlinuz", ""
	s := NewSet([]record.Record{now, old, linux})
	if r := s.Records(Column{Engine: "icount"}, base, nullCall); len(r) != 1 || r[0].Median != 42 || s.Left != 1 {
		t.Errorf("%d records, %d left out", len(r), s.Left)
	}
	if got, want := s.Variants(base), []string{base, "Linux 6.1"}; !slices.Equal(got, want) {
		t.Errorf("variants are %q, want %q", got, want)
	}
}

func TestBreakEven(t *testing.T) {
	exactly := func(lazyNull, lazyFull, eagerNull, eagerFull float64) []record.Record {
		return []record.Record{
			recordtest.Counted(base, nullCall, lazyNull), recordtest.Counted(base, fullFrame, lazyFull),
			recordtest.Counted(whole, nullCall, eagerNull), recordtest.Counted(whole, fullFrame, eagerFull),
		}
	}
	cycles := func(loss, gain, noise float64) []record.Record {
		return []record.Record{
			recordtest.Timed(base, nullCall, "SR1", 0, recordtest.Around(50, 0)...), recordtest.Timed(base, fullFrame, "SR1", 0, recordtest.Around(80, 0)...),
			recordtest.Timed(whole, nullCall, "SR1", 0, recordtest.Around(50+loss, noise)...), recordtest.Timed(whole, fullFrame, "SR1", 0, recordtest.Around(80-gain, noise)...),
		}
	}
	for _, tt := range []struct {
		name    string
		records []record.Record
		want    string
	}{
		{"between", exactly(42, 66, 48, 61), "from 55 % of the calls on (an ordinary call pays 6, a full-frame call saves 5)"},
		{"never", exactly(42, 66, 45, 66), "never: an ordinary call pays 3, a full-frame call saves 0"},
		{"worse at both", exactly(42, 66, 45, 68), "never: an ordinary call pays 3, a full-frame call saves -2"},
		{"always", exactly(42, 66, 41, 61), "at any share"},
		{"missing", exactly(42, 66, 48, 61)[:3], "not measured"},
		{"cycles", cycles(1, 3, 0.1), "from 25 % of the calls on [24 %, 26 %]"},
		{"cycles, always", cycles(-1, 3, 0.1), "at any share"},
		{"cycles, never", cycles(3, -1, 0.1), "never"},
		{"cycles, perhaps always", cycles(0.1, 3, 1), "at any share, or from at most 14 % on"},
		{"cycles, unknown", cycles(0, 0, 1), "cannot be told: anything from at any share to never"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := NewSet(tt.records)
			if got := s.BreakEven(s.Engines()[0], base, whole).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCost(t *testing.T) {
	one := 41.25
	boot := recordtest.Counted(base, nullCall, 42)
	boot.Unit, boot.Samples = record.Cycles, []*float64{&one}
	two := boot
	other := 42.75
	two.Samples = []*float64{&other, nil}
	none := boot
	none.Samples, none.Max = nil, 43
	for want, records := range map[string][]record.Record{
		"42":                  {recordtest.Counted(base, nullCall, 42)},
		"42 (41.25 to 42.75)": {boot, two},
		"42 (42 to 43)":       {none},
	} {
		if got := Cost(records); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	for _, tt := range []struct {
		want        string
		differences []float64
	}{
		{"2 at -1, 1 at 0, 3 at +1, 1 at +11, 2 between", []float64{1.2, 0.9, 1, -0.8, -1, 0.1, 11, 0.5, 1.6}},
		{"1 at 0", []float64{-0.1}},
		{"1 between", []float64{2.5}},
		{"-10 to +20, half of them +0 to +10", []float64{-10, 0, 10, 20, 5}},
		{"", nil},
	} {
		if got := Steps(tt.differences); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.differences, got, tt.want)
		}
	}
	if strings.Contains(Steps([]float64{-0.1}), "-0") {
		t.Error("zero has a sign")
	}
}
