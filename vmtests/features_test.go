package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// withoutPCID is a CPU of QEMU's that has none on any engine.
const withoutPCID = "max,pcid=off"

// needy returns a sound variant that says that it needs PCID, which Bochs's CPU has.
func needy(t *testing.T) stubs.Variant {
	n := variant(t, "linux-4.1")
	n.Name, n.Needs = "needy", layout.FeaturePCID
	return n
}

// TestNeeds: a variant that the CPU cannot run is refused and skipped with the
// reason, and counts neither as passed nor as measured; where the CPU can, it is
// checked as any other.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, engine := range engines(vm.ICount, vm.Bochs) {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			m := machine(t, engine)
			m.CPU = withoutPCID
			if engine == vm.Bochs {
				m = needBochs(t)
			}
			words := []string{"verify", "-variants=needy"}
			if engine != vm.Bochs {
				words = append(words, "measure")
			}
			run := runGuest(t, boot.Config{Variants: []stubs.Variant{needy(t), linux319(t)}, Args: words, VM: m})
			if engine == vm.Bochs {
				report(t, run)
				if n := run.Count("needy", wire.Pass); n < 30 {
					t.Errorf("%d checks pass", n)
				}
				return
			}
			for _, c := range run.Checks {
				if c.Outcome != wire.Skip || c.Detail != "the CPU has no PCID" {
					t.Errorf("%+v, want it skipped", c)
				}
			}
			if len(run.Checks) != 2 || len(run.Measures) != 0 {
				t.Errorf("%d checks and %d figures, want 2 and none", len(run.Checks), len(run.Measures))
			}
		})
	}
}

// TestNeedsAtBoot: the kernel does not boot with such a variant.
func TestNeedsAtBoot(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, boot, want string
		variants         []stubs.Variant
	}{
		{"none other", "", "the image has no variant that init can run with on this CPU, which lacks: PCID", []stubs.Variant{needy(t)}},
		{"asked for", "needy", "this CPU lacks what the variant needy needs: PCID", []stubs.Variant{linux319(t), needy(t)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := machine(t, vm.TCG)
			m.CPU = withoutPCID
			res, console := bootInit(t, boot.Config{Variants: tt.variants, Boot: tt.boot, Init: program(t, "hello"), VM: m})
			if res.Outcome != vm.Refused || !strings.Contains(res.Reason, tt.want) || console != "" {
				t.Errorf("want %q\n%s", tt.want, res.Report())
			}
		})
	}
}
