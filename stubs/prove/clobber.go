package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// clobber makes unknown the registers that a C function may clobber, and what
// other threads may change while it runs.
func (m *machine) clobber(st *state, f *function) {
	m.clobberRegs(st, f)
	st.stale = m.walk == nil
	m.otherCR3(st, f)
	m.otherDepth(st)
	m.otherThreads(st)
}

// otherThreads lets other threads run, which use the per-CPU words.
func (m *machine) otherThreads(st *state) {
	for i := range st.scratch {
		if !m.preserved[i] && st.mine[i] {
			st.mine[i] = false
			st.scratch[i] = word{m.s.other[i].value(), lost}
		}
	}
	st.trampoline.drop(0) // all threads use it
	m.otherRSP0(st)
	if m.draws {
		for i := range st.random {
			st.random[i] = word{symbol("KStackRandom", false).value(), lost}
		}
	}
	if m.promises.Has(stubs.PromisePCID) && m.walk == nil {
		st.flushes = symbol("UserPCIDFlushMask", false).value()
	}
}

// clobberRegs makes unknown what any C function may change: the caller-saved registers and
// the flags.
func (m *machine) clobberRegs(st *state, f *function) {
	names := f.unknowns()
	regs := [...]reg{rAX, rCX, rDX, rSI, rDI, r8, r9, r10, r11}
	terms := make([]term, len(regs))
	for i, r := range regs {
		terms[i].name = names.regs[r]
		st.regs[r] = word{terms[i].value(), nil}
	}
	st.cond = condition{}
}

// returnFrom pops the return address and goes there, unless a state like this one has
// gone there already. A walk has one state, and goes.
func (m *machine) returnFrom(st *state) {
	i, ok := st.cell(st.regs[rSP].v)
	if !ok {
		m.undecided(st, claimTarget, "the return address is not on the stack")
		return
	}
	if m.walk == nil && m.again(st) {
		return
	}
	m.returnTo(st, m.readCell(st, i))
}

// returnTo goes to a return address that was read from where RSP is.
func (m *machine) returnTo(st *state, to word) {
	if st.calls != nil {
		st.calls = st.calls.before
	}
	st.regs[rSP].v = st.regs[rSP].v.add(8)
	if st.regs[rSP].v.t != m.s.trampoline {
		st.dropBelow()
	}
	m.transfer(st, to)
}

// clobbered returns the value that RCX or R11, or its slot, must hold: its own, or, as
// SYSRETQ leaves the two, the RIP and RFLAGS with which the call returns. A handler may
// have changed only the latter.
func (m *machine) clobbered(st *state, s layout.Slot, got word, want value) value {
	from := layout.SlotIP
	if m.fred() { // ERETU changes neither
		return want
	}
	switch s {
	case layout.SlotCX:
	case layout.SlotR11:
		from = layout.SlotFlags
	default:
		return want
	}
	if !st.expect.edited.Has(s) && m.at(st).same(got.v, st.expect.frame[from]) == isTrue {
		return got.v
	}
	return want
}
