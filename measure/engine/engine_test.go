package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/store"
	"github.com/entrylab/entrylab/stubs"
)

const (
	base  = "linux-3.19"
	whole = "heukelum-v2"
	floor = wire.Floor
)

// booting returns the engine with steps that pretend.
func booting(n int, host func() record.Config, sample func(ctx context.Context, boot int) (cycles.Boot, error)) Engine {
	return Engine{Name: "kvm", Plan: func(context.Context, Job) ([]Step, error) {
		return bootSteps(n, cyclestest.KVMConfig, map[string]string{base: "sp=percpu", whole: "sp=frame", floor: "bare"}, host, sample), nil
	}}
}

func silent(string) {}

func sameHost() record.Config { return cyclestest.KVMConfig }

// fake returns an engine with steps of one figure each; at step stop it fails with the
// error.
func fake(steps, stop int, failure error, ran *[]int) Engine {
	return Engine{Name: "icount", Plan: func(context.Context, Job) ([]Step, error) {
		var list []Step
		for i := range steps {
			op := fmt.Sprint("op", i)
			list = append(list, Step{
				Title: op,
				Done: func(have []record.Record) bool {
					return slices.ContainsFunc(have, func(r record.Record) bool { return r.Op == op })
				},
				Run: func(_ context.Context, out Out) error {
					*ran = append(*ran, i)
					if i == stop {
						return failure
					}
					return out.Records(recordtest.Counted(base, op, 42))
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
	for stop := range steps {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		var first, second []int
		for i, engine := range []Engine{fake(steps, stop, context.Canceled, &first), fake(steps, -1, nil, &second)} {
			store, old, _, err := store.Open(t.Context(), path, nil)
			if err != nil {
				t.Fatal(err)
			}
			out, err := Runner{Store: store, Old: old, Note: silent}.Run(t.Context(), engine)
			if (err == nil) != (i == 1) || i == 0 && !errors.Is(err, context.Canceled) {
				t.Fatalf("error is %v", err)
			}
			if want := []int{stop, steps}[i]; len(out.Records) != want {
				t.Errorf("run %d: %d records, want %d", i, len(out.Records), want)
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
	store, _, _, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "r"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var ran []int
	lacking := Engine{Name: "kvm", Plan: func(context.Context, Job) ([]Step, error) {
		return nil, fmt.Errorf("%w: no /dev/kvm", ErrUnavailable)
	}}
	noisy := fake(3, 1, &stats.RefusedError{Unit: "boot"}, &ran)
	out, err := Runner{Job: Job{Study: true}, Store: store, Note: silent}.Run(t.Context(), lacking, noisy)
	if err != nil || len(out.Records) != 2 || len(ran) != 3 {
		t.Errorf("%d records of steps %v, %v", len(out.Records), ran, err)
	}
	if len(out.Skipped) != 2 || !strings.Contains(out.Skipped[1].Reason, "these boots are refused") {
		t.Errorf("out.Skipped are %q", out.Skipped)
	}
}

// TestRunFullDisk: a study whose file takes no more stops and says so.
func TestRunFullDisk(t *testing.T) {
	store, _, _, err := store.Open(t.Context(), "/dev/full", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var ran []int
	_, err = Runner{Store: store, Note: silent}.Run(t.Context(), fake(3, -1, nil, &ran))
	if err == nil || !strings.Contains(err.Error(), "no space left on device") || len(ran) != 1 {
		t.Errorf("ran %v, error is %v", ran, err)
	}
}

func TestComplete(t *testing.T) {
	list := []stubs.Variant{{Name: base}, {Name: floor, Axes: stubs.Axes{Bare: true}}}
	ops := record.Operations[:2]
	have := []record.Record{recordtest.Counted(base, wire.OpNullCall, 1), recordtest.Counted(base, ops[1].Op, 1), recordtest.Counted(floor, wire.OpNullCall, 1)}
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

// TestBootsResume interrupts the boots, at each of them, as Ctrl-C and as a full
// disk do: those that ended are in the file, and the next run takes the rest.
func TestBootsResume(t *testing.T) {
	const n = 10
	for stop := 1; stop <= n; stop++ {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		var ran []int
		for try := range 2 {
			file, old, cut, err := store.Open(t.Context(), path, nil)
			if err != nil || cut != "" {
				t.Fatal(err, cut)
			}
			engine := booting(n, sameHost, func(_ context.Context, boot int) (cycles.Boot, error) {
				if try == 0 && boot == stop {
					return cycles.Boot{}, context.Canceled
				}
				ran = append(ran, boot)
				return cyclestest.Pretended(boot, 0, 1), nil
			})
			out, err := Runner{Store: file, Old: old, Note: silent}.Run(t.Context(), engine)
			if (err == nil) != (try == 1) {
				t.Fatalf("try %d: %v", try, err)
			}
			if want := []int{stop - 1, n}[try]; len(Boots(out.Records)) != want {
				t.Errorf("try %d: %d boots, want %d", try, len(Boots(out.Records)), want)
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

// TestStolen: what the hypervisor took is told, and where it did not tell.
func TestStolen(t *testing.T) {
	boot := func(hypervisor string, told bool, stolen int) cycles.Boot {
		return cycles.Boot{Hypervisor: hypervisor, StealTold: told, Stolen: stolen, Taken: 100}
	}
	const kvm, lacks = "KVMKVMKVM", "in 1 of 2 boots the hypervisor did not tell what time it took for others (steal time): no sample of these was dropped for it"
	for _, tt := range []struct {
		name  string
		boots []cycles.Boot
		want  string
	}{
		{"no hypervisor", []cycles.Boot{boot("-", false, 0)}, ""},
		{"nothing", []cycles.Boot{boot(kvm, true, 0)}, "0 of 100 samples were dropped, as the hypervisor took time from them for others (steal time)"},
		{"some", []cycles.Boot{boot(kvm, true, 3), boot(kvm, true, 4)}, "7 of 200 samples were dropped, as the hypervisor took time from them for others (steal time)"},
		{"one silent", []cycles.Boot{boot(kvm, true, 3), boot(kvm, false, 0)}, lacks},
	} {
		if got := Stolen(tt.boots); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCPUChanges: a boot during which the machine underneath became another one
// is refused, and what was measured before is kept.
func TestCPUChanges(t *testing.T) {
	for _, row := range []struct {
		name  string
		other func(*record.Config)
		want  string
	}{
		{"CPU", func(c *record.Config) { c.Host = "another CPU" }, "the CPU changed under the run: it was a CPU (microcode 0x1), now it is"},
		{"microcode", func(c *record.Config) { c.Microcode = "0x2" }, "the CPU changed under the run: it was a CPU (microcode 0x1), now it is"},
		{"turbo", func(c *record.Config) { c.Conditions = "turbo off" }, "the host changed under the run: its CPU was , now it is turbo off"},
	} {
		path := filepath.Join(t.TempDir(), "results.jsonl")
		file, _, _, err := store.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := cyclestest.KVMConfig
		engine := booting(5, func() record.Config { return now }, func(_ context.Context, boot int) (cycles.Boot, error) {
			if boot == 3 {
				row.other(&now)
			}
			return cyclestest.Pretended(boot, 0, 1), nil
		})
		_, err = Runner{Store: file, Note: silent}.Run(t.Context(), engine)
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "boot 3 is not counted") {
			t.Errorf("%s: error is %v", row.name, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		records, _, err := store.ReadFile(t.Context(), path, nil)
		if err != nil || len(Boots(records)) != 2 {
			t.Errorf("%s: %d boots are kept (%v), want 2", row.name, len(Boots(records)), err)
		}
	}
}

// TestBootsFail: a boot that fails is no figure, and its error is the run's.
func TestBootsFail(t *testing.T) {
	wrong := errors.New("the machine fell over")
	engine := booting(3, sameHost, func(context.Context, int) (cycles.Boot, error) { return cycles.Boot{}, wrong })
	out, err := Runner{Note: silent}.Run(t.Context(), engine)
	if !errors.Is(err, wrong) || len(out.Records) != 0 {
		t.Errorf("%d records, %v", len(out.Records), err)
	}
}

// TestInterruptedRecords: a boot whose last record is missing is left out, and
// of one that was taken a second time all figures are the newer ones.
func TestInterruptedRecords(t *testing.T) {
	boots, _, err := cycles.Parse("console", strings.NewReader(cyclestest.Quiet(3, 20, 1).Console(rand.New(rand.NewPCG(15, 16)))))
	if err != nil {
		t.Fatal(err)
	}
	var lists [3][]record.Record
	for i := range boots {
		boots[i].ID = uint64(i)
		lists[i] = boots[i].Records(nil, time.Now())
	}
	half := lists[1][:len(lists[1])/2]
	for i := range len(lists[1]) {
		if got := Boots(slices.Concat(lists[0], lists[1][:i], lists[2])); len(got) != 2 {
			t.Errorf("cut after %d records: %d boots, want 2", i, len(got))
		}
	}
	again := slices.Clone(half) // what was left of another try
	for i := range again {
		x := *again[i].Samples[0] + 1000
		again[i].Samples = []*float64{&x}
	}
	got := Boots(slices.Concat(lists[0], again, lists[1], lists[2]))
	if len(got) != 3 {
		t.Fatalf("%d boots, want 3", len(got))
	}
	for _, f := range boots[1].Figures {
		if now, ok := got[1].Find(f.Label, f.Op); !ok || now.Low != f.Low {
			t.Errorf("%s of %s is %v, want %v", f.Op, f.Label, now.Low, f.Low)
		}
	}
}

// TestBooted: what a boot's console must tell.
func TestBooted(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	metal := cyclestest.Quiet(1, 20, 0)
	metal.Hypervisor = ""
	good := cyclestest.Quiet(1, 20, 0).Console(rng)
	c := record.Config{Engine: "kvm", Code: "0011"}
	for _, row := range []struct{ name, console, want string }{
		{"good", good, ""},
		{"nothing", "hello\n", "boot 7: 0 runs of samples, want 1"},
		{"two", cyclestest.Quiet(2, 20, 0).Console(rng), "boot 7: 2 runs of samples"},
		{"damaged", strings.Replace(good, "label=a", "label=c", 1), "the line is damaged"},
		{"another engine", metal.Console(rng), "the guest finds itself on metal, want kvm"},
	} {
		b, err := booted("boot 7", row.console, 7, c)
		if row.want == "" && (err != nil || b.ID != 7 || b.Config != c) || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: boot %d, error %v, want %q", row.name, b.ID, err, row.want)
		}
	}
}
