package prove

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// The MSRs that lead to the entry, and SPEC_CTRL, that a variant may set when it is
// selected.
const (
	msrSTAR = iota
	msrLSTAR
	msrSFMASK
	msrEFER
	msrSpecCtrl
	msrFREDConfig
	numMSRs
)

var (
	msrNumbers = [numMSRs]uint64{x86.MSR_STAR, x86.MSR_LSTAR, x86.MSR_SYSCALL_MASK, x86.MSR_EFER, x86.MSR_IA32_SPEC_CTRL, x86.MSR_IA32_FRED_CONFIG}
	msrNames   = [numMSRs]string{"MSR_STAR", "MSR_LSTAR", "MSR_SYSCALL_MASK", "EFER", "SPEC_CTRL", "FRED_CONFIG"}
)

// msrAt returns the index of an MSR in state.msrs, or -1 if it is none of msrNumbers.
func msrAt(number uint64) int { return slices.Index(msrNumbers[:], number) }

// selected is what calls syscall_init.
var selected = &function{name: "the set-up's end", kind: hardware}

// atSetUp returns the machine when the kernel calls syscall_init: it is in the kernel,
// interrupts are off, and the MSRs are another variant's.
func (s *symbols) atSetUp(at uint64) *state {
	st := s.atSwitch(at)
	st.phase = inSetUp
	for r := range st.regs {
		st.regs[r] = word{s.kernel[r].value(), kernels}
	}
	st.regs[rSP].v = s.prevRSP.value()
	for i, t := range s.msrs {
		st.msrs[i] = word{t.value(), kernels}
	}
	return st
}

// runSetUp follows syscall_init, and so finds out which flags SYSCALL clears.
func (m *machine) runSetUp() { m.run(m.s.atSetUp(m.setUp)) }

// isSetUp checks, at the return of syscall_init, the MSRs that it has set.
func (m *machine) isSetUp(st *state) {
	ok := m.inKernel(st, selected)
	m.mask, _ = m.fixed(st, st.msrs[msrSFMASK])
	m.maskBy = st.msrs[msrSFMASK].by
	ok = m.checkSame(st, claimSTAR, 0, nil, st.msrs[msrSTAR], known(m.axes.Star())) && ok
	if m.fred() {
		ok = m.entries(st) && ok
	} else {
		ok = m.checkSame(st, claimLSTAR, 0, nil, st.msrs[msrLSTAR], known(m.entry)) && ok
		ok = m.checkSame(st, claimSFMASK, 0, nil, st.msrs[msrSFMASK], known(m.axes.SFMask())) && ok
	}
	efer := m.s.msrs[msrEFER].value()
	withSCE := m.ts.join(m.ts.or(m.ts.and(efer, maskOf(4)), x86.EFER_SCE), m.ts.shr(efer, 32), 32, ^uint64(0)) // as EDX:EAX have it
	ok = m.checkSame(st, claimEFER, 0, nil, st.msrs[msrEFER], withSCE) && ok
	ok = m.checkSame(st, claimSetSpecCtrl, 0, nil, st.msrs[msrSpecCtrl], m.setSpecCtrl()) && ok
	ok = m.ring3(st) && ok
	if ok {
		m.end(st)
	}
}

// setSpecCtrl returns what syscall_init must leave in SPEC_CTRL: what it finds, unless the
// variant promises BHI_DIS_S and no WRMSR of a call will set it.
func (m *machine) setSpecCtrl() value {
	if m.promises.Has(stubs.PromiseBHIDisS) && !m.promises.Has(stubs.PromiseIBRS) {
		return known(x86.SPEC_CTRL_BHI_DIS_S)
	}
	return m.s.msrs[msrSpecCtrl].value()
}

// fixed returns the constant that a word holds, and whether it holds one.
func (m *machine) fixed(st *state, w word) (uint64, bool) {
	v := m.at(st).resolve(w.v)
	return v.c, v.t == nil
}

// ring3 checks that SYSRETQ loads ring 3's selectors with the variant's MSR_STAR, on
// every CPU that has what the variant needs (SDM volume 2 and APM volume 3, SYSRET).
func (m *machine) ring3(st *state) bool {
	w := st.msrs[msrSTAR]
	star, known := m.fixed(st, w)
	from := star >> 48
	if m.needs&layout.FeatureSYSRETRPL != 0 {
		from |= 3
	}
	cs, ss := from+16, from+8
	return m.check(st, claimSelectors, 0, nil, known && cs == x86.USER_CS && ss == x86.USER_DS, func() (string, string, *origin) {
		return fmt.Sprintf("%#x and %#x", cs, ss), fmt.Sprintf("%#x and %#x", x86.USER_CS, x86.USER_DS), w.by
	})
}

// inKernel checks, at the return of a function that the kernel has called, what
// every function keeps.
func (m *machine) inKernel(st *state, f *function) bool {
	ok := m.check(st, claimKernelGS, 0, f, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's"))
	ok = m.untouched(st, f, true) && ok
	for i := range uint8(numFlags) {
		ok = m.clear(st, i, f) && ok
	}
	ok = m.checkSame(st, claimReturnRSP, 0, f, st.regs[rSP], m.s.prevRSP.value().add(8)) && ok
	for _, r := range [...]reg{rBX, rBP, r12, r13, r14, r15} {
		ok = m.checkSame(st, claimKept, uint8(r), f, st.regs[r], m.s.kernel[r].value()) && ok
	}
	return ok
}
