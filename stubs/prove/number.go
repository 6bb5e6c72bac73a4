package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// number returns the number of the call.
func (m *machine) number(st *state) value { return m.numberOf(m.orig(st)) }

// orig returns the word that it is taken from: ring 3's RAX, or what a tracer has put in orig_ax.
func (m *machine) orig(st *state) value {
	if st.expect.traced {
		return st.expect.orig
	}
	return m.s.user[rAX].value()
}

func (m *machine) numberOf(orig value) value {
	switch {
	case m.axes.Is(stubs.X32Mask):
		return m.ts.and(orig, maskOf(4)&^layout.X32Bit)
	case m.axes.IntNumber():
		return m.ts.and(orig, maskOf(4))
	}
	return orig
}

// x32Number returns the number of the call without x32's bit, with x32=range.
func (m *machine) x32Number(st *state) value {
	return m.x32NumberOf(m.orig(st))
}

func (m *machine) x32NumberOf(orig value) value {
	return m.ts.and(m.numberOf(orig).add(maxWord-layout.X32Bit+1), maskOf(4))
}
