package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// step runs one instruction and reports whether the path goes straight on.
// Where it parts, or goes elsewhere, the ways on are left in m.todo.
func (m *machine) step(st *state) bool {
	m.steps++
	st.steps++
	st.at = st.pc
	if st.steps > maxSteps || m.steps > maxTotalSteps {
		m.undecided(st, claimLoop, "a loop, or too many paths, to follow to their end")
		return false
	}
	in, err := m.fetch(st.pc)
	if err != nil {
		if p := m.partOf(st.pc); p == nil {
			m.differs(st, claimTarget, 0, nil, word{v: known(st.pc)}, "an instruction of the variant: it runs off the end of the function")
		} else {
			m.undecided(st, claimFollows, err.Error())
		}
		return false
	}
	m.visits(st, in)
	if !m.quick {
		m.before = st.regs
	}
	if st.steps == 1 && st.phase == inCall && m.promises.Has(stubs.PromiseLanding) && !m.check(st, claimLanding, 0, nil, in.op == opENDBR, nil) {
		return false
	}
	st.pc += uint64(in.len)
	if !m.execute(st, in) {
		return false
	}
	m.learns(st)
	return m.boundary(st)
}

// decide leaves both ways of a condition that is open to be followed, and
// returns false; or tells which way it goes.
func (m *machine) decide(st *state, in *inst, taken func(*state, bool)) bool {
	p, inverted := m.predicate(st, in.cc)
	if p.kind == undecided {
		// Both ways, with nothing learnt.
		branch := *st
		m.way(&branch, true, taken)
		m.way(st, false, taken)
		return false
	}
	r := m.at(st)
	if r.fs != nil && r.fs.n > maxFacts {
		m.undecided(st, claimLoop, "more conditions than the proof follows")
		return false
	}
	switch r.eval(p) {
	case isTrue:
		taken(st, !inverted)
		return true
	case isFalse:
		taken(st, inverted)
		return true
	}
	branch := *st
	branch.facts = r.assume(p, true)
	m.way(&branch, !inverted, taken)
	st.facts = r.assume(p, false)
	m.way(st, inverted, taken)
	return false
}

// way follows one way of an open condition.
func (m *machine) way(st *state, holds bool, taken func(*state, bool)) {
	if !m.quick {
		text := "the condition holds"
		if !holds {
			text = "the condition does not hold"
		}
		st.note(text)
	}
	taken(st, holds)
	m.learns(st)
	if m.boundary(st) {
		m.follow(st)
	}
}

// predicate is the condition cc of the flags, or its opposite.
func (m *machine) predicate(st *state, cc uint8) (p predicate, inverted bool) {
	c := &st.cond
	inverted = cc&1 != 0
	p.kind = undecided
	sign := m.ts.and(c.r, (maskOf(c.width)>>1)+1)
	switch cc >> 1 {
	case 0: // O
		if c.kind == condLogic {
			p.kind = never
		}
	case 1: // B
		switch c.kind {
		case condCompare:
			p = predicate{below, c.a, c.b}
		case condLogic:
			p.kind = never
		case condBit:
			p, inverted = predicate{equal, c.r, known(0)}, !inverted
		}
	case 2: // E
		switch c.kind {
		case condCompare:
			p = predicate{equal, c.a, c.b}
		case condLogic, condResult:
			p = predicate{equal, c.r, known(0)}
		}
	case 3: // BE
		switch c.kind {
		case condCompare:
			p, inverted = predicate{below, c.b, c.a}, !inverted
		case condLogic:
			p = predicate{equal, c.r, known(0)}
		}
	case 4: // S
		if c.kind == condLogic || c.kind == condResult {
			p, inverted = predicate{equal, sign, known(0)}, !inverted
		}
	case 6: // L
		if c.kind == condLogic {
			p, inverted = predicate{equal, sign, known(0)}, !inverted
		}
	}
	if c.kind == condCompare && c.a.t == nil && c.b.t == nil {
		p.kind = never
		if compares(c.a.c, c.b.c, c.width, cc>>1) {
			p.kind = always
		}
		inverted = cc&1 != 0
	}
	return p, inverted
}

