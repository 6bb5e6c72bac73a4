package asm

import "fmt"

// CC is a condition code, with Intel's names.
type CC uint8

// The condition codes, in the order of their encoding (SDM volume 2, B.1.4.7).
const (
	O CC = iota
	NO
	B
	AE
	E
	NE
	BE
	A
	S
	NS
	P
	NP
	L
	GE
	LE
	G
	always
)

var ccNames = [...]string{"O", "NO", "B", "AE", "E", "NE", "BE", "A", "S", "NS", "P", "NP", "L", "GE", "LE", "G", "MP"}

// jumpNames are the mnemonics that branch on each condition.
var jumpNames = func() (names [always + 1]string) {
	for cc, name := range ccNames {
		names[cc] = "J" + name
	}
	return names
}()

// String returns the name as it stands in a mnemonic.
func (cc CC) String() string {
	if cc < always {
		return ccNames[cc]
	}
	return fmt.Sprintf("CC(%d)", uint8(cc))
}

func (cc CC) inverse() CC { return cc ^ 1 }

// Cond is an IF with its branches.
type Cond struct {
	cc        CC
	then, els Block
	pc        uintptr
}

// IF runs the items when the flags of the instruction before it fulfil cc.
//
//go:noinline
func IF(cc CC, items ...Item) *Cond { return &Cond{cc: cc, then: items, pc: callerPC(2)} }

// ELSE adds the items that run if the condition does not hold.
//
//go:noinline
func (c *Cond) ELSE(items ...Item) *Cond { c.els = items; return c }

func (c *Cond) lower(l *lowering) {
	if !l.checkCC("IF", c.cc, c.pc) {
		return
	}
	end := &label{pc: c.pc}
	if len(c.els) == 0 {
		l.branch(c.cc.inverse(), end, c.pc)
		l.inside("IF", c.pc, c.then)
		l.bind(end)
		return
	}
	els := &label{pc: c.pc}
	l.branch(c.cc.inverse(), els, c.pc)
	l.inside("IF", c.pc, c.then)
	if !l.ended() {
		l.branch(always, end, c.pc)
	}
	l.bind(els)
	l.inside("ELSE", c.pc, c.els)
	l.bind(end)
}

// over is the item of OVER.
type over struct {
	body    Block
	comment string
	pc      uintptr
}

// OVER emits a JMP over the items, with a comment: the items are what would run if a
// feature that is switched off were on.
//
//go:noinline
func OVER(comment string, items ...Item) Item { return over{items, comment, callerPC(2)} }

func (o over) lower(l *lowering) {
	end := &label{pc: o.pc}
	in := &instruction{name: jumpNames[always], nargs: 1, args: [2]any{""}, note: o.comment, pc: o.pc}
	l.add(line{in: in, target: end})
	l.inside("OVER", o.pc, o.body)
	l.bind(end)
}

// loop is the item of LOOP and of DO with its WHILE.
type loop struct {
	body  Block
	isDo  bool
	while CC // DO: the condition of the closing branch
	pc    uintptr
}

// LOOP repeats the items until a BREAK.
//
//go:noinline
func LOOP(items ...Item) Item { return loop{body: items, pc: callerPC(2)} }

// DO runs the items, and repeats them while WHILE's condition holds.
//
//go:noinline
func DO(items ...Item) *DoLoop { return &DoLoop{items, callerPC(2)} }

// DoLoop is a DO that waits for its WHILE.
type DoLoop struct {
	body Block
	pc   uintptr
}

// WHILE closes a DO: it jumps back to its start if cc holds.
//
//go:noinline
func (d *DoLoop) WHILE(cc CC) Item { return loop{d.body, true, cc, d.pc} }

func (lp loop) lower(l *lowering) {
	if lp.isDo && !l.checkCC("WHILE", lp.while, lp.pc) {
		return
	}
	start, end := &label{pc: lp.pc}, &label{pc: lp.pc}
	next := start
	if lp.isDo {
		next = &label{pc: lp.pc}
	}
	l.loops = append(l.loops, loopLabels{next, end})
	l.bind(start)
	word := "LOOP"
	if lp.isDo {
		word = "DO"
	}
	l.inside(word, lp.pc, lp.body)
	if lp.isDo {
		l.bind(next)
		l.branch(lp.while, start, lp.pc)
	} else {
		l.branch(always, start, lp.pc)
	}
	l.bind(end)
	l.loops = l.loops[:len(l.loops)-1]
}

type loopLabels struct{ next, end *label }

// leave is the item of BREAK and CONTINUE.
type leave struct {
	word string
	cc   []CC
	pc   uintptr
}

// BREAK leaves the innermost loop; if cc is given, only when it holds.
//
//go:noinline
func BREAK(cc ...CC) Item { return leave{"BREAK", cc, callerPC(2)} }

// CONTINUE goes to the next round of the innermost loop (in a DO: to its
// condition); if cc is given, only when it holds.
//
//go:noinline
func CONTINUE(cc ...CC) Item { return leave{"CONTINUE", cc, callerPC(2)} }

func (lv leave) lower(l *lowering) {
	cc := always
	if len(lv.cc) > 1 {
		l.errorf(lv.pc, "%s: %d conditions; want one at most", lv.word, len(lv.cc))
		return
	} else if len(lv.cc) == 1 {
		if cc = lv.cc[0]; !l.checkCC(lv.word, cc, lv.pc) {
			return
		}
	}
	if len(l.loops) == 0 {
		l.errorf(lv.pc, "%s: not in a LOOP or DO", lv.word)
		return
	}
	to := l.loops[len(l.loops)-1]
	if lv.word == "BREAK" {
		l.branch(cc, to.end, lv.pc)
	} else {
		l.branch(cc, to.next, lv.pc)
	}
}

func (l *lowering) checkCC(word string, cc CC, pc uintptr) bool {
	if cc < always {
		return true
	}
	l.errorf(pc, "%s: no condition %v; want one of O to G", word, cc)
	return false
}

// construct is a branch of an IF, or the body of a loop.
type construct struct {
	word  string
	pc    uintptr
	outer *construct // nil: the function
}

// inside lowers the items of a structured form.
func (l *lowering) inside(word string, pc uintptr, items Block) {
	outer := l.form
	l.form = &construct{word, pc, outer}
	l.block(items)
	l.form = outer
}

// has reports whether the form is inner or encloses it.
func (f *construct) has(inner *construct) bool {
	for ; inner != nil; inner = inner.outer {
		if inner == f {
			return true
		}
	}
	return f == nil
}

// checkJumps refuses jumps into a structured form from outside: a reader takes the
// form's head for the only way in.
func (l *lowering) checkJumps() {
	in := make(map[*label]*construct, len(l.labels))
	for _, ln := range l.lines {
		if ln.bind == nil {
			continue
		}
		in[ln.bind] = ln.form
		if ln.bind.global && ln.form != nil {
			l.errorf(ln.bind.pc, "GLOBAL %s is in the %s at %v; other functions cannot jump there", ln.bind.name, ln.form.word, l.rep.place(ln.form.pc))
		}
	}
	check := func(ln line, to *label) {
		if to == nil || in[to].has(ln.form) {
			return
		}
		f := in[to]
		l.insErrorf(ln.in, "LABEL %s, at %v, is in the %s at %v, and this jump comes from outside", to.name, l.rep.place(to.pc), f.word, l.rep.place(f.pc))
	}
	for _, ln := range l.lines {
		if ln.in == nil || ln.target != nil {
			continue
		}
		check(ln, l.branchTo(ln))
		check(ln, l.labels[ln.in.fault])
	}
}
