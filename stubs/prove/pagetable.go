package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// noFlush is the bit of a new CR3 that keeps the translations of its PCID.
const noFlush = 1 << x86.X86_CR3_PCID_NOFLUSH_BIT

// tables is the part of the machine's state that is about CR3.
type tables struct {
	// cr3 is CR3; kernel is the CR3 of the kernel's page table.
	cr3, kernel value
	// flushes is UserPCIDFlushMask. owed is set while the variant has cleared a bit
	// of it and not yet dropped the translations; needed, if that bit was certainly
	// set.
	flushes      value
	owed, needed bool
}

// isolated reports whether ring 3 must run on a page table of its own.
func (m *machine) isolated() bool { return m.promises.Has(stubs.PromiseIsolated) }

// onEither begins a call on either table of an address space: a thread that was in
// the kernel when the variant was selected comes from ring 3 on the kernel's table.
func (m *machine) onEither(st *state) *state {
	if m.isolated() {
		m.given(st, m.isSet(m.ts.and(m.s.cr3.value(), noFlush|layout.CR3ASID)), true)
		st.kernel = m.ts.kernelOf(st.cr3)
	}
	return st
}

// kernelOf returns the CR3 of the kernel's table of a pair, from that of either.
func (ts *terms) kernelOf(cr3 value) value { return ts.and(cr3, ^uint64(layout.PTIUserBits|noFlush)) }

// userCR3 returns the CR3 on which ring 3 must run.
func (m *machine) userCR3(st *state) value { return m.ts.or(st.kernel, layout.PTIUserBits) }

// onKernelTable reports whether the kernel's page table is in force, as far as
// the variant has a choice.
func (m *machine) onKernelTable(st *state) bool { return !m.isolated() || st.cr3 == st.kernel }

// otherCR3 sets CR3 behind a function of the kernel: it is that of the kernel's table,
// but perhaps of another address space.
func (m *machine) otherCR3(st *state, f *function) {
	if !m.isolated() || !m.onKernelTable(st) {
		return
	}
	t := symbol("CR3 after "+f.name, false)
	m.given(st, m.isSet(m.ts.and(t.value(), noFlush|layout.CR3ASID)), true)
	st.kernel = m.ts.kernelOf(t.value())
	st.cr3 = st.kernel
}

// onTable claims that the kernel's page table is in force at a function.
func (m *machine) onTable(st *state, f *function) bool {
	if !m.isolated() {
		return true
	}
	return m.check(st, claimKernelCR3, 0, f, m.onKernelTable(st), m.gotCR3(st, st.kernel))
}

func (m *machine) gotCR3(st *state, want value) func() (string, string, *origin) {
	return func() (string, string, *origin) { return m.show(st, st.cr3), m.show(st, want), nil }
}

// onUserTable claims what CR3 is on the way to ring 3, and that no invalid translation
// is left.
func (m *machine) onUserTable(st *state, f *function) bool {
	if !m.isolated() {
		return true
	}
	want := m.userCR3(st)
	ok := m.check(st, claimUserCR3, 0, f, st.cr3 == want, m.gotCR3(st, want))
	return m.check(st, claimFlushed, 0, f, !st.owed, nil) && ok
}

// mapped claims that the page table in force maps what an instruction touches.
func (m *machine) mapped(st *state, o operand, addr value) bool {
	if st.phase != inCall || m.onKernelTable(st) {
		return true
	}
	area := ""
	switch {
	case o.seg == segGS && addr.t == nil && addr.c-uint64(percpu.TSS.Reserved0.Off) >= percpuSize-uint64(percpu.TSS.Reserved0.Off):
		area = "the per-CPU area before the TSS"
	case o.seg == segGS && addr.t == nil, addr.t == m.s.trampoline, addr.t == nil && addr.c-m.entryData < layout.PageSize:
	case addr.t == st.origin.t || addr.t == st.lowered:
		area = "the thread's stack"
	case addr.t != nil && addr.t.op == isShl && addr.c == m.table:
		area = "sys_call_table"
	case addr.t.fromUser():
		area = notOwnUser
	default:
		area = "the kernel's memory"
	}
	if area == "" {
		m.holds(st, claimMapped, 0, nil)
		return true
	}
	m.fails(st, Refuted, claimKey{st.at, nil, claimMapped, 0}, m.show(st, addr)+", "+area, "what the user's page table maps", nil)
	return false
}

