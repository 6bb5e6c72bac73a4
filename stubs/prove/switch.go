package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// switchFrame is layout.SwitchFrame, by words from the highest down: the callee-saved
// registers below the return address.
var switchFrame = [...]reg{rBP, rBX, r12, r13, r14, r15}

// switched runs the change to the next thread's stack, with the claims about what the switch
// must have done by then. The path goes on behind it, as the thread that left when another
// one has left for it by the same switch: what that has put in registers is as this thread's
// switch has it, with the threads' parts exchanged.
func (m *machine) switched(st *state) {
	st.to = known(st.pc)
	m.leaves(st)
	ok := m.check(st, claimKernelGS, 0, nil, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's"))
	ok = m.untouched(st, theSwitch, true) && ok
	for i := range uint8(numFlags) {
		ok = m.clear(st, i, theSwitch) && ok
	}
	ok = m.checkSame(st, claimNextSP, 0, nil, st.regs[rSP], m.s.nextSP.value()) && ok
	sp, size := st.saved[savedSP], uint64(8*len(switchFrame))
	ok = m.checkSame(st, claimSavedSP, 0, nil, sp, value{m.s.prevRSP, -size}) && ok
	ok = m.checkSame(st, claimSaved, uint8(rSP), nil, m.readCell(st, 0), m.s.ret.value()) && ok
	for i, r := range switchFrame {
		ok = m.checkSame(st, claimSaved, uint8(r), nil, m.readCell(st, i+1), m.s.kernel[r].value()) && ok
	}
	ok = m.leavesShadow(st) && ok
	if !ok {
		return
	}
	st.walked.away = st.walked.last
	st.note("the thread runs again")
	st.phase = inResume
	for r := range st.regs {
		v := st.regs[r].v
		switch v.t {
		case m.s.next:
			v.t = m.s.prev
		case m.s.prev:
			v.t = m.s.left
		default:
			v = symbol(reg(r).String()+" of another thread", false).value()
		}
		st.regs[r] = word{v, kernels}
	}
	st.regs[rSP] = sp
	st.cond, st.calls = condition{}, nil
	st.dropBelow()
	for i, w := range st.scratch {
		st.mine[i], st.scratch[i] = false, word{m.s.other[i].value(), lost}
		if w.v == m.s.nextUserSP.value() { // each leaves the next one's there
			saved := st.saved[savedUserSP]
			st.mine[i], st.scratch[i] = true, word{saved.v, behind(w.by, saved.by)}
		}
	}
	st.trampoline.drop(0) // all threads use it
	st.depth = word{m.s.percpu[uint64(percpu.CallDepth.Off)].value(), lost}
	st.canary = word{m.s.percpu[uint64(percpu.StackCanary.Off)].value(), lost}
	st.shadow = [numShadowMSRs]word{shadowUCET: {known(0), lost}, shadowSSP: {symbol("another thread's SSP", true).value(), lost}}
	st.work = symbol("thread.Flags", false).value()
	if m.walk != nil { // it is no new thread
		m.given(st, m.isSet(m.ts.and(st.work, layout.TIFFork)), true)
	}
	m.follow(st)
}

// behind returns the origin o as the one that follows first.
func behind(o, first *origin) *origin {
	if o == nil || o == someInstruction {
		return first
	}
	return &origin{o.at, behind(o.before, first)}
}

// becomesCurrent models __switch_to: it switches from the thread RDI to the thread RSI, on
// whose stack it runs, and returns RDI.
func (m *machine) becomesCurrent(st *state, f *function) {
	rsp := st.regs[rSP]
	_, on := st.cell(rsp.v)
	ok := m.check(st, claimNextStack, 0, f, st.phase == inResume && on, m.gotWant(st, rsp, "on the next thread's stack"))
	ok = m.check(st, claimNotYet, 0, f, !st.current, nil) && ok
	if !ok {
		return
	}
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], m.s.left.value())
	ok = m.checkSame(st, claimArg, uint8(rSI), f, st.regs[rSI], m.s.prev.value()) && ok
	if !ok {
		return
	}
	m.clobberRegs(st, f)
	st.regs[rAX] = word{m.s.left.value(), kernels}
	m.otherDepth(st)
	st.current = true
	m.returnFrom(st)
}

// beginsThread claims that the thread that continues is a new one, and ends the path.
func (m *machine) beginsThread(st *state, f *function) {
	isNew := m.ts.and(st.work, layout.TIFFork)
	ok := m.check(st, claimCurrent, 0, f, st.current, nil)
	ok = m.checkThat(st, claimNew, 0, f, m.at(st).some(st.work, layout.TIFFork), predicate{below, known(0), isNew}, m.gotWork(st, "TIFFork")) && ok
	if m.hasOwn(st) && ok {
		m.end(st)
	}
}

// resumed claims what must hold when the switch returns to its caller.
func (m *machine) resumed(st *state) {
	m.returns(st) // __switch_to itself may have returned there
	ok := m.inKernel(st, theSwitch)
	ok = m.check(st, claimCurrent, 0, theSwitch, st.current, nil) && ok
	for i, w := range st.scratch {
		kept := w.v == m.s.scratch[i].value()
		m.preserved[i] = m.preserved[i] && kept
		if m.promise.usesScratch == scratchNumbers[i] {
			ok = m.check(st, claimOwnScratch, uint8(i), nil, kept, m.gotWant(st, w, m.s.scratch[i].name)) && ok
		}
	}
	if m.hasOwn(st) && ok {
		m.end(st)
	}
}

// hasOwn claims that what the CPU has for the thread that continues is its own, and nothing
// is another thread's.
func (m *machine) hasOwn(st *state) bool {
	ok := true
	if m.promises.Has(stubs.PromiseCanary) {
		ok = m.check(st, claimCanary, 0, nil, st.canary.v == m.s.canary.value(), m.gotWant(st, st.canary, m.s.canary.name))
	}
	if m.promises.Has(stubs.PromiseReturnStack) {
		ok = m.check(st, claimFilled, 0, nil, st.filled, nil) && ok
	}
	return m.resumesShadow(st) && ok
}

// switchText says what a claim about the context switch or the set-up states.
func (k claimKind) switchText(n uint8, of string) string {
	switch k {
	case claimErased, claimDense:
		return k.eraseText(of)
	case claimNextSP:
		return "the next thread goes on with its Thread.SP"
	case claimNextStack:
		return "RSP is on the next thread's stack at " + of
	case claimSavedSP:
		return "the thread's SP is set to its SwitchFrame"
	case claimSaved:
		if reg(n) == rSP {
			return "the return address is in the SwitchFrame"
		}
		return fmt.Sprintf("%v is in the SwitchFrame", reg(n))
	case claimCurrent:
		return "__switch_to has made the thread the current one at " + of
	case claimNotYet:
		return of + " is called once in a switch"
	case claimNew:
		return "the thread has TIF_FORK at " + of
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
		return fmt.Sprintf("%d CALLs that nobody returns from, to INT3, have filled the return stack, and an LFENCE is behind them", x86.RSB_CLEAR_LOOPS)
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
