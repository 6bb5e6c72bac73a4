// Package asm turns listings into machine code. A listing is a Go value: a
// [Block] of instructions that reads as a kernel engineer would write it,
// composes, compares and prints.
//
// It is the second step of the flow (variant, listing, machine code, image,
// machine, lines) and the only importer of golang-asm, whose silent faults it
// closes: every mnemonic is a row of one table and tested against GNU as,
// immediates are range-checked, labels are resolved here, fatal paths become
// errors. All errors of a build are reported together, each with the Go line
// of the listing.
//
// The package is made to be imported with a dot.
package asm

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Item is a part of a listing: an instruction, a label, a block, or one of the
// structured forms (IF, LOOP, DO).
type Item interface{ lower(*lowering) }

// Block is a listing: items in order.
type Block []Item

func (b Block) lower(l *lowering) {
	for _, item := range b {
		item.lower(l)
	}
}

// Ins is one instruction. Its methods return a changed copy, so that a listing
// reads as a column of mnemonics with what is said of each behind it.
type Ins struct {
	name   string
	args   [2]any
	nargs  int
	prefix prefix
	claim  *Slot
	fault  string
	note   string
	pc     uintptr
}

type prefix uint8

const (
	noPrefix prefix = iota
	prefixLock
	prefixRep
	prefixRepne
)

var prefixNames = [...]string{prefixLock: "LOCK ", prefixRep: "REP ", prefixRepne: "REPNE "}

// ins makes the instruction that the mnemonic function calling it stands for,
// with the listing's line as its place.
func ins(name string, args ...any) Ins {
	in := Ins{name: name, nargs: len(args), pc: callerPC(3)}
	copy(in.args[:], args)
	return in
}

// callerPC returns the program counter of the caller skip frames up, as
// runtime.Callers counts them plus one.
func callerPC(skip int) uintptr {
	var pc [1]uintptr
	runtime.Callers(skip+1, pc[:])
	return pc[0]
}

func (in Ins) lower(l *lowering) { l.emit(in) }

// Is claims that the instruction pushes, pops, stores or loads this slot of
// the frame. The assembler follows RSP from the last FRAME on and refuses a
// claim that is not so.
func (in Ins) Is(slot Slot) Ins {
	in.claim = &slot
	return in
}

// C adds a comment that is printed in the listing.
func (in Ins) C(comment string) Ins {
	in.note = comment
	return in
}

// Fault names the local label at which the kernel goes on if the instruction's
// memory access faults on a user address.
func (in Ins) Fault(label string) Ins {
	in.fault = label
	return in
}

// LOCK makes a read-modify-write instruction atomic.
func LOCK(in Ins) Ins { in.prefix = prefixLock; return in }

// REP repeats a string instruction RCX times.
func REP(in Ins) Ins { in.prefix = prefixRep; return in }

// REPE repeats a comparing string instruction while equal, RCX times at most.
func REPE(in Ins) Ins { in.prefix = prefixRep; return in }

// REPNE repeats a comparing string instruction while not equal, RCX times at
// most.
func REPNE(in Ins) Ins { in.prefix = prefixRepne; return in }

// String prints the instruction as the listing shows it, without its place.
func (in Ins) String() string {
	var b strings.Builder
	b.WriteString(prefixNames[in.prefix])
	b.WriteString(in.name)
	for i, arg := range in.args[:in.nargs] {
		sep := ", "
		if i == 0 {
			sep = strings.Repeat(" ", max(1, 8-b.Len()))
		}
		b.WriteString(sep)
		switch a := arg.(type) {
		case Reg, string:
			fmt.Fprint(&b, a)
		case Mem:
			if text, ok := strings.CutPrefix(a.Sym, strPrefix); ok {
				fmt.Fprintf(&b, "%q", text)
			} else {
				b.WriteString(a.String())
			}
		default:
			if v, ok := intOf(arg); !ok {
				fmt.Fprintf(&b, "%v", arg)
			} else if -1024 <= v && v < 10 {
				fmt.Fprintf(&b, "$%d", v)
			} else {
				fmt.Fprintf(&b, "$%#x", uint64(v))
			}
		}
	}
	return b.String()
}

// label is a place in a function: named by LABEL, or anonymous.
type label struct {
	name string
	pc   uintptr
}

func (lb *label) lower(l *lowering) { l.bind(lb) }

// LABEL names a place. Labels are local to their function, and are local
// symbols of the image.
func LABEL(name string) Item { return &label{name: name, pc: callerPC(2)} }

// frameAt is the item of FRAME.
type frameAt struct{ off int }

func (f frameAt) lower(l *lowering) { l.cur().add(line{frame: &f.off}) }

