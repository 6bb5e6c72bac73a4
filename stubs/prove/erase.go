package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// erase models stackleak_erase: whatever is on the thread's stack below the frame is
// overwritten. It is called with RSP right below the frame, or on the trampoline stack.
func (m *machine) erase(st *state, f *function) {
	ok := m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return triNames[st.irq], "off", nil })
	rsp := st.regs[rSP]
	i := int64(-rsp.v.c)/8 - 1
	onTrampoline := rsp.v.t == m.s.trampoline && rsp.v.c&7 == 0 && i >= 0 && i < trampolineCells
	if !onTrampoline {
		ok = m.checkSame(st, claimFrame, 0, f, rsp, value{st.origin.t, st.origin.c - frameSize - 8}) && ok
	}
	if !ok {
		return
	}
	m.clobberRegs(st, f)
	st.erased = true
	if !onTrampoline {
		m.returnFrom(st)
		return
	}
	st.cells.drop(int(layout.NumSlots))
	m.returnTo(st, st.trampoline.in(int(i)))
}

// uses notes the call of a function that uses the thread's stack. It checks, of a variant
// that promises to erase it, that no run of words is left as it was between the frame and
// RSP: there the search for what was used would end.
func (m *machine) uses(st *state, f *function) bool {
	st.erased = false
	if !m.promises.Has(stubs.PromiseErased) {
		return true
	}
	run := 0
	rsp := st.raised(st.regs[rSP].v)
	for i := int(layout.NumSlots); i < min(numCells, int(int64(st.origin.c-rsp.c)/8)); i++ {
		if run++; st.cells.in(i).written() {
			run = 0
		}
		if run == layout.StackErasedRun {
			break
		}
	}
	return m.check(st, claimDense, 0, f, run < layout.StackErasedRun && st.lowered == nil, nil)
}

// erasedAt checks, of a variant that promises it, that ring 3 leaves nothing of the
// kernel's on the thread's stack.
func (m *machine) erasedAt(st *state, f *function) bool {
	return !m.promises.Has(stubs.PromiseErased) || m.check(st, claimErased, 0, f, st.erased, nil)
}

// eraseText returns what a claim about the erasing says.
func (k claimKind) eraseText(of string) string {
	if k == claimDense {
		return "no run of words that ends the search for what is to be erased is above RSP at " + of
	}
	return "the thread's stack is erased below the frame at " + of
}
