package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// asksTracer models syscall_trace_enter_phase1, which takes whatever frame the call has: it
// returns 0 if the tracer has gone since the variant looked.
func (m *machine) asksTracer(st *state, f *function) {
	ok := m.checkThat(st, claimNeeded, 0, f, m.wasWork(st, layout.TIFEntryWork, true), m.workThere(st, layout.TIFEntryWork), m.gotWork(st, "TIFEntryWork"))
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	ok = m.check(st, claimOnce, 0, f, !st.expect.called && !st.expect.traced, nil) && ok
	if !ok {
		return
	}
	m.clobber(st, f)
	t := symbol("thread.Flags", false)
	st.work, st.stale = t.value(), st.irq != off
	branch := m.fork(st)
	answer := symbol("the answer of "+f.name, false)
	m.given(branch, predicate{equal, answer.value(), known(0)}, false)
	branch.regs[rAX].v = answer.value()
	branch.expect.asked = true
	m.returnFrom(branch)
	m.given(st, m.isSet(m.ts.and(t.value(), layout.TIFEntryWork)), true)
	st.note("the tracer has gone")
	st.regs[rAX].v = known(0)
	m.returnFrom(st)
}

// tracedEntry models syscall_trace_enter: a tracer may edit any slot of the frame that RDI
// points to, and the number is what is then in orig_ax.
func (m *machine) tracedEntry(st *state, f *function) {
	ok := m.tracerCalled(st, f)
	ok = m.check(st, claimOnce, 0, f, !st.expect.called && !st.expect.traced, nil) && ok
	if !ok {
		return
	}
	m.clobber(st, f)
	m.auditsAt(st, st.at, delivery)
	st.expect.asked, st.expect.traced = true, true
	st.work, st.stale = symbol("thread.Flags", false).value(), st.irq != off
	all, twice := layout.SlotsAll, m.filledTwice()
	if m.wraps() && m.axes.Is(stubs.FlagsR11) { // restore makes R11 the flags, as SYSRETQ would
		all &^= layout.SlotSet(layout.SlotR11)
	}
	if twice != 0 {
		branch := m.fork(st)
		branch.note("a tracer edits the slots that a wrapper would fill again")
		branch.expect.plain = true
		m.tracerEdits(branch, f, all)
	}
	st.note("a tracer edits the frame")
	m.tracerEdits(st, f, all&^twice)
}

// wraps reports whether wrappers make full pt_regs of frames.
func (m *machine) wraps() bool { return m.axes.Is(stubs.SlowIRET) || m.axes.Is(stubs.SlowSYSRET) }

// filledTwice returns the slots that a wrapper's fix-up fills once more, behind the tracer.
func (m *machine) filledTwice() (slots layout.Slots) {
	if m.wraps() && m.axes.Is(stubs.TopLazy) {
		slots |= layout.SlotSet(layout.SlotCS, layout.SlotSS, layout.SlotCX)
	}
	if m.wraps() && m.axes.Is(stubs.FlagsMoved) {
		slots |= layout.SlotSet(layout.SlotR11)
	}
	return slots
}

// fillsAgain expects of a call that has gone by a tracer to a wrapper what its fix-up
// makes of the slots that it takes from others.
func (m *machine) fillsAgain(st *state) {
	frame, twice := &st.expect.frame, m.filledTwice()
	if !st.expect.traced {
		return
	}
	if twice.Has(layout.SlotCX) && m.axes.Is(stubs.WorkTest) {
		frame[layout.SlotCX] = frame[layout.SlotIP]
	}
	if twice.Has(layout.SlotR11) {
		frame[layout.SlotR11] = frame[layout.SlotFlags]
	}
}

// noSuchCall expects -ENOSYS of a call that is none, where handlers take the frame, if a
// tracer has made it so, unless it is -1, by which a tracer skips a call: then what that
// has put in ax stays.
func (m *machine) noSuchCall(st *state) {
	e := &st.expect
	if !e.traced || e.called || !m.byFrame() || !st.cells.in(cellOf(layout.SlotAX)).v.is(enosys) {
		return
	}
	r, number := m.at(st), m.number(st)
	if least, _ := r.limits(number); least > layout.SysCallMax && r.same(number, known(maskOf(4))) == isFalse {
		e.frame[layout.SlotAX] = known(enosys)
	}
}

func (m *machine) tracerEdits(st *state, f *function, slots layout.Slots) {
	m.edit(st, f, slots)
	if !slots.Has(layout.SlotR11) && m.axes.Is(stubs.FlagsR11) {
		st.expect.frame[layout.SlotR11] = st.expect.frame[layout.SlotFlags]
	}
	st.expect.orig = st.expect.frame[layout.SlotOrigAX]
	st.regs[rAX].v = st.expect.orig
	m.returnFrom(st)
}

// tracedExit models syscall_trace_leave, which finds the call's result in the frame.
func (m *machine) tracedExit(st *state, f *function) {
	ok := m.tracerCalled(st, f)
	ok = m.answered(st, f) && ok
	ok = m.tells(st, f) && ok
	if !ok {
		return
	}
	m.clobber(st, f)
	m.auditsAt(st, st.at, delivery)
	st.expect.asked = true
	st.work, st.stale = symbol("thread.Flags", false).value(), st.irq != off
	st.note("a tracer edits the frame")
	m.edit(st, f, layout.SlotsAll)
	m.returnFrom(st)
}

// tells claims that a tracer is told of the call's end for the first time.
func (m *machine) tells(st *state, f *function) bool {
	was := st.expect.told
	st.expect.told = true
	return m.check(st, claimToldOnce, 0, f, !was, func() (string, string, *origin) { return "told again", "told once", nil })
}

// sawTracer keeps what the variant knows of Thread.Flags, which may change now: with
// TIFEntryWork clear there is no tracer that has to be told of the call's end.
func (m *machine) sawTracer(st *state) {
	e := &st.expect
	e.alone = e.alone || (e.traced || m.byFrame()) && m.wasWork(st, layout.TIFEntryWork, false)
}

// mustTell reports whether a tracer may have to be told of the call's end: one that was told
// of its begin or, where a word of the thread asks for it, whoever that stands for.
func (m *machine) mustTell(st *state) bool {
	if m.byFrame() {
		return !st.expect.complete && !st.expect.event
	}
	return st.expect.traced
}

// told claims that a tracer was told of the call's end, if there was one then.
func (m *machine) told(st *state, f *function) bool {
	work, bits := st.work, uint64(layout.TIFEntryWork)
	if m.byFrame() {
		work, bits = m.s.callWork.value(), layout.SyscallWorkExit
		m.sawTracer(st) // exitwork=inlined looks at Thread.Flags there
	}
	holds := st.expect.told || st.expect.alone || !m.mustTell(st) || bits&^m.at(st).zeros(work) == 0
	return m.checkThat(st, claimTold, 0, f, holds, predicate{equal, m.ts.and(work, bits), known(0)}, func() (string, string, *origin) {
		return "not told", "told, or not there", nil
	})
}

// tracerCalled checks what both stops at a call have in common.
func (m *machine) tracerCalled(st *state, f *function) bool {
	ok := m.wholeFrame(st, f, 8)
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	asked, goal := st.expect.asked || m.wasWork(st, layout.TIFEntryWork, true), m.workThere(st, layout.TIFEntryWork)
	if m.byFrame() {
		asked, goal = m.at(st).some(m.s.callWork.value(), layout.SyscallWorkEnter|layout.SyscallWorkExit), nowhere
	}
	return m.checkThat(st, claimNeeded, 0, f, asked, goal, m.gotWork(st, "TIFEntryWork")) && ok
}
