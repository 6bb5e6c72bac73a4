package vmtests

import (
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/stubs"
)

// TestVariants boots a kernel for each preset and engine, with the preset as
// the only entry path, and makes a subtest of every check of the guest: the
// guest, an ordinary Go program, runs all its system calls through it.
func TestVariants(t *testing.T) {
	for _, n := range stubs.Presets() {
		engines := []vm.Engine{vm.ICount, vm.TCG}
		if n.Features() != 0 {
			engines = []vm.Engine{vm.Bochs}
		}
		for _, engine := range engines {
			if n.Variant.Bare {
				continue // answers one call; TestCounts selects it for that
			}
			t.Run(n.Name+"/"+string(engine), func(t *testing.T) {
				t.Parallel()
				run := runGuest(t, boot.Config{
					Variants: []stubs.Named{n.Named},
					Args:     []string{"verify"},
					VM:       machineFor(t, n.Named, engine),
				})
				if len(run.Checks) == 0 {
					t.Fatal("the guest made no check")
				}
				report(t, run)
			})
		}
	}
}
