package nightly

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/engine"
)

// TestTimes: what is left is told by what cells took last, or by what others took on
// the same.
func TestTimes(t *testing.T) {
	n := newNights(t, "said")
	n.m.Subjects = []string{"linux-3.19", "linux-4.1", "linux-6.12"}
	cells, err := n.m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	words := func() string {
		times, err := ReadTimes(t.Context(), n.store, cells)
		if err != nil {
			t.Fatal(err)
		}
		return times.Words(cells)
	}
	if got := words(); got != "3 cells, which were never done" {
		t.Errorf("before: %q", got)
	}
	n.next()
	if left := func(text string) bool { return strings.HasSuffix(text, "; left: 2 cells, about 0s") }; !slices.ContainsFunc(n.said, left) {
		t.Errorf("it says %q", n.said)
	}
	icount, ok := engine.Find("icount")
	if !ok {
		t.Fatal("no engine icount")
	}
	times := Times{map[string]float64{}, map[string][]float64{}}
	times.took(cells[0], 60*float64(runtime.NumCPU()))
	for _, tt := range []struct {
		name  string
		cells []Cell
		want  string
	}{
		{"none", nil, "0 cells"},
		{"one that was done", cells[:1], "1 cell, about 1m0s"},
		{"two that others tell of", cells[1:], "2 cells, about 2m0s"},
		{"one that nothing tells of", append(slices.Clone(cells), Cell{Name: "icount", Engine: icount}), "4 cells, more than 3m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := times.Words(tt.cells); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}
