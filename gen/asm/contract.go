package asm

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// A contract says what a function does with registers. Takes declares it; what
// the others leave out is the convention: RBX, RBP, R12 to R15 and RSP are
// kept, all other registers and the flags are clobbered.
type contract struct {
	takes, returns, keeps regSet
	spoils                regSet // registers that the convention keeps
	noReturn              bool
}

// regSet is a set of the general registers and FLAGS.
type regSet uint32

func setOf(regs ...Reg) (s regSet) {
	for _, r := range regs {
		if r == FLAGS {
			s |= flagsBit
		} else if r.general() {
			s |= 1 << (r - RAX)
		}
	}
	return s
}

const flagsBit regSet = 1 << 16

var (
	allRegs     = flagsBit<<1 - 1
	calleeSaved = setOf(RBX, RBP, RSP, R12, R13, R14, R15)
)

// each yields the registers of the set.
func (s regSet) each(yield func(Reg) bool) {
	for ; s != 0; s &= s - 1 {
		r := FLAGS
		if n := bits.TrailingZeros32(uint32(s)); n < 16 {
			r = RAX + Reg(n)
		}
		if !yield(r) {
			return
		}
	}
}

// String lists the registers.
func (s regSet) String() string {
	if s == 0 {
		return "nothing"
	}
	var names []string
	for r := range s.each {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// bit is the register's index in a state.
func (r Reg) bit() int { return bits.TrailingZeros32(uint32(setOf(r))) }

// unchanged are the registers that hold the same after a call as before it.
func (c *contract) unchanged() regSet { return (calleeSaved | c.keeps) &^ (c.returns | c.spoils) }

// firstResults are the results that a function has whatever happens. What else it
// returns may hold nothing when they say that it failed.
var firstResults = setOf(RAX, FLAGS)

// convention is the contract of what has declared none, which returns RAX.
var convention = contract{returns: setOf(RAX)}

// withContract returns the function with a contract of its own to change.
func (f Func) withContract(change func(c *contract)) Func {
	var c contract
	if f.contract != nil {
		c = *f.contract
	}
	change(&c)
	f.contract = &c
	return f
}

// Takes returns the function with the registers that must hold something when it is
// called: its arguments. From then on the assembler checks the function, and its
// calls, against its contract.
func (f Func) Takes(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.takes = setOf(regs...) })
}

// Returns returns the function with the registers that hold something when it
// returns; FLAGS are the flags.
func (f Func) Returns(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.returns = setOf(regs...) })
}

// Keeps returns the function with the registers that it keeps beside those that the
// convention says.
func (f Func) Keeps(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.keeps = setOf(regs...) })
}

// Spoils returns the function with the registers that it clobbers although the
// convention keeps them.
func (f Func) Spoils(regs ...Reg) Func {
	return f.withContract(func(c *contract) { c.spoils = setOf(regs...) })
}

// NoReturn returns the function as one that never returns.
func (f Func) NoReturn() Func {
	return f.withContract(func(c *contract) { c.noReturn = true })
}

// Keeps returns the CALL of a function through a pointer with the registers that
// such functions keep beside those that the convention says.
func (in Ins) Keeps(regs ...Reg) Ins {
	in.keeps = setOf(regs...)
	return in
}

// Contract is what the function declares of registers, in words; "" if it declares
// nothing and is not checked.
func (f Func) Contract() string {
	if f.contract == nil {
		return ""
	}
	c := f.contract
	text := "takes " + c.takes.String()
	for _, part := range []struct {
		verb string
		regs regSet
	}{{"returns", c.returns}, {"keeps", c.keeps}, {"spoils", c.spoils}} {
		if part.regs != 0 {
			text += "; " + part.verb + " " + part.regs.String()
		}
	}
	if c.noReturn {
		text += "; never returns"
	}
	return text
}

