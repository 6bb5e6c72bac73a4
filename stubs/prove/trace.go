package prove

// traced is one thing that happened on a path, with the claims there. The oracle
// (see smt.go) goes through it again. Paths share it up to the branch where they part.
type traced struct {
	kind  tracedKind
	at    uint64
	in    *inst // of ran
	holds bool  // of parted and kept: whether the instruction's condition holds
	flag  bool  // of parted: the condition is of a flag that is not followed
	// before and after are the machine around what the kernel did; before is nil
	// where a path begins. Trials keep the machine before each instruction, too.
	before, after *state
	prev          *traced // what happened before
	claims        []obligation
	hints         []hint
	others        []othersWord // that the instruction reads
	lowered       *term        // where RSP is put by an instruction that lowers it; see machine.lower
	next          []*traced
	refutes       bool // a claim is refuted here or further on; see leadsToRefuted
}

type tracedKind uint8

const (
	ran    tracedKind = iota // the instruction in
	parted                   // both ways of its condition are open, and this is one
	kept                     // its condition goes this way alone
	went                     // it went to the address at
	kernel                   // a function of the kernel, or another thread, ran
)

// obligation is a claim on one path.
type obligation struct {
	key     claimKey
	outcome Outcome
	want    value // of a claim that a word is another
	ghost   bool  // what the claim depends on beside the machine
}

// hint is where the proof has found an operand in memory.
type hint struct {
	o    operand
	addr value
}

// leadsToRefuted reports whether a refuted claim follows, and marks all places from
// which one does.
func (t *traced) leadsToRefuted() bool {
	for _, c := range t.claims {
		t.refutes = t.refutes || c.outcome == Refuted
	}
	for _, next := range t.next {
		t.refutes = next.leadsToRefuted() || t.refutes
	}
	return t.refutes
}

// trace records one thing that happens on a path.
func (m *machine) trace(st *state, t traced) {
	if m.traces {
		next := &traced{}
		*next = t
		next.prev = st.traced
		if t.kind == ran && m.snapshots {
			next.before = st.copyTo(&state{})
		}
		st.traced.next = append(st.traced.next, next)
		st.traced = next
	}
}

// begins records the start of a path.
func (m *machine) begins(st *state) {
	if m.traces {
		st.traced = &traced{kind: kernel, after: st.copyTo(&state{})}
		m.roots = append(m.roots, st.traced)
	}
}

// leaves notes that the kernel changes the machine from here until the next
// instruction runs.
func (m *machine) leaves(st *state) {
	if m.traces && st.left == nil {
		st.left = st.copyTo(&state{})
	}
}

// returns records, at the first instruction that follows, what the kernel did.
func (m *machine) returns(st *state) {
	if st.left != nil {
		left := st.left
		st.left = nil
		m.trace(st, traced{kind: kernel, at: left.at, before: left, after: st.copyTo(&state{})})
	}
}

// obliges records a claim on this path.
func (m *machine) obliges(st *state, o obligation) {
	if !m.traces {
		return
	}
	switch o.key.kind {
	case claimUserGS:
		o.want = st.expect.bases[baseGS]
	case claimAnswered:
		o.ghost = st.expect.called || m.promise.bare
	case claimTold:
		o.ghost = st.expect.told || st.expect.alone || !m.mustTell(st)
	case claimIRQ:
		o.ghost = m.promise.irq
	case claimCleared: // that a value is the kernel's own is no matter of words
		v := m.at(st).resolve(st.regs[o.key.n].v)
		o.ghost = m.byFrame() && o.key.of == handlers && v.t != nil && !v.fromUser()
	}
	st.traced.claims = append(st.traced.claims, o)
}

// othersWord is a word that others wrote last, by its index in runner.memory.
type othersWord struct {
	place int
	v     value
}

// readsOthers records that the instruction reads a word that others wrote last.
func (m *machine) readsOthers(st *state, place int, v value) {
	if m.snapshots && st.traced != nil && st.traced.kind == ran {
		st.traced.others = append(st.traced.others, othersWord{place, v})
	}
}

// finds records where an operand is.
func (m *machine) finds(st *state, o operand, addr value) {
	if m.traces && st.traced != nil {
		st.traced.hints = append(st.traced.hints, hint{o, addr})
	}
}
