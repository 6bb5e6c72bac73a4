package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/layout"
)

// Known is what the proof knows about one instruction. Listings with explanations show it.
type Known struct {
	Where
	Addr uint64
	// Defines is the slot of the frame that the instruction fills, as layout.Slot prints
	// it; "" if it fills none. Value is what it puts there; "" if that differs from path
	// to path.
	Defines, Value string
	// Regs is what each register holds after the instruction, RAX to R15 in
	// the order of their encoding; "" where that differs from path to path.
	Regs [16]string
	// Changed are the registers, in the same order, that the instruction itself
	// changed on some path.
	Changed [16]bool
	// Values are the different values of the slot over all paths, RegValues those of the
	// registers. Values that no handler put there come first.
	Values    []string
	RegValues [16][]string
}

// knowledge gathers what an instruction leaves on all paths.
type knowledge struct {
	regs   [numRegs]gathered
	change [numRegs]bool
	cell   gathered // the word of the stack that it fills, as a constant
	filler gathered // what it puts there
}

// gathered is a value that may differ from path to path.
type gathered struct {
	v            value
	last         value // the one that came last
	seen, varies bool
	others       []value
}

func (g *gathered) add(v value) {
	if g.seen && v == g.last { // the usual case
		return
	}
	g.last = v
	switch {
	case !g.seen:
		g.v, g.seen = v, true
	case !alike(g.v, v):
		g.varies = true
		if !slices.ContainsFunc(g.others, func(o value) bool { return alike(o, v) }) {
			g.others = append(g.others, v)
		}
	}
}

// all returns the different values, those that no handler put there first.
func (g *gathered) all() []string {
	if !g.seen {
		return nil
	}
	var own, handlers []string
	for _, v := range append([]value{g.v}, g.others...) {
		if v.t != nil && v.t.edit {
			handlers = append(handlers, v.String())
		} else {
			own = append(own, v.String())
		}
	}
	return append(own, handlers...)
}

func (g *gathered) String() string {
	if !g.seen || g.varies {
		return ""
	}
	return g.v.String()
}

// alike reports whether two values look the same in a listing.
func alike(a, b value) bool {
	switch {
	case a == b:
		return true
	case a.c != b.c || a.t == nil || b.t == nil || a.t.op != b.t.op || a.t.k != b.t.k:
		return false
	case a.t.op == isSymbol:
		return a.t.name == b.t.name
	}
	return alike(a.t.x, b.t.x)
}

// knowledgeOf returns what has been gathered about an instruction.
func (m *machine) knowledgeOf(at uint64) *knowledge {
	k := m.knows[at]
	if k == nil {
		k = &knowledge{}
		m.knows[at] = k
	}
	return k
}

// learns notes the registers after an instruction.
func (m *machine) learns(st *state) {
	if m.knows == nil {
		return
	}
	k := m.runs
	for r := range st.regs {
		k.regs[r].add(st.regs[r].v)
		k.change[r] = k.change[r] || st.regs[r].v != m.before[r].v
	}
}

// defines notes that the instruction fills a word of the stack.
func (m *machine) defines(cell int, v value) {
	if m.knows == nil {
		return
	}
	k := m.runs
	k.cell.add(known(uint64(cell)))
	k.filler.add(v)
}

// known translates what was gathered for callers.
func (k *knowledge) known(addr uint64, where Where, inFrame bool) Known {
	out := Known{Where: where, Addr: addr, Changed: k.change}
	if inFrame && k.cell.seen && !k.cell.varies && k.cell.v.c < uint64(layout.NumSlots) {
		out.Defines, out.Value, out.Values = cellName(int(k.cell.v.c)), k.filler.String(), k.filler.all()
	}
	for r := range k.regs {
		out.Regs[r], out.RegValues[r] = k.regs[r].String(), k.regs[r].all()
	}
	return out
}
