package prove

import "github.com/entrylab/entrylab/gen/x86"

// msr is the number in ECX that RDMSR or WRMSR takes.
func (m *machine) msr(st *state) (uint64, bool) {
	v := m.ts.and(m.at(st).resolve(st.regs[rCX].v), maskOf(4))
	return v.c, v.t == nil
}

// readMSR is RDMSR. Those that have a user's base in them are unknown words.
func (m *machine) readMSR(st *state) bool {
	var v value
	switch n, ok := m.msr(st); {
	case ok && (n == x86.MSR_FS_BASE || n == x86.MSR_GS_BASE || n == x86.MSR_KERNEL_GS_BASE):
		v = symbol("a segment's base", true).value()
	default:
		m.undecided(st, claimFollows, "what the MSR "+m.show(st, st.regs[rCX].v)+" holds")
		return false
	}
	st.regs[rAX] = word{m.ts.and(v, maskOf(4)), m.moved(st, nil)}
	st.regs[rDX] = word{m.ts.shr(v, 32), m.moved(st, nil)}
	return true
}

// writeMSR is WRMSR.
func (m *machine) writeMSR(st *state) bool {
	m.undecided(st, claimFollows, "what the MSR "+m.show(st, st.regs[rCX].v)+" does")
	return false
}
