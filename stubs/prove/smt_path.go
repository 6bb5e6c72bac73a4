package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// follow writes what happens on all paths from a place on.
func (o *oracle) follow(sh *shadow, t *traced, scope bool) {
	if scope {
		o.push()
		defer o.pop()
	}
	for {
		o.happens(sh, t)
		if len(t.next) != 1 {
			break
		}
		t = t.next[0]
	}
	for _, next := range t.next {
		if o.refuted && !next.refutes {
			continue
		}
		copied := *sh
		o.follow(&copied, next, true)
	}
}

// happens writes one thing that happens on a path, with the claims there.
func (o *oracle) happens(sh *shadow, t *traced) {
	sh.places = nil
	o.hints, o.lowers = t.hints, t.lowered
	var own []string // what must hold besides the claims
	switch t.kind {
	case kernel:
		own = o.kernel_(sh, t)
	case ran:
		sh.target, sh.stored, sh.cond = bv{}, bv{}, ""
		o.run(sh, t.in, t.at+uint64(t.in.len))
		own = sh.places
	case parted:
		if t.holds {
			o.assert(sh.cond)
		} else {
			o.assert(not(sh.cond))
		}
	case kept:
		if own = []string{sh.cond}; !t.holds {
			own = []string{not(sh.cond)}
		}
	case went:
		if sh.target.text != "" {
			own = []string{same(sh.target.text, literal(t.at, 64))}
		}
	}
	if slices.ContainsFunc(t.claims, func(c obligation) bool { return c.outcome != Proved }) {
		own = nil // the path ends here, so nothing was assumed
	}
	o.check(sh, t, own)
	if t.kind == ran && !moves(t.in) || t.kind == parted || t.kind == kept || t.kind == went {
		o.interrupt(sh)
	}
}

// moves reports whether an instruction may go elsewhere, so that only what happens
// next tells whether the kernel runs.
func moves(in *inst) bool {
	switch in.op {
	case opJMP, opCALL, opRET, opRETN:
		return true
	}
	return false
}

// interrupt makes unknown what an interrupt between two instructions may change.
func (o *oracle) interrupt(sh *shadow) {
	if sh.irq == "false" || sh.phase != inCall {
		return
	}
	o.loseBelow(sh)
	sh.work, sh.count = bv{}, bv{}
	for i := range sh.scratch {
		if !o.preserved[i] {
			sh.scratch[i] = bv{}
		}
	}
	sh.trampoline = [trampolineCells]bv{}
	if o.promises.Has(stubs.PromisePCID) {
		sh.flushes = bv{}
	}
	if o.fred() { // that of any thread
		sh.rsp0 = o.fresh()
		sh.rsp0Word = sh.rsp0
	}
}

// named gives a word a fresh name if others may have written it since it was read.
func (o *oracle) named(w *bv) *bv {
	if w.text == "" {
		*w = o.fresh()
	}
	return w
}

// loseBelow makes the words below RSP unknown.
func (o *oracle) loseBelow(sh *shadow) {
	rsp := sh.raised(sh.regs[rSP])
	first := 0
	if n := int64(sh.origin.off - rsp.off); rsp.sum && rsp.base == sh.origin.base && n > 0 {
		first = int(n+7) / 8
	}
	for i := first; i < numCells; i++ {
		sh.cells[i] = bv{}
	}
}

// check writes the questions for the claims at a place.
func (o *oracle) check(sh *shadow, t *traced, own []string) {
	proved := slices.DeleteFunc(slices.Clone(own), func(s string) bool { return s == "true" })
	names := make([]string, 0, len(proved)+len(t.claims))
	for range proved {
		names = append(names, "what the proof takes for known of the instruction")
	}
	at := o.at.at(t.at)
	for _, c := range t.claims {
		of := ""
		if c.key.of != nil {
			of = c.key.of.name
		}
		what := c.key.kind.text(c.key.n, of)
		text, ok := o.claim(sh, c)
		switch {
		case c.outcome == Undecided: // or refuted on an earlier path
			o.printf("; %v: not asked: %s\n", at, what)
		case !ok && c.outcome == Proved:
			o.out.Ghosts++
			o.printf("; %v: no matter of words: %s\n", at, what)
		case c.outcome == Proved:
			o.out.Claims++
			proved, names = append(proved, text), append(names, what)
		default: // refuted: some input comes here and violates the claim
			o.out.Claims++
			o.ask(at, []string{what}, []string{text}, true)
		}
	}
	if len(proved) > 0 && !o.refuted {
		o.ask(at, names, proved, false)
	}
}

