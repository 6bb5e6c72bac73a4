package prove

import (
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// Indices of state.shadow.
const (
	shadowUCET = iota
	shadowSSP
	numShadowMSRs = iota
)

// shadowMSR returns the index of the MSR of shadow stacks with a number, -1 if it is
// another or is not to be touched now.
func (s *subject) shadowMSR(n uint64, now phase) int {
	if s.promises.Has(stubs.PromiseShadowStack) && (now == inLeave || now == inResume) {
		switch n {
		case x86.MSR_IA32_U_CET:
			return shadowUCET
		case x86.MSR_IA32_PL3_SSP:
			return shadowSSP
		}
	}
	return -1
}

// leavesShadow claims that the thread that leaves takes its SSP along, and leaves the CPU
// without a shadow stack for those that have none. Then the MSRs are as another thread's
// switch has left them.
func (m *machine) leavesShadow(st *state) bool {
	if !m.promises.Has(stubs.PromiseShadowStack) {
		return true
	}
	ok := m.checkSame(st, claimSavedSSP, 0, nil, st.saved[savedPL3SSP], m.s.shadow[shadowSSP].value())
	ok = m.checkSame(st, claimShadowOff, 0, nil, st.shadow[shadowUCET], known(0)) && ok
	return ok
}

// resumesShadow claims that the thread that continues has its own shadow stack again.
func (m *machine) resumesShadow(st *state) bool {
	ok := true
	if m.promises.Has(stubs.PromiseShadowStack) {
		for i, t := range m.s.shadow {
			ok = m.checkSame(st, claimShadow, uint8(i), nil, st.shadow[i], t.value()) && ok
		}
	}
	return ok
}
