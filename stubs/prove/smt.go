package prove

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Obligations are the claims of a proof as a script in SMT-LIB 2.6, logic
// QF_ABV. The script runs the instructions of each path a second time, by a model
// of its own in the solver's terms. Each check-sat asks whether some input takes
// the path and violates one of the claims there.
type Obligations struct {
	Proof *Proof
	// Script begins and ends with nothing asserted, so that one solver can read many
	// scripts in turn.
	Script []byte
	Checks []Check
	// Claims is the number of claims on paths that the checks ask for. Ghosts is the
	// number of further claims that do not depend on words of the machine, for which
	// there is nothing to ask.
	Claims, Ghosts int
}

// Check is one check-sat of a script.
type Check struct {
	Where  Where
	Claims []string
	// Sat is the proof's own answer: true if it has refuted the claim.
	Sat bool
}

// ProveObligations proves a variant as [Prove] does and returns its claims.
func ProveObligations(n stubs.Variant) (*Obligations, error) {
	obj, err := link(n)
	if err != nil {
		return nil, err
	}
	s, err := newSubject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("variant %s: %w", n.Name, err)
	}
	return s.obligations(s.proveTraced(), obj, false)
}

// Disagreements returns the checks on which the solver's answers differ from the
// proof's.
func (o *Obligations) Disagreements(sat []bool) []Check {
	var list []Check
	for i, c := range o.Checks {
		if sat[i] != c.Sat {
			list = append(list, c)
		}
	}
	return list
}

// String sums up in one line what the script asks.
func (o *Obligations) String() string {
	return fmt.Sprintf("%d claims on paths in %d questions, and %d that are no matter of words", o.Claims, len(o.Checks), o.Ghosts)
}

// String states, one line a claim, in what the solver contradicts the proof.
func (c Check) String() string {
	says := "the solver finds an input of which it fails"
	if c.Sat {
		says = "the solver finds no input of which it fails"
	}
	lines := make([]string, len(c.Claims))
	for i, what := range c.Claims {
		lines[i] = fmt.Sprintf("%v: %s", c.Where, what)
	}
	return strings.Join(lines, "\nor ") + ": " + says
}

// obligations makes the script of the claims that a machine has met or, if refuted
// is set, of those that it has refuted.
func (s *subject) obligations(m *machine, obj *asm.Object, refuted bool) (*Obligations, error) {
	o := newOracle(m, s.places(obj))
	o.refuted = refuted
	for _, root := range m.roots {
		if !refuted || root.leadsToRefuted() {
			o.follow(&shadow{}, root, true)
		}
	}
	o.out.Proof, o.out.Script = s.report(m, obj), []byte(o.script.String())
	if o.err != nil {
		return nil, fmt.Errorf("variant %s: %w", s.name, o.err)
	}
	return o.out, nil
}

// bv is a term of the solver: a bit-vector of some width. If sum is set it has 64
// bits and is base plus off; an empty base stands for 0.
type bv struct {
	text string
	sum  bool
	base string
	off  uint64
}

// shadow is the machine in the solver's terms, as state is in the proof's.
type shadow struct {
	regs                [numRegs]bv
	cf, pf, zf, sf, of  string // Booleans, as are flags and irq
	flags               [numFlags]string
	irq                 string
	bases               [numBases]bv
	msrs                [numMSRs]bv
	selectors           [6]bv
	xmm                 [numXMM]bv
	mxcsr               bv
	x87                 [numX87]bv
	aligned             string // the condition that the last instruction's operand lies at a multiple of 16
	origin              bv
	lowered             string // RSP after the random distance was subtracted; loweredFrom is what it was before, relative to origin
	loweredFrom         uint64
	kstack              bv // Thread.KStackOffset
	bsd                 [numBSD]bv
	random              [2]bv // PerCPU.KStackRandom
	phase               phase
	cells               [numCells]bv
	changed             [layout.NumSlots]string // the condition that a slot ever got another value; empty: it was not written
	scratch             [numScratch]bv
	trampoline          [trampolineCells]bv
	saved               [numSaved]bv
	shadow              [numShadowMSRs]bv // the MSRs of shadow stacks
	current             bool              // the thread that is switched to is the current one
	work, seen, status  bv                // Thread.Flags, as it was read last; Thread.Status
	cr3, kernel         bv
	flushes, specCtrl   bv
	canary, depth       bv
	count               bv     // PerCPU.PreemptCount
	held                bool   // it was raised
	rsp0, rsp0Word      bv     // MSR_IA32_FRED_RSP0, PerCPU.FREDRSP0
	target              bv     // where the last instruction went
	orig                value  // the orig_ax that the call goes by
	stored, storedOver  bv     // what it stored last, and over what
	cond                string // the condition of the last instruction
	places              []string
	loadedCR3, wroteMSR bv
}

