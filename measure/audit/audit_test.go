package audit

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

func audited(t *testing.T, name string) (stubs.Variant, *image.Image, *prove.Audit) {
	t.Helper()
	n, err := stubs.ParseVariant(name)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{n}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := prove.AuditObject(kernel.Object, n)
	if err != nil {
		t.Fatal(err)
	}
	return n, kernel, a
}

// TestBoot: what a boot reads is what the proof says, where the readers are right and where
// they are wrong.
func TestBoot(t *testing.T) {
	need.QEMU(t)
	for _, name := range []string{"linux-3.19", "heukelum-v2+readers=kstk_esp"} {
		t.Run(name, func(t *testing.T) {
			n, kernel, a := audited(t, name)
			r, err := Boot(t.Context(), n, kernel, a, vm.Config{Engine: vm.ICount, Machine: vm.MicroVM})
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range r.Differs {
				t.Error(what)
			}
			if r.Met < 20 {
				t.Errorf("threads were stopped at %d instructions of %d", r.Met, r.Places)
			}
			for i, c := range r.Cells {
				// What the guest does not do: it starts no program, traces none (vmtests does), no interrupt
				// in user mode panics, and no copy_thread that is right can be seen.
				unseen := c.Reader == layout.ReaderStartThread || c.Reader == layout.ReaderCopyThread && c.Verdict == prove.Right ||
					(c.NMI || c.Reader == layout.ReaderShowRegs) && c.State == prove.InUserMode || c.Reader == layout.ReaderGetReg ||
					c.Verdict == prove.NotBuilt
				if s := r.Seen[i]; c.Verdict != prove.NotRead && !unseen && c.State != prove.PreemptedInSlow && s.Right+s.Wrong == 0 {
					t.Errorf("%s, %v: nothing was read", c.Row, c.State)
				} else if c.Verdict.Wrong() && !unseen && s.Wrong == 0 && c.State != prove.PreemptedInSlow && c.State != prove.InSlowPath {
					t.Errorf("%s, %v: %v, and every reading was right", c.Row, c.State, c.Verdict)
				}
			}
		})
	}
}

// TestBootFinds shows that a kernel whose reader looks elsewhere than the proof takes it to is
// found.
func TestBootFinds(t *testing.T) {
	need.QEMU(t)
	n, _, _ := audited(t, "linux-4.1")
	other := n
	other.Axes = n.Axes.Set(stubs.ReadersBut(layout.ReaderKSTKESP))
	kernel, err := image.Build(image.Config{Variants: []stubs.Variant{other}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := prove.AuditObject(kernel.Object, n)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Boot(t.Context(), n, kernel, a, vm.Config{Engine: vm.ICount, Machine: vm.MicroVM})
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(r.Differs, "\n")
	for _, state := range []string{"current, fast path", "current, slow path", "blocked, fast path", "blocked, slow path", "preempted, fast path", "user mode"} {
		if !strings.Contains(found, "kstk_esp, "+state+": ") {
			t.Errorf("%s: nothing differs:\n%s", state, found)
		}
	}
	if strings.Contains(found, "collect_syscall") {
		t.Error(found)
	}
}

// TestCompare shows that a reading that the proof does not allow is found.
func TestCompare(t *testing.T) {
	_, _, a := audited(t, "linux-4.1")
	entry := a.Cells[a.Find("perf_get_regs_user by NMI", prove.InFastPath)].Places[0].Addr
	for _, tt := range []struct {
		what    string
		reading wire.Reading
		want    string
	}{
		{"a right one", wire.Reading{Reader: layout.ReaderKSTKESP, State: layout.BlockedInFast, Want: 16, Got: 16}, ""},
		{"a wrong one", wire.Reading{Reader: layout.ReaderKSTKESP, State: layout.BlockedInFast, Want: 16, Got: 8}, "kstk_esp, blocked, fast path: the boot read 0x8"},
		{"a wrong one of a core", wire.Reading{Reader: layout.ReaderCoreDump, State: layout.InUserMode, Want: 16, Got: 8}, "fill_thread_core_info, user mode: the boot read 0x8"},
		{"a wrong one of a panic", wire.Reading{Reader: layout.ReaderShowRegs, State: layout.InSlowPath, Want: 16, Got: 8}, "__show_regs, current, slow path: the boot read 0x8"},
		{"a wrong one where the proof says so", wire.Reading{Reader: layout.ReaderPerfRegs, State: layout.InFastPath, NMI: 1, At: entry, Want: 16, Got: 8}, ""},
		{"a right one where none can be", wire.Reading{Reader: layout.ReaderPerfRegs, State: layout.InFastPath, NMI: 1, At: entry, Want: 16, Got: 16}, "the proof says racy"},
	} {
		r, err := compare(a, []wire.Reading{tt.reading})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.Differs, "; "); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
	if _, err := compare(a, []wire.Reading{{Reader: layout.ReaderCopyThread, State: layout.InUserMode}}); err == nil {
		t.Error("a reading of a state that no reader looks at is taken")
	}
}
