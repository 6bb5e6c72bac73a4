package vmtests

import (
	"errors"
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot/lab"
	"github.com/entrylab/entrylab/boot/result"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/broken"
)

// TestBroken boots each deliberately broken variant beside the sound one that
// it was made from, has the guest check it, and requires that a check fails: a
// check that cannot fail proves nothing.
func TestBroken(t *testing.T) {
	for _, b := range broken.Variants() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			base := variant(t, b.Base)
			run, err := lab.RunGuest(t.Context(), lab.Config{
				Variants: []stubs.Named{base, b.Named},
				Args:     []string{"verify", "-variants=" + b.Name},
				VM:       machine(t, vm.ICount),
			}, nil)
			if errors.Is(err, lab.ErrNoVerdict) && run.VM.Outcome != vm.Refused {
				t.Logf("caught by a crash: %v", run.VM.Reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			caught := slices.DeleteFunc(run.Checks, func(c result.Check) bool { return c.Outcome != result.Fail })
			if len(caught) == 0 {
				t.Fatalf("no check caught it (%s)\n%s", b.Fault, run.VM.Report())
			}
			for _, c := range caught {
				t.Logf("caught by %s (%s)", c.Name, c.Detail)
			}
		})
	}
}
