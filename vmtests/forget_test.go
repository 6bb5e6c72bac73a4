package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// TestForgotten: a call is sampled after an IBPB where the CPU has one, and left out with
// the reason where it has none.
func TestForgotten(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		machine func(*testing.T) vm.Config
		ibpb    bool
	}{
		{"without IBPB", func(t *testing.T) vm.Config { return machine(t, vm.ICount) }, false},
		{"with IBPB", func(t *testing.T) vm.Config {
			m := needBochs(t)
			m.CPU = vm.BochsFeaturesCPU
			return m
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			args := wire.Command{Sample: true, Operation: wire.OpNullCallForgotten, Samples: 2}.Words()
			sampled, skipped := false, false
			run, err := boot.RunGuest(t.Context(), withImage(t, boot.Config{Variants: []stubs.Variant{variant(t, "linux-6.12")}, Args: args, VM: row.machine(t)}), func(line string) {
				sampled = sampled || strings.HasPrefix(line, wire.KindSample) && strings.Contains(line, wire.OpNullCallForgotten)
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range run.Checks {
				skipped = skipped || c.Outcome == wire.Skip && strings.Contains(c.Name, wire.OpNullCallForgotten) && strings.Contains(c.Detail, "IBPB")
			}
			if sampled != row.ibpb || skipped == row.ibpb {
				t.Errorf("it is sampled: %v, and left out for lack of IBPB: %v", sampled, skipped)
			}
		})
	}
}
