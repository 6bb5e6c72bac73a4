package prove

import "github.com/entrylab/entrylab/gen/x86"

// pushedFlags is RFLAGS as PUSHFQ stores it: a new unknown, of which those bits
// are known that the machine follows.
func (m *machine) pushedFlags(st *state) value {
	t := symbol("the kernel's RFLAGS", false)
	var zeros uint64
	for i, bit := range flagBits {
		switch st.flags[i] {
		case off:
			zeros |= bit
		case on:
			st.facts = m.at(st).with(factSome, t, value{}, bit)
		}
	}
	switch st.irq {
	case off:
		zeros |= x86.X86_EFLAGS_IF
	case on:
		st.facts = m.at(st).with(factSome, t, value{}, x86.X86_EFLAGS_IF)
	}
	st.facts = m.at(st).with(factZero, t, value{}, zeros)
	return t.value()
}

// popFlags is POPFQ in ring 0: it loads all that the machine follows (SDM
// volume 2, POPF). With TF set the next instruction would trap, in ring 0 and
// wherever that is.
func (m *machine) popFlags(st *state) bool {
	w, ok := m.pop(st)
	if !ok {
		return false
	}
	r := m.at(st)
	bit := func(mask uint64) tri {
		switch {
		case r.zeros(w.v)&mask == mask:
			return off
		case r.some(w.v, mask):
			return on
		}
		return either
	}
	for i, mask := range flagBits {
		st.flags[i] = bit(mask)
	}
	st.irq, st.cond = bit(x86.X86_EFLAGS_IF), condition{kind: condFlags, r: w.v}
	if v := r.resolve(w.v); st.flags[flagTF] == either && !v.fromUser() {
		m.undecided(st, claimFollows, "whether it sets TF: RFLAGS is "+m.show(st, v))
		return false
	}
	return m.check(st, claimFlag, flagTF, flagLoad, st.flags[flagTF] == off, m.gotWant(st, w, "RFLAGS without TF"))
}