// fromUser reports whether a term comes from ring 3.
func (t *term) fromUser() bool { return t != nil && t.user }

// moveCR runs MOV from and to a control register.
func (m *machine) moveCR(st *state, in *inst) bool {
	from, to := in.src.kind == isControlReg, in.dst.kind == isControlReg
	const cr3 = 3
	switch {
	case from && in.src.reg == cr3:
		st.regs[in.dst.reg] = word{st.cr3, m.moved(st, nil)}
		return true
	case to && in.dst.reg == cr3:
		return m.loadCR3(st, st.regs[in.src.reg])
	case from: // reading any of them is harmless, what it holds no matter
		st.regs[in.dst.reg] = word{outside(fmt.Sprintf("CR%d", in.src.reg), in.src.reg == 2).value(), m.moved(st, nil)}
		return true
	}
	m.undecided(st, claimFollows, "what that control register does")
	return false
}

// loadCR3 loads CR3. It claims that the value is one of the two tables of this address
// space, and that it keeps or drops translations as the variant promises.
func (m *machine) loadCR3(st *state, w word) bool {
	if !m.isolated() || st.phase != inCall {
		return m.check(st, claimCR3, 0, nil, false, m.gotWant(st, w, "no load here"))
	}
	v := m.at(st).resolve(w.v)
	to := m.ts.and(v, ^uint64(noFlush))
	user := m.userCR3(st)
	if to != st.kernel && to != user {
		return m.differs(st, claimCR3, 0, nil, word{v, w.by}, m.show(st, st.kernel)+" or that with "+constant(layout.PTIUserBits))
	}
	m.holds(st, claimCR3, 0, nil)
	keeps := m.at(st).zeros(v)&noFlush == 0
	if !m.check(st, claimNoFlush, 0, nil, !keeps || m.promises.Has(stubs.PromisePCID), m.gotWant(st, w, "its highest bit clear")) {
		return false
	}
	if m.promises.Has(stubs.PromisePCID) && !m.keeps(st, to == user, keeps) {
		return false
	}
	st.cr3 = to
	return true
}

// keeps claims that a load of CR3 keeps the translations of its PCID if, and only if,
// none of them has become invalid.
func (m *machine) keeps(st *state, user, keeps bool) bool {
	if !user { // the kernel drops its own itself
		return m.check(st, claimKeeps, 0, nil, keeps, nil)
	}
	if !keeps {
		needed := st.owed && st.needed
		st.owed = false
		return m.check(st, claimKeeps, 0, nil, needed, nil)
	}
	fresh := !st.owed && m.at(st).zeros(st.flushes)&asidBit == asidBit
	return m.check(st, claimFlushed, 0, nil, fresh, func() (string, string, *origin) {
		return "UserPCIDFlushMask, whose bit may be set", "its bit clear", nil
	})
}

// asidBit is the bit of UserPCIDFlushMask for this address space, whose ASID in CR3
// is 0.
const asidBit = 1

// takesFlush handles a store to UserPCIDFlushMask. A variant that clears the bit must
// drop the translations.
func (m *machine) takesFlush(st *state, old, v value) bool {
	if v != m.ts.and(old, ^uint64(asidBit)) {
		return m.differs(st, claimFlushMask, 0, nil, word{v: v}, m.show(st, old)+" but for the bit of this address space")
	}
	m.holds(st, claimFlushMask, 0, nil)
	st.owed, st.needed = st.owed || v != old, m.at(st).some(old, asidBit)
	return true
}
