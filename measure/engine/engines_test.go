package engine_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/stubs"
)

const (
	base  = "linux-3.19"
	whole = "heukelum-v2"
)

func silent(string) {}

// subjects returns the variants base and whole, and the floor.
func subjects(t *testing.T) []stubs.Variant {
	t.Helper()
	var list []stubs.Variant
	for _, name := range []string{base, whole, wire.Floor} {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// TestRegistry: every engine is there by its name and says what it is.
func TestRegistry(t *testing.T) {
	if got, want := engine.Names(engine.Measuring()), []string{"icount", "bochs", "static", "kvm", "replay"}; !slices.Equal(got, want) {
		t.Errorf("engines that measure costs are %q, want %q", got, want)
	}
	for _, e := range engine.All() {
		switch {
		case e.About == "" || e.Rank == 0 || len(e.Ops) == 0 || e.Kind != engine.Exact && e.Kind != engine.Sampled:
			t.Errorf("%s does not say what it is", e.Name)
		case e.Unit != "" && !slices.Contains(record.Units, e.Unit):
			t.Errorf("%s: its unit is %q", e.Name, e.Unit)
		case e.Kind == engine.Sampled && e.Sample == "":
			t.Errorf("%s samples, and does not say what", e.Name)
		case e.VM != "" && (e.Defaults.Machine == "" || e.Defaults.CPU == "" || e.Defaults.Boots == 0):
			t.Errorf("%s boots a machine and has no defaults", e.Name)
		}
	}
}

// TestConsoles: boots of a captured console are records as all others; those
// that the file holds are not added again.
func TestConsoles(t *testing.T) {
	var boots []cycles.Boot
	for i := range 9 {
		b := cyclestest.Pretended(i+1, 0, 1)
		b.Hypervisor, b.Config.Emulator = "-", ""
		boots = append(boots, b)
	}
	engine.Resolve(boots)
	first := engine.ConsoleRecords(boots[:5], nil)
	records := append(first, engine.ConsoleRecords(boots, first)...)
	for _, r := range records {
		if r.Engine != "metal" || r.Build == "" || r.Variant == whole && !strings.HasPrefix(r.Axes, "sp=frame,") {
			t.Fatalf("%+v", r)
		}
	}
	s := analysis.NewSet(records)
	if d := s.Difference(analysis.Column{Engine: "metal"}, base, whole, wire.OpNullCall); d.Kind != analysis.Interval || d.N != 9 {
		t.Errorf("difference is %+v", d)
	}
	for name, want := range map[string]string{"linux": "", "mine": "own"} {
		for i := range boots {
			boots[i].Rename(whole, name)
		}
		for _, r := range engine.ConsoleRecords(boots, nil) {
			if r.Variant == name && r.Axes != want {
				t.Errorf("axes of %s are %q, want %q", name, r.Axes, want)
			}
		}
		for i := range boots {
			boots[i].Rename(name, whole)
		}
	}
}

// TestStatic: counts are records, and the page tells of them.
func TestStatic(t *testing.T) {
	static, _ := engine.Find("static")
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for try := range 2 {
		file, old, _, err := store.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		noted := 0
		runner := engine.Runner{Job: engine.Job{Subjects: subjects(t)}, Store: file, Old: old, Note: func(string) { noted++ }}
		out, err := runner.Run(t.Context(), static)
		if err := errors.Join(err, file.Close()); err != nil || noted != try {
			t.Fatalf("%v, %d notes", err, noted)
		}
		s := analysis.NewSet(out.Records)
		for op, want := range map[string]float64{"insns": 6, "stores/entry": 5, "lines/entry": 0} {
			if d := s.Difference(analysis.Column{Engine: "static"}, base, whole, op); d.Kind != analysis.Exact || d.Value != want {
				t.Errorf("%s: %+v, want %+g", op, d, want)
			}
		}
		if ops := s.Ops("static"); len(ops) != 10 || ops[0] != "insns" || ops[7] != "lines-beyond" || ops[9] != "usersp-own-lines" || s.Unit("static") != "counts" {
			t.Errorf("operations are %q in %s", ops, s.Unit("static"))
		}
		if text := page(t, out.Records); !strings.Contains(text, "static: +6 insns, +35 code-bytes, +1 loads, +5 stores, +1 rsp-forwards") {
			t.Errorf("the answer is not in\n%s", text)
		}
	}
}

// page returns the study's page of records.
func page(t *testing.T, records []record.Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := study.NewPage(study.Mail(), records, nil).Document().Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBootsTCG boots the guest for real. What it takes for cycles is the
// emulator's time, and the page must say so.
func TestBootsTCG(t *testing.T) {
	need.QEMU(t)
	tcg, _ := engine.Find("tcg")
	job := engine.Job{Subjects: subjects(t), Boots: stats.MinPlacements, Samples: 8}
	out, err := engine.Runner{Job: job, Note: silent}.Run(t.Context(), tcg)
	if err != nil || len(out.Skipped) > 0 {
		t.Fatal(err, out.Skipped)
	}
	steps, err := tcg.Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if !step.Done(out.Records) {
			t.Errorf("%s is not there, though it was taken", step.Title)
		}
	}
	res, err := analysis.NewSet(out.Records).Compare("tcg", out, []string{base, whole})
	if err != nil || res.Units != job.Boots {
		t.Fatalf("%d boots, %v", res.Units, err)
	}
	for _, v := range res.Variants {
		// Not those of two threads, which a busy host brings out of step here.
		for _, op := range []string{wire.OpNullCall, wire.OpUnknownCall, wire.OpFullFrameCall, wire.OpSignalRoundTrip} {
			if f, ok := res.Find(v, op); !ok || len(f.Samples) != res.Units || f.Mean <= 0 {
				t.Errorf("%s of %s: %+v", op, v, f)
			}
		}
	}
	if f, ok := res.Find(wire.Floor, wire.OpNullCall); !ok || f.Difference.Kind != analysis.None {
		t.Errorf("floor: %+v", f)
	}
	if len(res.Controls) < 2 || len(res.Booted.Calibration) != 4 {
		t.Errorf("controls %+v, calibration %+v", res.Controls, res.Booted.Calibration)
	}
	if text := page(t, out.Records); !strings.Contains(text, "tcg: MEANINGLESS as cycles") {
		t.Errorf("the page is\n%s", text)
	}
}

// TestBaselineBoots samples on Linux, in a boot under TCG, whose cycles mean nothing.
func TestBaselineBoots(t *testing.T) {
	kernel := need.Linux(t)
	linux, err := engine.NewLinux(t.Context(), kernel, "")
	if err != nil {
		t.Fatal(err)
	}
	tcg, _ := engine.Find("tcg")
	job := engine.Job{Kernels: []*engine.Linux{linux}, Boots: 1, Samples: 4}
	out, err := engine.Runner{Job: job, Note: silent}.Run(t.Context(), tcg)
	if err != nil {
		t.Fatal(err)
	}
	boots := engine.Boots(out.Records)
	if len(boots) != 1 {
		t.Fatalf("%d boots, want 1", len(boots))
	}
	if f, ok := boots[0].Find(linux.Name(), wire.OpNullCall); !ok || f.Low <= 0 || f.Unit != record.Cycles {
		t.Errorf("the null call is %+v", f)
	}
	if set := analysis.NewSet(out.Records); len(set.Refused) != 1 || !strings.Contains(set.Refused[0].Reason, "1 whole boots: want at least 8") {
		t.Errorf("refused are %q", set.Refused)
	}
}
