package prove

import (
	"fmt"
	"reflect"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// Sizes and places that the model takes from package layout.
var (
	frameSize  = uint64(asm.SizeOf[layout.PtRegs[asm.Mem]]())
	threadSize = uint64(asm.SizeOf[layout.Thread[asm.Mem]]())
	percpuSize = uint64(asm.SizeOf[layout.PerCPU[asm.Mem]]())
	percpu     = asm.Slots[layout.PerCPU[asm.Slot]]()
	thread     = asm.Slots[layout.Thread[asm.Slot]]()
)

// numCells is how many words of the kernel stack the model follows, from its top
// down: the frame and what the stubs push below it.
const numCells = 160

// origin is the instruction that put a value where it is, with the origin of the
// value that the instruction took.
type origin struct {
	at     uint64
	before *origin
}

// Origins that are not an instruction of the variant.
var (
	lost    = &origin{} // unknown
	kernels = &origin{} // the kernel, before it called
	edited  = &origin{} // a handler
)

// someInstruction stands for any instruction, where only that there is one counts.
var someInstruction = &origin{at: 1}

// written reports whether an instruction of the variant wrote the word.
func (w word) written() bool { return w.by != nil && w.by.at != 0 }

// moved returns the origin of a value that the current instruction moves or
// computes from one with the origin before.
func (m *machine) moved(st *state, before *origin) *origin {
	if m.quick {
		return someInstruction
	}
	return &origin{st.at, before}
}

// trampolineCells is how many words of the trampoline stack the model follows,
// from its top down.
const trampolineCells = 24

// The per-CPU words that a variant may keep the user's RSP in while it has no
// stack: those that Linux has used.
const (
	inRSPScratch = iota
	inSP2
	numScratch
)

// scratchNumbers are the words as VariantDesc.UsesScratch names them.
var scratchNumbers = [numScratch]uint64{inRSPScratch: layout.ScratchRSP, inSP2: layout.ScratchSP2}

var scratchWords = [numScratch]asm.Slot{inRSPScratch: percpu.RSPScratch, inSP2: percpu.TSS.SP2}

// phase tells which part of the variant runs.
type phase uint8

const (
	inCall      phase = iota // from SYSCALL to the return to ring 3
	inLeave                  // __switch_to_asm, up to the change of stacks
	inResume                 // from there on, when the thread runs again
	inSetUp                  // syscall_init
	inInterrupt              // the entry of an interrupt or exception
)

// tri is a flag that may be unknown.
type tri uint8

const (
	off tri = iota
	on
	either
)

var triNames = [...]string{off: "off", on: "on", either: "on or off"}

// The RFLAGS bits that must be clear when a handler runs.
const (
	flagDF = iota
	flagAC
	flagNT
	flagTF
	numFlags
)

var flagNames = [numFlags]string{"DF", "AC", "NT", "TF"}

var flagBits = [numFlags]uint64{flagDF: x86.X86_EFLAGS_DF, flagAC: x86.X86_EFLAGS_AC, flagNT: x86.X86_EFLAGS_NT, flagTF: x86.X86_EFLAGS_TF}

// word is a value in a register or in memory, with its origin, which is nil if
// nothing has put it there yet. A word of the stack has no value until it is read
// or written.
type word struct {
	v  value
	by *origin
}

// state is the machine at one point of one path.
type state struct {
	phase phase
	pc    uint64
	at    uint64 // the instruction that runs or ran last
	regs  [numRegs]word
	cond  condition
	irq   tri // RFLAGS.IF
	irqBy *origin
	flags [numFlags]tri
	// flagBy are the instructions that set the flags.
	flagBy [numFlags]*origin
	bases  [numBases]word
	// selectors are the segment registers, xmm the XMM registers; each is nil as
	// long as it is as ring 3 or a handler left it.
	selectors *[6]word
	xmm       *[numXMM]word
	x87       *[numX87]word // nil: it is ring 3's
	turns     *turn         // where the path went back in the code
	rspBy     *origin       // of RSP, when it was last on the thread's stack
	mxcsr     word
	// trampolined is set while the last memory access, other than to constants, was
	// to the trampoline stack.
	trampolined bool
	verw        bool // VERW ran, and nothing was loaded since
	// erased is set when the thread's stack was erased, and nothing was written there
	// since.
	erased bool
	// verwBy is a VERW of a register, which overwrites no buffers.
	verwBy         *origin
	ibrs           bool // SPEC_CTRL is the kernel's, with IBRS; else ring 3's
	rsp0, rsp0Word word // MSR_IA32_FRED_RSP0, and PerCPU.FREDRSP0

	// cells is the stack from origin down; cells[0] is the word below origin.
	origin value
	// lowered, if not nil, is RSP after a random distance was subtracted from it
	// (kstack=); loweredFrom is what it was before, relative to origin's term. The
	// cells that follow are counted from lowered. Nothing may touch the words between.
	lowered     *term
	loweredFrom uint64
	kstack      word // Thread.KStackOffset
	bsd         [numBSD]word
	random      [2]word // PerCPU.KStackRandom
	cells       stack
	wrote       uint64 // a bit for each cell of the frame that the variant has ever given another value

	scratch    [numScratch]word
	mine       [numScratch]bool // no other thread can have written it
	work       value
	trampoline stack
	// stale is set once an interrupt may have changed Thread.Flags.
	stale bool
	msrs  [numMSRs]word // those of SYSCALL, in the set-up
	// canary is PerCPU.StackCanary in the switch; filled is set when the return
	// stack was filled there.
	canary word
	filled bool
	shadow [numShadowMSRs]word // the MSRs of shadow stacks, in the switch
	saved  [numSaved]word      // words of the Thread that is switched
	// current is set once __switch_to has made the thread that continues the current one.
	current bool

	tables
	predictors
	preempt

	facts *facts
	given *given
	// window is the last instruction behind which an interrupt may come.
	window uint64
	path   *event
	calls  *called
	steps  int
	series series
	// unfit is a frame by which SYSRETQ cannot return, as tests have shown that are
	// forgotten; widened is set once some are.
	unfit   *exitFrame
	widened bool
	waits   bool // the state is in machine.todo
	walked  walked
	// traced is the last thing that happened on the path; left is the machine as it
	// was when the kernel took over.
	traced *traced
	left   *state
	to     value // where the last jump went

	expect expectation
}

// expectation is what ring 3 must see when the call returns, as the frame that
// would bring it about. Handlers edit it.
type expectation struct {
	frame  [layout.NumSlots]value
	edited layout.Slots
	// called is set once the handler of the call or event was reached; refused, if
	// it was told to edit a slot that does not exist.
	called, refused bool
	bases           [numBases]value
	xmm             *otherWords // nil: the user's own
	mxcsr           value
	inside          bool     // a function of the variant was called, as do_syscall_64 is
	asked           bool     // work was asked for when the variant looked
	inRing0         bool     // it returns to ring 0
	complete        bool     // it began with full pt_regs
	event           bool     // it is an event that FRED delivers, for fred_event_user or fred_event_kernel, and no call
	traced          bool     // a tracer has had the frame before the handler
	told            bool     // a tracer was told of the call's end
	alone           bool     // the variant has seen that no tracer has to be
	orig            value    // the orig_ax that it has left
	plain           bool     // the handler is none that needs full pt_regs
	wrapper         *wrapper // of sys_call_table, which the call has come to
}

// called is the stack of return addresses that CALLs have pushed and no RET has
// taken yet, as the CPU's return stack predictor holds it. The newest is first.
type called struct {
	before *called
	addr   uint64
}

// symbols are the unknown words of the machine when a call or a switch begins.
type symbols struct {
	user       [numRegs]*term
	rip, flags *term
	top        *term           // of the kernel stack
	cells      [numCells]*term // the words of the stack
	kernel     [numRegs]*term  // registers of a thread that is switched
	// overwritten are registers that are written before they are read, where paths meet.
	overwritten [numRegs]*term
	prev, next  *term                // struct Thread of the two threads of a switch
	left        *term                // and that of which the switch lets the thread run again
	prevRSP     *term                // of the thread that is switched, at the call
	ret         *term                // its return address
	nextSP      *term                // the next thread's Thread.SP
	nextUserSP  *term                // and Thread.UserSP
	scratch     [numScratch]*term    // the scratch words, of the thread that is switched
	other       [numScratch]*term    // the scratch words, as any thread left them
	trampoline  *term                // the top of the trampoline stack
	cr3         *term                // CR3 as a call finds it
	flushes     *term                // UserPCIDFlushMask
	work        *term                // Thread.Flags at the start
	bsd         [numBSD]word         // of the Thread
	callWork    *term                // Thread.SyscallWork
	kstack      *term                // Thread.KStackOffset
	canary      *term                // Thread.StackCanary
	shadow      [numShadowMSRs]*term // the MSRs of shadow stacks, as the thread that is switched had them
	status      *term                // Thread.Status
	percpu      map[uint64]*term     // other words of PerCPU, by offset
	area        *term                // the per-CPU area, where the kernel's GS points
	bases       [numBases]*term      // of the user's segments
	selectors   [6]*term
	xmm         [numXMM]*term // the user's, two words each
	x87         [numX87]*term
	mxcsr       *term
	msrs        [numMSRs]*term // those of SYSCALL, before the set-up
	eventSymbols
}

func newSymbols() *symbols {
	s := &symbols{
		rip: symbol("user.RIP", true), flags: symbol("user.RFLAGS", true),
		top: symbol("stack.top", false), eventSymbols: newEventSymbols(),
		prev: symbol("thread", false), next: symbol("next", false), left: symbol("the thread that leaves", false),
		prevRSP: symbol("kernel.RSP", false), ret: symbol("the return address", false),
		nextSP: symbol("next.SP", false), nextUserSP: symbol("next.UserSP", true),
		callWork: symbol("thread.SyscallWork", false), kstack: symbol("thread.KStackOffset", false),
		canary: symbol("thread.StackCanary", false),
		shadow: [numShadowMSRs]*term{shadowUCET: symbol("thread.UserCET", false), shadowSSP: symbol("user.SSP", true)},
		work:   symbol("thread.Flags", false), trampoline: symbol("trampoline.top", false),
		cr3: symbol("CR3", false), flushes: symbol("UserPCIDFlushMask", false),
		status: symbol("thread.Status", false),
		percpu: map[uint64]*term{}, bsd: newBSDWords(),
	}
	for r := range numRegs {
		s.user[r] = symbol("user."+r.String(), true)
		s.kernel[r] = symbol("kernel."+r.String(), false)
		s.overwritten[r] = unfollowed("overwritten", false)
	}
	s.area = symbol("the per-CPU area", false)
	s.bases = [numBases]*term{baseFS: symbol("user.FS base", true), baseGS: symbol("user.GS base", true)}
	for i, name := range segNames {
		s.selectors[i] = outside("user."+name, true)
	}
	for i := range s.xmm {
		s.xmm[i] = symbol(fmt.Sprintf("user.%s", xmmName(i)), true)
	}
	for i := range s.x87 {
		s.x87[i] = outside("user.x87 "+x87Name(i), true)
	}
	s.mxcsr = symbol("user.MXCSR", true)
	for i, name := range msrNames {
		s.msrs[i] = symbol(name, false)
	}
	for i := range s.cells {
		s.cells[i] = symbol("stack."+cellName(i), false)
	}
	for i, w := range scratchWords {
		s.scratch[i] = symbol("own "+w.Name, true)
		s.other[i] = symbol("another thread's "+w.Name, true)
	}
	for _, w := range wordsOf(reflect.ValueOf(percpu)) {
		s.percpu[uint64(w.Off)] = symbol(w.String(), false)
	}
	s.number()
	return s
}

// wordsOf lists the words of a structure of slots.
func wordsOf(v reflect.Value) (words []asm.Slot) {
	switch {
	case v.Type() == reflect.TypeFor[asm.Slot]():
		return []asm.Slot{v.Interface().(asm.Slot)}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			words = append(words, wordsOf(v.Field(i))...)
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			words = append(words, wordsOf(v.Index(i))...)
		}
	}
	return words
}

