package vmtests

import (
	"errors"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/host"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// TestSampled samples on TCG what a real CPU would be asked for: every operation
// but the one that needs an IBPB has a figure for each variant, those with lines flushed too, and all are marked
// as meaningless. Under KVM they are marked so only if the CPU is emulated.
func TestSampled(t *testing.T) {
	t.Parallel()
	list := []stubs.Variant{linux319(t), variant(t, "linux-6.12")}
	// An interrupt spoils the sample that it comes in, and on a loaded host one of two
	// threads may have no other: more of them do it.
	var missing []string
	for samples := 8; samples <= 128; samples *= 4 {
		if missing = sampled(t, list, samples); len(missing) == 0 {
			return
		}
	}
	t.Errorf("no figure of %q", missing)
}

// sampled samples so often, and returns what there is no figure of.
func sampled(t *testing.T, list []stubs.Variant, samples int) (missing []string) {
	t.Helper()
	on, _ := engine.Find(string(on(vm.TCG)))
	model, _ := host.Model()
	meaningless := on.MeaninglessOn(model) != ""
	// Operations with two threads get a quarter of the samples.
	job := engine.Job{Subjects: list, Machine: machine(t, vm.TCG), Boots: stats.MinPlacements, Samples: samples}
	out, err := engine.Runner{Job: job, Note: func(string) {}}.Run(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	res, err := analysis.NewSet(out.Records).Compare(on.Name, out, nil)
	if _, refused := errors.AsType[*stats.RefusedError](err); refused && !meaningless {
		return nil // as it may be of so few
	}
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(res.Notes, "\n"); strings.HasPrefix(notes, "MEANINGLESS") != meaningless {
		t.Errorf("the cycles of %s are meaningless: %v; the notes are: %s", on.Name, meaningless, notes)
	}
	for _, n := range list {
		if v, ok := res.Find(n.Name, wire.OpNullCall); ok && v.Tail() == nil {
			t.Errorf("%s: no tail", n.Name)
		}
	}
	for _, o := range record.Sampled {
		if o.Op == wire.OpNullCallForgotten && on.Name == string(vm.TCG) {
			continue // see TestForgotten
		}
		for _, n := range list {
			if v, ok := res.Find(n.Name, o.Op); !ok || len(v.Samples) == 0 {
				missing = append(missing, n.Name+": "+o.Op)
			}
		}
	}
	return missing
}
