package prove

// checkPrefixes refuses prefixes that do not belong to the instruction, or that change
// what it is.
func (d *decoder) checkPrefixes() {
	in := &d.in
	switch in.op {
	case opNOP, opPREFETCH:
		d.refuseIf(d.lock || d.pF2 || d.pF3)
		return
	case opJMP, opCALL, opJCC, opRET, opRETN:
		// F2 was a bound check, which a kernel has off, F3 pleased a branch
		// predictor, and 3E says that a target needs no ENDBR64.
		d.pF2, d.pF3 = false, d.pF3 && in.op != opRET
	case opSTOS, opMOVSTR, opLODS, opSCAS, opCMPS:
		d.refuseIf(d.pF2 && in.op < opSCAS || d.seg != segNone)
		in.rep = map[bool]uint8{true: 0xf2}[d.pF2] | map[bool]uint8{true: 0xf3}[d.pF3]
		d.pF2, d.pF3 = false, false
	}
	d.refuseIf(d.p67 || d.pF2 || d.pF3 && !in.takesF3())
	d.refuseIf(d.seg != segNone && in.dst.kind != inMem && in.src.kind != inMem)
	d.refuseIf(d.p66 && in.width != 2 && in.from != 2 && !in.takes66())
	d.refuseIf(d.lock && (in.dst.kind != inMem || !lockable[in.op])) // #UD
	in.lock = d.lock
}

// lockable are the instructions that may have LOCK if they write memory (SDM
// volume 2, LOCK).
var lockable = [numOps]bool{
	opADD: true, opADC: true, opAND: true, opBTC: true, opBTR: true, opBTS: true, opCMPXCHG: true, opDEC: true, opINC: true, opNEG: true,
	opNOT: true, opOR: true, opSBB: true, opSUB: true, opXOR: true, opXADD: true, opXCHG: true,
}

// takesF3 reports whether the prefix F3 is part of the opcode.
func (in *inst) takesF3() bool {
	switch in.op {
	case opPAUSE, opENDBR, opERETU, opTZCNT, opLZCNT, opPOPCNT, opRDBASE, opWRBASE, opMOVXMM, opXMM, opRDPID:
		return true
	}
	return false
}

// takes66 reports whether the prefix 66 is part of the opcode, or does nothing.
func (in *inst) takes66() bool { return in.op == opMOVXMM || in.op == opXMM || in.op == opMOVSEG }
