package asm

// checkFrame follows RSP from each FRAME on, in the order of the lines, and
// compares every claim with it. Where two ways meet with different places of
// RSP, its place is unknown until the next FRAME.
func (l *lowering) checkFrame() {
	known, off := false, 0
	type state struct {
		known bool
		off   int
	}
	jumps := map[*label]state{} // what forward jumps bring
	meet := func(lb *label) {
		s := state{known, off}
		if old, ok := jumps[lb]; ok && old != s {
			s = state{}
		}
		jumps[lb] = s
	}
	open := true // the line can be reached from the one before
	for _, ln := range l.code.lines {
		switch {
		case ln.frame != nil:
			known, off = true, *ln.frame
			continue
		case ln.bind != nil:
			if !open {
				s := jumps[ln.bind]
				known, off = s.known, s.off
			} else if s, ok := jumps[ln.bind]; ok && s != (state{known, off}) {
				known = false
			}
			open = true
			continue
		}
		in := ln.in
		if in.name == "PUSHQ" || in.name == "PUSHFQ" {
			off -= 8
		}
		l.checkClaim(*in, known, off)
		switch in.name {
		case "POPQ", "POPFQ":
			off += 8
			if in.args[0] == RSP {
				known = false
			}
		case "SUBQ", "ADDQ":
			if in.args[1] == RSP {
				if v, ok := intOf(in.args[0]); ok && in.name == "SUBQ" {
					off -= int(v)
				} else if ok {
					off += int(v)
				} else {
					known = false
				}
			}
		case "LEAQ":
			if in.args[1] == RSP {
				if m, ok := in.args[0].(Mem); ok && m.Base == RSP && m.IndexReg == noReg && m.Sym == "" {
					off += m.Disp
				} else {
					known = false
				}
			}
		default:
			if in.nargs == 2 && in.args[1] == RSP && table[in.name].form == opSrcDst {
				known = false
			}
		}
		if ln.target != nil {
			meet(ln.target)
		} else if in.nargs == 1 && table[in.name].form == opJump && in.name != "CALL" {
			if name, ok := in.args[0].(string); ok {
				if lb := l.code.labels[name]; lb != nil {
					meet(lb)
				}
			}
		}
		open = !endsFlow(in.name)
	}
}

// checkClaim compares what the instruction says of its slot with where it is.
func (l *lowering) checkClaim(in Ins, known bool, off int) {
	for _, arg := range in.args[:in.nargs] {
		m, ok := arg.(Mem)
		if !ok || m.Base != RSP || m.IndexReg != noReg {
			continue
		}
		// Below the frame's start lies other memory: the thread, at the bottom of
		// the same stack.
		if at := off + m.Disp; m.field.Frame != "" && known && at >= 0 && at != m.field.Off {
			l.errorf(in.pc, "operand is %v (%+d), but RSP%+d is at %+d", m.field, m.field.Off, m.Disp, at)
		}
		if in.claim != nil && in.name != "PUSHQ" && in.name != "POPQ" {
			l.claimed(in, known, off+m.Disp, m.String())
			return
		}
	}
	switch {
	case in.claim == nil:
	case in.name == "PUSHQ" || in.name == "PUSHFQ":
		l.claimed(in, known, off, "RSP")
	case in.name == "POPQ" || in.name == "POPFQ":
		l.claimed(in, known, off, "RSP")
	default:
		l.errorf(in.pc, "%v: Is(%v): the instruction touches no slot by RSP", in, *in.claim)
	}
}

func (l *lowering) claimed(in Ins, known bool, at int, what string) {
	verb := map[string]string{"PUSHQ": "push", "PUSHFQ": "push", "POPQ": "pop", "POPFQ": "pop"}[in.name]
	if verb == "" {
		verb = in.name
	}
	if !known {
		l.errorf(in.pc, "%s is %v, but RSP's place is not known here: state it with FRAME", verb, *in.claim)
	} else if at != in.claim.Off {
		l.errorf(in.pc, "%s is %v (%+d), but %s is at %+d", verb, *in.claim, in.claim.Off, what, at)
	}
}
