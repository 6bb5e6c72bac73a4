package prove

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// model is a value beside what it is for one input.
type model struct {
	v value
	n uint64
}

// TestFacts draws an input, builds values from its symbols, and takes the
// branches that this input takes. What the facts of the path then decide must be
// so for the input: a wrong answer would prove what is not so.
func TestFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := &terms{}
		var fs *facts
		input := map[*term]uint64{}
		some := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 16), rapid.SampledFrom([]uint64{0, 1, 0x100, 1 << 31, 1<<32 + 5, 1<<32 - 1, 1 << 47, 1<<47 - 1, 0xffff << 47, 0x1ffff << 47, 1<<64 - 1}))
		var values []model
		for _, name := range []string{"a", "b", "c"} {
			s := symbol(name, name == "a")
			s.edit = name == "b"
			input[s] = some.Draw(t, name)
			values = append(values, model{s.value(), input[s]})
		}
		pick := func(label string) model {
			if rapid.IntRange(0, 3).Draw(t, label+" is a constant") == 0 {
				n := some.Draw(t, label)
				return model{known(n), n}
			}
			return values[rapid.IntRange(0, len(values)-1).Draw(t, label)]
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			x := pick("x")
			switch rapid.IntRange(0, 13).Draw(t, "step") {
			case 0:
				mask := some.Draw(t, "mask")
				values = append(values, model{ts.and(x.v, mask), x.n & mask})
			case 1:
				n := rapid.Uint64Range(0, 63).Draw(t, "shift")
				values = append(values, model{ts.shr(x.v, n), x.n >> n})
			case 2:
				n := rapid.Uint64Range(0, 63).Draw(t, "shift")
				values = append(values, model{ts.shl(x.v, n), x.n << n})
			case 3:
				n := rapid.Uint64Range(0, 63).Draw(t, "shift")
				values = append(values, model{ts.sar(x.v, n), uint64(int64(x.n) >> n)})
			case 4: // as a test of an address does
				n := rapid.SampledFrom([]uint64{1, 16, 17, 63}).Draw(t, "sign bits")
				values = append(values, model{ts.sar(ts.shl(x.v, n), n), uint64(int64(x.n<<n) >> n)})
			case 5:
				n := some.Draw(t, "offset")
				values = append(values, model{x.v.add(n), x.n + n})
			case 6:
				n := rapid.SampledFrom([]uint8{1, 2, 4}).Draw(t, "bytes")
				values = append(values, model{ts.sext(x.v, n), uint64(int64(x.n<<(64-8*n)) >> (64 - 8*n))})
			case 7:
				values = append(values, model{ts.not(x.v), ^x.n})
			case 8:
				n := rapid.Uint64Range(0, 63).Draw(t, "shift")
				values = append(values, model{ts.rol(x.v, n), bits.RotateLeft64(x.n, int(n))})
			case 9:
				y, n := pick("y"), rapid.Uint64Range(1, 63).Draw(t, "bit")
				values = append(values, model{ts.join(x.v, y.v, n, maxWord), x.n&(1<<n-1) | y.n<<n})
			case 10:
				y := pick("y")
				op := rapid.SampledFrom([]opcode{opADD, opSUB, opXOR, opAND, opOR}).Draw(t, "operation")
				width := rapid.SampledFrom([]uint8{1, 2, 4, 8}).Draw(t, "width")
				a, b := ts.and(x.v, maskOf(width)), ts.and(y.v, maskOf(width))
				values = append(values, model{ts.compute(op, width, a, b), compute(op, width, x.n&maskOf(width), y.n&maskOf(width))})
			case 11:
				values = append(values, model{ts.compute(opBSWAP, 8, x.v, value{}), bits.ReverseBytes64(x.n)})
			default:
				y := pick("y")
				p, holds := predicate{equal, x.v, y.v}, x.n == y.n
				if rapid.Bool().Draw(t, "below") {
					p, holds = predicate{below, x.v, y.v}, x.n < y.n
				}
				r := resolver{ts, fs}
				if got := r.eval(p); got != isOpen && (got == isTrue) != holds {
					t.Fatalf("%v of %v and %v is decided as %v; for %v it is %v", p.kind, x.v, y.v, got, input, holds)
				}
				fs = r.assume(p, holds)
			}
		}
		r := resolver{ts, fs}
		for _, x := range values {
			if z := r.zeros(x.v); x.n&z != 0 {
				t.Fatalf("%v: the bits %#x are said to be 0, but it is %#x", x.v, z, x.n)
			}
			if least, most := r.limits(x.v); x.n < least || x.n > most {
				t.Fatalf("%v is said to be %#x to %#x, but is %#x", x.v, least, most, x.n)
			}
			if mask := some.Draw(t, "bits"); r.some(x.v, mask) && x.n&mask == 0 {
				t.Fatalf("%v is said to have a bit of %#x, but is %#x", x.v, mask, x.n)
			}
			if got := r.canonical(x.v); got != isOpen && (got == isTrue) != (uint64(int64(x.n<<16)>>16) == x.n) {
				t.Fatalf("%v is said to be canonical: %v, but is %#x", x.v, got, x.n)
			}
			for f := range input {
				if w := r.resolve(x.v); w.t == f && input[f]+w.c != x.n {
					t.Fatalf("%v is resolved to %v, which is %#x, but is %#x", x.v, w, input[f]+w.c, x.n)
				}
			}
		}
	})
}

