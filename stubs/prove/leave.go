package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// mayTakeSlowExit reports whether a fact of the path requires the slow exit.
func (m *machine) mayTakeSlowExit(st *state) bool {
	e := &st.expect
	switch {
	case m.wasWork(st, layout.TIFAllWork|layout.TIFEntryWork, true), e.asked, e.refused:
		return true
	case e.edited&notBySYSRET != 0, e.edited != 0 && m.anyEdit():
		return true
	case m.tests() && m.fits(st) == isFalse:
		return true
	case e.wrapper != nil && m.axes.Is(stubs.SlowC): // the slow path is the only one for it
		return true
	}
	return false
}

// tests reports whether an exit looks at the frame before it takes SYSRETQ.
func (m *machine) tests() bool { return m.axes.Is(stubs.ExitOpportunistic) }

// returnToUser runs the variant's own SYSRETQ or IRETQ.
func (m *machine) returnToUser(st *state, in *inst) {
	f := toUser[in.op]
	e := &st.expect
	if in.op == opERETU || in.op == opERETS {
		m.eret(st, in, f)
		return
	}
	if st.phase == inInterrupt {
		m.interruptReturn(st, in, f)
		return
	}
	ok := m.check(st, claimWidth, 0, f, in.width == 8, func() (string, string, *origin) { return "32-bit code", "64-bit code", nil })
	ok = m.check(st, claimUserGS, 0, f, st.bases[baseGS].v == e.bases[baseGS], m.gotBase(st, baseGS, "the user's")) && ok
	ok = m.untouched(st, f, true) && m.countIsZero(st, f) && ok
	ok = m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return "on or unknown", "off", nil }) && ok
	if st.phase != inCall {
		m.undecided(st, claimTarget, "the switch returns to ring 3")
		return
	}
	if m.promises.Has(stubs.PromiseIBRS) {
		ok = m.check(st, claimUserSpecCtrl, 0, f, !st.ibrs, nil) && ok
	}
	if in.op == opIRET { // SDM volume 2, IRET: #GP if NT is set
		ok = m.clear(st, flagNT, f) && ok
	}
	ok = m.onUserTable(st, f) && ok
	ok = m.check(st, claimBuffers, 0, f, !m.promises.Has(stubs.PromiseBuffers) || st.verw, m.gotVERW(st)) && ok
	if in.op == opSYSRET && !m.loaded(st, f) {
		return
	}
	for _, r := range [...]reg{rAX, rDX, rBX, rBP, rSI, rDI, r8, r9, r10, r12, r13, r14, r15} {
		ok = m.checkSame(st, claimReg, uint8(r), f, m.blame(st, st.regs[r], regSlot[r]), e.frame[regSlot[r]]) && ok
	}
	if in.op == opSYSRET {
		ok = m.sysret(st, f) && ok
	} else {
		ok = m.iret(st, f) && ok
	}
	ok = m.erasedAt(st, f) && ok
	ok = m.answered(st, f) && ok
	if !m.promise.bare {
		ok = m.told(st, f) && ok
		ok = m.check(st, claimNoWork, 0, f, m.workIs(st, layout.TIFAllWork, false), m.gotWork(st, "no work")) && ok
	}
	if ok {
		m.end(st)
	}
}

// gotVERW tells for a report why the CPU's buffers are not overwritten.
func (m *machine) gotVERW(st *state) func() (string, string, *origin) {
	if st.verwBy == nil {
		return nil
	}
	return func() (string, string, *origin) {
		return "VERW of a register, which overwrites none", "VERW of a word in memory", st.verwBy
	}
}

