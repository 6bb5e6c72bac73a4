package prove

import "fmt"

// The x87 unit as FXSAVE stores it (SDM volume 1, table 10-2): three words of control, status,
// tags and the place of its last instruction, then MXCSR, then two words a register.
const (
	fxMXCSR  = 3
	fxST     = 4
	fxXMM    = 20
	numFX    = fxXMM + numXMM // what FXRSTOR reads
	numX87   = fxMXCSR + fxXMM - fxST
	fxAlign  = 16
	fxMasked = 0x37f // the control word that FNINIT leaves: all exceptions masked
)

// x87Name names a word of the x87 unit.
func x87Name(i int) string {
	if i < fxMXCSR {
		return [...]string{"control, status and tags", "instruction pointer", "data pointer"}[i]
	}
	return fmt.Sprintf("ST%d, %s half", (i-fxMXCSR)/2, [...]string{"lower", "upper"}[(i-fxMXCSR)%2])
}

// fxOfX87 returns where FXSAVE puts a word of the x87 unit.
func fxOfX87(i int) int {
	if i < fxMXCSR {
		return i
	}
	return i - fxMXCSR + fxST
}

// upperST reports whether a word is the upper half of a register, which has 16 bits. FXSAVE
// does not define what is above them.
func upperST(i int) bool { return i >= fxMXCSR && (i-fxMXCSR)%2 == 1 }

// userX87 returns what ring 3 is to find in a word of the x87 unit.
func (m *machine) userX87(i int) value {
	if upperST(i) {
		return m.ts.and(m.s.x87[i].value(), maskOf(2))
	}
	return m.s.x87[i].value()
}

// readX87 returns a word of the x87 unit.
func (m *machine) readX87(st *state, i int) word {
	if st.x87 != nil {
		return st.x87[i]
	}
	return word{v: m.userX87(i)}
}

// writeX87 changes words of the x87 unit.
func (m *machine) writeX87(st *state, words map[int]word) {
	var list [numX87]word
	for i := range list {
		list[i] = m.readX87(st, i)
		if w, ok := words[i]; ok {
			list[i] = word{m.at(st).resolve(w.v), m.moved(st, w.by)}
		}
	}
	st.x87 = &list
}

// moveX87 runs the instructions that touch the x87 unit, and the saves and loads of its
// whole state with that of SSE.
func (m *machine) moveX87(st *state, in *inst) bool {
	unknown := func() word { return word{v: outside("what "+opNames[in.op]+" leaves", true).value()} }
	switch in.op {
	case opFXSAVE:
		return m.aligned(st, in.dst) && m.saveFX(st, in.dst)
	case opFXRSTOR:
		return m.aligned(st, in.src) && m.loadFX(st, in.src)
	case opFNSTCW:
		return m.write(st, in.dst, 2, word{m.ts.and(m.readX87(st, 0).v, maskOf(2)), m.readX87(st, 0).by})
	case opFLDCW:
		w, ok := m.read(st, in.src, 2)
		if ok {
			m.writeX87(st, map[int]word{0: {m.merge(m.readX87(st, 0).v, w.v, 0, 2), w.by}})
		}
		return ok
	case opFNINIT: // TOP moves to 0, and so each register to another
		words := map[int]word{0: {v: known(fxMasked)}, 1: {}, 2: {}}
		for i := fxMXCSR; i < numX87; i++ {
			words[i] = unknown()
		}
		m.writeX87(st, words)
	case opEMMS: // the tags say that all registers are empty
		m.writeX87(st, map[int]word{0: {v: m.merge(m.readX87(st, 0).v, known(0), 32, 1)}})
	}
	return true
}

// saveFX runs FXSAVE.
func (m *machine) saveFX(st *state, at operand) bool {
	put := func(i int, w word) bool {
		o := at
		o.imm += int64(8 * i)
		return m.store(st, o, 8, w)
	}
	for i := range numX87 {
		w := m.readX87(st, i)
		if upperST(i) {
			w.v = m.ts.join(w.v, outside("above ST", false).value(), 16, ^uint64(0))
		}
		if !put(fxOfX87(i), w) {
			return false
		}
	}
	mask := outside("MXCSR's mask", false).value()
	if !put(fxMXCSR, word{m.ts.join(m.ts.and(st.mxcsr.v, maskOf(4)), mask, 32, ^uint64(0)), st.mxcsr.by}) {
		return false
	}
	for i := range numXMM {
		if !put(fxXMM+i, m.readXMM(st, i)) {
			return false
		}
	}
	return true
}

// loadFX runs FXRSTOR.
func (m *machine) loadFX(st *state, at operand) bool {
	var words [numFX]word
	for i := range words {
		o := at
		o.imm += int64(8 * i)
		var ok bool
		if words[i], ok = m.load(st, o, 8); !ok {
			return false
		}
		words[i].v = m.at(st).resolve(words[i].v)
	}
	list := map[int]word{}
	for i := range numX87 {
		w := words[fxOfX87(i)]
		if upperST(i) {
			w.v = m.ts.and(w.v, maskOf(2))
		}
		list[i] = w
	}
	m.writeX87(st, list)
	for r := range reg(numXMM / 2) {
		m.writeXMM(st, r, words[fxXMM+2*r], words[fxXMM+2*r+1])
	}
	m.setMXCSR(st, word{m.ts.and(words[fxMXCSR].v, maskOf(4)), words[fxMXCSR].by})
	return true
}

// aligned claims that an operand lies at a multiple of 16: otherwise the CPU raises #GP.
func (m *machine) aligned(st *state, o operand) bool {
	addr := m.address(st, o)
	rest := m.ts.and(addr, fxAlign-1)
	if o.seg == segGS { // the area is aligned
		rest = known(addr.c & (fxAlign - 1))
	}
	return m.checkThat(st, claimAligned, 0, nil, m.at(st).same(rest, known(0)) == isTrue, predicate{equal, rest, known(0)}, func() (string, string, *origin) {
		from := (*origin)(nil)
		if o.base != noReg {
			from = st.regs[o.base].by
		}
		return m.show(st, addr), "a multiple of 16, or the CPU raises #GP", from
	})
}

// x87Kept claims that the x87 unit is ring 3's, which no function of the kernel changes.
func (m *machine) x87Kept(st *state, f *function) bool {
	if st.x87 == nil {
		return true
	}
	for i, w := range st.x87 {
		if want := m.userX87(i); w.written() && w.v != want {
			return m.checkSame(st, claimX87, uint8(i), f, w, want) // one word tells it
		}
	}
	return true
}
