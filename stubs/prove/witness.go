package prove

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Witness is an input for which a claim fails: what ring 3 has in its registers
// at SYSCALL, what functions of the kernel return, and what memory holds. Any word
// that it does not name may have any value.
type Witness struct {
	// Regs are the user's registers, RAX to R15 in the order of their encoding.
	Regs        [16]uint64
	RIP, RFLAGS uint64
	// Words are the other words that count, by their names in reports.
	Words []WitnessWord
	// Interrupt is the instruction behind which an interrupt must come; nil if the
	// claim fails without one.
	Interrupt *Where
	// Got and Want are the two words that differ, if the claim compares words.
	Got, Want uint64
	Differ    bool
	counts    [16]bool // the registers that count
	countsRIP bool
	countsFl  bool
}

// WitnessWord is a named word.
type WitnessWord struct {
	Name string
	Word uint64
}

// String returns, in one line, the registers and words that count.
func (w *Witness) String() string {
	var parts []string
	add := func(name string, word uint64) { parts = append(parts, fmt.Sprintf("%s = %#x", name, word)) }
	for i, counts := range w.counts {
		if counts {
			add(reg(i).String(), w.Regs[i])
		}
	}
	if w.countsRIP {
		add("RIP", w.RIP)
	}
	if w.countsFl {
		add("RFLAGS", w.RFLAGS)
	}
	for _, x := range w.Words {
		add(x.Name, x.Word)
	}
	if len(parts) == 0 {
		parts = append(parts, "any input")
	}
	s := strings.Join(parts, ", ")
	if w.Interrupt != nil {
		s += fmt.Sprintf("; an interrupt comes behind %v", *w.Interrupt)
	}
	if w.Differ {
		s += fmt.Sprintf(": %#x, want %#x", w.Got, w.Want)
	}
	return s
}

// given is the list of predicates that a path assumes to be true, or false. The newest
// is first.
type given struct {
	before *given
	p      predicate
	holds  bool
}

// given adds a predicate that the path assumes to be true, or false.
func (m *machine) given(st *state, p predicate, holds bool) {
	st.facts = m.at(st).assume(p, holds)
	st.given = &given{st.given, p, holds}
}

// nowhere is the goal of a claim that does not depend on words: it fails whenever the
// path is taken.
var nowhere = predicate{kind: never}

// witness is an input that takes a path and violates a goal.
type witness struct {
	words     assignment
	counts    []*term
	window    uint64
	got, want uint64
	differ    bool
}

// attempts is the number of inputs to try before a claim counts as undecided.
const attempts = 400

