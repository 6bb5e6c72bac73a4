package nightly

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/record"
)

// say is what the engine "said" finds: what the test says.
var said struct {
	sync.Mutex
	count float64
	// differences are those of the boots; of each run of a cell the next.
	differences [][]float64
	check       wire.Outcome
	err         error
	unavailable error
	runs        int
	during      func() // is called while the engine runs
}

func init() {
	op := engine.Op{Operation: record.Operation{Op: wire.OpNullCall, Title: "null call", Short: "null call", Bench: "NullCall"}}
	engine.Register(engine.Engine{
		Name: "said", Kind: engine.Exact, Unit: record.Instructions, Rank: 1000, Ops: []engine.Op{op}, Emulated: true,
		Available: func(context.Context) error { return said.unavailable },
		Plan:      func(_ context.Context, j engine.Job) ([]engine.Step, error) { return plan(j, countsSaid) },
	})
	engine.Register(engine.Engine{
		Name: "sampled", Kind: engine.Sampled, Unit: record.Cycles, Rank: 1001, Ops: []engine.Op{op}, Sample: "boot",
		Plan: func(_ context.Context, j engine.Job) ([]engine.Step, error) { return plan(j, samplesSaid) },
	})
}

func plan(j engine.Job, run func(engine.Job, engine.Out) error) ([]engine.Step, error) {
	return []engine.Step{{
		Title: "what is said",
		Done:  func([]record.Record) bool { return false },
		Run: func(_ context.Context, out engine.Out) error {
			said.Lock() // cells are run beside each other
			defer said.Unlock()
			said.runs++
			if said.during != nil {
				said.during()
			}
			return errors.Join(said.err, run(j, out))
		},
	}}, nil
}

