package prove

import "math/bits"

// facts is a list of what the branches so far say about terms. Paths share it up to the
// branch where they part.
type facts struct {
	before *facts
	kind   factKind
	t      *term
	v      value
	k      uint64
	in     region
	n      int // the list's length
}

type factKind uint8

const (
	factSame factKind = iota // t is v
	factNot                  // t is not v
	factZero                 // t & k is 0
	factSome                 // t & k is not 0
	factMax                  // t is at most k
	factMin                  // t is at least k
	factSign                 // the highest k+1 bits of t are the same
	factIn                   // t is in the region in
)

// resolver answers questions about values under the facts of a path.
type resolver struct {
	ts *terms
	fs *facts
}

// resolve returns the value with every term replaced that the facts say another value for.
func (r resolver) resolve(v value) value {
	if v.t == nil || r.fs == nil {
		return v
	}
	if v.t.told&(1<<factSame) != 0 {
		for f := r.fs; f != nil; f = f.before {
			if f.kind == factSame && f.t == v.t {
				return r.resolve(f.v.add(v.c))
			}
		}
	}
	if v.t.op == isSymbol {
		return v
	}
	x := r.resolve(v.t.x)
	if v.t.op == isJoin || v.t.op == isALU {
		y := r.resolve(v.t.y)
		switch {
		case x == v.t.x && y == v.t.y:
			return v
		case v.t.op == isJoin:
			return r.ts.join(x, y, v.t.k, ^uint64(0)).add(v.c)
		}
		return r.ts.compute(v.t.alu, uint8(v.t.k), x, y).add(v.c)
	}
	switch {
	case v.t.op == isAnd && v.t.k&^r.zeros(x) == 0:
		return known(v.c)
	case v.t.op == isAnd && ^v.t.k&^r.zeros(x) == 0: // AND clears no bit that may be set
		return x.add(v.c)
	case v.t.op == isSext:
		// Below the sign bit sign and zero extension are the same.
		n := uint8(v.t.k)
		if _, most := r.bounds(v.t); most < signBit(n) {
			return r.resolve(r.ts.and(x, maskOf(n))).add(v.c)
		}
	}
	if x == v.t.x {
		return v
	}
	var w value
	switch v.t.op {
	case isAnd:
		w = r.ts.and(x, v.t.k)
	case isOr:
		w = r.ts.or(x, v.t.k)
	case isShr:
		w = r.ts.shr(x, v.t.k)
	case isShl:
		w = r.ts.shl(x, v.t.k)
	case isSar:
		w = r.ts.sar(x, v.t.k)
	case isSext:
		w = r.ts.sext(x, uint8(v.t.k))
	case isNot:
		w = r.ts.not(x)
	case isRol:
		w = r.ts.rol(x, v.t.k)
	case isEntry:
		w = r.ts.make(isEntry, x, v.t.k)
	}
	return w.add(v.c)
}

// zeros returns the bits of a value that are certainly 0.
func (r resolver) zeros(v value) uint64 {
	v = r.resolve(v)
	if v.t == nil {
		return ^v.c
	}
	if v.c != 0 {
		return 0
	}
	var z uint64
	if v.t.told&(1<<factZero|1<<factMax) != 0 {
		for f := r.fs; f != nil; f = f.before {
			switch {
			case f.t != v.t:
			case f.kind == factZero:
				z |= f.k
			case f.kind == factMax:
				z |= ^uint64(0) << bits.Len64(f.k)
			}
		}
	}
	switch v.t.op {
	case isAnd:
		z |= ^v.t.k | r.zeros(v.t.x)
	case isOr:
		z |= r.zeros(v.t.x) &^ v.t.k
	case isShr:
		z |= ^(^uint64(0) >> v.t.k) | r.zeros(v.t.x)>>v.t.k
	case isShl:
		z |= 1<<v.t.k - 1 | r.zeros(v.t.x)<<v.t.k
	case isRol:
		z |= bits.RotateLeft64(r.zeros(v.t.x), int(v.t.k))
	case isJoin:
		z |= r.zeros(v.t.x)&(1<<v.t.k-1) | r.zeros(v.t.y)<<v.t.k
	case isALU:
		z |= ^maskOf(uint8(v.t.k))
	}
	return z
}

