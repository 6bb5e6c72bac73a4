package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// trap is what has left the frame that a variant's end of traps returns from.
var trap = &function{name: "a trap"}

// clone is what has left the frame that a new thread begins with.
var clone = &function{name: "clone"}

// atTrapReturn returns the machine where a trap from ring 3 ends in the variant: any slot
// may be anything, as after sigreturn, and no work is left.
func (m *machine) atTrapReturn() *state {
	st := m.onWholeFrame(m.trapReturn)
	m.edit(st, trap, layout.SlotsAll)
	m.given(st, m.isSet(m.ts.and(st.work, layout.TIFAllWork)), true)
	return st
}

// atNewThread returns the machine where the variant begins a thread. Its frame is that of
// the clone that has made it: its parent's, complete, but with 0 in ax and any stack. A
// variant whose slow path takes it must take any frame. There may be work.
func (m *machine) atNewThread() *state {
	st := m.onWholeFrame(m.newThread)
	st.forgot, st.untrained, st.fresh = true, true, true // since ring 3 the kernel has run: an entry has seen to these
	if !m.axes.Is(stubs.NewThreadFast) {
		m.edit(st, clone, layout.SlotsAll)
		return st
	}
	for s := range layout.NumSlots {
		*st.cells.at(cellOf(s)) = word{m.fullSlot(st, s), edited}
	}
	m.edit(st, clone, layout.SlotSet(layout.SlotSP))
	ax := layout.SlotAX
	*st.cells.at(cellOf(ax)), st.expect.frame[ax] = word{known(0), edited}, known(0)
	return st
}

// onWholeFrame returns the machine with RSP at full pt_regs that are no call's any more:
// registers, page table and SPEC_CTRL are the kernel's, and interrupts are off.
func (m *machine) onWholeFrame(at uint64) *state {
	st := m.onEither(m.s.afterSYSCALL(at, ^uint64(0)))
	st.expect.complete = true
	st.bases[baseGS], st.bases[baseOther] = st.bases[baseOther], st.bases[baseGS]
	for r := range numRegs {
		st.regs[r].v = m.s.kernel[r].value()
	}
	st.regs[rSP].v = value{st.origin.t, st.origin.c - frameSize}
	st.cr3, st.ibrs = st.kernel, m.promises.Has(stubs.PromiseIBRS)
	st.expect.called = true
	m.otherRSP0(st)
	return st
}
