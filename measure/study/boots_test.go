package study

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

var kvmConfig = record.Config{
	Build: "test", Code: "0011", Engine: "kvm", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU", Microcode: "0x1",
}

// pretended is what a boot samples on a machine where heukelum-v2 takes 2 cycles
// more than linux-3.19, and where again and dose are what the controls give.
func pretended(boot int, again, dose float64) cycles.Boot {
	b := cycles.Boot{ID: uint64(boot), Source: fmt.Sprint("boot ", boot), Config: kvmConfig}
	jitter := 0.01 * float64(boot%5)
	add := func(label, op, unit string, value float64) {
		b.Figures = append(b.Figures, cycles.Figure{
			Label: label, Op: op, Unit: unit, N: 500, Samples: 9, Low: value, Min: value - 1, Median: value + 1, Max: value + 9,
		})
	}
	for i, op := range []string{nullCall, fullFrame} {
		cost := 150 + 30*float64(i) + jitter
		add(base, op, record.Cycles, cost)
		add(whole, op, record.Cycles, cost+2-4*float64(i)+jitter)
		add("-again", op, record.Cycles, cost+again)
		add("-loop", op, record.Cycles, 2)
	}
	add(floor, nullCall, record.Cycles, 90)
	add("-calibration", "chain", record.Ticks, 50)
	add("-calibration", "dose-none", record.Cycles, 200)
	add("-calibration", "dose-one", record.Cycles, 200+dose)
	add("-calibration", "clock", record.Ticks, 30)
	add("-calibration", "step", record.Ticks, 1)
	return b
}

// booting is the engine with steps that pretend.
func booting(b Boots, sample func(ctx context.Context, boot int) (cycles.Boot, error)) Engine {
	return Engine{Name: "kvm", Prepare: func(context.Context, []stubs.Named) ([]Step, error) {
		return b.stepsOf(kvmConfig, map[string]string{base: "sp=percpu", whole: "sp=frame", floor: "bare"}, sample), nil
	}}
}

var silent = Progress{Step: func(string) {}, Note: func(string) {}}

func sameHost() record.Config { return kvmConfig }

// TestBootsResume interrupts the boots, at each of them, as Ctrl-C and as a full
// disk do: those that ended are in the file, and the next run takes the rest.
func TestBootsResume(t *testing.T) {
	const n = 10
	for stop := 1; stop <= n; stop++ {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		var ran []int
		for try := range 2 {
			file, old, cut, err := store.Open(t.Context(), path)
			if err != nil || cut != "" {
				t.Fatal(err, cut)
			}
			engine := booting(Boots{N: n, host: sameHost}, func(_ context.Context, boot int) (cycles.Boot, error) {
				if try == 0 && boot == stop {
					return cycles.Boot{}, context.Canceled
				}
				ran = append(ran, boot)
				return pretended(boot, 0, 1), nil
			})
			records, _, err := Run(t.Context(), nil, []Engine{engine}, file, old, silent)
			if (err == nil) != (try == 1) {
				t.Fatalf("try %d: %v", try, err)
			}
			if want := []int{stop - 1, n}[try]; len(Booted(records, kvmConfig)) != want {
				t.Errorf("try %d: %d boots, want %d", try, len(Booted(records, kvmConfig)), want)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if want := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}; !slices.Equal(ran, want) {
			t.Errorf("stopped at %d: ran %v", stop, ran)
		}
	}
}

// TestBootsPage: a page of boots has differences with intervals, controls and
// calibration, and none of these if the controls fail or boots are few.
func TestBootsPage(t *testing.T) {
	for _, row := range []struct {
		name        string
		boots       int
		again, dose float64
		want        []string
	}{
		{"good", 20, 0, 1, []string{
			"kvm: difference in cycles", "(a)+(b)+(c)   +2.0 ±0.1", "agrees",
			"kvm control, 20 boots: +1 cycle of null-call, truth +1: +1.00", "kvm control, 20 boots: A/A of null-call",
			"kvm calibration: core cycles of a tick: 1.28 to 1.28 cycles", "kvm calibration: resolution of the time-stamp counter: 0 to 0 ticks", "kvm: 20 boots, each with the entry paths at other addresses at random",
			"heukelum-v2 instead of linux-3.19, kvm: from 50 % of the calls on",
		}},
		{"A/A is off", 20, 1, 1, []string{"kvm: these boots are too noisy: A/A was +1.00 ±0.00 cycles over 20 boots"}},
		{"what to do", 20, 1, 1, []string{"nothing can be said about the variants. These boots stay in the results file: entrylab study -resume=false takes new ones, or another -o does"}},
		{"no dose", 20, 0, 0, []string{"kvm: these boots are too noisy: +1 cycle was +0.00 ±0.00 cycles over 20 boots"}},
		{"few", 7, 0, 1, []string{"kvm: 7 whole boots: want at least 8"}},
	} {
		var records []record.Record
		axes := map[string]string{base: "sp=percpu", whole: "sp=frame", floor: "bare"}
		for i := range row.boots {
			b := pretended(i+1, row.again, row.dose)
			records = append(records, b.Records(axes, day)...)
		}
		var page bytes.Buffer
		if err := (Page{Set: NewSet(records)}).Write(&page); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(page.String()), " ")
		for _, want := range row.want {
			if !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
				t.Errorf("%s: no %q in:\n%s", row.name, want, page.String())
			}
		}
		if row.name != "good" && strings.Contains(text, "difference in") {
			t.Errorf("%s: figures are shown:\n%s", row.name, page.String())
		}
		if (row.again != 0 || row.dose != 1) != strings.Contains(text, "-resume=false") {
			t.Errorf("%s: new boots are advised where there is no noise, or not where there is:\n%s", row.name, page.String())
		}
		if strings.Contains(text, "-again") || strings.Contains(text, "-calibration") {
			t.Errorf("%s: the machinery is shown as a variant:\n%s", row.name, page.String())
		}
	}
}

