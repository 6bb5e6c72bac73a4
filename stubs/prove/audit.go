package prove

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// ThreadState is where a thread is when another reads its user RSP. Package layout has the
// numbers.
type ThreadState int

// The states of a thread.
const (
	InFastPath      ThreadState = layout.InFastPath
	InSlowPath      ThreadState = layout.InSlowPath
	BlockedInFast   ThreadState = layout.BlockedInFast
	BlockedInSlow   ThreadState = layout.BlockedInSlow
	PreemptedInFast ThreadState = layout.PreemptedInFast
	PreemptedInSlow ThreadState = layout.PreemptedInSlow
	InUserMode      ThreadState = layout.InUserMode
	OnAnotherCPU    ThreadState = layout.OnAnotherCPU
	NumThreadStates ThreadState = layout.NumThreadStates
)

var stateNames = [NumThreadStates]string{
	"current, fast path", "current, slow path", "blocked, fast path", "blocked, slow path",
	"preempted, fast path", "preempted, slow path", "user mode", "on another CPU",
}

// String returns the state's name in tables.
func (s ThreadState) String() string { return stateNames[s] }

// Short returns the state's name as the head of a column.
func (s ThreadState) Short() string {
	return [NumThreadStates]string{"fast", "slow", "blocked fast", "blocked slow", "preempted fast", "preempted slow", "user mode", "another CPU"}[s]
}

// Verdict says what a reader of the user's RSP finds.
type Verdict uint8

// The verdicts.
const (
	NotRead   Verdict = iota // it does not look at threads in that state
	Right                    // the user's RSP
	Stale                    // a word that held the RSP of another time, or of another thread
	Undefined                // a slot of the frame that the call has not filled
	Racy                     // right or not, by the instruction at which it is read
	Needless                 // it keeps a word up to date that nobody reads
	NotBuilt                 // it would look at them, but the kernel has no such state
)

var verdictNames = [...]string{"-", "right", "stale", "undefined slot", "racy", "needless", "not built"}

// String returns the verdict as one word, as tables have it.
func (v Verdict) String() string { return verdictNames[v] }

// Wrong reports whether the reader does not find the user's RSP on every path.
func (v Verdict) Wrong() bool { return v == Stale || v == Undefined || v == Racy }

// Found is the set of what a reader may find at one place: bit n is Verdict n.
type Found uint8

// Has reports whether the verdict is in the set.
func (f Found) Has(v Verdict) bool { return f>>v&1 != 0 }

// sum returns one verdict for what is found at all places.
func (f Found) sum() Verdict {
	switch {
	case f == 0:
		return NotRead
	case f.Has(Right) && f != 1<<Right:
		return Racy
	case f.Has(Undefined):
		return Undefined
	case f.Has(Stale):
		return Stale
	}
	return Right
}

// AuditPlace is an instruction of the variant before which a thread may be in the state.
type AuditPlace struct {
	Where
	Addr  uint64
	Found Found
	IRQ   bool // interrupts are on there, on some path
}

// AuditCell is what one reader finds of threads in one state.
type AuditCell struct {
	// Reader is one of layout.RSPReaders, Row the reader's name in tables: there are two
	// of a sampler, which strikes by the timer or by an NMI.
	Reader int
	Row    string
	State  ThreadState
	NMI    bool
	Verdict
	// By is the instruction of the kernel that reads it.
	By Where
	// Word is what is read.
	Word      string
	found     Found
	likeLinux bool // the reader is as Linux 3.19 has it, and so is the path
	// Places are all places, for readers of threads that are stopped at any instruction.
	Places []AuditPlace
}

// Found returns all that the reader may find.
func (c *AuditCell) Found() Found { return c.found }

// Faulty reports whether the reader has to be looked at.
func (c *AuditCell) Faulty() bool { return c.Verdict.Wrong() || c.Verdict == Needless }

// First returns the first place at which the reader may not find the user's RSP; ok is
// false if there is none.
func (c *AuditCell) First() (p AuditPlace, wrong int, ok bool) {
	for _, q := range c.Places {
		if q.Found&^(1<<Right) != 0 {
			if !ok {
				p, ok = q, true
			}
			wrong++
		}
	}
	return p, wrong, ok
}