// cellOf returns the index of the cell that holds a slot of the frame.
func cellOf(s layout.Slot) int { return int(layout.NumSlots-1) - int(s) }

// cellName names a word of the stack: by its slot in the frame, or by its distance
// from the stack's top.
func cellName(i int) string {
	if i < int(layout.NumSlots) {
		return (layout.NumSlots - 1 - layout.Slot(i)).String()
	}
	return constant(uint64(-8 * (i + 1)))
}

// regSlot is the slot of each register in the frame.
var regSlot = [numRegs]layout.Slot{
	rAX: layout.SlotAX, rCX: layout.SlotCX, rDX: layout.SlotDX, rBX: layout.SlotBX, rSP: layout.SlotSP, rBP: layout.SlotBP,
	rSI: layout.SlotSI, rDI: layout.SlotDI, r8: layout.SlotR8, r9: layout.SlotR9, r10: layout.SlotR10, r11: layout.SlotR11,
	r12: layout.SlotR12, r13: layout.SlotR13, r14: layout.SlotR14, r15: layout.SlotR15,
}

// enosys is the result of a call that no handler answers.
const enosys = ^uint64(layout.ENOSYS) + 1

// afterSYSCALL returns the machine at the entry (SDM volume 2, SYSCALL): RIP is in RCX and
// RFLAGS in R11, the flags of mask are clear, all else is the user's.
func (s *symbols) afterSYSCALL(entry, mask uint64) *state {
	st := &state{pc: entry, origin: s.top.value(), cells: make(stack, numCells), work: s.work.value(), mxcsr: word{v: s.mxcsr.value()}}
	st.bases = [numBases]word{baseFS: {v: s.bases[baseFS].value()}, baseGS: {v: s.bases[baseGS].value()}, baseOther: {v: s.area.value()}}
	st.expect.bases = [numBases]value{s.bases[baseFS].value(), s.bases[baseGS].value(), s.area.value()}
	st.expect.mxcsr = s.mxcsr.value()
	for r := range numRegs {
		st.regs[r].v = s.user[r].value()
		st.expect.frame[regSlot[r]] = s.user[r].value()
	}
	st.regs[rCX].v, st.regs[r11].v = s.rip.value(), s.flags.value()
	for i := range st.scratch {
		st.scratch[i] = word{s.other[i].value(), lost}
	}
	want := &st.expect.frame
	want[layout.SlotAX], want[layout.SlotOrigAX] = known(enosys), s.user[rAX].value()
	want[layout.SlotIP], want[layout.SlotCX] = s.rip.value(), s.rip.value()
	want[layout.SlotFlags], want[layout.SlotR11] = s.flags.value(), s.flags.value()
	want[layout.SlotCS], want[layout.SlotSS] = known(x86.USER_CS), known(x86.USER_DS)
	st.facts = resolver{}.with(factMax, s.rip, value{}, layout.TaskSizeMax)
	st.given = &given{p: predicate{below, s.rip.value(), known(layout.TaskSizeMax + 1)}, holds: true}
	st.cr3, st.flushes = s.cr3.value(), s.flushes.value()
	for i, bit := range flagBits {
		if mask&bit == 0 {
			st.flags[i] = either
		}
	}
	if mask&x86.X86_EFLAGS_IF == 0 {
		st.irq = on
	}
	st.kstack, st.bsd = word{v: s.kstack.value()}, s.bsd
	st.depth = word{s.percpu[uint64(percpu.CallDepth.Off)].value(), lost}
	st.count = word{s.percpu[uint64(percpu.PreemptCount.Off)].value(), lost}
	for i, w := range percpu.KStackRandom {
		st.random[i] = word{s.percpu[uint64(w.Off)].value(), lost}
	}
	return st
}

