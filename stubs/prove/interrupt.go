package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// The kernel behind the variant's own entries of interrupts and exceptions.
var (
	_               = contract("error_from_user")
	errorFromKernel = contract("error_from_kernel")
	paranoidBody    = contract("paranoid_body")
)

// contract declares such a function.
func contract(name string) *function {
	f := &function{name: name, kind: interruptHandler}
	contracts[name] = f
	return f
}

// atInterrupts returns the machines in which the variant's own entries of interrupts and
// exceptions begin. From ring 3 they have the CS of each segment that its code can run in
// and the user's GS; from ring 0 the kernel's GS or, at the entry of those that can come at
// any instruction, either. The frame is pushed down to the slot of RDI.
func (m *machine) atInterrupts() (list []*state) {
	for _, cs := range [...]uint64{x86.USER_CS, x86.USER32_CS, x86.KERNEL_CS} {
		ring0 := cs == x86.KERNEL_CS
		if m.errorEntry != 0 {
			list = append(list, m.interruptedAt(m.errorEntry, cs, !ring0))
		}
		if m.paranoidEntry != 0 {
			list = append(list, m.interruptedAt(m.paranoidEntry, cs, true))
			if ring0 {
				list = append(list, m.interruptedAt(m.paranoidEntry, cs, false))
			}
		}
	}
	return list
}

// interruptedAt returns the machine at an entry of an interrupt or exception that came
// while CS was cs, with the user's GS or the kernel's.
func (m *machine) interruptedAt(entry, cs uint64, userGS bool) *state {
	st := m.s.afterSYSCALL(entry, maxWord)
	st.phase, st.facts, st.given = inInterrupt, nil, nil
	st.flags[flagDF], st.flags[flagAC] = either, either // the CPU clears the others
	e := &st.expect
	e.inRing0 = cs == x86.KERNEL_CS
	for r := range numRegs {
		st.regs[r].v = m.s.user[r].value()
		if e.inRing0 {
			st.regs[r].v = m.s.kernel[r].value()
		}
		e.frame[regSlot[r]] = st.regs[r].v
	}
	if m.entry == 0 { // its sign tells it from the kernel's
		st.facts = resolver{}.with(factMax, m.s.bases[baseGS], value{}, layout.TaskSizeMax)
	}
	if !userGS {
		st.bases[baseGS], st.bases[baseOther] = st.bases[baseOther], st.bases[baseGS]
		e.bases[baseGS], e.bases[baseOther] = e.bases[baseOther], e.bases[baseGS]
	}
	e.frame[layout.SlotSS], e.frame[layout.SlotSP] = m.s.event.value(), m.s.eventSP.value()
	e.frame[layout.SlotFlags], e.frame[layout.SlotCS] = m.s.flags.value(), known(cs)
	e.frame[layout.SlotIP], e.frame[layout.SlotOrigAX] = m.s.eventIP.value(), m.s.error.value()
	for _, s := range append(pushed[:], layout.SlotDI) {
		*st.cells.at(cellOf(s)) = word{e.frame[s], byCPU}
	}
	st.at = entry
	from, gs := "ring 3", "the user's"
	if e.inRing0 {
		from = "ring 0"
	}
	if !userGS {
		gs = "the kernel's"
	}
	if !m.quick {
		st.note(fmt.Sprintf("the event comes from %s, where CS is %#x and GS %s", from, cs, gs))
	}
	st.regs[rDI].v = m.s.vector.value()
	st.regs[rSP].v = value{st.origin.t, st.origin.c - 8*uint64(len(pushed)+1)}
	return st
}

