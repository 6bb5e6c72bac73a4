package prove

import (
	"math/bits"
	"slices"
)

// region is a set of words: intervals with both ends in it, in ascending order,
// of which no two touch.
type region []interval

type interval struct{ least, most uint64 }

const maxWord = ^uint64(0)

// from returns the region from one word up to another. If the second is below the first, the
// region wraps around through 0.
func from(least, most uint64) region {
	switch {
	case least <= most:
		return region{{least, most}}
	case least == most+1:
		return region{{0, maxWord}}
	}
	return region{{0, most}, {least, maxWord}}
}

// extended returns the words whose highest n+1 bits are the same.
func extended(n uint64) region {
	if n == 0 {
		return from(0, maxWord)
	}
	return from(maxWord<<(63-n), 1<<(63-n)-1)
}

// not returns the complement.
func (s region) not() region {
	var out region
	next, full := uint64(0), false
	for _, i := range s {
		if i.least > next {
			out = append(out, interval{next, i.least - 1})
		}
		next, full = i.most+1, i.most == maxWord
	}
	if !full {
		out = append(out, interval{next, maxWord})
	}
	return out
}

// and returns the intersection.
func (s region) and(t region) region {
	var out region
	for i, j := 0, 0; i < len(s) && j < len(t); {
		if least, most := max(s[i].least, t[j].least), min(s[i].most, t[j].most); least <= most {
			out = append(out, interval{least, most})
		}
		if s[i].most < t[j].most {
			i++
		} else {
			j++
		}
	}
	return out
}

// in reports whether s is a part of t.
func (s region) in(t region) bool {
	for _, i := range s {
		if !slices.ContainsFunc(t, func(j interval) bool { return j.least <= i.least && i.most <= j.most }) {
			return false
		}
	}
	return true
}

// each returns the union of the regions that a function makes of the intervals.
func (s region) each(fn func(interval) region) region {
	var out region
	for n, i := range s {
		if n == 0 {
			out = fn(i)
			continue
		}
		for _, j := range fn(i) {
			out = out.or(j)
		}
	}
	return out
}

// or adds an interval.
func (s region) or(i interval) region {
	out := make(region, 0, len(s)+1)
	for n, j := range s {
		switch {
		case j.most < i.least && i.least-j.most > 1:
			out = append(out, j)
		case i.most < j.least && j.least-i.most > 1:
			return append(append(out, i), s[n:]...)
		default: // they touch
			i = interval{min(i.least, j.least), max(i.most, j.most)}
		}
	}
	return append(out, i)
}

// plus returns the region moved up by n, modulo 2^64.
func (s region) plus(n uint64) region {
	return s.each(func(i interval) region {
		if i.least == 0 && i.most == maxWord {
			return region{i}
		}
		return from(i.least+n, i.most+n)
	})
}

// of returns, for a term t that is an operation on x, the region of all words x for which t
// is in s. ok is false if there is no rule for the operation.
func (s region) of(t *term) (of region, ok bool) {
	n := t.k
	up := func(i interval) region { return region{{i.least << n, i.most<<n | (1<<n - 1)}} }
	switch t.op {
	case isNot:
		return s.each(func(i interval) region { return region{{^i.most, ^i.least}} }), true
	case isShr:
		return s.and(from(0, maxWord>>n)).each(up), true
	case isSar:
		return s.and(extended(n)).each(up), true
	case isSext: // the upper half of what fits in n bytes is negative
		mask := maskOf(uint8(n))
		low := s.and(from(0, mask>>1))
		for _, i := range s.and(from(^(mask >> 1), maxWord)) {
			low = low.or(interval{i.least & mask, i.most & mask})
		}
		return t.x.ofLowest(low, mask)
	case isALU:
		mask, by := maskOf(uint8(n)), t.y.c
		if t.alu == opADD {
			by = -by
		}
		if t.alu != opADD && t.alu != opSUB || t.x.t == nil || t.y.t != nil {
			return nil, false
		}
		var of region
		for _, i := range s.and(from(0, mask)) {
			for _, j := range from((i.least+by)&mask, (i.most+by)&mask) { // it may go around through 0
				of = of.or(interval{j.least, min(j.most, mask)})
			}
		}
		return t.x.ofLowest(of, mask)
	case isAnd:
		if n&(n+1) == 0 { // a mask of the lowest bits
			return t.x.ofLowest(s.and(from(0, n)), n)
		}
		low := bits.TrailingZeros64(n)
		if n != maxWord<<low { // not one of the highest
			return nil, false
		}
		ones := uint64(1)<<low - 1
		return s.each(func(i interval) region {
			least := i.least &^ ones
			if i.least&ones != 0 {
				if least += ones + 1; least == 0 {
					return nil
				}
			}
			if most := i.most&^ones | ones; least <= most && i.most&^ones >= least {
				return region{{least, most}}
			}
			return nil
		}), true
	}
	return nil, false
}

