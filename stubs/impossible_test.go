package stubs

import (
	"strings"
	"testing"
)

// TestImpossible: each reason occurs alone somewhere, so none is hidden by
// another.
func TestImpossible(t *testing.T) {
	missing := map[string]bool{} // reasons
	for _, a := range AllAxes() {
		for _, c := range a.Excludes {
			missing[c.What] = true
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
			if err := w.Validate(); err != nil && !strings.Contains(err.Error(), "\n") {
				delete(missing, strings.SplitN(err.Error(), ":", 2)[0])
			}
		}
	}
	for what := range missing {
		t.Errorf("no combination is impossible for %q alone", what)
	}
}