// TestBootsNoisyOperation: an operation whose A/A fails is left out alone.
func TestBootsNoisyOperation(t *testing.T) {
	var records []record.Record
	for i := range 10 {
		b := pretended(i+1, 0, 1)
		for j := range b.Figures {
			if f := &b.Figures[j]; f.Op == fullFrame && f.Label == "-again" {
				f.Low += 5
			}
		}
		records = append(records, b.Records(map[string]string{base: "x", whole: "y", floor: "z"}, day)...)
	}
	s := NewSet(records)
	if len(s.Refused) != 1 || !strings.Contains(s.Refused[0].Reason, "full-frame call (fix-up): too noisy: A/A was +5.00") || !strings.Contains(s.Refused[0].Reason, "-resume=false") {
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
		noisy, good := pretended(i+1, 1, 1), pretended(i+1, 0, 1)
		first = append(first, noisy.Records(nil, day)...)
		second = append(second, good.Records(nil, day.Add(time.Hour))...)
		noisy.Config.Engine, noisy.Config.Emulator = "metal", ""
		console = append(console, noisy.Records(nil, day)...)
	}
	if s := NewSet(slices.Concat(first, second)); len(s.Refused) != 0 || len(s.Ops("kvm")) != 2 {
		t.Errorf("taken again: refused are %q, operations %q", s.Refused, s.Ops("kvm"))
	}
	if s := NewSet(console); len(s.Refused) != 1 || strings.Contains(s.Refused[0].Reason, "-resume") || !strings.Contains(s.Refused[0].Reason, "Boot the machine anew") {
		t.Errorf("of a machine by itself refused are %q", s.Refused)
	}
}

