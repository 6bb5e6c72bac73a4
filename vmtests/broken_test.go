package vmtests

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// catches names, for each broken variant, the checks that are there for its
// fault. Others may fail with them.
var catches = map[string][]string{
	"star-without-rpl":     {"set-up: MSRs of SYSCALL"},
	"ac-not-masked":        {"set-up: MSRs of SYSCALL", "set-up: flags in a handler", "registers: SMAP in force in a handler"},
	"r10-not-passed":       {"registers: futex that times out", "threads: two threads wake each other"},
	"r10-not-restored":     {"registers: null call", "registers: full-frame call"},
	"rbx-clobbered":        {"registers: null call", "registers: FS and GS base", "signals: signal to the own thread"},
	"kernel-word-in-rdx":   {"registers: null call", "registers: unknown call 600"},
	"flags-lost":           {"registers: null call", "traps: single step with DF"},
	"rsp-off":              {"registers: null call", "registers: call that faults on an unmapped address"},
	"red-zone-written":     {"registers: null call", "registers: sched_yield"},
	"ac-left":              {"registers: SMAP in force in a handler"},
	"x87-reset":            {"registers: null call", "signals: signal to the own thread"},
	"enosys-missing":       {"registers: unknown call -1", "frame: slots of an ordinary call"},
	"orig-ax-slot-wrong":   {"frame: slots of an ordinary call", "frame: slots of a full-frame call"},
	"ss-slot-wrong":        {"frame: slots of a full-frame call"},
	"cx-slot-written":      {"frame: slots left alone by an ordinary call"},
	"cx-not-fixed-up":      {"frame: slots of a full-frame call"},
	"flags-not-restored":   {"frame: a changed flags slot reaches user mode"},
	"iopl-not-restored":    {"frame: iopl allows ports, CLI and STI at level 3 alone"},
	"sp-not-restored":      {"frame: a changed sp slot reaches user mode"},
	"ip-from-cx-slot":      {"frame: a changed ip slot reaches user mode"},
	"result-cut":           {"frame: a changed ax slot reaches user mode, all 64 bits"},
	"flags-not-compared":   {"frame: a changed flags slot with TF traps behind the next instruction", "frame: a changed flags slot with RF passes a breakpoint"},
	"tf-by-sysret":         {"traps: single step over the null call", "traps: single step with NT"},
	"tf-by-slow-sysret":    {"signals: sigreturn with TF where RCX is RIP and R11 is RFLAGS"},
	"single-step-not-told": {"traps: single step over the null call", "traps: single step with NT"},
	"full-iret-not-tested": {
		"signals: signal to a thread that spins in user mode", "signals: sigreturn to 1<<47", "frame: a changed flags slot with TF traps behind the next instruction",
		"frame: a cs slot of no user's code is refused", "traps: single step over the null call",
	},
	"sigreturn-via-sysret": {
		"signals: signal to a thread that spins in user mode", "signals: sigreturn to 1<<47", "traps: single step over the null call",
		"memory: SYSCALL as the last bytes of user memory",
	},
	"cr3-not-switched-back":    {"page tables: after a null call", "page tables: after a call that sleeps"},
	"cr3-not-switched-by-iret": {"page tables: after a call whose flags slot was changed", "page tables: after a signal"},
	"stack-not-erased":         {"stack: what the null call leaves", "stack: what an unknown call leaves", "stack: what a sleep leaves"},
	"stack-not-erased-by-iret": {"stack: what a call by IRET leaves", "stack: what a full-frame call leaves"},
	"stack-skipped":            {"stack: what a sleep leaves"},
	"x32-bit-kept":             {"registers: null call with x32's bit in its number"},
	"x32-bit-tested-twice":     {"registers: null call with x32's bit in its number"},
	"fred-rcx-by-syscall":      {"registers: null call", "registers: unknown call 600"},
	"fred-orig-ax-lost":        {"frame: slots of an ordinary call", "frame: slots of a full-frame call"},
	"fred-tf-lost":             {"traps: single step over the null call"},
	"new-thread-rbx-lost":      {"threads: a new thread's first return"},
	"usersp-not-swapped": {
		"threads: two threads yield", "threads: two threads yield in address spaces of their own", "threads: two threads wake each other",
		"threads: preempted inside a call",
	},
	"early-irq": {"threads: preempted inside a call"},
}

