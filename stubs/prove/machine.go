package prove

import (
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Limits of the proof: a path that is longer is undecided. The longest of a
// preset has about 150 instructions and 10 facts.
const (
	maxSteps      = 50_000
	maxTotalSteps = 1_500_000
	maxWaiting    = 500 // branches of one path that are yet to be followed: it is in a loop
	maxFacts      = 96
)

// promise is the variant's descriptor, as the kernel reads it.
type promise struct {
	defined, room layout.Slots
	fullCX        uint64
	bare, irq     bool
	usesScratch   uint64 // layout.Scratch*, 0: none
}

// part is one of the variant's functions.
type part struct {
	name  string
	addr  uint64
	code  []byte
	insts []*inst // by offset, as far as they are decoded
}

// wrapper is an entry of sys_call_table that points into the variant, with the handler
// that it must reach.
type wrapper struct {
	addr    uint64
	handler *function
	// fixesUp is set if it is not the handler itself.
	fixesUp bool
}

// fixed reports whether the call goes by a function that completes the frame.
func (w *wrapper) fixed() bool { return w != nil && w.fixesUp }

// subject is the variant to prove: its code, and the places to which it may go.
type subject struct {
	name     string
	base     string // what promises it
	axes     stubs.Axes
	promises stubs.Promises
	needs    layout.Features
	untraced bool // the variant has no way by a tracer: no call is traced
	// countsPreempt is set if it may touch PerCPU.PreemptCount, draws if it makes random
	// numbers.
	countsPreempt, draws bool
	rets                 []uint64 // addresses of the return thunk's RETs, through which all others go
	forgets              uint64   // address of the RET that the entry has the CPU forget; 0: none
	promise              promise
	parts                []part
	prefixes             []part // of the kernel's functions, which count their CALLs
	entry                uint64
	switchTo             uint64
	// trapReturn is where the variant ends traps, newThread where it begins threads; 0 if
	// the kernel does that.
	trapReturn, newThread uint64
	// kernelEntry is where FRED delivers the events of ring 0; 0 without FRED.
	kernelEntry uint64
	// errorEntry and paranoidEntry are its own entries of interrupts and exceptions, 0 if it
	// has none; percpuArea is where the per-CPU area lies, 0 if that is not known.
	errorEntry, paranoidEntry, percpuArea uint64
	setUp                                 uint64 // syscall_init
	wrappers                              []wrapper
	table                                 uint64 // sys_call_table
	frameTable                            uint64 // x64_call_table, whose handlers take the frame; 0: there is none
	kernel                                map[uint64]*function
	names                                 map[uint64]string // of all functions, for reports
	labels                                []asm.Symbol      // of the variant in the middle of its functions
	s                                     *symbols
	constants                             []asm.Section // read-only data
	text                                  []asm.Section
	entryData                             uint64 // the page of it that the user's page table maps
}

// machine runs a subject on every path.
type machine struct {
	*subject
	ts        terms
	quick     bool // stop at the first claim that fails, and remember no other
	failed    bool
	first     claimKind        // that failed
	preserved [numScratch]bool // the switch keeps the word for the thread
	mask      uint64           // MSR_SYSCALL_MASK, as the set-up leaves it
	maskBy    *origin          // what has set it
	through   *origin          // of the pointer by which the last operand in memory was looked for
	todo      []*state
	ended     []*state // ended states, for reuse
	steps     int
	paths     int
	claims    map[claimKey]*verdict
	order     []claimKey
	met       map[uint64]*visit     // the instructions that a path has come to
	here      *visit                // the last of them
	knows     map[uint64]*knowledge // nil: nothing is gathered
	runs      *knowledge            // of the instruction that runs
	before    [numRegs]word         // the registers before the instruction that runs
	walk      *walker               // nil, unless the machine only walks
	traces    bool                  // record what happens, for the oracle
	snapshots bool                  // and the state before each instruction, for trials
	roots     []*traced
	soon      bool     // stop at the first claim that is refuted
	refuted   bool     // one is
	audit     *auditor // nil, unless readers of the user's RSP are audited
	seen      map[string]bool
	meeting   map[uint64]*meeting // by place; nil: paths do not meet
	lost      bool                // a claim failed behind a place where paths meet
	named     []byte              // room for the namers' next text
	kept, all []*facts            // and for their lists of facts
	namers    uint32              // how many there were
}

func (m *machine) at(st *state) resolver { return resolver{&m.ts, st.facts} }

// name returns the name of the function at an address.
func (m *machine) name(addr uint64) string {
	if n := m.names[addr]; n != "" {
		return n
	}
	return constant(addr)
}

// proveTraced proves, and records what happens on every path.
func (s *subject) proveTraced() *machine { return s.proveWith(&machine{subject: s, traces: true}) }

// proveWith runs the set-up, the switch, then the calls.
func (s *subject) proveWith(m *machine) *machine {
	if !m.quick {
		m.notes()
	}
	if m.setUp != 0 { // the kernel's own heads have none
		m.runSetUp()
	}
	if !m.stopped() && m.switchTo != 0 {
		m.runSwitch()
	}
	if !m.stopped() && m.trapReturn != 0 {
		m.run(m.atTrapReturn())
	}
	if !m.stopped() && m.newThread != 0 {
		m.run(m.atNewThread())
	}
	for _, st := range m.atInterrupts() {
		if !m.stopped() {
			m.run(st)
		}
	}
	for _, st := range m.atEntries() {
		if !m.stopped() && m.entry != 0 {
			m.run(st)
		}
	}
	return m
}

// runSwitch follows the context switch and finds out which scratch words it preserves.
func (m *machine) runSwitch() {
	for i := range m.preserved { // unless a path through the switch shows otherwise
		m.preserved[i] = m.promise.usesScratch == scratchNumbers[i]
	}
	m.run(m.s.atSwitch(m.switchTo))
}

func (m *machine) stopped() bool { return m.lost || m.quick && m.failed || m.soon && m.refuted }

// run follows every path from a state.
func (m *machine) run(st *state) {
	if m.promise.bare && st.phase == inCall {
		st.expect.frame[layout.SlotAX] = known(0) // the result of all its calls
	}
	m.begins(st)
	m.todo = append(m.todo[:0], st)
	for len(m.todo) > 0 && !m.stopped() {
		st := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		st.waits = false
		for m.step(st) {
		}
		if !st.waits && m.walk == nil {
			m.ended = append(m.ended, st)
		}
	}
}

// follow queues a state.
func (m *machine) follow(st *state) {
	st.waits = true
	m.todo = append(m.todo, st)
}

// fork copies a state.
func (m *machine) fork(st *state) *state {
	var branch *state
	if n := len(m.ended); n > 0 {
		branch, m.ended = m.ended[n-1], m.ended[:n-1]
	} else {
		branch = &state{}
	}
	st.copyTo(branch)
	branch.waits = false
	return branch
}

// end ends a path.
func (m *machine) end(st *state) {
	m.paths++
	if m.walk != nil {
		m.walk.ended = append(m.walk.ended, st)
	}
}

// undecided ends a path that the proof cannot follow, with an undecided claim.
func (m *machine) undecided(st *state, kind claimKind, why string) {
	m.fails(st, Undecided, claimKey{st.at, nil, kind, 0}, why, "", nil)
}

// partOf returns the variant's function that holds an address, nil if none does.
func (s *subject) partOf(addr uint64) *part {
	for i := range s.parts {
		if p := &s.parts[i]; addr-p.addr < uint64(len(p.code)) {
			return p
		}
	}
	return nil
}

// prefixOf returns the prefix of a function of the kernel that holds an address, nil if
// none does.
func (s *subject) prefixOf(addr uint64) *part {
	for i := range s.prefixes {
		if p := &s.prefixes[i]; addr-p.addr < uint64(len(p.code)) {
			return p
		}
	}
	return nil
}

// fetch decodes the instruction at an address.
func (s *subject) fetch(addr uint64) (*inst, error) {
	p := s.partOf(addr)
	if p == nil {
		p = s.prefixOf(addr)
	}
	if p == nil {
		return nil, errRefused
	}
	off := addr - p.addr
	if in := p.insts[off]; in != nil {
		return in, nil
	}
	in, err := decode(p.code[off:], addr)
	if err != nil {
		return nil, err
	}
	p.insts[off] = &in
	return &in, nil
}

// transfer goes on at the address in a word.
func (m *machine) transfer(st *state, to word) {
	v := m.at(st).resolve(to.v)
	st.to = v
	switch {
	case v.t == nil:
		m.goTo(st, v.c)
	case v.t.op == isEntry && v.c == 0 && v.t.k == 1 && st.phase == inCall:
		m.dispatchEntry(st, v.t.x)
	case v.t.op == isEntry && v.c == 0 && st.phase == inCall:
		m.dispatch(st, v.t.x)
	case v == m.s.ret.value() && st.phase == inResume:
		m.resumed(st)
	case v == m.s.ret.value() && st.phase == inSetUp:
		m.isSetUp(st)
	case v == m.s.ret.value() && st.phase == inLeave:
		m.check(st, claimCurrent, 0, theSwitch, false, nil)
	case v.fromUser():
		m.differs(st, claimTarget, 0, nil, to, "an address in the kernel")
	default:
		m.undecided(st, claimTarget, m.show(st, v))
	}
}

// goTo goes on at an address.
func (m *machine) goTo(st *state, addr uint64) {
	if f := m.kernel[addr]; f != nil {
		m.enter(st, f)
		return
	}
	if m.partOf(addr) == nil && m.prefixOf(addr) == nil {
		switch {
		case m.names[addr] != "":
			m.undecided(st, claimTarget, m.names[addr]+", of which the proof knows no contract")
		default:
			m.differs(st, claimTarget, 0, nil, word{v: known(addr)}, "an address in the variant, or a function of the kernel")
		}
		return
	}
	if st.left == nil {
		m.trace(st, traced{kind: went, at: addr})
	}
	st.pc = addr
	m.follow(st)
}

// boundary handles the place between two instructions, where an interrupt may come.
func (m *machine) boundary(st *state) bool {
	safe := st.phase == inCall && m.kernelGS(st) && st.onStack() && m.onKernelTable(st)
	if m.promises.Has(stubs.PromiseIBRS) && st.phase == inCall && !st.ibrs &&
		!m.check(st, claimIBRSWindow, 0, nil, st.irq == off, func() (string, string, *origin) { return triNames[st.irq], "off", nil }) {
		return false
	}
	if st.irq == off || m.walk != nil {
		if !safe {
			m.holds(st, claimWindow, 0, nil)
		}
		return true
	}
	if !safe {
		m.check(st, claimWindow, 0, nil, false, m.whyWindow(st))
		return false
	}
	if !m.untouched(st, interrupts, false) {
		return false
	}
	st.window, st.erased = st.at, false
	st.dropBelow()
	st.stale = true
	m.lettingIn(st)
	return true
}
