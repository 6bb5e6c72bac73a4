package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Outcome is what the proof says about a claim.
type Outcome uint8

const (
	// Proved: the claim holds on every path, for all inputs.
	Proved Outcome = iota
	// Refuted: there is an input on some path for which it does not hold.
	Refuted
	// Undecided: the proof cannot follow the code; the claim may hold or not.
	Undecided
)

// String returns the outcome in one word.
func (o Outcome) String() string {
	return [...]string{"proved", "refuted", "undecided"}[o]
}

// Claim is one thing that must hold at one instruction.
type Claim struct {
	What    string
	Where   Where
	Outcome Outcome
	// The rest is set unless the claim is proved. Path tells how the instruction
	// is reached. Got and Want are the two values that differ. From lists the
	// instructions that brought Got to where it is, the last first.
	Path      []string
	Got, Want string
	From      []Where
	// Witness is an input for which the claim fails; set if it is refuted.
	Witness *Witness
	// Unconfirmed says why a machine that ran the witness did not show the claim
	// fail. The claim is undecided then.
	Unconfirmed string
	fault       fault
}

// fault identifies what makes a claim fail: the instruction that brought the wrong
// word or, without one, what the claim is about.
type fault struct {
	at   uint64
	kind claimKind
	n    uint8
}

// Fault stands for all claims that fail for one reason. It shows the claim that is
// nearest to the reason.
type Fault struct {
	Claim
	More int
}

// String returns the claim's text and the number of the others.
func (f Fault) String() string {
	switch f.More {
	case 0:
		return f.Claim.String()
	case 1:
		return f.Claim.String() + "\n\tand one more claim fails by it"
	}
	return fmt.Sprintf("%v\n\tand %d more claims fail by it", f.Claim, f.More)
}

// compares reports whether the claim compares words.
func (c Claim) compares() bool { return c.Witness != nil && c.Witness.Differ }

// String states the claim in one line and what is wrong in a second one.
func (c Claim) String() string {
	s := fmt.Sprintf("%v: %v: %s", c.Where, c.Outcome, c.What)
	if c.Outcome == Proved {
		return s
	}
	if c.Want != "" {
		s += fmt.Sprintf("; it is %s, want %s", c.Got, c.Want)
	} else if c.Got != "" {
		s += ": " + c.Got
	}
	for i, f := range c.From {
		s += fmt.Sprintf("\n\t%s %v", [...]string{"because of", "from"}[min(i, 1)], f)
	}
	if c.Witness != nil {
		s += fmt.Sprintf("\n\twitness: %v", c.Witness)
	}
	if c.Unconfirmed != "" {
		s += "\n\tnot confirmed: " + c.Unconfirmed
	}
	for _, p := range c.Path {
		s += "\n\tafter " + p
	}
	return s
}

// Where names an instruction.
type Where struct {
	Func string
	Off  int // from the function's start
	Text string
	Ins  asm.Ins // of the listing
	File string  // of the listing; "" if there is none
	Line int
}

// String returns function+offset, the instruction and the listing's line.
func (w Where) String() string {
	s := fmt.Sprintf("%s+%#x", w.Func, w.Off)
	if w.Text != "" {
		s += " " + w.Text
	}
	if w.File != "" {
		s += fmt.Sprintf(" (%s:%d)", w.File, w.Line)
	}
	return s
}

// claimKind is what a claim says. Some kinds say it of a register, a slot or a flag,
// by its number.
type claimKind uint8

const (
	// At single instructions.
	claimMemory claimKind = iota
	claimScratch
	claimWindow
	claimFollows
	claimTarget
	claimLoop
	claimTrap
	claimRetpoline
	claimCapture
	claimLanding
	claimSpecCtrl
	claimIBRSBranch
	claimIBRSWindow
	claimHistory
	claimUntrained
	claimPredCmd
	claimReturn
	claimUpperHalf
	claimDepth
	claimDepthLeft
	claimCount
	claimCounted
	claimReturned
	claimMapped
	claimCR3
	claimNoFlush
	claimKeeps
	claimFlushed
	claimFlushMask
	claimBase
	claimSelector
	claimXMM
	claimMXCSR
	claimX87
	claimAligned
	claimExit
	claimStatus

	// Where the variant calls a function of the kernel.
	claimSlot
	claimRoom
	claimArg
	claimFrame
	claimAlign
	claimKernelGS
	claimKernelCR3
	claimFlag
	claimNumber
	claimFloor
	claimTable
	claimOnce
	claimToldOnce
	claimCall
	claimEvent
	claimHandler
	claimEntryWork
	claimCleared
	claimIRQ
	claimResched
	claimIRQOff
	claimNeeded
	claimIBRS
	claimCountZero

	// Where the call returns to ring 3.
	claimLoads
	claimReg
	claimIP
	claimRFLAGS
	claimCS
	claimSS
	claimUserGS
	claimUserCR3
	claimCanonical
	claimOwnExit
	claimNoStep
	claimWidth
	claimNoWork
	claimTrampoline
	claimBuffers
	claimErased
	claimDense
	claimAnswered
	claimHandled
	claimTold
	claimByIRET
	claimUserSpecCtrl
	claimRing
	claimRSP0
	claimRSP0Word
	claimEventBase

	// In the context switch.
	claimNextSP
	claimNextStack
	claimSavedSP
	claimSaved
	claimCurrent
	claimNotYet
	claimNew
	claimKept
	claimReturnRSP
	claimOwnScratch
	claimCanary
	claimSavedSSP
	claimShadowOff
	claimShadow
	claimFilled

	// In the set-up.
	claimSTAR
	claimLSTAR
	claimSFMASK
	claimEFER
	claimSelectors
	claimSetSpecCtrl
	claimFREDConfig
	claimFREDEntries
)

