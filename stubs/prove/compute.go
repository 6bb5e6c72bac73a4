package prove

import "math/bits"

// compute runs the instructions that compute an operand and flags from operands. A result
// that the proof does not follow becomes a new unknown.
func (m *machine) compute(st *state, in *inst) bool {
	switch in.op {
	case opCMOV, opSET:
		return m.conditional(st, in)
	case opADC, opSBB:
		return m.withCarry(st, in)
	case opRCL, opRCR:
		return m.throughCarry(st, in)
	case opXCHG, opXADD:
		return m.exchange(st, in)
	case opCMPXCHG:
		return m.compareExchange(st, in)
	case opMOVSX:
		return m.signExtend(st, in)
	case opEXTEND:
		half := *in
		half.from, half.src = in.width/2, operand{kind: inReg, reg: rAX}
		half.dst = half.src
		return m.signExtend(st, &half)
	case opSIGN:
		return m.signOf(st, in)
	case opBT, opBTS, opBTR, opBTC:
		return m.bit(st, in)
	case opBSF, opBSR, opTZCNT, opLZCNT, opPOPCNT:
		return m.scan(st, in)
	case opBSWAP:
		return m.swapBytes(st, in)
	case opMUL, opIMUL:
		return m.multiply(st, in)
	case opSHLD, opSHRD:
		return m.doubleShift(st, in)
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
	if b.v.t != nil && m.lowers(in) {
		return m.lower(st, b)
	}
	r := word{m.ts.and(m.alu(st, in.op, a.v, b.v, in.width), maskOf(in.width)), a.by}
	st.cond = m.conditionOf(st, in.op, a.v, b.v, r.v, in.width)
	if in.op == opCMP || in.op == opTEST {
		return true
	}
	return m.write(st, in.dst, in.width, r)
}

// alu returns the result of an operation. The bits above its width are arbitrary.
func (m *machine) alu(st *state, op opcode, a, b value, width uint8) value {
	switch op {
	case opADD, opINC:
		if v, ok := m.disjoint(st, a, b); ok && width == 8 {
			return v
		}
		return m.ts.compute(opADD, width, a, b)
	case opSUB, opCMP, opDEC:
		return m.ts.compute(opSUB, width, a, b)
	case opNEG:
		if width == 8 {
			return m.ts.not(a).add(1)
		}
		return m.ts.compute(opSUB, width, known(0), a)
	case opNOT:
		return m.ts.not(a)
	case opAND, opTEST:
		return m.ts.compute(opAND, width, a, b)
	case opOR, opXOR:
		if v, ok := m.disjoint(st, a, b); ok && a.t != nil && b.t != nil {
			return v
		}
		return m.ts.compute(op, width, a, b)
	case opSHL, opSHR, opSAR, opROL, opROR:
		if b.t == nil {
			return m.shift(op, a, b.c, width)
		}
		return m.ts.compute(op, width, a, b)
	}
	return unfollowed("the result of "+opNames[op], a.fromUser() || b.fromUser()).value()
}

// disjoint returns the sum of two values that share no bits, one of them shifted above the
// other: a word put together from two halves.
func (m *machine) disjoint(st *state, a, b value) (value, bool) {
	for range 2 {
		if low := lowZeros(a); low > 0 && m.at(st).zeros(b)|(1<<low-1) == ^uint64(0) {
			return m.ts.join(b, m.ts.shr(a, low), low, ^uint64(0)), true
		}
		a, b = b, a
	}
	return value{}, false
}

// lowZeros returns how far a value was shifted left.
func lowZeros(v value) uint64 {
	switch {
	case v.t == nil || v.c != 0:
	case v.t.op == isShl:
		return v.t.k
	case v.t.op == isAnd:
		return uint64(bits.TrailingZeros64(v.t.k))
	}
	return 0
}

// allIf returns a mask of all bits, or of none.
func allIf(cond bool) uint64 {
	if cond {
		return ^uint64(0)
	}
	return 0
}

// shift returns the result of a shift by a constant (SDM volume 2: the count is taken
// modulo 32 or 64).
func (m *machine) shift(op opcode, a value, n uint64, width uint8) value {
	size := 8 * uint64(width)
	n &= max(size, 32) - 1
	switch {
	case n == 0:
		return a
	case op == opSHL && n < size:
		return m.ts.shl(a, n)
	case op == opSHR && n < size:
		return m.ts.shr(a, n)
	case op == opSHL || op == opSHR:
		return known(0)
	case op == opSAR && width == 8:
		return m.ts.sar(a, n)
	case op == opSAR:
		return m.ts.sar(m.ts.sext(a, width), n)
	case op == opROR:
		n = size - n%size
	}
	if n %= size; width == 8 || n == 0 {
		return m.ts.rol(a, n)
	}
	return m.ts.join(m.ts.shr(a, size-n), m.ts.and(a, maskOf(width)>>n), n, ^uint64(0))
}

// conditionOf returns what an operation leaves in the flags (SDM volume 1, appendix A).
func (m *machine) conditionOf(st *state, op opcode, a, b, r value, width uint8) condition {
	c := condition{kind: condResult, width: width, r: r, a: a, b: b}
	switch op {
	case opCMP, opSUB:
		c.kind = condCompare
		c.carry = predicate{below, a, b}
	case opAND, opTEST, opOR, opXOR:
		c.kind = condLogic
		c.carry = predicate{kind: never}
	case opNOT:
		return st.cond
	case opADD:
		c.kind, c.carry = condAdd, predicate{below, r, a}
	case opNEG:
		c.carry, c.clear = predicate{equal, a, known(0)}, true
	case opINC, opDEC: // CF stays
		c.carry, c.clear = m.carry(st)
	case opSHL, opSHR, opSAR:
		size := 8 * uint64(width)
		n := b.c & (max(size, 32) - 1)
		switch {
		case b.t != nil:
			return condition{}
		case n == 0:
			return st.cond
		case op == opSHL && n <= size:
			c.carry = m.isSet(m.ts.and(m.ts.shr(a, size-n), 1))
		case op == opSHR && n <= size:
			c.carry = m.isSet(m.ts.and(m.ts.shr(a, n-1), 1))
		case op == opSAR:
			c.carry = m.isSet(m.ts.and(m.ts.shr(a, min(n, size)-1), 1))
		}
		c.clear = true
		if op != opSAR && n > size { // undefined
			c.carry, c.clear = predicate{}, false
		}
	case opROL, opROR: // only CF and OF change
		return condition{}
	default:
		return condition{}
	}
	return c
}

// isSet returns the predicate that a bit is clear; its opposite is that the bit is set.
func (m *machine) isSet(bit value) predicate { return predicate{equal, bit, known(0)} }

// conditional runs CMOV and SET.
func (m *machine) conditional(st *state, in *inst) bool {
	width := in.width
	var w word
	if in.op == opCMOV { // the source is read even if it is not moved
		var ok bool
		if w, ok = m.read(st, in.src, width); !ok {
			return false
		}
	} else if in.dst.kind == inMem && !m.write(st, in.dst, width, word{v: known(0)}) { // so that the two ways need no third
		return false
	}
	return m.decide(st, in, func(st *state, holds bool) {
		switch {
		case in.op == opSET:
			m.write(st, in.dst, width, word{v: known(allIf(holds) & 1)})
		case holds:
			m.write(st, in.dst, width, w)
		case width == 4: // the upper half is cleared in any case
			m.write(st, in.dst, width, word{m.ts.and(st.regs[in.dst.reg].v, maskOf(4)), st.regs[in.dst.reg].by})
		}
	})
}

// withCarry runs ADC and SBB: it follows both ways of CF.
func (m *machine) withCarry(st *state, in *inst) bool {
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	of := *in
	of.cc = ccB
	return m.decide(st, &of, func(st *state, carry bool) {
		op := map[opcode]opcode{opADC: opADD, opSBB: opSUB}[in.op]
		r := m.ts.and(m.alu(st, op, a.v, b.v, in.width), maskOf(in.width))
		c := m.conditionOf(st, op, a.v, b.v, r, in.width)
		if carry {
			r = m.ts.and(m.alu(st, op, r, known(1), in.width), maskOf(in.width))
			// With a carry in, there is a carry out if the result is not above a, or if a
			// is not above b.
			c = condition{kind: condResult, width: in.width, r: r, clear: true, carry: predicate{below, a.v, r}}
			if in.op == opSBB {
				c.carry = predicate{below, b.v, a.v}
			}
		}
		st.cond = c
		m.write(st, in.dst, in.width, word{r, a.by})
	})
}

// throughCarry runs RCL and RCR by 1.
func (m *machine) throughCarry(st *state, in *inst) bool {
	if n, ok := m.read(st, in.src, 1); !ok || !n.v.is(1) {
		m.undecided(st, claimFollows, "what "+opNames[in.op]+" by more than 1 does")
		return false
	}
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	of := *in
	of.cc = ccB
	return m.decide(st, &of, func(st *state, carry bool) {
		size := 8 * uint64(in.width)
		r, out := m.ts.shl(a.v, 1), m.ts.shr(a.v, size-1)
		bit := uint64(1)
		if in.op == opRCR {
			r, out, bit = m.ts.shr(a.v, 1), m.ts.and(a.v, 1), 1<<(size-1)
		}
		if carry {
			r = m.ts.or(r, bit)
		}
		st.cond = condition{carry: m.isSet(out), clear: true} // the other flags stay, or are undefined
		m.write(st, in.dst, in.width, word{m.ts.and(r, maskOf(in.width)), a.by})
	})
}

// exchange runs XCHG and XADD.
func (m *machine) exchange(st *state, in *inst) bool {
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	if in.op == opXADD {
		sum := m.ts.and(m.alu(st, opADD, a.v, b.v, in.width), maskOf(in.width))
		st.cond = m.conditionOf(st, opADD, a.v, b.v, sum, in.width)
		// The destination is written last: if both are one register, it gets the sum.
		return m.write(st, in.src, in.width, a) && m.write(st, in.dst, in.width, word{sum, a.by})
	}
	return m.write(st, in.dst, in.width, b) && m.write(st, in.src, in.width, a)
}

// compareExchange runs CMPXCHG. It always writes the destination, be it with what that holds
// (SDM volume 2).
func (m *machine) compareExchange(st *state, in *inst) bool {
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	acc := operand{kind: inReg, reg: rAX}
	want, _ := m.read(st, acc, in.width)
	r := m.ts.and(m.alu(st, opSUB, want.v, a.v, in.width), maskOf(in.width))
	st.cond = m.conditionOf(st, opCMP, want.v, a.v, r, in.width)
	if in.dst.kind == inMem && !m.write(st, in.dst, in.width, a) {
		return false
	}
	same := *in
	same.cc = ccE
	return m.decide(st, &same, func(st *state, holds bool) {
		if holds {
			m.write(st, in.dst, in.width, b)
		} else {
			m.write(st, acc, in.width, a)
		}
	})
}

// signOf runs CWD, CDQ and CQO: each bit of RDX becomes the sign of RAX.
func (m *machine) signOf(st *state, in *inst) bool {
	w, _ := m.read(st, operand{kind: inReg, reg: rAX}, in.width)
	sign := m.ts.sar(m.ts.sext(w.v, in.width), 63)
	return m.write(st, operand{kind: inReg, reg: rDX}, in.width, word{m.ts.and(sign, maskOf(in.width)), w.by})
}

// scan runs BSF, BSR, TZCNT, LZCNT and POPCNT. Except for POPCNT it follows both ways: the
// operand is 0, or not. If it is 0, BSF and BSR leave the destination alone (AMD's manual,
// and what Intel's CPUs do); the proof does not rely on that.
func (m *machine) scan(st *state, in *inst) bool {
	a, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	size := 8 * uint64(in.width)
	zero := condition{kind: condZero, width: in.width, r: a.v}
	if in.op == opPOPCNT {
		r := m.ts.compute(opPOPCNT, in.width, a.v, value{})
		st.cond = condition{kind: condCount, width: in.width, r: r, carry: predicate{kind: never}}
		return m.write(st, in.dst, in.width, word{r, a.by})
	}
	st.cond = zero
	is := *in
	is.cc = ccE
	return m.decide(st, &is, func(st *state, isZero bool) {
		r := m.ts.compute(map[opcode]opcode{opBSF: opBSF, opTZCNT: opBSF, opBSR: opBSR, opLZCNT: opBSR}[in.op], in.width, a.v, value{})
		if in.op == opLZCNT { // the result is below the width: inverted, its bits count down
			r = m.ts.compute(opSUB, in.width, known(size-1), r)
		}
		if isZero {
			r = known(size)
			if in.op == opBSF || in.op == opBSR {
				r = unfollowed("the result of "+opNames[in.op]+" of 0", a.v.fromUser()).value()
				r = m.ts.and(r, maskOf(in.width))
			}
		}
		switch in.op {
		case opTZCNT, opLZCNT: // CF is set if the operand is 0, ZF if the result is
			st.cond = condition{kind: condZero, width: in.width, r: r, carry: predicate{kind: never}}
			if isZero {
				st.cond.carry.kind = always
			}
		}
		m.write(st, in.dst, in.width, word{r, a.by})
	})
}

// swapBytes runs BSWAP.
func (m *machine) swapBytes(st *state, in *inst) bool {
	a, _ := m.read(st, in.dst, in.width)
	return m.write(st, in.dst, in.width, word{m.ts.compute(opBSWAP, in.width, a.v, value{}), a.by})
}

// multiply runs MUL and IMUL with one, two and three operands.
func (m *machine) multiply(st *state, in *inst) bool {
	b, ok := m.read(st, in.src, in.width)
	if !ok {
		return false
	}
	st.cond = condition{}
	if in.dst.kind == inReg {
		a, _ := m.read(st, in.dst, in.width)
		if in.third.kind == isImm {
			a, _ = m.read(st, in.third, in.width)
		}
		return m.write(st, in.dst, in.width, word{m.product(a.v, b.v, in.width), b.by})
	}
	acc, high := operand{kind: inReg, reg: rAX}, operand{kind: inReg, reg: rDX}
	a, _ := m.read(st, acc, in.width)
	upper := map[opcode]opcode{opMUL: opMULHI, opIMUL: opIMULHI}[in.op]
	lo, hi := m.product(a.v, b.v, in.width), m.ts.compute(upper, in.width, a.v, b.v)
	if in.width == 1 { // AX is the whole product
		high = operand{kind: inReg, reg: rAX, high: true}
	}
	return m.write(st, acc, in.width, word{lo, a.by}) && m.write(st, high, in.width, word{hi, a.by})
}

// product returns the lower half of a product.
func (m *machine) product(a, b value, width uint8) value {
	if a.t == nil {
		a, b = b, a
	}
	if b.t == nil && b.c != 0 && b.c&(b.c-1) == 0 {
		return m.ts.and(m.ts.shl(a, uint64(bits.TrailingZeros64(b.c))), maskOf(width))
	}
	return m.ts.compute(opIMUL, width, a, b)
}

// doubleShift runs SHLD and SHRD by a constant.
func (m *machine) doubleShift(st *state, in *inst) bool {
	a, ok := m.read(st, in.dst, in.width)
	if !ok {
		return false
	}
	b, _ := m.read(st, in.src, in.width)
	count, _ := m.read(st, in.third, 1)
	size := 8 * uint64(in.width)
	n := count.v.c & (max(size, 32) - 1)
	if count.v.t == nil && n == 0 {
		if in.dst.kind == inReg && in.width == 4 {
			return m.write(st, in.dst, in.width, a)
		}
		return true
	}
	st.cond = condition{}
	r := unfollowed("the result of "+opNames[in.op], a.v.fromUser() || b.v.fromUser()).value()
	switch {
	case count.v.t != nil || n > size:
		r = m.ts.and(r, maskOf(in.width))
	case in.op == opSHLD && n < size:
		r = m.ts.join(m.ts.shr(b.v, size-n), m.ts.and(a.v, maskOf(in.width)>>n), n, ^uint64(0))
	case n < size:
		r = m.ts.join(m.ts.shr(a.v, n), m.ts.and(b.v, 1<<n-1), size-n, ^uint64(0))
	default: // the whole of it
		r = b.v
	}
	return m.write(st, in.dst, in.width, word{r, a.by})
}

func (m *machine) signExtend(st *state, in *inst) bool {
	w, ok := m.read(st, in.src, in.from)
	if !ok {
		return false
	}
	return m.write(st, in.dst, in.width, word{m.ts.and(m.ts.sext(w.v, in.from), maskOf(in.width)), w.by})
}

// bit runs BT, BTS, BTR and BTC.
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
		st.cond = condition{carry: m.isSet(m.ts.and(a.v, mask)), clear: true}
		switch {
		case in.op == opBTR:
			r = m.ts.and(a.v, ^mask)
		case in.op == opBTS:
			r = m.ts.or(a.v, mask)
		case in.op == opBTC:
			r = m.ts.compute(opXOR, in.width, a.v, known(mask))
		}
	}
	if in.op == opBT {
		return true
	}
	return m.write(st, in.dst, in.width, word{m.ts.and(r, maskOf(in.width)), a.by})
}
