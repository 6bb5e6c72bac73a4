package prove

import "github.com/entrylab/entrylab/gen/x86"

// condition tells what the arithmetic flags are: those of the last instruction
// that set them, by its result and operands.
type condition struct {
	kind  conditionKind
	width uint8
	r     value // the result
	a, b  value // the operands
	// carry is the predicate that CF is set or, if clear is true, that it is clear.
	carry predicate
	clear bool
}

type conditionKind uint8

const (
	condUnknown conditionKind = iota
	condCompare               // of a with b
	condAdd                   // of a and b
	condLogic                 // of r; OF is 0
	condResult                // ZF, SF and PF of r; OF is not known
	condZero                  // ZF of r; no more is known
	condCount                 // ZF of r; the others are 0
	condFlags                 // r is RFLAGS
)

// pushedFlags returns RFLAGS as PUSHFQ stores it: a new unknown in which the bits are known
// that the machine follows.
func (m *machine) pushedFlags(st *state) value {
	t := outside("the kernel's RFLAGS", false)
	var zeros uint64
	for i, bit := range flagBits {
		switch st.flags[i] {
		case off:
			zeros |= bit
		case on:
			m.given(st, m.isSet(m.ts.and(t.value(), bit)), false)
		}
	}
	switch st.irq {
	case off:
		zeros |= x86.X86_EFLAGS_IF
	case on:
		m.given(st, m.isSet(m.ts.and(t.value(), x86.X86_EFLAGS_IF)), false)
	}
	m.given(st, m.isSet(m.ts.and(t.value(), zeros)), true)
	return t.value()
}

// popFlags runs POPFQ in ring 0: it loads all flags that the machine follows (SDM volume 2,
// POPF). With TF set, the next instruction would trap in ring 0, wherever it is.
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
		st.flags[i], st.flagBy[i] = bit(mask), m.moved(st, w.by)
	}
	st.irq, st.irqBy = bit(x86.X86_EFLAGS_IF), m.moved(st, w.by)
	st.cond = condition{kind: condFlags, r: w.v}
	return m.checkThat(st, claimFlag, flagTF, flagLoad, st.flags[flagTF] == off, m.isSet(m.ts.and(w.v, x86.X86_EFLAGS_TF)), m.gotWant(st, w, "RFLAGS without TF"))
}
