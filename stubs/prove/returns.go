package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/stubs"
)

// predicted takes the address that the CPU predicts for a RET from its return
// stack, and checks of a variant that promises retpolines that nothing is done
// there if it is not the right one.
func (m *machine) predicted(st *state, to word) bool {
	guess := st.calls
	if guess != nil {
		st.calls = guess.before
	}
	if !m.promises.Has(stubs.PromiseNoIndirect) || guess != nil && m.at(st).resolve(to.v).is(guess.addr) {
		return true
	}
	if guess == nil && (st.phase == inResume || st.phase == inSetUp) {
		return true // its caller is the kernel
	}
	if st.filled {
		return true // all that is in it stops
	}
	return m.check(st, claimCapture, 0, nil, guess != nil && m.captures(guess.addr), func() (string, string, *origin) {
		if guess == nil {
			return "no CALL's", "", nil
		}
		return constant(guess.addr), "a loop of PAUSE and LFENCE", nil
	})
}

// branched counts a branch that is taken, for a variant that promises to clear the
// branch history.
func (m *machine) branched(st *state) {
	if st.phase == inCall && !st.forgot && m.promises.Has(stubs.PromiseHistory) {
		st.branches++
	}
}

// forgets checks, of a variant that promises it, that the CPU's branch history holds no
// branch of ring 3 at an indirect branch, or where a function of the kernel is called.
func (m *machine) forgets(st *state, f *function) bool {
	return !m.promises.Has(stubs.PromiseHistory) || st.phase != inCall || m.check(st, claimHistory, 0, f, st.forgot, func() (string, string, *origin) {
		return fmt.Sprintf("%d branches, then no LFENCE", st.branches), fmt.Sprintf("%d branches and an LFENCE behind them", m.axes.Branches()), nil
	})
}

// fills remembers at an LFENCE whether CALLs from which nobody returned have filled
// the return stack with addresses of INT3, at which the CPU stops.
func (m *machine) fills(st *state) {
	n := 0
	for c := st.calls; c != nil; c = c.before {
		if in, err := m.fetch(c.addr); err != nil || in.op != opINT3 {
			break
		}
		n++
	}
	st.filled = st.filled || n >= stubs.ReturnStack
}

// captures reports whether the code at an address is LFENCE, or PAUSE too, and a
// JMP back.
func (m *machine) captures(start uint64) bool {
	fence := false
	for addr := start; ; {
		in, err := m.fetch(addr)
		switch {
		case err != nil:
			return false
		case in.op == opJMP:
			return fence && in.src.kind == isImm && uint64(in.src.imm) == start
		case in.op == opLFENCE:
			fence = true
		case in.op != opPAUSE:
			return false
		}
		addr += uint64(in.len)
	}
}
