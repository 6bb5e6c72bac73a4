package vmtests

import (
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// TestPreemptedInCalls: what earlier calls have left on the stack keeps no call from being
// preempted, with return thunks, whose own words on the stack the kernel looks at, and without.
func TestPreemptedInCalls(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"linux-4.1", "linux-6.12", "linux-6.12-zen2", "linux-6.12-zen3", "linux-6.12-icelake", callDepth} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.ICount)
			m.Append = layout.ControlWord
			res, console := bootInit(t, boot.Config{Variants: []stubs.Variant{variant(t, name)}, Init: program(t, "spins"), VM: m})
			if res.Outcome != vm.Exited || res.Status != 0 {
				t.Fatal(res.Report())
			}
			if want := "0 of 100\n"; console != want {
				t.Errorf("calls that were not preempted: %q, want %q", console, want)
			}
		})
	}
}
