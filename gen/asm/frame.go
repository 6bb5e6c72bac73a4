package asm

// way says whether a line can be reached, and where RSP is then: off bytes
// above the start of the frame, if that is known.
type way struct {
	reach reach
	off   int
}

type reach uint8

const (
	unreached reach = iota
	unknown         // reached, with RSP at an unknown place
	known
)

// meet returns what is known where two paths join.
func (w way) meet(v way) way {
	switch {
	case w.reach == unreached:
		return v
	case v.reach == unreached || v == w:
		return w
	}
	return way{reach: unknown}
}

// follow follows RSP from each FRAME on along every path through the function
// and compares every claim with it. Where two paths join with RSP at different
// places, its place is unknown until the next FRAME. It also refuses a
// function whose end can be reached, unless that is a prefix.
func (l *lowering) follow() {
	at := make(map[*label]int, len(l.labels)) // a label's line
	for i, ln := range l.lines {
		if ln.bind != nil {
			at[ln.bind] = i
		}
	}
	ways := make([]way, len(l.lines)+1) // on arrival at each line
	ways[0].reach = unknown
	again := true
	flow := func(from, to int, w way) {
		if old := ways[to]; old.meet(w) != old {
			ways[to] = old.meet(w)
			again = again || to <= from
		}
	}
	for again {
		again = false
		for i, ln := range l.lines {
			w := ways[i]
			if ln.bind != nil && ln.bind.global {
				w = way{reach: unknown} // other functions come here too
			}
			if w.reach == unreached {
				continue
			}
			switch {
			case ln.frame != nil:
				flow(i, i+1, way{known, *ln.frame})
				continue
			case ln.bind != nil:
				flow(i, i+1, w)
				continue
			}
			if lb := l.labels[ln.in.fault]; lb != nil {
				flow(i, at[lb], w)
			}
			w = w.after(ln.in)
			if lb := l.branchTo(ln); lb != nil {
				flow(i, at[lb], w)
			}
			if !endsFlow(ln.in.name) {
				flow(i, i+1, w)
			}
		}
	}
	for i, ln := range l.lines {
		if ln.in == nil {
			continue
		}
		l.checkClaim(ln.in, ways[i])
		if name := ln.in.fault; name != "" && l.labels[name] == nil {
			l.insErrorf(ln.in, "Fault: %s is not a label of this function", name)
		}
	}
	if ways[len(l.lines)].reach != unreached && !l.tooDeep && !l.fn.prefix {
		l.errorf(l.fn.pc, "the function's end can be reached; end it with RETURN, RET, JMP, IRETQ, SYSRETQ, ERETU, ERETS, RETFL or UD2")
	}
}

// branchTo returns the local label that a line may branch to.
func (l *lowering) branchTo(ln line) *label {
	if ln.target != nil {
		return ln.target
	}
	if table[ln.in.name].branches() && ln.in.name != "CALL" {
		if name, ok := ln.in.args[0].(string); ok {
			return l.labels[name]
		}
	}
	return nil
}

// after returns the way behind an instruction.
func (w way) after(in *instruction) way {
	if w.reach != known {
		return w
	}
	switch in.name {
	case "PUSHQ", "PUSHFQ", "PUSHL", "POPFQ", "POPQ", "POPL":
		w.off += stackStep(in.name)
		if in.args[0] == RSP && in.name[:3] == "POP" {
			w = way{reach: unknown}
		}
		return w
	case "SUBQ", "ADDQ", "SUBL", "ADDL":
		if v, ok := intOf(in.args[0]); ok && in.args[1] == RSP {
			if in.name[:3] == "SUB" {
				v = -v
			}
			w.off += int(v)
			return w
		}
	case "LEAQ", "LEAL":
		if m, ok := in.args[0].(Mem); ok && in.args[1] == RSP && m.onStack() {
			w.off += m.Disp()
			return w
		}
	case "XCHGQ":
		if in.args[0] == RSP {
			return way{reach: unknown}
		}
	}
	if shapes[table[in.name].form].write && in.nargs > 0 && in.args[in.nargs-1] == RSP {
		return way{reach: unknown}
	}
	return w
}

// stackStep returns by how much a PUSH or POP moves RSP; 0 for any other instruction.
func stackStep(name string) int {
	switch name {
	case "PUSHQ", "PUSHFQ":
		return -8
	case "PUSHL":
		return -4
	case "POPQ", "POPFQ":
		return 8
	case "POPL":
		return 4
	}
	return 0
}

// onStack reports whether the operand is at a constant distance from RSP.
func (m Mem) onStack() bool {
	v := m.get()
	return v.base == RSP && v.index == noReg && v.sym == "" && v.seg == noReg
}

// checkClaim checks that the slot which the instruction claims, and the fields that
// its operands name, are where RSP says.
func (l *lowering) checkClaim(in *instruction, w way) {
	step := stackStep(in.name)
	opOff := w.off + max(step, 0) // a POP finds its operand from the new RSP
	if step != 0 && in.claim != nil {
		verb := "push"
		if step > 0 {
			verb = "pop"
		}
		l.claimed(in, verb, way{w.reach, w.off + min(step, 0)}, "RSP")
	}
	claimed := step != 0
	for _, arg := range in.operands() {
		m, ok := arg.(Mem)
		if !ok || !m.onStack() {
			continue
		}
		at := opOff + m.Disp()
		// Other memory lies below the frame's start: the thread, at the bottom of
		// the same stack.
		if f := m.Field(); f.Frame != "" && w.reach == known && at >= 0 && at != f.Off {
			l.insErrorf(in, "operand is %v (%+d), but RSP%+d is at %+d", f, f.Off, m.Disp(), at)
		}
		if in.claim != nil && !claimed {
			l.claimed(in, "operand", way{w.reach, at}, m.String())
			claimed = true
		}
	}
	if in.claim != nil && !claimed {
		l.insErrorf(in, "Is(%v): the instruction touches no slot by RSP", *in.claim)
	}
}

func (l *lowering) claimed(in *instruction, verb string, w way, what string) {
	if w.reach != known {
		l.insErrorf(in, "%s is %v, but RSP's place is not known here; state it with FRAME", verb, *in.claim)
	} else if w.off != in.claim.Off {
		l.insErrorf(in, "%s is %v (%+d), but %s is at %+d", verb, *in.claim, in.claim.Off, what, w.off)
	}
}
