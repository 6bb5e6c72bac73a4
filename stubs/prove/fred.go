package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// eventSymbols are what an event of FRED brings, and where the CPU finds the stack.
type eventSymbols struct {
	rsp0    *term // MSR_IA32_FRED_RSP0, of any thread
	event   *term // the event's ss word
	error   *term // its error code
	eventIP *term
	eventCS *term
	eventSP *term // RSP of an event in ring 0
	vector  *term // of an event that the IDT delivers
}

func newEventSymbols() eventSymbols {
	return eventSymbols{
		symbol("FRED_RSP0", false), symbol("event.SS", true), symbol("event.error", false),
		symbol("event.RIP", true), symbol("event.CS", true), symbol("event.RSP", true), symbol("the vector", false),
	}
}

// fred reports whether FRED delivers the events.
func (s *subject) fred() bool { return s.promises.Has(stubs.PromiseFRED) }

// above returns how many bytes the frame ends below the stack's end.
func (s *subject) above() uint64 {
	if s.fred() {
		return layout.FREDPad
	}
	return 0
}

// stackEnd returns where the thread's stack ends, as a distance in bytes from origin's
// term.
func (s *subject) stackEnd(st *state) uint64 { return st.origin.c + s.above() }

// byCPU is the origin of what the CPU itself has written.
var byCPU = &origin{}

// pushed are the slots that an event fills, from its error code up.
var pushed = [...]layout.Slot{layout.SlotOrigAX, layout.SlotIP, layout.SlotCS, layout.SlotFlags, layout.SlotSP, layout.SlotSS}

// deliveredWords is how many words the CPU writes in all, from the stack's end down.
const deliveredWords = len(pushed) + layout.FREDPad/8

// atCall returns the machine at the variant's entry when ring 3 has executed SYSCALL.
func (m *machine) atCall() *state {
	if !m.fred() {
		return m.onEither(m.s.afterSYSCALL(m.entry, m.mask))
	}
	st := m.delivered3()
	m.pushes(st, known(0), m.s.rip.value(), known(x86.USER_CS), known(x86.FREDSyscallSS))
	st.expect.frame[layout.SlotOrigAX] = m.s.user[rAX].value()
	return st
}

// atEntries returns the machines in which the variant is entered: by a call and, where FRED
// delivers the events, by any other event of each ring. What the variant tells a call by is
// not so for the others: the type is another, or what comes with it.
func (m *machine) atEntries() []*state {
	list := []*state{m.atCall()}
	if !m.fred() {
		return list
	}
	ss := m.s.event.value()
	isOther := predicate{equal, m.ts.and(m.ts.shr(ss, x86.FREDSSType), 0xf), known(x86.FREDTypeOther)}
	const long = x86.FREDSSLong >> x86.FREDSSVector
	isSyscall := predicate{equal, m.ts.and(m.ts.shr(ss, x86.FREDSSVector), 0xff|long), known(x86.FREDSyscall | long)}
	for _, other := range []bool{false, true} {
		st := m.delivered3()
		st.expect.event = true
		m.given(st, isOther, other)
		if other {
			m.given(st, isSyscall, false)
		}
		st.expect.frame[layout.SlotAX] = m.s.user[rAX].value()
		m.pushes(st, m.s.error.value(), m.s.eventIP.value(), m.s.eventCS.value(), ss)
		st.expect.frame[layout.SlotOrigAX] = known(maxWord)
		list = append(list, st)
	}
	st := m.delivered3()
	st.pc = m.kernelEntry
	st.expect.event, st.expect.inRing0 = true, true
	for r := range numRegs {
		st.regs[r].v = m.s.kernel[r].value()
		st.expect.frame[regSlot[r]] = st.regs[r].v
	}
	st.expect.frame[layout.SlotSP] = m.s.eventSP.value()
	m.pushes(st, m.s.error.value(), m.s.eventIP.value(), m.s.eventCS.value(), ss)
	return append(list, st)
}

// delivered3 returns the machine when FRED has delivered an event of ring 3, but for the
// frame: GS is the kernel's, no flag is set, and no register but RSP has changed.
func (m *machine) delivered3() *state {
	st := m.s.afterSYSCALL(m.entry, maxWord)
	st.facts, st.given = nil, nil
	st.bases[baseGS], st.bases[baseOther] = st.bases[baseOther], st.bases[baseGS]
	for _, r := range [...]reg{rCX, r11} {
		st.regs[r].v = m.s.user[r].value()
		st.expect.frame[regSlot[r]] = st.regs[r].v
	}
	st.rsp0 = word{v: value{st.origin.t, m.stackEnd(st)}}
	st.rsp0Word = st.rsp0
	return st
}