// witness looks for an input that takes the path and violates the goal. It draws words
// that the facts allow, best at the edges of a region, and tries them on the path's own
// conditions.
func (m *machine) witness(st *state, goal predicate) *witness {
	var list []*term
	need := func(p predicate) {
		for _, v := range []value{p.a, p.b} {
			list = symbolsOf(v, list)
		}
	}
	var path []*given
	for g := st.given; g != nil; g = g.before {
		path = append(path, g)
	}
	for _, g := range slices.Backward(path) {
		need(g.p)
	}
	need(goal)
	for _, t := range list {
		if t.open && t.op == isSymbol { // no input determines it
			return nil
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range attempts {
		words := assignment{}
		for _, t := range list {
			m.choose(st, rng, words, t, i, 0)
		}
		if !taken(st.given, words) {
			continue
		}
		if holds, known := goal.holds(words); !known && goal.kind != never || holds {
			continue
		}
		w := &witness{words: words, counts: list, window: st.window}
		if goal.kind == equal {
			w.got, _ = evaluate(goal.a, words)
			w.want, _ = evaluate(goal.b, words)
			w.differ = true
		}
		return w
	}
	return nil
}

// taken reports whether an input takes the path at every decision.
func taken(g *given, words assignment) bool {
	for ; g != nil; g = g.before {
		if holds, known := g.p.holds(words); !known || holds != g.holds {
			return false
		}
	}
	return true
}

// symbolsOf appends the symbols of a value to a list.
func symbolsOf(v value, list []*term) []*term {
	switch t := v.t; {
	case t == nil:
	case t.op == isSymbol || t.op == isEntry:
		if !slices.Contains(list, t) {
			list = append(list, t)
		}
	default:
		list = symbolsOf(t.y, symbolsOf(t.x, list))
	}
	return list
}

// choose gives a symbol a word that the facts allow. Early attempts choose words at
// the edges of the region.
func (m *machine) choose(st *state, rng *rand.Rand, words assignment, t *term, attempt, depth int) {
	if _, ok := words[t]; ok {
		return
	}
	r := m.at(st)
	for f := st.facts; f != nil; f = f.before {
		if f.kind != factSame || f.t != t || depth > 16 {
			continue
		}
		for _, s := range symbolsOf(f.v, nil) {
			m.choose(st, rng, words, s, attempt, depth+1)
		}
		words[t], _ = evaluate(f.v, words)
		return
	}
	defer func() { words[t] &^= t.low }()
	n := rng.Uint64()
	if s := r.where(t); len(s) > 0 {
		i := s[rng.IntN(len(s))]
		edge := rng.IntN(8)
		if attempt < 2 { // easy to read
			i, edge = s[0], attempt
		}
		switch edge {
		case 0:
			n = i.least
		case 1:
			n = i.most
		case 2: // a small number below bits that an instruction may lose
			n = n<<32 | n>>56
		case 3:
			n = 1 << (n >> 58)
		case 4:
			n = uint64(int64(n) >> 48)
		default:
			if span := i.most - i.least; span != maxWord {
				n = i.least + n%(span+1)
			}
		}
	}
	for f := st.facts; f != nil; f = f.before {
		switch {
		case f.t != t:
		case f.kind == factSome && n&f.k == 0:
			if may := f.k &^ r.zeros(t.value()); may != 0 {
				n |= may & -may
			}
		}
	}
	for g := st.given; g != nil; g = g.before {
		if g.holds && g.p.kind == equal && g.p.b.t == nil {
			mask, bits := bitsOf(t, g.p.a, g.p.b.c, maxWord)
			n = n&^mask | bits&mask
		}
	}
	words[t] = n &^ r.zeros(t.value())
}

// bitsOf returns which bits of a symbol a value's bits in mask depend on, and what they
// must be for the value to have the bits of want. It sees through AND and right shifts.
func bitsOf(t *term, v value, want, mask uint64) (of, bits uint64) {
	switch {
	case v.t == nil || v.c != 0:
		return 0, 0
	case v.t == t:
		return mask, want
	case v.t.op == isAnd:
		return bitsOf(t, v.t.x, want, mask&v.t.k)
	case v.t.op == isShr:
		return bitsOf(t, v.t.x, want<<v.t.k, mask<<v.t.k)
	}
	return 0, 0
}

// witness translates a witness for callers.
func (w *witness) witness(s *symbols, places places, interrupt uint64) *Witness {
	if w == nil {
		return nil
	}
	out := &Witness{Got: w.got, Want: w.want, Differ: w.differ}
	counted := func(t *term) bool { return slices.Contains(w.counts, t) }
	for i, t := range s.user {
		out.Regs[i], out.counts[i] = w.words[t], counted(t)
	}
	out.RIP, out.countsRIP = w.words[s.rip], counted(s.rip)
	out.RFLAGS, out.countsFl = w.words[s.flags], counted(s.flags)
	for _, t := range w.counts {
		if t != s.rip && t != s.flags && !slices.Contains(s.user[:], t) {
			name := t.String()
			for i := 2; slices.ContainsFunc(out.Words, func(w WitnessWord) bool { return w.Name == name }); i++ {
				name = fmt.Sprintf("%v (%d)", t, i)
			}
			out.Words = append(out.Words, WitnessWord{name, w.words[t]})
		}
	}
	if interrupt != 0 {
		at := places.at(interrupt)
		out.Interrupt = &at
	}
	return out
}

// interruptAt returns the instruction behind which an interrupt must come for a claim
// to fail; 0 if the claim fails without one.
func (v *verdict) interruptAt(key claimKey) uint64 {
	switch {
	case !v.interrupted || v.witness == nil:
		return 0
	case key.kind == claimWindow || key.kind == claimIBRSWindow:
		return key.at
	}
	return v.witness.window
}

// takesInterrupt reports whether a claim fails only if an interrupt comes.
func (m *machine) takesInterrupt(st *state, kind claimKind, from *origin) bool {
	switch kind {
	case claimWindow, claimIBRSWindow, claimScratch:
		return true
	case claimNoWork, claimResched:
		return st.stale
	}
	for ; from != nil; from = from.before {
		if from == lost {
			return true
		}
	}
	return false
}

// show prints a value for a report.
func (m *machine) show(st *state, v value) string {
	if m.quick {
		return ""
	}
	return m.at(st).resolve(v).String()
}

// event is the list of decisions on a path. The newest is first.
type event struct {
	before *event
	at     uint64
	text   string
}

func (st *state) note(text string) { st.path = &event{st.path, st.at, text} }
