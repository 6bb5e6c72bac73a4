package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// TestSampled samples on TCG what a real CPU would be asked for: every operation
// has a figure for each variant, those with lines flushed too, and all are marked
// as meaningless.
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
	tcg, _ := engine.Find(string(vm.TCG))
	// Operations with two threads get a quarter of the samples.
	job := engine.Job{Subjects: list, Machine: machine(t, vm.TCG), Boots: stats.MinPlacements, Samples: samples}
	out, err := engine.Runner{Job: job, Note: func(string) {}}.Run(t.Context(), tcg)
	if err != nil {
		t.Fatal(err)
	}
	res, err := analysis.NewSet(out.Records).Compare(tcg.Name, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(res.Notes, "\n"); !strings.HasPrefix(notes, "MEANINGLESS") {
		t.Errorf("TCG's cycles are not marked as meaningless: %s", notes)
	}
	for _, o := range record.Sampled {
		for _, n := range list {
			if v, ok := res.Find(n.Name, o.Op); !ok || len(v.Samples) == 0 {
				missing = append(missing, n.Name+": "+o.Op)
			}
		}
	}
	return missing
}
