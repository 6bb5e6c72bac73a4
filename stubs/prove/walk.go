package prove

import (
	"errors"
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Walk lists the instructions that a variant runs when nothing special happens: in
// a call that is answered at once, with no work pending, no interrupt, and RF and
// TF clear; and in the context switch. It follows the same bytes by the same rules
// as the proof.
type Walk struct {
	// Entry goes from behind SYSCALL to the call or jump through sys_call_table that
	// reaches the handler; Exit from the handler's return to SYSRETQ or IRETQ. In a
	// variant that calls nothing, Entry is all but the last instruction.
	Entry, Exit []Step
	// Delivery lists the words that the CPU itself stores when the call begins.
	Delivery []Access
	// FixUp is what runs between the two for a call that needs full pt_regs, up to
	// the call of its handler (sys_full_frame). Restore goes from that handler's
	// return to the first instruction of Exit.
	FixUp, Restore []Step
	// OwnExit is set if that call does not come back to Exit. Restore then ends in
	// ring 3.
	OwnExit bool
	// Out is the context switch up to the change of stacks. In goes from there, when the
	// thread runs again, to the caller of the switch, without __switch_to.
	Out, In []Step
}

// Step is an instruction that has run.
type Step struct {
	Where
	Addr     uint64
	Len      int // bytes
	Accesses []Access
	// RSP is set if the instruction moves the word that ring 3 gets back as RSP or,
	// in the switch, the one that comes back to RSPScratch.
	RSP bool
}

// Loads reports whether the instruction reads memory.
func (s Step) Loads() bool {
	return slices.ContainsFunc(s.Accesses, func(a Access) bool { return !a.Store })
}

// Access is a load or a store.
type Access struct {
	// Area is the memory that the access goes to, and Off its distance in bytes from
	// where that begins.
	Area  Area
	Off   int64
	Width int // bytes
	Store bool
	GS    bool // relative to GS
}

// Area names a piece of memory. The areas that have no constant below are named as in
// the proof's reports. The area without a name begins at address 0.
type Area string

// The areas that have a place in package layout.
const (
	AreaPerCPU Area = "PerCPU"
	// AreaStack is counted from the stack's top, which is aligned to
	// layout.ThreadSize, so that offsets are negative.
	AreaStack Area = "stack"
	// AreaSwitch is the stack during the context switch, counted from above its
	// return address: how deep that is depends on the caller.
	AreaSwitch Area = "stack in the switch"
	// AreaThread is the thread at the stack's bottom, AreaNext the one that is
	// switched to.
	AreaThread Area = "thread"
	AreaNext   Area = "next thread"
	// AreaTable is sys_call_table; all its words count as one.
	AreaTable Area = "sys_call_table"
)

// WalkVariant links a variant as Variant does and walks through it.
func WalkVariant(n stubs.Variant) (*Walk, error) {
	obj, err := link(n)
	if err != nil {
		return nil, err
	}
	return WalkObject(obj, n)
}

// WalkObject walks through a variant as it lies in a linked program.
func WalkObject(obj *asm.Object, n stubs.Variant) (*Walk, error) {
	s, err := newSubject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	m := &machine{subject: s, walk: &walker{}}
	m.notes()
	m.runSetUp()
	m.runSwitch()
	m.run(s.s.quiet(m.atCall()))
	w, err := s.walked(m, s.places(obj))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("variant %s: %w", n.Name, err), s.report(m, obj).Err())
	}
	return w, nil
}

// quiet adds the facts of a call to which nothing special happens: no work is pending,
// the number is in the table, RIP is not the highest that it may be, no flag of the
// user's RFLAGS keeps the exit from SYSRET, and no translation has become invalid.
func (s *symbols) quiet(st *state) *state {
	for _, f := range []facts{
		{kind: factZero, t: s.work, k: ^uint64(0)}, // exitwork=tests looks at all of it
		{kind: factZero, t: s.callWork, k: layout.SyscallWorkEnter | layout.SyscallWorkExit},
		{kind: factZero, t: s.flags, k: singleStep},
		{kind: factMax, t: s.user[rAX], k: layout.SysCallMax},
		{kind: factMax, t: s.rip, k: layout.TaskSizeMax - 1},
		{kind: factZero, t: s.flushes, k: asidBit},
	} {
		st.facts = resolver{fs: st.facts}.with(f.kind, f.t, value{}, f.k)
	}
	st.count.v = known(layout.PreemptNoResched)                                    // no thread waits
	st.facts = resolver{fs: st.facts}.with(factNot, s.user[rCX], s.rip.value(), 0) // which SYSCALL alone makes the same
	return st
}

// walker has the machine record what runs. No interrupt comes then, and no handler
// edits the frame.
type walker struct{ ended []*state }

// trail is the list of instructions that have run on a path. The newest is first.
type trail struct {
	before *trail
	at     uint64
	in     *inst
	access []Access
}

// walked notes the places that a path has passed.
type walked struct {
	last *trail
	// dispatch is the instruction that went through sys_call_table first, and
	// ret where a handler returns to from there; handler the one that went to
	// the handler of a call that needs the frame; away the one that left
	// for the next thread.
	dispatch, handler, away *trail
	ret                     uint64
}