// oracle writes the script.
type oracle struct {
	*machine
	at       places
	out      *Obligations
	script   strings.Builder
	names    map[*term]string
	declared map[*term]bool
	scopes   [][]*term
	count    int
	hints    []hint
	lowers   *term // of the instruction that runs: traced.lowered
	refuted  bool  // the script asks only for refuted claims
	err      error
}

func newOracle(m *machine, at places) *oracle {
	return &oracle{machine: m, at: at, out: &Obligations{}, names: map[*term]string{}, declared: map[*term]bool{}}
}

func (o *oracle) printf(format string, args ...any) { fmt.Fprintf(&o.script, format, args...) }

func (o *oracle) push() {
	o.printf("(push 1)\n")
	o.scopes = append(o.scopes, nil)
}

func (o *oracle) pop() {
	o.printf("(pop 1)\n")
	last := len(o.scopes) - 1
	for _, t := range o.scopes[last] {
		delete(o.declared, t)
	}
	o.scopes = o.scopes[:last]
}

func (o *oracle) assert(text string) { o.printf("(assert %s)\n", text) }

// define gives a long term a name, so that its text stands once in the script.
func (o *oracle) define(width int, text string) bv {
	if len(text) < 32 {
		return bv{text: text}
	}
	o.count++
	name := fmt.Sprintf("t%d", o.count)
	o.printf("(define-fun %s () (_ BitVec %d) %s)\n", name, width, text)
	return bv{text: name}
}

// truth gives a long condition a name.
func (o *oracle) truth(text string) string {
	if len(text) < 32 {
		return text
	}
	o.count++
	name := fmt.Sprintf("c%d", o.count)
	o.printf("(define-fun %s () Bool %s)\n", name, text)
	return name
}

// fresh declares an unknown word.
func (o *oracle) fresh() bv {
	o.count++
	name := fmt.Sprintf("u%d", o.count)
	o.printf("(declare-const %s (_ BitVec 64))\n", name)
	return bv{name, true, name, 0}
}

// freshBit declares an unknown Boolean.
func (o *oracle) freshBit() string {
	o.count++
	name := fmt.Sprintf("b%d", o.count)
	o.printf("(declare-const %s Bool)\n", name)
	return name
}

