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
