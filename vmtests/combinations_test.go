package vmtests

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/stubstest"
	"github.com/entrylab/entrylab/stubs"
)

// TestCombinations boots variants that nobody has named: random combinations of
// all axes, the same in every run, in one kernel whose guest checks each.
func TestCombinations(t *testing.T) {
	t.Parallel()
	const number = 12
	combination := stubstest.Combination()
	var list []stubs.Variant
	for seed := 0; len(list) < number; seed++ {
		n := combination.Example(seed)
		if _, err := stubs.ProgramOf(append(slices.Clone(list), n)); err != nil {
			continue // drawn before, or it cannot share the image
		}
		list = append(list, n)
		t.Log(n.Name)
	}
	report(t, runGuest(t, boot.Config{Variants: list, Args: []string{"verify"}, VM: machine(t, vm.ICount)}))
}