// ofLowest returns the region of a value of which the lowest bits, those of the mask, are in s.
// There is a rule for values of which the bits above follow from what they were computed by.
func (v value) ofLowest(s region, mask uint64) (of region, ok bool) {
	switch {
	case len(s) == 0:
		return nil, true
	case from(0, mask).in(s):
		return from(0, maxWord), true
	}
	for _, i := range v.spans() {
		if i.most&^mask-i.least&^mask > mask+1 {
			return nil, false
		}
		for _, above := range [...]uint64{i.least &^ mask, i.most &^ mask} {
			for _, j := range s.plus(above).and(region{i}) {
				of = of.or(j)
			}
		}
	}
	return of, true
}

// spans returns a region that holds all words which an operation can make, whatever it is
// done on.
func (v value) spans() region {
	s := from(0, maxWord)
	if v.t != nil {
		switch v.t.op {
		case isAnd:
			s = from(0, v.t.k)
		case isShr:
			s = from(0, maxWord>>v.t.k)
		case isSar:
			s = v.t.x.spans().shifted(v.t.k)
		case isSext:
			s = extended(64 - 8*v.t.k)
		case isALU:
			s = from(0, maskOf(uint8(v.t.k)))
		}
	}
	return s.plus(v.c)
}

// shifted returns the region of the words shifted right by n, filled with their sign.
func (s region) shifted(n uint64) region {
	var of region
	for _, sign := range [...]interval{{0, maxWord >> 1}, {maxWord>>1 + 1, maxWord}} {
		for _, i := range s.and(region{sign}) {
			of = of.or(interval{uint64(int64(i.least) >> n), uint64(int64(i.most) >> n)})
		}
	}
	return of
}

// known removes words from the ends of a region that are impossible if the bits of zeros are
// 0 and those of ones are 1.
func (s region) known(zeros, ones uint64) region {
	if zeros|ones == 0 {
		return s
	}
	return s.each(func(i interval) region {
		for {
			differ := bits.Len64(i.least ^ i.most)
			same := ^(uint64(1)<<differ - 1)
			if differ == 64 {
				same = 0
			}
			if i.least&same&zeros != 0 || ^i.least&same&ones != 0 {
				return nil
			}
			if differ == 0 {
				return region{i}
			}
			switch bit := uint64(1) << (differ - 1); {
			case zeros&bit != 0:
				i.most = i.most&^(bit<<1-1) | (bit - 1)
			case ones&bit != 0:
				i.least = i.most &^ (bit - 1)
			default:
				return region{i}
			}
		}
	})
}