// FRAME states that RSP is here off bytes above the start of the frame whose
// slots the following instructions claim: the frame's size when RSP has just
// been set to the top of the stack.
func FRAME(off int) Item { return frameAt{off} }

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

func (cc CC) inverse() CC { return cc ^ 1 }

// Cond is an IF with its branches.
type Cond struct {
	cc        CC
	then, els Block
	pc        uintptr
}

// IF runs the items when the flags of the instruction before it fulfil cc.
func IF(cc CC, items ...Item) Cond { return Cond{cc: cc, then: items, pc: callerPC(2)} }

// ELSE adds what runs otherwise.
func (c Cond) ELSE(items ...Item) Cond { c.els = items; return c }

func (c Cond) lower(l *lowering) {
	end := &label{pc: c.pc}
	if len(c.els) == 0 {
		l.branch(c.cc.inverse(), end, c.pc)
		c.then.lower(l)
		l.bind(end)
		return
	}
	els := &label{pc: c.pc}
	l.branch(c.cc.inverse(), els, c.pc)
	c.then.lower(l)
	if !l.cur().ended() {
		l.branch(always, end, c.pc)
	}
	l.bind(els)
	c.els.lower(l)
	l.bind(end)
}

type loop struct {
	body  Block
	while []CC // DO: the conditions of the closing branch
	pc    uintptr
}

// LOOP repeats the items until a BREAK.
func LOOP(items ...Item) Item { return loop{body: items, pc: callerPC(2)} }

// DO runs the items, and again while WHILE's condition holds.
func DO(items ...Item) DoLoop { return DoLoop{items, callerPC(2)} }

// DoLoop is a DO that waits for its WHILE.
type DoLoop struct {
	body Block
	pc   uintptr
}

// WHILE closes a DO: back to its start if cc holds.
func (d DoLoop) WHILE(cc CC) Item { return loop{d.body, []CC{cc}, d.pc} }

func (lp loop) lower(l *lowering) {
	start, end := &label{pc: lp.pc}, &label{pc: lp.pc}
	next := start
	if lp.while != nil {
		next = &label{pc: lp.pc}
	}
	l.loops = append(l.loops, loopLabels{next, end})
	l.bind(start)
	lp.body.lower(l)
	if lp.while != nil {
		l.bind(next)
		l.branch(lp.while[0], start, lp.pc)
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
	cc   CC
	pc   uintptr
}

// BREAK leaves the innermost loop, if cc is given only when it holds.
func BREAK(cc ...CC) Item { return leave{"BREAK", oneCC(cc), callerPC(2)} }

// CONTINUE goes to the next round of the innermost loop (in a DO: to its
// condition), if cc is given only when it holds.
func CONTINUE(cc ...CC) Item { return leave{"CONTINUE", oneCC(cc), callerPC(2)} }

func oneCC(cc []CC) CC {
	if len(cc) == 0 {
		return always
	}
	return cc[0]
}

func (lv leave) lower(l *lowering) {
	if len(l.loops) == 0 {
		l.errorf(lv.pc, "%s: not in a LOOP or DO", lv.word)
		return
	}
	to := l.loops[len(l.loops)-1]
	if lv.word == "BREAK" {
		l.branch(lv.cc, to.end, lv.pc)
	} else {
		l.branch(lv.cc, to.next, lv.pc)
	}
}

type ret struct{ pc uintptr }

// RETURN pops the registers that the function saves, in reverse, and returns.
func RETURN() Item { return ret{callerPC(2)} }

func (r ret) lower(l *lowering) {
	for _, reg := range slices.Backward(l.fn.Saves) {
		l.emit(Ins{name: "POPQ", args: [2]any{reg}, nargs: 1, pc: r.pc})
	}
	l.emit(Ins{name: "RET", pc: r.pc})
}

// Func is a function: a named place in the text.
type Func struct {
	Name string
	// Doc states the contract: state on entry, clobbers, result.
	Doc string
	// Bits is 32 for code that runs in 32-bit protected mode before long mode:
	// its symbols are physical addresses. 0 means 64.
	Bits int
	// Group gathers functions: all of a group stand together, between the
	// symbols __GROUP_start and __GROUP_end.
	Group string
	// Saves are pushed at the start and popped by RETURN.
	Saves []Reg
	Body  Block

	pc uintptr
}

// FUNC makes a function with the caller's line as its place.
func FUNC(name, doc string, items ...Item) Func {
	return Func{Name: name, Doc: doc, Body: items, pc: callerPC(2)}
}

// Saving returns the function with registers that it pushes at its start and
// RETURN pops.
func (f Func) Saving(regs ...Reg) Func { f.Saves = regs; return f }

// In returns the function as a member of a group.
func (f Func) In(group string) Func { f.Group = group; return f }
