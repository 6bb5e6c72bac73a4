package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

const (
	plainHandler     functionKind = iota // has its arguments; knows of no frame
	frameHandler                         // has its arguments and full pt_regs
	slotHandler                          // sys_set_frame, which edits the slot RDI
	noReturn                             // has full pt_regs and returns to ring 3 by itself
	worker                               // syscall_return_slowpath: does work, and may edit any slot
	notifier                             // do_notify_resume: delivers signals, and may edit any slot
	scheduler                            // schedule, schedule_user
	slowExit                             // retint_user
	eventHandler                         // fred_event_user and fred_event_kernel: handle an event that is no call
	interruptHandler                     // what is behind error_entry and paranoid_entry
	tracerAsked                          // syscall_trace_enter_phase1: says whether there is a tracer
	tracerEntered                        // syscall_trace_enter: a tracer may edit any slot, the number too
	tracerLeft                           // syscall_trace_leave: the same behind the handler
	eraser                               // stackleak_erase: overwrites the thread's stack below the frame
	dispatcher                           // x64_sys_call: makes the call RSI from full pt_regs at RDI
	switcher                             // __switch_to: makes RSI the current thread, on its stack
	beginner                             // ret_from_fork: begins a new thread
	preempter                            // preempt_schedule: runs another thread, with interrupts on
	hardware                             // stands for SYSRETQ, IRETQ and the switch in claims
)

// schedule runs another thread and clears TIFNeedResched, which an interrupt may
// set again; schedule is called with interrupts off, schedule_user as they are.
func (m *machine) schedule(st *state, f *function) {
	ok := f != contracts["schedule"] || m.check(st, claimIRQOff, 0, f, st.irq == off, func() (string, string, *origin) { return "on or unknown", "off", nil })
	ok = m.checkThat(st, claimResched, 0, f, m.wasWork(st, layout.TIFNeedResched, true), m.workThere(st, layout.TIFNeedResched), m.gotWork(st, "TIFNeedResched")) && ok
	if !ok {
		return
	}
	m.clobber(st, f)
	m.sawTracer(st)
	st.expect.asked = true
	t := symbol("thread.Flags", false)
	st.work, st.stale = t.value(), st.irq != off
	m.given(st, m.isSet(m.ts.and(t.value(), layout.TIFNeedResched)), true)
	m.returnFrom(st)
}

// notify models do_notify_resume: it delivers signals, for which it may edit any slot of
// the frame that RDI points to. It leaves interrupts as they are.
func (m *machine) notify(st *state, f *function) {
	ok := m.wholeFrame(st, f, 8)
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	ok = m.checkSame(st, claimArg, uint8(rSI), f, st.regs[rSI], known(0)) && ok
	ok = m.check(st, claimArg, uint8(rDX), f, m.at(st).some(st.regs[rDX].v, layout.TIFDoNotify), m.gotWant(st, st.regs[rDX], "TIFSigPending or TIFNotifyResume")) && ok
	ok = m.answered(st, f) && ok
	ok = m.check(st, claimNeeded, 0, f, m.mayTakeSlowExit(st), m.gotWork(st, "work")) && ok
	if !ok {
		return
	}
	m.auditsAt(st, st.at, delivery)
	m.clobber(st, f)
	m.sawTracer(st)
	st.expect.asked = true
	st.work, st.stale = symbol("thread.Flags", false).value(), st.irq != off
	// What it puts in the frame is anything, so also what was there.
	st.note(f.name + " delivers a signal")
	m.edit(st, f, layout.SlotsAll)
	m.returnFrom(st)
}

// work models syscall_return_slowpath: it lets other threads run and delivers signals, for
// which it may edit any slot of the frame that RDI points to, until no work is left. It
// returns with interrupts off.
func (m *machine) work(st *state, f *function) {
	ok := m.wholeFrame(st, f, 8)
	ok = m.checkSame(st, claimArg, uint8(rDI), f, st.regs[rDI], value{st.origin.t, st.origin.c - frameSize}) && ok
	ok = m.answered(st, f) && ok
	ok = m.check(st, claimNeeded, 0, f, m.mayTakeSlowExit(st), m.gotWork(st, "work, or a frame that SYSRETQ does not fit")) && ok
	if f == contracts["syscall_return_slowpath"] { // it tells a tracer, too
		ok = m.tells(st, f) && ok
	}
	if !ok {
		return
	}
	m.auditsAt(st, st.at, delivery)
	m.clobber(st, f)
	m.sawTracer(st)
	t := symbol("thread.Flags", false)
	st.irq, st.irqBy = off, nil
	st.work, st.stale = t.value(), false
	m.given(st, m.isSet(m.ts.and(t.value(), layout.TIFAllWork)), true)
	if m.walk == nil {
		branch := m.fork(st)
		branch.note(f.name + " delivers a signal")
		m.edit(branch, f, layout.SlotsAll)
		m.returnFrom(branch)
	}
	m.returnFrom(st)
}

// slowExit returns by IRETQ from full pt_regs, after all work is done.
func (m *machine) slowExit(st *state, f *function) {
	ok := m.checkSame(st, claimFrame, 0, f, st.regs[rSP], value{st.origin.t, st.origin.c - frameSize})
	ok = m.check(st, claimBuffers, 0, f, !m.promises.Has(stubs.PromiseBuffers), nil) && ok // it has no VERW
	ok = m.wholeFrame(st, f, 0) && ok
	ok = m.answered(st, f) && ok
	ok = m.told(st, f) && ok
	ok = m.check(st, claimNeeded, 0, f, m.mayTakeSlowExit(st), m.gotWork(st, "work, or a frame that SYSRETQ does not fit")) && ok
	if ok {
		m.auditsAt(st, st.at, delivery)
		m.end(st)
	}
}

// wasWork reports whether at least one of the bits of Thread.Flags was certainly set
// when the variant last read them or, with set false, all were clear.
func (m *machine) wasWork(st *state, bits uint64, set bool) bool {
	if set {
		return m.at(st).some(st.work, bits)
	}
	return bits&^m.at(st).zeros(st.work) == 0
}

// workThere holds where one of the bits of Thread.Flags was set when the variant last
// read them.
func (m *machine) workThere(st *state, bits uint64) predicate {
	return predicate{below, known(0), m.ts.and(st.work, bits)}
}

// workIs reports whether that is certainly still so.
func (m *machine) workIs(st *state, bits uint64, set bool) bool {
	return !st.stale && m.wasWork(st, bits, set)
}

// gotWork describes Thread.Flags for a report.
func (m *machine) gotWork(st *state, want string) func() (string, string, *origin) {
	return func() (string, string, *origin) {
		if st.stale {
			return "Thread.Flags not read since it may have changed", want, nil
		}
		z := m.at(st).zeros(st.work)
		return "Thread.Flags, of which " + constant(^z&uint64(layout.TIFAllWork|layout.TIFEntryWork)) + " may be set", want, nil
	}
}