// sysret claims what SYSRETQ takes from registers.
func (m *machine) sysret(st *state, f *function) bool {
	want, edited := &st.expect.frame, st.expect.edited
	ok := m.check(st, claimByIRET, 0, f, !m.neverSYSRET(), nil)
	ok = m.checkSame(st, claimIP, 0, f, m.blame(st, st.regs[rCX], layout.SlotIP), want[layout.SlotIP]) && ok
	ok = m.checkSame(st, claimRFLAGS, 0, f, m.blame(st, st.regs[r11], layout.SlotFlags), want[layout.SlotFlags]) && ok
	ok = m.checkSame(st, claimReg, uint8(rSP), f, m.blame(st, st.regs[rSP], layout.SlotSP), want[layout.SlotSP]) && ok
	// A handler may have asked for more than the two registers can hold.
	if edited.Has(layout.SlotCX) {
		ok = m.checkSame(st, claimReg, uint8(rCX), f, st.regs[rCX], want[layout.SlotCX]) && ok
	}
	if edited.Has(layout.SlotR11) {
		ok = m.checkSame(st, claimReg, uint8(r11), f, st.regs[r11], want[layout.SlotR11]) && ok
	}
	ok = m.checkSame(st, claimCS, 0, f, word{v: known(x86.USER_CS)}, m.ts.and(want[layout.SlotCS], maskOf(2))) && ok
	ok = m.checkSame(st, claimSS, 0, f, word{v: known(x86.USER_DS)}, m.ts.and(want[layout.SlotSS], maskOf(2))) && ok
	ok = m.checkThat(st, claimCanonical, 0, f, m.at(st).canonical(st.regs[rCX].v) == isTrue,
		predicate{equal, m.ts.sar(m.ts.shl(st.regs[rCX].v, 16), 16), st.regs[rCX].v}, m.gotWant(st, st.regs[rCX], "bits 47 to 63 the same")) && ok
	if m.promises.Has(stubs.PromiseTrampoline) {
		ok = m.check(st, claimTrampoline, 0, f, st.trampolined, nil) && ok
	}
	if m.axes.Is(stubs.SlowDoreti) && !edited.Has(layout.SlotFlags) {
		single := predicate{equal, m.ts.and(want[layout.SlotFlags], x86.X86_EFLAGS_TF), known(0)}
		ok = m.checkThat(st, claimNoStep, 0, f, x86.X86_EFLAGS_TF&^m.at(st).zeros(st.regs[r11].v) == 0, single, m.gotWant(st, st.regs[r11], "TF clear")) && ok
	}
	if m.axes.Is(stubs.ExitOpportunistic) || edited&notBySYSRET != 0 {
		ok = m.checkThat(st, claimOwnExit, 0, f, singleStep&^m.at(st).zeros(st.regs[r11].v) == 0, m.isSet(m.ts.and(st.regs[r11].v, singleStep)), m.gotWant(st, st.regs[r11], "RF and TF clear")) && ok
	}
	return ok
}

// selects tells whether IRETQ takes a selector from a slot: from 16 bits of it (SDM volume 2,
// IRET). For a variant that may compare more, a slot with other bits set does not fit either.
func (m *machine) selects(st *state, slot value, want uint64) truth {
	r := m.at(st)
	is := r.same(m.ts.and(slot, maskOf(2)), known(want))
	if is == isOpen && !m.byFrame() {
		return r.same(slot, known(want))
	}
	return is
}

// neverSYSRET reports whether the variant must not return by SYSRETQ.
func (m *machine) neverSYSRET() bool {
	return m.axes.Is(stubs.ExitIRET) && (m.axes.Is(stubs.SlowIRET) || m.axes.Is(stubs.SlowOnly))
}

// fits tells whether SYSRETQ would do with the frame what IRETQ does.
func (m *machine) fits(st *state) truth {
	r, frame := m.at(st), &st.expect.frame
	all := isTrue
	for _, t := range [...]truth{
		r.same(frame[layout.SlotCX], frame[layout.SlotIP]), r.same(frame[layout.SlotR11], frame[layout.SlotFlags]),
		m.selects(st, frame[layout.SlotCS], x86.USER_CS), m.selects(st, frame[layout.SlotSS], x86.USER_DS),
		m.loadable(st, frame[layout.SlotIP]),
	} {
		all = min(all, t)
	}
	if r.some(frame[layout.SlotFlags], singleStep) || st.isUnfit() {
		return isFalse
	}
	return all
}

// loadable tells whether the variant's test lets SYSRETQ load an address.
func (m *machine) loadable(st *state, ip value) truth {
	least, _ := m.at(st).limits(ip)
	switch {
	case m.axes.Is(stubs.IPHalf) && least >= 1<<47, m.axes.Is(stubs.IPTaskSize) && least >= layout.TaskSizeMax:
		return isFalse
	}
	return m.at(st).canonical(ip)
}

// iret claims what IRETQ pops, and the two registers that SYSCALL changed.
func (m *machine) iret(st *state, f *function) bool {
	want := &st.expect.frame
	cx, flags := st.regs[rCX], st.regs[r11]
	ok := m.checkSame(st, claimReg, uint8(rCX), f, cx, m.clobbered(st, layout.SlotCX, cx, m.fullSlot(st, layout.SlotCX)))
	ok = m.checkSame(st, claimReg, uint8(r11), f, flags, m.clobbered(st, layout.SlotR11, flags, want[layout.SlotR11])) && ok
	from, copied := m.copied(st)
	if !copied && !m.checkSame(st, claimFrame, 0, f, st.regs[rSP], m.poppedFrom(st).add(^uint64(39))) {
		return false
	}
	for i, p := range popped {
		w := m.popped(st, p.slot)
		if copied {
			w = m.readCell(st, from-i)
		}
		ok = m.checkSame(st, p.kind, p.n, f, w, want[p.slot]) && ok
	}
	switch {
	case !ok || m.axes.Is(stubs.ExitIRET):
	case m.axes.Is(stubs.SlowDoreti): // it steps over what follows SYSCALL, as SYSRETQ would not
		single := predicate{below, known(0), m.ts.and(want[layout.SlotFlags], x86.X86_EFLAGS_TF)}
		ok = m.checkThat(st, claimNeeded, 0, f, m.mayTakeSlowExit(st) || m.at(st).some(want[layout.SlotFlags], x86.X86_EFLAGS_TF), single, m.gotWork(st, "work, a frame that SYSRETQ does not fit, or TF")) && ok
	case m.axes.Is(stubs.SlowIRET):
		ok = m.check(st, claimNeeded, 0, f, m.mayTakeSlowExit(st), m.gotWork(st, "work, or a frame that SYSRETQ does not fit")) && ok
	default:
		ok = m.check(st, claimNeeded, 0, f, m.fits(st) == isFalse, func() (string, string, *origin) {
			return "a frame that SYSRETQ may fit", "one that it does not", nil
		}) && ok
	}
	return ok
}

