package prove

import "fmt"

// numXMM is how many words the XMM registers have.
const numXMM = 32

// xmmName names a word of an XMM register.
func xmmName(i int) string {
	return fmt.Sprintf("XMM%d, %s half", i/2, [...]string{"lower", "upper"}[i%2])
}

// userXMM returns what ring 3 is to find in a word of an XMM register.
func (m *machine) userXMM(st *state, i int) value {
	if st.expect.xmm != nil {
		return st.expect.xmm.at(i)
	}
	return m.s.xmm[i].value()
}

// otherWords are unknown words in the XMM registers. Few paths read one: each is made when
// it is asked for.
type otherWords struct {
	names *[numXMM]string
	words [numXMM]*term
	made  bool // one was
}

func (o *otherWords) at(i int) value {
	if o.words[i] == nil {
		o.words[i], o.made = symbol(o.names[i], true), true
	}
	return o.words[i].value()
}

// otherXMM puts unknown words into the XMM registers and MXCSR, as a function may that
// delivers a signal or returns from its handler.
func (m *machine) otherXMM(st *state, f *function) {
	names := f.unknowns()
	st.expect.xmm, st.xmm = &otherWords{names: &names.xmm}, nil
	st.expect.mxcsr = symbol(names.mxcsr, true).value()
	st.mxcsr = word{v: st.expect.mxcsr}
}

// readXMM returns one word of an XMM register.
func (m *machine) readXMM(st *state, i int) word {
	if st.xmm != nil && st.xmm[i].written() {
		return st.xmm[i]
	}
	return word{v: m.userXMM(st, i)}
}

// writeXMM gives an XMM register two words.
func (m *machine) writeXMM(st *state, r reg, low, high word) {
	var list [numXMM]word
	if st.xmm != nil {
		list = *st.xmm
	}
	list[2*r] = word{m.at(st).resolve(low.v), m.moved(st, low.by)}
	list[2*r+1] = word{m.at(st).resolve(high.v), m.moved(st, high.by)}
	st.xmm = &list
}

// moveXMM runs a move from or to an XMM register, or what computes with two. A move of less
// than 16 bytes to one clears the rest, but from one register to another MOVSS (SDM volume
// 2) does not.
func (m *machine) moveXMM(st *state, in *inst) bool {
	for _, o := range [...]operand{in.src, in.dst} {
		if in.aligned && o.kind == inMem && !m.aligned(st, o) {
			return false
		}
	}
	if in.op == opXMM {
		return m.computeXMM(st, in)
	}
	var low, high word
	ok := true
	switch {
	case in.src.kind == inXMM:
		low, high = m.readXMM(st, 2*int(in.src.reg)), m.readXMM(st, 2*int(in.src.reg)+1)
	case in.src.kind == inMem && in.width == 16:
		low, high, ok = m.loadPair(st, in.src)
	default:
		low, ok = m.read(st, in.src, in.width)
	}
	if !ok {
		return false
	}
	if in.width < 16 {
		low.v, high = m.ts.and(low.v, maskOf(in.width)), word{}
	}
	switch {
	case in.dst.kind == inMem && in.width == 16:
		second := in.dst
		second.imm += 8
		return m.store(st, in.dst, 8, low) && m.store(st, second, 8, high)
	case in.dst.kind != inXMM:
		return m.write(st, in.dst, in.width, low)
	case in.src.kind == inXMM && in.width == 4:
		at := 2 * int(in.dst.reg)
		low.v = m.merge(m.readXMM(st, at).v, low.v, 0, 4)
		high = m.readXMM(st, at+1)
	}
	m.writeXMM(st, in.dst.reg, low, high)
	return true
}

func (m *machine) loadPair(st *state, o operand) (low, high word, ok bool) {
	if low, ok = m.load(st, o, 8); !ok {
		return low, high, false
	}
	o.imm += 8
	high, ok = m.load(st, o, 8)
	return low, high, ok
}

// computeXMM runs XORPS and its like: the result is 0 if both operands are the same
// register, else unknown.
func (m *machine) computeXMM(st *state, in *inst) bool {
	if in.src.kind == inMem {
		if _, _, ok := m.loadPair(st, in.src); !ok {
			return false
		}
	}
	if in.src == in.dst && in.xor {
		m.writeXMM(st, in.dst.reg, word{}, word{})
		return true
	}
	some := func() word { return word{v: unfollowed("the result of an SSE instruction", true).value()} }
	m.writeXMM(st, in.dst.reg, some(), some())
	return true
}

// moveMXCSR runs STMXCSR and LDMXCSR.
func (m *machine) moveMXCSR(st *state, in *inst) bool {
	if in.op == opSTMXCSR {
		return m.store(st, in.dst, 4, word{m.ts.and(st.mxcsr.v, maskOf(4)), st.mxcsr.by})
	}
	w, ok := m.load(st, in.src, 4)
	if !ok {
		return false
	}
	m.setMXCSR(st, w)
	return true
}

// setMXCSR puts a word into MXCSR.
func (m *machine) setMXCSR(st *state, w word) {
	v := m.at(st).resolve(w.v)
	if v == m.ts.and(st.expect.mxcsr, maskOf(4)) { // it has only 32 bits
		v = st.expect.mxcsr
	}
	st.mxcsr = word{v, m.moved(st, w.by)}
}
