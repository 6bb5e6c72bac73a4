package vmtests

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
)

var everyPreset = flag.Bool("crosscheck", false, "compare QEMU and Bochs on every preset, not on some")

// needBochs returns the machine of a test that needs Bochs.
func needBochs(t *testing.T) vm.Config {
	t.Helper()
	if *oneEngine != "" {
		need.Absent(t, need.CPUFeature, "the test is of a CPU that Bochs emulates, and machines are booted on engine "+*oneEngine)
	}
	m := machine(t, vm.Bochs)
	if err := vm.Bochs.Available(t.Context(), nil); err != nil {
		need.Missing(t, err.Error())
	}
	return m
}

// bochsDiffers is by how much Bochs counts otherwise than QEMU's icount, by
// operation. A REP that runs its count down is an instruction more in QEMU,
// which looks at RCX once more at the end (TestCrosscheckTicks); a signal's
// round trip has five of them, one through two pipes four, a traced call two, and fork and execve clear and
// copy what they make.
var bochsDiffers = map[string]float64{"signal-round-trip": -5, "pipe-round-trip": -4, "fork-exit": -15, "fork-exec-exit": -26, "traced-call": -2}

// isolatedDiffers is by how much more where ring 3 has a page table of its own: an
// interrupt from there copies its frame to the thread's stack, by a REP: one in a
// preemption and in a fork's page fault, two with the page fault after an execve.
var isolatedDiffers = map[string]float64{"thread-switch-preempted": -1, "fork-exit": -1, "fork-exec-exit": -2}

// bochsSkips begin the names, without the variant, of checks that are not made in
// Bochs: it takes the single-step trap in the kernel.
var bochsSkips = []string{
	"traps: single step",
	"frame: a changed flags slot with TF traps",
	"signals: sigreturn with TF",
}

// TestCrosscheck verifies and then measures the same variants under QEMU's
// icount and in Bochs, two emulators that share nothing, in one boot each: every
// check must have the same outcome and every operation the same count of
// instructions, but for the differences that are told above.
func TestCrosscheck(t *testing.T) {
	t.Parallel()
	list := []stubs.Variant{linux319(t), variant(t, "linux-6.12+pti"), variant(t, "bare")}
	if *everyPreset {
		list = nil
		for _, p := range stubs.Presets() {
			if p.Features() == 0 {
				list = append(list, p.Variant)
			}
		}
	}
	c := boot.Config{Variants: list, Args: []string{"verify", "measure"}, VM: needBochs(t)}
	inBochs := runGuest(t, c)
	c.VM = machine(t, vm.ICount)
	inQEMU := runGuest(t, c)
	t.Logf("%v in Bochs, %v in QEMU", inBochs.VM.Elapsed, inQEMU.VM.Elapsed)
	compareChecks(t, inBochs, inQEMU)
	compareCounts(t, inBochs, inQEMU)
}

// compareChecks compares the outcomes.
func compareChecks(t *testing.T, inBochs, inQEMU *boot.Run) {
	t.Helper()
	if len(inBochs.Checks) < 30 || len(inBochs.Checks) != len(inQEMU.Checks) {
		t.Fatalf("%d checks in Bochs, %d in QEMU", len(inBochs.Checks), len(inQEMU.Checks))
	}
	for i, b := range inBochs.Checks {
		q := inQEMU.Checks[i]
		_, check, _ := strings.Cut(b.Name, ": ")
		switch {
		case slices.ContainsFunc(bochsSkips, func(name string) bool { return strings.HasPrefix(check, name) }):
			if b.Outcome != wire.Skip || q.Outcome != wire.Pass {
				t.Errorf("%s: %v in Bochs, want SKIP; %v in QEMU, want PASS (%s)", b.Name, b.Outcome, q.Outcome, q.Detail)
			}
		case b != q:
			t.Errorf("%+v in Bochs, %+v in QEMU", b, q)
		case b.Outcome == wire.Fail || b.Outcome == wire.Error:
			t.Errorf("%s: %v (%s)", b.Name, b.Outcome, b.Detail)
		}
	}
	t.Logf("%d checks", len(inBochs.Checks))
}

