package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
)

// preempt is what a call has done about the other threads of its CPU, in a variant that
// raises PerCPU.PreemptCount. A call from ring 3 finds 0 in its lower bits: no thread leaves
// the CPU, or the kernel, with another.
type preempt struct {
	count word // PerCPU.PreemptCount
	held  bool // the call has raised it by one
}

// quiet reports whether no other thread can run now.
func (st *state) quiet() bool { return st.irq == off || st.held }

// random returns the index of the word of PerCPU.KStackRandom at an offset of the per-CPU
// area; -1 if it is another word or the variant does not use it.
func (m *machine) random(at uint64) int {
	return slices.IndexFunc(percpu.KStackRandom[:], func(w asm.Slot) bool {
		return m.draws && uint64(w.Off) == at
	})
}

// setsCount claims that what is stored in PerCPU.PreemptCount, which held old, raises it
// from 0 by one or lowers it again. An instruction that loads and stores is not
// interrupted; where another one has loaded it, an interrupt has made it unknown.
func (m *machine) setsCount(st *state, old value, w word, width uint8) bool {
	op, n := opADD, countRaised
	if st.held {
		op, n = opSUB, countLowered
	}
	st.held = !st.held
	narrow := m.ts.and(old, maskOf(width))
	want := m.ts.and(m.ts.compute(op, width, narrow, known(1)), maskOf(width))
	return m.checkSame(st, claimCount, n, nil, word{m.ts.and(w.v, maskOf(width)), w.by}, want)
}

// What claimCount says.
const (
	countRaised uint8 = iota
	countLowered
)

// countText says what a claim about the count states.
func (k claimKind) countText(n uint8, of string) string {
	if k == claimCountZero {
		return "PerCPU.PreemptCount is 0 at " + of
	}
	return "PerCPU.PreemptCount is " + map[uint8]string{countRaised: "raised", countLowered: "lowered"}[n] + " by one"
}

// countIsZero claims that other threads may run at f.
func (m *machine) countIsZero(st *state, f *function) bool {
	return !m.countsPreempt || st.phase != inCall || m.check(st, claimCountZero, 0, f, !st.held, nil)
}

// lettingIn lets an interrupt come, which may note that a thread waits for the count to
// be 0; else that thread runs.
func (m *machine) lettingIn(st *state) {
	if m.countsPreempt {
		st.count = word{symbol("PreemptCount", false).value(), lost}
	}
	if !st.held {
		m.otherThreads(st)
	}
}

// preempted models preempt_schedule: it lets other threads run, and leaves interrupts on.
func (m *machine) preempted(st *state, f *function) {
	if !m.check(st, claimIRQ, 0, f, st.irq == on, func() (string, string, *origin) { return triNames[st.irq], "on", nil }) {
		return
	}
	m.clobber(st, f)
	st.count = word{symbol("PreemptCount", false).value(), lost}
	st.expect.asked = true
	t := symbol("thread.Flags", false)
	st.work, st.stale = t.value(), true
	m.returnFrom(st)
}