// TestDecides: what the variants' branches need is decided.
func TestDecides(t *testing.T) {
	ts := &terms{}
	a, b := symbol("a", true).value(), symbol("b", true)
	b.edit = true
	for _, tt := range []struct {
		name  string
		facts []predicate // that hold; those that are opposite do not
		not   []predicate
		p     predicate
		want  truth
	}{
		{name: "a number in the table", facts: []predicate{{below, a, known(100)}}, p: predicate{below, a, known(101)}, want: isTrue},
		{name: "a number beyond it", not: []predicate{{below, a, known(100)}}, p: predicate{equal, a, known(5)}, want: isFalse},
		{name: "one bit of two", not: []predicate{{equal, ts.and(a, 3), known(0)}}, facts: []predicate{{equal, ts.and(a, 1), known(0)}}, p: predicate{equal, ts.and(a, 2), known(0)}, want: isFalse},
		{name: "some bit of two", not: []predicate{{equal, ts.and(a, 3), known(0)}}, p: predicate{equal, ts.and(a, 1), known(0)}, want: isOpen},
		{name: "two that are the same", facts: []predicate{{equal, a, b.value()}}, p: predicate{equal, a.add(8), b.value().add(8)}, want: isTrue},
		{name: "an address that is canonical", facts: []predicate{{equal, ts.shr(a, 47), known(0)}}, p: predicate{below, a, known(1 << 47)}, want: isTrue},
		{name: "the same from another", facts: []predicate{{below, a, known(1 << 47)}, {equal, b.value(), a}}, p: predicate{equal, ts.shr(b.value(), 47), known(0)}, want: isTrue},
		{name: "a slot's number", facts: []predicate{{equal, a, known(7)}}, p: predicate{equal, ts.and(ts.and(a, 0xffffffff), 4), known(0)}, want: isFalse},
		{name: "an int in the table", facts: []predicate{{below, ts.sext(a, 4), known(100)}}, p: predicate{equal, ts.sext(a, 4), ts.and(a, 1<<32-1)}, want: isTrue},
		{name: "an int that may be beyond it", facts: []predicate{{below, ts.sext(a, 4), known(1 << 32)}}, p: predicate{equal, ts.sext(a, 4), ts.and(a, 1<<32-1)}, want: isOpen},
		{name: "an int beyond it", not: []predicate{{below, ts.sext(a, 4), known(100)}}, p: predicate{below, ts.and(a, 1<<32-1), known(100)}, want: isFalse},
		{name: "a number that is an int", facts: []predicate{{below, a, known(100)}}, p: predicate{equal, a, ts.and(a, 1<<32-1)}, want: isTrue},
		{name: "not the same", not: []predicate{{equal, a, b.value()}}, p: predicate{equal, a, b.value()}, want: isFalse},
		{name: "nothing", p: predicate{equal, a, b.value()}, want: isOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := resolver{ts: ts}
			for _, p := range tt.not {
				r.fs = r.assume(p, false)
			}
			for _, p := range tt.facts {
				r.fs = r.assume(p, true)
			}
			if got := r.eval(tt.p); got != tt.want {
				t.Errorf("it is %v, want %v", got, tt.want)
			}
		})
	}
}
