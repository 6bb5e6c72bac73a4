package prove

import (
	"slices"
	"testing"
)

// apart reports whether two operands in memory are surely different words: they
// lie apart from the same register, or one in the per-CPU area and one on the
// stack.
func apart(a operand, aWidth uint8, b operand, bWidth uint8) bool {
	perCPU := func(o operand) bool { return o.seg == segGS && o.base == noReg && o.index == noReg }
	stack := func(o operand) bool { return o.seg == segNone && o.base == rSP && o.index == noReg }
	if perCPU(a) && stack(b) || stack(a) && perCPU(b) {
		return true
	}
	if a.rip || b.rip || a.seg != b.seg || a.base != b.base || a.index != noReg || b.index != noReg {
		return false
	}
	return a.imm+int64(aWidth) <= b.imm || b.imm+int64(bWidth) <= a.imm
}

// commute reports whether two instructions that follow each other may change
// places.
func commute(a, b effects) bool {
	if a.other || b.other || a.reads&b.writes != 0 || a.writes&b.reads != 0 || a.writes&b.writes != 0 {
		return false
	}
	if a.writesFlags && b.writesFlags && !(a.clears && b.clears) {
		return false
	}
	conflict := func(x, y []operand, xWidth, yWidth uint8) bool {
		return slices.ContainsFunc(x, func(o operand) bool {
			return slices.ContainsFunc(y, func(p operand) bool { return !apart(o, xWidth, p, yWidth) })
		})
	}
	return !conflict(a.stores, b.stores, a.width, b.width) && !conflict(a.stores, b.loads, a.width, b.width) && !conflict(a.loads, b.stores, a.width, b.width)
}

// again reports whether an instruction that is run twice does what it does once.
func again(in *inst) bool {
	switch in.op {
	case opCLI, opSTI, opCLD, opSTD, opCLAC, opSTAC, opLFENCE, opENDBR, opVERW, opWRMSR:
		return true // opWRMSR: of what the variants write
	case opJMP, opJCC, opSYSRET, opIRET, opERETU, opERETS, opUD2, opRET, opRETN:
		return true // the first that goes is the last
	}
	e := effectsOf(in)
	if in.op == opAND || in.op == opOR { // the second time all bits are as they should be
		return in.dst.kind == inReg && in.src.kind != inMem
	}
	return !e.other && e.reads&e.writes == 0 && (len(e.loads) == 0 || len(e.stores) == 0)
}

// TestEffects spot-checks what makes a mutant no mutant.
func TestEffects(t *testing.T) {
	mem := func(imm int64) operand { return operand{kind: inMem, base: rSP, index: noReg, imm: imm} }
	of := func(r reg) operand { return operand{kind: inReg, reg: r} }
	load := func(imm int64, r reg) *inst { return &inst{op: opMOV, width: 8, src: mem(imm), dst: of(r)} }
	store := func(r reg, imm int64) *inst { return &inst{op: opMOV, width: 8, src: of(r), dst: mem(imm)} }
	push := &inst{op: opPUSH, width: 8, src: of(rDI)}
	test := &inst{op: opTEST, width: 8, src: of(rAX), dst: of(rAX)}
	for _, tt := range []struct {
		name    string
		a, b    *inst
		commute bool
		again   bool // of a
	}{
		{"loads of two words", load(0, rDI), load(8, rSI), true, true},
		{"loads into one register", load(0, rDI), load(8, rDI), false, true},
		{"a load of what is stored", store(rDI, 0), load(0, rSI), false, true},
		{"a load of half of what is stored", store(rDI, 0), load(4, rSI), false, true},
		{"a load of the word behind it", store(rDI, 0), load(8, rSI), true, true},
		{"two pushes", push, push, false, false},
		{"a load by what is loaded", load(0, rSP), load(8, rSI), false, false},
		{"two tests", test, test, false, true},
		{"a test and a move", test, load(0, rDI), true, true},
		{"a test of what is loaded", test, load(0, rAX), false, true},
		{"a word of the per-CPU area", push, &inst{op: opMOV, width: 8, src: operand{kind: inMem, seg: segGS, base: noReg, index: noReg}, dst: of(rAX)}, true, false},
		{"bits cleared", &inst{op: opAND, width: 4, src: of(rDI), dst: of(rSI)}, test, false, true},
		{"two registers cleared", &inst{op: opXOR, width: 4, src: of(rDI), dst: of(rDI)}, &inst{op: opXOR, width: 4, src: of(rSI), dst: of(rSI)}, true, true},
		{"what changes more", &inst{op: opSWAPGS}, load(0, rAX), false, false},
	} {
		if got := commute(effectsOf(tt.a), effectsOf(tt.b)); got != tt.commute {
			t.Errorf("%s: they may change places: %v", tt.name, got)
		}
		if got := again(tt.a); got != tt.again {
			t.Errorf("%s: it may be run twice: %v", tt.name, got)
		}
	}
}
