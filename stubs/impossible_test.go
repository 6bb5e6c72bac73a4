package stubs

import (
	"slices"
	"strings"
	"testing"
)

// TestImpossible: each reason occurs alone somewhere, so none is hidden by
// another.
func TestImpossible(t *testing.T) {
	var missing []*Exclusion
	for _, a := range registry.axes {
		for i := range a.Excludes {
			missing = append(missing, &a.Excludes[i])
		}
	}
	path, others := pathAxes()
	var from []Axes
	for _, p := range presets() {
		from = append(from, p.Axes)
		if !p.Axes.lowersStack() {
			continue
		}
		from = append(from, p.Axes.Set(KStackNone)) // stackleak=erase is only possible then
		for v := range neighbours(p.Axes, path) {   // axis kstack decides with one of the path
			if v.Validate() == nil {
				from = append(from, v)
			}
		}
	}
	for v := range combinations(path) {
		from = append(from, v)
	}
	for _, v := range from {
		if len(missing) == 0 {
			return
		}
		for w := range neighbours(v, others) {
			missing = slices.DeleteFunc(missing, func(c *Exclusion) bool {
				return c.Is(w) && len(strings.Split(w.Validate().Error(), "\n")) == 1
			})
		}
	}
	for _, c := range missing {
		t.Errorf("no combination is impossible for %q alone", c.What)
	}
}