// atSwitch returns the machine when the kernel jumps to the variant's switch: the thread
// that leaves is in RDI and in the per-CPU area, the next in RSI.
func (s *symbols) atSwitch(entry uint64) *state {
	st := &state{phase: inLeave, pc: entry, origin: s.prevRSP.value().add(8), cells: make(stack, numCells), work: s.work.value(), mxcsr: word{v: s.mxcsr.value()}}
	st.expect.bases = [numBases]value{s.bases[baseFS].value(), s.bases[baseGS].value(), s.area.value()}
	st.bases = [numBases]word{baseFS: {v: s.bases[baseFS].value()}, baseGS: {v: s.area.value()}, baseOther: {v: s.bases[baseGS].value()}}
	st.expect.mxcsr = s.mxcsr.value()
	for r := range numRegs {
		st.regs[r].v = s.kernel[r].value()
	}
	st.regs[rDI].v, st.regs[rSI].v, st.regs[rSP].v = s.prev.value(), s.next.value(), s.prevRSP.value()
	for i, t := range s.shadow {
		st.shadow[i].v = t.value()
	}
	st.cells[0] = word{s.ret.value(), kernels}
	for i := range st.scratch {
		st.scratch[i], st.mine[i] = word{s.scratch[i].value(), kernels}, true
	}
	return st
}

