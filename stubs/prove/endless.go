package prove

import "hash/fnv"

// turn is where a path went back in the code: the state there, and how many decisions on
// unknowns it had made. The newest is first.
type turn struct {
	before *turn
	hash   uint64
	given  *given
}

// afterTurns is how many instructions a path runs before its turns are looked at. Loops of
// real entries are shorter.
const afterTurns = 20_000

// goesBack is called where a path goes back in the code. It reports whether the path may go
// on: a loop whose state comes again without a decision on an unknown never ends.
func (m *machine) goesBack(st *state) bool {
	if m.hasNoExit(st.pc, st.at) {
		return m.endless(st, "a loop without an exit")
	}
	if st.steps < afterTurns {
		return true
	}
	m.namers++
	n := namer{m: m, b: m.named[:0], by: m.namers}
	n.state(st)
	m.named = n.b
	h := fnv.New64a()
	h.Write(n.b)
	now := &turn{st.turns, h.Sum64(), st.given}
	for t := st.turns; t != nil; t = t.before {
		if t.hash == now.hash && t.given == now.given {
			return m.endless(st, "a loop that nothing ends: it comes here again with all that it tests as it was")
		}
	}
	st.turns = now
	return true
}

// endless ends a path that never ends.
func (m *machine) endless(st *state, what string) bool {
	m.check(st, claimLoop, 0, nil, false, func() (string, string, *origin) { return what, "", nil })
	return false
}

// hasNoExit reports whether the code from one address on comes to another without an
// instruction that may go elsewhere.
func (m *machine) hasNoExit(from, to uint64) bool {
	for range afterTurns {
		in, err := m.fetch(from)
		if err != nil {
			return false
		}
		if from == to {
			return in.op == opJMP && in.src.kind == isImm
		}
		from += uint64(in.len)
		switch in.op {
		case opJMP:
			if in.src.kind != isImm {
				return false
			}
			from = uint64(in.src.imm)
		case opJCC, opLOOP, opJRCXZ, opCALL, opRET, opRETN, opSYSRET, opIRET, opERETU, opERETS, opSYSEXIT, opUD2, opINT3, opHLT:
			return false
		}
	}
	return false
}