func figure(engine, variant, unit string, run int, x float64) record.Record {
	c := record.Config{Build: "devel", Code: "00", Engine: engine, Machine: "none", CPU: "any", Host: "a CPU"}
	m := wire.Measure{Variant: variant, Op: wire.OpNullCall, N: 1, Batches: 1, Min: x, Median: x, Max: x, Agree: 1}
	return record.New(c, m, "", unit, run, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

func countsSaid(j engine.Job, out engine.Out) error {
	if said.check != "" {
		out.Checks([]wire.Check{{Outcome: said.check, Name: j.Subjects[0].Name + ": frame: flags", Detail: "as said"}})
	}
	return out.Records(figure("said", j.Subjects[0].Name, record.Instructions, 0, said.count))
}

func samplesSaid(j engine.Job, out engine.Out) error {
	boots := said.differences[0]
	said.differences = said.differences[1:]
	for run, d := range boots {
		for i, s := range j.Subjects {
			if err := out.Records(figure("sampled", s.Name, record.Cycles, run, 100+float64(i)*d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nights runs nights with the engine and returns what each found.
type nights struct {
	t     *testing.T
	store history.Store
	m     Matrix
	day   int
	said  []string // by Progress
	found []string // by Found
	clock sync.Mutex
}

func newNights(t *testing.T, engine string) *nights {
	t.Helper()
	return nightsIn(t, engine, t.TempDir())
}

// nightsIn works like newNights, but with the store of that URL.
func nightsIn(t *testing.T, engine, url string) *nights {
	t.Helper()
	s, err := history.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	said.count, said.check, said.err, said.unavailable, said.differences, said.runs, said.during = 42, wire.Pass, nil, nil, nil, 0, nil
	return &nights{t: t, store: s, m: Matrix{Subjects: []string{"linux-4.1"}, Base: "linux-3.19", Engines: []string{engine}, Boots: 8}}
}

// night returns today's night.
func (n *nights) night() *Night {
	now := time.Date(2026, 1, n.day, 0, 0, 0, 0, time.UTC)
	return &Night{
		Name: now.Format(time.DateOnly), Store: n.store, Machine: "m1", MachineID: "00", CPU: "AMD EPYC 7763 64-Core Processor", Build: fmt.Sprint("b", n.day),
		Progress: func(text string) { n.said = append(n.said, text) },
		Found:    func(f judge.Finding) { n.found = append(n.found, f.String()) },
		Now: func() time.Time {
			n.clock.Lock() // cells are run beside each other
			defer n.clock.Unlock()
			now = now.Add(time.Millisecond)
			return now
		},
	}
}

// again runs today's night.
func (n *nights) again() *Result {
	n.t.Helper()
	cells, err := n.m.Cells()
	if err != nil {
		n.t.Fatal(err)
	}
	night := n.night()
	r := &Result{Night: night.Name, Machine: night.Machine}
	if r.Cells, err = night.Run(n.t.Context(), cells); err != nil {
		n.t.Fatal(err)
	}
	if r.Findings, err = night.Judge(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return r
}

// next runs the next night, and wants that it finds this.
func (n *nights) next(want ...string) *Result {
	n.t.Helper()
	n.day++
	n.found = nil
	r := n.again()
	var got, fresh []string
	for _, f := range r.Findings {
		got = append(got, f.String())
		if !f.Still {
			fresh = append(fresh, f.String())
		}
	}
	if d := cmp.Diff(fresh, n.found); d != "" {
		n.t.Errorf("night %d: told when it was found: %s", n.day, d)
	}
	if d := cmp.Diff(want, got); d != "" {
		n.t.Errorf("night %d: %s", n.day, d)
	}
	return r
}

// TestNights plays nights in which a count and a check change.
func TestNights(t *testing.T) {
	n := newNights(t, "said")
	n.next()
	n.next()
	said.count = 43
	if r := n.next("changed: said linux-4.1: null-call: 42 to 43 instructions, since 2026-01-03"); !r.Bad() {
		t.Error("a changed count is well")
	}
	n.next("still changed: said linux-4.1: null-call: 42 to 43 instructions, since 2026-01-03")
	e := n.night().entry(history.Accept, Cell{}, "said linux-4.1: null-call")
	e.Detail = "it is right"
	if err := n.store.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if r := n.next(); r.Bad() {
		t.Error("an accepted count is bad")
	}
	said.check = wire.Fail
	r := n.next("failed: said linux-4.1: frame: flags: as said, since 2026-01-06")
	if !r.Bad() || r.Cells[0].Outcome != Fail {
		t.Errorf("a failed check: %+v", r.Cells)
	}
	said.check = wire.Pass
	if r := n.next("fixed: said linux-4.1: frame: flags: as said, since 2026-01-07"); r.Bad() {
		t.Error("a mended check is bad")
	}
	n.next()
}

// TestOnce does a cell once a night, and one that crashed again.
func TestOnce(t *testing.T) {
	n := newNights(t, "said")
	said.err = errors.New("the machine is gone\nfor good")
	for range 2 {
		if r := n.again(); r.Cells[0].Outcome != Crash || r.Cells[0].Earlier || len(r.Crashed()) != 1 {
			t.Errorf("it is %+v", r.Cells)
		}
	}
	said.err = nil
	n.again()
	if r := n.again(); r.Cells[0].Outcome != Pass || !r.Cells[0].Earlier {
		t.Errorf("it is %+v", r.Cells)
	}
	if said.runs != 3 {
		t.Errorf("it ran %d times, want 3", said.runs)
	}
}

// TestSampled measures a suspect again in its night and no other one; a step is found in
// the same night by that, and is the environment's where the code is the same.
func TestSampled(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stub   string     // that of the nights before; empty: the same code
		levels [2]float64 // of the last night, and if it is measured again
		runs   int
		want   judge.What // empty: nothing
	}{
		{"the same code", "", [2]float64{5, 5}, 2, judge.Environment},
		{"other code", "0 1", [2]float64{5, 5}, 2, judge.Slower},
		{"other code, which is faster", "0 1", [2]float64{1, 1}, 2, judge.Faster},
		{"odd once", "0 1", [2]float64{5, 2}, 2, ""},
		{"quiet", "0 1", [2]float64{2.1, 0}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNights(t, "sampled")
			boots := func(level float64) []float64 {
				var all []float64
				for i := range 8 {
					all = append(all, level+0.3*float64((i+n.day)%3-1))
				}
				return all
			}
			cells, err := n.m.Cells()
			if err != nil {
				t.Fatal(err)
			}
			const before = 8
			for range before {
				n.day++
				said.differences = [][]float64{boots(2)}
				found, _, err := n.night().measure(t.Context(), cells[0], 0)
				if err != nil {
					t.Fatal(err)
				}
				for i := range found {
					if tt.stub != "" && found[i].Kind == history.Sample {
						found[i].Stub = tt.stub
					}
				}
				if err := n.store.Append(t.Context(), found...); err != nil {
					t.Fatal(err)
				}
			}
			n.day++
			said.differences = [][]float64{boots(tt.levels[0]), boots(tt.levels[1])}
			r := n.again()
			if got := said.runs - before; got != tt.runs || (got > 1) != strings.Contains(strings.Join(n.said, "\n"), "measured again") {
				t.Errorf("it ran %d times, want %d: %q", got, tt.runs, n.said)
			}
			var what judge.What
			if len(r.Findings) > 0 {
				what = r.Findings[0].What
			}
			if what != tt.want || len(r.Findings) > 1 {
				t.Errorf("found %v, want %q", r.Findings, tt.want)
			}
			if r.Bad() != (tt.want == judge.Slower) {
				t.Errorf("the night is bad: %v", r.Bad())
			}
			if changed := strings.Contains(r.Verdict(), "the environment changed (1 figure)"); changed != (tt.want == judge.Environment) {
				t.Errorf("it says %q", r.Verdict())
			}
		})
	}
}

// TestHosts skips a comparison that is for another CPU, with the reason.
func TestHosts(t *testing.T) {
	n := newNights(t, "sampled")
	n.m.Hosts = []string{"EPYC 7763", "Xeon"}
	said.differences = [][]float64{{1, 1, 1}}
	r := n.again()
	var got []string
	for _, c := range r.Cells {
		got = append(got, c.Cell+": "+c.Outcome+": "+c.Detail)
	}
	want := []string{
		"sampled on EPYC 7763 against linux-3.19: PASS: ",
		`sampled on Xeon against linux-3.19: SKIP: it is for a host with the CPU "Xeon", and this one has "AMD EPYC 7763 64-Core Processor"`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestFormats writes a night with everything in it.
func TestFormats(t *testing.T) {
	n := newNights(t, "said")
	n.next()
	said.count, said.check = 43, wire.Fail
	r := n.next(
		"failed: said linux-4.1: frame: flags: as said, since 2026-01-02",
		"changed: said linux-4.1: null-call: 42 to 43 instructions, since 2026-01-02")
	r.Cells = append(r.Cells, Done{Cell: "icount pc max x|y", Outcome: Skip, Detail: "no <QEMU>"}, Done{Cell: "kvm #1", Outcome: Crash, Detail: "gone\nfor good"})
	for _, format := range Formats {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			if err := r.Write(&b, format); err != nil {
				t.Fatal(err)
			}
			if format == "junit" {
				if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
					t.Error(err)
				}
			}
			golden.Same(t, filepath.Join("testdata", "night."+format), b.String())
		})
	}
}
