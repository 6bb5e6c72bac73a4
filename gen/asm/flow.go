package asm

import (
	"fmt"
	"slices"
)

// regState is what is known about the registers before a line.
type regState struct {
	reached bool
	holds   regSet  // the registers that hold something
	orig    regSet  // the registers that still hold their value on entry
	last    [17]int // the line that wrote each last, plus 1
	stack   []int8  // what is pushed: the register whose value on entry it is, someValue or noValue
	lost    bool    // the stack is not known
}

func (s *regState) write(regs regSet, line int) {
	s.holds |= regs
	s.orig &^= regs
	for r := range regs.each {
		s.last[r.bit()] = line + 1
	}
}

// merge adds what is known on another path to the same line, and reports whether
// that changed anything.
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

// move updates the known part of the stack when RSP falls by n bytes.
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

// flow follows the registers through a function.
type flow struct {
	l         *lowering
	own       *contract
	contracts map[string]*contract
	at        map[*label]int
	before    []regState
}

// checkContract follows the registers along every path through the function and
// compares what it does with them with its contract and with those of the functions
// that it calls.
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

// callee returns the contract of the function that a CALL or a branch goes to.
func (f *flow) callee(in *instruction) *contract {
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

// step follows the registers over a line, and calls goTo for every place where
// execution may continue.
func (f *flow) step(i int, check bool, goTo func(to int, s regState)) {
	l, ln := f.l, f.l.lines[i]
	s := f.before[i]
	s.stack = slices.Clone(s.stack)
	need := func(regs regSet, what string) {
		if !check {
			return
		}
		for r := range (regs &^ s.holds).each {
			if ln.target != nil { // the branch of a structured form
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
			top = noValue // the register may hold something for the caller
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
func (f *flow) moveStack(in *instruction, s *regState) {
	switch v, isInt := intOf(in.args[0]); {
	case isInt && in.name == "SUBQ":
		s.move(int(v))
		return
	case isInt && in.name == "ADDQ":
		s.move(int(-v))
		return
	case in.name == "LEAQ":
		if m, ok := in.args[0].(Mem); ok && m.onStack() {
			s.move(-m.Disp())
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

// leave checks what must hold when the function returns or jumps to another one.
func (f *flow) leave(in *instruction, s regState, check bool) {
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
