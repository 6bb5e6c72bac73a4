package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// trap is what has left the frame that a variant's end of traps returns from.
var trap = &function{name: "a trap"}

// atTrapReturn is the machine where a trap from ring 3 ends in the variant: any
// slot may be anything, as after sigreturn, no work is left, and registers, page
// table and SPEC_CTRL are the kernel's.
func (m *machine) atTrapReturn() *state {
	st := m.onEither(m.s.afterSYSCALL(m.trapReturn, ^uint64(0)))
	st.bases[baseGS], st.bases[baseOther] = st.bases[baseOther], st.bases[baseGS]
	for r := range numRegs {
		st.regs[r].v = m.s.kernel[r].value()
	}
	st.regs[rSP].v = value{st.origin.t, st.origin.c - frameSize}
	st.cr3, st.ibrs = st.kernel, m.promises.Has(stubs.PromiseIBRS)
	st.expect.called = true
	m.otherRSP0(st)
	m.edit(st, trap, layout.SlotsAll)
	m.given(st, m.isSet(m.ts.and(st.work, layout.TIFAllWork)), true)
	return st
}
