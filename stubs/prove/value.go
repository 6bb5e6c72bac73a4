package prove

import (
	"fmt"
	"math/bits"
)

// value is a 64-bit word as the proof knows it: a term plus a constant. Without
// a term it is the constant alone. Equal values are the same word for every
// input; different ones may be equal all the same (see path.resolve).
type value struct {
	t *term
	c uint64
}

// term is an unknown: a symbol that stands for one word of the machine at one
// time, or one of a few operations on another value.
type term struct {
	name string // of a symbol
	x, y value  // of all others, which are op on x, y and k
	k    uint64
	op   termOp
	alu  opcode // of isALU
	user bool   // it comes from ring 3: as an address it is the user's memory
	edit bool   // a handler made it, and so nothing was known of it before
	open bool   // it may equal another value without the proof seeing it
	deep uint8  // the depth of its operations
	told uint8  // a bit for each kind of fact that some path has of it: where there is none, none is looked for
	// found is set for a word that only the machine which runs the path knows.
	found bool
	low   uint64 // the lowest bits of a symbol, which are 0: it is aligned
	// first numbers the symbols that every path begins with, from 1. The others get
	// their number from the namer that has the number by.
	first, by, number uint32
}

type termOp uint8

const (
	isSymbol termOp = iota
	isAnd           // x AND k
	isOr            // x OR k
	isShr           // x shifted right by k
	isShl           // x shifted left by k
	isSar           // x shifted right by k, filled with its sign
	isSext          // the lowest k bytes of x, sign-extended
	isEntry         // entry x of sys_call_table
	isNot           // x with each bit inverted
	isRol           // x rotated left by k
	isJoin          // the lowest k bits of x, and y shifted left by k above them
	isALU           // the result of the instruction alu on x and y, k bytes wide
)

// known returns a constant.
func known(c uint64) value { return value{nil, c} }

// symbol returns a new unknown.
func symbol(name string, user bool) *term { return &term{name: name, user: user} }

// outside returns a new unknown for a word that the machine provides and nobody chooses.
func outside(name string, user bool) *term { return &term{name: name, user: user, found: true} }

// unfollowed returns a new unknown for the result of something that the proof does not
// follow.
func unfollowed(name string, user bool) *term { return &term{name: name, user: user, open: true} }

// isOpen reports whether a value depends on something that the proof did not follow.
func (v value) isOpen() bool { return v.t != nil && v.t.open }

func (t *term) value() value { return value{t, 0} }

// add returns the value plus n.
func (v value) add(n uint64) value { return value{v.t, v.c + n} }

// is reports whether the value is this constant.
func (v value) is(c uint64) bool { return v.t == nil && v.c == c }

func (v value) deep() uint8 {
	if v.t == nil {
		return 0
	}
	return v.t.deep
}

// fromUser reports whether the value depends on what ring 3 chose.
func (v value) fromUser() bool { return v.t != nil && v.t.user }

// terms makes operations on values. The same operation gives the same term.
type terms struct{ made map[operation]*term }

// operation identifies a term that is not a symbol.
type operation struct {
	x, y value
	k    uint64
	op   termOp
	alu  opcode
}

// maxDeep limits the depth of a value's operations.
const maxDeep = 64

func (ts *terms) make(op termOp, x value, k uint64) value {
	return ts.intern(operation{op: op, x: x, k: k})
}

// intern returns the term of an operation as a value.
func (ts *terms) intern(o operation) value {
	if t := ts.made[o]; t != nil {
		return t.value()
	}
	user, deep := o.x.fromUser() || o.y.fromUser(), o.x.deep()+o.y.deep()+1
	if deep > maxDeep {
		return unfollowed("the result of many operations", user).value()
	}
	if ts.made == nil {
		ts.made = map[operation]*term{}
	}
	t := &term{op: o.op, x: o.x, y: o.y, k: o.k, alu: o.alu, user: user, open: o.x.isOpen() || o.y.isOpen() || o.op == isALU, deep: deep}
	ts.made[o] = t
	return t.value()
}

