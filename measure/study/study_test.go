package study

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// day is when all test records are taken.
var day = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// counted is a record of an exact count.
func counted(variant, op string, count float64) record.Record {
	c := record.Config{Build: "devel", Code: "c0de", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU"}
	return record.New(c, wire.Measure{
		Variant: name(variant), Op: op, N: 500, Batches: 15, Min: count, Median: count, Max: count, Agree: 1,
	}, "axes", record.Instructions, 0, day)
}

// timed is a record of cycles, one for each placement.
func timed(variant, op, form string, run int, samples ...float64) record.Record {
	c := record.Config{Build: "devel", Code: "c0de", Engine: "replay", Machine: "host", CPU: "a CPU", Host: "a CPU", Microcode: "0x1"}
	sorted := slices.Sorted(slices.Values(samples))
	r := record.New(c, wire.Measure{
		Variant: name(variant), Op: op, N: 1, Batches: len(samples),
		Min: sorted[0], Median: sorted[len(sorted)/2], Max: sorted[len(sorted)-1],
	}, "axes", record.Cycles, run, day)
	r.Form = form
	for _, x := range samples {
		r.Samples = append(r.Samples, &x)
	}
	return r
}

// around are placements whose mean is v, and which all share the luck of each
// placement with other variants of the same noise.
func around(v float64, noise float64) []float64 {
	var s []float64
	for i := range 40 {
		s = append(s, v+noise*math.Sin(float64(i))+5*math.Cos(3*float64(i)))
	}
	return s
}

func TestPlan(t *testing.T) {
	list, err := Variants()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, n := range list {
		names[n.Name] = true
	}
	if list[0].Name != base || !list[len(list)-1].Variant.Bare {
		t.Errorf("the first is %s, the last %s", list[0].Name, list[len(list)-1].Name)
	}
	for _, letters := range []string{"", "+a", "+b", "+c", "+a+b", "+a+c", "+b+c", "+a+b+c"} {
		if !names[name(base+letters)] {
			t.Errorf("%s is not measured", base+letters)
		}
	}
	for _, c := range Changes {
		for _, p := range c.Pairs {
			if a, b := name(p[0]), name(p[1]); a == b || !names[a] || !names[b] {
				t.Errorf("%s: %s -> %s is no step of the plan", c.Key, p[0], p[1])
			}
		}
		if title := Title(name(c.Pairs[0][1])); strings.Contains(title, "=") {
			t.Errorf("%s: %s has no title", c.Key, title)
		}
	}
	for _, p := range AllPublished {
		if !slices.ContainsFunc(Changes, func(c Change) bool { return c.Key == p.Change }) {
			t.Errorf("published %q is of no change", p.Text)
		}
	}
}

func TestDifference(t *testing.T) {
	inexact := func(variant string, low, mid, high float64) record.Record {
		r := counted(variant, nullCall, mid)
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
			[]record.Record{counted(base, nullCall, 42), counted(whole, nullCall, 48)},
			Column{Engine: "icount"},
			"+6", "+6 instructions, exactly",
		},
		{
			"one, exactly",
			[]record.Record{counted(base, nullCall, 42), counted(whole, nullCall, 41)},
			Column{Engine: "icount"},
			"-1", "-1 instruction, exactly",
		},
		{
			"none, exactly",
			[]record.Record{counted(base, nullCall, 42), counted(whole, nullCall, 42)},
			Column{Engine: "icount"},
			"0", "no difference, exactly",
		},
		{
			"not measured",
			[]record.Record{counted(base, nullCall, 42)},
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
			[]record.Record{timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(whole, nullCall, "SR1", 0, around(53, 0.3)...)},
			Column{"replay", "SR1"},
			"+3.0 ±0.1", "+3.0 cycles [+2.9, +3.1]",
		},
		{
			"as much as alignment makes",
			[]record.Record{timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(whole, nullCall, "SR1", 0, around(50.9, 0)...)},
			Column{"replay", "SR1"},
			"+0.9 ±0.1", "+0.9 cycles [+0.9, +0.9], no more than the 1 that alignment alone makes",
		},
		{
			"none seen",
			[]record.Record{timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(whole, nullCall, "SR1", 0, around(50.1, 1)...)},
			Column{"replay", "SR1"},
			"none ±0.4", "no difference seen, ±0.4 cycles",
		},
		{
			"less than is spoken of",
			[]record.Record{timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(whole, nullCall, "SR1", 0, around(50.1, 0)...)},
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
	a0, b0 := timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(whole, nullCall, "SR1", 0, around(52, 0)...)
	a1, b1 := timed(base, nullCall, "SR1", 1, around(70, 0)...), timed(whole, nullCall, "SR1", 1, around(72, 0)...)
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
		timed(a, nullCall, "", 1, around(50, 1)...), timed(b, nullCall, "", 1, around(52, 3)...),
		timed(c, nullCall, "", 1, around(54, 5)...),
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
			all = append(all, timed(base, nullCall, "SR1", run, around(500, 0)...), timed(whole, nullCall, "SR1", run, around(500+m, 0)...))
		}
		if got := NewSet(all).Difference(Column{"replay", "SR1"}, base, whole, nullCall).Cell().Text; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStep: where several rungs of a ladder read as a replayed difference does, it
// is said to be a step, and elsewhere it is not.
func TestStep(t *testing.T) {
	for _, tt := range []struct {
		name       string
		difference float64
		rungs      []float64 // what 1, 2 and 6 stores more read as
		cell, says string
	}{
		{"a step", 1, []float64{1, 0.2, 1.1}, "step +1.0", "a step of the fence: 1 or 6 stores more read the same"},
		{"each counts", 1, []float64{1, 2, 6}, "+1.0 ±0.1", "alignment"},
		{"no ladder", 1, nil, "+1.0 ±0.1", "alignment"},
		{"not seen", 0, []float64{0, 0, 0}, "none ±0.1", ", nor of 1, 2 or 6 stores more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []record.Record
			for run := range 3 {
				all = append(all, timed(base, nullCall, "SR1", run, around(100, 0)...), timed(whole, nullCall, "SR1", run, around(100+tt.difference, 0)...))
				res := &replay.Result{}
				for i, reads := range tt.rungs {
					reads += 0.1 * float64(run-1)
					e := stats.Estimate{Mean: reads, Low: reads - 0.1, High: reads + 0.1, N: 10}
					res.Ladder = append(res.Ladder,
						replay.Rung{Form: "SR1", Kind: "store", More: []int{1, 2, 6}[i], Estimate: e},
						replay.Rung{Form: "SR0", Kind: "instruction", More: []int{1, 2, 6}[i], Estimate: stats.Estimate{Mean: 1}})
				}
				all = append(all, replayed(res, nil, all[0].Config, run, day)...)
			}
			p := Page{Set: NewSet(all)}
			d := p.Difference(Column{"replay", "SR1"}, base, whole, nullCall)
			if got := d.Cell().Text; got != tt.cell {
				t.Errorf("the cell is %q, want %q", got, tt.cell)
			}
			if !strings.Contains(d.Verdict(), tt.says) || !strings.Contains(d.Words(), tt.says) {
				t.Errorf("the verdict is %q, in words %q, want %q", d.Verdict(), d.Words(), tt.says)
			}
			if got := p.Certainty("replay"); strings.Contains(got, "step:") != (tt.cell == "step +1.0") {
				t.Errorf("the legend is %q", got)
			}
			if n := len(p.Checks()); n > 0 {
				t.Errorf("%d controls where there are ladders alone", n)
			}
		})
	}
}

func TestNewest(t *testing.T) {
	old, now := counted(base, nullCall, 40), counted(base, nullCall, 42)
	old.Code, old.Time = "old", day.Add(-time.Hour)
	linux := counted("Linux 6.1", nullCall, 322)
	linux.Code, linux.Axes = "vmlinuz", ""
	s := NewSet([]record.Record{now, old, linux})
	if r := s.Records(Column{Engine: "icount"}, base, nullCall); len(r) != 1 || r[0].Median != 42 || s.Left != 1 {
		t.Errorf("%d records, %d left out", len(r), s.Left)
	}
	if got, want := s.Variants(), []string{base, "Linux 6.1"}; !slices.Equal(got, want) {
		t.Errorf("variants are %q, want %q", got, want)
	}
}

func TestBreakEven(t *testing.T) {
	exactly := func(lazyNull, lazyFull, eagerNull, eagerFull float64) []record.Record {
		return []record.Record{
			counted(base, nullCall, lazyNull), counted(base, fullFrame, lazyFull),
			counted(whole, nullCall, eagerNull), counted(whole, fullFrame, eagerFull),
		}
	}
	cycles := func(loss, gain, noise float64) []record.Record {
		return []record.Record{
			timed(base, nullCall, "SR1", 0, around(50, 0)...), timed(base, fullFrame, "SR1", 0, around(80, 0)...),
			timed(whole, nullCall, "SR1", 0, around(50+loss, noise)...), timed(whole, fullFrame, "SR1", 0, around(80-gain, noise)...),
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
			if got := s.BreakEven(s.Engines()[0], Trade{base, whole}).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAgreement(t *testing.T) {
	figure := Published{Unit: record.Cycles, Low: 1.5, High: 2.5}
	cycles := func(low, high float64) Difference {
		return Difference{Kind: Interval, Unit: record.Cycles, Value: (low + high) / 2, Low: low, High: high}
	}
	for _, tt := range []struct {
		name string
		p    Published
		d    Difference
		want string
	}{
		{"inside", figure, cycles(1.9, 2.1), "agrees"},
		{"near", figure, cycles(0.9, 1.1), "agrees within the 1 cycle that alignment alone makes"},
		{"far", figure, cycles(4, 5), "disagrees"},
		{"other unit", figure, Difference{Kind: Exact, Unit: record.Instructions, Value: 2, Low: 2, High: 2}, ""},
		{"not measured", figure, Difference{Unit: record.Cycles}, ""},
		{
			"counts have no slack",
			Published{Unit: record.Instructions, Low: 10, High: 10},
			Difference{Kind: Exact, Unit: record.Instructions, Value: 9, Low: 9, High: 9},
			"disagrees",
		},
	} {
		if got := tt.p.agreement(tt.d); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// sample is a study's records with made-up figures.
func sample() []record.Record {
	list, err := Variants()
	if err != nil {
		panic(err)
	}
	var records []record.Record
	for i, n := range list {
		for j, op := range []string{nullCall, fullFrame, "thread-switch-yield"} {
			if n.Variant.Bare && j > 0 {
				continue
			}
			records = append(records, counted(n.Name, op, float64(40+20*j+i)))
		}
		for f, form := range []string{"SR1", "N0"} {
			records = append(records, timed(n.Name, nullCall, form, 0, around(50+0.5*float64(i)+float64(f), 0.2)...))
		}
		if !n.Variant.Bare {
			records = append(records, timed(n.Name, fullFrame, "SR1", 0, around(80-0.5*float64(i), 0.2)...))
			records = append(records, timed(n.Name, "switch-cold-sp", "SR0", 0, around(400-20*float64(i), 3)...))
		}
	}
	control := timed(Control, "A/A of null-call, truth +0", "SR1", 0, -0.02, 0.01, 0.05)
	control.Samples, control.Axes = nil, ""
	control.Interval = &record.Interval{Low: -0.02, High: 0.05, Level: 0.95}
	return append(records, control)
}

func TestPage(t *testing.T) {
	var b bytes.Buffer
	p := Page{Set: NewSet(sample()), Skipped: []Skipped{{"kvm", "not available here: no /dev/kvm"}}}
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "page.txt")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("not as in %s; if it is meant so, run with -update and review (-want +got):\n%s", golden, diff)
	}
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 130 {
			t.Errorf("wider than a terminal: %s", line)
		}
	}
	if err := p.Write(failing{}); err == nil {
		t.Error("a writer that fails is no error")
	}
}

// TestConfirms: an emulator that counts the same is told in a line; one that
// counts otherwise has a table.
func TestConfirms(t *testing.T) {
	var second []record.Record
	for _, r := range sample() {
		if r.Engine == "icount" {
			r.Engine, r.Emulator = "bochs", "Bochs 2.7"
			second = append(second, r)
		}
	}
	for _, tt := range []struct {
		name string
		add  float64
		want bool
	}{{"same", 0, true}, {"one more", 1, false}} {
		second[0].Median += tt.add
		second[0].Max = second[0].Median
		var b bytes.Buffer
		if err := (Page{Set: NewSet(append(sample(), second...))}).Write(&b); err != nil {
			t.Fatal(err)
		}
		same := strings.Contains(b.String(), "bochs: the same differences as icount, every one")
		if table := strings.Contains(b.String(), "bochs: difference in"); same != tt.want || table == tt.want {
			t.Errorf("%s: told in a line %v, in a table %v", tt.name, same, table)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("closed") }

// fake is an engine with steps of one figure each; at step stop it fails with
// the error.
func fake(steps, stop int, failure error, ran *[]int) Engine {
	return Engine{Name: "icount", Prepare: func(context.Context, []stubs.Named) ([]Step, error) {
		var list []Step
		for i := range steps {
			op := fmt.Sprint("op", i)
			list = append(list, Step{
				Title: op,
				Done: func(have []record.Record) bool {
					return slices.ContainsFunc(have, func(r record.Record) bool { return r.Op == op })
				},
				Run: func(_ context.Context, emit func(...record.Record) error) error {
					*ran = append(*ran, i)
					if i == stop {
						return failure
					}
					return emit(counted(base, op, 42))
				},
			})
		}
		return list, nil
	}}
}

// TestResume interrupts a study at each step and goes on: what was measured is
// in the file, and is not measured again.
func TestResume(t *testing.T) {
	const steps = 4
	quiet := Progress{Step: func(string) {}, Note: func(string) {}}
	for stop := range steps {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		var first, second []int
		for i, engine := range []Engine{fake(steps, stop, context.Canceled, &first), fake(steps, -1, nil, &second)} {
			store, old, _, err := store.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			records, _, err := Run(t.Context(), nil, []Engine{engine}, store, old, quiet)
			if (err == nil) != (i == 1) || i == 0 && !errors.Is(err, context.Canceled) {
				t.Fatalf("error is %v", err)
			}
			if want := []int{stop, steps}[i]; len(records) != want {
				t.Errorf("run %d: %d records, want %d", i, len(records), want)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if want := steps - stop; len(second) != want {
			t.Errorf("stopped at %d, then ran %v", stop, second)
		}
	}
}

func TestRunRefused(t *testing.T) {
	store, _, _, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "r"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var ran []int
	lacking := Engine{Name: "kvm", Prepare: func(context.Context, []stubs.Named) ([]Step, error) {
		return nil, fmt.Errorf("%w: no /dev/kvm", ErrUnavailable)
	}}
	noisy := fake(3, 1, fmt.Errorf("%w: too noisy", ErrNoise), &ran)
	records, skipped, err := Run(t.Context(), nil, []Engine{lacking, noisy}, store, nil, Progress{Step: func(string) {}, Note: func(string) {}})
	if err != nil || len(records) != 2 || len(ran) != 3 {
		t.Errorf("%d records of steps %v, %v", len(records), ran, err)
	}
	if len(skipped) != 2 || !strings.Contains(skipped[1].Reason, "too noisy") {
		t.Errorf("skipped are %q", skipped)
	}
}

// TestRunFullDisk: a study whose file takes no more stops and says so.
func TestRunFullDisk(t *testing.T) {
	store, _, _, err := store.Open(t.Context(), "/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var ran []int
	_, _, err = Run(t.Context(), nil, []Engine{fake(3, -1, nil, &ran)}, store, nil, Progress{Step: func(string) {}, Note: func(string) {}})
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || len(ran) != 1 {
		t.Errorf("ran %v, error is %v", ran, err)
	}
}

func TestComplete(t *testing.T) {
	list := []stubs.Named{{Name: base}, {Name: floor, Variant: stubs.Variant{Bare: true}}}
	ops := []string{nullCall, fullFrame}
	have := []record.Record{counted(base, nullCall, 1), counted(base, fullFrame, 1), counted(floor, nullCall, 1)}
	c := have[0].Config
	if !complete(list, have, c, "", 0, ops) {
		t.Error("all figures are there, but it is not complete")
	}
	other := c
	other.Code = "other"
	for i, bad := range []bool{
		complete(list, have[:2], c, "", 0, ops), complete(list, have[1:], c, "", 0, ops),
		complete(list, have, other, "", 0, ops), complete(list, have, c, "SR1", 0, ops), complete(list, have, c, "", 1, ops),
	} {
		if bad {
			t.Errorf("row %d: complete, though something is missing", i)
		}
	}
}

func TestRelease(t *testing.T) {
	image := make([]byte, 0x1000)
	copy(image[headerMagic:], "HdrS")
	image[headerVersion], image[headerVersion+1] = 0x10, 0x04 // at 0x610
	copy(image[0x610:], "6.1.0-42 (builder) #1\x00")
	edit := func(off int, s string) []byte {
		b := bytes.Clone(image)
		copy(b[off:], s)
		return b
	}
	for _, tt := range []struct {
		name       string
		image      []byte
		want, fail string
	}{
		{"good", image, "6.1.0-42", ""},
		{"an ELF file", edit(headerMagic, "\x7fELF"), "", "is no Linux kernel image"},
		{"short", image[:100], "", "is no Linux kernel image"},
		{"cut", image[:0x500], "", "beyond its setup code"},
		{"no release", edit(0x610, "\x00"), "", "no release at 0x610"},
	} {
		path := filepath.Join(t.TempDir(), "vmlinuz")
		if err := os.WriteFile(path, tt.image, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Release(t.Context(), path)
		if got != tt.want || (err == nil) != (tt.fail == "") || err != nil && !strings.Contains(err.Error(), tt.fail) {
			t.Errorf("%s: got %q, %v", tt.name, got, err)
		}
	}
	if _, err := Release(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file is no error")
	}
}
