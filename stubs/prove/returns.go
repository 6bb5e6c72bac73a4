package prove

import (
	"fmt"
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// predictors are what a call has done about the CPU's predictors so far, in a variant that
// promises to.
type predictors struct {
	// branches is the number of branches taken since SYSCALL; forgot is set by an LFENCE
	// behind as many as clear the branch history.
	branches int
	forgot   bool
	// covered is set once an instruction has run that has the RET to be forgotten in its
	// middle, untrained by an LFENCE behind that, barrier by a write of IBPB.
	covered, untrained, barrier bool
	// fresh is set once the call depth is that of a call from ring 3.
	fresh bool
	// counts is set behind a CALL that must be counted where it goes, counting at the
	// instruction that does so; down is set once the next RET is counted down.
	counts, counting, down bool
	depth                  word // PerCPU.CallDepth
}

// predictorText says what a claim about the predictors states.
func (k claimKind) predictorText(of string) string {
	if of == "" {
		of = map[claimKind]string{claimHistory: "an indirect branch", claimUntrained: "a RET or an indirect branch"}[k]
	}
	switch k {
	case claimHistory:
		return "the branch history is cleared at " + of
	case claimUntrained:
		return "what ring 3 has taught the CPU of RETs is forgotten at " + of
	case claimPredCmd:
		return "IBPB alone is written to PRED_CMD"
	case claimReturn:
		return "the RET is the thunk's"
	case claimUpperHalf:
		return "the branch ends in the upper half of a cache line"
	case claimDepth:
		return "the call depth is set to that of a call from ring 3, counted by one, or set to that of a return stack that was filled"
	case claimReturned:
		return "the RET is counted"
	case claimDepthLeft:
		return "the RET has an address left on the CPU's return stack, by the call depth"
	}
	return "the CALL is counted"
}

// predicted takes from the CPU's return stack the address that it predicts for a RET.
// For a variant that promises retpolines it claims that a wrong prediction does
// nothing there.
func (m *machine) predicted(st *state, to word) bool {
	guess := st.calls
	if guess != nil {
		st.calls = guess.before
	}
	if !m.promises.Has(stubs.PromiseNoIndirect) {
		// A safe return drops an address: go on with the CALL that this RET belongs to.
		v := m.at(st).resolve(to.v)
		if m.promises.Has(stubs.PromiseReturns) && guess != nil && !v.is(guess.addr) && !m.check(st, claimCapture, 0, nil, m.captures(guess.addr), nil) {
			return false
		}
		for c := guess; c != nil; c = c.before {
			if v.is(c.addr) {
				st.calls = c.before
				break
			}
		}
		return true
	}
	if guess != nil && m.at(st).resolve(to.v).is(guess.addr) {
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

// branched counts a taken branch, for a variant that promises to clear the branch
// history.
func (m *machine) branched(st *state) {
	if st.phase == inCall && !st.forgot && m.promises.Has(stubs.PromiseHistory) {
		st.branches++
	}
}

// forgot claims, for a variant that promises it, that the CPU's branch history holds no
// branch of ring 3 at an indirect branch, or where a function of the kernel is called.
func (m *machine) forgot(st *state, f *function) bool {
	return !m.promises.Has(stubs.PromiseHistory) || st.phase != inCall || m.check(st, claimHistory, 0, f, st.forgot, func() (string, string, *origin) {
		return fmt.Sprintf("%d branches, then no LFENCE", st.branches), fmt.Sprintf("%d branches and an LFENCE behind them", m.axes.Branches()), nil
	})
}

// mayBranch claims what a variant promises of the places of RETs and indirect branches.
func (m *machine) mayBranch(st *state, in *inst) bool {
	ret := in.op == opRET || in.op == opRETN
	if !ret && in.src.kind == isImm || st.phase != inCall && st.phase != inResume {
		return true
	}
	if ret && m.promises.Has(stubs.PromiseReturns) && !m.check(st, claimReturn, 0, nil, slices.Contains(m.rets, st.at), nil) {
		return false
	}
	if st.phase == inResume {
		return true
	}
	last := st.at + uint64(in.len) - 1
	if m.promises.Has(stubs.PromiseUpperHalf) && !m.check(st, claimUpperHalf, 0, nil, last&(lineSize/2) != 0, nil) {
		return false
	}
	if ret && m.promises.Has(stubs.PromiseCallDepth) {
		left := m.at(st).same(st.depth.v, known(0)) == isFalse
		if !m.check(st, claimDepthLeft, 0, nil, left, m.gotWant(st, st.depth, "not 0")) ||
			!m.check(st, claimReturned, 0, nil, st.down, nil) {
			return false
		}
		st.down = false
	}
	return m.untrainedAt(st, nil)
}

// lineSize is the size of a cache line in bytes.
const lineSize = 64

// untrainedAt claims, for a variant that promises it, that the CPU has forgotten what ring
// 3 taught it about RETs, or the call depth that ring 3 left.
func (m *machine) untrainedAt(st *state, f *function) bool {
	return st.phase != inCall || m.hasForgotten(st) || m.check(st, claimUntrained, 0, f, false, nil)
}

// hasForgotten reports whether the CPU has forgotten that, or the variant does not promise
// it.
func (m *machine) hasForgotten(st *state) bool {
	return (!m.promises.Has(stubs.PromiseUntrained) || st.untrained) && (!m.promises.Has(stubs.PromiseCallDepth) || st.fresh) && (!m.promises.Has(stubs.PromiseIBPB) || st.barrier)
}

// counts notes that the CALL which has pushed its return address must be counted where it
// goes, and claims that it goes to what counts it.
func (m *machine) counts(st *state, to word) bool {
	if !m.promises.Has(stubs.PromiseCallDepth) || st.phase != inCall && st.phase != inResume || to.v.t != nil {
		return true
	}
	if m.kernel[to.v.c] != nil {
		return m.check(st, claimCounted, 0, nil, false, nil)
	}
	p := m.partOf(to.v.c)
	if p == nil {
		p = m.prefixOf(to.v.c)
	}
	st.counts = p != nil && p.addr == to.v.c
	return true
}

// setsDepth claims what is stored in PerCPU.CallDepth.
func (m *machine) setsDepth(st *state, old, v value) bool {
	fresh := st.calls == nil && v.is(1<<63)
	st.fresh = st.fresh || fresh
	counted := st.counting && v == m.ts.sar(old, 5) || v == m.ts.shl(old, 5)
	full := v.is(^uint64(0)) && (st.phase == inResume && st.filled || m.filledBy(st) >= stubs.DepthFill)
	st.down = st.down || v == m.ts.shl(old, 5) || full
	return m.check(st, claimDepth, 0, nil, fresh || counted || full, func() (string, string, *origin) { return m.show(st, v), "another", nil })
}

// otherDepth does to the count what a function of the kernel does: it returns by the
// variant's thunk, which leaves it above 0, whatever the function and other threads have
// counted. Where only an interrupt may come the model leaves the count alone: this thread's
// switch has filled the return stack, and the count is the old one or that of a full stack,
// which is as good.
func (m *machine) otherDepth(st *state) {
	if !m.promises.Has(stubs.PromiseCallDepth) {
		return
	}
	if m.walk != nil { // as many calls as returns
		st.depth.v = m.ts.shl(st.depth.v, 5)
		return
	}
	v := symbol("PerCPU.CallDepth", false).value()
	st.depth = word{v, lost}
	m.given(st, predicate{equal, v, known(0)}, false)
}

// returnsFrom returns the addresses of the RETs from a label of the variant to the end of
// its function.
func returnsFrom(s *subject, obj *asm.Object, name string) (list []uint64) {
	at, ok := obj.Addr(stubs.FuncName(name, s.name))
	p := s.partOf(at)
	if name == "" || !ok || p == nil {
		return nil
	}
	for at < p.addr+uint64(len(p.code)) {
		in, err := s.fetch(at)
		if err != nil {
			break
		}
		if in.op == opRET {
			list = append(list, at)
		}
		at += uint64(in.len)
	}
	return list
}

// fills notes at an LFENCE whether CALLs without a RET have filled the return stack with
// addresses of INT3, at which the CPU stops.
func (m *machine) fills(st *state) {
	st.filled = st.filled || m.filledBy(st) >= x86.RSB_CLEAR_LOOPS
}

// filledBy returns how many such addresses are on top of the return stack.
func (m *machine) filledBy(st *state) (n int) {
	for c := st.calls; c != nil; c = c.before {
		if in, err := m.fetch(c.addr); err != nil || in.op != opINT3 {
			break
		}
		n++
	}
	return n
}

// captures reports whether speculation at an address does nothing: the code is LFENCE,
// with or without PAUSE, and a JMP back, or an instruction at which the CPU stops.
func (m *machine) captures(start uint64) bool {
	fence := false
	for addr := start; ; {
		in, err := m.fetch(addr)
		switch {
		case err != nil:
			return false
		case addr == start && (in.op == opINT3 || in.op == opUD2):
			return true
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