// compares is a condition after a comparison of two constants.
func compares(a, b uint64, width, cc uint8) bool {
	shift := 64 - 8*uint(width)
	sa, sb := int64(a<<shift), int64(b<<shift)
	d := sa - sb
	switch cc {
	case 0:
		return (sa < sb) != (d < 0)
	case 1:
		return a < b
	case 2:
		return a == b
	case 3:
		return a <= b
	case 4:
		return d < 0
	case 5:
		n := 0
		for x := byte(a - b); x != 0; x &= x - 1 {
			n++
		}
		return n%2 == 0
	case 6:
		return sa < sb
	}
	return sa <= sb
}

// read is an operand's value.
func (m *machine) read(st *state, o operand, width uint8) (word, bool) {
	switch o.kind {
	case inReg:
		w := st.regs[o.reg]
		w.v = m.ts.and(m.at(st).resolve(w.v), maskOf(width))
		return w, true
	case isImm:
		return word{v: known(uint64(o.imm) & maskOf(width))}, true
	}
	w, ok := m.load(st, o, width)
	w.v = m.at(st).resolve(w.v)
	return w, ok
}

// write gives an operand a value of the width's bits.
func (m *machine) write(st *state, o operand, width uint8, w word) bool {
	if o.kind == inMem {
		return m.store(st, o, width, w)
	}
	if width < 4 {
		w.v = m.merge(st.regs[o.reg].v, w.v, 0, width)
	}
	st.regs[o.reg] = word{w.v, m.moved(st, w.by)}
	return true
}

// push puts a word on the stack.
func (m *machine) push(st *state, w word) bool {
	st.regs[rSP] = word{st.regs[rSP].v.add(minus8), m.moved(st, nil)}
	return m.store(st, operand{kind: inMem, base: rSP, index: noReg}, 8, w)
}

// pop takes a word from the stack.
func (m *machine) pop(st *state) (word, bool) {
	w, ok := m.load(st, operand{kind: inMem, base: rSP, index: noReg}, 8)
	st.regs[rSP] = word{st.regs[rSP].v.add(8), m.moved(st, nil)}
	return w, ok
}

// execute runs an instruction and reports whether the path goes straight on.
func (m *machine) execute(st *state, in *inst) bool {
	switch in.op {
	case opMOV, opMOVZX:
		return m.move(st, in)
	case opLEA:
		v := m.ts.and(m.address(st, in.src), maskOf(in.width))
		return m.write(st, in.dst, in.width, word{v: v})
	case opPUSH:
		w, ok := m.read(st, in.src, 8)
		return ok && m.push(st, w)
	case opPOP:
		w, ok := m.pop(st)
		return ok && m.write(st, in.dst, 8, w)
	case opJCC:
		target := uint64(in.src.imm)
		return m.decide(st, in, func(st *state, holds bool) {
			if holds {
				st.pc = target
			}
		})
	case opJMP, opCALL, opRET, opRETN:
		m.jump(st, in)
		return false
	case opSYSRET, opIRET:
		m.learns(st)
		m.returnToUser(st, in)
		return false
	case opUD2:
		m.learns(st)
		m.trap(st)
		return false
	case opINT3:
		m.differs(st, claimTrap, 0, nil, word{v: known(3)}, "no breakpoint")
		return false
	}
	if ok, done := m.system(st, in); done {
		return ok
	}
	return m.compute(st, in)
}

// move is MOV and MOVZX.
func (m *machine) move(st *state, in *inst) bool {
	width := in.width
	if in.op == opMOVZX {
		width = in.from
	}
	w, ok := m.read(st, in.src, width)
	return ok && m.write(st, in.dst, in.width, w)
}