func (k claimKind) text(n uint8, of string) string {
	slot := layout.Slot(n)
	switch k {
	case claimMemory:
		return "only memory of the variant is touched"
	case claimScratch:
		return "a scratch word is read only while no other thread can have written it"
	case claimWindow:
		return "interrupts are off here"
	case claimFollows:
		return "the proof knows the instruction"
	case claimTarget:
		return "execution goes on where the proof can follow"
	case claimLoop:
		return "the path ends"
	case claimTrap:
		return "the stop is only for work that nothing asks for"
	case claimRetpoline:
		return "the branch is not indirect"
	case claimCapture:
		return "where the CPU predicts this RET to go is a loop that does nothing, or a stop"
	case claimLanding:
		return "the entry begins with ENDBR64"
	case claimSpecCtrl:
		return "SPEC_CTRL is touched only by a variant that promises it, in a call, and gets the kernel's word or ring 3's"
	case claimIBRSBranch:
		return "IBRS is set where a branch is indirect"
	case claimIBRSWindow:
		return "interrupts are off while IBRS is clear"
	case claimIBRS:
		return "IBRS is set at " + of
	case claimHistory, claimUntrained, claimPredCmd, claimReturn, claimUpperHalf, claimDepth, claimDepthLeft, claimCounted, claimReturned:
		return k.predictorText(of)
	case claimMapped:
		return "the page table in force maps what is touched"
	case claimCR3:
		return "CR3 is loaded only to change between the two page tables of the address space"
	case claimNoFlush:
		return "CR3 is loaded without bits that the CPU may not have"
	case claimKeeps:
		return "the translations of the PCID that is loaded are kept if they are valid"
	case claimFlushed:
		return "no translation is kept that has become invalid"
	case claimFlushMask:
		return "of UserPCIDFlushMask only the bit of this address space is cleared"
	case claimBase:
		return fmt.Sprintf("%s is the user's at %s", baseNames[n], of)
	case claimSelector:
		return fmt.Sprintf("%s is the user's at %s", segNames[n], of)
	case claimXMM:
		return fmt.Sprintf("%s, is the user's at %s", xmmName(int(n)), of)
	case claimMXCSR:
		return "MXCSR is the user's at " + of
	case claimX87:
		return fmt.Sprintf("the x87 unit's %s, is the user's at %s", x87Name(int(n)), of)
	case claimAligned:
		return "the operand lies at a multiple of 16"
	case claimExit:
		return "the call returns by an instruction that comes back to ring 3"
	case claimCount, claimCountZero:
		return k.countText(n, of)
	case claimStatus:
		return "of Thread.Status only TS_COMPAT is cleared"
	case claimSlot:
		return fmt.Sprintf("%s finds the user's word in the slot %v", of, slot)
	case claimRoom:
		return fmt.Sprintf("%s finds the slot %v as it was on the stack", of, slot)
	case claimArg:
		return fmt.Sprintf("%s gets its argument in %v", of, reg(n))
	case claimFrame:
		return fmt.Sprintf("RSP is where the frame of %s says", of)
	case claimAlign:
		return fmt.Sprintf("RSP is a multiple of 8 at %s", of)
	case claimKernelGS:
		return fmt.Sprintf("GS is the kernel's at %s", of)
	case claimKernelCR3:
		return fmt.Sprintf("CR3 is the kernel's at %s", of)
	case claimFlag:
		return fmt.Sprintf("%s is clear at %s", flagNames[n], of)
	case claimNumber:
		return "the handler is that of the call's number"
	case claimFloor:
		return "the floor calls nothing"
	case claimTable:
		return "the number is in the table"
	case claimHandler:
		return fmt.Sprintf("%s is the handler of this call", of)
	case claimOnce:
		return "a call has one handler"
	case claimToldOnce:
		return "a tracer is told once of a call's end"
	case claimCall:
		return "what comes to " + of + " is a call"
	case claimEvent:
		return "what comes to " + of + " is no call"
	case claimEntryWork:
		return "no work was to be done before the handler"
	case claimCleared:
		return fmt.Sprintf("%v is cleared at %s", reg(n), of)
	case claimIRQ:
		return fmt.Sprintf("interrupts are as the variant promises at %s", of)
	case claimResched:
		return "another thread should run"
	case claimIRQOff:
		return fmt.Sprintf("interrupts are off at %s", of)
	case claimNeeded:
		return "a call that needs nothing more ends by the variant's own exit"
	}
	return k.exitText(n, of)
}

