package stubs

import (
	"flag"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
)

// open returns the pairs, possible or not, that no variant of a list holds.
func open(list []Variant) map[pair]bool {
	pairs := map[pair]bool{}
	for p := range allPairs() {
		pairs[p] = true
	}
	for _, n := range list {
		if n.Axes.Bare {
			continue // on no axis
		}
		for p := range n.Axes.pairs() {
			delete(pairs, p)
		}
	}
	return pairs
}

// few yields every combination of the axes' values in which at most two are not an
// axis' first value.
func few(axes []*Axis) iter.Seq[Axes] {
	return func(yield func(Axes) bool) {
		if !yield(Axes{}) {
			return
		}
		for i, a := range axes {
			for m := 1; m < len(a.Values); m++ {
				var v Axes
				v.choice[a.slot] = uint8(m)
				if !yield(v) {
					return
				}
				for _, b := range axes[i+1:] {
					for n := 1; n < len(b.Values); n++ {
						w := v
						w.choice[b.slot] = uint8(n)
						if !yield(w) {
							return
						}
					}
				}
			}
		}
	}
}

// every has missed try all combinations, not a sample.
var every = flag.Bool("every", false, "TestPairwise: try every combination of the axes that constrain each other")

// sampled is of how many such combinations one is tried.
const sampled = 16

// missed returns the pairs that some possible variant holds but no variant of the list
// does, each with such a variant. It tries combinations of the axes that constrain
// each other, among them those of the variants always, each with the independent axes two at a time: a third independent axis
// changes nothing, but for the one value that another (returns=calldepth) cannot be
// without.
func missed(list []Variant, always ...Variant) map[pair]Axes {
	pairs, found := slices.Collect(maps.Keys(open(list))), map[pair]Axes{}
	path, alone := pathAxes()
	for _, a := range alone { // first the axes to whose values others belong
		if at, ok := registry.values[a.Of]; ok && !slices.Contains(path, at.axis) {
			path = append(path, at.axis)
		}
	}
	alone = slices.DeleteFunc(alone, func(a *Axis) bool { return slices.Contains(path, a) })
	filled := registry.values[RSBFilled]
	agrees := func(v Axes, axis, value uint8) bool {
		on := func(a *Axis) bool { return a.slot == axis && a != filled.axis }
		return v.choice[axis] == value || !slices.ContainsFunc(path, on)
	}
	n := 0
	for v := range combinations(path) {
		if !v.possible() {
			continue // whatever the others are: they are independent
		}
		n++
		isOf := func(w Variant) bool {
			return !slices.ContainsFunc(path, func(a *Axis) bool { return !agrees(v, a.slot, w.Axes.choice[a.slot]) })
		}
		if !*every && n%sampled != 0 && !slices.ContainsFunc(always, isOf) {
			continue
		}
		pairs := slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return !agrees(v, p.axisA, p.valueA) || !agrees(v, p.axisB, p.valueB) })
		about := slices.DeleteFunc(slices.Clone(alone), func(a *Axis) bool { return !a.in(v) })
		for w := range few(about) {
			for _, a := range path {
				w.choice[a.slot] = v.choice[a.slot]
			}
			x := w
			x.choice[filled.axis.slot] = filled.n
			for _, w := range []Axes{w, x} {
				holds := func(p pair) bool { return w.choice[p.axisA] == p.valueA && w.choice[p.axisB] == p.valueB }
				if !slices.ContainsFunc(pairs, holds) || !w.possible() {
					continue
				}
				for _, p := range pairs {
					if holds(p) {
						found[p] = w
					}
				}
				pairs = slices.DeleteFunc(pairs, holds)
			}
		}
	}
	return found
}

// pairwise is the list, made once: it takes seconds.
var pairwise = sync.OnceValue(Pairwise)

// TestPairwise: every two values that can occur together do. Without the last variant
// of the list, exactly the pairs that it alone holds are missed.
func TestPairwise(t *testing.T) {
	list := pairwise()
	short := list[:len(list)-1]
	last := open(short)
	for p := range open(list) {
		delete(last, p)
	}
	if len(last) == 0 {
		t.Fatalf("%s holds nothing new", list[len(list)-1].Name)
	}
	found := missed(short, list[len(list)-1])
	for p, v := range found {
		if !last[p] {
			t.Errorf("no variant holds %v, as %v does", p, v)
		}
	}
	for p := range last {
		if _, ok := found[p]; !ok {
			t.Errorf("%v is not missed without the variant that holds it", p)
		}
	}
	t.Logf("%d variants, %d pairs that cannot be", len(list), len(open(list)))
}

// TestPairwiseList: the variants of the list are possible, distinct, few, and the same
// each time.
func TestPairwiseList(t *testing.T) {
	list := pairwise()
	seen := map[Axes]bool{}
	for _, n := range list {
		if err := n.Axes.Validate(); err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
		if seen[n.Axes] {
			t.Errorf("%s is there twice", n.Name)
		}
		seen[n.Axes] = true
	}
	if most := 6 * len(presets()); len(list) > most {
		t.Errorf("%d variants, want at most %d", len(list), most)
	}
	same := func(a, b Variant) bool { return a.Axes == b.Axes && a.Name == b.Name }
	if !slices.EqualFunc(list, Pairwise(), same) {
		t.Error("another list at the second time")
	}
}
