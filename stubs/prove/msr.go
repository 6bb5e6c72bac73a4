package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// msr returns the number in ECX that RDMSR or WRMSR takes, and whether it is known.
func (m *machine) msr(st *state) (uint64, bool) {
	v := m.ts.and(m.at(st).resolve(st.regs[rCX].v), maskOf(4))
	return v.c, v.t == nil
}

// msrCSTAR is where SYSCALL of 32-bit code arrives on AMD's CPUs (APM volume 2, 6.1.1), which
// is no entry of a variant's.
const msrCSTAR = 0xc0000083

// isBaseMSR reports whether a MSR is a segment's base: MSR_FS_BASE, MSR_GS_BASE
// and MSR_KERNEL_GS_BASE follow each other as the places of state.bases do.
func isBaseMSR(n uint64) bool { return n-x86.MSR_FS_BASE < numBases }

// readMSR runs RDMSR of an MSR that the machine follows; of any other the proof is
// undecided.
func (m *machine) readMSR(st *state) bool {
	var v value
	switch n, ok := m.msr(st); {
	case ok && st.phase == inSetUp && msrAt(n) >= 0:
		v = st.msrs[msrAt(n)].v
	case ok && n == x86.MSR_IA32_SPEC_CTRL:
		if !m.mayTouchSpecCtrl(st) {
			return false
		}
		v = m.specCtrl(st.ibrs)
	case ok && isBaseMSR(n):
		v = st.bases[n-x86.MSR_FS_BASE].v
		if m.entry == 0 && v == m.s.area.value() { // a head looks at its sign
			v = known(m.percpuArea)
		}
	case ok && m.shadowMSR(n, st.phase) >= 0:
		v = st.shadow[m.shadowMSR(n, st.phase)].v
	default:
		m.undecided(st, claimFollows, "what the MSR "+m.show(st, st.regs[rCX].v)+" holds")
		return false
	}
	st.regs[rAX] = word{m.ts.and(v, maskOf(4)), m.moved(st, nil)}
	st.regs[rDX] = word{m.ts.shr(v, 32), m.moved(st, nil)}
	return true
}

// writeMSR runs WRMSR.
func (m *machine) writeMSR(st *state) bool {
	switch n, ok := m.msr(st); {
	case ok && isBaseMSR(n):
		st.bases[n-x86.MSR_FS_BASE] = m.edxEAX(st)
		return true
	case ok && st.phase == inSetUp && msrAt(n) >= 0:
		w := m.edxEAX(st)
		if n == x86.MSR_STAR { // whose selectors are in EDX
			w.by = m.moved(st, st.regs[rDX].by)
		}
		st.msrs[msrAt(n)] = w
		return true
	case ok && st.phase == inSetUp && n == msrCSTAR:
		return true
	case ok && n == x86.MSR_IA32_FRED_RSP0 && m.fred() && st.phase == inCall:
		st.rsp0 = m.edxEAX(st)
		return true
	case ok && m.shadowMSR(n, st.phase) >= 0:
		st.shadow[m.shadowMSR(n, st.phase)] = m.edxEAX(st)
		return true
	}
	if n, ok := m.msr(st); ok && n == x86.MSR_IA32_PRED_CMD && m.needs&layout.FeatureIBPB != 0 {
		low, high := m.edxEAX(st).v, m.at(st).resolve(st.regs[rDX].v)
		st.barrier = true
		return m.check(st, claimPredCmd, 0, nil, low.is(x86.PRED_CMD_IBPB) && high.is(0), m.gotWant(st, m.edxEAX(st), constant(x86.PRED_CMD_IBPB)))
	}
	if n, ok := m.msr(st); !ok || n != x86.MSR_IA32_SPEC_CTRL {
		m.undecided(st, claimFollows, "what the MSR "+m.show(st, st.regs[rCX].v)+" does")
		return false
	}
	if !m.mayTouchSpecCtrl(st) {
		return false
	}
	low, high := m.at(st).resolve(st.regs[rAX].v), m.at(st).resolve(st.regs[rDX].v)
	is := func(v value) bool { // whose upper half is 0
		return m.ts.and(low, maskOf(4)) == m.ts.and(v, maskOf(4)) &&
			(high.is(0) || m.ts.and(high, maskOf(4)) == m.ts.and(m.ts.shr(v, 32), maskOf(4)))
	}
	kernels, users := is(m.specCtrl(true)), is(m.specCtrl(false))
	st.ibrs = kernels
	return m.check(st, claimSpecCtrl, 0, nil, kernels || users, func() (string, string, *origin) {
		return m.show(st, high) + ":" + m.show(st, low), m.specCtrl(true).String() + ", or that without IBRS", st.regs[rAX].by
	})
}

// edxEAX returns the word that WRMSR writes.
func (m *machine) edxEAX(st *state) word {
	low, high := st.regs[rAX], m.at(st).resolve(st.regs[rDX].v)
	return word{m.ts.join(m.at(st).resolve(low.v), high, 32, ^uint64(0)), m.moved(st, low.by)}
}

// mayTouchSpecCtrl checks that the variant needs a CPU with that MSR, and has
// business with it here.
func (m *machine) mayTouchSpecCtrl(st *state) bool {
	return m.promises.Has(stubs.PromiseIBRS) && st.phase == inCall || m.check(st, claimSpecCtrl, 0, nil, false, nil)
}

// specCtrl returns the kernel's SPEC_CTRL, with IBRS, or ring 3's, without.
func (m *machine) specCtrl(ibrs bool) value {
	v := m.s.percpu[uint64(percpu.SpecCtrl.Off)].value()
	if ibrs {
		return v
	}
	return m.ts.and(v, ^uint64(x86.SPEC_CTRL_IBRS))
}

// kernelSpecCtrl checks, of a variant that promises it, that a function of the
// kernel is called with IBRS set.
func (m *machine) kernelSpecCtrl(st *state, f *function) bool {
	return !m.promises.Has(stubs.PromiseIBRS) || st.phase != inCall || m.check(st, claimIBRS, 0, f, st.ibrs, nil)
}

// isResidue reports whether a register holds what a mitigation has left in it.
func (m *machine) isResidue(r reg, v value) bool {
	for _, c := range m.residue(r) {
		if v.is(c) {
			return true
		}
	}
	return m.promises.Has(stubs.PromiseIBRS) && r == rDX && v == m.ts.shr(m.specCtrl(true), 32)
}

// residue returns the constants that mitigations leave in a register before the handler: an
// MSR's number, and the count of a loop.
func (s *subject) residue(r reg) (list []uint64) {
	if r == rCX && s.promises.Has(stubs.PromiseIBRS) {
		list = append(list, x86.MSR_IA32_SPEC_CTRL)
	}
	if r == rCX && s.promises.Has(stubs.PromiseIBPB) {
		list = append(list, x86.MSR_IA32_PRED_CMD)
	}
	if r == rDX && s.axes.Is(stubs.BHBLong) {
		_, inner := s.axes.HistoryTurns()
		list = append(list, uint64(inner))
	}
	return list
}