// effects returns what an instruction that is not a branch reads and writes.
func effects(in *Ins) (reads, writes regSet) {
	address := func(arg any) regSet {
		if m, ok := arg.(Mem); ok {
			return setOf(m.Base, m.IndexReg)
		}
		return 0
	}
	value := func(arg any) regSet {
		if r, ok := arg.(Reg); ok {
			return setOf(r)
		}
		return 0
	}
	args := in.args[:in.nargs]
	for _, arg := range args {
		reads |= address(arg)
	}
	f := table[in.name].form
	switch f {
	case opRMW, opBitRMW, opShift, opMul, opXchg, opTest, opCmp, opBit, opSrc, opPush, opDstRMW:
		for _, arg := range args {
			reads |= value(arg)
		}
	case opMov, opMovSys, opMovSeg, opLoad, opAddr:
		reads |= value(args[0])
	}
	if shapes[f].write {
		writes |= value(args[len(args)-1])
	}
	if f == opXchg {
		writes |= value(args[0])
	}
	switch f {
	case opRMW, opBitRMW, opShift, opMul, opTest, opCmp, opBit, opSrc, opDstRMW, opScan:
		writes |= flagsBit
	}
	switch in.name {
	case "XORL", "XORQ", "SUBL", "SUBQ":
		if args[0] == args[1] {
			reads = 0 // whatever it held
		}
	case "SBBL", "SBBQ":
		if args[0] == args[1] {
			reads = 0
		}
		reads |= flagsBit
	case "ADCQ", "SETB", "SETE", "SETNE":
		reads |= flagsBit
	case "CMOVQB", "CMOVQAE", "CMOVQE", "CMOVQNE", "CMOVQA", "CMOVQL", "CMOVLL", "CMOVQG", "CMOVLG":
		reads |= flagsBit | value(args[1])
	case "NOTL", "NOTQ":
		writes &^= flagsBit
	case "BSFQ", "RDRANDQ", "POPFQ", "CLC", "STC":
		writes |= flagsBit
	}
	i := implicit[in.name]
	reads, writes = reads|i.reads, writes|i.writes
	if in.prefix != noPrefix {
		reads, writes = reads|setOf(RCX), writes|setOf(RCX)
	}
	return reads &^ setOf(RSP), writes &^ setOf(RSP)
}

// implicit are the registers that instructions use without naming them (SDM
// volume 2).
var implicit = map[string]struct{ reads, writes regSet }{
	"MULQ":    {setOf(RAX), setOf(RAX, RDX)},
	"DIVQ":    {setOf(RAX, RDX), setOf(RAX, RDX)},
	"DIVL":    {setOf(RAX, RDX), setOf(RAX, RDX)},
	"IDIVQ":   {setOf(RAX, RDX), setOf(RAX, RDX)},
	"CQO":     {setOf(RAX), setOf(RDX)},
	"CPUID":   {setOf(RAX), setOf(RAX, RBX, RCX, RDX)}, // RCX too, of a few leaves
	"RDMSR":   {setOf(RCX), setOf(RAX, RDX)},
	"WRMSR":   {setOf(RAX, RCX, RDX), 0},
	"RDTSC":   {0, setOf(RAX, RDX)},
	"RDPMC":   {setOf(RCX), setOf(RAX, RDX)},
	"INB":     {setOf(RDX), setOf(RAX)},
	"INL":     {setOf(RDX), setOf(RAX)},
	"OUTB":    {setOf(RAX, RDX), 0},
	"OUTL":    {setOf(RAX, RDX), 0},
	"MOVSB":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"MOVSL":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"MOVSQ":   {setOf(RSI, RDI), setOf(RSI, RDI)},
	"STOSB":   {setOf(RAX, RDI), setOf(RDI)},
	"STOSL":   {setOf(RAX, RDI), setOf(RDI)},
	"STOSQ":   {setOf(RAX, RDI), setOf(RDI)},
	"LODSB":   {setOf(RSI), setOf(RAX, RSI)},
	"OUTSB":   {setOf(RDX, RSI), setOf(RSI)},
	"CMPSB":   {setOf(RSI, RDI), setOf(RSI, RDI) | flagsBit},
	"SYSRETQ": {setOf(RCX, R11), 0},
	"SYSRETL": {setOf(RCX, R11), 0},
}

// What a pushed word is, if not the first value of a register.
const (
	someValue int8 = -1 - iota
	noValue
)

// regState is what is known of the registers before a line.
type regState struct {
	reached bool
	holds   regSet  // those that hold something
	orig    regSet  // those that hold what they held when the function was entered
	last    [17]int // the line that wrote each last, plus 1
	stack   []int8  // what is pushed: the register whose first value it is, someValue or noValue
	lost    bool    // the stack is not known
}

func (s *regState) write(regs regSet, line int) {
	s.holds |= regs
	s.orig &^= regs
	for r := range regs.each {
		s.last[r.bit()] = line + 1
	}
}

