package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

const fred = "linux-6.18+fred"

// needFRED returns the machine of a test that needs a CPU with FRED: no Debian has a Bochs
// that was built with it.
func needFRED(t *testing.T) vm.Config {
	t.Helper()
	if err := vm.BochsFRED(t.Context()); err != nil {
		need.Absent(t, need.FREDBochs, err.Error())
	}
	m := machine(t, vm.Bochs)
	m.CPU = vm.BochsFREDCPU
	return m
}

// TestFRED: a variant that enters by FRED passes every check, beside others that enter by
// SYSCALL in the same boot, and takes as many instructions less as its paths say.
func TestFRED(t *testing.T) {
	t.Parallel()
	m := needFRED(t)
	list := []stubs.Variant{variant(t, "linux-6.12"), variant(t, fred), linux319(t)}
	run := runGuest(t, boot.Config{Variants: list, Args: []string{"verify", "measure"}, VM: m})
	report(t, run)
	for _, n := range list {
		if passed := run.Count(n.Name, wire.Pass); passed < 50 {
			t.Errorf("%s: %d checks pass", n.Name, passed)
		}
	}
	counted, err := count.Variants(list[:2])
	if err != nil {
		t.Fatal(err)
	}
	const call = 2 // of count.Phases: entry and exit
	want := counted[1].Counts[call].Instructions - counted[0].Counts[call].Instructions
	got := map[string]float64{}
	for _, f := range run.Measures {
		if f.Op == "null-call" {
			got[f.Variant] = f.Median
		}
	}
	if d := got[fred] - got["linux-6.12"]; got[fred] == 0 || d < float64(want)-0.5 || d > float64(want)+0.5 {
		t.Errorf("a null call takes %v instructions with FRED and %v without; the paths differ by %d", got[fred], got["linux-6.12"], want)
	}
}

// TestFREDFirst: the kernel boots with FRED, too, without any other variant.
func TestFREDFirst(t *testing.T) {
	t.Parallel()
	m := needFRED(t)
	run := runGuest(t, boot.Config{Variants: []stubs.Variant{variant(t, fred)}, Args: []string{"verify"}, VM: m})
	report(t, run)
	if passed := run.Count(fred, wire.Pass); passed < 50 {
		t.Errorf("%d checks pass", passed)
	}
}

// TestNoFRED: a CPU without FRED is told from one with it, and a variant that needs it is
// skipped there.
func TestNoFRED(t *testing.T) {
	t.Parallel()
	run := runGuest(t, boot.Config{Variants: []stubs.Variant{linux319(t), variant(t, fred)}, Args: []string{"verify", "-variants=" + fred}, VM: machine(t, vm.ICount)})
	if len(run.Checks) != 1 || run.Checks[0].Outcome != wire.Skip || !strings.Contains(run.Checks[0].Detail, layout.FeatureFRED.String()) {
		t.Errorf("got %+v, want one check that is skipped for lack of FRED", run.Checks)
	}
}
