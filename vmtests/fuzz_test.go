package vmtests

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

var (
	fuzzCalls = flag.Uint64("fuzzcalls", 0, "how many calls TestFuzz makes on each preset (default: as many as take a few seconds)")
	fuzzSeed  = flag.Uint64("fuzzseed", 1, "the seed of TestFuzz")
)

// fuzzInit returns a boot of guest/fuzz, with how many instructions its calls take at most.
func fuzzInit(t *testing.T, n stubs.Variant, calls, seed uint64) boot.Config {
	t.Helper()
	m := machineFor(t, n, vm.ICount)
	m.MemoryMiB = 512 // what descriptors hold, pipes and memfds, is more at times than a small machine has
	m.Instructions = vm.DefaultInstructions + calls*10_000
	return boot.Config{
		Variants: []stubs.Variant{n}, Init: command(t, "../guest/fuzz"), VM: m,
		Args: []string{fmt.Sprintf("-calls=%d", calls), fmt.Sprintf("-seed=%d", seed)},
	}
}

// TestFuzz makes system calls with bad arguments from four threads on every
// preset: no panic, no call without an end, no page lost. -fuzzcalls makes more
// of them; a failure says with which seed to repeat it, which under icount
// makes the same calls at the same instructions.
func TestFuzz(t *testing.T) {
	t.Parallel()
	for i, p := range stubs.Presets() {
		if p.Axes.Bare || *fuzzCalls == 0 && slices.Contains(alike, p.Name) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			calls := *fuzzCalls
			switch {
			case calls != 0:
			case p.Features() == 0:
				calls = 10_000
			default: // Bochs takes thirty times as long
				calls = 1_500
			}
			// Each preset gets other calls.
			run, err := boot.RunGuest(t.Context(), fuzzInit(t, p.Variant, calls, *fuzzSeed+1000*uint64(i)), nil)
			if err != nil && run == nil {
				t.Fatal(err)
			}
			if err == nil {
				report(t, run)
			} else {
				t.Errorf("CRASH: %v\n%s", err, run.VM.Report())
			}
			if t.Failed() {
				t.Logf("repeat: go test ./vmtests -run '^TestFuzz$/^%s$' -fuzzcalls=%d -fuzzseed=%d", p.Name, calls, *fuzzSeed)
			}
		})
	}
}

// TestFuzzCatches fuzzes kernels that are patched to be wrong.
func TestFuzzCatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, function string
		old, new       string // machine code, which the function has once
		outcome        vm.Outcome
	}{
		{
			"a pipe is lost", "release_pipe",
			"480b45207523", "480b4520eb23", // ORQ(pipe.Writer, RAX); JNE over its end becomes JMP
			vm.Exited,
		},
		{
			"a pointer into the kernel is written to", "copy_to_user",
			"4839c7773c", "4839c77700", // CMPQ(RAX, RDI); JA "bad_range" goes on
			vm.Panic,
		},
		{
			"a signal wakes nobody", "send_signal",
			"740c48c7c6fcffffff", "eb0c48c7c6fcffffff", // JE over MOVQ(-EINTR, RSI), CALL(wake_up) becomes JMP
			vm.Exited,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := boot.Prepare(t.Context(), fuzzInit(t, linux319(t), 100_000, 1))
			if err != nil {
				t.Fatal(err)
			}
			m.Kernel = patched(t, m.Kernel, tt.function, tt.old, tt.new)
			run, err := boot.RunPrepared(t.Context(), m, nil)
			if run == nil {
				t.Fatal(err)
			}
			if run.VM.Outcome != tt.outcome || tt.outcome == vm.Exited && run.Count("", wire.Fail) == 0 {
				t.Errorf("not caught: %v\n%s", err, run.VM.Report())
			}
		})
	}
}
