package vmtests

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/stubs"
)

// TestShadowStacks has ring 3 make calls on shadow stacks, where the CPU has them, and shows
// that the checks see a switch that loses SSP or the shadow stack, and a call that does.
func TestShadowStacks(t *testing.T) {
	t.Parallel()
	edited := func(name, in string, was asm.Ins, with ...asm.Item) stubs.Variant {
		n := variant(t, "linux-6.12+cet=user")
		n.Name, n.Edit = name, broken.Edit(in, was, with...)
		return n
	}
	next := asm.Fields[layout.Thread[asm.Mem]](asm.RSI)
	call := asm.CALL(stubs.FuncName("do_syscall_64", "ssp-lost"))
	list := []stubs.Variant{
		variant(t, "linux-6.12+cet=user"),
		variant(t, "linux-3.19+cet=user"),
		edited("ssp-lost", stubs.Entry, call, call, asm.MOVL(x86.MSR_IA32_PL3_SSP, asm.RCX), asm.XORL(asm.RAX, asm.RAX), asm.XORL(asm.RDX, asm.RDX), asm.WRMSR()),
		edited("ssp-not-switched", stubs.SwitchTo, asm.MOVQ(next.PL3SSP, asm.RAX), asm.XORL(asm.RAX, asm.RAX)),
		edited("u-cet-not-switched", stubs.SwitchTo, asm.MOVQ(next.UserCET, asm.RAX), asm.XORL(asm.RAX, asm.RAX)),
	}
	if *everyPreset {
		list = append(list, variant(t, "linux-4.6+cet=user"), variant(t, "linux-6.12+pti+cet=user"))
	}
	const all = "SSP after the null call, SSP after an unknown call, SSP after a full-frame call, SSP after a call by IRET, SSP after an interrupt, a return to another address is #CP, "
	const switched = "SSP after a sleep, SSP of two threads that yield"
	caught := map[string]string{
		"ssp-lost": all + switched, "ssp-not-switched": switched, "u-cet-not-switched": switched,
	}
	m := needBochs(t)
	m.CPU = featuresCPU
	run := runGuest(t, boot.Config{Variants: list, Args: []string{"verify", "-group=shadow stack"}, VM: m})
	for _, c := range run.Checks {
		name, rest, _ := strings.Cut(c.Name, ": ")
		_, check, _ := strings.Cut(rest, ": ")
		want := wire.Pass
		if strings.Contains(caught[name], check) {
			want = wire.Fail
		}
		if c.Outcome != want {
			t.Errorf("%s: %v (%s), want %v", c.Name, c.Outcome, c.Detail, want)
		}
	}
	if want := 8 * len(list); len(run.Checks) != want {
		t.Errorf("%d checks, want %d", len(run.Checks), want)
	}
}
