package prove

import (
	"encoding/binary"
	"reflect"
	"slices"

	"github.com/entrylab/entrylab/stubs"
)

// A path back to ring 3 may look for work, have it done and look again, without end; and
// many paths are the same from the return of a handler on, as that has left nothing of
// what they differed in. So the machine remembers the states in which functions of the
// kernel return. If a state differs from an earlier one only in the names of its unknowns,
// what followed from the earlier one proves the same for it, and the path ends.

// again reports whether a state like this one has been here before, and remembers it
// if not. It drops the facts on which nothing depends any more.
func (m *machine) again(st *state) bool {
	m.namers++
	n := namer{m: m, b: m.named[:0], by: m.namers}
	n.state(st)
	n.facts(st)
	m.named = n.b
	if m.seen[string(n.b)] {
		return true
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[string(n.b)] = true
	return false
}

// namer writes a state as text, in which the unknowns that have come up on the way are
// numbered: two states that differ only in their names read the same.
type namer struct {
	m  *machine
	b  []byte
	by uint32 // the namer's own number
	n  uint32 // how many unknowns have one
}

func (n *namer) print(list ...uint64) {
	for _, x := range list {
		n.number(x)
	}
}

func (n *namer) number(x uint64) {
	if x < 0x80 { // most are
		n.b = append(n.b, byte(x))
		return
	}
	n.b = binary.AppendUvarint(n.b, x)
}

// pack packs Booleans into a number.
func pack(list ...bool) (x uint64) {
	for _, b := range list {
		x <<= 1
		if b {
			x |= 1
		}
	}
	return x
}

// state writes everything that decides what can follow: every field of a state except
// those that only tell how it came about.
func (n *namer) state(st *state) {
	e := &st.expect
	n.print(uint64(st.phase), st.pc, uint64(st.irq), st.wrote, uint64(e.edited), uint64(st.cond.kind), uint64(st.cond.width), uint64(st.cond.carry.kind),
		pack(st.isUnfit(), st.cond.clear, st.trampolined, st.verw, st.erased, st.ibrs, st.stale, st.owed, st.needed, st.filled, st.forgot, st.covered, st.untrained, st.barrier, st.fresh, st.counts, st.counting, st.down, st.held, st.current, e.called, e.refused, e.inside, e.asked, e.inRing0, e.event, e.complete, e.traced, e.told, e.alone, e.plain), pack(st.mine[:]...))
	for _, f := range st.flags {
		n.print(uint64(f))
	}
	if !st.forgot {
		n.print(uint64(st.branches))
	}
	wrapper := uint64(0)
	if e.wrapper != nil && (!e.called || n.m.axes.Is(stubs.SlowC)) { // else nothing asks for it any more
		wrapper = e.wrapper.addr
	}
	n.print(wrapper)
	for c := st.calls; c != nil; c = c.before {
		n.print(c.addr)
	}
	n.print(0)
	n.values(st.origin, st.cond.r, st.cond.a, st.cond.b, st.cond.carry.a, st.cond.carry.b, st.work, st.cr3, st.kernel, st.flushes, e.mxcsr)
	n.values(e.frame[:]...)
	n.values(e.bases[:]...)
	n.value(e.orig)
	made := e.xmm != nil && e.xmm.made
	n.print(pack(e.xmm != nil, made))
	if made {
		for _, t := range e.xmm.words {
			n.value(value{t: t})
		}
	}
	n.words(st.regs[:])
	n.print(uint64(len(st.cells)), uint64(len(st.trampoline)))
	n.words(st.cells)
	n.words(st.scratch[:])
	n.words(st.trampoline)
	n.words(st.saved[:])
	n.words(st.shadow[:])
	n.words(st.msrs[:])
	n.words(st.bases[:])
	n.words(st.random[:])
	n.words(st.bsd[:])
	n.words([]word{st.mxcsr, st.kstack, st.canary, st.depth, st.rsp0, st.rsp0Word, st.count})
	n.values(value{st.lowered, st.loweredFrom})
	n.print(pack(st.selectors != nil, st.xmm != nil, st.x87 != nil))
	if st.selectors != nil {
		n.words(st.selectors[:])
	}
	if st.xmm != nil {
		n.words(st.xmm[:])
	}
	if st.x87 != nil {
		n.words(st.x87[:])
	}
}

func (n *namer) values(list ...value) {
	for _, v := range list {
		n.value(v)
	}
}

func (n *namer) words(list []word) {
	for i := range list {
		w := &list[i]
		if w.v == (value{}) && w.by == nil { // most are
			n.number(0)
			continue
		}
		n.number(1 + pack(w.v == value{}, w.by == lost, w.written()))
		n.value(w.v)
	}
}

// facts writes the facts about unknowns that occur in the state, and drops the others.
func (n *namer) facts(st *state) {
	kept, all := n.m.kept[:0], n.m.all[:0]
	for f := st.facts; f != nil; f = f.before {
		all = append(all, f)
	}
	for again := true; again; { // one fact may lead to another
		again = false
		for i, f := range all {
			if f == nil || !n.has(f.t) && !n.has(f.v.t) {
				continue
			}
			n.values(f.t.value(), f.v)
			n.print(uint64(f.kind), f.k, uint64(len(f.in)))
			for _, in := range f.in {
				n.print(in.least, in.most)
			}
			kept, all[i], again = append(kept, f), nil, true
		}
	}
	if len(kept) < len(all) {
		st.setFacts(nil, kept)
	}
	n.m.kept, n.m.all = kept, all
}

// setFacts makes the facts of a state those of a list with others, the last of which is the
// oldest.
func (st *state) setFacts(before *facts, kept []*facts) {
	st.facts = before
	for _, f := range slices.Backward(kept) {
		c := *f
		c.before, c.n = st.facts, st.facts.count()+1
		st.facts = &c
	}
}

// has reports whether a term contains an unknown that has a name.
func (n *namer) has(t *term) bool {
	switch {
	case t == nil:
		return false
	case t.op != isSymbol:
		return n.has(t.x.t) || n.has(t.y.t)
	}
	return t.first > 0 || t.by == n.by
}

func (n *namer) value(v value) {
	if v.t == nil {
		n.number(0)
	} else {
		n.term(v.t)
	}
	n.number(v.c)
}

// term writes a term; what it begins with is never 0.
func (n *namer) term(t *term) {
	switch {
	case t.op != isSymbol:
		n.print(3, uint64(t.op), t.k, uint64(t.alu), pack(t.open))
		n.values(t.x, t.y)
	case t.first > 0:
		n.print(1, uint64(t.first))
	default:
		if t.by != n.by {
			n.n++
			t.by, t.number = n.by, n.n
		}
		n.print(2, uint64(t.number), pack(t.user, t.edit, t.open), t.low)
	}
}

// number numbers the unknowns that every path begins with.
func (s *symbols) number() {
	n := uint32(0)
	var add func(reflect.Value)
	add = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if t := (*term)(v.UnsafePointer()); t != nil {
				n++
				t.first = n
			}
		case reflect.Array:
			for i := range v.Len() {
				add(v.Index(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				add(it.Value())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				add(v.Field(i))
			}
		}
	}
	add(reflect.ValueOf(s).Elem())
}
