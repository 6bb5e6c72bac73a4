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
		{"a line lost", func(l []string) []string { return slices.Delete(l, at(2), at(2)+1) }, 2, "10 lines of samples, 9 came"},
		{"a line's kind", func(l []string) []string { l[at(2)] = "SXMPLE" + l[at(2)][6:]; return l }, 2, "10 lines of samples, 9 came"},
		{"a line twice", func(l []string) []string { return slices.Insert(l, at(2), l[at(2)]) }, 2, "comes twice"},
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