// pushes writes what the CPU pushes, and sets RSP.
func (m *machine) pushes(st *state, code, ip, cs, ss value) {
	e := &st.expect.frame
	e[layout.SlotIP], e[layout.SlotCS], e[layout.SlotSS] = ip, cs, ss
	e[layout.SlotOrigAX] = code
	for _, s := range pushed {
		*st.cells.at(cellOf(s)) = word{e[s], byCPU}
	}
	st.regs[rSP] = word{v: hardwareFrame(st)}
}

// hardwareFrame returns the address of FRED's frame: that of its lowest word, the error
// code.
func hardwareFrame(st *state) value {
	return value{st.origin.t, st.origin.c - 8*uint64(len(pushed))}
}

// delivered returns the CPU's own stores when a call begins: FRED's frame, else none.
func (m *machine) delivered() (list []Access) {
	if !m.fred() {
		return nil
	}
	for i := range deliveredWords {
		list = append(list, Access{Area: AreaStack, Off: int64(-8 * (i + 1)), Width: 8, Store: true})
	}
	return list
}

// entries checks where syscall_init lets events arrive.
func (m *machine) entries(st *state) bool {
	ok := m.checkSame(st, claimFREDConfig, 0, nil, st.msrs[msrFREDConfig], known(m.entry|x86.FREDRedZone))
	placed := m.entry%x86.FREDEntryAlign == 0 && m.kernelEntry == m.entry+x86.FREDKernelEntry
	return m.check(st, claimFREDEntries, 0, nil, placed, func() (string, string, *origin) {
		return constant(m.entry) + " and " + constant(m.kernelEntry), "a page's begin, and 256 bytes more", nil
	}) && ok
}

// event models fred_event_user and fred_event_kernel: each handles the event of the full
// frame that RDI points to. The first may edit any slot, lets other threads run, and leaves
// interrupts off and no work; the second may change the place to continue at, and flags.
func (m *machine) event(st *state, f *function) {
	user := f == contracts["fred_event_user"]
	ok := m.wholeFrame(st, f, 8)
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	if user {
		ok = m.checkSame(st, claimArg, uint8(rSI), f, st.regs[rSI], m.s.error.value()) && ok
	}
	ok = m.check(st, claimRing, 0, f, user != st.expect.inRing0, nil) && ok
	ok = m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return triNames[st.irq], "off", nil }) && ok
	ok = m.check(st, claimEvent, 0, f, st.expect.event, func() (string, string, *origin) { return "a call", "another event", nil }) && ok
	ok = m.once(st, f, &st.expect.called) && ok
	if !ok {
		return
	}
	m.clobber(st, f)
	if !user {
		m.edit(st, f, layout.SlotSet(layout.SlotIP, layout.SlotFlags))
		m.returnFrom(st)
		return
	}
	t := symbol("thread.Flags", false)
	st.work, st.stale = t.value(), false
	m.given(st, m.isSet(m.ts.and(t.value(), layout.TIFAllWork)), true)
	m.edit(st, f, layout.SlotsAll)
	m.returnFrom(st)
}

// eret runs ERETU or ERETS, and checks what the ring that it returns to must find.
func (m *machine) eret(st *state, in *inst, f *function) {
	if st.phase != inCall || !m.fred() {
		m.undecided(st, claimTarget, "FRED does not deliver this variant's events")
		return
	}
	e := &st.expect
	ok := m.check(st, claimRing, 0, f, (in.op == opERETS) == e.inRing0, nil)
	ok = m.check(st, claimKernelGS, 0, f, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's")) && ok
	ok = m.untouched(st, f, true) && ok
	ok = m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return "on or unknown", "off", nil }) && ok
	m.noSuchCall(st)
	for r := range numRegs {
		if r != rSP {
			ok = m.checkSame(st, claimReg, uint8(r), f, st.regs[r], e.frame[regSlot[r]]) && ok
		}
	}
	if !m.checkSame(st, claimFrame, 0, f, st.regs[rSP], hardwareFrame(st)) {
		return
	}
	for _, p := range popped {
		ok = m.checkSame(st, p.kind, p.n, f, m.popped(st, p.slot), e.frame[p.slot]) && ok
	}
	ok = m.answered(st, f) && ok
	if !e.inRing0 {
		ok = m.told(st, f) && ok
		ok = m.check(st, claimNoWork, 0, f, m.workIs(st, layout.TIFAllWork, false), m.gotWork(st, "no work")) && ok
		ok = m.checkSame(st, claimRSP0, 0, f, st.rsp0, value{st.origin.t, m.stackEnd(st)}) && ok
	}
	if ok {
		m.end(st)
	}
}

// otherRSP0 lets other threads run, which leave their own stack in MSR and word.
func (m *machine) otherRSP0(st *state) {
	if m.fred() && m.walk == nil && st.phase == inCall {
		st.rsp0 = word{symbol("FRED_RSP0 of another thread", false).value(), lost}
		st.rsp0Word = st.rsp0
	}
}