// merge adds what is known on another way to the same line, and reports whether
// it changed.
func (s *regState) merge(t regState) bool {
	if !s.reached {
		*s = t
		s.reached = true
		s.stack = slices.Clone(t.stack)
		return true
	}
	changed := false
	if h := s.holds & t.holds; h != s.holds {
		for r := range (s.holds &^ h).each {
			s.last[r.bit()] = t.last[r.bit()]
		}
		s.holds, changed = h, true
	}
	if o := s.orig & t.orig; o != s.orig {
		for r := range (s.orig &^ o & s.holds).each {
			s.last[r.bit()] = t.last[r.bit()]
		}
		s.orig, changed = o, true
	}
	if !s.lost && (t.lost || len(s.stack) != len(t.stack)) {
		s.lost, s.stack, changed = true, nil, true
	}
	if !s.lost {
		for i := range s.stack {
			v := s.stack[i]
			if t.stack[i] != v {
				v = someValue
				if s.stack[i] == noValue || t.stack[i] == noValue {
					v = noValue
				}
			}
			changed = changed || v != s.stack[i]
			s.stack[i] = v
		}
	}
	return changed
}

// move changes the known part of the stack by what n bytes less in RSP add.
func (s *regState) move(n int) {
	words := n / 8
	if s.lost || n%8 != 0 || -words > len(s.stack) {
		s.lost, s.stack = true, nil
		return
	}
	for ; words > 0; words-- {
		s.stack = append(s.stack, someValue)
	}
	s.stack = s.stack[:len(s.stack)+words]
}

// flow is the flow of registers through a function.
type flow struct {
	l         *lowering
	own       *contract
	contracts map[string]*contract
	at        map[*label]int
	before    []regState
}

// checkContract follows the registers along every way through the function and
// compares what it does with them with its contract and those of what it calls.
func (l *lowering) checkContract(contracts map[string]*contract) {
	if l.fn.contract == nil || l.fn.bits() != 64 {
		return
	}
	f := &flow{l: l, own: l.fn.contract, contracts: contracts, at: map[*label]int{}}
	for i, ln := range l.lines {
		if ln.bind != nil {
			f.at[ln.bind] = i
		}
	}
	f.before = make([]regState, len(l.lines)+1)
	entry := regState{holds: f.own.takes, orig: allRegs}
	f.before[0].merge(entry)
	for again := true; again; {
		again = false
		for i := range l.lines {
			if f.before[i].reached {
				f.step(i, false, func(to int, s regState) {
					if f.before[to].merge(s) && to <= i {
						again = true
					}
				})
			}
		}
	}
	for i := range l.lines {
		if f.before[i].reached {
			f.step(i, true, func(int, regState) {})
		}
	}
}

// callee is the contract of what a CALL or a branch to another function goes to.
func (f *flow) callee(in *Ins) *contract {
	if in.keeps != 0 {
		return &contract{returns: convention.returns, keeps: in.keeps}
	}
	if name, ok := in.args[0].(string); ok {
		if c := f.contracts[name]; c != nil {
			return c
		}
	}
	return &convention
}