// some reports whether at least one of the bits of mask is certainly set in a value.
func (r resolver) some(v value, mask uint64) bool {
	v = r.resolve(v)
	if v.t == nil {
		return v.c&mask != 0
	}
	if v.c != 0 {
		return false
	}
	z := r.zeros(v)
	for f := r.fs; f != nil; f = f.before {
		if f.kind == factSome && f.t == v.t && f.k&^z&^mask == 0 {
			return true
		}
	}
	switch v.t.op {
	case isAnd:
		return r.some(v.t.x, mask&v.t.k)
	case isOr:
		return v.t.k&mask != 0 || r.some(v.t.x, mask)
	case isShr:
		return r.some(v.t.x, mask<<v.t.k)
	case isShl:
		return r.some(v.t.x, mask>>v.t.k)
	case isJoin:
		return r.some(v.t.x, mask&(1<<v.t.k-1)) || r.some(v.t.y, mask>>v.t.k)
	}
	return false
}

// limits returns the smallest and the largest word that a value can be.
func (r resolver) limits(v value) (least, most uint64) {
	v = r.resolve(v)
	if v.t == nil {
		return v.c, v.c
	}
	least, most = 0, ^uint64(0)
	if v.c != 0 {
		if s := r.where(v.t).plus(v.c); len(s) > 0 {
			return s[0].least, s[len(s)-1].most
		}
		return least, most
	}
	switch v.t.op {
	case isAnd:
		most = v.t.k
	case isOr:
		least = v.t.k
	case isShr:
		most = ^uint64(0) >> v.t.k
	}
	floor, ceiling := r.bounds(v.t)
	least, most = max(least, floor), min(most, ceiling)
	if s := r.where(v.t); len(s) > 0 {
		least, most = max(least, s[0].least), min(most, s[len(s)-1].most)
	}
	return least, most
}

// bounds returns the smallest and the largest word that the facts allow for a term.
func (r resolver) bounds(t *term) (least, most uint64) {
	most = ^uint64(0)
	for f := r.fs; f != nil; f = f.before {
		switch same := f.t == t || zeroExtends(t, f); {
		case same && f.kind == factMax:
			most = min(most, f.k)
		case same && f.kind == factMin:
			least = max(least, f.k)
		}
	}
	return least, most
}

// zeroExtends reports whether t is the zero extension of a value of which f bounds the sign
// extension below the sign bit: then the bound holds for both.
func zeroExtends(t *term, f *facts) bool {
	return f.t.op == isSext && t.op == isAnd && t.x == f.t.x && t.k == maskOf(uint8(f.t.k)) && f.k < signBit(uint8(f.t.k))
}

// signBit returns the highest bit of the lowest n bytes.
func signBit(n uint8) uint64 { return 1 << (8*n - 1) }

// assume adds a predicate, or its opposite, to the facts. It leaves out what no fact can
// express: that makes the proof weaker, not wrong.
func (r resolver) assume(p predicate, holds bool) *facts {
	if v, s, ok := r.holdsIn(p); ok && v.t != nil {
		if !holds {
			s = s.not()
		}
		if t, in := peel(v, s); v.c != 0 || t != v.t {
			r.fs = r.add(facts{kind: factIn, t: t, in: in})
		}
	}
	a, b := r.resolve(p.a), r.resolve(p.b)
	switch p.kind {
	case equal:
		a, b = sides(a, b)
		if x, y, ok := bothZero(a, b); ok && holds {
			r.fs = r.assume(predicate{equal, x, known(0)}, true)
			return r.assume(predicate{equal, y, known(0)}, true)
		}
		return r.assumeSame(a, b, holds)
	case below:
		switch {
		case a.t != nil && a.c == 0 && b.t == nil && holds:
			return r.with(factMax, a.t, value{}, b.c-1)
		case a.t != nil && a.c == 0 && b.t == nil:
			return r.with(factMin, a.t, value{}, b.c)
		case b.t != nil && b.c == 0 && a.t == nil && holds:
			return r.with(factMin, b.t, value{}, a.c+1)
		case b.t != nil && b.c == 0 && a.t == nil:
			return r.with(factMax, b.t, value{}, a.c)
		}
	}
	return r.fs
}