// copied tells where on the thread's stack IRETQ pops, if that is below the frame: a copy of
// the hardware frame.
func (m *machine) copied(st *state) (from int, ok bool) {
	from, ok = st.cell(m.at(st).resolve(st.regs[rSP].v))
	return from, ok && !m.isolated() && from-len(popped) >= int(layout.NumSlots)-1
}

// popped lists the words that IRETQ and ERETU pop, and the claim about each.
var popped = [...]struct {
	kind claimKind
	n    uint8
	slot layout.Slot
}{
	{claimIP, 0, layout.SlotIP},
	{claimCS, 0, layout.SlotCS},
	{claimRFLAGS, 0, layout.SlotFlags},
	{claimReg, uint8(rSP), layout.SlotSP},
	{claimSS, 0, layout.SlotSS},
}

// poppedFrom returns the top of the stack from which IRETQ pops the hardware frame. With
// ring 3's page table in force that is not the thread's stack.
func (m *machine) poppedFrom(st *state) value {
	if m.isolated() {
		return m.s.trampoline.value()
	}
	return st.origin
}

// popped returns a word of that frame.
func (m *machine) popped(st *state, s layout.Slot) word {
	if m.isolated() {
		return st.trampoline.in(cellOf(s))
	}
	return m.readCell(st, cellOf(s))
}

// answered claims that a call ends without a handler only if its number is unknown, and
// that no other event of FRED does.
func (m *machine) answered(st *state, f *function) bool {
	if st.expect.event {
		return m.check(st, claimHandled, 0, f, st.expect.called, func() (string, string, *origin) { return "not handled", "handled", nil })
	}
	if st.expect.called || m.promise.bare {
		m.holds(st, claimAnswered, 0, f)
		return true
	}
	if m.axes.Is(stubs.X32Range) && !m.unknown(st, f, 1, m.x32Number(st)) {
		return false
	}
	return m.unknown(st, f, 0, m.number(st))
}

// unknown claims that a number is beyond the table: the call's or, if n is 1, that of an x32
// call.
func (m *machine) unknown(st *state, f *function, n uint8, number value) bool {
	least, _ := m.at(st).limits(number)
	return m.checkThat(st, claimAnswered, n, f, least > layout.SysCallMax, predicate{below, known(layout.SysCallMax), number}, func() (string, string, *origin) {
		return "from " + constant(least) + " on", "from " + constant(layout.SysCallMax+1) + " on", nil
	})
}

// exitText says what a claim about an exit states.
func (k claimKind) exitText(n uint8, of string) string {
	switch k {
	case claimReg:
		return fmt.Sprintf("%v returns right by %s", reg(n), of)
	case claimLoads:
		return "the registers are loaded from their own slots before " + of
	case claimIP:
		return "RIP returns right by " + of
	case claimRFLAGS:
		return "RFLAGS returns right by " + of
	case claimCS:
		return "CS returns right by " + of
	case claimSS:
		return "SS returns right by " + of
	case claimUserGS:
		return "GS is the user's at " + of
	case claimUserCR3:
		return "CR3 is the user's at " + of
	case claimCanonical:
		return "RCX is canonical"
	case claimOwnExit:
		return "SYSRETQ does what IRETQ would, RF and TF are clear"
	case claimNoStep:
		return "TF is clear, or SYSRETQ would trap before the next instruction"
	case claimWidth:
		return "it returns to 64-bit code"
	case claimTrampoline:
		return "the last word that is touched is on the trampoline stack"
	case claimBuffers:
		return "VERW has overwritten the CPU's buffers behind the last load"
	case claimNoWork:
		return "no work is pending"
	case claimUserSpecCtrl:
		return "SPEC_CTRL is ring 3's at " + of
	case claimByIRET:
		return "the call returns by IRETQ"
	case claimRing:
		return of + " is for the ring that the event came from"
	case claimRSP0:
		return "the next event of ring 3 will find this thread's stack (FRED_RSP0) at " + of
	case claimRSP0Word:
		return "PerCPU.FREDRSP0 is what FRED_RSP0 holds at " + of
	case claimEventBase:
		return fmt.Sprintf("%s is right at %s, for where the interrupt came from", baseNames[n], of)
	case claimAnswered:
		return "only numbers beyond the table have no handler"
	case claimTold:
		return "a tracer was told of the call's end"
	case claimHandled:
		return "the event was handled before " + of
	}
	return k.switchText(n, of)
}
