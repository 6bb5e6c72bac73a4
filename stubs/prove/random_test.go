package prove

import (
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// TestKStackRandom: kstack=prng and kstack=called make the numbers that Linux's generator
// makes: what its self-test wants first of four seeds, behind ten numbers (Linux:
// lib/random32.c, test1).
func TestKStackRandom(t *testing.T) {
	for _, value := range []stubs.Value{stubs.KStackPRNG, stubs.KStackCalled} {
		t.Run(string(value), func(t *testing.T) { testKStackRandom(t, value) })
	}
}

func testKStackRandom(t *testing.T, value stubs.Value) {
	n := with612(t, "+"+string(value))
	obj, err := link(n)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSubject(obj, n)
	if err != nil {
		t.Fatal(err)
	}
	m := s.prove(false)
	// next runs a call up to the mask, and returns the number that it made.
	next := func(state *[2]uint64) uint32 {
		st := m.s.afterSYSCALL(m.entry, m.mask)
		m.begins(st)
		m.todo, m.seen = nil, map[string]bool{}
		seed := func() {
			for i := range st.random {
				st.random[i] = word{known(state[i]), lost}
			}
		}
		drawn := func() {
			for i, w := range st.random {
				state[i] = w.v.c
			}
		}
		seed()
		for {
			in, err := m.fetch(st.pc)
			if err != nil {
				t.Fatal(err)
			}
			if in.op == opAND && in.src.kind == isImm && in.src.imm == layout.KStackMask {
				if value == stubs.KStackPRNG {
					drawn()
				}
				return uint32(st.regs[in.dst.reg].v.c)
			}
			switch in.op { // before and behind these other threads draw numbers too
			case opINC:
				seed()
			case opDEC:
				drawn()
			}
			if m.step(st) {
				continue
			}
			if len(m.todo) == 0 {
				t.Fatalf("all paths end, the last at %#x", st.pc)
			}
			st, m.todo = m.todo[len(m.todo)-1], m.todo[:len(m.todo)-1]
		}
	}
	for seed, want := range map[uint32]uint32{1: 3484351685, 2: 2623130059, 3: 3125133893, 4: 984847254} {
		var halves [4]uint32
		last := seed
		for i, least := range []uint32{2, 8, 16, 128} {
			last *= 69069
			if last < least {
				last += least
			}
			halves[i] = last
		}
		state := [2]uint64{uint64(halves[1])<<32 | uint64(halves[0]), uint64(halves[3])<<32 | uint64(halves[2])}
		for range 10 {
			next(&state)
		}
		if got := next(&state); got != want {
			t.Errorf("seed %d: the number is %d, want %d", seed, got, want)
		}
	}
}
