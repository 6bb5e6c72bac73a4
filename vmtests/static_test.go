package vmtests

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// TestStatic: what is counted in the code is what a machine runs: SYSCALL, entry,
// the handler's own instructions and exit are a null call of every preset
// that QEMU can run.
func TestStatic(t *testing.T) {
	t.Parallel()
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		if p.Features() == 0 {
			list = append(list, p.Variant)
		}
	}
	counted, err := count.Variants(list)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := trace.NullCalls(t.Context(), list, machine(t, vm.ICount))
	if err != nil {
		t.Fatal(err)
	}
	phase := slices.IndexFunc(count.Phases, func(p count.Phase) bool { return p.Name == "call" })
	for i, call := range calls {
		handler := 0
		for _, p := range call.Places {
			if p.Func == "sys_getppid" {
				handler += p.Count
			}
		}
		if n := 1 + counted[i].Counts[phase].Instructions + handler; n != call.Total() {
			t.Errorf("%s: the code has %d instructions for a null call, the machine ran %d: %v", call.Variant, n, call.Total(), call.Places)
		}
	}
}
