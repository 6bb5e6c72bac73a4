package stubs

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestImpossible: each reason occurs alone somewhere, so none is hidden by
// another.
func TestImpossible(t *testing.T) {
	alone := map[string]bool{}
	path, others := pathAxes()
	from := slices.Collect(combinations(path))
	for _, p := range presets() {
		from = append(from, p.Axes)
		if !p.Axes.lowersStack() {
			continue
		}
		for v := range neighbours(p.Axes, path) { // axis kstack decides with one of the path
			if v.Validate() == nil {
				from = append(from, v)
			}
		}
	}
	for _, v := range from {
		for w := range neighbours(v, others) {
			if err := w.Validate(); err != nil && !strings.Contains(err.Error(), "\n") {
				alone[strings.SplitN(err.Error(), ":", 2)[0]] = true
			}
		}
	}
	for _, a := range AllAxes() {
		for _, c := range a.Excludes {
			if !alone[c.What] {
				t.Errorf("no combination is impossible for %q alone; there are %q", c.What, slices.Sorted(maps.Keys(alone)))
			}
		}
	}
}
