package prove

// maxTurns limits the turns of a repeated string instruction that the proof follows.
const maxTurns = 4096

// counted runs LOOP and JRCXZ.
func (m *machine) counted(st *state, in *inst) bool {
	if in.op == opLOOP {
		st.regs[rCX] = word{m.at(st).resolve(st.regs[rCX].v).add(^uint64(0)), m.moved(st, st.regs[rCX].by)}
	}
	target := uint64(in.src.imm)
	return m.decideOn(st, predicate{equal, st.regs[rCX].v, known(0)}, in.op == opLOOP, func(st *state, holds bool) {
		if holds {
			st.pc = target
		}
	})
}

// strings runs MOVS, STOS, LODS, SCAS and CMPS, repeated ones if the count is known.
// An interrupt may come after each turn, as after an instruction.
func (m *machine) strings(st *state, in *inst) bool {
	if st.flags[flagDF] == either {
		m.undecided(st, claimFollows, "which way "+opNames[in.op]+" goes: DF is not known")
		return false
	}
	turns := uint64(1)
	if in.rep != 0 {
		n := m.at(st).resolve(st.regs[rCX].v)
		if n.t != nil || n.c > maxTurns || in.op >= opSCAS {
			m.undecided(st, claimFollows, "how often "+in.String()+" repeats: RCX is "+m.show(st, n))
			return false
		}
		turns = n.c
	}
	for i := range turns {
		if !m.turn(st, in) {
			return false
		}
		if in.rep != 0 {
			st.regs[rCX] = word{known(turns - i - 1), m.moved(st, st.regs[rCX].by)}
			if i+1 < turns && !m.boundary(st) {
				return false
			}
		}
	}
	return true
}

// turn runs one turn of a string instruction.
func (m *machine) turn(st *state, in *inst) bool {
	from := operand{kind: inMem, base: rSI, index: noReg, scale: 1}
	to := operand{kind: inMem, base: rDI, index: noReg, scale: 1}
	acc := operand{kind: inReg, reg: rAX}
	step := uint64(in.width)
	if st.flags[flagDF] == on {
		step = -step
	}
	a, ok := m.read(st, acc, in.width)
	if in.op == opMOVSTR || in.op == opLODS || in.op == opCMPS {
		a, ok = m.load(st, from, in.width)
		st.regs[rSI] = word{st.regs[rSI].v.add(step), m.moved(st, st.regs[rSI].by)}
	}
	if !ok {
		return false
	}
	switch in.op {
	case opLODS:
		return m.write(st, acc, in.width, a)
	case opMOVSTR, opSTOS:
		ok = m.store(st, to, in.width, a)
	default:
		var b word
		if b, ok = m.load(st, to, in.width); ok {
			r := m.ts.and(m.alu(st, opSUB, a.v, b.v, in.width), maskOf(in.width))
			st.cond = m.conditionOf(st, opCMP, a.v, b.v, r, in.width)
		}
	}
	st.regs[rDI] = word{st.regs[rDI].v.add(step), m.moved(st, st.regs[rDI].by)}
	return ok
}
