package vmtests

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// alike are presets that differ from others by a few instructions: -crosscheck boots them too.
var alike = []string{
	"linux-6.12-off", "linux-6.12-zen3", "linux-6.12-zen5", "linux-7.0", "zircon",
	"linux-7.0-zen2", "linux-7.0-zen3", "linux-7.0-zen5", "linux-7.0-icelake", "linux-7.0-alderlake", "linux-7.0-skylake",
}

// TestVariants boots a kernel for each preset, with the preset as the only entry
// path, and makes a subtest of every check of the guest: the guest, an ordinary
// Go program, runs all its system calls through it. Where instructions are not
// counted interrupts come at other moments in each run: some presets are booted
// so, too.
func TestVariants(t *testing.T) {
	t.Parallel()
	for _, n := range stubs.Presets() {
		if slices.Contains(alike, n.Name) && !*everyPreset {
			continue
		}
		list := []vm.Engine{vm.ICount}
		switch {
		case n.Features() != 0:
			list = []vm.Engine{vm.Bochs}
		case slices.Contains(foreignVariants, n.Name):
			list = append(list, vm.TCG)
		}
		for _, engine := range engines(list...) {
			if n.Axes.Bare {
				continue // answers one call; TestCounts selects it for that
			}
			t.Run(n.Name+"/"+string(engine), func(t *testing.T) {
				t.Parallel()
				run := runGuest(t, boot.Config{
					Variants: []stubs.Variant{n.Variant},
					Args:     []string{"verify"},
					VM:       machineFor(t, n.Variant, engine),
				})
				if len(run.Checks) == 0 {
					t.Fatal("the guest made no check")
				}
				report(t, run)
			})
		}
	}
}
