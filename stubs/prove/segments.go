package prove

import "github.com/entrylab/entrylab/gen/x86"

// The bases of segments, in the order of their MSRs. SWAPGS exchanges the last
// two.
const (
	baseFS = iota
	baseGS
	baseOther // MSR_KERNEL_GS_BASE
	numBases
)

var baseNames = [numBases]string{"FS's base", "GS's base", "MSR_KERNEL_GS_BASE"}

// What stands in claims where the kernel is not called, but may come.
var (
	interrupts = &function{name: "an interrupt", kind: hardware}
	theSwitch  = &function{name: "the switch's end", kind: hardware}
)

// kernelGS reports whether GS is the kernel's.
func (m *machine) kernelGS(st *state) bool { return st.bases[baseGS].v == m.s.area.value() }

// baseName tells whose a base is.
func (m *machine) baseName(st *state, i int) string {
	switch st.bases[i].v {
	case m.s.area.value():
		return "the kernel's"
	case st.expect.bases[baseGS], m.s.bases[baseGS].value():
		return "the user's"
	}
	return "another"
}

// gotBase gives check a base and the instruction that brought it there.
func (m *machine) gotBase(st *state, i int, want string) func() (string, string, *origin) {
	return func() (string, string, *origin) {
		got := m.baseName(st, i)
		if got == "another" {
			got = m.show(st, st.bases[i].v)
		}
		return got, want, st.bases[i].by
	}
}

// untouched checks what the kernel takes for the user's own: the bases of FS and
// of ring 3's GS, the selectors, MXCSR and, where the kernel may look at them or
// ring 3 gets them, the XMM registers. Nothing is claimed of what is surely the
// user's.
func (m *machine) untouched(st *state, f *function, registers bool) bool {
	ok := true
	e := &st.expect
	for i, w := range st.bases {
		want := e.bases[i]
		if i != baseFS && m.kernelGS(st) {
			want = e.bases[baseGS+baseOther-i]
		}
		if (i == baseFS || i == baseOther) && w.v != want {
			ok = m.checkSame(st, claimBase, uint8(i), f, w, want) && ok
		}
	}
	if st.selectors != nil {
		for i, w := range st.selectors {
			if w.written() && w.v != m.userSelector(uint8(i)) {
				ok = m.checkSame(st, claimSelector, uint8(i), f, w, m.userSelector(uint8(i))) && ok
			}
		}
	}
	if m.fred() && st.phase == inCall && st.rsp0.v != st.rsp0Word.v {
		ok = m.check(st, claimRSP0Word, 0, f, false, m.gotWant(st, st.rsp0Word, m.show(st, st.rsp0.v))) && ok
	}
	if st.mxcsr.v != e.mxcsr {
		ok = m.checkSame(st, claimMXCSR, 0, f, st.mxcsr, e.mxcsr) && ok
	}
	if registers {
		ok = m.x87Kept(st, f) && ok
	}
	if registers && st.xmm != nil {
		for i, w := range st.xmm {
			if w.written() && w.v != m.userXMM(st, i) {
				ok = m.checkSame(st, claimXMM, uint8(i), f, w, m.userXMM(st, i)) && ok
			}
		}
	}
	return ok
}

// otherBases makes the bases of ring 3's segments unknown, as a handler may: arch_prctl
// sets them.
func (m *machine) otherBases(st *state, f *function) {
	if m.walk != nil {
		return
	}
	e := &st.expect
	for i, name := range [...]string{baseFS: "FS base", baseGS: "GS base"} {
		e.bases[i] = symbol("user."+name+" after "+f.name, true).value()
	}
	st.bases[baseFS] = word{v: e.bases[baseFS]}
	st.bases[baseOther] = word{v: e.bases[baseGS]}
}

// userSelector returns the selector that ring 3 has in a segment register, but for CS and
// SS: they are the kernel's during a call.
func (m *machine) userSelector(i uint8) value { return m.s.selectors[i].value() }

