package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/stubs"
)

// switched runs the jump to the next thread, with the claims about what the switch must
// have done by then. The path goes on where the thread that left runs again, whichever
// thread and whichever variant's switch left for it.
func (m *machine) switched(st *state) {
	m.leaves(st)
	ok := m.check(st, claimKernelGS, 0, nil, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's"))
	ok = m.untouched(st, theSwitch, true) && ok
	for i := range uint8(numFlags) {
		ok = m.clear(st, i, theSwitch) && ok
	}
	m.holds(st, claimNextIP, 0, nil)
	ok = m.checkSame(st, claimNextSP, 0, nil, st.regs[rSP], m.s.nextSP.value()) && ok
	ok = m.checkSame(st, claimNextRSI, 0, nil, st.regs[rSI], m.s.next.value()) && ok
	ip, sp := st.saved[savedIP], st.saved[savedSP]
	ok = m.check(st, claimResumeIP, 0, nil, ip.v.t == nil && m.partOf(ip.v.c) != nil, m.gotWant(st, ip, "an address in the variant")) && ok
	below := st.origin.c - sp.v.c
	ok = m.leavesShadow(st) && ok
	ok = m.check(st, claimSavedSP, 0, nil, sp.v.t == st.origin.t && below <= 8*numCells && below&7 == 0, m.gotWant(st, sp, "a place on the thread's stack")) && ok
	if !ok {
		return
	}
	st.walked.away = st.walked.last
	st.note("the thread runs again")
	st.phase = inResume
	for r := range st.regs {
		st.regs[r] = word{symbol(reg(r).String()+" of another thread", false).value(), kernels}
	}
	st.regs[rSI], st.regs[rSP] = word{m.s.prev.value(), kernels}, sp
	st.cond, st.calls = condition{}, nil
	st.dropBelow()
	for i := range st.scratch {
		st.mine[i], st.scratch[i] = false, word{m.s.other[i].value(), lost}
	}
	st.trampoline.drop(0) // all threads use it
	st.depth = word{m.s.percpu[uint64(percpu.CallDepth.Off)].value(), lost}
	st.canary = word{m.s.percpu[uint64(percpu.StackCanary.Off)].value(), lost}
	st.shadow = [numShadowMSRs]word{shadowUCET: {known(0), lost}, shadowSSP: {symbol("another thread's SSP", true).value(), lost}}
	st.pc = ip.v.c
	m.follow(st)
}

// resumed claims what must hold when the switch returns to its caller.
func (m *machine) resumed(st *state) {
	ok := m.inKernel(st, theSwitch)
	for i, w := range st.scratch {
		kept := w.v == m.s.scratch[i].value()
		m.preserved[i] = m.preserved[i] && kept
		if m.promise.usesScratch == scratchNumbers[i] {
			ok = m.check(st, claimOwnScratch, uint8(i), nil, kept, m.gotWant(st, w, m.s.scratch[i].name)) && ok
		}
	}
	if m.promises.Has(stubs.PromiseCanary) {
		ok = m.check(st, claimCanary, 0, nil, st.canary.v == m.s.canary.value(), m.gotWant(st, st.canary, m.s.canary.name)) && ok
	}
	if m.promises.Has(stubs.PromiseReturnStack) {
		ok = m.check(st, claimFilled, 0, nil, st.filled, nil) && ok
	}
	if m.resumesShadow(st) && ok {
		m.end(st)
	}
}

// switchText says what a claim about the context switch or the set-up states.
func (k claimKind) switchText(n uint8, of string) string {
	switch k {
	case claimErased, claimDense:
		return k.eraseText(of)
	case claimNextIP:
		return "the next thread goes on at its Thread.IP"
	case claimNextSP:
		return "the next thread goes on with its Thread.SP"
	case claimNextRSI:
		return "the next thread is in RSI"
	case claimResumeIP:
		return "the thread's IP is set to a place in the variant"
	case claimSavedSP:
		return "the thread's SP is set to its stack"
	case claimKept:
		return fmt.Sprintf("%v is kept at %s", reg(n), of)
	case claimReturnRSP:
		return "RSP is kept at " + of
	case claimOwnScratch:
		return fmt.Sprintf("%s is the thread's own after the switch", scratchWords[n].Name)
	case claimCanary:
		return "the CPU's canary is the thread's after the switch"
	case claimSavedSSP:
		return "the thread's PL3SSP is set to ring 3's SSP"
	case claimShadowOff:
		return "ring 3 has no shadow stack when another thread's switch goes on"
	case claimShadow:
		return [...]string{shadowUCET: "IA32_U_CET", shadowSSP: "IA32_PL3_SSP"}[n] + " is the thread's after the switch"
	case claimFilled:
		return fmt.Sprintf("%d CALLs that nobody returns from, to INT3, have filled the return stack, and an LFENCE is behind them", stubs.ReturnStack)
	case claimSTAR:
		return "MSR_STAR is what axis star says"
	case claimLSTAR:
		return "MSR_LSTAR is the entry"
	case claimSFMASK:
		return "MSR_SYSCALL_MASK is what axis sfmask says"
	case claimEFER:
		return "EFER.SCE is set, and nothing else changed"
	case claimSetSpecCtrl:
		return "SPEC_CTRL is what axis bhb says"
	case claimFREDConfig:
		return "FRED_CONFIG is the entry and the red zone"
	case claimFREDEntries:
		return "the entry begins a page, and the entry from ring 0 is 256 bytes behind it"
	case claimSelectors:
		return "SYSRETQ loads USER_CS and USER_DS, with RPL 3"
	}
	return "?"
}
