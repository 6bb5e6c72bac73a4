package prove

import "slices"

// visit is an instruction that paths have come to, with the claims that held there.
// Most paths meet the same ones in the same order, so that next is where the next one stands.
type visit struct {
	at   uint64
	held []claimKey
	next int
}

// hasMet reports whether a claim has held here before, and notes it if not.
func (v *visit) hasMet(key claimKey) bool {
	if v.next >= len(v.held) || v.held[v.next] != key {
		v.next = slices.Index(v.held, key)
	}
	if v.next < 0 {
		v.held = append(v.held, key)
		v.next = len(v.held)
		return false
	}
	v.next++
	return true
}

// notes has the machine note the claims and the instructions that it meets.
func (m *machine) notes() {
	m.claims, m.met, m.here = map[claimKey]*verdict{}, map[uint64]*visit{}, &visit{}
}

// comesTo notes that a path has come to an instruction.
func (m *machine) comesTo(at uint64) {
	v := m.met[at]
	if v == nil {
		v = &visit{at: at}
		m.met[at] = v
	}
	v.next = 0
	m.here = v
}