// visits records the instruction that runs next.
func (m *machine) visits(st *state, in *inst) {
	if m.walk == nil {
		return
	}
	st.walked.last = &trail{before: st.walked.last, at: st.at, in: in}
	rsp := st.regs[rSP].v
	switch in.op {
	case opERETU: // which skips the error code
		rsp = rsp.add(8)
		fallthrough
	case opIRET: // SDM volume 2, IRET: it pops five words in 64-bit mode
		for i := range uint64(5) {
			m.touchesAt(st, rsp.add(8*i), Access{Width: 8})
		}
	}
}

// accesses records a load or a store of the current instruction.
func (m *machine) accesses(st *state, o operand, width uint8, store bool) {
	if m.walk != nil {
		m.touchesAt(st, m.address(st, o), Access{Width: int(width), Store: store, GS: o.seg == segGS})
	}
}

func (m *machine) touchesAt(st *state, addr value, a Access) {
	addr = st.raised(addr)
	a.Off = int64(addr.c)
	switch t := addr.t; {
	case a.GS && t == nil:
		a.Area = AreaPerCPU
	case t == nil:
	case t == st.origin.t && st.phase != inCall:
		a.Area, a.Off = AreaSwitch, int64(addr.c-st.origin.c)
	case t == st.origin.t && addr.c-m.stackEnd(st)+layout.ThreadSize < threadSize:
		a.Area, a.Off = AreaThread, int64(addr.c-m.stackEnd(st)+layout.ThreadSize)
	case t == st.origin.t:
		a.Area, a.Off = AreaStack, int64(addr.c-m.stackEnd(st))
	case t == m.s.prev:
		a.Area = AreaThread
	case t == m.s.next:
		a.Area = AreaNext
	case t.op == isShl && addr.c == m.table:
		a.Area, a.Off = AreaTable, 0
	default:
		a.Area = Area(t.String())
	}
	st.walked.last.access = append(st.walked.last.access, a)
}

// dispatches records that the last instruction has gone to a handler, or to a wrapper.
func (m *machine) dispatches(st *state) {
	w := &st.walked
	if m.walk == nil || w.dispatch != nil {
		return
	}
	w.dispatch = w.last
	if i, ok := st.cell(st.regs[rSP].v); ok {
		w.ret = m.readCell(st, i).v.c
	}
}

// errWalk is the error of a variant without such a path.
var errWalk = errors.New("no straight way through it")

// walked makes a walk of the paths that have ended.
func (s *subject) walked(m *machine, places places) (*Walk, error) {
	w := &Walk{Delivery: m.delivered()}
	var call, full, switched bool
	for _, st := range m.walk.ended {
		t := &st.walked
		steps := s.steps(m, st, places)
		at := func(t *trail) int { return len(steps) - 1 - distance(st.walked.last, t) }
		switch {
		case st.phase == inSetUp:
		case st.phase == inResume && !switched:
			switched = true
			w.Out, w.In = steps[:at(t.away)+1], steps[at(t.away)+1:]
		case st.phase == inResume:
			return nil, fmt.Errorf("%w: two ways through the switch", errWalk)
		case s.promise.bare && !call:
			call = true
			w.Entry, w.Exit = steps[:len(steps)-1], steps[len(steps)-1:]
		case t.dispatch == nil:
		case st.expect.wrapper == nil && !call:
			call = true
			w.Entry, w.Exit = steps[:at(t.dispatch)+1], steps[at(t.dispatch)+1:]
		case st.expect.wrapper == nil:
			return nil, fmt.Errorf("%w: two ways of an ordinary call", errWalk)
		case st.expect.wrapper.handler == contracts["sys_full_frame"] && !full:
			full = true
			w.FixUp, w.Restore = steps[at(t.dispatch)+1:at(t.handler)+1], steps[at(t.handler)+1:]
			i := slices.IndexFunc(w.Restore, func(s Step) bool { return s.Addr == t.ret })
			if w.OwnExit = i < 0; i >= 0 {
				w.Restore = w.Restore[:i]
			}
		case st.expect.wrapper.handler == contracts["sys_full_frame"]:
			return nil, fmt.Errorf("%w: two ways of a call that needs the frame", errWalk)
		}
	}
	if !switched || !call || !full && !s.promise.bare {
		return nil, errWalk
	}
	return w, nil
}

// distance returns the number of instructions that ran from one to another.
func distance(last, t *trail) int {
	n := 0
	for ; last != nil && last != t; last = last.before {
		n++
	}
	return n
}

// steps returns the instructions of a path in the order in which they ran.
func (s *subject) steps(m *machine, st *state, places places) []Step {
	carries := map[uint64]bool{}
	for o := m.carried(st); o != nil; o = o.before {
		carries[o.at] = true
	}
	var steps []Step
	for t := st.walked.last; t != nil; t = t.before {
		steps = append(steps, Step{places.at(t.at), t.at, int(t.in.len), t.access, carries[t.at]})
	}
	slices.Reverse(steps)
	return steps
}

// carried returns the origin of the word that ring 3 gets as RSP, or that a thread
// gets back in RSPScratch.
func (m *machine) carried(st *state) *origin {
	last := st.walked.last
	switch {
	case st.phase != inCall && m.promise.usesScratch != 0:
		for _, w := range st.scratch {
			if w.written() {
				return w.by
			}
		}
		return nil
	case st.phase != inCall:
		return nil
	case last.in.op == opIRET, last.in.op == opERETU:
		return &origin{last.at, m.popped(st, layout.SlotSP).by}
	}
	return st.regs[rSP].by
}
