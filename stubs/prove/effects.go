package prove

// effects are what an instruction needs and what it changes, as far as tells
// whether two of them may change places, or one be run twice, and nobody sees it.
type effects struct {
	reads, writes regSet
	writesFlags   bool
	clears        bool // it is XOR of a register with itself, after which the flags are the same for all
	loads, stores []operand
	width         uint8
	// other: it does more than this tells, as SWAPGS or a branch.
	other bool
}

// effectsOf knows the instructions that move and compute; all others are other.
func effectsOf(in *inst) effects {
	e := effects{width: in.width}
	if in.op == opMOVZX || in.op == opMOVSX {
		e.width = in.from
	}
	read := func(o operand) {
		switch o.kind {
		case inReg:
			e.reads.add(o.reg)
		case inMem:
			e.reads.add(o.base, o.index)
			e.loads = append(e.loads, o)
		}
	}
	write := func(o operand) {
		switch o.kind {
		case inReg:
			e.writes.add(o.reg)
			if in.width < 4 { // the rest stays
				e.reads.add(o.reg)
			}
		case inMem:
			e.reads.add(o.base, o.index)
			e.stores = append(e.stores, o)
		}
	}
	stack := operand{kind: inMem, base: rSP, index: noReg}
	switch in.op {
	case opMOV, opMOVZX, opMOVSX:
		read(in.src)
		write(in.dst)
	case opLEA:
		e.reads.add(in.src.base, in.src.index)
		write(in.dst)
	case opADD, opOR, opAND, opSUB, opXOR, opSHL, opSHR, opSAR, opBTS, opBTR, opBTC, opINC, opDEC, opNEG:
		e.writesFlags = true
		if e.clears = in.op == opXOR && in.src == in.dst && in.dst.kind == inReg; !e.clears {
			read(in.src)
			read(in.dst)
		}
		write(in.dst)
	case opCMP, opTEST, opBT:
		e.writesFlags = true
		read(in.src)
		read(in.dst)
	case opPUSH:
		read(in.src)
		stack.imm = -8
		e.reads.add(rSP)
		e.writes.add(rSP)
		write(stack)
	case opPOP:
		e.writes.add(rSP)
		read(stack)
		write(in.dst)
	case opNOP, opPAUSE:
	default:
		e.other = true
	}
	return e
}