// String says in a line what the reader finds, by which instruction and, if that depends on
// where the thread is, from where on it is not the user's RSP.
func (c *AuditCell) String() string {
	s := fmt.Sprintf("%s, %v: %v: ", c.Row, c.State, c.Verdict)
	switch {
	case c.Verdict == Needless:
		return s + fmt.Sprintf("%v writes %s, which nobody reads", c.By, c.Word)
	case c.By.Func == "":
		return s + "nothing writes " + wordUserSP + ", which readers take"
	}
	s += fmt.Sprintf("%v reads %s, wants the user's RSP", c.By, c.Word)
	if p, wrong, ok := c.First(); ok && c.Verdict == Racy {
		s += fmt.Sprintf("; before %d of %d instructions, first %v, it may be something else", wrong, len(c.Places), p.Where)
	}
	if r := layout.RSPReaders[c.Reader]; c.likeLinux {
		s += fmt.Sprintf("; Linux 3.19.8 has it so: %s", r.Source)
	}
	return s
}

// Audit is what each reader of the user's RSP finds for threads in each state, for every
// input. It follows from the proof's walk through the variant's machine code.
type Audit struct {
	Variant string
	Cells   []AuditCell // in the order of layout.RSPReaders and of the states
}

// Find returns the index of the cell of a row and a state, -1 if there is none.
func (a *Audit) Find(row string, s ThreadState) int {
	return slices.IndexFunc(a.Cells, func(c AuditCell) bool { return c.Row == row && c.State == s })
}

// Wrong reports whether some reader, other than one in an NMI, does not find the user's RSP
// or does something needless.
func (a *Audit) Wrong() bool {
	return slices.ContainsFunc(a.Cells, func(c AuditCell) bool { return c.Faulty() && !c.NMI })
}

// Rows returns the names of the rows.
func (a *Audit) Rows() []string {
	var rows []string
	for _, c := range a.Cells {
		rows = append(rows, c.Row)
	}
	return slices.Compact(rows)
}

// errBare is why the floor cannot be audited.
var errBare = errors.New("it answers the null call only: no thread is ever in a call")

// AuditObject audits a variant as it lies in a linked kernel.
func AuditObject(obj *asm.Object, n stubs.Variant) (*Audit, error) {
	if n.Axes.Bare {
		return nil, fmt.Errorf("variant %s: %w", n.Name, errBare)
	}
	s, err := newSubject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	a := &auditor{places: map[auditKey]*auditWords{}}
	m := s.proveWith(&machine{subject: s, audit: a})
	if err := s.report(m, obj).Err(); err != nil {
		return nil, fmt.Errorf("no audit of a variant that is not proved: %w", err)
	}
	return a.audit(m, obj, n)
}

// auditor notes, at every place, what the words hold that readers look at.
type auditor struct{ places map[auditKey]*auditWords }

type auditKey struct {
	addr uint64
	slow bool
	kind auditKind
}

// auditKind tells the kinds of places apart.
type auditKind uint8

const (
	between   auditKind = iota // before an instruction, with interrupts off
	interrupt                  // the same with interrupts on
	handler                    // in a handler
	delivery                   // where signals are delivered
)

// auditWords is what may be found in each word at a place.
type auditWords struct {
	sp, old Found
	// sampled is what perf_get_regs_user finds if it takes old_rsp of calls, and if not.
	sampled, sampledOld Found
}

// audits notes the words at a place on a path.
func (m *machine) audits(st *state, at uint64, inHandler bool) {
	kind := between
	switch {
	case inHandler:
		kind = handler
	case st.irq != off:
		kind = interrupt
	}
	m.auditsAt(st, at, kind)
}

func (m *machine) auditsAt(st *state, at uint64, kind auditKind) {
	if m.audit == nil || st.phase != inCall || st.expect.inRing0 {
		return
	}
	k := auditKey{addr: at, kind: kind, slow: kind == delivery || st.expect.complete || st.expect.wrapper.fixed() || st.expect.asked || m.wasWork(st, layout.TIFAllWork, true)}
	w := m.audit.places[k]
	if w == nil {
		w = &auditWords{}
		m.audit.places[k] = w
	}
	sp, old := m.foundInSlot(st), m.foundInScratch(st)
	w.sp |= sp
	w.old |= old
	if kind != handler && m.pushing(st) {
		return // the sampler says nothing there
	}
	w.sampled |= sp
	orig := st.cells.in(cellOf(layout.SlotOrigAX))
	if orig.v == (value{}) || m.at(st).same(orig.v, known(^uint64(0))) != isFalse {
		w.sampledOld |= sp
	}
	if m.at(st).same(orig.v, known(^uint64(0))) != isTrue || orig.v == (value{}) {
		w.sampledOld |= old
	}
}

