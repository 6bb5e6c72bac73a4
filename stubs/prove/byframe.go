package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
)

// byFrame reports whether handlers take their arguments from the frame.
func (m *machine) byFrame() bool { return m.axes.ByFrame() }

// dispatchFrame handles a call of x64_sys_call, which takes the number and the frame.
// TestTree of gen/kernel shows that it goes where sys_call_table says.
func (m *machine) dispatchFrame(st *state) {
	index := m.at(st).resolve(m.ts.and(st.regs[rSI].v, maskOf(4)))
	_, most := m.at(st).limits(index)
	ok := m.checkThat(st, claimTable, 0, nil, most <= layout.SysCallMax, predicate{below, index, known(layout.SysCallMax + 1)}, func() (string, string, *origin) {
		return "up to " + constant(most), "up to " + constant(layout.SysCallMax), st.regs[rSI].by
	})
	ok = m.checkSame(st, claimArg, uint8(rDI), handlers, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	m.handlerFor(st, index, func(so bool) bool { return ok && so })
}

// dispatchEntry goes on where an entry of x64_call_table points, whose handlers take the
// frame, too.
func (m *machine) dispatchEntry(st *state, index value) {
	ok := m.checkSame(st, claimArg, uint8(rDI), handlers, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize})
	m.handlerFor(st, index, func(so bool) bool { return ok && so })
}

// entryWork returns the word that asks for work before a handler, and the bits that do.
func (m *machine) entryWork(st *state) (work value, bits uint64) {
	if m.byFrame() {
		return m.s.callWork.value(), layout.SyscallWorkEnter
	}
	return st.work, layout.TIFEntryWork
}
