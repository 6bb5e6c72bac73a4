package trace

import (
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

// TestNullCalls: the phases of every preset add up to what the guest counts
// under icount.
func TestNullCalls(t *testing.T) {
	need.QEMU(t)
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		if p.Features() == 0 { // QEMU has none of those
			list = append(list, p.Variant)
		}
	}
	m := vm.Config{Engine: vm.ICount}
	start := time.Now()
	calls, err := NullCalls(t.Context(), list, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d variants in %v", len(list), time.Since(start))
	run, err := boot.RunGuest(t.Context(), boot.Config{Variants: list, Args: []string{"measure"}, VM: m}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		t.Logf("%s: entry %d, handler %d, exit %d %v", c.Variant, c.Entry, c.Handler, c.Exit, c.Places)
		want, ok := run.Find(c.Variant, "null-call")
		if !ok || float64(c.Total()) != want.Median {
			t.Errorf("%s: the phases are %d instructions in all, the guest counts %v", c.Variant, c.Total(), want.Median)
		}
	}
}
