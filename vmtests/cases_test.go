package vmtests

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// anyEnd is in the reason for each end without a verdict. Which one it is depends on what
// lies where the stub reads or writes.
var anyEnd = boot.ErrNoVerdict.Error()

// cases say what verify sees of each stub with a fault of a real kernel: a check that
// fails, or how the machine ends.
var cases = map[string]struct {
	check string // that fails
	end   string // what is in the reason for the end without a verdict
	why   string // there is neither
	quick bool   // boots in `make test`
}{
	"b01-signed-number":    {end: anyEnd},
	"b03-off-by-one":       {end: "#PF[not present,fetch]"},
	"b05-no-tf-test":       {check: "traps: single step over the null call", quick: true},
	"b05b-rf-only":         {check: "traps: single step over the null call", quick: true},
	"b06-rsp-on-cpu":       {check: "registers: nanosleep"},
	"b07-stack-over-frame": {end: anyEnd},
	"b08-pushfq":           {check: "registers: null call"},
	"b09-work-test-irqs-on": {
		why: "a race: an interrupt that asks for work shows it (package events)",
	},
	"b10-swapgs-early":  {end: "kernel stack overflow"},
	"b11-user-stack":    {end: "#DF at entry_SYSCALL_64.b11-user-stack"},
	"b12-xmm-scratch":   {check: "registers: null call"},
	"b13-fs-selector":   {end: "SIGSEGV"},
	"b15-sysretl":       {end: "SIGSEGV"},
	"b16-result-32":     {check: "frame: a changed ax slot reaches user mode, all 64 bits", quick: true},
	"b17-verw-register": {why: "no emulator has the buffers that VERW clears: the proof alone sees it"},
	"b18-below-rsp-irqs-on": {
		why: "an interrupt aligns RSP first, and leaves this word alone: the proof sees it, and package events the word below",
	},
	"b19-nt-popfq":        {check: "set-up: flags in a handler"},
	"b19b-nt-masked":      {check: "set-up: flags in a handler"},
	"b20-ptrace-sysret":   {check: "frame: an ip slot of no user's is refused"},
	"b21-no-cs-test":      {check: "frame: a cs slot of no user's code is refused", quick: true},
	"b22-stac-left":       {check: "registers: SMAP in force in a handler"},
	"b23-one-stack":       {end: anyEnd},
	"b25-iretl":           {end: "#PF[not present] at entry_SYSCALL_64.b25-iretl"},
	"b27-sti-before-exit": {end: "#DF at entry_SYSCALL_64.b27-sti-before-exit"},
	"b28-result-lost":     {check: "registers: null call"},
	"b29-gs-selector":     {end: "the machine was reset"},
}

// TestCases boots stubs with the faults of real kernels, which the proof refuses:
// the guest sees them, too.
func TestCases(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	paths, err := filepath.Glob("../stubs/gnuas/testdata/cases/b*.S")
	if err != nil || len(paths) != len(cases) {
		t.Fatalf("%d files, %v; want %d", len(paths), err, len(cases))
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".S")
		want, ok := cases[name]
		if !ok {
			t.Errorf("nothing is said of %s", name)
		}
		if !want.quick && !*allBoots {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := gnuas.Load(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			run, err := boot.RunGuest(t.Context(), boot.Config{
				Variants: []stubs.Variant{linux319(t), n}, Args: []string{"verify", "-variants=" + name}, VM: machine(t, vm.ICount),
			}, nil)
			if err != nil && !errors.Is(err, boot.ErrNoVerdict) {
				t.Fatal(err)
			}
			failed := 0
			seen := slices.ContainsFunc(run.Checks, func(c wire.Check) bool { return c.Outcome == wire.Fail && c.Name == name+": "+want.check })
			for _, c := range run.Checks {
				if c.Outcome == wire.Fail {
					failed++
				}
			}
			switch {
			case want.why != "":
				if err != nil || failed > 0 {
					t.Errorf("it is seen, by %d checks and %v, although: %s", failed, err, want.why)
				}
			case want.end != "":
				if err == nil || !strings.Contains(err.Error(), want.end) {
					t.Errorf("it ends with %v, want %q in it", err, want.end)
				}
			case !seen:
				t.Errorf("%q does not fail; %d others do, and the end is %v", want.check, failed, err)
			}
		})
	}
}