// foundInSlot returns what a reader of the sp slot finds.
func (m *machine) foundInSlot(st *state) Found {
	w := st.cells.in(cellOf(layout.SlotSP))
	f := m.foundIn(st, w.v)
	if f == 1<<Stale && !w.written() && w.by != edited {
		return 1 << Undefined
	}
	return f
}

// foundInScratch returns what a reader of the scratch word finds. Once the variant no longer
// keeps it, another thread may have overwritten it, or not.
func (m *machine) foundInScratch(st *state) Found {
	i := inRSPScratch
	if m.axes.Is(stubs.ScratchSP2) {
		i = inSP2
	}
	if st.scratch[i].v == m.s.other[i].value() && st.onStack() && !m.fred() {
		return 1<<Right | 1<<Stale
	}
	return m.foundIn(st, st.scratch[i].v)
}

// foundIn compares a word with the RSP that ring 3 is to get. A handler that may change that
// RSP may also leave it alone.
func (m *machine) foundIn(st *state, v value) Found {
	switch {
	case m.at(st).same(v, st.expect.frame[layout.SlotSP]) == isTrue:
		return 1 << Right
	case st.expect.edited.Has(layout.SlotSP) && m.at(st).same(v, m.s.user[rSP].value()) == isTrue:
		return 1<<Right | 1<<Stale
	}
	return 1 << Stale
}

// pushing reports whether RSP is where perf_get_regs_user says nothing: above the r11
// slot, up to the frame's end.
func (m *machine) pushing(st *state) bool {
	rsp := st.raised(st.regs[rSP].v)
	up := rsp.c - (st.origin.c - frameSize)
	return rsp.t == st.origin.t && up > 8*uint64(layout.SlotR11) && up <= frameSize
}