func (ts *terms) and(v value, mask uint64) value {
	switch {
	case v.t == nil:
		return known(v.c & mask)
	case mask == ^uint64(0):
		return v
	case mask == 0:
		return known(0)
	case mask&^v.t.low == 0: // what is in these bits comes from the constant
		return known(v.c & mask)
	case mask|v.t.low == maxWord:
		return v.add(-(v.c &^ mask))
	case v.c == 0 && v.t.op == isAnd:
		return ts.and(v.t.x, v.t.k&mask)
	case v.c == 0 && v.t.op == isOr:
		return ts.or(ts.and(v.t.x, mask), v.t.k&mask)
	case v.c == 0 && v.t.op == isSext && mask&^maskOf(uint8(v.t.k)) == 0:
		return ts.and(v.t.x, mask)
	case v.c == 0 && v.t.op == isJoin && mask>>v.t.k == 0:
		return ts.and(v.t.x, mask)
	case v.c == 0 && v.t.op == isJoin && mask<<(64-v.t.k) == 0:
		return ts.shl(ts.and(v.t.y, mask>>v.t.k), v.t.k)
	case v.c == 0 && v.t.op == isJoin:
		return ts.join(v.t.x, ts.and(v.t.y, mask>>v.t.k), v.t.k, mask)
	case v.c == 0 && v.t.op == isRol && mask>>v.t.k == 0:
		return ts.and(ts.shr(v.t.x, 64-v.t.k), mask)
	case v.c == 0 && v.t.op == isRol && mask<<(64-v.t.k) == 0:
		return ts.and(ts.shl(v.t.x, v.t.k), mask)
	case v.c == 0 && v.t.op == isShl && mask&(^uint64(0)<<v.t.k) == ^uint64(0)<<v.t.k,
		v.c == 0 && v.t.op == isShr && mask|^(^uint64(0)>>v.t.k) == ^uint64(0),
		v.c == 0 && v.t.op == isALU && mask&maskOf(uint8(v.t.k)) == maskOf(uint8(v.t.k)):
		return v // AND clears nothing
	}
	return ts.make(isAnd, v, mask)
}

// or sets bits. It clears them in its operand first, so that a word is the same in
// whatever order its bits were set and cleared.
func (ts *terms) or(v value, mask uint64) value {
	switch {
	case v.t == nil:
		return known(v.c | mask)
	case mask == 0:
		return v
	case v.c == 0 && v.t.op == isOr:
		v, mask = v.t.x, v.t.k|mask
	}
	v = ts.and(v, ^mask)
	if v.t == nil {
		return known(v.c | mask)
	}
	if mask&^v.t.low == 0 { // they are 0
		return v.add(mask)
	}
	return ts.make(isOr, v, mask)
}

func (ts *terms) shr(v value, n uint64) value {
	switch {
	case v.t == nil:
		return known(v.c >> n)
	case n == 0:
		return v
	case v.c == 0 && v.t.op == isAnd && v.t.k>>n == 0:
		return known(0)
	case v.c == 0 && v.t.op == isAnd && v.t.k>>n == maxWord>>n: // AND clears only what is shifted out
		return ts.shr(v.t.x, n)
	case v.c == 0 && v.t.op == isShr && v.t.k+n > 63:
		return known(0)
	case v.c == 0 && v.t.op == isShr:
		return ts.shr(v.t.x, v.t.k+n)
	case v.c == 0 && v.t.op == isShl && v.t.k == n:
		return ts.and(v.t.x, ^uint64(0)>>n)
	case v.c == 0 && v.t.op == isJoin && n >= v.t.k:
		return ts.shr(v.t.y, n-v.t.k)
	case v.c == 0 && v.t.op == isAnd && v.t.x.t != nil && v.t.x.c == 0 && (v.t.x.t.op == isShl || v.t.x.t.op == isJoin):
		return ts.and(ts.shr(v.t.x, n), v.t.k>>n)
	}
	return ts.make(isShr, v, n)
}

// not inverts each bit.
func (ts *terms) not(v value) value {
	switch {
	case v.t == nil:
		return known(^v.c)
	case v.t.op == isNot: // ~(~x + c) is x - c
		return v.t.x.add(-v.c)
	}
	return value{ts.make(isNot, value{v.t, 0}, 0).t, -v.c} // ~(t + c) is ~t - c
}

// rol rotates left.
func (ts *terms) rol(v value, n uint64) value {
	switch {
	case v.t == nil:
		return known(bits.RotateLeft64(v.c, int(n)))
	case n&63 == 0:
		return v
	case v.c == 0 && v.t.op == isRol:
		return ts.rol(v.t.x, (v.t.k+n)&63)
	}
	return ts.make(isRol, v, n&63)
}

