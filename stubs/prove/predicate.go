package prove

// truth is what is known of a condition.
type truth int8

const (
	isFalse truth = iota - 1
	isOpen
	isTrue
)

// predicate is a condition on values.
type predicate struct {
	kind predicateKind
	a, b value
}

type predicateKind uint8

const (
	undecided predicateKind = iota // depends on something that the proof does not follow
	never
	equal  // a == b
	below  // a < b, unsigned
	always // true
)

// eval decides a predicate, if the facts do.
func (r resolver) eval(p predicate) truth {
	switch p.kind {
	case never:
		return isFalse
	case always:
		return isTrue
	case equal:
		if t := r.same(p.a, p.b); t != isOpen {
			return t
		}
	case below:
		least, most := r.limits(p.a)
		floor, ceiling := r.limits(p.b)
		if most < floor {
			return isTrue
		}
		if least >= ceiling {
			return isFalse
		}
	}
	if v, s, ok := r.holdsIn(p); ok {
		return r.isIn(v, s)
	}
	return isOpen
}

func (r resolver) same(a, b value) truth {
	a, b = sides(r.resolve(a), r.resolve(b))
	if a.t == nil {
		a, b = b, a
	}
	switch {
	case a == b:
		return isTrue
	case a.t == b.t:
		return isFalse
	}
	a, b = value{a.t, 0}, value{b.t, b.c - a.c}
	for f := r.fs; f != nil; f = f.before {
		if f.kind == factNot && (f.t == a.t && r.resolve(f.v) == b || f.t == b.t && r.resolve(f.v) == value{a.t, -b.c}) {
			return isFalse
		}
	}
	if x, n, ok := signTest(a, b); ok {
		return r.signed(x, n)
	}
	if b.t != nil {
		return isOpen
	}
	for f := r.fs; f != nil && a.t.op == isAnd; f = f.before { // more of the same word was compared
		if f.kind == factSame && f.v.t == nil && f.t.op == isAnd && f.t.x == a.t.x && a.t.k&^f.t.k == 0 {
			if f.v.c&a.t.k == b.c {
				return isTrue
			}
			return isFalse
		}
	}
	if b.c&r.zeros(a) != 0 {
		return isFalse
	}
	if b.c == 0 && r.some(a, ^uint64(0)) {
		return isFalse
	}
	if least, most := r.limits(a); b.c < least || b.c > most {
		return isFalse
	} else if least == most {
		return isTrue
	}
	if b.c == 0 && r.zeros(a) == ^uint64(0) {
		return isTrue
	}
	if b.c == 0 && a.t.op == isShr {
		if _, most := r.limits(a.t.x); most>>a.t.k == 0 {
			return isTrue
		}
	}
	return isOpen
}

// sides returns the two values that are compared: those of a difference, if that is compared
// with 0.
func sides(a, b value) (value, value) {
	if a.t == nil {
		a, b = b, a
	}
	if a.t != nil && a.c == 0 && a.t.op == isALU && (a.t.alu == opXOR || a.t.alu == opSUB) && b.is(0) {
		return a.t.x, a.t.y
	}
	return a, b
}

// signTest reports whether the comparison of a and b is that of a value x with
// itself shifted left and back by n: whether its highest n+1 bits are the same.
func signTest(a, b value) (x value, n uint64, ok bool) {
	if a.t == nil || a.t.op != isSar {
		a, b = b, a
	}
	if a.t == nil || a.t.op != isSar || a.c != 0 {
		return value{}, 0, false
	}
	// Or that of x shifted right with all that its sign is.
	for range 2 {
		if a.t != nil && b.t != nil && b.c == 0 && a.c == 0 && a.t.op == isSar && b.t.op == isSar && b.t.k == 63 && a.t.x == b.t.x {
			return a.t.x, 63 - a.t.k, true
		}
		a, b = b, a
	}
	if b.t == nil { // it may be the other one, shifted, that is a constant's
		return value{}, 0, false
	}
	shifted := a.t.x
	if shifted.t == nil || shifted.t.op != isShl || shifted.t.k != a.t.k || shifted.c != b.c<<a.t.k || shifted.t.x.add(b.c) != b {
		return value{}, 0, false
	}
	return b, a.t.k, true
}

// signed reports whether the highest n+1 bits of a value are certainly the same.
func (r resolver) signed(v value, n uint64) truth {
	v = r.resolve(v)
	least, most := r.limits(v)
	switch {
	case most < 1<<(63-n), least >= ^uint64(0)<<(63-n):
		return isTrue
	case least >= 1<<(63-n) && most < ^uint64(0)<<(63-n):
		return isFalse
	case v.t != nil && v.c == 0 && v.t.op == isSar && v.t.k >= n:
		return isTrue
	}
	for f := r.fs; f != nil; f = f.before {
		if f.kind == factSign && f.t == v.t && v.c == 0 && f.k >= n {
			return isTrue
		}
	}
	return isOpen
}

// canonical reports whether a value is an address that SYSRETQ can load into
// RIP: bits 47 to 63 are the same.
func (r resolver) canonical(v value) truth {
	v = r.resolve(v)
	if truth := r.signed(v, 16); truth != isOpen || v.t == nil {
		return truth
	}
	if truth := r.isIn(v, extended(16)); truth != isOpen {
		return truth
	}
	for f := r.fs; f != nil; f = f.before {
		if f.kind != factNot {
			continue
		}
		if x, n, ok := signTest(value{f.t, 0}, r.resolve(f.v)); ok && x == v && n == 16 {
			return isFalse
		}
	}
	return isOpen
}
