package asm

import "slices"

// line is one lowered item of a function.
type line struct {
	in     *instruction
	target *label     // where a branch of a structured form goes
	bind   *label     // a label here
	frame  *int       // FRAME: where RSP is from here on
	form   *construct // the innermost structured form around it
}

// lowering flattens one function's items.
type lowering struct {
	fn      *Func
	rep     *report
	names   names
	lines   []line
	labels  map[string]*label
	loops   []loopLabels // the loops around the current item
	form    *construct   // the innermost form around it
	depth   int
	tooDeep bool
}

// maxDepth is how deep blocks may be nested; a block that contains itself would never
// end.
const maxDepth = 1000

func (l *lowering) errorf(pc uintptr, format string, args ...any) {
	l.rep.errorf(pc, "%s: "+format, append([]any{l.fn.Name}, args...)...)
}

func (l *lowering) insErrorf(in *instruction, format string, args ...any) {
	l.rep.insErrorf(l.fn, in, format, args...)
}

// lower flattens a function and checks what can be checked without encoding.
func lower(fn *Func, rep *report, names names) *lowering {
	l := &lowering{fn: fn, rep: rep, names: names, labels: map[string]*label{}}
	if fn.Name == "" {
		rep.errorf(fn.pc, "a function has no name")
	}
	if fn.Bits != 0 && fn.Bits != 16 && fn.Bits != 32 && fn.Bits != 64 {
		l.errorf(fn.pc, "Bits is %d; want 16 or 32, or 64 or 0 for 64-bit code", fn.Bits)
		return l
	}
	for _, reg := range fn.Saves {
		l.emit(l.stackIns("PUSH", reg, fn.pc))
	}
	l.block(fn.Body)
	l.checkJumps()
	l.follow()
	return l
}

func (l *lowering) emit(in *instruction) { l.add(line{in: in}) }

func (l *lowering) add(ln line) {
	ln.form = l.form
	l.lines = append(l.lines, ln)
}

// stackIns returns the PUSH or POP of a whole register.
func (l *lowering) stackIns(name string, reg Reg, pc uintptr) *instruction {
	if l.fn.bits() == 64 {
		name += "Q"
	} else {
		name += "L"
	}
	return &instruction{name: name, args: [2]any{reg}, nargs: 1, pc: pc}
}

func (l *lowering) branch(cc CC, to *label, pc uintptr) {
	in := &instruction{name: jumpNames[cc], nargs: 1, args: [2]any{""}, pc: pc}
	l.add(line{in: in, target: to})
}

// place binds a label that the listing names.
func (l *lowering) place(lb *label) {
	if lb.name == "" {
		l.errorf(lb.pc, "a LABEL has no name")
		return
	}
	l.bind(lb)
}

func (l *lowering) bind(lb *label) {
	if lb.name != "" {
		if old := l.labels[lb.name]; old != nil {
			l.errorf(lb.pc, "LABEL %s: the name is taken at %v", lb.name, l.rep.place(old.pc))
			return
		}
		l.labels[lb.name] = lb
	}
	l.add(line{bind: lb})
}

// ended reports whether the last line never goes on to the next.
func (l *lowering) ended() bool {
	if len(l.lines) == 0 {
		return false
	}
	in := l.lines[len(l.lines)-1].in
	return in != nil && endsFlow(in.name)
}

func endsFlow(name string) bool {
	switch name {
	case "JMP", "RET", "RETN", "IRETQ", "SYSRETQ", "SYSRETL", "ERETU", "ERETS", "RETFL", "UD2":
		return true
	}
	return false
}

// block lowers the items of a block.
func (l *lowering) block(b Block) {
	if l.depth == maxDepth && !l.tooDeep {
		l.tooDeep = true
		l.errorf(l.fn.pc, "blocks are nested more than %d deep; does one hold itself?", maxDepth)
	}
	if l.tooDeep {
		return
	}
	l.depth++
	for _, item := range b {
		if item == nil {
			l.errorf(l.lastPC(), "the item after this line is nil; leave it out or use an empty Block")
			continue
		}
		item.lower(l)
	}
	l.depth--
}

// lastPC returns the place in the Go source of the last instruction, or of the function if
// it has none yet.
func (l *lowering) lastPC() uintptr {
	for _, ln := range slices.Backward(l.lines) {
		if ln.in != nil {
			return ln.in.pc
		}
	}
	return l.fn.pc
}

func (b Block) lower(l *lowering) { l.block(b) }
func (in Ins) lower(l *lowering) {
	resolved := in.changed(l.names.resolve)
	l.emit(resolved.p)
}
func (lb *label) lower(l *lowering) { l.place(lb) }
func (f frameAt) lower(l *lowering) { l.add(line{frame: &f.off}) }
func (r ret) lower(l *lowering) {
	for _, reg := range slices.Backward(l.fn.Saves) {
		l.emit(l.stackIns("POP", reg, r.pc))
	}
	l.emit(&instruction{name: "RET", pc: r.pc})
}
