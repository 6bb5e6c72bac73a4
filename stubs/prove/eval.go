package prove

import "math/bits"

// unary are the instructions whose term has no second operand.
var unary = [numOps]bool{opBSWAP: true, opBSF: true, opBSR: true, opPOPCNT: true, opPF: true}

// compute returns the result of an instruction on two values of its width, as the simplest
// term.
func (ts *terms) compute(op opcode, width uint8, a, b value) value {
	if a.t == nil && b.t == nil {
		return known(compute(op, width, a.c, b.c))
	}
	of := func(v value, op opcode) bool {
		return v.t != nil && v.c == 0 && v.t.op == isALU && v.t.alu == op && v.t.k == uint64(width)
	}
	switch op {
	case opADD:
		switch {
		case b.is(0):
			return a
		case a.is(0):
			return b
		case of(a, opSUB) && a.t.y == b:
			return a.t.x
		case of(b, opSUB) && b.t.y == a:
			return b.t.x
		case b.t == nil && width == 8:
			return a.add(b.c)
		case a.t == nil && width == 8:
			return b.add(a.c)
		}
	case opSUB:
		switch {
		case a == b:
			return known(0)
		case b.is(0):
			return a
		case a.t == b.t:
			return known((a.c - b.c) & maskOf(width))
		case b.t == nil && width == 8:
			return a.add(-b.c)
		case of(a, opADD) && a.t.y == b:
			return a.t.x
		case of(a, opADD) && a.t.x == b:
			return a.t.y
		case of(a, opSUB) && a.t.x == b:
			return ts.compute(opSUB, width, known(0), a.t.y)
		}
	case opXOR:
		if a.t == nil {
			a, b = b, a
		}
		switch {
		case a == b:
			return known(0)
		case b.is(0):
			return a
		case b.is(maskOf(width)):
			return ts.and(ts.not(a), maskOf(width))
		case of(a, opXOR) && a.t.y == b:
			return a.t.x
		case of(a, opXOR) && a.t.x == b:
			return a.t.y
		case of(b, opXOR) && b.t.y == a:
			return b.t.x
		case of(b, opXOR) && b.t.x == a:
			return b.t.y
		case b.t == nil && of(a, opXOR) && a.t.y.t == nil:
			return ts.compute(opXOR, width, a.t.x, known(a.t.y.c^b.c))
		}
	case opAND:
		switch {
		case a == b || b.is(maskOf(width)):
			return a
		case b.t == nil:
			return ts.and(a, b.c)
		case a.t == nil:
			return ts.and(b, a.c)
		}
	case opOR:
		switch {
		case a == b || b.is(0):
			return a
		case a.is(0):
			return b
		case b.t == nil:
			return ts.or(a, b.c)
		case a.t == nil:
			return ts.or(b, a.c)
		}
	case opBSWAP:
		if of(a, opBSWAP) {
			return a.t.x
		}
	}
	return ts.intern(operation{op: isALU, alu: op, k: uint64(width), x: a, y: b})
}

// compute returns the result of an instruction on two words of its width (SDM volume 2).
// The counts of shifts are already masked.
func compute(op opcode, width uint8, a, b uint64) uint64 {
	size := 8 * uint64(width)
	signed := func(x uint64) int64 { return int64(x<<(64-size)) >> (64 - size) }
	n := b & (max(size, 32) - 1)
	mask := maskOf(width)
	var r uint64
	switch op {
	case opADD:
		r = a + b
	case opSUB:
		r = a - b
	case opXOR:
		r = a ^ b
	case opAND:
		r = a & b
	case opOR:
		r = a | b
	case opIMUL:
		r = a * b
	case opMULHI:
		if width == 8 {
			r, _ = bits.Mul64(a, b)
		} else {
			r = a * b >> size
		}
	case opIMULHI:
		if width == 8 {
			r, _ = bits.Mul64(a, b)
			r -= b&uint64(int64(a)>>63) + a&uint64(int64(b)>>63)
		} else {
			r = uint64(signed(a)*signed(b)) >> size
		}
	case opSHL:
		r = a << n
	case opSHR:
		r = a & mask >> n
	case opSAR:
		r = uint64(signed(a) >> n)
	case opROL:
		n %= size
		r = a<<n | a&mask>>(size-n)
	case opROR:
		n %= size
		r = a&mask>>n | a<<(size-n)
	case opBSWAP:
		r = bits.ReverseBytes64(a) >> (64 - size)
	case opBSF: // a is not 0
		r = uint64(bits.TrailingZeros64(a))
	case opBSR:
		r = uint64(63 - bits.LeadingZeros64(a|1))
	case opPOPCNT:
		r = uint64(bits.OnesCount64(a))
	case opPF:
		r = uint64(bits.OnesCount8(uint8(a))+1) & 1
	}
	return r & mask
}

// assignment maps symbols to words.
type assignment map[*term]uint64

// evaluate returns the word of a value under an assignment. It reports false if the
// assignment lacks one of the value's symbols.
func evaluate(v value, in assignment) (uint64, bool) {
	if v.t == nil {
		return v.c, true
	}
	if v.t.op == isSymbol {
		n, ok := in[v.t]
		return n + v.c, ok
	}
	x, ok := evaluate(v.t.x, in)
	switch k := v.t.k; v.t.op {
	case isAnd:
		x &= k
	case isOr:
		x |= k
	case isShr:
		x >>= k
	case isShl:
		x <<= k
	case isSar:
		x = uint64(int64(x) >> k)
	case isSext:
		shift := 64 - 8*k
		x = uint64(int64(x<<shift) >> shift)
	case isNot:
		x = ^x
	case isRol:
		x = bits.RotateLeft64(x, int(k))
	case isJoin, isALU:
		y, oky := evaluate(v.t.y, in)
		ok = ok && oky
		if v.t.op == isJoin {
			x = x&(1<<k-1) | y<<k
		} else {
			x = compute(v.t.alu, uint8(k), x, y)
		}
	case isEntry:
		n, known := in[v.t]
		return n + v.c, known
	}
	return x + v.c, ok
}

// holds returns the truth of a predicate under an assignment.
func (p predicate) holds(in assignment) (holds, ok bool) {
	a, oka := evaluate(p.a, in)
	b, okb := evaluate(p.b, in)
	switch p.kind {
	case never, always:
		return p.kind == always, true
	case equal:
		return a == b, oka && okb
	case below:
		return a < b, oka && okb
	}
	return false, false
}
