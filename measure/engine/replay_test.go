package engine

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/measure/trace"
	"github.com/entrylab/entrylab/stubs"
)

// TestReplayKernel: the assembly of a real kernel runs in ring 3 beside a preset's, and is cut
// where the kernel calls C. An LFENCE more in its entry costs cycles, in every form.
func TestReplayKernel(t *testing.T) {
	need.QEMU(t)
	l, err := NewLinux(t.Context(), need.Linux(t), "")
	if err != nil {
		t.Fatal(err)
	}
	preset, err := stubs.ParseVariant("linux-6.12")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]wire.Vulnerability{}
	j := Job{Subjects: []stubs.Variant{preset}, Kernels: []*Linux{l}, Base: l.name, Machine: vm.Config{Machine: vm.MicroVM, CPU: vm.DefaultCPU}}
	paths, code, on, err := j.paths(t.Context(), said)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 2 || paths[0].Subject != l.name || code == "" || on != "machine microvm with CPU max" || len(said[l.name]) == 0 {
		t.Fatalf("%d paths, code %q on %q, of %s %d lines about the CPU", len(paths), code, on, l.name, len(said[l.name]))
	}
	fenced := paths[0]
	fenced.Subject, fenced.Steps = "fenced", slices.Clone(fenced.Steps)
	xor := slices.IndexFunc(fenced.Steps, func(s trace.Step) bool { return bytes.Equal(s.Code, []byte{0x45, 0x31, 0xc0}) }) // XORL R8, R8
	fenced.Steps[xor].Code = []byte{0x0f, 0xae, 0xe8}
	r, err := replay.Prepare(replay.Config{Paths: append(paths, fenced), Budget: 2 * time.Second, Processes: stats.MinProcesses})
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Run(t.Context())
	_, refused := errors.AsType[*stats.RefusedError](err) // this host is not known to be quiet
	if err != nil && !refused {
		t.Fatal(err)
	}
	find := func(label, form string) []float64 {
		i := slices.IndexFunc(res.Series, func(s replay.Series) bool { return s.Label == label && s.Form == form && s.Op == wire.OpNullCall })
		return res.Series[i].Cycles
	}
	for _, form := range replay.Forms {
		if refused {
			break
		}
		if d := stats.Mean(stats.Paired(find(l.name, form), find("fenced", form))); d < 2 {
			t.Errorf("form %s: an LFENCE more costs %.2f cycles", form, d)
		}
	}
	notes := strings.Join(replayNotes(&Account{Cuts: res.Cuts, CutOn: on}), "\n")
	for _, want := range []string{
		"as machine microvm with CPU max had it in memory",
		l.name + ": 46 instructions of entry and ",
		"linux-6.12: 47 instructions of entry and 27 of exit, of ",
		"; do_syscall_64 and all that it calls is left out; in place of what ring 3 may not run is a NOP, and for SYSRETQ a jump: SWAPGS (2), SYSRETQ (1)",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("no %q in\n%s", want, notes)
		}
	}
}