// holdsIn returns a value and the region in which the predicate holds for it. ok is false
// unless the predicate compares a value with a constant or with a part of itself.
func (r resolver) holdsIn(p predicate) (v value, s region, ok bool) {
	a, b := r.resolve(p.a), r.resolve(p.b)
	switch {
	case p.kind == equal:
		a, b = sides(a, b)
		if x, n, ok := signTest(a, b); ok {
			return x, extended(n), true
		}
		if a.t == nil {
			a, b = b, a
		}
		switch {
		case b.t == nil:
			return a, from(b.c, b.c), true
		case isMasked(a, b):
			return r.ts.and(b, ^a.t.k), from(0, 0), true
		case isMasked(b, a):
			return r.ts.and(a, ^b.t.k), from(0, 0), true
		}
		for range 2 {
			if s, ok := r.ts.extends(a, b); ok {
				return b, s, true
			}
			a, b = b, a
		}
	case p.kind == below && b.t == nil && b.c == 0:
		return a, nil, a.t != nil
	case p.kind == below && b.t == nil:
		return a, from(0, b.c-1), a.t != nil
	case p.kind == below && a.t == nil && a.c == maxWord:
		return b, nil, true
	case p.kind == below && a.t == nil:
		return b, from(a.c+1, maxWord), true
	}
	return value{}, nil, false
}

// extends returns the region of b in which it is the sign extension a of its lowest bytes,
// to as many bytes as a has.
func (ts *terms) extends(a, b value) (s region, ok bool) {
	width := maxWord
	if a.t != nil && a.c == 0 && a.t.op == isAnd && a.t.k&(a.t.k+1) == 0 {
		a, width = a.t.x, a.t.k
	}
	if a.t == nil || a.c != 0 || a.t.op != isSext || ts.sext(b, uint8(a.t.k)) != a {
		return nil, false
	}
	most := maskOf(uint8(a.t.k)) >> 1
	return from(0, most).or(interval{width - most, width}), true
}

// isMasked reports whether a is b with some bits cleared.
func isMasked(a, b value) bool { return a.t != nil && a.c == 0 && a.t.op == isAnd && a.t.x == b }

// peel goes from a value and its region to the operand that the value was computed from, and
// on, as long as there are rules for the operand's region.
func peel(v value, s region) (*term, region) {
	for {
		s = s.plus(-v.c)
		next, ok := s.of(v.t)
		if !ok || v.t.x.t == nil {
			return v.t, s
		}
		v, s = v.t.x, next
	}
}

// where returns the region in which a term is by the facts.
func (r resolver) where(t *term) region {
	least, most := r.bounds(t)
	if t.op == isAnd {
		most = min(most, t.k)
	}
	s := from(least, most)
	var zeros, ones uint64
	for f := r.fs; f != nil; f = f.before {
		if f.kind == factSame && f.v.t == nil && f.t.op == isAnd && f.t.x == t.value() { // a part that was compared
			zeros, ones = zeros|f.t.k&^f.v.c, ones|f.t.k&f.v.c
		}
		if f.t != t {
			continue
		}
		switch {
		case f.kind == factIn:
			s = s.and(f.in)
		case f.kind == factNot && f.v.t == nil:
			s = s.and(from(f.v.c, f.v.c).not())
		case f.kind == factSome && f.k&(f.k-1) == 0:
			ones |= f.k
		case f.kind == factSign:
			s = s.and(extended(f.k))
		}
	}
	if ones != 0 {
		s = s.and(from(ones, maxWord))
	}
	return s.known(r.zeros(t.value())|zeros, ones)
}

// isIn tells whether a value is in a region.
func (r resolver) isIn(v value, s region) truth {
	if v = r.resolve(v); v.t == nil {
		if from(v.c, v.c).in(s) {
			return isTrue
		}
		return isFalse
	}
	t, s := peel(v, s)
	switch is := r.where(t); {
	case is.in(s):
		return isTrue
	case len(is.and(s)) == 0:
		return isFalse
	}
	return isOpen
}

// raise forgets the lowered part of the stack once RSP has left it.
func (st *state) raise() {
	st.lowered = nil
	st.cells.drop(int(st.origin.c-st.loweredFrom+7) / 8)
}