// join returns the lowest k bits of low with high shifted left by k above them. Of
// low only the bits in mask count.
func (ts *terms) join(low, high value, k uint64, mask uint64) value {
	low = ts.and(low, mask&(1<<k-1))
	high = ts.and(high, ^uint64(0)>>k)
	switch {
	case high.t == nil:
		return ts.or(low, high.c<<k)
	case low.t == nil:
		return ts.or(ts.shl(high, k), low.c)
	}
	// Two parts of one word in their old places are that word.
	whole, most := high, ^uint64(0)
	if whole.c == 0 && whole.t.op == isAnd && whole.t.x.c == 0 && whole.t.x.t != nil {
		whole, most = whole.t.x, whole.t.k<<k|(1<<k-1)
	}
	if whole.c == 0 && whole.t.op == isShr && whole.t.k >= k {
		whole = ts.shr(whole.t.x, whole.t.k-k)
		if ts.and(whole, mask&(1<<k-1)) == low {
			return ts.and(whole, most&(mask|^uint64(1<<k-1)))
		}
	}
	if high.c == 0 && high.t.op == isJoin { // the lower parts may be one
		if inner := ts.join(low, high.t.x, k, mask); inner.t == nil || inner.t.op != isJoin {
			return ts.join(inner, high.t.y, k+high.t.k, ^uint64(0))
		}
	}
	return ts.intern(operation{op: isJoin, x: low, y: high, k: k})
}

func (ts *terms) sar(v value, n uint64) value {
	switch {
	case v.t == nil:
		return known(uint64(int64(v.c) >> n))
	case n == 0:
		return v
	case v.c == 0 && v.t.op == isSar:
		return ts.sar(v.t.x, min(v.t.k+n, 63))
	}
	return ts.make(isSar, v, n)
}

// sext returns the sign extension of the lowest n bytes.
func (ts *terms) sext(v value, n uint8) value {
	switch {
	case v.t == nil:
		shift := 64 - 8*n
		return known(uint64(int64(v.c<<shift) >> shift))
	case n == 8:
		return v
	case v.c == 0 && v.t.op == isAnd && maskOf(n)&^v.t.k == 0:
		v = v.t.x
	}
	return ts.make(isSext, v, uint64(n))
}

func (ts *terms) shl(v value, n uint64) value {
	switch {
	case v.t == nil || n == 0:
		return value{v.t, v.c << n}
	case v.c == 0 && v.t.op == isShr && v.t.k == n:
		return ts.and(v.t.x, maxWord<<n)
	}
	r := ts.make(isShl, value{v.t, 0}, n)
	r.c = v.c << n
	return r
}

// maskOf returns the mask of the lowest bytes of a word.
func maskOf(width uint8) uint64 {
	if width >= 8 {
		return ^uint64(0)
	}
	return 1<<(8*width) - 1
}

// String names the value for a report.
func (v value) String() string {
	if v.t == nil {
		return constant(v.c)
	}
	switch n := int64(v.c); {
	case n == 0:
		return v.t.String()
	case n > -1<<32 && n < 1<<32:
		return fmt.Sprintf("%v%+d", v.t, n)
	}
	return fmt.Sprintf("%v+%#x", v.t, v.c)
}

func constant(c uint64) string {
	if n := int64(c); n > -1024 && n < 10 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%#x", c)
}

func (t *term) String() string {
	switch t.op {
	case isAnd:
		return fmt.Sprintf("(%v & %#x)", t.x, t.k)
	case isOr:
		return fmt.Sprintf("(%v | %#x)", t.x, t.k)
	case isShr:
		return fmt.Sprintf("(%v >> %d)", t.x, t.k)
	case isShl:
		return fmt.Sprintf("(%v << %d)", t.x, t.k)
	case isSar:
		return fmt.Sprintf("(%v >> %d with its sign)", t.x, t.k)
	case isSext:
		return fmt.Sprintf("(%v, %d bytes with their sign)", t.x, t.k)
	case isEntry:
		return fmt.Sprintf("sys_call_table[%v]", t.x)
	case isNot:
		return fmt.Sprintf("~%v", t.x)
	case isRol:
		return fmt.Sprintf("(%v rotated left by %d)", t.x, t.k)
	case isJoin:
		return fmt.Sprintf("(%v below bit %d, %v from there)", t.x, t.k, t.y)
	case isALU:
		if unary[t.alu] {
			return fmt.Sprintf("%s(%v)", opNames[t.alu], t.x)
		}
		return fmt.Sprintf("%s(%v, %v)", opNames[t.alu], t.x, t.y)
	}
	return t.name
}
