package vmtests

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// TestCounts measures exact instruction counts and holds them against what the
// kernel may cost at most. The counts are the code's, so they are the same on
// every machine.
func TestCounts(t *testing.T) {
	t.Parallel()
	measure := func(model vm.Machine) []wire.Measure {
		m := machine(t, vm.ICount)
		m.Machine = model
		return runGuest(t, boot.Config{
			Variants: []stubs.Variant{variant(t, "linux-3.19"), variant(t, "heukelum-v2"), variant(t, "bare")},
			Args:     []string{"measure"},
			VM:       m,
		}).Measures
	}
	got := measure(vm.MicroVM)
	limits := map[string]float64{
		"null-call": 60, "unknown-call": 60, "full-frame-call": 90, "signal-round-trip": 1200,
		"thread-switch-yield": 250, "thread-switch-mm": 250, "thread-switch-preempted": 450, "futex-round-trip": 1200,
		"pipe-round-trip": 2000, "fork-exit": 9500, "fork-exec-exit": 26000, "traced-call": 2500,
	}
	for _, m := range got {
		if !m.Exact() {
			t.Errorf("%s of %s: %v to %v, no exact count", m.Op, m.Variant, m.Min, m.Max)
		}
		limit, ok := limits[m.Op]
		if m.Variant == "bare" { // SYSCALL, an answer, SYSRET
			limit = 3
		}
		if !ok || m.Median <= 0 || m.Median > limit {
			t.Errorf("%s of %s: %v instructions, want 1 to %v", m.Op, m.Variant, m.Median, limit)
		}
	}
	if want := 2*len(limits) + 1; len(got) != want { // of bare the null call alone
		t.Errorf("%d figures, want %d", len(got), want)
	}
	medians := func(list []wire.Measure) map[string]float64 {
		m := map[string]float64{}
		for _, f := range list {
			m[f.Variant+" "+f.Op] = f.Median
		}
		return m
	}
	if diff := cmp.Diff(medians(got), medians(measure(vm.PC))); diff != "" {
		t.Errorf("other counts on pc (-microvm +pc):\n%s", diff)
	}
}

// TestCountsOfSwitches measures a variant beside one whose switch is three
// instructions longer: so much more, and no more, must each kind of switch count.
func TestCountsOfSwitches(t *testing.T) {
	t.Parallel()
	const more = 3
	base := linux319(t)
	longer := stubs.Variant{Name: "longer", Axes: base.Axes, Edit: func(p *asm.Program) error {
		for i, fn := range p.Funcs {
			if strings.HasPrefix(fn.Name, "__switch_to_asm.") {
				p.Funcs[i].Body = append(slices.Repeat(asm.Block{asm.NOP()}, more), fn.Body...)
				return nil
			}
		}
		return errors.New("no switch")
	}}
	run := runGuest(t, boot.Config{Variants: []stubs.Variant{base, longer}, Args: []string{"measure"}, VM: machine(t, vm.ICount)})
	for op, switches := range map[string]float64{
		"null-call": 0, "thread-switch-yield": 1, "thread-switch-mm": 1, "thread-switch-preempted": 1, "futex-round-trip": 2,
		"pipe-round-trip": 2, "fork-exit": 2, "fork-exec-exit": 2, "traced-call": 4,
	} {
		was, ok := run.Find(base.Name, op)
		is, found := run.Find(longer.Name, op)
		if !ok || !found || !was.Exact() || !is.Exact() || is.Median-was.Median != more*switches {
			t.Errorf("%s: %+v became %+v, want %g more", op, was, is, more*switches)
		}
	}
}

// TestCountsOfForceIRET measures the releases that have rt_sigreturn and execve ask for work
// beside themselves without that: only what ends by one of the two goes round the loop of the
// slow exit.
func TestCountsOfForceIRET(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]float64{"linux-4.1": 35, "linux-4.6": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with, without := variant(t, name), variant(t, name+"+forceiret=none")
			run := runGuest(t, boot.Config{Variants: []stubs.Variant{with, without}, Args: []string{"measure"}, VM: machine(t, vm.ICount)})
			for op, turns := range map[string]float64{
				"null-call": 0, "full-frame-call": 0, "fork-exit": 0, "signal-round-trip": 1, "fork-exec-exit": 1,
			} {
				is, ok := run.Find(with.Name, op)
				was, found := run.Find(without.Name, op)
				if !ok || !found || !was.Exact() || !is.Exact() || is.Median-was.Median != turn*turns {
					t.Errorf("%s: %g became %g, want %g more", op, was.Median, is.Median, turn*turns)
				}
			}
		})
	}
}
