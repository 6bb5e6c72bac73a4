package prove

// stack holds words of a stack from its top down. What is below the last of them is lost:
// others may have written it.
type stack []word

// at returns a word to read or write.
func (s *stack) at(i int) *word {
	for len(*s) <= i {
		*s = append(*s, word{by: lost})
	}
	return &(*s)[i]
}

// in returns what a word holds.
func (s stack) in(i int) word {
	if i < len(s) {
		return s[i]
	}
	return word{by: lost}
}

// drop forgets the words from one on.
func (s *stack) drop(first int) {
	if first < len(*s) {
		*s = (*s)[:first]
	}
}

// copyTo makes another state the same. The two share no stack.
func (st *state) copyTo(to *state) *state {
	cells, trampoline := to.cells, to.trampoline
	*to = *st
	to.cells, to.trampoline = append(cells[:0], st.cells...), append(trampoline[:0], st.trampoline...)
	return to
}

// functionFrame runs ENTER of a function that is not nested, and LEAVE.
func (m *machine) functionFrame(st *state, in *inst) bool {
	rsp, rbp := operand{kind: inReg, reg: rSP}, operand{kind: inReg, reg: rBP}
	if in.op == opLEAVE {
		m.write(st, rsp, 8, st.regs[rBP])
		w, ok := m.pop(st)
		return ok && m.write(st, rbp, 8, w)
	}
	if !m.push(st, st.regs[rBP]) {
		return false
	}
	m.write(st, rbp, 8, st.regs[rSP])
	return m.write(st, rsp, 8, word{st.regs[rSP].v.add(-uint64(in.src.imm)), nil})
}