// selector returns what a segment register holds.
func (m *machine) selector(st *state, o operand) word {
	switch o.reg { // SYSCALL has loaded them
	case segCS:
		return word{v: known(x86.KERNEL_CS)}
	case segSS:
		return word{v: known(x86.KERNEL_DS)}
	}
	w := word{v: m.ts.and(m.userSelector(uint8(o.reg)), 0xffff)}
	if st.selectors != nil && st.selectors[o.reg].written() {
		w = st.selectors[o.reg]
		w.v = m.ts.and(w.v, 0xffff)
	}
	return w
}

// loadSelector loads a segment register, and with FS and GS the base: that of
// the descriptor, of which the proof knows nothing (SDM volume 3, 3.4.4).
func (m *machine) loadSelector(st *state, o operand, w word) bool {
	if o.reg == segSS {
		m.undecided(st, claimFollows, "what is loaded into SS")
		return false
	}
	list := [6]word{}
	if st.selectors != nil {
		list = *st.selectors
	}
	v := m.ts.and(m.at(st).resolve(w.v), 0xffff)
	if v == m.ts.and(m.userSelector(uint8(o.reg)), 0xffff) { // it has only 16 bits
		v = m.userSelector(uint8(o.reg))
	}
	list[o.reg] = word{v, m.moved(st, w.by)}
	st.selectors = &list
	if o.reg >= segRegFS {
		st.bases[o.reg-segRegFS] = word{outside("the base of the descriptor that was loaded", false).value(), m.moved(st, nil)}
	}
	return true
}

// moveBase runs RDFSBASE, WRFSBASE, RDGSBASE and WRGSBASE.
func (m *machine) moveBase(st *state, in *inst) bool {
	b := &st.bases[in.third.reg-segRegFS]
	if in.op == opRDBASE {
		return m.write(st, in.src, in.width, word{m.ts.and(b.v, maskOf(in.width)), b.by})
	}
	w, _ := m.read(st, in.src, in.width)
	if w.v.t == nil && w.v.c == m.percpuArea && w.v.c != 0 {
		w.v = m.s.area.value()
	}
	*b = word{w.v, m.moved(st, w.by)}
	return true
}

// fromOutside runs an instruction that puts a word into registers of which the proof knows
// nothing: the time, a counter, a random number, what the CPU has.
func (m *machine) fromOutside(st *state, in *inst) bool {
	v := func(mask uint64) word {
		return word{m.ts.and(outside("what "+opNames[in.op]+" reads", false).value(), mask), m.moved(st, nil)}
	}
	switch in.op {
	case opRDPID:
		return m.write(st, in.dst, 8, v(maskOf(8)))
	case opRDRAND:
		st.cond = condition{}
		return m.write(st, in.dst, in.width, v(maskOf(in.width)))
	case opCPUID:
		st.regs[rBX], st.regs[rCX] = v(maskOf(4)), v(maskOf(4))
	case opRDTSCP:
		st.regs[rCX] = v(maskOf(4))
	}
	st.regs[rAX], st.regs[rDX] = v(maskOf(4)), v(maskOf(4))
	return true
}

// whyWindow tells why interrupts must be off, and which instruction made it so.
func (m *machine) whyWindow(st *state) func() (string, string, *origin) {
	return func() (string, string, *origin) {
		got := triNames[st.irq]
		if st.phase == inCall && st.irqBy == nil && st.irq == on {
			return got + ", as SYSCALL does not clear IF (MSR_SYSCALL_MASK)", "off", m.maskBy
		}
		switch {
		case st.phase == inSetUp:
			return got, "off throughout syscall_init", nil
		case st.phase != inCall:
			return got, "off throughout the switch", nil
		case !m.kernelGS(st):
			return got, "off, as GS is " + m.baseName(st, baseGS) + " here", st.bases[baseGS].by
		case !st.onStack():
			return got, "off, as RSP is not on the thread's stack: it is " + m.show(st, st.regs[rSP].v), st.regs[rSP].by
		}
		return got, "off, as CR3 is the user's here", nil
	}
}