// audit makes the table.
func (a *auditor) audit(m *machine, obj *asm.Object, n stubs.Variant) (*Audit, error) {
	places := m.places(obj)
	keys := slices.SortedFunc(maps.Keys(a.places), func(x, y auditKey) int {
		return int(int64(x.addr) - int64(y.addr))
	})
	by, err := readingInstructions(obj, n)
	if err != nil {
		return nil, err
	}
	table := &Audit{Variant: n.Name}
	oldReaders := n.Axes.OldReaders()
	kept := m.promise.usesScratch != 0 // the switch keeps the scratch word in Thread.UserSP
	stale := func(Found) Found { return 1 << Stale }
	for reader, r := range layout.RSPReaders {
		old := oldReaders>>reader&1 != 0
		add := func(row string, s ThreadState, nmi bool, kinds []auditKind, found func(auditWords) Found) {
			c := AuditCell{Reader: reader, Row: row, State: s, NMI: nmi, By: by[reader][wordOf(n, reader, s, old)], Word: wordOf(n, reader, s, old)}
			var sum Found
			slow := s == InSlowPath || s == BlockedInSlow || s == PreemptedInSlow
			for _, k := range keys {
				if k.slow != slow || !slices.Contains(kinds, k.kind) {
					continue
				}
				f := found(*a.places[k])
				sum |= f
				if f != 0 && k.kind != handler && k.kind != delivery {
					c.Places = appendPlace(c.Places, AuditPlace{places.at(k.addr), k.addr, f, k.kind == interrupt})
				}
			}
			c.Verdict, c.found = sum.sum(), sum
			table.Cells = append(table.Cells, c)
		}
		only := func(row string, s ThreadState, v Verdict) {
			table.Cells = append(table.Cells, AuditCell{Reader: reader, Row: row, State: s, Verdict: v, found: 1 << v, By: by[reader][wordOf(n, reader, s, old)], Word: wordOf(n, reader, s, old)})
		}
		// where is what a reader of one of the words finds of a thread that is switched out, or of
		// the current one by the word that is live.
		where := func(w auditWords) Found {
			switch {
			case !old:
				return w.sp
			case kept:
				return w.old
			}
			return stale(w.old)
		}
		live := func(w auditWords) Found {
			if old {
				return w.old
			}
			return w.sp
		}
		inException := Right // an interrupt's or exception's frame has it
		if old {
			inException = Stale // that of the last call
		}
		inHandler, anywhere, ticks := []auditKind{handler}, []auditKind{between, interrupt, handler}, []auditKind{interrupt, handler}
		switch reader {
		case layout.ReaderStackPointer:
			add(r.Func, InFastPath, false, inHandler, live)
			add(r.Func, InSlowPath, false, inHandler, live)
		case layout.ReaderCopyThread, layout.ReaderStartThread:
			only(r.Func, InSlowPath, keeperVerdict(reader, old, kept))
		case layout.ReaderKSTKESP, layout.ReaderCollectSyscall:
			if old && reader == layout.ReaderKSTKESP {
				// Of the current thread it finds what the last switch has kept: at a stop for a
				// tracer in this call, or before it.
				only(r.Func, InFastPath, Stale)
				add(r.Func, InSlowPath, false, inHandler, func(w auditWords) Found { return where(w) | 1<<Stale })
			} else {
				add(r.Func, InFastPath, false, inHandler, live)
				add(r.Func, InSlowPath, false, inHandler, live)
			}
			add(r.Func, BlockedInFast, false, inHandler, where)
			add(r.Func, BlockedInSlow, false, inHandler, where)
			if reader == layout.ReaderCollectSyscall { // "running" is all that it says of others
				break
			}
			add(r.Func, PreemptedInFast, false, []auditKind{interrupt}, where)
			add(r.Func, PreemptedInSlow, false, []auditKind{interrupt}, where)
			only(r.Func, InUserMode, inException)
			only(r.Func, OnAnotherCPU, NotBuilt)
		case layout.ReaderGetReg:
			add(r.Func, BlockedInSlow, false, []auditKind{handler, delivery}, where)
		case layout.ReaderCoreDump:
			add(r.Func, InSlowPath, false, []auditKind{delivery}, live)
			only(r.Func, InUserMode, inException)
		case layout.ReaderShowRegs:
			add(r.Func, InFastPath, false, inHandler, live)
			add(r.Func, InSlowPath, false, []auditKind{handler, delivery}, live)
			only(r.Func, InUserMode, inException)
		case layout.ReaderPerfRegs:
			sampled := func(w auditWords) Found {
				if old {
					return w.sampledOld
				}
				return w.sampled
			}
			for _, by := range []struct {
				row   string
				nmi   bool
				kinds []auditKind
			}{{r.Func + " by the timer", false, ticks}, {r.Func + " by NMI", true, anywhere}} {
				add(by.row, InFastPath, by.nmi, by.kinds, sampled)
				add(by.row, InSlowPath, by.nmi, by.kinds, sampled)
				only(by.row, InUserMode, Right) // the interrupt's frame is what it takes
				table.Cells[len(table.Cells)-1].NMI = by.nmi
			}
		}
	}
	for i := range table.Cells {
		c := &table.Cells[i]
		c.likeLinux = n.Axes.Is(stubs.SPPerCPU) && n.Axes.Is(stubs.ReadersLinux) && !layout.RSPReaders[c.Reader].Later
	}
	return table, nil
}

// keeperVerdict returns the verdict on the two functions that keep words up to date for
// readers. copy_thread takes what the last switch left in usersp; start_thread has it
// right.
func keeperVerdict(reader int, old, kept bool) Verdict {
	switch {
	case old == kept && reader == layout.ReaderStartThread, !old && !kept:
		return Right
	case old && !kept && reader == layout.ReaderStartThread:
		return Needless
	}
	return Stale
}

// appendPlace adds a place or, if it is there, what else is found at it.
func appendPlace(list []AuditPlace, p AuditPlace) []AuditPlace {
	if n := len(list); n > 0 && list[n-1].Addr == p.Addr {
		list[n-1].Found |= p.Found
		list[n-1].IRQ = list[n-1].IRQ || p.IRQ
		return list
	}
	return append(list, p)
}