// ask writes a check-sat.
func (o *oracle) ask(at Where, names, claims []string, sat bool) {
	o.printf("; %v\n", at)
	for _, n := range names {
		o.printf(";  %s\n", n)
	}
	status := map[bool]string{false: "unsat", true: "sat"}[sat]
	o.printf("(push 1)\n(assert (not (and %s true)))\n(check-sat) ; %s\n(pop 1)\n", strings.Join(claims, " "), status)
	o.out.Checks = append(o.out.Checks, Check{at, names, sat})
}

// kernel_ copies what a function of the kernel has changed, or the start of a path,
// from the proof's state.
func (o *oracle) kernel_(sh *shadow, t *traced) (own []string) {
	after := t.after
	if t.before == nil {
		o.begin(sh, after)
		return nil
	}
	before := t.before
	changed := func(a, b word) bool { return a.v != b.v || a.by != b.by }
	take := func(to *bv, a, b word) {
		switch {
		case !changed(a, b):
		case b.v == (value{}) && b.by == lost:
			*to = bv{}
		default:
			*to = o.value(b.v)
		}
	}
	if rsp := sh.regs[rSP]; before.phase == after.phase && after.regs[rSP].v == before.regs[rSP].v.add(8) { // it has returned
		if p, _ := o.locate(sh, rsp, operand{kind: inMem, base: rSP, index: noReg}, false); p != nil {
			back := literal(after.pc, 64)
			if after.to == o.s.ret.value() { // the caller of the switch
				back = o.value(after.to).text
			}
			own = append(own, same(p.text, back))
		}
	}
	if before.phase == inLeave && after.phase == inResume {
		own = append(own, same(sh.saved[savedSP].text, o.value(after.regs[rSP].v).text))
		for i, w := range before.scratch {
			if w.v == o.s.nextUserSP.value() {
				own = append(own, same(sh.saved[savedUserSP].text, o.value(after.scratch[i].v).text))
			}
		}
	}
	for g := after.given; g != before.given; g = g.before {
		o.assert(o.assumed(g))
	}
	for i := range sh.regs {
		if changed(before.regs[i], after.regs[i]) {
			sh.regs[i] = o.value(after.regs[i].v)
		}
	}
	if after.lowered == nil {
		sh.lowered = ""
	}
	take(&sh.kstack, before.kstack, after.kstack)
	for i := range sh.bsd {
		take(&sh.bsd[i], before.bsd[i], after.bsd[i])
	}
	for i := range sh.random {
		take(&sh.random[i], before.random[i], after.random[i])
	}
	sh.cf, sh.pf, sh.zf, sh.sf, sh.of = o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit()
	if before.irq != after.irq {
		sh.irq = map[tri]string{off: "false", on: "true"}[after.irq]
		if after.irq == either {
			sh.irq = o.freshBit()
		}
	}
	for i := range sh.bases {
		take(&sh.bases[i], before.bases[i], after.bases[i])
	}
	for i := range sh.cells {
		take(&sh.cells[i], before.cells.in(i), after.cells.in(i))
	}
	take(&sh.canary, before.canary, after.canary)
	for i := range sh.shadow {
		take(&sh.shadow[i], before.shadow[i], after.shadow[i])
	}
	take(&sh.depth, before.depth, after.depth)
	take(&sh.count, before.count, after.count)
	take(&sh.rsp0, before.rsp0, after.rsp0)
	take(&sh.rsp0Word, before.rsp0Word, after.rsp0Word)
	for i := range sh.scratch {
		take(&sh.scratch[i], before.scratch[i], after.scratch[i])
	}
	if before.expect.xmm != after.expect.xmm {
		for i := range sh.xmm {
			sh.xmm[i] = o.value(after.expect.xmm.at(i))
		}
		sh.mxcsr = o.value(after.mxcsr.v)
	}
	for i := range sh.trampoline {
		take(&sh.trampoline[i], before.trampoline.in(i), after.trampoline.in(i))
	}
	switch {
	case after.stale:
		sh.work = bv{}
	case before.work != after.work:
		sh.work = o.value(after.work)
	}
	if before.work != after.work {
		sh.seen = o.value(after.work)
	}
	if before.kernel != after.kernel {
		sh.kernel, sh.cr3 = o.value(after.kernel), o.value(after.cr3)
	}
	if before.flushes != after.flushes {
		sh.flushes = o.value(after.flushes)
	}
	sh.phase, sh.current, sh.orig = after.phase, after.current, o.orig(after)
	return own
}

