package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// number returns the number of the call.
func (m *machine) number() value {
	rax := m.s.user[rAX].value()
	switch {
	case m.axes.Is(stubs.X32Mask):
		return m.ts.and(rax, maskOf(4)&^layout.X32Bit)
	case m.axes.IntNumber():
		return m.ts.and(rax, maskOf(4))
	}
	return rax
}

// x32Number returns the number of the call without x32's bit, with x32=range.
func (m *machine) x32Number() value {
	return m.ts.and(m.number().add(maxWord-layout.X32Bit+1), maskOf(4))
}