// notOfTheEntry are the checks that no entry path can fail: they are about what
// the kernel does behind it. TestStackLeftByTraps shows that those of the stack can fail.
var notOfTheEntry = []string{
	"registers: control call by software interrupt",
	"memory: mmap of the page behind user memory",
	"memory: mremap to the page behind user memory",
	"page tables: what ring 3's maps of the kernel",
	"stack: what a call that fills the stack leaves",
	"stack: what an interrupt leaves",
}

// TestBroken boots each deliberately broken variant beside the sound one that
// it was made from and has the guest check it. The checks that are there for
// its fault must fail; and each check must fail for some fault, since one that
// cannot fail proves nothing.
func TestBroken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	failed := map[string]bool{} // for each check seen, whether it ever did
	booted := 0
	t.Run("variants", func(t *testing.T) {
		for _, b := range broken.Variants() {
			t.Run(b.Name, func(t *testing.T) {
				t.Parallel()
				checks := verifyBroken(t, b)
				var caught []string
				mu.Lock()
				defer mu.Unlock()
				booted++
				for _, c := range checks {
					name := strings.TrimPrefix(c.Name, b.Name+": ")
					failed[name] = failed[name] || c.Outcome == wire.Fail
					if c.Outcome == wire.Fail {
						caught = append(caught, name)
					}
				}
				if catches[b.Name] == nil {
					t.Errorf("no check is named that catches it; these do: %q", caught)
				}
				for _, want := range catches[b.Name] {
					if !slices.Contains(caught, want) {
						t.Errorf("%s: not caught by %q, but by %q", b.Fault, want, caught)
					}
				}
			})
		}
	})
	for name := range catches {
		if _, err := broken.Find(name); err != nil {
			t.Error(err)
		}
	}
	all := len(broken.Variants())
	if vm.BochsFRED(t.Context()) != nil {
		all = len(slices.DeleteFunc(broken.Variants(), enteredByFRED))
	}
	if booted < all {
		return // -run chose some of them
	}
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		if exempt := slices.Contains(notOfTheEntry, name); failed[name] == exempt {
			t.Errorf("check %q: failed for some broken variant: %v, want %v", name, failed[name], !exempt)
		}
	}
}

// TestStackLeftByTraps boots a kernel whose traps end as those of variants that do not erase
// the stack. The checks of what a trap leaves must fail, and no other.
func TestStackLeftByTraps(t *testing.T) {
	t.Parallel()
	n := variant(t, "linux-6.12+kstack=none+stackleak=erase")
	n.Name = "traps-do-not-erase"
	gs := asm.Fields[layout.PerCPU[asm.Mem]](asm.GS)
	n.Edit = broken.Edit(stubs.SyscallInit, asm.RET(), asm.LEAQ(asm.Sym("return_to_usermode"), asm.RAX), asm.MOVQ(asm.RAX, gs.TrapReturn), asm.RET())
	run := runGuest(t, boot.Config{Variants: []stubs.Variant{linux319(t), n}, Args: []string{"verify", "-variants=" + n.Name, "-group=stack"}, VM: machine(t, vm.ICount)})
	ends := []string{"what a call that fills the stack leaves", "what an interrupt leaves"}
	for _, c := range run.Checks {
		_, check, _ := strings.Cut(strings.TrimPrefix(c.Name, n.Name+": "), ": ")
		if want := slices.Contains(ends, check); (c.Outcome == wire.Fail) != want {
			t.Errorf("%s: %v (%s), want it to fail: %v", c.Name, c.Outcome, c.Detail, want)
		}
	}
	if len(run.Checks) != 7 {
		t.Errorf("%d checks, want 7", len(run.Checks))
	}
}

// enteredByFRED reports whether a broken variant runs on no other CPU than one with FRED.
func enteredByFRED(b broken.Variant) bool { return b.Axes.Is(stubs.EntryFRED) }

// verifyBroken has the guest check a broken variant.
func verifyBroken(t *testing.T, b broken.Variant) []wire.Check {
	t.Helper()
	m := machine(t, vm.ICount)
	if enteredByFRED(b) {
		m = needFRED(t)
	}
	run, err := boot.RunGuest(t.Context(), boot.Config{
		Variants: []stubs.Variant{variant(t, b.Base), b.Variant},
		Args:     []string{"verify", "-variants=" + b.Name},
		VM:       m,
	}, nil)
	if errors.Is(err, boot.ErrNoVerdict) {
		t.Fatalf("no verdict: %v\n%s", err, run.VM.Report())
	}
	if err != nil {
		t.Fatal(err)
	}
	return run.Checks
}
