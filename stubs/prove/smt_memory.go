package prove

import (
	"fmt"
	"strconv"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// address computes the address of an operand in memory, without a segment's base.
func (o *oracle) address(sh *shadow, op operand) bv {
	a := word64(uint64(op.imm))
	if op.base != noReg {
		a = o.added(a, sh.regs[op.base])
	}
	if op.index != noReg {
		index := sh.regs[op.index]
		switch {
		case op.scale == 1:
		case index.sum && index.base == "":
			index = word64(index.off * uint64(op.scale))
		default:
			index = o.define(64, fmt.Sprintf("(bvmul %s %s)", index.text, literal(uint64(op.scale), 64)))
		}
		a = o.added(a, index)
	}
	return a
}

// locate finds the word of the model that holds an address, and the address's
// distance in bytes from that word's start. It adds to sh.places the conditions
// that must hold for the address to be there.
func (o *oracle) locate(sh *shadow, addr bv, op operand, write bool) (w *bv, offset uint64) {
	must := func(text string) { sh.places = append(sh.places, text) }
	temporary := func(b bv) *bv { return &b }
	if !addr.sum || addr.base != "" && !o.known(sh, addr) {
		for _, h := range o.hints {
			if h.o != op {
				continue
			}
			if t := h.addr.t; t != nil && t.op == isShl && (h.addr.c == o.table || h.addr.c == o.frameTable) {
				off := fmt.Sprintf("(bvsub %s %s)", addr.text, literal(h.addr.c, 64))
				must(fmt.Sprintf("(and (bvule %s %s) (= ((_ extract 2 0) %s) #b000))", off, literal(8*layout.SysCallMax, 64), off))
				return temporary(o.define(64, fmt.Sprintf("(select sys_call_table %s)", addr.text))), 0
			}
			if h.addr.t == nil || h.addr.t.op == isSymbol {
				if at := o.value(h.addr); h.addr.t == nil || o.known(sh, at) {
					must(same(addr.text, at.text))
					addr = at
					break
				}
			}
		}
	}
	if op.seg == segGS {
		must(same(sh.bases[baseGS].text, o.symbol(o.s.area)))
		return o.perCPU(sh, addr, write)
	}
	if addr.sum && addr.base == o.symbol(o.s.area) {
		return o.perCPU(sh, bv{text: literal(addr.off, 64), sum: true, off: addr.off}, write)
	}
	nothing := func() (*bv, uint64) {
		must("false")
		return temporary(o.fresh()), 0
	}
	readOnly := func(b bv) (*bv, uint64) {
		if write {
			must("false")
		}
		return temporary(b), offset
	}
	if sh.lowered != "" && !sh.onOneSide(addr) {
		return nothing()
	}
	addr = sh.raised(addr)
	down := -addr.off
	index := int(down+7)/8 - 1
	offset = addr.off & 7
	switch {
	case op.seg != segNone || !addr.sum:
		return nothing()
	case addr.base == "" && o.constant(addr.off) != nil:
		return readOnly(word64(*o.constant(addr.off)))
	case addr.base == "" && addr.off-o.table <= 8*layout.SysCallMax:
		must("true") // a constant address in the table
		return readOnly(o.define(64, fmt.Sprintf("(select sys_call_table %s)", addr.text)))
	case addr.base == sh.origin.base:
		down = sh.origin.off - addr.off
		offset = -down & 7
		switch i := int64(down - 1); {
		case i >= 0 && i < 8*numCells:
			return o.named(&sh.cells[i/8]), offset
		case sh.phase != inCall || down+o.above() > layout.ThreadSize || down+o.above() <= layout.ThreadSize-threadSize:
			return nothing()
		}
		at := (layout.ThreadSize - down - o.above()) &^ 7
		if i := o.bsdWord(at); i >= 0 {
			return o.named(&sh.bsd[i]), offset
		}
		switch int(at) {
		case thread.Status.Off:
			return temporary(sh.status), offset
		case thread.Flags.Off:
			sh.seen = *o.named(&sh.work)
			return readOnly(sh.seen)
		case thread.KStackOffset.Off:
			if o.axes.Is(stubs.KStackRDTSC) {
				return &sh.kstack, offset
			}
		case thread.SyscallWork.Off:
			return readOnly(o.value(o.s.callWork.value()))
		case thread.TaskFlags.Off, thread.UnwindMask.Off:
			return readOnly(word64(0)) // nothing sets them
		case thread.LastCPU.Off: // there is one CPU
			return readOnly(o.value(o.s.percpu[uint64(percpu.Number.Off)].value()))
		}
		return readOnly(o.fresh())
	case addr.base == o.symbol(o.s.trampoline) && index >= 0 && index < trampolineCells:
		return o.named(&sh.trampoline[index]), offset
	case sh.phase != inCall && addr.base == o.symbol(o.s.prev):
		if n := o.savedAt(addr.off &^ 7); n >= 0 {
			return o.named(&sh.saved[n]), offset
		}
		switch int(addr.off &^ 7) {
		case thread.StackCanary.Off:
			return readOnly(o.value(o.s.canary.value()))
		case thread.UserCET.Off:
			return readOnly(o.value(o.s.shadow[shadowUCET].value()))
		case thread.Flags.Off:
			return readOnly(*o.named(&sh.work))
		}
		return readOnly(o.fresh())
	case sh.phase == inLeave && addr.base == o.symbol(o.s.next):
		switch int(addr.off &^ 7) {
		case thread.SP.Off:
			return readOnly(o.value(o.s.nextSP.value()))
		case thread.UserSP.Off:
			return readOnly(o.value(o.s.nextUserSP.value()))
		}
		return readOnly(o.fresh())
	case sh.phase == inResume && addr.base == o.symbol(o.s.left):
		return readOnly(o.fresh())
	}
	return nothing()
}

// known reports whether an address is relative to a symbol that points to memory of
// the model.
func (o *oracle) known(sh *shadow, addr bv) bool {
	if addr.base == sh.origin.base || addr.base == sh.lowered {
		return true
	}
	for _, t := range []*term{o.s.area, o.s.trampoline, o.s.prev, o.s.next, o.s.left} {
		if addr.base == o.names[t] {
			return true
		}
	}
	return false
}

// perCPU finds a word of the per-CPU area.
func (o *oracle) perCPU(sh *shadow, addr bv, write bool) (w *bv, offset uint64) {
	value := func(b bv) (*bv, uint64) {
		if write {
			sh.places = append(sh.places, "false")
		}
		return &b, addr.off & 7
	}
	off := addr.off &^ 7
	current := o.plus(sh.origin, o.above()+maxWord-layout.ThreadSize+1)
	switch {
	case sh.phase == inResume && !sh.current:
		current = o.value(o.s.left.value())
	case sh.phase == inLeave, sh.phase == inResume:
		current = o.value(o.s.prev.value())
	}
	switch {
	case !addr.sum || addr.base != "" || off >= percpuSize:
		sh.places = append(sh.places, "false")
		return value(o.fresh())
	case off == uint64(percpu.RSPScratch.Off):
		return o.named(&sh.scratch[inRSPScratch]), addr.off & 7
	case off == uint64(percpu.TSS.SP2.Off):
		return o.named(&sh.scratch[inSP2]), addr.off & 7
	case off == uint64(percpu.StackCanary.Off) && o.promises.Has(stubs.PromiseCanary) && sh.phase == inResume:
		return o.named(&sh.canary), addr.off & 7
	case off == uint64(percpu.CallDepth.Off) && o.promises.Has(stubs.PromiseCallDepth) && (sh.phase == inCall || sh.phase == inResume):
		return o.named(&sh.depth), addr.off & 7
	case off == uint64(percpu.PreemptCount.Off) && o.countsPreempt && sh.phase == inCall:
		return o.named(&sh.count), addr.off & 7
	case o.random(off) >= 0 && sh.phase == inCall:
		if !sh.held {
			sh.places = append(sh.places, not(sh.irq))
		}
		return o.named(&sh.random[o.random(off)]), addr.off & 7
	case off == uint64(percpu.FREDRSP0.Off) && o.fred() && sh.phase == inCall:
		return o.named(&sh.rsp0Word), addr.off & 7
	case off == uint64(percpu.UserPCIDFlushMask.Off) && o.promises.Has(stubs.PromisePCID):
		return o.named(&sh.flushes), addr.off & 7
	case off == uint64(percpu.TopOfStack.Off) || off == uint64(percpu.TSS.SP0.Off) && !o.isolated():
		return value(o.plus(current, layout.ThreadSize-o.above()))
	case off == uint64(percpu.Current.Off):
		return value(current)
	case off == uint64(percpu.Self.Off):
		return value(o.value(o.s.area.value()))
	case off == uint64(percpu.IBPBExit.Off):
		return value(word64(0))
	case off == uint64(percpu.TSS.SP1.Off) || off == uint64(percpu.TSS.SP0.Off):
		return value(o.value(o.s.trampoline.value()))
	}
	return value(o.value(o.s.percpu[off].value()))
}

// load reads width bytes from memory.
func (o *oracle) load(sh *shadow, op operand, width int) bv {
	return o.loadAt(sh, o.address(sh, op), op, width)
}

func (o *oracle) loadAt(sh *shadow, addr bv, op operand, width int) bv {
	w, offset := o.locate(sh, addr, op, false)
	if first := 8 - int(offset); first < width {
		a := o.slice(*w, 8*int(offset), 8*first)
		rest := op
		rest.imm += int64(first)
		b := o.loadAt(sh, o.plus(addr, uint64(first)), rest, width-first)
		return o.define(8*width, fmt.Sprintf("(concat %s %s)", b.text, a.text))
	}
	return o.slice(*w, 8*int(offset), 8*width)
}

// slice returns some bits of a word.
func (o *oracle) slice(w bv, from, width int) bv {
	if width == 64 {
		return w
	}
	return bv{text: fmt.Sprintf("((_ extract %d %d) %s)", from+width-1, from, w.text)}
}

// store writes width bytes to memory.
func (o *oracle) store(sh *shadow, op operand, width int, v bv) {
	o.storeAt(sh, o.address(sh, op), op, width, v)
}

func (o *oracle) storeAt(sh *shadow, addr bv, op operand, width int, v bv) {
	w, offset := o.locate(sh, addr, op, true)
	if first := 8 - int(offset); first < width {
		o.fill(sh, w, 8*int(offset), 8*first, bv{text: low2(v.text, 8*first)})
		rest := op
		rest.imm += int64(first)
		o.storeAt(sh, o.plus(addr, uint64(first)), rest, width-first, bv{text: fmt.Sprintf("((_ extract %d %d) %s)", 8*width-1, 8*first, v.text)})
		return
	}
	sh.storedOver = *w
	sh.held = sh.held != (w == &sh.count)
	o.fill(sh, w, 8*int(offset), 8*width, v)
	sh.stored = *w
	if width < 8 && w != &sh.flushes {
		sh.stored = bv{text: wide(v.text, 8*width, 64)}
	}
}

func low2(text string, width int) string { return fmt.Sprintf("((_ extract %d 0) %s)", width-1, text) }

// fill works like put, but for a word in memory; of a frame's slot it notes whether the
// value changes.
func (o *oracle) fill(sh *shadow, w *bv, from, width int, v bv) {
	old := *w
	o.put(w, from, width, v)
	for s := range layout.NumSlots {
		if w != &sh.cells[cellOf(s)] || !o.promise.room.Has(s) || sh.changed[s] == "true" {
			continue
		}
		differs := not(same(old.text, w.text))
		if old.sum && w.sum && old.base == w.base { // loops make many of these
			differs = strconv.FormatBool(old.off != w.off)
		}
		switch {
		case differs == "false" && sh.changed[s] != "":
		case differs == "true" || differs == "false" || sh.changed[s] == "":
			sh.changed[s] = o.truth(differs)
		default:
			sh.changed[s] = o.truth(fmt.Sprintf("(or %s %s)", sh.changed[s], differs))
		}
	}
}

// put replaces some bits of a word.
func (o *oracle) put(w *bv, from, width int, v bv) {
	if width == 64 {
		*w = v
		return
	}
	text := v.text
	if from+width < 64 {
		text = fmt.Sprintf("(concat ((_ extract 63 %d) %s) %s)", from+width, w.text, text)
	}
	if from > 0 {
		text = fmt.Sprintf("(concat %s ((_ extract %d 0) %s))", text, from-1, w.text)
	}
	*w = o.define(64, text)
}

// read returns the lowest width bytes of an operand.
func (o *oracle) read(sh *shadow, op operand, width uint8) bv {
	size := 8 * int(width)
	switch op.kind {
	case inReg:
		r := sh.regs[op.reg]
		switch {
		case op.high:
			return o.slice(r, 8, 8)
		case size < 64 && r.sum && r.base == "":
			return bv{text: literal(r.off, size), sum: true, off: r.off & maskOf(width)}
		}
		return o.slice(r, 0, size)
	case isImm:
		if size == 64 {
			return word64(uint64(op.imm))
		}
		return bv{text: literal(uint64(op.imm), size), sum: true, off: uint64(op.imm) & maskOf(width)}
	case isSegment:
		switch op.reg { // SYSCALL has loaded them
		case segCS:
			return bv{text: literal(x86.KERNEL_CS, size)}
		case segSS:
			return bv{text: literal(x86.KERNEL_DS, size)}
		}
		return o.slice(sh.selectors[op.reg], 0, size)
	}
	return o.load(sh, op, int(width))
}

// write stores a value in an operand. A write of 4 bytes clears the upper half of a
// register.
func (o *oracle) write(sh *shadow, op operand, width uint8, v bv) {
	size := 8 * int(width)
	switch op.kind {
	case inMem:
		o.store(sh, op, int(width), v)
		return
	case isSegment:
		sh.selectors[op.reg] = o.define(64, wide(low(v.text, 16), 16, 64))
		if op.reg >= segRegFS {
			sh.bases[op.reg-segRegFS] = o.fresh()
		}
		return
	}
	r := &sh.regs[op.reg]
	switch {
	case width == 8:
		*r = v
		if op.reg == rSP && sh.lowered != "" && v.base != sh.lowered {
			sh.raise()
		}
	case width == 4 && v.sum && v.base == "":
		*r = word64(v.off)
	case width == 4:
		*r = o.define(64, wide(v.text, 32, 64))
	case op.high:
		o.put(r, 8, 8, v)
	default:
		o.put(r, 0, size, v)
	}
}