// step takes the registers over a line; goTo is told where execution goes on.
func (f *flow) step(i int, check bool, goTo func(to int, s regState)) {
	l, ln := f.l, f.l.lines[i]
	s := f.before[i]
	s.stack = slices.Clone(s.stack)
	need := func(regs regSet, what string) {
		if !check {
			return
		}
		for r := range (regs &^ s.holds).each {
			if ln.target != nil { // a structured form's
				l.errorf(ln.in.pc, "%s: %s %v, which %s", ln.in.name, what, r, f.why(s, r))
			} else {
				l.insErrorf(ln.in, "%s %v, which %s", what, r, f.why(s, r))
			}
		}
	}
	in := ln.in
	if in == nil {
		if ln.bind != nil && ln.bind.global { // entered from elsewhere
			s = regState{holds: f.own.takes, orig: allRegs}
		}
		goTo(i+1, s)
		return
	}
	if lb := l.labels[in.fault]; lb != nil {
		goTo(f.at[lb], s)
	}
	r := table[in.name]
	if r.branches() && in.name != "CALL" {
		if r.form == opJcc {
			need(flagsBit, "reads")
		}
		if lb := l.branchTo(ln); lb != nil {
			goTo(f.at[lb], s)
		} else {
			reads, _ := effects(in)
			if v, ok := in.args[0].(Reg); ok {
				reads |= setOf(v)
			}
			need(reads, "reads")
			if _, ok := in.args[0].(string); ok {
				c := f.callee(in)
				need(c.takes, "goes to a function that takes")
				if !c.noReturn {
					after := s
					f.call(&after, c, i)
					f.leave(in, after, check)
				}
			}
		}
		if r.form == opJcc {
			goTo(i+1, s)
		}
		return
	}
	switch in.name {
	case "CALL":
		reads, _ := effects(in)
		if v, ok := in.args[0].(Reg); ok {
			reads |= setOf(v)
		}
		need(reads, "reads")
		c := f.callee(in)
		need(c.takes, "calls a function that takes")
		if c.noReturn {
			return
		}
		f.call(&s, c, i)
	case "RET":
		f.leave(in, s, check)
		return
	case "PUSHQ":
		v, isReg := in.args[0].(Reg)
		top := someValue
		switch {
		case isReg && v != RSP && s.orig&setOf(v) != 0:
			top = int8(v.bit())
		case isReg && v != RSP && s.holds&setOf(v) == 0:
			top = noValue // to be kept for whom it holds something
		default:
			reads, _ := effects(in)
			need(reads, "reads")
		}
		if !s.lost {
			s.stack = append(s.stack, top)
		}
	case "POPQ":
		reads, writes := effects(in)
		need(reads, "reads")
		top := someValue
		if n := len(s.stack); !s.lost && n > 0 {
			top = s.stack[n-1]
		}
		s.move(-8)
		before := s
		s.write(writes, i)
		if top == noValue {
			s.holds &^= writes
		}
		if v, ok := in.args[0].(Reg); ok && v != RSP && top == int8(v.bit()) {
			s.orig |= setOf(v)
			if f.own.takes&setOf(v) == 0 {
				s.holds = before.holds &^ setOf(v)
			}
		}
	default:
		reads, writes := effects(in)
		need(reads, "reads")
		s.write(writes, i)
		if in.name == "PUSHFQ" {
			s.move(8)
		} else if in.name == "POPFQ" {
			s.move(-8)
		} else if in.nargs > 0 && shapes[r.form].write && in.args[in.nargs-1] == RSP {
			f.moveStack(in, &s)
		}
		if endsFlow(in.name) {
			return
		}
	}
	goTo(i+1, s)
}

// moveStack follows a change of RSP by a constant.
func (f *flow) moveStack(in *Ins, s *regState) {
	switch v, isInt := intOf(in.args[0]); {
	case isInt && in.name == "SUBQ":
		s.move(int(v))
		return
	case isInt && in.name == "ADDQ":
		s.move(int(-v))
		return
	case in.name == "LEAQ":
		if m, ok := in.args[0].(Mem); ok && m.onStack() {
			s.move(-m.Disp)
			return
		}
	}
	s.lost, s.stack = true, nil
}

// call changes the registers as a call of a function does.
func (f *flow) call(s *regState, c *contract, line int) {
	changed := allRegs &^ c.unchanged()
	s.write(changed, line)
	s.holds &^= changed &^ c.returns
}

// leave checks what holds when the function returns, or goes on as another.
func (f *flow) leave(in *Ins, s regState, check bool) {
	if !check {
		return
	}
	l := f.l
	if f.own.noReturn {
		l.insErrorf(in, "the function is said never to return")
		return
	}
	if len(s.stack) > 0 {
		l.insErrorf(in, "%d bytes are still pushed", 8*len(s.stack))
	}
	for r := range (f.own.returns & firstResults &^ s.holds).each {
		l.insErrorf(in, "the function returns %v, which %s", r, f.why(s, r))
	}
	for r := range (f.own.unchanged() &^ s.orig &^ setOf(RSP)).each {
		if r == FLAGS {
			continue
		}
		l.insErrorf(in, "the function keeps %v, which was written %s", r, f.where(s, r))
	}
}

// why says why a register holds nothing.
func (f *flow) why(s regState, r Reg) string {
	if s.last[r.bit()] == 0 {
		return "is neither taken nor written before"
	}
	return "is lost " + f.where(s, r)
}

// where says where a register was written last.
func (f *flow) where(s regState, r Reg) string {
	i := s.last[r.bit()] - 1
	if i < 0 {
		return "elsewhere"
	}
	in := f.l.lines[i].in
	return fmt.Sprintf("at %v (%v)", f.l.rep.place(in.pc), in.text(0))
}
