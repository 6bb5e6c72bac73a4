package vmtests

import (
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// TestSampled samples on TCG what a real CPU would be asked for: every operation
// has a figure for each variant, those with lines flushed too, and all are marked
// as meaningless.
func TestSampled(t *testing.T) {
	t.Parallel()
	list := []stubs.Named{linux319(t), variant(t, "linux-6.12")}
	const samples = 8 // operations with two threads get a quarter
	var boots []cycles.Boot
	for i := 1; i <= stats.MinPlacements; i++ {
		m, err := boot.Prepare(t.Context(), boot.Config{Variants: list, Args: cycles.Words(i, samples), VM: machine(t, vm.TCG)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := cycles.Sample(t.Context(), m, i, record.Config{Engine: string(vm.TCG)})
		if err != nil {
			t.Fatal(err)
		}
		boots = append(boots, b)
	}
	res, err := cycles.Analyse(boots, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Meaningless == "" {
		t.Error("TCG's cycles are not marked as meaningless")
	}
	for _, o := range record.Sampled {
		for _, n := range list {
			if c, ok := res.Find(n.Name, o.Op); !ok || len(c.Cycles) == 0 {
				t.Errorf("%s: no figure of %s", n.Name, o.Op)
			}
		}
	}
}
