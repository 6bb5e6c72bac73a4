package stubs

import "iter"

// pair is two values of two axes: the slot of each axis and the index of its
// value. The lower slot is first.
type pair struct{ axisA, valueA, axisB, valueB uint8 }

// pairs yields the pairs of the variant's values.
func (v Axes) pairs() iter.Seq[pair] {
	return func(yield func(pair) bool) {
		axes := uint8(len(registry.axes))
		for a := range axes {
			for b := a + 1; b < axes; b++ {
				if !yield(pair{a, v.choice[a], b, v.choice[b]}) {
					return
				}
			}
		}
	}
}

// withPair returns the variant with both values of a pair.
func (v Axes) withPair(p pair) Axes {
	v.choice[p.axisA], v.choice[p.axisB] = p.valueA, p.valueB
	return v
}

// possible reports whether Validate finds nothing wrong.
func (v Axes) possible() bool { return v.excluded() == nil }

// excluded returns the first exclusion that the variant is of, nil if it is possible.
func (v Axes) excluded() *Exclusion {
	for _, a := range registry.axes {
		for i := range a.Excludes {
			if a.Excludes[i].Is(v) {
				return &a.Excludes[i]
			}
		}
	}
	return nil
}

// Pairwise returns variants in which every two values of two axes that can occur
// together do: what two values do to each other shows in one of them. The presets
// come first. The other variants are made pair by pair, each with as many new pairs as
// changing one axis after the other brings, and are the same in every run.
func Pairwise() []Variant {
	var list []Variant
	seen := map[pair]bool{}
	take := func(n Variant) {
		list = append(list, n)
		if !n.Axes.Bare {
			for p := range n.Axes.pairs() {
				seen[p] = true
			}
		}
	}
	for _, p := range presets() {
		take(p.Variant)
	}
	for p := range allPairs() {
		if seen[p] {
			continue
		}
		if v, ok := holding(p, list); ok {
			v = v.enriched(p, seen)
			take(Variant{Name: v.Name(), Axes: v})
		}
	}
	return list
}

// allPairs yields every two values of two axes, possible or not.
func allPairs() iter.Seq[pair] {
	return func(yield func(pair) bool) {
		for i, a := range registry.axes {
			for _, b := range registry.axes[i+1:] {
				lower, upper := a, b
				if a.slot > b.slot {
					lower, upper = b, a
				}
				for m := range lower.Values {
					for n := range upper.Values {
						if !yield(pair{lower.slot, uint8(m), upper.slot, uint8(n)}) {
							return
						}
					}
				}
			}
		}
	}
}

// holding returns a possible variant with both values: one of the list, changed on
// the two axes and, if that is not enough, on one or two more.
func holding(p pair, list []Variant) (Axes, bool) {
	for more := range 3 {
		for _, n := range list {
			if n.Axes.Bare {
				continue
			}
			if v, ok := differing(n.Axes.withPair(p), p, more); ok {
				return v, true
			}
		}
	}
	return Axes{}, false
}

// differing returns a possible variant that differs from v on at most that many axes,
// none of them one of the pair's. Each change is one that takes back what excludes the
// variant.
func differing(v Axes, p pair, more int) (Axes, bool) {
	why := v.excluded()
	if why == nil || more == 0 {
		return v, why == nil
	}
	for _, a := range registry.axes {
		if a.slot == p.axisA || a.slot == p.axisB {
			continue
		}
		for n := range a.Values {
			w := v
			w.choice[a.slot] = uint8(n)
			if why.Is(w) || n > 0 && !a.in(w) {
				continue
			}
			if w, ok := differing(w, p, more-1); ok {
				return w, true
			}
		}
	}
	return Axes{}, false
}

// enriched returns the variant with each axis except the pair's, in turn, set to the
// value that brings most new pairs.
func (v Axes) enriched(p pair, seen map[pair]bool) Axes {
	news := func(v Axes) (n int) {
		for p := range v.pairs() {
			if !seen[p] {
				n++
			}
		}
		return n
	}
	for _, a := range registry.axes {
		if a.slot == p.axisA || a.slot == p.axisB {
			continue
		}
		best, most := v, news(v)
		for n := range a.Values {
			w := v
			w.choice[a.slot] = uint8(n)
			if news(w) > most && w.possible() {
				best, most = w, news(w)
			}
		}
		v = best
	}
	return v
}
