package prove

import (
	"slices"
	"sync"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// function is a kernel function that a variant may call or jump to. Its contract
// says what it finds and what it leaves (see package stubs).
type function struct {
	name string
	kind functionKind
	// edits are the slots of full pt_regs that it may change.
	edits layout.Slots
	// needs are the slots of the frame that it finds, beside its arguments.
	needs layout.Slots
	made  sync.Once
	names unknowns
}

// unknowns are the names of the unknown words that a function leaves.
type unknowns struct {
	regs  [numRegs]string
	slots [layout.NumSlots]string
	xmm   [numXMM]string
	mxcsr string
}

// unknowns returns the names, which it makes at the first call.
func (f *function) unknowns() *unknowns {
	f.made.Do(func() {
		for r := range numRegs {
			f.names.regs[r] = r.String() + " after " + f.name
		}
		for s := range layout.NumSlots {
			f.names.slots[s] = f.name + "." + s.String()
		}
		for i := range numXMM {
			f.names.xmm[i] = f.name + "." + xmmName(i)
		}
		f.names.mxcsr = f.name + ".MXCSR"
	})
	return &f.names
}

type functionKind uint8

var (
	handlers = &function{name: "the handler", kind: plainHandler, needs: layout.SlotsAll}
	flagLoad = &function{name: "POPFQ", kind: hardware}
	inner    = &function{name: "the function", kind: hardware}
	toUser   = map[opcode]*function{
		opSYSRET: {name: "SYSRETQ", kind: hardware},
		opIRET:   {name: "IRETQ", kind: hardware},
		opERETU:  {name: "ERETU", kind: hardware},
		opERETS:  {name: "ERETS", kind: hardware},
	}
	// contracts are the kernel's functions by name.
	contracts = map[string]*function{}
)

func init() {
	for _, f := range []*function{
		{name: "sys_ni_syscall", kind: plainHandler},
		{name: "schedule", kind: scheduler},
		{name: "syscall_return_slowpath", kind: worker},
		{name: "exit_to_user_mode_loop", kind: worker},
		{name: "syscall_trace_enter_phase1", kind: tracerAsked},
		{name: "syscall_trace_enter", kind: tracerEntered},
		{name: "syscall_trace_leave", kind: tracerLeft},
		{name: "schedule_user", kind: scheduler},
		{name: "do_notify_resume", kind: notifier},
		{name: "retint_user", kind: slowExit},
		{name: "x64_sys_call", kind: dispatcher},
		{name: "x64_sys_call_switch", kind: dispatcher},
		{name: "fred_event_user", kind: eventHandler},
		{name: "fred_event_kernel", kind: eventHandler},
		{name: "stackleak_erase", kind: eraser},
		{name: "preempt_schedule", kind: preempter},
		{name: "__switch_to", kind: switcher},
		{name: "ret_from_fork", kind: beginner},
	} {
		f.needs = layout.SlotsAll
		contracts[f.name] = f
	}
	for _, c := range layout.FullFrameCalls {
		f := &function{name: c.Handler(), kind: frameHandler, edits: c.Kind.Edits(), needs: c.Kind.Needs()}
		switch c.Kind {
		case layout.EditsSlot:
			f.kind = slotHandler
		case layout.NeverReturns:
			f.kind = noReturn
		}
		contracts[f.name] = f
	}
}

// notBySYSRET are the slots that SYSRETQ cannot take to ring 3: it loads RIP and
// RCX from one register, RFLAGS and R11 from another, CS and SS from MSR_STAR.
const notBySYSRET layout.Slots = 1<<layout.SlotIP | 1<<layout.SlotCS | 1<<layout.SlotSS | 1<<layout.SlotCX | 1<<layout.SlotR11

// enter checks what a kernel function finds and does what the function does. The
// return address is on top of the stack, unless the function never returns.
func (m *machine) enter(st *state, f *function) {
	m.leaves(st)
	if !m.countIsZero(st, f) {
		return
	}
	if st.phase == inInterrupt && f.kind == interruptHandler {
		m.interrupted(st, f)
		return
	}
	if st.phase == inInterrupt || f.kind == interruptHandler {
		m.undecided(st, claimTarget, f.name+", which is for interrupts alone or for calls alone")
		return
	}
	if st.phase == inCall && m.promise.bare && !m.check(st, claimFloor, 0, f, false, nil) {
		return
	}
	if f.kind == dispatcher && st.phase == inCall {
		m.dispatchFrame(st)
		return
	}
	if !m.check(st, claimKernelGS, 0, f, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's")) || !m.onTable(st, f) || !m.untouched(st, f, true) {
		return
	}
	for i := range uint8(numFlags) {
		if !m.clear(st, i, f) {
			return
		}
	}
	if !m.kernelSpecCtrl(st, f) || !m.forgot(st, f) || !m.untrainedAt(st, f) {
		return
	}
	switch {
	case f.kind == switcher && st.phase != inCall && st.phase != inSetUp:
		m.becomesCurrent(st, f)
		return
	case f.kind == beginner && st.phase == inResume:
		m.beginsThread(st, f)
		return
	case st.phase != inCall || f.kind == switcher || f.kind == beginner:
		m.undecided(st, claimTarget, f.name+", which is not for this part of the variant")
		return
	}
	if f.kind == eraser {
		m.erase(st, f)
		return
	}
	if !m.uses(st, f) {
		return
	}
	rsp := st.regs[rSP]
	_, on := st.cell(rsp.v)
	if !m.check(st, claimAlign, 0, f, on && (st.origin.c-st.raised(rsp.v).c)&7 == 0, m.gotWant(st, rsp, "a word of the stack")) {
		return
	}
	switch f.kind {
	case plainHandler:
		m.undecided(st, claimTarget, "the proof knows "+f.name+" only by sys_call_table")
	case frameHandler, slotHandler:
		if m.wanted(st, f) && m.interrupts(st, f) && m.wholeFrame(st, f, 8) && (m.byFrame() || m.arguments(st, f)) && m.once(st, f, &st.expect.called) {
			m.handle(st, f)
		}
	case noReturn:
		// It is jumped to with RSP at the frame, or called by what has called the
		// other handlers.
		ok := st.expect.inside || m.checkSame(st, claimFrame, 0, f, rsp, value{st.origin.t, st.origin.c - frameSize})
		if ok && m.wanted(st, f) && m.wholeFrame(st, f, 0) && m.once(st, f, &st.expect.called) {
			m.end(st)
		}
	case scheduler:
		m.schedule(st, f)
	case worker:
		m.work(st, f)
	case notifier:
		m.notify(st, f)
	case slowExit:
		m.slowExit(st, f)
	case eventHandler:
		m.event(st, f)
	case tracerAsked:
		m.asksTracer(st, f)
	case tracerEntered:
		m.tracedEntry(st, f)
	case tracerLeft:
		m.tracedExit(st, f)
	case preempter:
		m.preempted(st, f)
	}
}

// clear claims that a flag is clear.
func (m *machine) clear(st *state, flag uint8, f *function) bool {
	goal, got, from := nowhere, "set or unknown", st.flagBy[flag]
	if st.phase == inCall && st.flagBy[flag] == nil {
		goal = m.isSet(m.ts.and(m.s.flags.value(), flagBits[flag]))
		got, from = "the user's, as SYSCALL does not clear it (MSR_SYSCALL_MASK)", m.maskBy
	}
	return m.checkThat(st, claimFlag, flag, f, st.flags[flag] == off, goal, func() (string, string, *origin) { return got, "clear", from })
}

// gotWant returns the arguments of check for a word and the wanted value.
func (m *machine) gotWant(st *state, got word, want string) func() (string, string, *origin) {
	return func() (string, string, *origin) { return m.show(st, got.v), want, got.by }
}

// minus8 is the distance of a return address from what was on top of the stack
// before.
const minus8 = ^uint64(7)

// dispatch goes on where an entry of sys_call_table points: at a handler and, as
// another path each, at every wrapper of the variant.
func (m *machine) dispatch(st *state, index value) {
	m.handlerFor(st, index, func(ok bool) bool { return m.arguments(st, handlers) && ok })
}

// handlerFor checks what the handler of a number finds, and does what it does.
// arguments claims that the handler gets its arguments.
func (m *machine) handlerFor(st *state, index value, arguments func(ok bool) bool) {
	m.leaves(st)
	f := handlers
	m.dispatches(st)
	if m.promise.bare && !m.check(st, claimFloor, 0, f, false, nil) {
		return
	}
	want := m.number(st)
	if x32 := m.x32Number(st); m.axes.Is(stubs.X32Range) && m.at(st).same(index, x32) == isTrue {
		want = x32
	}
	low := m.handlersFrame(st).add(minus8)
	rsp := st.raised(st.regs[rSP].v)
	// A function of the variant calls it, as do_syscall_64: with a frame that is whole.
	inner := rsp != low && rsp.t == low.t && low.c-rsp.c < 8*numCells && (st.expect.inside || st.calls != nil && st.calls.before != nil)
	frame := st.regs[rSP]
	if frame.by != nil && frame.by.at == st.at { // the CALL is right
		frame.by = st.rspBy
	}
	if !inner && !m.checkSame(st, claimFrame, 0, f, frame, low) {
		return
	}
	ok := m.checkSame(st, claimNumber, 0, f, word{v: index}, want)
	ok = m.check(st, claimCall, 0, f, !st.expect.event, func() (string, string, *origin) { return "another event", "a call", nil }) && ok
	ok = m.check(st, claimOnce, 0, f, !st.expect.called, func() (string, string, *origin) { return "called again", "called once", nil }) && ok
	ok = m.check(st, claimKernelGS, 0, f, m.kernelGS(st), m.gotBase(st, baseGS, "the kernel's")) && ok
	ok = m.untouched(st, f, false) && ok
	ok = m.onTable(st, f) && ok
	for i := range uint8(numFlags) {
		ok = m.clear(st, i, f) && ok
	}
	ok = m.kernelSpecCtrl(st, f) && ok
	ok = m.forgot(st, f) && ok
	ok = m.untrainedAt(st, f) && ok
	if !st.expect.traced {
		work, bits := m.entryWork(st)
		ok = m.checkThat(st, claimEntryWork, 0, f, bits&^m.at(st).zeros(work) == 0, m.isSet(m.ts.and(work, bits)), m.gotWork(st, "no TIFEntryWork")) && ok
	}
	ok = m.uses(st, f) && ok
	ok = arguments(ok)
	ok = m.interrupts(st, f) && ok
	ok = m.cleared(st, f, rDI, rSI, rDX, rCX, r8, r9) && ok
	if inner {
		ok = m.wholeFrame(st, f, 8) && ok
	} else {
		ok = m.ordinaryFrame(st, f) && ok
	}
	if !ok {
		return
	}
	if w := st.expect.wrapper; w != nil { // reached a second time, from the slow path
		m.transfer(st, word{v: known(w.addr)})
		return
	}
	for i := range m.wrappers {
		if st.expect.plain {
			break
		}
		branch := m.fork(st)
		if m.wrappers[i].fixesUp {
			m.fillsAgain(branch)
		}
		branch.expect.wrapper = &m.wrappers[i]
		branch.note("the handler is " + m.name(m.wrappers[i].addr))
		m.transfer(branch, word{v: known(m.wrappers[i].addr)})
	}
	st.note("the handler is any other")
	st.expect.called = true
	m.audits(st, st.at, true)
	m.result(st, f)
}

// interrupts claims that RFLAGS.IF is as the variant promises for handlers.
func (m *machine) interrupts(st *state, f *function) bool {
	want := off
	if m.promise.irq {
		want = on
	}
	return m.check(st, claimIRQ, 0, f, st.irq == want, func() (string, string, *origin) { return triNames[st.irq], triNames[want], st.irqBy })
}

// ordinaryFrame claims what the variant promises of the frame of an ordinary call.
func (m *machine) ordinaryFrame(st *state, f *function) bool {
	ok := true
	for s := range layout.NumSlots {
		w := m.readCell(st, cellOf(s))
		switch {
		case st.expect.traced && m.promise.room.Has(s):
			ok = m.checkSame(st, claimSlot, uint8(s), f, w, m.clobbered(st, s, w, m.fullSlot(st, s))) && ok
		case m.promise.defined.Has(s):
			ok = m.checkSame(st, claimSlot, uint8(s), f, w, st.expect.frame[s]) && ok
		case m.promise.room.Has(s):
			ok = m.check(st, claimRoom, uint8(s), f, st.wrote>>cellOf(s)&1 == 0, m.gotWant(st, w, "the word that was on the stack")) && ok
		}
	}
	return ok
}

// cleared claims, if the variant promises it, that every register is 0 except
// those of a call's arguments. RAX holds the number. An address on the stack, as a frame
// pointer is, tells nothing of the user's.
func (m *machine) cleared(st *state, f *function, arguments ...reg) bool {
	if !m.promises.Has(stubs.PromiseCleared) {
		return true
	}
	ok := true
	for r := range numRegs {
		if r == rAX || r == rSP || slices.Contains(arguments, r) {
			continue
		}
		v := m.at(st).resolve(st.regs[r].v)
		own := v.t == st.origin.t || f == handlers && (st.expect.traced && !v.fromUser() || m.byFrame() && (!v.fromUser() || m.ts.and(v, maskOf(4)) == m.number(st)))
		ok = m.check(st, claimCleared, uint8(r), f, v.is(0) || own || m.isResidue(reg(r), v), m.gotWant(st, st.regs[r], "0")) && ok
	}
	return ok
}

// wanted claims that the handler is the one that the wrapper stands for.
func (m *machine) wanted(st *state, f *function) bool {
	w := st.expect.wrapper
	return m.check(st, claimHandler, 0, f, w != nil && f == w.handler, func() (string, string, *origin) {
		if w == nil {
			return f.name, "none", nil
		}
		return f.name, w.handler.name, nil
	})
}

// once claims that no handler of this call has run before, and notes that one has.
func (m *machine) once(st *state, f *function, done *bool) bool {
	was := *done
	*done = true
	return m.check(st, claimOnce, 0, f, !was, func() (string, string, *origin) { return "called again", "called once", nil })
}

// arguments claims the registers from which a handler takes its arguments.
func (m *machine) arguments(st *state, f *function) bool {
	ok := true
	for _, r := range [...]reg{rDI, rSI, rDX, rCX, r8, r9} {
		from := r
		if r == rCX {
			from = r10
		}
		ok = m.checkSame(st, claimArg, uint8(r), f, st.regs[r], st.expect.frame[regSlot[from]]) && ok
	}
	return ok
}

// frameOf returns the size of the frame that the function finds: full pt_regs, or what an
// ordinary call has if the function needs no callee-saved register there.
func (s *subject) frameOf(f *function) uint64 {
	if f.needs&layout.SlotsCalleeSaved == 0 && s.promise.room&layout.SlotsCalleeSaved == 0 {
		return frameSize - 8*uint64(layout.SlotR11)
	}
	return frameSize
}

// wholeFrame claims that the frame which the function needs is on the stack, with at least
// ret bytes below it for the return address.
func (m *machine) wholeFrame(st *state, f *function, ret uint64) bool {
	start := value{st.origin.t, st.origin.c - m.frameOf(f)}
	rsp := st.regs[rSP]
	at := st.raised(rsp.v)
	below := int64(start.c - at.c)
	m.noSuchCall(st)
	ok := m.check(st, claimFrame, 0, f, at.t == start.t && below >= int64(ret), m.gotWant(st, rsp, "below "+start.String()))
	for s := range layout.NumSlots {
		if !f.needs.Has(s) {
			continue
		}
		w := m.readCell(st, cellOf(s))
		ok = m.checkSame(st, claimSlot, uint8(s), f, w, m.clobbered(st, s, w, m.fullSlot(st, s))) && ok
	}
	return ok
}

// fullSlot claims what the fix-up promises of a slot.
func (m *machine) fullSlot(st *state, s layout.Slot) value {
	if s == layout.SlotCX && m.promise.fullCX != 0 && !st.expect.edited.Has(s) {
		return known(m.promise.fullCX)
	}
	return st.expect.frame[s]
}

// handle does what a handler with full pt_regs does.
func (m *machine) handle(st *state, f *function) {
	st.walked.handler = st.walked.last
	m.audits(st, st.at, true)
	if f.kind == frameHandler {
		m.edit(st, f, f.edits)
		m.result(st, f)
		return
	}
	// sys_set_frame edits the slot RDI, if there is one.
	slot := st.expect.frame[layout.SlotDI]
	r := m.at(st)
	if m.anyEdit() {
		// These exits take whatever frame they find. The handler may edit every slot
		// at once, as ptrace does.
		branch := m.fork(st)
		branch.note(f.name + " edits any slots")
		m.edit(branch, f, layout.SlotsAll)
		m.result(branch, f)
	} else {
		for s := range layout.NumSlots {
			p := predicate{equal, slot, known(uint64(s))}
			if r.eval(p) == isFalse {
				continue
			}
			branch := m.fork(st)
			m.given(branch, p, true)
			branch.note(f.name + " edits the slot " + s.String())
			m.edit(branch, f, layout.SlotSet(s))
			m.result(branch, f)
		}
	}
	p := predicate{below, slot, known(uint64(layout.NumSlots))}
	m.given(st, p, false)
	st.note(f.name + " refuses")
	st.expect.refused = true
	m.result(st, f)
}

// anyEdit reports whether every exit behind a handler with full pt_regs takes
// whatever frame it finds.
func (m *machine) anyEdit() bool {
	return !m.axes.Is(stubs.ExitSYSRET) || m.axes.Is(stubs.SlowC) || m.axes.Is(stubs.SlowOnly) || m.axes.Is(stubs.SlowDoreti)
}

// edit lets a handler change slots: in the frame, and in what ring 3 is to see.
func (m *machine) edit(st *state, f *function, slots layout.Slots) {
	if m.walk != nil {
		return
	}
	names := f.unknowns()
	for s := range layout.NumSlots {
		if slots.Has(s) {
			t := symbol(names.slots[s], true)
			t.edit = true
			*st.cells.at(cellOf(s)) = word{t.value(), edited}
			st.expect.frame[s] = t.value()
			if s == layout.SlotCS || s == layout.SlotSS { // the kernel lets nobody name a segment of ring 0
				m.given(st, m.isSet(m.ts.and(t.value(), 3)), false)
			}
		}
	}
	st.expect.edited |= slots
	if slots == layout.SlotsAll { // as sigreturn does
		m.otherXMM(st, f)
	}
}

// result ends a handler: RAX is its result, the registers that a function may
// clobber are unknown, and another thread may have run.
func (m *machine) result(st *state, f *function) {
	m.clobber(st, f)
	m.otherBases(st, f)
	t := symbol("the result", false)
	st.regs[rAX].v = t.value()
	st.expect.frame[layout.SlotAX] = t.value()
	if st.irq != off {
		st.irq, st.irqBy = either, nil
	}
	m.returnFrom(st)
}

// singleStep are the flags that SYSRETQ does not restore in the way of IRETQ.
const singleStep = x86.X86_EFLAGS_RF | x86.X86_EFLAGS_TF