func (r resolver) assumeSame(a, b value, holds bool) *facts {
	// What is known of a term is lost when the other replaces it, so replace the one of
	// which nothing is known.
	if a.t == nil || b.t != nil && (a.t.op != isSymbol || b.t.edit && !a.t.edit) {
		a, b = b, a
	}
	if a.t == nil {
		return r.fs
	}
	if x, n, ok := signTest(a, b); ok && x.c == 0 && holds {
		return r.with(factSign, x.t, value{}, n)
	}
	b.c -= a.c
	x := value{}
	if a.t.op == isAnd || a.t.op == isShr {
		x = a.t.x
	}
	mask := uint64(0)
	if a.t.op == isAnd {
		mask = a.t.k
		x, mask = sameBits(x, mask)
	}
	switch {
	case !holds && b.is(0) && a.t.op == isAnd && x.c == 0:
		return r.with(factSome, x.t, value{}, mask)
	case !holds && b.is(0) && a.t.op == isShr && x.c == 0:
		return r.with(factMin, x.t, value{}, 1<<a.t.k)
	case !holds && b.is(0) && a.t.op == isSymbol:
		return r.with(factSome, a.t, value{}, ^uint64(0))
	case !holds:
		return r.with(factNot, a.t, b, 0)
	case b.is(0) && a.t.op == isAnd && x.c == 0:
		return r.with(factZero, x.t, value{}, mask)
	case b.is(0) && a.t.op == isShr && x.c == 0:
		return r.with(factMax, x.t, value{}, 1<<a.t.k-1)
	case a.t.op == isAnd && b.t == nil: // a part of a word
		return r.with(factSame, a.t, b, 0)
	case a.t.op == isSymbol && !mentions(b, a.t):
		if b.t != nil { // what is known of a holds for b, too
			t, in := peel(b, r.where(a.t))
			r.fs = r.add(facts{kind: factIn, t: t, in: in})
		}
		return r.with(factSame, a.t, b, 0)
	}
	return r.fs
}

// bothZero returns the two values of which the comparison of their OR, or of what they are
// the halves of, with 0 says that each is 0: code that adds up differences compares all of
// them at once.
func bothZero(a, b value) (x, y value, ok bool) {
	if a.t == nil {
		a, b = b, a
	}
	if a.t == nil || a.c != 0 || !b.is(0) {
		return value{}, value{}, false
	}
	return a.t.x, a.t.y, a.t.op == isJoin || a.t.op == isALU && a.t.alu == opOR
}

// sameBits returns the bits of a value that a mask takes, as bits of what was shifted, cut or
// turned around to make the value.
func sameBits(x value, mask uint64) (value, uint64) {
	for x.c == 0 && x.t.x.t != nil {
		switch t := x.t; {
		case t.op == isShr && mask<<t.k>>t.k == mask:
			x, mask = t.x, mask<<t.k
		case t.op == isShl:
			x, mask = t.x, mask>>t.k
		case t.op == isAnd:
			x, mask = t.x, mask&t.k
		case t.op == isALU && t.alu == opBSWAP && t.k == 8:
			x, mask = t.x, bits.ReverseBytes64(mask)
		default:
			return x, mask
		}
	}
	return x, mask
}

func (r resolver) with(kind factKind, t *term, v value, k uint64) *facts {
	return r.add(facts{kind: kind, t: t, v: v, k: k})
}

// add returns the facts with one more.
func (r resolver) add(f facts) *facts {
	f.before, f.n = r.fs, r.fs.count()+1
	f.t.told |= 1 << f.kind
	return &f
}

// count returns the number of facts.
func (f *facts) count() int {
	if f == nil {
		return 0
	}
	return f.n
}

// mentions reports whether a term is part of a value.
func mentions(v value, t *term) bool {
	for v.t != nil {
		if v.t == t || mentions(v.t.y, t) {
			return true
		}
		v = v.t.x
	}
	return false
}
