package prove

import "github.com/entrylab/entrylab/gen/layout"

// Paths part at each test of the frame before SYSRETQ, and where a test fails they meet at
// the exit by IRETQ, which needs nothing of what the tests have shown. So where several
// jumps go to one place, what is proved there is proved of more states than come: what the
// tests have shown is forgotten, and registers that are written before they are read have
// any value. Most paths then find that such a state has been there.
//
// A claim that holds for more states holds for those that come. One that fails may fail for
// a state that does not come, and so is nothing: the proof begins again without meeting.

// series are the tests of a path that jump to one place, one behind the other.
type series struct {
	to     uint64
	before *facts // what was known before the first
}

// meeting is a place to which conditional jumps go.
type meeting struct {
	from        uint64 // the only one so far, 0 if there are several
	overwritten regSet // by what follows there; set when there are several
}

// tests notes that a path is at a conditional jump.
func (st *state) tests(to uint64) {
	if st.series.to != to {
		st.series = series{to, st.facts}
	}
}

// prove proves the set-up, the switch and the calls. If quick is set it stops at the first
// claim that fails.
func (s *subject) prove(quick bool) *machine {
	m := s.proveWith(&machine{subject: s, quick: quick, meeting: map[uint64]*meeting{}})
	if m.lost {
		m = s.proveWith(&machine{subject: s, quick: quick})
	}
	return m
}

// meets forgets what a path needs no more that has just jumped, if others jump there too,
// and reports whether a state like that has been there.
func (m *machine) meets(st *state) bool {
	if m.meeting == nil || st.phase != inCall || st.pc != st.series.to {
		return false
	}
	p := m.meeting[st.pc]
	switch {
	case p == nil:
		m.meeting[st.pc] = &meeting{from: st.at}
		return false
	case p.from == st.at:
		return false
	case p.from != 0:
		p.from, p.overwritten = 0, m.overwritten(st.pc)
	}
	if m.fits(st) == isFalse {
		st.unfit = new(st.exitFrame())
	}
	for r := range numRegs {
		if p.overwritten.has(r) {
			st.regs[r] = word{m.s.overwritten[r].value(), nil}
		}
	}
	st.cond = condition{}
	st.forget()
	st.widened = true
	return m.again(st)
}

// forget drops the facts of the tests about what comes from ring 3 or from a handler, as
// the frame does. Others, as those about work, are needed until the path ends.
func (st *state) forget() {
	var kept []*facts
	f := st.facts
	for ; f != st.series.before; f = f.before {
		if !f.t.ofFrame() || !f.v.t.ofFrame() {
			kept = append(kept, f)
		}
	}
	st.setFacts(f, kept)
}

// ofFrame reports whether a term is made of what comes from ring 3 or from a handler, and
// of nothing else.
func (t *term) ofFrame() bool {
	if t == nil {
		return true
	}
	if t.op == isSymbol {
		return t.user || t.edit
	}
	return t.x.t.ofFrame() && t.y.t.ofFrame()
}

// exitFrame is what decides whether SYSRETQ can return by a frame.
type exitFrame [6]value

func (st *state) exitFrame() (f exitFrame) {
	for i, s := range [len(f)]layout.Slot{layout.SlotIP, layout.SlotCX, layout.SlotFlags, layout.SlotR11, layout.SlotCS, layout.SlotSS} {
		f[i] = st.expect.frame[s]
	}
	return f
}

// isUnfit reports whether tests that are forgotten have shown that SYSRETQ cannot return by
// the frame as it is now.
func (st *state) isUnfit() bool { return st.unfit != nil && *st.unfit == st.exitFrame() }

// regSet has a bit for each register.
type regSet uint16

func (s *regSet) add(regs ...reg) {
	for _, r := range regs {
		if r < numRegs {
			*s |= 1 << r
		}
	}
}

func (s regSet) has(r reg) bool { return s>>r&1 != 0 }

// overwritten returns the registers that the code from an address on writes before it reads
// them, as far as it goes straight on. RSP is none: an interrupt may need it.
func (m *machine) overwritten(addr uint64) regSet {
	var live, dead regSet
	live.add(rSP)
	for {
		in, err := m.fetch(addr)
		if err != nil {
			return dead
		}
		addr += uint64(in.len)
		if in.op == opJMP && in.src.kind == isImm && uint64(in.src.imm) > addr {
			addr = uint64(in.src.imm)
			continue
		}
		e := effectsOf(in)
		if e.other {
			return dead
		}
		live |= e.reads &^ dead
		dead |= e.writes &^ live
	}
}
