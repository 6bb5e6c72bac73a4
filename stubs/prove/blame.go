package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// What is told of a fault is the nearest cause: where many words are wrong because RSP is, RSP.

// blame names, as the origin of a register's word, what has filled its slot, if the slot holds
// the same: then the load is right, and what is wrong with the word is the store.
func (m *machine) blame(st *state, w word, s layout.Slot) word {
	if c := st.cells.in(cellOf(s)); c.v == w.v && c.written() {
		w.by = c.by
	}
	return w
}

// loaded claims that the exit has not loaded its registers from slots that lie beside their
// own: then RSP was wrong, and no more is told.
func (m *machine) loaded(st *state, f *function) bool {
	for _, by := range [...]int{1, -1, 2, -2} { // in words
		n, wrong := 0, 0
		for r := range numRegs {
			s := regSlot[r]
			if r == rSP || r == rCX || r == r11 || st.regs[r].v == st.expect.frame[s] {
				continue
			}
			wrong++
			if i := cellOf(s) - by; i >= 0 && st.cells.in(i).v == st.regs[r].v {
				n++
			}
		}
		if n >= 4 && 2*n > wrong {
			return m.check(st, claimLoads, 0, f, false, func() (string, string, *origin) {
				side := "above"
				if by < 0 {
					side = "below"
				}
				return fmt.Sprintf("%d registers from the slots %d bytes %s, as RSP is off by so much", n, 8*max(by, -by), side), "each from its own", st.rspBy
			})
		}
	}
	m.holds(st, claimLoads, 0, f)
	return true
}

// handlersFrame returns where RSP is while a handler runs.
func (m *machine) handlersFrame(st *state) value {
	low := value{st.origin.t, st.origin.c - frameSize}
	if m.promise.room&layout.SlotsCalleeSaved == 0 {
		low.c += 8 * uint64(layout.SlotR11)
	}
	return low
}

// slowExitBase is the function of a base to which a file's entry jumps.
var slowExitBase = &function{name: stubs.SlowExit, kind: hardware}

// entersSlowExit claims, where a file's entry goes to its base's slow exit, that RSP is where
// it is while a handler runs: the base's code is right, and would fail in many places.
func (m *machine) entersSlowExit(st *state, from uint64) bool {
	if m.subject.base == m.subject.name || st.phase != inCall || from == 0 {
		return true
	}
	was, is := m.partOf(from), m.partOf(st.pc)
	if was == is || was == nil || is == nil || was != m.partOf(m.entry) || is.name != stubs.FuncName(stubs.SlowExit, m.subject.name) {
		return true
	}
	return m.checkSame(st, claimFrame, 0, slowExitBase, st.regs[rSP], m.handlersFrame(st))
}
