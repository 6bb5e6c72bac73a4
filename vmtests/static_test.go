package vmtests

import (
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
)

// TestPhases: what is counted in the code is what a machine runs, phase by phase and with
// what finds the handler by its number, in every preset that QEMU can run.
func TestPhases(t *testing.T) {
	t.Parallel()
	// The dispatch goes through a thunk in some, or its CALL is counted.
	list := []stubs.Variant{variant(t, "linux-3.19+branch=retpoline"), variant(t, "linux-6.12+branch=retpoline"), variant(t, callDepth)}
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	list = slices.DeleteFunc(list, func(n stubs.Variant) bool { return n.Features() != 0 })
	counted, err := count.Variants(list)
	if err != nil {
		t.Fatal(err)
	}
	built, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	calls, err := trace.NullCalls(t.Context(), list, machine(t, vm.ICount))
	if err != nil {
		t.Fatal(err)
	}
	for i, call := range calls {
		// Where a number lies in the tree is the kernel's.
		tree := 0
		for _, p := range call.Places {
			if p.Func == "x64_sys_call" || p.Func == "__x64_sys_getppid" {
				tree += p.Count
			}
		}
		if is := list[i].Axes.Is(stubs.DispatchTree); counted[i].Tree != is || (tree > 0) != is {
			t.Errorf("%s: %d instructions of a tree run; counted without one: %v", call.Variant, tree, counted[i].Tree)
		}
		in := func(name string) int {
			return counted[i].Counts[slices.IndexFunc(count.Phases, func(p count.Phase) bool { return p.Name == name })].Instructions
		}
		byNumber, err := count.Dispatch(built.Object, list[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			phase         string
			counted, runs int
		}{
			{stubs.PhaseEntry.Name, in(stubs.PhaseEntry.Name), call.Entry - tree},
			{"the way to the handler", byNumber[count.NullCall], call.Entry},
			{stubs.PhaseExit.Name, in(stubs.PhaseExit.Name), call.Exit},
			{"call", in("call"), call.Total() - call.Handler - tree},
		} {
			if row.counted != row.runs {
				t.Errorf("%s, %s: the code has %d instructions, the machine runs %d: %v", call.Variant, row.phase, row.counted, row.runs, call.Places)
			}
		}
	}
}
