// Package stubstest draws variants for property tests.
package stubstest

import (
	"slices"

	"github.com/entrylab/entrylab/stubs"
	"pgregory.net/rapid"
)

// Combination draws a variant from all axes that can be built: one of stubs.All, with axes
// set to random values as long as the variant remains possible.
func Combination() *rapid.Generator[stubs.Variant] {
	all := slices.DeleteFunc(slices.Collect(stubs.All()), func(v stubs.Axes) bool { return v.Bare })
	return rapid.Custom(func(t *rapid.T) stubs.Variant {
		v := rapid.SampledFrom(all).Draw(t, "variant")
		for _, a := range stubs.AllAxes() {
			if !rapid.Bool().Draw(t, "change "+a.Name) {
				continue
			}
			if w, err := v.With(rapid.SampledFrom(a.Values).Draw(t, a.Name).Value); err == nil {
				v = w
			}
		}
		return stubs.Variant{Name: v.Name(), Axes: v}
	})
}
