package prove

import (
	"reflect"
	"testing"
)

// TestSeenFields: whoever adds a field to what the machine is made of has to say
// whether two states that differ in it are the same (namer.state).
func TestSeenFields(t *testing.T) {
	for _, tt := range []struct {
		of     any
		fields int
	}{
		{state{}, 60}, {preempt{}, 2}, {tables{}, 5}, {predictors{}, 10}, {expectation{}, 18}, {condition{}, 7}, {facts{}, 7}, {term{}, 16}, {word{}, 2},
	} {
		if got := reflect.TypeOf(tt.of).NumField(); got != tt.fields {
			t.Errorf("%T has %d fields, and namer knows of %d", tt.of, got, tt.fields)
		}
	}
}

// TestAgain: states are the same whatever their unknowns are called, and not if
// one of these is a word of ring 3 or the facts differ.
func TestAgain(t *testing.T) {
	s := newSymbols()
	m := &machine{subject: &subject{s: s}}
	at := func(user bool, k uint64) *state {
		st := s.afterSYSCALL(0, ^uint64(0))
		x := symbol("x", user)
		st.regs[rAX].v = x.value()
		st.facts = m.at(st).with(factZero, x, value{}, k)
		st.facts = m.at(st).with(factZero, symbol("nobody's", false), value{}, 1)
		return st
	}
	for _, tt := range []struct {
		name string
		st   *state
		want bool
	}{
		{"the first", at(false, 1), false},
		{"the same by another name", at(false, 1), true},
		{"another fact", at(false, 2), false},
		{"a word of ring 3", at(true, 1), false},
		{"the first again", at(false, 1), true},
	} {
		if got := m.again(tt.st); got != tt.want {
			t.Errorf("%s: seen is %v, want %v", tt.name, got, tt.want)
		}
		if tt.st.facts.count() != 2 { // that of x and that of RIP
			t.Errorf("%s: %d facts are left, want 2", tt.name, tt.st.facts.count())
		}
	}
}