// cell returns the index of the cell at an address; ok is false if it is not one
// that the model follows.
func (st *state) cell(addr value) (i int, ok bool) {
	if st.lowered != nil {
		below := int64(st.loweredFrom-addr.c) > 0
		if addr.t == st.lowered {
			below = int64(addr.c) >= 0
		}
		if below { // between the stack's two parts
			return 0, false
		}
	}
	if addr = st.raised(addr); addr.t != st.origin.t {
		return 0, false
	}
	n := int64(st.origin.c - addr.c)
	if n <= 0 || n > 8*numCells {
		return 0, false
	}
	return int(n-1) / 8, true
}

// onStack reports whether RSP is on the kernel stack with room for an interrupt
// below it: at least half of the stack.
func (st *state) onStack() bool {
	rsp := st.raised(st.regs[rSP].v)
	return rsp.t == st.origin.t && st.origin.c-rsp.c <= layout.ThreadSize/2
}

// dropBelow forgets what is below RSP: whoever uses the stack next may write
// there.
func (st *state) dropBelow() {
	rsp := st.raised(st.regs[rSP].v)
	first := 0
	if n := int64(st.origin.c - rsp.c); rsp.t == st.origin.t && n > 0 {
		first = int(n+7) / 8
	}
	st.cells.drop(first)
}