// jump is JMP, CALL, RET and RETN.
func (m *machine) jump(st *state, in *inst) {
	var to word
	ok := true
	if m.promises.Has(stubs.PromiseIBRS) && st.phase == inCall && in.src.kind != isImm &&
		!m.check(st, claimIBRSBranch, 0, nil, st.ibrs, nil) {
		return
	}
	if in.op == opRET || in.op == opRETN {
		to, ok = m.pop(st)
		if in.op == opRETN {
			st.regs[rSP].v = st.regs[rSP].v.add(uint64(in.src.imm))
		}
		if ok = ok && m.predicted(st, to); !ok {
			return
		}
	} else {
		if in.src.kind != isImm && m.promises.Has(stubs.PromiseNoIndirect) {
			m.check(st, claimRetpoline, 0, nil, false, nil)
			return
		}
		to, ok = m.read(st, in.src, 8)
	}
	if !ok {
		return
	}
	if in.op == opCALL && st.phase == inCall && to.v.t == nil && m.partOf(to.v.c) != nil && !st.expect.inside {
		st.expect.inside = true
		if !m.cleared(st, inner, rDI, rSI) {
			return
		}
	}
	if in.op == opCALL {
		if !m.push(st, word{v: known(st.pc)}) {
			return
		}
		st.calls = &called{st.calls, st.pc}
	}
	m.learns(st)
	if m.boundary(st) {
		m.transfer(st, to)
	}
}

// predicted takes the address that the CPU predicts for a RET from its return
// stack, and checks of a variant that promises retpolines that nothing is done
// there if it is not the right one.
func (m *machine) predicted(st *state, to word) bool {
	guess := st.calls
	if guess != nil {
		st.calls = guess.before
	}
	if !m.promises.Has(stubs.PromiseNoIndirect) || guess != nil && m.at(st).resolve(to.v).is(guess.addr) {
		return true
	}
	if guess == nil && st.phase == inResume {
		return true // its caller is the kernel
	}
	return m.check(st, claimCapture, 0, nil, guess != nil && m.captures(guess.addr), func() (string, string, *origin) {
		if guess == nil {
			return "no CALL's", "", nil
		}
		return constant(guess.addr), "a loop of PAUSE and LFENCE", nil
	})
}

// captures reports whether the code at an address is LFENCE, or PAUSE too, and a
// JMP back.
func (m *machine) captures(start uint64) bool {
	fence := false
	for addr := start; ; {
		in, err := m.fetch(addr)
		switch {
		case err != nil:
			return false
		case in.op == opJMP:
			return fence && in.src.kind == isImm && uint64(in.src.imm) == start
		case in.op == opLFENCE:
			fence = true
		case in.op != opPAUSE:
			return false
		}
		addr += uint64(in.len)
	}
}

// trap is UD2: what a variant has where it must not come.
func (m *machine) trap(st *state) {
	if m.check(st, claimTrap, 0, nil, st.phase == inCall && m.wasWork(st, layout.TIFEntryWork, true), m.gotWork(st, "TIFEntryWork")) {
		m.end(st)
	}
}

// system runs the instructions that change the machine but no operand; done
// is false for all others.
func (m *machine) system(st *state, in *inst) (ok, done bool) {
	set := func(flag int, to tri) (bool, bool) { st.flags[flag] = to; return true, true }
	switch in.op {
	case opSWAPGS:
		st.gs = !st.gs
	case opCLI:
		st.irq = off
	case opSTI:
		st.irq = on
	case opCLD:
		return set(flagDF, off)
	case opSTD:
		return set(flagDF, on)
	case opCLAC:
		return set(flagAC, off)
	case opSTAC:
		return set(flagAC, on)
	case opCLC, opSTC:
		st.cond = condition{}
	case opVERW:
		// The buffers are overwritten if the operand is in memory, and Linux has it
		// name a segment that can be written (Intel, "Deep Dive: Microarchitectural
		// Data Sampling"; Documentation/arch/x86/mds.rst).
		w := word{}
		if in.src.kind == inMem {
			var ok bool
			if w, ok = m.load(st, in.src, 2); !ok {
				return false, true
			}
		}
		st.cond, st.verw = condition{}, in.src.kind == inMem && w.v.is(x86.KERNEL_DS)
	case opMOVCR:
		return m.moveCR(st, in), true
	case opNOP, opPAUSE, opENDBR, opLFENCE, opMFENCE, opSFENCE:
	case opPUSHF:
		return m.push(st, word{v: m.pushedFlags(st)}), true
	case opPOPF:
		return m.popFlags(st), true
	case opRDMSR:
		return m.readMSR(st), true
	case opWRMSR:
		return m.writeMSR(st), true
	default:
		if in.op >= opNoModel {
			m.undecided(st, claimFollows, "what "+opNames[in.op]+" does")
			return false, true
		}
		return false, false
	}
	return true, true
}
