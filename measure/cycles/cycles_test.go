package cycles_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/cycles"
	"github.com/entrylab/entrylab/measure/cycles/cyclestest"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/entrylab/entrylab/measure/record/recordtest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestNoLoop: a boot of which the loop was not sampled has no figures.
func TestNoLoop(t *testing.T) {
	m := cyclestest.Quiet(2, 20, 0)
	m.Lacks = []string{wire.LabelLoop}
	boots, damaged, err := cycles.Parse("console", strings.NewReader(m.Console(rand.New(rand.NewPCG(1, 1)))))
	if err != nil || len(boots) != 0 || len(damaged) != 2 || !strings.Contains(damaged[0], wire.OpNullCall+" has no loop (-loop)") {
		t.Errorf("%d boots, damaged %q (%v)", len(boots), damaged, err)
	}
}

// TestTail: the tails of single calls are in cycles above the median, and a record keeps
// them.
func TestTail(t *testing.T) {
	m := cyclestest.Quiet(1, 20, 0)
	boots, _, err := cycles.Parse("console", strings.NewReader(m.Console(rand.New(rand.NewPCG(1, 1)))))
	if err != nil || len(boots) != 1 {
		t.Fatalf("%d boots (%v)", len(boots), err)
	}
	for _, label := range []string{"a", "b", wire.LabelAgain} {
		f, ok := boots[0].Find(label, wire.OpNullCall)
		if !ok || (f.Tail != nil) == wire.IsControl(label) {
			t.Fatalf("%s has the tail %v", label, f.Tail)
		}
		if f.Tail == nil {
			continue
		}
		want := record.Tail{P99: 39, P999: 130, Most: 6500, N: 2000} // 1.3 cycles a tick
		if near := cmpopts.EquateApprox(0.01, 0); !cmp.Equal(*f.Tail, want, near) {
			t.Errorf("%s has the tail %+v, want %+v", label, *f.Tail, want)
		}
		i := slices.IndexFunc(boots[0].Records(nil, recordtest.Day), func(r record.Record) bool { return r.Variant == label && r.Op == wire.OpNullCall })
		r := boots[0].Records(nil, recordtest.Day)[i]
		if back := cycles.FigureOf(&r); back.Tail != f.Tail {
			t.Errorf("%s comes back from its record with the tail %v", label, back.Tail)
		}
	}
}

// TestDamage: a boot whose lines are not all as they were sent is left out, and
// the message says where.
func TestDamage(t *testing.T) {
	m := cyclestest.Quiet(3, 20, 0)
	lines := strings.SplitAfter(m.Console(rand.New(rand.NewPCG(9, 10))), "\n")
	per := len(lines) / 3
	at := func(i int) int { return per + i } // a line of the second boot
	for _, row := range []struct {
		name  string
		edit  func([]string) []string
		whole int
		want  string
	}{
		{"nothing", func(l []string) []string { return l }, 3, ""},
		{"a digit", func(l []string) []string {
			l[at(2)] = strings.Replace(l[at(2)], "samples=20", "samples=21", 1)
			return l
		}, 2, fmt.Sprintf("console:%d: the line is damaged", at(2)+1)},
		{"a line cut off", func(l []string) []string { l[at(2)] = l[at(2)][:40] + "\n"; return l }, 2, "cut off"},
		{"a line lost", func(l []string) []string { return slices.Delete(l, at(2), at(2)+1) }, 2, "12 lines of samples, 11 came"},
		{"a line's kind", func(l []string) []string { l[at(2)] = "SXMPLE" + l[at(2)][6:]; return l }, 2, "12 lines of samples, 11 came"},
		{"a line twice", func(l []string) []string { return slices.Insert(l, at(2), l[at(2)]) }, 2, "comes twice"},
		{"single calls twice", func(l []string) []string {
			i := at(slices.IndexFunc(l[per:], func(s string) bool { return strings.HasPrefix(s, wire.KindSingles) }))
			return slices.Insert(l, i, l[i])
		}, 2, "single operations null-call of a come twice"},
		{"no beginning", func(l []string) []string { return slices.Delete(l, at(0), at(0)+1) }, 2, "without the line that begins"},
		{"a damaged beginning", func(l []string) []string { l[at(0)] = strings.Replace(l[at(0)], "seed=1", "seed=2", 1); return l }, 2, "the line is damaged"},
		{"no end", func(l []string) []string { return slices.Delete(l, per+per-2, per+per) }, 2, "the boot has no end"},
		{"cut off in the last boot", func(l []string) []string { return l[:2*per+4] }, 2, "the boot has no end"},
		{"a line of another boot", func(l []string) []string { l[per+per-2] = l[per-2]; return l }, 2, "but boot"},
		{"a line that is read and means nothing", func(l []string) []string {
			l[at(2)] = wire.Series{Label: "a", Op: "x", Counter: "tsc", N: 0, Samples: 1}.String() + "\n"
			return l
		}, 2, "n=0 samples=1: want at least 1"},
		{"a damaged line of another kind", func(l []string) []string { return slices.Insert(l, at(3), "FAIL: a (b\n") }, 3, ""},
		{"other lines between", func(l []string) []string { return slices.Insert(l, at(3), "entrylab: hello\n", "garbage \x00\xff\n") }, 3, ""},
		{"a line that is too long, with one of samples in it", func(l []string) []string {
			return slices.Insert(l, at(3), strings.Repeat("x", 5*4096)+l[at(3)]) // 4 KiB are read at a time
		}, 3, ""},
	} {
		boots, damaged, err := cycles.Parse("console", strings.NewReader(strings.Join(row.edit(slices.Clone(lines)), "")))
		if err != nil || len(boots) != row.whole {
			t.Errorf("%s: %d boots and %v, want %d; damaged %q", row.name, len(boots), err, row.whole, damaged)
		}
		if row.want == "" && len(damaged) > 0 || row.want != "" && (len(damaged) != 1 || !strings.Contains(damaged[0], row.want)) {
			t.Errorf("%s: damaged %q, want %q", row.name, damaged, row.want)
		}
	}
}