// TestCPUChanges: a boot during which the machine underneath became another one
// is refused, and what was measured before is kept.
func TestCPUChanges(t *testing.T) {
	for _, row := range []struct {
		name  string
		other func(*record.Config)
	}{
		{"CPU", func(c *record.Config) { c.Host = "another CPU" }},
		{"microcode", func(c *record.Config) { c.Microcode = "0x2" }},
	} {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		file, _, _, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		now := kvmConfig
		b := Boots{N: 5, host: func() record.Config { return now }}
		engine := booting(b, func(_ context.Context, boot int) (cycles.Boot, error) {
			if boot == 3 {
				row.other(&now)
			}
			return pretended(boot, 0, 1), nil
		})
		_, _, err = Run(t.Context(), nil, []Engine{engine}, file, nil, silent)
		if err == nil || !strings.Contains(err.Error(), "the CPU changed under the run: it was a CPU (microcode 0x1), now it is") || !strings.Contains(err.Error(), "boot 3 is not counted") {
			t.Errorf("%s: error is %v", row.name, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		records, _, err := store.ReadFile(t.Context(), path)
		if err != nil || len(Booted(records, kvmConfig)) != 2 {
			t.Errorf("%s: %d boots are kept (%v), want 2", row.name, len(Booted(records, kvmConfig)), err)
		}
	}
}

// TestBootsFail: a boot that fails is no figure, and its error is the run's.
func TestBootsFail(t *testing.T) {
	wrong := errors.New("the machine fell over")
	engine := booting(Boots{N: 3, host: sameHost}, func(context.Context, int) (cycles.Boot, error) { return cycles.Boot{}, wrong })
	records, _, err := Run(t.Context(), nil, []Engine{engine}, nil, nil, silent)
	if !errors.Is(err, wrong) || len(records) != 0 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// TestConsoles: boots of a captured console are records as all others; those
// that the file holds are not added again.
func TestConsoles(t *testing.T) {
	var boots []cycles.Boot
	for i := range 9 {
		b := pretended(i+1, 0, 1)
		b.Config.Engine, b.Config.Machine, b.Config.Emulator, b.Config.Build = "metal", "host", "", ""
		boots = append(boots, b)
	}
	first := Consoles(boots[:5], nil)
	records := append(first, Consoles(boots, first)...)
	for _, r := range records {
		if r.Engine != "metal" || r.Build == "" || r.Variant == whole && !strings.HasPrefix(r.Axes, "sp=frame,") {
			t.Fatalf("%+v", r)
		}
	}
	s := NewSet(records)
	if d := s.Difference(Column{Engine: "metal"}, base, whole, nullCall); d.Kind != Interval || d.N != 9 {
		t.Errorf("difference is %+v", d)
	}
	for name, want := range map[string]string{"linux": "", "mine": "own"} {
		if got := consoleAxes(name); got != want {
			t.Errorf("axes of %s are %q, want %q", name, got, want)
		}
	}
}

// TestStatic: counts are records, and the page tells of them.
func TestStatic(t *testing.T) {
	var list []stubs.Named
	for _, name := range []string{base, whole, floor} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for try := range 2 {
		file, old, _, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		noted := 0
		records, _, err := Run(t.Context(), list, []Engine{Static(nil)}, file, old, Progress{Step: func(string) {}, Note: func(string) { noted++ }})
		if err := errors.Join(err, file.Close()); err != nil || noted != try {
			t.Fatalf("%v, %d notes", err, noted)
		}
		s := NewSet(records)
		for op, want := range map[string]float64{"insns": 6, "stores/entry": 5, "lines/entry": 0} {
			if d := s.Difference(Column{Engine: "static"}, base, whole, op); d.Kind != Exact || d.Value != want {
				t.Errorf("%s: %+v, want %+g", op, d, want)
			}
		}
		if ops := s.Ops("static"); !slices.Equal(ops, countOps()) || s.Unit("static") != "counts" {
			t.Errorf("operations are %q in %s", ops, s.Unit("static"))
		}
		all := slices.IndexFunc(Changes, func(c Change) bool { return c.Key == "(a)+(b)+(c)" })
		lines := Page{Set: s}.answer(Changes[all])
		if len(lines) == 0 || lines[0] != "static: +6 insns, +39 code-bytes, +1 loads, +5 stores, +1 rsp-forwards" {
			t.Errorf("the answer is %q", lines)
		}
	}
}

// TestBootsTCG boots the guest for real. What it takes for cycles is the
// emulator's time, and the page must say so.
func TestBootsTCG(t *testing.T) {
	need.QEMU(t)
	var list []stubs.Named
	for _, name := range []string{base, whole, floor} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	b := Boots{Machine: vm.Config{Engine: vm.TCG}, N: stats.MinPlacements, Samples: 8}
	c, err := b.Config(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	records, skipped, err := Run(t.Context(), list, []Engine{b.Engine()}, nil, nil, silent)
	if err != nil || len(skipped) > 0 {
		t.Fatal(err, skipped)
	}
	for _, step := range must(b.steps(t.Context(), list)) {
		if !step.Done(records) {
			t.Errorf("%s is not there, though it was taken", step.Title)
		}
	}
	boots := Booted(records, c)
	res, err := cycles.Analyse(boots, nil)
	if err != nil || res.Boots != b.N {
		t.Fatalf("%d boots, %v", len(boots), err)
	}
	for _, n := range list[:2] {
		// Not those of two threads, which a busy host brings out of step here.
		for _, op := range []string{nullCall, "unknown-call", fullFrame, "signal-round-trip"} {
			if c, ok := res.Find(n.Name, op); !ok || len(c.Cycles) != res.Boots || c.Mean <= 0 {
				t.Errorf("%s of %s: %+v", op, n.Name, c)
			}
		}
	}
	if c, ok := res.Find(floor, nullCall); !ok || c.Difference != nil {
		t.Errorf("floor: %+v", c)
	}
	if len(res.Controls) < 2 || len(res.Calibration) != 4 {
		t.Errorf("controls %+v, calibration %+v", res.Controls, res.Calibration)
	}
	var page bytes.Buffer
	if err := (Page{Set: NewSet(records)}).Write(&page); err != nil || !strings.Contains(page.String(), "tcg: MEANINGLESS as cycles") {
		t.Errorf("the page (%v) is\n%s", err, page.String())
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestBaselineBoots samples on Linux, in two boots under TCG, whose cycles mean
// nothing.
func TestBaselineBoots(t *testing.T) {
	kernel := need.Linux(t)
	release, err := Release(t.Context(), kernel)
	if err != nil {
		t.Fatal(err)
	}
	var records []record.Record
	b := Boots{Machine: vm.Config{Engine: vm.TCG}, N: 2, Samples: 4}
	if err := Baseline(t.Context(), b, kernel, "", func(some ...record.Record) error {
		records = append(records, some...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	boots := cycles.FromRecords(records)
	if len(boots) != 2 {
		t.Fatalf("%d boots, want 2", len(boots))
	}
	if f, ok := boots[1].Find("Linux "+release, nullCall); !ok || f.Low <= 0 || f.Unit != record.Cycles {
		t.Errorf("the null call is %+v", f)
	}
	if set := NewSet(records); len(set.Refused) != 1 || !strings.Contains(set.Refused[0].Reason, "2 whole boots: want at least 8") {
		t.Errorf("refused are %q", set.Refused)
	}
}

// TestReplayed: a replay by itself is a run of its own, behind those of the same
// code.
func TestReplayed(t *testing.T) {
	var list []stubs.Named
	for _, name := range []string{base, whole} {
		list = append(list, must(stubs.ParseVariant(name)))
	}
	res := &replay.Result{
		Processes: 1, Process: []int{0, 0, 0},
		Controls: []replay.Control{{Name: "A/A", Op: replay.OpNull, Form: "SR1", Estimate: stats.Estimate{Mean: 0.1, Low: -0.1, High: 0.2, N: 3}}},
		Cells: []replay.Cell{
			{Op: replay.OpNull, Form: "SR1", Figures: []replay.Figure{{Variant: base, Cycles: []float64{100, 101, 103}}, {Variant: whole, Cycles: []float64{102, 103, 104}}}},
			{Op: replay.OpFull, Form: "SR1", Noisy: "A/A was +9.00", Figures: []replay.Figure{{Variant: base, Cycles: []float64{1}}}},
		},
	}
	var old []record.Record
	for run := range 2 {
		records, err := Replayed(t.Context(), res, list, old)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) != 3 || records[0].Run != run || records[0].Op != nullCall || records[0].Engine != "replay" || records[2].Variant != Control {
			t.Fatalf("run %d: %+v", run, records)
		}
		old = append(old, records...)
	}
	if d := NewSet(old).Difference(Column{"replay", "SR1"}, base, whole, nullCall); d.Kind != Spread || d.Value != 2 {
		t.Errorf("difference is %+v", d)
	}
	res.Processes, res.Process = 3, []int{0, 0, 2} // nothing of the second is left
	records, err := Replayed(t.Context(), res, list, old)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records[:4] {
		got = append(got, fmt.Sprintf("run %d of %s: %d placements, median %g", r.Run, r.Variant, len(r.Samples), r.Median))
	}
	if want := []string{
		"run 2 of linux-3.19: 2 placements, median 100", "run 4 of linux-3.19: 1 placements, median 103",
		"run 2 of heukelum-v2: 2 placements, median 102", "run 4 of heukelum-v2: 1 placements, median 104",
	}; !slices.Equal(got, want) {
		t.Errorf("of processes are %q, want %q", got, want)
	}
}

func TestFigure(t *testing.T) {
	one := 41.25
	boot := counted(base, nullCall, 42)
	boot.Unit, boot.Samples = record.Cycles, []*float64{&one}
	two := boot
	other := 42.75
	two.Samples = []*float64{&other, nil}
	none := boot
	none.Samples, none.Max = nil, 43
	for want, records := range map[string][]record.Record{
		"42":                  {counted(base, nullCall, 42)},
		"42 (41.25 to 42.75)": {boot, two},
		"42 (42 to 43)":       {none},
	} {
		if got := Figure(records); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