// interrupted checks the arrival at the kernel's part: it finds full pt_regs, the vector
// and its own GS.
func (m *machine) interrupted(st *state, f *function) {
	e := &st.expect
	below := uint64(0)
	other := m.s.bases[baseGS].value()
	if f == paranoidBody {
		below = 8                                           // a return address
		if e.inRing0 && m.axes.Is(stubs.ParanoidRDGSBASE) { // WRGSBASE leaves it alone
			other = e.bases[baseOther]
		}
	}
	ring := m.check(st, claimRing, 0, f, f == paranoidBody || (f == errorFromKernel) == e.inRing0, func() (string, string, *origin) {
		if e.inRing0 {
			return "reached by an event of ring 0", "ring 3", nil
		}
		return "reached by an event of ring 3", "ring 0", nil
	})
	if !ring || !m.check(st, claimKernelGS, 0, f, m.kernelGS(st), m.gotEventGS(st)) {
		return // GS and its other base are wrong by that
	}
	ok := m.checkSame(st, claimEventBase, baseFS, f, st.bases[baseFS], e.bases[baseFS])
	ok = m.checkSame(st, claimEventBase, baseOther, f, st.bases[baseOther], other) && ok
	ok = m.clear(st, flagDF, f) && ok
	ok = m.checkSame(st, claimFrame, 0, f, st.regs[rSP], value{st.origin.t, st.origin.c - frameSize - below}) && ok
	for s := range layout.NumSlots {
		ok = m.checkSame(st, claimSlot, uint8(s), f, m.readCell(st, cellOf(s)), e.frame[s]) && ok
	}
	ok = m.checkSame(st, claimArg, uint8(rSI), f, st.regs[rSI], m.ts.and(m.s.vector.value(), maskOf(4))) && ok
	ok = m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return triNames[st.irq], "off", nil }) && ok
	switch {
	case !ok:
	case f != paranoidBody || !e.inRing0: // it ends as the kernel's traps do
		m.end(st)
	default:
		m.clobber(st, f)
		for _, r := range [...]reg{r12, r14} {
			st.regs[r] = word{v: symbol(f.unknowns().regs[r], false).value()}
		}
		m.edit(st, f, layout.SlotSet(layout.SlotIP, layout.SlotFlags))
		m.returnFrom(st)
	}
}

// gotEventGS tells for a report whose GS the kernel's part finds, and, where no instruction
// has changed it, why that is not what CS says.
func (m *machine) gotEventGS(st *state) func() (string, string, *origin) {
	return func() (string, string, *origin) {
		got := m.baseName(st, baseGS)
		if st.bases[baseGS].by == nil && st.expect.inRing0 {
			got += ", as it is in ring 0 between SYSCALL and SWAPGS, and nothing has looked at the base itself"
		}
		return got, "the kernel's", st.bases[baseGS].by
	}
}

// interruptReturn checks the IRETQ back to ring 0: everything is as it was, but for what
// the handler has changed in the frame.
func (m *machine) interruptReturn(st *state, in *inst, f *function) {
	e := &st.expect
	ok := m.check(st, claimByIRET, 0, f, in.op == opIRET, nil)
	ok = m.check(st, claimWidth, 0, f, in.width == 8, func() (string, string, *origin) { return "five words of 32 bits", "five of 64", nil }) && ok
	ok = m.check(st, claimRing, 0, f, e.inRing0, nil) && ok
	for i, w := range st.bases {
		ok = m.checkSame(st, claimEventBase, uint8(i), f, w, e.bases[i]) && ok
	}
	ok = m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return triNames[st.irq], "off", nil }) && ok
	ok = m.clear(st, flagNT, f) && ok
	for r := range numRegs {
		if r != rSP {
			ok = m.checkSame(st, claimReg, uint8(r), f, st.regs[r], e.frame[regSlot[r]]) && ok
		}
	}
	if !m.checkSame(st, claimFrame, 0, f, st.regs[rSP], st.origin.add(^uint64(39))) {
		return
	}
	for _, p := range popped {
		ok = m.checkSame(st, p.kind, p.n, f, m.readCell(st, cellOf(p.slot)), e.frame[p.slot]) && ok
	}
	if ok {
		m.end(st)
	}
}
