package prove

import (
	"math/bits"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// What claims say about an access to memory that is not the variant's own.
const (
	notOwnUser   = "the user's memory"
	notOwnOther  = "memory that is not the variant's"
	notOwnThread = "a word of the thread that is not the variant's"
)

// Indices of state.saved.
const (
	savedSP = iota
	savedUserSP
	savedPL3SSP
	numSaved = iota
)

// savedWords are where these lie in the Thread.
var savedWords = [numSaved]struct {
	name string
	off  int
}{
	savedSP:     {"Thread.SP", thread.SP.Off},
	savedUserSP: {"Thread.UserSP", thread.UserSP.Off}, savedPL3SSP: {"Thread.PL3SSP", thread.PL3SSP.Off},
}

// savedAt returns the index of the Thread's word at an offset that the switch may store, -1
// if it is another.
func (s *subject) savedAt(off uint64) int {
	for i, w := range savedWords {
		if uint64(w.off) == off && (i != savedPL3SSP || s.promises.Has(stubs.PromiseShadowStack)) {
			return i
		}
	}
	return -1
}

// address returns the address of an operand in memory.
func (m *machine) address(st *state, o operand) value {
	v := known(uint64(o.imm))
	if o.base != noReg {
		v = m.sum(st.regs[o.base].v, v)
	}
	if o.index != noReg {
		v = m.sum(v, m.ts.shl(st.regs[o.index].v, uint64(bits.TrailingZeros8(o.scale))))
	}
	return m.at(st).resolve(v)
}

// sum adds two values. Only the sum with a constant is exact; any other is a new term.
func (m *machine) sum(a, b value) value {
	switch {
	case a.t == nil:
		return b.add(a.c)
	case b.t == nil:
		return a.add(b.c)
	}
	return m.ts.compute(opADD, 8, a, b)
}

// place is a word that the variant may touch: a pointer to it or, if it can only be
// read, its value.
type place struct {
	word    *word
	value   value
	offset  uint64 // of the operand in the word, in bytes
	cell    int    // of the stack; else -1
	scratch *bool  // of a scratch word: whether it is this thread's
	flushes bool   // it is UserPCIDFlushMask
	depth   bool   // it is CallDepth
	count   bool   // it is PreemptCount
	status  bool   // it is Thread.Status
}

// locate finds the word that holds an operand, and claims that the variant may touch
// it.
func (m *machine) locate(st *state, o operand, width uint8, write bool) (place, bool) {
	addr := m.address(st, o)
	m.through = nil
	if o.base != noReg {
		m.through = st.regs[o.base].by
	}
	m.finds(st, o, addr)
	if addr.t != nil || o.seg != segNone {
		st.trampolined = addr.t == m.s.trampoline
	}
	if !m.mapped(st, o, addr) {
		return place{}, false
	}
	p := place{cell: -1, offset: addr.c & 7}
	if o.seg == segNone && addr.t == st.origin.t {
		p.offset = (addr.c - st.origin.c) & 7
	}
	if o.seg != segNone {
		return m.locatePerCPU(st, p, o, addr, write)
	}
	switch t := addr.t; {
	case t == m.s.trampoline:
		return m.locateTrampoline(st, p, addr)
	case t == m.s.area:
		return m.locateInArea(st, p, addr, write)
	case t == nil && !write && m.constant(addr.c) != nil:
		p.value = known(*m.constant(addr.c))
		return p, m.own(st)
	case t == nil && !write && width == 8 && addr.c&7 == 0 && addr.c-m.table <= 8*layout.SysCallMax:
		m.holds(st, claimTable, 0, nil)
		p.value = m.ts.make(isEntry, known((addr.c-m.table)/8), 0)
		return p, m.own(st)
	case t == nil:
		return p, m.touches(st, addr, "an address that the proof knows nothing of", true)
	case t == st.origin.t || t == st.lowered:
		return m.locateStack(st, p, addr, write)
	case st.phase != inCall && t == m.s.prev:
		return m.locatePrev(st, p, addr, write)
	case st.phase == inLeave && t == m.s.next, st.phase == inResume && t == m.s.left:
		return m.locateNext(st, p, addr, write)
	case t.op == isShl && t.k == 3 && (addr.c == m.table || addr.c == m.frameTable) && !write && width == 8:
		_, most := m.at(st).limits(t.x)
		if !m.checkThat(st, claimTable, 0, nil, most <= layout.SysCallMax, predicate{below, t.x, known(layout.SysCallMax + 1)}, func() (string, string, *origin) {
			return "up to " + constant(most), "up to " + constant(layout.SysCallMax), nil
		}) {
			return p, false
		}
		of := uint64(0)
		if addr.c == m.frameTable {
			of = 1
		}
		p.value = m.ts.make(isEntry, t.x, of)
		return p, m.own(st)
	case t.user:
		return p, m.touches(st, addr, notOwnUser, false)
	case write && m.isPerCPU(t):
		return p, m.touches(st, addr, notOwnOther, false)
	}
	return p, m.touches(st, addr, "an address that the proof does not know", true)
}

// touches ends a path at an access to memory that is not, or may not be, the
// variant's.
func (m *machine) touches(st *state, addr value, what string, open bool) bool {
	return m.touchesFrom(st, addr, what, open, m.through)
}

// touchesFrom works like touches, and names the instruction that is the cause.
func (m *machine) touchesFrom(st *state, addr value, what string, open bool, from *origin) bool {
	outcome := Refuted
	if open {
		outcome = Undecided
	}
	m.fails(st, outcome, claimKey{st.at, nil, claimMemory, 0}, m.show(st, addr)+", "+what, "", from)
	return false
}

func (m *machine) own(st *state) bool {
	m.holds(st, claimMemory, 0, nil)
	return true
}

// locatePerCPU finds a word of the per-CPU area.
func (m *machine) locatePerCPU(st *state, p place, o operand, addr value, write bool) (place, bool) {
	switch {
	case o.seg != segGS || addr.t != nil:
		return p, m.touches(st, addr, "a place in a segment that the proof does not know", true)
	case !m.kernelGS(st):
		return p, m.touchesFrom(st, addr, "through "+m.baseName(st, baseGS)+" GS", false, st.bases[baseGS].by)
	}
	return m.locateInArea(st, p, addr, write)
}

// locateInArea finds a word of the per-CPU area by its offset.
func (m *machine) locateInArea(st *state, p place, addr value, write bool) (place, bool) {
	off := addr.c &^ 7
	switch {
	case off >= percpuSize:
		return p, m.touches(st, addr, "outside the per-CPU area", false)
	case off == uint64(percpu.RSPScratch.Off):
		p.word, p.scratch = &st.scratch[inRSPScratch], &st.mine[inRSPScratch]
		return p, m.own(st)
	case off == uint64(percpu.TSS.SP2.Off):
		p.word, p.scratch = &st.scratch[inSP2], &st.mine[inSP2]
		return p, m.own(st)
	case off == uint64(percpu.StackCanary.Off) && m.promises.Has(stubs.PromiseCanary) && st.phase == inResume:
		p.word = &st.canary
		return p, m.own(st)
	case off == uint64(percpu.CallDepth.Off) && m.promises.Has(stubs.PromiseCallDepth) && (st.phase == inCall || st.phase == inResume):
		p.word, p.depth = &st.depth, true
		return p, m.own(st)
	case off == uint64(percpu.FREDRSP0.Off) && m.fred() && st.phase == inCall:
		p.word = &st.rsp0Word
		return p, m.own(st)
	case off == uint64(percpu.PreemptCount.Off) && m.countsPreempt && st.phase == inCall:
		p.word, p.count = &st.count, true
		return p, m.own(st)
	case m.random(off) >= 0 && st.phase == inCall && st.quiet():
		p.word = &st.random[m.random(off)]
		return p, m.own(st)
	case off == uint64(percpu.UserPCIDFlushMask.Off) && m.promises.Has(stubs.PromisePCID):
		p.flushes, p.value = true, st.flushes
		return p, m.own(st)
	case write:
		return p, m.touches(st, addr, "a word of the per-CPU area that is not the variant's", false)
	case off == uint64(percpu.TopOfStack.Off) || off == uint64(percpu.TSS.SP0.Off) && !m.isolated():
		p.value = m.currentThread(st).add(layout.ThreadSize - m.above())
	case off == uint64(percpu.Current.Off):
		p.value = m.currentThread(st)
	case off == uint64(percpu.Self.Off):
		p.value = m.s.area.value()
	case off == uint64(percpu.IBPBExit.Off):
		p.value = known(0) // the kernel runs no guests
	case off == uint64(percpu.TSS.SP1.Off) || off == uint64(percpu.TSS.SP0.Off):
		p.value = m.s.trampoline.value()
	default:
		p.value = m.s.percpu[off].value()
	}
	return p, m.own(st)
}

// currentThread returns what the per-CPU word Current holds.
func (m *machine) currentThread(st *state) value {
	switch st.phase {
	case inResume:
		if !st.current {
			return m.s.left.value()
		}
		fallthrough
	case inLeave:
		return m.s.prev.value()
	}
	return value{st.origin.t, m.stackEnd(st) - layout.ThreadSize}
}

// locateTrampoline finds a word of the trampoline stack.
func (m *machine) locateTrampoline(st *state, p place, addr value) (place, bool) {
	i := int64(-addr.c+7)/8 - 1
	switch {
	case i < 0 || i >= layout.TrampolineSize/8:
		return p, m.touches(st, addr, "beyond the trampoline stack", false)
	case i >= trampolineCells:
		return p, m.touches(st, addr, "deeper on the trampoline stack than the proof looks", true)
	}
	p.word = st.trampoline.at(int(i))
	if p.word.v == (value{}) && p.word.by == lost {
		p.word.v = symbol("a word that others use too", false).value()
		m.readsOthers(st, numCells+int(i), p.word.v)
	}
	return p, m.own(st)
}

// locateStack finds a word of the kernel stack, or of the thread at its bottom.
func (m *machine) locateStack(st *state, p place, addr value, write bool) (place, bool) {
	if i, ok := st.cell(addr); ok {
		p.cell, p.word = i, st.cells.at(i)
		return p, m.own(st)
	}
	down := m.stackEnd(st) - st.raised(addr).c // the distance below the stack's end
	switch {
	case int64(down) <= int64(m.above()) || down > layout.ThreadSize:
		return p, m.touches(st, addr, notOwnOther, false)
	case st.phase != inCall:
		return p, m.touches(st, addr, "deeper on the stack than the proof looks", true)
	case down > layout.ThreadSize-threadSize:
		return m.locateThread(st, p, layout.ThreadSize-down, addr, write)
	}
	return p, m.touches(st, addr, "deeper on the stack than the proof looks", true)
}

// locateThread finds a word of the current thread during a call.
func (m *machine) locateThread(st *state, p place, at uint64, addr value, write bool) (place, bool) {
	if at&^7 == uint64(thread.Status.Off) {
		p.status, p.value = true, m.s.status.value()
		return p, m.own(st)
	}
	if at&^7 == uint64(thread.KStackOffset.Off) && m.axes.Is(stubs.KStackRDTSC) {
		p.word = &st.kstack
		return p, m.own(st)
	}
	if i := m.bsdWord(at &^ 7); i >= 0 {
		p.word = &st.bsd[i]
		return p, m.own(st)
	}
	if write {
		return p, m.touches(st, addr, notOwnThread, false)
	}
	switch int(at &^ 7) {
	case thread.Flags.Off:
	case thread.SyscallWork.Off:
		p.value = m.s.callWork.value()
		return p, m.own(st)
	case thread.TaskFlags.Off, thread.UnwindMask.Off:
		p.value = known(0) // nothing sets them
		return p, m.own(st)
	case thread.LastCPU.Off: // there is one CPU
		p.value = m.s.percpu[uint64(percpu.Number.Off)].value()
		return p, m.own(st)
	default:
		p.value = outside("a word of the thread", false).value()
		return p, m.own(st)
	}
	if st.stale {
		st.expect.asked = st.expect.asked || m.wasWork(st, layout.TIFAllWork|layout.TIFEntryWork, true)
		m.sawTracer(st)
		st.work = symbol("thread.Flags", false).value()
		st.stale = st.irq != off
	}
	p.value = st.work
	return p, m.own(st)
}

// locatePrev finds a word of the thread that leaves the CPU.
func (m *machine) locatePrev(st *state, p place, addr value, write bool) (place, bool) {
	if i := m.savedAt(addr.c &^ 7); i >= 0 {
		p.word = &st.saved[i]
	} else {
		if write || addr.c >= threadSize {
			return p, m.touches(st, addr, notOwnThread, false)
		}
		p.value = outside("a word of the thread", false).value()
		switch int(addr.c &^ 7) {
		case thread.StackCanary.Off:
			p.value = m.s.canary.value()
		case thread.UserCET.Off:
			p.value = m.s.shadow[shadowUCET].value()
		case thread.Flags.Off:
			p.value = st.work
		}
		return p, m.own(st)
	}
	if !write && !p.word.written() {
		p.word, p.value = nil, outside("a word that the switch before left", false).value()
	}
	return p, m.own(st)
}

// locateNext finds a word of the other thread of the switch, which can only be read.
func (m *machine) locateNext(st *state, p place, addr value, write bool) (place, bool) {
	if write || addr.c >= threadSize {
		return p, m.touches(st, addr, notOwnThread, false)
	}
	switch off := int(addr.c &^ 7); {
	case off == thread.SP.Off && st.phase == inLeave:
		p.value = m.s.nextSP.value()
	case off == thread.UserSP.Off && st.phase == inLeave:
		p.value = m.s.nextUserSP.value()
	default:
		p.value = outside("a word of another thread", false).value()
	}
	return p, m.own(st)
}

// readCell reads a word of the stack; one that was never seen gets a symbol.
func (m *machine) readCell(st *state, i int) word {
	w := st.cells.at(i)
	if w.v != (value{}) {
		return *w
	}
	switch w.by {
	case nil:
		w.v = m.s.cells[i].value()
	case lost:
		w.v = symbol("a word that others use too", false).value()
		m.readsOthers(st, i, w.v)
	}
	return *w
}

// inFirst returns how many bytes of an access lie in the first word that it touches.
func (m *machine) inFirst(st *state, o operand, width uint8) uint8 {
	addr := m.address(st, o)
	offset := addr.c & 7
	if o.seg == segNone && addr.t == st.origin.t {
		offset = (addr.c - st.origin.c) & 7
	}
	return min(width, 8-uint8(offset))
}

// load reads an operand in memory.
func (m *machine) load(st *state, o operand, width uint8) (word, bool) {
	if first := m.inFirst(st, o, width); first < width {
		low, ok := m.load(st, o, first)
		if !ok {
			return word{}, false
		}
		o.imm += int64(first)
		high, ok := m.load(st, o, width-first)
		low.v = m.ts.join(low.v, high.v, 8*uint64(first), ^uint64(0))
		return low, ok
	}
	p, ok := m.locate(st, o, width, false)
	if !ok {
		return word{}, false
	}
	st.verw = st.verw && m.poppedAt(m.address(st, o)) // IRETQ itself loads those
	m.accesses(st, o, width, false)
	w := word{v: p.value}
	switch {
	case p.cell >= 0:
		w = m.readCell(st, p.cell)
	case p.scratch != nil:
		if !m.check(st, claimScratch, 0, nil, *p.scratch || st.phase == inResume, m.gotWant(st, *p.word, "this thread's")) {
			return word{}, false
		}
		w = *p.word
	case p.word != nil:
		w = *p.word
	}
	w.v = m.ts.and(m.ts.shr(w.v, 8*p.offset), maskOf(width))
	return w, true
}

// poppedAt reports whether an address is in the hardware frame that IRETQ pops.
func (m *machine) poppedAt(addr value) bool {
	top := m.s.top
	if m.isolated() {
		top = m.s.trampoline
	}
	return addr.t == top && -addr.c <= 40
}

// store writes an operand in memory.
func (m *machine) store(st *state, o operand, width uint8, w word) bool {
	if first := m.inFirst(st, o, width); first < width {
		if !m.store(st, o, first, word{m.ts.and(w.v, maskOf(first)), w.by}) {
			return false
		}
		o.imm += int64(first)
		return m.store(st, o, width-first, word{m.ts.shr(w.v, 8*uint64(first)), w.by})
	}
	p, ok := m.locate(st, o, width, true)
	if !ok {
		return false
	}
	m.accesses(st, o, width, true)
	st.verw = false // a store goes through a buffer too
	if p.flushes {
		v := m.merge(p.value, w.v, 8*p.offset, width)
		ok := m.takesFlush(st, p.value, v)
		st.flushes = v
		return ok
	}
	if p.status {
		return m.checkSame(st, claimStatus, 0, nil, w, m.ts.and(p.value, maskOf(width)&^layout.TSCompat))
	}
	old := *p.word
	if p.cell >= 0 {
		old = m.readCell(st, p.cell)
	}
	v := m.merge(old.v, w.v, 8*p.offset, width)
	if p.cell >= 0 {
		if m.at(st).same(v, old.v) == isTrue {
			return true // as a locked addition of 0, which is a fence
		}
		st.wrote |= 1 << p.cell
		st.erased = st.erased && p.cell < int(layout.NumSlots)
		m.defines(p.cell, w.v)
	}
	if p.depth && !m.setsDepth(st, old.v, v) || p.count && !m.setsCount(st, old.v, w, width) {
		return false
	}
	*p.word = word{v, m.moved(st, w.by)}
	if p.scratch != nil {
		*p.scratch = true
	}
	return true
}

// merge puts a narrow value into a word, shift bits above its lowest bit.
func (m *machine) merge(old, v value, shift uint64, width uint8) value {
	if width == 8 {
		return v
	}
	bits := 8 * uint64(width)
	v = m.ts.and(v, maskOf(width))
	if above := shift + bits; above < 64 {
		v = m.ts.join(v, m.ts.shr(old, above), bits, ^uint64(0))
	}
	if shift == 0 {
		return v
	}
	return m.ts.join(old, v, shift, ^uint64(0))
}
