package vmtests

import (
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// TestIBRS checks variants of each slow path with ibrs=entry where the CPU has
// SPEC_CTRL, and that the checks see a way in that leaves it alone, and a way
// out. With -crosscheck it makes all checks of them, which takes Bochs two minutes;
// without, TestVariants makes them of the preset with ibrs=entry.
func TestIBRS(t *testing.T) {
	edited := func(name, base string, was asm.Ins, with ...asm.Item) stubs.Variant {
		n := variant(t, base)
		n.Name, n.Edit = name, broken.Edit(stubs.Entry, was, with...)
		return n
	}
	call := asm.CALL(stubs.FuncName("do_syscall_64", "no-enter"))
	clear := []asm.Item{asm.XORL(asm.RAX, asm.RAX), asm.WRMSR(), call}
	list := []stubs.Variant{
		variant(t, "linux-6.12+ibrs=entry"),
		variant(t, "linux-4.6+ibrs=entry"),
		variant(t, "sp=percpu,irq=dispatch,ibrs=entry"),
		edited("no-enter", "linux-6.12+ibrs=entry", call, clear...),
		edited("no-exit", "sp=percpu,irq=dispatch,ibrs=entry", asm.ANDQ(-2, asm.RDX)),
	}
	caught := map[string][]string{
		"no-enter": {
			"SPEC_CTRL after the null call", "SPEC_CTRL after an unknown call", "SPEC_CTRL after a full-frame call",
			"SPEC_CTRL after a call that returns by IRET", "SPEC_CTRL after a sleep", "SPEC_CTRL after an interrupt",
		},
		"no-exit": {
			"SPEC_CTRL after the null call", "SPEC_CTRL after an unknown call", "SPEC_CTRL after a full-frame call", "SPEC_CTRL after a sleep",
		},
	}
	t.Parallel()
	m := needBochs(t)
	m.CPU = featuresCPU
	words := []string{"verify"}
	if !*everyPreset {
		words = append(words, "-group=speculation")
	}
	run := runGuest(t, boot.Config{Variants: list, Args: words, VM: m})
	looked := 0
	for _, c := range run.Checks {
		name, rest, _ := strings.Cut(c.Name, ": ")
		_, check, _ := strings.Cut(rest, ": ")
		want := wire.Pass
		switch {
		case slices.Contains(caught[name], check):
			want = wire.Fail
		case c.Outcome == wire.Skip && !strings.HasPrefix(check, "SPEC_CTRL"):
			want = wire.Skip
		}
		if c.Outcome != want {
			t.Errorf("%s: %v (%s), want %v", c.Name, c.Outcome, c.Detail, want)
		}
		if strings.HasPrefix(check, "SPEC_CTRL") {
			looked++
		}
	}
	if want := 6 * len(list); looked != want {
		t.Errorf("%d looks at SPEC_CTRL, want %d", looked, want)
	}
}
