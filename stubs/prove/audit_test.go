package prove

import (
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// audited returns the audits of variants that are in one kernel.
func audited(t *testing.T, list ...stubs.Variant) map[string]*Audit {
	t.Helper()
	im, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	audits := map[string]*Audit{}
	for _, n := range list {
		if audits[n.Name], err = AuditObject(im.Object, n); err != nil {
			t.Fatal(err)
		}
	}
	return audits
}

func named(t *testing.T, name string) stubs.Variant {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestAuditMissed: with (a), a reader that was left as it was is named by the audit, and no
// other reader is.
func TestAuditMissed(t *testing.T) {
	list := []stubs.Variant{named(t, "heukelum-v2"), named(t, "linux-4.1"), named(t, "linux-6.12"), named(t, "linux-6.18+fred")}
	whole := len(list)
	for reader := range layout.RSPReaders {
		list = append(list, named(t, "heukelum-v2+"+string(stubs.ReadersBut(reader))))
	}
	audits := audited(t, list...)
	for i, n := range list {
		missed := -1
		if i >= whole {
			missed = i - whole
		}
		a := audits[n.Name]
		if a.Wrong() != (missed >= 0) {
			t.Errorf("%s: wrong is %v", n.Name, a.Wrong())
		}
		found := false
		for _, c := range a.Cells {
			switch {
			case c.NMI || !c.Faulty():
			case c.Reader == missed:
				found = true
				t.Log(c.String())
			default:
				t.Errorf("%s: %v", n.Name, c.String())
			}
		}
		if missed >= 0 && !found {
			t.Errorf("%s: %s is not named", n.Name, layout.RSPReaders[missed].Func)
		}
	}
}

// TestAuditLinux: what the readers of Linux 3.19 find, and what becomes of each that is
// moved before (a) is made.
func TestAuditLinux(t *testing.T) {
	list := []stubs.Variant{named(t, "linux-3.19")}
	for reader := range layout.RSPReaders {
		list = append(list, named(t, "linux-3.19+"+string(stubs.ReadersBut(reader))))
	}
	audits := audited(t, list...)
	check := func(variant, row string, want [NumThreadStates]Verdict) {
		t.Helper()
		for s, verdict := range want {
			got := NotRead
			if i := audits[variant].Find(row, ThreadState(s)); i >= 0 {
				got = audits[variant].Cells[i].Verdict
			}
			if got != verdict {
				t.Errorf("%s: %s, %v: %v, want %v", variant, row, ThreadState(s), got, verdict)
			}
		}
	}
	const none = NotRead
	for row, want := range map[string][NumThreadStates]Verdict{
		"current_user_stack_pointer":      {Right, Right},
		"copy_thread":                     {none, Stale},
		"start_thread":                    {none, Right},
		"kstk_esp":                        {Stale, Racy, Right, Right, Right, Racy, Stale, NotBuilt},
		"collect_syscall":                 {Undefined, Right, Undefined, Right},
		"getreg":                          {none, none, none, Right},
		"fill_thread_core_info":           {none, Right, none, none, none, none, Right},
		"__show_regs":                     {Undefined, Right, none, none, none, none, Right},
		"perf_get_regs_user by the timer": {Racy, Racy, none, none, none, none, Right},
		"perf_get_regs_user by NMI":       {Racy, Racy, none, none, none, none, Right},
	} {
		check("linux-3.19", row, want)
	}
	but := func(reader int) string { return "linux-3.19+" + string(stubs.ReadersBut(reader)) }
	check(but(layout.ReaderStackPointer), "current_user_stack_pointer", [NumThreadStates]Verdict{Undefined, Right})
	check(but(layout.ReaderCopyThread), "copy_thread", [NumThreadStates]Verdict{none, Stale})
	check(but(layout.ReaderStartThread), "start_thread", [NumThreadStates]Verdict{none, Stale})
	check(but(layout.ReaderKSTKESP), "kstk_esp", [NumThreadStates]Verdict{Undefined, Right, Undefined, Right, Undefined, Racy, Right, NotBuilt})
	// This one is right then, as Linux had it wrong.
	check(but(layout.ReaderCollectSyscall), "collect_syscall", [NumThreadStates]Verdict{Right, Right, Right, Right})
	check(but(layout.ReaderGetReg), "getreg", [NumThreadStates]Verdict{none, none, none, Racy})
	check(but(layout.ReaderCoreDump), "fill_thread_core_info", [NumThreadStates]Verdict{none, Racy, none, none, none, none, Stale})
	check(but(layout.ReaderShowRegs), "__show_regs", [NumThreadStates]Verdict{Right, Racy, none, none, none, none, Stale})
	check(but(layout.ReaderPerfRegs), "perf_get_regs_user by the timer", [NumThreadStates]Verdict{Undefined, Racy, none, none, none, none, Right})
}

// TestAuditRefuses: what is not proved has no audit, nor has the floor.
func TestAuditRefuses(t *testing.T) {
	n := named(t, "linux-4.1")
	bare := named(t, "bare")
	im, err := image.Build(image.Config{Variants: []stubs.Variant{n, bare}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AuditObject(im.Object, bare); err == nil {
		t.Error("the floor has an audit")
	}
	n.Name = "linux-4.0"
	if _, err := AuditObject(im.Object, n); err == nil {
		t.Error("a variant that is not in the kernel has an audit")
	}
}