// compareCounts compares the medians, and shows them.
func compareCounts(t *testing.T, inBochs, inQEMU *boot.Run) {
	t.Helper()
	if len(inBochs.Measures) != len(inQEMU.Measures) || len(inBochs.Measures) == 0 {
		t.Fatalf("%d figures in Bochs, %d in QEMU", len(inBochs.Measures), len(inQEMU.Measures))
	}
	for _, q := range inQEMU.Measures {
		b, ok := inBochs.Find(q.Variant, q.Op)
		if !ok {
			t.Errorf("%s, %s: no figure in Bochs", q.Variant, q.Op)
			continue
		}
		t.Logf("%-16s %-20s QEMU %g, Bochs %g", q.Variant, q.Op, q.Median, b.Median)
		want := bochsDiffers[q.Op]
		if !variant(t, q.Variant).Axes.Is(stubs.CR3Keep) {
			want += isolatedDiffers[q.Op]
		}
		if b.Median-q.Median != want {
			t.Errorf("%s, %s: %g in Bochs, %g in QEMU; want a difference of %g", q.Variant, q.Op, b.Median, q.Median, want)
		}
	}
}

// TestCrosscheckTicks shows what the two emulators count alike, and what not:
// a REP that runs its count down.
func TestCrosscheckTicks(t *testing.T) {
	t.Parallel()
	c := boot.Config{Variants: []stubs.Variant{linux319(t)}, Init: program(t, "ticks"), VM: needBochs(t)}
	want := func(more int) string {
		var b strings.Builder
		b.WriteString("10 NOPs: 10\n10 rounds: 20\nDIVQ: 2\n")
		for _, n := range []int{0, 1, 10, 1000} {
			ticks := max(n+more, 1) // with RCX 0 it is one instruction to both
			fmt.Fprintf(&b, "REP MOVSB of %d: %d\nREP STOSQ of %d: %d\n", n, ticks, n, ticks)
		}
		b.WriteString("MOVQ, REPNE SCASB of 10: 11\n") // ended by a match
		return b.String()
	}
	for _, tt := range []struct {
		engine vm.Engine
		more   int
	}{{vm.Bochs, 0}, {vm.ICount, 1}} {
		if tt.engine == vm.ICount {
			c.VM = machine(t, vm.ICount)
		}
		res, console := bootInit(t, c)
		if res.Outcome != vm.Exited || res.Status != 0 || console != want(tt.more) {
			t.Errorf("%s counts\n%swant\n%s%s", tt.engine, console, want(tt.more), res.Report())
		}
	}
}

// TestCrosscheckSysret boots a variant that lets rt_sigreturn end in SYSRET,
// and sends it to a non-canonical address. QEMU raises #GP in ring 3, as AMD's
// CPUs do: init gets a signal with another frame than it should, and a check
// fails. Bochs raises #GP in ring 0 with RSP the user's already, as Intel's do:
// SMAP forbids to push the exception's frame there, which makes it #DF.
func TestCrosscheckSysret(t *testing.T) {
	t.Parallel()
	const name, check = "sigreturn-via-sysret", "signals: sigreturn to 1<<47"
	m := needBochs(t)
	b, err := broken.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	c := boot.Config{
		Variants: []stubs.Variant{variant(t, b.Base), b.Variant},
		Args:     []string{"verify", "-variants=" + name},
		VM:       m,
	}
	inBochs, err := boot.RunGuest(t.Context(), c, nil)
	if inBochs == nil {
		t.Fatal(err)
	}
	const reason = "panic: #DF at stub_rt_sigreturn." + name + "+"
	if inBochs.VM.Outcome != vm.Panic || !strings.HasPrefix(inBochs.VM.Reason, reason) {
		t.Errorf("Bochs: want %q\n%s", reason, inBochs.VM.Report())
	}
	c.VM = machine(t, vm.ICount)
	inQEMU := runGuest(t, c)
	for _, got := range inQEMU.Checks {
		if got.Name == name+": "+check && got.Outcome == wire.Fail {
			return
		}
	}
	t.Errorf("QEMU: %q did not fail\n%s", check, inQEMU.VM.Report())
}

// TestCountersOfBochs boots CPU models of Bochs whose CPUID tells of Intel's
// fixed counters, the reading of which is a #GP there: the kernel must leave them
// alone, and the guest measure without. No emulator has any that count.
func TestCountersOfBochs(t *testing.T) {
	for _, cpu := range []string{"corei7_haswell_4770", "ryzen"} {
		t.Run(cpu, func(t *testing.T) {
			t.Parallel()
			m := needBochs(t)
			m.CPU = cpu
			console := ""
			run, err := boot.RunGuest(t.Context(), boot.Config{Variants: []stubs.Variant{linux319(t)}, Args: []string{"sample", "-samples", "1"}, VM: m},
				func(line string) { console += line + "\n" })
			if err != nil {
				t.Fatal(err, console)
			}
			if !strings.Contains(console, "counters=false") || run.Count("", wire.Fail)+run.Count("", wire.Error) > 0 {
				t.Errorf("the guest says\n%s", console)
			}
		})
	}
}