// begin sets up the machine at the start of a path.
func (o *oracle) begin(sh *shadow, st *state) {
	o.printf("; %s: %s\n(declare-const sys_call_table (Array (_ BitVec 64) (_ BitVec 64)))\n", o.name(st.pc), o.subject.name)
	for i, w := range st.regs {
		sh.regs[i] = o.value(w.v)
	}
	sh.cf, sh.pf, sh.zf, sh.sf, sh.of = o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit()
	sh.irq = "false"
	for i, bit := range flagBits { // SYSCALL clears what is in MSR_SYSCALL_MASK
		sh.flags[i] = "false"
		if st.phase == inCall && st.flags[i] == either {
			sh.flags[i] = not(clearIn(sh.regs[r11], bit))
		}
	}
	if st.irq == on {
		sh.irq = "true"
	}
	for i, w := range st.msrs {
		sh.msrs[i] = o.value(w.v)
	}
	for i, w := range st.bases {
		sh.bases[i] = o.value(w.v)
	}
	for i, t := range o.s.selectors {
		sh.selectors[i] = o.value(t.value())
		o.assert(clearIn(sh.selectors[i], ^uint64(0xffff)))
	}
	for i, t := range o.s.xmm {
		sh.xmm[i] = o.value(t.value())
		if st.expect.xmm != nil {
			sh.xmm[i] = o.value(st.expect.xmm.at(i))
		}
	}
	for i := range sh.x87 {
		sh.x87[i] = o.value(o.userX87(i))
	}
	sh.rsp0, sh.rsp0Word = o.value(st.rsp0.v), o.value(st.rsp0Word.v)
	for i, w := range st.shadow {
		sh.shadow[i] = o.value(w.v)
	}
	sh.mxcsr = o.value(st.mxcsr.v)
	o.assert(clearIn(sh.mxcsr, ^maskOf(4)))
	sh.origin, sh.phase, sh.orig = o.value(st.origin), st.phase, o.orig(st)
	for i := range sh.cells {
		switch w := st.cells.in(i); {
		case w.v != (value{}):
			sh.cells[i] = o.value(w.v)
		default:
			sh.cells[i] = o.value(o.s.cells[i].value())
		}
	}
	for i, w := range st.scratch {
		sh.scratch[i] = o.value(w.v)
	}
	sh.work, sh.status = o.value(st.work), o.value(o.s.status.value())
	sh.seen, sh.kstack = sh.work, o.value(st.kstack.v)
	for i, w := range st.bsd {
		sh.bsd[i] = o.value(w.v)
	}
	sh.cr3, sh.kernel, sh.flushes = o.value(st.cr3), o.value(st.kernel), o.value(st.flushes)
	sh.specCtrl = o.userSpecCtrl()
	if st.ibrs {
		sh.specCtrl = o.kernelSpecCtrlWord()
	}
	if o.promises.Has(stubs.PromiseIBRS) {
		o.assert(clearIn(o.kernelSpecCtrlWord(), ^maskOf(4)))
		o.assert(not(clearIn(o.kernelSpecCtrlWord(), x86.SPEC_CTRL_IBRS)))
	}
	if st.phase == inInterrupt && o.percpuArea != 0 {
		o.assert(same(o.value(o.s.area.value()).text, literal(o.percpuArea, 64)))
	}
	for g := st.given; g != nil; g = g.before {
		o.assert(o.assumed(g))
	}
}

func (o *oracle) kernelSpecCtrlWord() bv {
	return o.value(o.s.percpu[uint64(percpu.SpecCtrl.Off)].value())
}

func (o *oracle) userSpecCtrl() bv {
	return o.define(64, fmt.Sprintf("(bvand %s %s)", o.kernelSpecCtrlWord().text, literal(^uint64(x86.SPEC_CTRL_IBRS), 64)))
}
