package prove

import (
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// jump runs JMP, CALL, RET and RETN.
func (m *machine) jump(st *state, in *inst) {
	var to word
	ok := true
	if m.promises.Has(stubs.PromiseIBRS) && st.phase == inCall && in.src.kind != isImm &&
		!m.check(st, claimIBRSBranch, 0, nil, st.ibrs, nil) {
		return
	}
	if in.src.kind != isImm && in.op != opRET && in.op != opRETN && !m.forgot(st, nil) {
		return
	}
	m.branched(st)
	if !m.mayBranch(st, in) {
		return
	}
	if in.op == opRET || in.op == opRETN {
		to, ok = m.pop(st)
		if in.op == opRETN {
			st.regs[rSP].v = st.regs[rSP].v.add(uint64(in.src.imm))
		}
		if ok = ok && m.predicted(st, to); !ok {
			return
		}
	} else {
		if in.src.kind != isImm && m.promises.Has(stubs.PromiseNoIndirect) {
			m.check(st, claimRetpoline, 0, nil, false, nil)
			return
		}
		to, ok = m.read(st, in.src, 8)
	}
	if !ok {
		return
	}
	if in.op == opCALL && st.phase == inCall && to.v.t == nil && m.partOf(to.v.c) != nil && (!st.expect.inside || st.calls == nil) {
		st.expect.inside = st.expect.inside || m.axes.Is(stubs.SlowDoreti) || m.at(st).same(st.regs[rDI].v, value{st.origin.t, st.origin.c - frameSize}) == isTrue
		if !m.cleared(st, inner, rDI, rSI) {
			return
		}
	}
	if in.op == opCALL {
		st.rspBy = st.regs[rSP].by
		if !m.push(st, word{v: known(st.pc)}) {
			return
		}
		st.calls = &called{st.calls, st.pc}
		if !m.counts(st, to) {
			return
		}
	}
	if in.op == opJMP && in.src.kind == isImm && to.v.c <= st.at && m.partOf(to.v.c) != nil {
		st.pc = to.v.c
		if !m.goesBack(st) {
			return
		}
	}
	m.learns(st)
	if m.boundary(st) && !m.looksAgain(st, in) {
		m.transfer(st, to)
	}
}

// theStop is where a file that has no way by a tracer stops.
var theStop = &function{name: "the stop", kind: hardware}

// trap runs UD2, which marks a place that a variant must not reach.
func (m *machine) trap(st *state) {
	if m.untraced && !m.byFrame() && st.phase == inCall && !m.checkSame(st, claimFrame, 0, theStop, st.regs[rSP], m.handlersFrame(st)) {
		return
	}
	asked, goal := false, nowhere
	switch {
	case st.phase != inCall:
	case m.byFrame():
		asked = m.wasWork(st, layout.TIFNever, true) ||
			m.untraced && m.at(st).some(m.s.callWork.value(), layout.SyscallWorkEnter|layout.SyscallWorkExit)
	case m.untraced:
		asked, goal = m.wasWork(st, layout.TIFEntryWork, true), m.workThere(st, layout.TIFEntryWork)
	}
	if m.checkThat(st, claimTrap, 0, nil, asked, goal, m.gotWork(st, "work that nothing asks for")) {
		m.end(st)
	}
}
