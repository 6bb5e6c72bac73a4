package prove

import "math/bits"

// compute runs the instructions that compute: operands in, operand and flags
// out. What is not followed becomes a new unknown.
func (m *machine) compute(st *state, in *inst) bool {
	switch in.op {
	case opCMOV, opSET:
		return m.conditional(st, in)
	case opSBB:
		if in.dst.kind == inReg && in.src == in.dst {
			return m.borrow(st, in)
		}
	case opXCHG:
		return m.exchange(st, in)
	case opMOVSX:
		return m.signExtend(st, in)
	case opBT, opBTS, opBTR, opBTC:
		return m.bit(st, in)
	}
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b := word{v: known(1)}
	if in.src.kind != noOperand {
		if b, ok = m.read(st, in.src, in.width); !ok {
			return false
		}
	}
	r := word{m.ts.and(m.alu(st, in.op, a.v, b.v, in.width), maskOf(in.width)), a.by}
	st.cond = m.conditionOf(st, in.op, a.v, b.v, r.v, in.width)
	if in.op == opCMP || in.op == opTEST {
		return true
	}
	return m.write(st, in.dst, in.width, r)
}

// alu is the result of an operation, beyond its width anything.
func (m *machine) alu(st *state, op opcode, a, b value, width uint8) value {
	constants := a.t == nil && b.t == nil
	same := a == b
	switch op {
	case opADD, opINC:
		if width == 8 && (a.t == nil || b.t == nil) || constants {
			return m.sum(a, b)
		}
	case opSUB, opCMP, opDEC:
		if width == 8 && b.t == nil || constants || a.t == b.t {
			return value{pick(a.t, b.t), a.c - b.c}
		}
	case opNEG:
		if a.t == nil {
			return known(-a.c)
		}
	case opNOT:
		if a.t == nil {
			return known(^a.c)
		}
	case opAND, opTEST:
		switch {
		case same || a.t == nil:
			return m.ts.and(b, a.c|allIf(same))
		case b.t == nil:
			return m.ts.and(a, b.c)
		}
	case opOR:
		switch {
		case constants:
			return known(a.c | b.c)
		case same || b.is(0):
			return a
		case a.is(0):
			return b
		case b.t == nil:
			return m.ts.or(a, b.c)
		}
	case opXOR:
		switch {
		case same:
			return known(0)
		case constants:
			return known(a.c ^ b.c)
		case b.is(0):
			return a
		}
	case opSHL, opSHR, opSAR, opROL, opROR:
		if b.t == nil {
			return m.shift(st, op, a, b.c, width)
		}
	}
	return unfollowed("the result of "+opNames[op], a.fromUser() || b.fromUser()).value()
}

// pick is the term of a difference.
func pick(a, b *term) *term {
	if a == b {
		return nil
	}
	return a
}

// allIf is a mask of all bits, or of none.
func allIf(cond bool) uint64 {
	if cond {
		return ^uint64(0)
	}
	return 0
}

// shift is a shift by a constant (SDM volume 2: the count is taken modulo 32 or
// 64).
func (m *machine) shift(st *state, op opcode, a value, n uint64, width uint8) value {
	size := 8 * uint64(width)
	n &= max(size, 32) - 1
	switch {
	case n == 0:
		return a
	case op == opSHL && n < size:
		return m.ts.shl(a, n)
	case op == opSHR && n < size:
		return m.ts.shr(a, n)
	case op == opSAR && width == 8:
		return m.ts.sar(a, n)
	case op == opSAR && a.t == nil && n < size:
		return known(uint64(int64(a.c<<(64-size)) >> (64 - size + n)))
	case op == opROL && a.t == nil && width == 8:
		return known(bits.RotateLeft64(a.c, int(n)))
	case op == opROR && a.t == nil && width == 8:
		return known(bits.RotateLeft64(a.c, -int(n)))
	}
	return unfollowed("the result of "+opNames[op], a.fromUser()).value()
}

// conditionOf is what an operation leaves in the flags.
func (m *machine) conditionOf(st *state, op opcode, a, b, r value, width uint8) condition {
	switch op {
	case opCMP, opSUB:
		return condition{condCompare, width, r, a, b}
	case opAND, opTEST, opOR, opXOR:
		return condition{condLogic, width, r, a, b}
	case opNOT:
		return st.cond
	case opADD, opINC, opDEC, opNEG:
		return condition{condResult, width, r, a, b}
	case opSHL, opSHR, opSAR:
		switch {
		case b.t != nil:
			return condition{}
		case b.c&(max(8*uint64(width), 32)-1) == 0:
			return st.cond
		}
		return condition{condResult, width, r, a, b}
	}
	return condition{}
}

// conditional is CMOV and SET.
func (m *machine) conditional(st *state, in *inst) bool {
	width := in.width
	var w word
	if in.op == opCMOV { // the source is read whether it is moved or not
		var ok bool
		if w, ok = m.read(st, in.src, width); !ok {
			return false
		}
	} else if in.dst.kind == inMem { // so that the two ways need no third
		m.undecided(st, claimFollows, "what SET does to memory")
		return false
	}
	return m.decide(st, in, func(st *state, holds bool) {
		switch {
		case in.op == opSET:
			m.write(st, in.dst, width, word{v: known(allIf(holds) & 1)})
		case holds:
			m.write(st, in.dst, width, w)
		case width == 4: // the upper half is cleared all the same
			m.write(st, in.dst, width, word{m.ts.and(st.regs[in.dst.reg].v, maskOf(4)), st.regs[in.dst.reg].by})
		}
	})
}

// borrow is SBB of a register from itself: all bits are what CF was.
func (m *machine) borrow(st *state, in *inst) bool {
	carry := *in
	carry.cc = ccB
	return m.decide(st, &carry, func(st *state, holds bool) {
		st.cond = condition{}
		m.write(st, in.dst, in.width, word{v: known(allIf(holds) & maskOf(in.width))})
	})
}

func (m *machine) exchange(st *state, in *inst) bool {
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b, ok := m.read(st, in.src, in.width)
	return ok && m.write(st, in.dst, in.width, b) && m.write(st, in.src, in.width, a)
}

func (m *machine) signExtend(st *state, in *inst) bool {
	w, ok := m.read(st, in.src, in.from)
	if !ok {
		return false
	}
	return m.write(st, in.dst, in.width, word{m.ts.and(m.ts.sext(w.v, in.from), maskOf(in.width)), w.by})
}

// bit is BT, BTS, BTR and BTC.
func (m *machine) bit(st *state, in *inst) bool {
	n, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	if in.dst.kind == inMem && in.src.kind == inReg && (n.v.t != nil || n.v.c >= 8*uint64(in.width)) {
		m.undecided(st, claimFollows, "which word a bit string's bit is in")
		return false
	}
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	st.cond = condition{}
	r := unfollowed("the result of "+opNames[in.op], a.v.fromUser() || n.v.fromUser()).value()
	if n.v.t == nil {
		mask := uint64(1) << (n.v.c & (8*uint64(in.width) - 1))
		st.cond = condition{kind: condBit, width: in.width, r: m.ts.and(a.v, mask)}
		switch {
		case in.op == opBTR:
			r = m.ts.and(a.v, ^mask)
		case in.op == opBTS:
			r = m.ts.or(a.v, mask)
		case a.v.t == nil && in.op == opBTC:
			r = known(a.v.c ^ mask)
		}
	}
	if in.op == opBT {
		return true
	}
	return m.write(st, in.dst, in.width, word{m.ts.and(r, maskOf(in.width)), a.by})
}