// claimKey is a claim at an instruction.
type claimKey struct {
	at   uint64
	of   *function
	kind claimKind
	n    uint8
}

// verdict is the outcome of a claim on the paths so far.
type verdict struct {
	outcome   Outcome
	path      *event
	got, want string
	from      *origin
	witness   *witness
	// goal is the predicate that the witness violates, given the conditions of its
	// path; traced is where it does.
	goal   predicate
	given  *given
	traced *traced
	// interrupted is set if the claim fails only if an interrupt comes or another
	// thread runs.
	interrupted bool
}

// check records a claim on this path and reports whether it holds.
func (m *machine) check(st *state, kind claimKind, n uint8, of *function, holds bool, got func() (got, want string, from *origin)) bool {
	return m.checkThat(st, kind, n, of, holds, nowhere, got)
}

// checkThat works like check, but for a claim that holds where a predicate on words does.
// The predicate nowhere stands for a failure that does not depend on words.
func (m *machine) checkThat(st *state, kind claimKind, n uint8, of *function, holds bool, goal predicate, got func() (got, want string, from *origin)) bool {
	if holds {
		m.holds(st, kind, n, of)
		return true
	}
	var g, w string
	var from *origin
	if got != nil && !m.quick {
		g, w, from = got()
	}
	m.failsOn(st, Refuted, claimKey{st.at, of, kind, n}, goal, g, w, from)
	return false
}

// checkSame claims that a word has the wanted value.
func (m *machine) checkSame(st *state, kind claimKind, n uint8, of *function, got word, want value) bool {
	goal := predicate{equal, got.v, want}
	if m.at(st).same(got.v, want) == isTrue {
		m.holdsAs(st, kind, n, of, want)
		return true
	}
	m.failsOn(st, Refuted, claimKey{st.at, of, kind, n}, goal, m.show(st, got.v), want.String(), got.by)
	return false
}

func (m *machine) differs(st *state, kind claimKind, n uint8, of *function, got word, want string) bool {
	outcome := Refuted
	if m.at(st).resolve(got.v).isOpen() {
		outcome = Undecided
	}
	m.fails(st, outcome, claimKey{st.at, of, kind, n}, m.show(st, got.v), want, got.by)
	return false
}

func (m *machine) holds(st *state, kind claimKind, n uint8, of *function) {
	m.holdsAs(st, kind, n, of, value{})
}

// holdsAs works like holds, but for a word that has the wanted value.
func (m *machine) holdsAs(st *state, kind claimKind, n uint8, of *function, want value) {
	if m.quick {
		return
	}
	key := claimKey{st.at, of, kind, n}
	m.obliges(st, obligation{key: key, want: want})
	if m.here.at == key.at && m.here.hasMet(key) {
		return
	}
	if _, ok := m.claims[key]; !ok {
		m.claims[key] = nil
		m.order = append(m.order, key)
	}
}

func (m *machine) fails(st *state, outcome Outcome, key claimKey, got, want string, from *origin) {
	m.failsOn(st, outcome, key, nowhere, got, want, from)
}

// failsOn works like fails, but for a claim that holds where a predicate does. A refuted
// claim has an input that shows it; without one the claim is undecided.
func (m *machine) failsOn(st *state, outcome Outcome, key claimKey, goal predicate, got, want string, from *origin) {
	m.lost = m.lost || st.widened
	if !m.failed {
		m.failed, m.first = true, key.kind
	}
	if m.quick || m.lost {
		return
	}
	old, seen := m.claims[key]
	if !seen {
		m.order = append(m.order, key)
	}
	if old != nil && (old.outcome == Refuted || outcome == Undecided) {
		m.obliges(st, obligation{key: key, outcome: Undecided})
		return
	}
	var w *witness
	if outcome == Refuted {
		if w = m.witness(st, goal); w == nil {
			outcome = Undecided
		}
	}
	m.refuted = m.refuted || outcome == Refuted
	m.obliges(st, obligation{key: key, outcome: outcome, want: goal.b})
	if old == nil || outcome == Refuted {
		m.claims[key] = &verdict{outcome, st.path, got, want, from, w, goal, st.given, st.traced, m.takesInterrupt(st, key.kind, from)}
	}
}
