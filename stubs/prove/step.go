package prove

import (
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// step runs one instruction and reports whether the path goes straight on. Where the
// path branches or goes elsewhere, step leaves the ways on in m.todo.
func (m *machine) step(st *state) bool {
	m.returns(st)
	m.steps++
	st.steps++
	before := st.at
	st.at = st.pc
	if !m.entersSlowExit(st, before) {
		return false
	}
	m.audits(st, st.pc, false)
	if len(m.todo) > maxWaiting {
		m.steps = maxTotalSteps + 1 // for the other paths, too: each goes round as often
	}
	if st.steps > maxSteps || m.steps > maxTotalSteps {
		m.undecided(st, claimLoop, "a loop, or too many paths, to follow to their end")
		return false
	}
	in, err := m.fetch(st.pc)
	if err != nil {
		f := m.kernel[st.pc]
		if p := m.partOf(st.pc); p == nil && f != nil && (m.entry == 0 || m.prefixOf(before) != nil) { // a head falls into it, or a prefix
			st.to = known(st.pc)
			m.enter(st, f)
		} else if p == nil && f != nil && m.branchesTo(before, st.pc) {
			st.at, st.to = before, known(st.pc)
			m.enter(st, f)
		} else if p == nil {
			m.differs(st, claimTarget, 0, nil, word{v: known(st.pc)}, "an instruction of the variant: it runs off the end of the function")
		} else {
			m.undecided(st, claimFollows, err.Error())
		}
		return false
	}
	m.visits(st, in)
	st.counting = st.counts
	if st.counts {
		st.counts = false
		if !m.check(st, claimCounted, 0, nil, in.op == opSAR && in.dst.kind == inMem && in.dst.seg == segGS && in.dst.imm == int64(percpu.CallDepth.Off), nil) {
			return false
		}
	}
	st.covered = st.covered || st.at < m.forgets && m.forgets < st.at+uint64(in.len)-1
	if returns(in) { // before the trace, which keeps what ring 3 is to find
		m.noSuchCall(st)
	}
	m.trace(st, traced{kind: ran, at: st.at, in: in})
	if !m.quick {
		m.comesTo(st.at)
	}
	if m.knows != nil {
		m.before, m.runs = st.regs, m.knowledgeOf(st.at)
	}
	if st.steps == 1 && st.at == m.entry && m.promises.Has(stubs.PromiseLanding) && !m.check(st, claimLanding, 0, nil, in.op == opENDBR, nil) {
		return false
	}
	st.pc += uint64(in.len)
	if !m.execute(st, in) {
		return false
	}
	m.learns(st)
	if st.phase == inLeave && st.regs[rSP].v.t == m.s.nextSP {
		m.switched(st)
		return false
	}
	return m.boundary(st)
}

// branchesTo reports whether the instruction at an address is a conditional branch to another.
func (m *machine) branchesTo(from, to uint64) bool {
	in, err := m.fetch(from)
	return err == nil && in.op == opJCC && uint64(in.src.imm) == to
}

// decide takes the way of a condition that the facts decide, and returns true. If the
// condition is open, it leaves both ways in m.todo and returns false.
func (m *machine) decide(st *state, in *inst, taken func(*state, bool)) bool {
	p, inverted := m.predicate(st, in.cc)
	return m.decideOn(st, p, inverted, taken)
}

// decideOn works like decide, but for a predicate or, if inverted, its opposite.
func (m *machine) decideOn(st *state, p predicate, inverted bool, taken func(*state, bool)) bool {
	if p.kind == undecided {
		// The proof does not follow the flag: both ways are open and teach nothing.
		flag := predicate{equal, unfollowed("a flag that is not followed", false).value(), known(0)}
		branch := m.fork(st)
		m.given(branch, flag, false)
		m.way(branch, true, true, taken)
		m.given(st, flag, true)
		m.way(st, false, true, taken)
		return false
	}
	r := m.at(st)
	if r.fs != nil && r.fs.n > maxFacts {
		m.undecided(st, claimLoop, "more conditions than the proof follows, the last of "+m.show(st, p.a)+": does an input say how often a loop goes round?")
		return false
	}
	switch r.eval(p) {
	case isTrue:
		m.trace(st, traced{kind: kept, at: st.at, holds: !inverted})
		taken(st, !inverted)
		return true
	case isFalse:
		m.trace(st, traced{kind: kept, at: st.at, holds: inverted})
		taken(st, inverted)
		return true
	}
	branch := m.fork(st)
	m.given(branch, p, true)
	m.way(branch, !inverted, false, taken)
	m.given(st, p, false)
	m.way(st, inverted, false, taken)
	return false
}

// way follows one way of an open condition. If flag is set, the condition is that of a
// flag which the proof does not follow.
func (m *machine) way(st *state, holds, flag bool, taken func(*state, bool)) {
	if !m.quick {
		text := "the condition holds"
		if !holds {
			text = "the condition does not hold"
		}
		st.note(text)
	}
	m.trace(st, traced{kind: parted, at: st.at, holds: holds, flag: flag})
	taken(st, holds)
	m.learns(st)
	if !m.meets(st) && m.boundary(st) {
		m.follow(st)
	}
}

// predicate returns the condition cc of the flags, or its opposite if inverted.
func (m *machine) predicate(st *state, cc uint8) (p predicate, inverted bool) {
	p, inverted = m.flag(st, cc>>1)
	return p, inverted != (cc&1 != 0)
}

// carry returns the predicate that CF is set, or its opposite if inverted.
func (m *machine) carry(st *state) (p predicate, inverted bool) {
	c := &st.cond
	if c.kind == condFlags {
		return predicate{equal, m.ts.and(c.r, x86.X86_EFLAGS_CF), known(0)}, true
	}
	return c.carry, c.clear
}

// flag returns the condition with the code 2n, or its opposite if inverted.
func (m *machine) flag(st *state, n uint8) (p predicate, inverted bool) {
	c := &st.cond
	p.kind = undecided
	mask := maskOf(c.width)
	sign := mask>>1 + 1
	clear := func(v value) predicate { return predicate{equal, v, known(0)} }
	bit := func(flag uint64) (predicate, bool) { return clear(m.ts.and(c.r, flag)), true }
	switch n {
	case 0: // O
		switch c.kind {
		case condLogic, condCount:
			p.kind = never
		case condCompare: // of different signs, and the result's is not a's
			return clear(m.ts.and(m.ts.compute(opAND, 8, m.ts.compute(opXOR, 8, c.a, c.b), m.ts.compute(opXOR, 8, c.a, c.r)), sign)), true
		case condAdd: // of the same sign, and the result's is another
			return clear(m.ts.and(m.ts.compute(opAND, 8, m.ts.compute(opXOR, 8, c.a, c.r), m.ts.compute(opXOR, 8, c.b, c.r)), sign)), true
		case condFlags:
			return bit(x86.X86_EFLAGS_OF)
		}
	case 1: // B
		return m.carry(st)
	case 2: // E
		switch c.kind {
		case condCompare:
			p = predicate{equal, c.a, c.b}
		case condAdd, condLogic, condResult, condZero, condCount:
			p = clear(c.r)
		case condFlags:
			return bit(x86.X86_EFLAGS_ZF)
		}
	case 3: // BE
		switch c.kind {
		case condCompare:
			return predicate{below, c.b, c.a}, true
		case condLogic, condCount:
			if c.carry.kind == never {
				p = clear(c.r)
			}
		case condFlags:
			return bit(x86.X86_EFLAGS_CF | x86.X86_EFLAGS_ZF)
		}
	case 4: // S
		switch c.kind {
		case condCompare, condAdd, condLogic, condResult:
			return bit(sign)
		case condCount:
			p.kind = never
		case condFlags:
			return bit(x86.X86_EFLAGS_SF)
		}
	case 5: // P
		switch c.kind {
		case condCompare, condAdd, condLogic, condResult:
			return clear(m.ts.compute(opPF, 8, m.ts.and(c.r, 0xff), value{})), true
		case condCount:
			p.kind = never
		case condFlags:
			return bit(x86.X86_EFLAGS_PF)
		}
	case 6: // L
		switch c.kind {
		case condCompare:
			if c.b.is(0) {
				return bit(sign)
			}
			return predicate{below, m.signed(c.a, c.width), m.signed(c.b, c.width)}, false
		case condLogic:
			return bit(sign)
		case condCount:
			p.kind = never
		}
	case 7: // LE
		switch c.kind {
		case condCompare:
			return predicate{below, m.signed(c.b, c.width), m.signed(c.a, c.width)}, true
		case condLogic:
			return predicate{below, known(1 << 63), m.signed(c.r, c.width)}, true
		case condCount:
			p = clear(c.r)
		}
	}
	return p, false
}

// signed maps a value so that the unsigned order of the results is the signed order of
// the values.
func (m *machine) signed(v value, width uint8) value { return m.ts.sext(v, width).add(1 << 63) }

// read reads an operand.
func (m *machine) read(st *state, o operand, width uint8) (word, bool) {
	switch o.kind {
	case inReg:
		w := st.regs[o.reg]
		w.v = m.at(st).resolve(w.v)
		if o.high {
			w.v = m.ts.shr(w.v, 8)
		}
		w.v = m.ts.and(w.v, maskOf(width))
		return w, true
	case isSegment:
		return m.selector(st, o), true
	case isImm:
		return word{v: known(uint64(o.imm) & maskOf(width))}, true
	}
	w, ok := m.load(st, o, width)
	w.v = m.at(st).resolve(w.v)
	return w, ok
}

// write stores the lowest width bytes of a word in an operand.
func (m *machine) write(st *state, o operand, width uint8, w word) bool {
	if o.kind == inMem {
		return m.store(st, o, width, w)
	}
	if o.kind == isSegment {
		return m.loadSelector(st, o, w)
	}
	if width < 4 {
		shift := uint64(0)
		if o.high {
			shift = 8
		}
		w.v = m.merge(m.at(st).resolve(st.regs[o.reg].v), w.v, shift, width)
	}
	if o.reg == rSP && st.regs[rSP].v.t == st.origin.t {
		st.rspBy = st.regs[rSP].by
	}
	st.regs[o.reg] = word{w.v, m.moved(st, w.by)}
	if o.reg == rSP && st.lowered != nil && w.v.t != st.lowered {
		st.raise()
	}
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
	case opMOVSEG:
		w, ok := m.read(st, in.src, 2)
		return ok && m.write(st, in.dst, in.width, w)
	case opPUSH:
		w, ok := m.read(st, in.src, 8)
		return ok && m.push(st, w)
	case opPOP:
		w, ok := m.pop(st)
		return ok && m.write(st, in.dst, 8, w)
	case opENTER, opLEAVE:
		return m.functionFrame(st, in)
	case opJCC:
		target := uint64(in.src.imm)
		st.tests(target)
		goesOn := m.decide(st, in, func(st *state, holds bool) {
			if holds {
				m.branched(st)
				st.pc = target
			}
		})
		return goesOn && (st.pc > st.at || m.goesBack(st))
	case opLOOP, opJRCXZ:
		return m.counted(st, in)
	case opSTOS, opMOVSTR, opLODS, opSCAS, opCMPS:
		return m.strings(st, in)
	case opJMP, opCALL, opRET, opRETN:
		m.jump(st, in)
		return false
	case opSYSRET, opIRET, opERETU, opERETS:
		m.learns(st)
		m.returnToUser(st, in)
		return false
	case opSYSEXIT:
		m.learns(st)
		m.check(st, claimExit, 0, nil, false, func() (string, string, *origin) {
			return "SYSEXIT, which raises #GP, as IA32_SYSENTER_CS is 0", "SYSRETQ or IRETQ", nil
		})
		return false
	case opHLT:
		if st.irq == on {
			break
		}
		m.endless(st, "HLT with interrupts off, from which only an NMI wakes the CPU")
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

// move runs MOV and MOVZX.
func (m *machine) move(st *state, in *inst) bool {
	width := in.width
	if in.op == opMOVZX {
		width = in.from
	}
	w, ok := m.read(st, in.src, width)
	return ok && m.write(st, in.dst, in.width, w)
}

// system runs the instructions that change the machine but no operand. done is false
// if in is not one of them.
func (m *machine) system(st *state, in *inst) (ok, done bool) {
	set := func(flag int, to tri) (bool, bool) {
		st.flags[flag], st.flagBy[flag] = to, m.moved(st, nil)
		return true, true
	}
	switch in.op {
	case opSWAPGS:
		b := &st.bases
		b[baseGS], b[baseOther] = word{b[baseOther].v, m.moved(st, nil)}, word{b[baseGS].v, m.moved(st, nil)}
	case opCLI:
		st.irq, st.irqBy = off, m.moved(st, nil)
	case opSTI:
		st.irq, st.irqBy = on, m.moved(st, nil)
	case opCLD:
		return set(flagDF, off)
	case opSTD:
		return set(flagDF, on)
	case opCLAC:
		return set(flagAC, off)
	case opSTAC:
		return set(flagAC, on)
	case opCLC, opSTC: // the other flags stay
		if st.cond.kind == condFlags {
			st.cond = condition{}
		}
		st.cond.clear, st.cond.carry = false, predicate{kind: never}
		if in.op == opSTC {
			st.cond.carry.kind = always
		}
		if k := st.cond.kind; k == condCompare || k == condAdd { // of which CF is a part
			st.cond.kind = condResult
		}
	case opVERW:
		// VERW overwrites the buffers only if its operand is in memory; Linux has the
		// operand name a writable segment (Intel, "Deep Dive: Microarchitectural Data
		// Sampling"; Documentation/arch/x86/mds.rst).
		w := word{}
		if in.src.kind == inMem {
			var ok bool
			if w, ok = m.load(st, in.src, 2); !ok {
				return false, true
			}
		}
		st.cond, st.verw = condition{}, in.src.kind == inMem && w.v.is(x86.KERNEL_DS)
		if in.src.kind == inReg {
			st.verwBy = m.moved(st, nil)
		}
	case opMOVCR:
		return m.moveCR(st, in), true
	case opLFENCE:
		if st.phase == inResume {
			m.fills(st)
		}
		st.untrained = st.untrained || st.covered
		st.forgot = st.forgot || m.promises.Has(stubs.PromiseHistory) && st.branches >= m.axes.Branches()
	case opNOP, opPAUSE, opENDBR, opMFENCE, opSFENCE, opPREFETCH:
	case opRDTSC, opRDTSCP, opRDPMC, opXGETBV, opRDPID, opRDRAND, opCPUID:
		return m.fromOutside(st, in), true
	case opRDBASE, opWRBASE:
		return m.moveBase(st, in), true
	case opSTMXCSR, opLDMXCSR:
		return m.moveMXCSR(st, in), true
	case opMOVXMM, opXMM:
		return m.moveXMM(st, in), true
	case opFXSAVE, opFXRSTOR, opFNINIT, opEMMS, opFLDCW, opFNSTCW:
		return m.moveX87(st, in), true
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