// raised translates an address in the lowered part of the stack to what it would
// be without the random distance.
func (st *state) raised(v value) value {
	if st.lowered != nil && v.t == st.lowered {
		return value{st.origin.t, st.loweredFrom + v.c}
	}
	return v
}

// lowers reports whether an instruction subtracts the random distance from RSP.
func (m *machine) lowers(in *inst) bool {
	return in.op == opSUB && in.dst.kind == inReg && in.dst.reg == rSP && !m.axes.Is(stubs.KStackNone)
}

// lower subtracts the random distance by from RSP. It must be a multiple of 8, and
// at most what the kernel leaves free for it.
func (m *machine) lower(st *state, by word) bool {
	rsp, r := st.regs[rSP].v, m.at(st)
	_, most := r.limits(by.v)
	if rsp.t != st.origin.t || most > layout.KStackMask || r.zeros(by.v)&7 != 7 {
		m.undecided(st, claimFollows, "how far RSP is lowered")
		return false
	}
	st.dropBelow()
	st.lowered, st.loweredFrom = symbol("the lowered stack", false), rsp.c
	st.regs[rSP] = word{st.lowered.value(), m.moved(st, nil)}
	if m.traces {
		st.traced.lowered = st.lowered
	}
	st.cond = condition{}
	return true
}