// symbol returns the solver's name for a symbol of the proof.
func (o *oracle) symbol(t *term) string {
	name, ok := o.names[t]
	if !ok {
		clean := strings.NewReplacer("|", "", `\`, "").Replace(t.name)
		name = fmt.Sprintf("|%s %d|", clean, len(o.names))
		o.names[t] = name
	}
	if !o.declared[t] {
		o.declared[t] = true
		o.scopes[len(o.scopes)-1] = append(o.scopes[len(o.scopes)-1], t)
		o.printf("(declare-const %s (_ BitVec 64))\n", name)
		if t.low != 0 {
			o.assert(fmt.Sprintf("(= (bvand %s %s) %s)", name, literal(t.low, 64), literal(0, 64)))
		}
	}
	return name
}

func literal(n uint64, width int) string {
	if width%4 == 0 {
		return fmt.Sprintf("#x%0*x", width/4, n&maskOf(uint8(width/8)))
	}
	return fmt.Sprintf("(_ bv%d %d)", n, width)
}

func word64(n uint64) bv { return bv{literal(n, 64), true, "", n} }

func sum(base string, off uint64) bv {
	switch {
	case base == "":
		return word64(off)
	case off == 0:
		return bv{base, true, base, 0}
	}
	return bv{fmt.Sprintf("(bvadd %s %s)", base, literal(off, 64)), true, base, off}
}

// plus adds a constant to a word.
func (o *oracle) plus(x bv, n uint64) bv {
	if x.sum {
		return sum(x.base, x.off+n)
	}
	return o.define(64, fmt.Sprintf("(bvadd %s %s)", x.text, literal(n, 64)))
}

// added adds two words.
func (o *oracle) added(x, y bv) bv {
	switch {
	case x.sum && x.base == "":
		return o.plus(y, x.off)
	case y.sum && y.base == "":
		return o.plus(x, y.off)
	}
	return o.define(64, fmt.Sprintf("(bvadd %s %s)", x.text, y.text))
}

func same(a, b string) string {
	if a == b {
		return "true"
	}
	return fmt.Sprintf("(= %s %s)", a, b)
}

func not(a string) string {
	switch a {
	case "true":
		return "false"
	case "false":
		return "true"
	}
	return "(not " + a + ")"
}

// clearIn returns the condition that all bits of a mask are clear in a word.
func clearIn(x bv, mask uint64) string {
	return fmt.Sprintf("(= (bvand %s %s) %s)", x.text, literal(mask, 64), literal(0, 64))
}

func isBit(b string) string { return "(= " + b + " #b1)" }

// bitOf returns a bit of a term as a Boolean.
func bitOf(text string, n int) string {
	return isBit(fmt.Sprintf("((_ extract %d %d) %s)", n, n, text))
}

// low returns the lowest bits of a word.
func low(text string, width int) string {
	if width == 64 {
		return text
	}
	return fmt.Sprintf("((_ extract %d 0) %s)", width-1, text)
}

// wide extends a term with zeros.
func wide(text string, from, to int) string {
	if from == to {
		return text
	}
	return fmt.Sprintf("((_ zero_extend %d) %s)", to-from, text)
}

// value translates a value of the proof into the solver's terms. It serves claims
// and what the kernel does; the results of instructions are computed by the
// solver's own model instead.
func (o *oracle) value(v value) bv {
	if v.t == nil {
		return word64(v.c)
	}
	if v.t.op == isSymbol {
		return sum(o.symbol(v.t), v.c)
	}
	x := o.value(v.t.x).text
	k := literal(v.t.k, 64)
	var text string
	switch v.t.op {
	case isAnd:
		text = fmt.Sprintf("(bvand %s %s)", x, k)
	case isOr:
		text = fmt.Sprintf("(bvor %s %s)", x, k)
	case isShr:
		text = fmt.Sprintf("(bvlshr %s %s)", x, k)
	case isShl:
		text = fmt.Sprintf("(bvshl %s %s)", x, k)
	case isSar:
		text = fmt.Sprintf("(bvashr %s %s)", x, k)
	case isSext:
		text = fmt.Sprintf("((_ sign_extend %d) %s)", 64-8*v.t.k, low(x, int(8*v.t.k)))
	case isNot:
		text = fmt.Sprintf("(bvnot %s)", x)
	case isRol:
		text = fmt.Sprintf("((_ rotate_left %d) %s)", v.t.k, x)
	case isJoin:
		text = fmt.Sprintf("(bvor (bvand %s %s) (bvshl %s %s))", x, literal(1<<v.t.k-1, 64), o.value(v.t.y).text, k)
	case isEntry:
		text = o.entry(x)
	default:
		o.fail("a claim is about %v, which has no term", v)
		return word64(0)
	}
	return o.plus(o.define(64, text), v.c)
}

// entry returns the word of sys_call_table at an index.
func (o *oracle) entry(number string) string {
	return fmt.Sprintf("(select sys_call_table (bvadd %s (bvshl %s %s)))", literal(o.table, 64), number, literal(3, 64))
}

// assumed translates a predicate of the proof that the kernel's contract guarantees.
func (o *oracle) assumed(g *given) string {
	var text string
	switch a, b := o.value(g.p.a).text, o.value(g.p.b).text; g.p.kind {
	case equal:
		text = same(a, b)
	case below:
		text = fmt.Sprintf("(bvult %s %s)", a, b)
	case always:
		text = "true"
	default:
		text = "false"
	}
	if g.holds {
		return text
	}
	return not(text)
}

func (o *oracle) fail(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}
