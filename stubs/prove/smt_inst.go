package prove

import (
	"fmt"
)

// The instructions in the solver's terms, each as its manual page has it. There
// is no rule here by which a term would become a simpler one, but that a symbol
// and constants add up: the addresses of the stack and of the per-CPU area are such sums.

// resultFlags sets ZF, SF and PF by a result. A flag has no name in the script before it is
// asked for: most never are.
func (o *oracle) resultFlags(sh *shadow, r string, size int) {
	sh.zf = fmt.Sprintf("(= %s %s)", r, literal(0, size))
	sh.sf = bitOf(r, size-1)
	text := "#b1"
	for i := range 8 {
		text = fmt.Sprintf("(bvxor ((_ extract %d %d) %s) %s)", i, i, r, text)
	}
	sh.pf = isBit(text)
}

// condition returns the condition cc of the flags (SDM volume 1, appendix B).
func (sh *shadow) condition(cc uint8) string {
	less := fmt.Sprintf("(xor %s %s)", sh.sf, sh.of)
	text := [...]string{
		sh.of, sh.cf, sh.zf, fmt.Sprintf("(or %s %s)", sh.cf, sh.zf),
		sh.sf, sh.pf, less, fmt.Sprintf("(or %s %s)", sh.zf, less),
	}[cc>>1]
	if cc&1 != 0 {
		return not(text)
	}
	return text
}

// carried models ADD or SUB with a carry, which is one bit: it returns the result and sets
// its flags.
func (o *oracle) carried(sh *shadow, size int, a, b, carry string, minus bool) string {
	op, change := "bvadd", "(bvand (bvxor %[1]s %[3]s) (bvxor %[2]s %[3]s))"
	if minus {
		op, change = "bvsub", "(bvand (bvxor %[1]s %[2]s) (bvxor %[1]s %[3]s))"
	}
	sum := func(to int) string { // as many bits wide
		text := fmt.Sprintf("(%s %s %s)", op, wide(a, size, to), wide(b, size, to))
		if carry == "#b0" {
			return text
		}
		return fmt.Sprintf("(%s %s %s)", op, text, wide(carry, 1, to))
	}
	r := o.define(size, sum(size)).text
	sh.cf = bitOf(sum(size+1), size)
	sh.of = bitOf(fmt.Sprintf(change, a, b, r), size-1)
	o.resultFlags(sh, r, size)
	return r
}

func (o *oracle) unknownFlags(sh *shadow) {
	sh.cf, sh.pf, sh.zf, sh.sf, sh.of = o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit(), o.freshBit()
}

func ite(cond, a, b string) string { return fmt.Sprintf("(ite %s %s %s)", cond, a, b) }

var (
	accumulator = operand{kind: inReg, reg: rAX}
	upper       = operand{kind: inReg, reg: rDX}
	top         = operand{kind: inMem, base: rSP, index: noReg}
)

func (o *oracle) pushes(sh *shadow, v bv) {
	sh.regs[rSP] = o.plus(sh.regs[rSP], minus8)
	o.store(sh, top, 8, v)
}

func (o *oracle) pops(sh *shadow) bv {
	v := o.load(sh, top, 8)
	sh.regs[rSP] = o.plus(sh.regs[rSP], 8)
	return v
}

// run models one instruction; next is the address of the one behind it.
func (o *oracle) run(sh *shadow, in *inst, next uint64) {
	w := in.width
	size := 8 * int(w)
	switch in.op {
	case opMOV:
		o.write(sh, in.dst, w, o.read(sh, in.src, w))
	case opMOVZX:
		o.write(sh, in.dst, w, bv{text: wide(o.read(sh, in.src, in.from).text, 8*int(in.from), size)})
	case opMOVSX, opEXTEND:
		from, src, dst := in.from, in.src, in.dst
		if in.op == opEXTEND {
			from, src, dst = w/2, accumulator, accumulator
		}
		x := o.read(sh, src, from).text
		o.write(sh, dst, w, o.define(size, fmt.Sprintf("((_ sign_extend %d) %s)", size-8*int(from), x)))
	case opSIGN:
		x := o.read(sh, accumulator, w).text
		o.write(sh, upper, w, o.define(size, fmt.Sprintf("(bvashr %s %s)", x, literal(uint64(size-1), size))))
	case opLEA:
		a := o.address(sh, in.src)
		if w < 8 {
			a = bv{text: low(a.text, size)}
		}
		o.write(sh, in.dst, w, a)
	case opMOVSEG:
		v := o.read(sh, in.src, 2)
		o.write(sh, in.dst, w, bv{text: wide(v.text, 16, max(size, 16))})
	case opPUSH:
		o.pushes(sh, o.read(sh, in.src, 8))
	case opPOP:
		o.write(sh, in.dst, 8, o.pops(sh))
	case opENTER:
		o.pushes(sh, sh.regs[rBP])
		sh.regs[rBP] = sh.regs[rSP]
		sh.regs[rSP] = o.plus(sh.regs[rSP], -uint64(in.src.imm))
	case opLEAVE:
		o.write(sh, operand{kind: inReg, reg: rSP}, 8, sh.regs[rBP])
		sh.regs[rBP] = o.pops(sh)
	case opJCC:
		sh.cond = o.truth(sh.condition(in.cc))
	case opLOOP:
		sh.regs[rCX] = o.plus(sh.regs[rCX], maxWord)
		sh.cond = not(same(sh.regs[rCX].text, literal(0, 64)))
	case opJRCXZ:
		sh.cond = same(sh.regs[rCX].text, literal(0, 64))
	case opJMP:
		sh.target = o.read(sh, in.src, 8)
	case opCALL:
		target := o.read(sh, in.src, 8)
		o.pushes(sh, word64(next))
		sh.target = target
	case opRET, opRETN:
		sh.target = o.pops(sh)
		if in.op == opRETN {
			sh.regs[rSP] = o.plus(sh.regs[rSP], uint64(in.src.imm))
		}
	case opCMOV:
		sh.cond = o.truth(sh.condition(in.cc))
		v := o.read(sh, in.src, w)
		o.write(sh, in.dst, w, o.define(size, ite(sh.cond, v.text, o.read(sh, in.dst, w).text)))
	case opSET:
		sh.cond = o.truth(sh.condition(in.cc))
		o.write(sh, in.dst, 1, bv{text: ite(sh.cond, "#x01", "#x00")})
	case opSTOS, opMOVSTR, opLODS, opSCAS, opCMPS:
		o.string_(sh, in)
	default:
		if !o.arithmetic(sh, in) && !o.system_(sh, in) {
			o.fail("the solver's model does not know %v", in)
		}
	}
}

// string_ models a string instruction, repeated if RCX is a constant.
func (o *oracle) string_(sh *shadow, in *inst) {
	turns := uint64(1)
	if in.rep != 0 {
		if n := sh.regs[rCX]; !n.sum || n.base != "" || n.off > maxTurns {
			o.fail("the solver's model needs a constant in RCX for %v", in)
			return
		}
		turns = sh.regs[rCX].off
		sh.regs[rCX] = word64(0)
	}
	step := uint64(in.width)
	switch sh.flags[flagDF] {
	case "false":
	case "true":
		step = -step
	default:
		o.fail("the solver's model needs a known DF for %v", in)
	}
	from := operand{kind: inMem, base: rSI, index: noReg, scale: 1}
	to := operand{kind: inMem, base: rDI, index: noReg, scale: 1}
	size := 8 * int(in.width)
	for range turns {
		v := o.read(sh, accumulator, in.width)
		if in.op == opMOVSTR || in.op == opLODS || in.op == opCMPS {
			v = o.load(sh, from, int(in.width))
			sh.regs[rSI] = o.plus(sh.regs[rSI], step)
		}
		switch in.op {
		case opLODS:
			o.write(sh, accumulator, in.width, v)
			continue
		case opMOVSTR, opSTOS:
			o.store(sh, to, int(in.width), v)
		default:
			o.carried(sh, size, v.text, o.load(sh, to, int(in.width)).text, "#b0", true)
		}
		sh.regs[rDI] = o.plus(sh.regs[rDI], step)
		if turns > 1 {
			o.interrupt(sh)
		}
	}
}

// arithmetic runs what computes.
func (o *oracle) arithmetic(sh *shadow, in *inst) bool {
	w := in.width
	size := 8 * int(w)
	binary := func() (a, b bv) { a = o.read(sh, in.dst, w); return a, o.read(sh, in.src, w) }
	put := func(text string) { o.write(sh, in.dst, w, o.define(size, text)) }
	// aligned is a result that is the sum of a symbol and a constant, if the operands are.
	aligned := func(r string, x bv, n bv, minus bool) bv {
		switch {
		case size != 64 || !x.sum || !n.sum || n.base != "":
			return bv{text: r}
		case minus:
			return sum(x.base, x.off-n.off)
		}
		return sum(x.base, x.off+n.off)
	}
	switch in.op {
	case opADD, opADC, opSUB, opSBB, opCMP:
		carry := "#b0"
		minus := in.op != opADD && in.op != opADC
		if in.op == opADC || in.op == opSBB {
			sh.cond = o.truth(sh.cf)
			carry = ite(sh.cond, "#b1", "#b0")
		}
		a, b := binary()
		r := bv{text: o.carried(sh, size, a.text, b.text, carry, minus)}
		if o.lowers != nil {
			o.lower(sh, b, r)
			break
		}
		if carry == "#b0" {
			r = aligned(r.text, a, b, minus)
		}
		if in.op != opCMP {
			o.write(sh, in.dst, w, r)
		}
	case opINC, opDEC:
		cf := sh.cf
		a := o.read(sh, in.dst, w)
		r := o.carried(sh, size, a.text, literal(1, size), "#b0", in.op == opDEC)
		sh.cf = cf
		o.write(sh, in.dst, w, aligned(r, a, word64(1), in.op == opDEC))
	case opNEG:
		a := o.read(sh, in.dst, w)
		r := o.carried(sh, size, literal(0, size), a.text, "#b0", true)
		o.write(sh, in.dst, w, bv{text: r})
	case opNOT:
		put(fmt.Sprintf("(bvnot %s)", o.read(sh, in.dst, w).text))
	case opAND, opOR, opXOR, opTEST:
		a, b := binary()
		name := map[opcode]string{opAND: "bvand", opTEST: "bvand", opOR: "bvor", opXOR: "bvxor"}[in.op]
		r := o.define(size, fmt.Sprintf("(%s %s %s)", name, a.text, b.text))
		sh.cf, sh.of = "false", "false"
		o.resultFlags(sh, r.text, size)
		switch constant := a.sum && a.base == "" && b.sum && b.base == ""; { // RSP may move by it
		case in.op == opXOR && in.dst == in.src:
			r = bv{text: literal(0, size), sum: true}
		case in.op == opAND && constant:
			r = bv{text: literal(a.off&b.off, size), sum: true, off: a.off & b.off & maskOf(w)}
		case in.op == opAND && size == 64:
			r = o.alignedDown(sh, a, b, r)
		case in.op == opOR && size == 64:
			r = o.alignedUp(sh, a, b, r)
		}
		if in.op != opTEST {
			o.write(sh, in.dst, w, r)
		}
	case opSHL, opSHR, opSAR:
		o.shift_(sh, in)
	case opROL, opROR:
		a := o.read(sh, in.dst, w).text
		count := o.count_(sh, in.src, size)
		k := o.define(size, fmt.Sprintf("(bvurem %s %s)", count, literal(uint64(size), size))).text
		rest := fmt.Sprintf("(bvsub %s %s)", literal(uint64(size), size), k)
		left, right := "bvshl", "bvlshr"
		if in.op == opROR {
			left, right = right, left
		}
		r := o.define(size, fmt.Sprintf("(bvor (%s %s %s) (%s %s %s))", left, a, k, right, a, rest)).text
		edge := 0
		if in.op == opROR {
			edge = size - 1
		}
		sh.cf = o.truth(ite(fmt.Sprintf("(= %s %s)", count, literal(0, size)), sh.cf, bitOf(r, edge)))
		sh.of = o.freshBit()
		o.write(sh, in.dst, w, bv{text: r})
	case opRCL, opRCR:
		a := o.read(sh, in.dst, w).text
		if n := o.read(sh, in.src, 1); !n.sum || n.off != 1 {
			return false
		}
		sh.cond = o.truth(sh.cf)
		carry := ite(sh.cond, "#b1", "#b0")
		text, out := fmt.Sprintf("(concat ((_ extract %d 0) %s) %s)", size-2, a, carry), size-1
		if in.op == opRCR {
			text, out = fmt.Sprintf("(concat %s ((_ extract %d 1) %s))", carry, size-1, a), 0
		}
		sh.cf, sh.of = o.truth(bitOf(a, out)), o.freshBit()
		put(text)
	case opXCHG:
		a, b := binary()
		o.write(sh, in.dst, w, b)
		o.write(sh, in.src, w, a)
	case opXADD:
		a, b := binary()
		r := o.carried(sh, size, a.text, b.text, "#b0", false)
		o.write(sh, in.src, w, a)
		o.write(sh, in.dst, w, bv{text: r})
	case opCMPXCHG:
		a, b := binary()
		acc := o.read(sh, accumulator, w)
		o.carried(sh, size, acc.text, a.text, "#b0", true)
		sh.cond = o.truth(sh.zf)
		o.write(sh, in.dst, w, o.define(size, ite(sh.cond, b.text, a.text)))
		if in.dst == accumulator {
			break // it was equal to itself
		}
		o.writeUnless(sh, sh.cond, accumulator, w, a)
	case opBT, opBTS, opBTR, opBTC:
		a, n := binary()
		index := o.define(size, fmt.Sprintf("(bvand %s %s)", n.text, literal(uint64(size-1), size))).text
		if in.dst.kind == inMem {
			sh.places = append(sh.places, same(index, n.text))
		}
		bit := o.define(size, fmt.Sprintf("(bvshl %s %s)", literal(1, size), index)).text
		sh.cf = o.truth(not(fmt.Sprintf("(= (bvand %s %s) %s)", a.text, bit, literal(0, size))))
		sh.of, sh.sf, sh.pf = o.freshBit(), o.freshBit(), o.freshBit()
		switch in.op {
		case opBTS:
			put(fmt.Sprintf("(bvor %s %s)", a.text, bit))
		case opBTR:
			put(fmt.Sprintf("(bvand %s (bvnot %s))", a.text, bit))
		case opBTC:
			put(fmt.Sprintf("(bvxor %s %s)", a.text, bit))
		}
	case opBSF, opBSR, opTZCNT, opLZCNT, opPOPCNT:
		o.scan_(sh, in)
	case opBSWAP:
		a := o.read(sh, in.dst, w).text
		text := ""
		for i := range int(w) {
			text += fmt.Sprintf(" ((_ extract %d %d) %s)", 8*i+7, 8*i, a)
		}
		put("(concat" + text + ")")
	case opMUL, opIMUL:
		o.product_(sh, in)
	case opSHLD, opSHRD:
		a, b := binary()
		n := o.count_(sh, in.third, size)
		long := fmt.Sprintf("(concat %s %s)", a.text, b.text)
		op, from := "bvshl", size
		if in.op == opSHRD {
			long, op, from = fmt.Sprintf("(concat %s %s)", b.text, a.text), "bvlshr", 0
		}
		if size == 16 {
			return false // what it does with a count above 16 is not defined
		}
		r := o.define(2*size, fmt.Sprintf("(%s %s %s)", op, long, wide(n, size, 2*size)))
		o.unknownFlags(sh)
		put(fmt.Sprintf("((_ extract %d %d) %s)", from+size-1, from, r.text))
	default:
		return false
	}
	return true
}

// writeUnless writes a register unless a condition holds: then nothing of it is
// touched, its upper half neither.
func (o *oracle) writeUnless(sh *shadow, cond string, op operand, width uint8, v bv) {
	old := sh.regs[op.reg]
	o.write(sh, op, width, v)
	sh.regs[op.reg] = o.define(64, ite(cond, old.text, sh.regs[op.reg].text))
}

// count_ returns the count of a shift as a term of the operand's size (SDM volume 2: modulo
// 32, of 8 bytes modulo 64).
func (o *oracle) count_(sh *shadow, op operand, size int) string {
	n := o.read(sh, op, 1)
	mask := uint64(max(size, 32) - 1)
	if n.sum && n.base == "" {
		return literal(n.off&mask, size)
	}
	return o.define(size, wide(fmt.Sprintf("(bvand %s %s)", n.text, literal(mask, 8)), 8, size)).text
}

// shift_ models SHL, SHR and SAR. A count of 0 changes no flag; OF is defined for 1 alone,
// CF of the first two for counts up to the size.
func (o *oracle) shift_(sh *shadow, in *inst) {
	size := 8 * int(in.width)
	a := o.read(sh, in.dst, in.width).text
	count := o.count_(sh, in.src, size)
	op := map[opcode]string{opSHL: "bvshl", opSHR: "bvlshr", opSAR: "bvashr"}[in.op]
	r := o.define(size, fmt.Sprintf("(%s %s %s)", op, a, count)).text
	// The last bit that goes out is that which one shift less would leave at the edge.
	less := o.define(size, fmt.Sprintf("(%s %s (bvsub %s %s))", op, a, count, literal(1, size))).text
	edge := 0
	if in.op == opSHL {
		edge = size - 1
	}
	out := bitOf(less, edge)
	if in.op != opSAR && size < 32 {
		out = ite(fmt.Sprintf("(bvule %s %s)", count, literal(uint64(size), size)), out, o.freshBit())
	}
	none := o.truth(fmt.Sprintf("(= %s %s)", count, literal(0, size)))
	cf, zf, sf, pf := sh.cf, sh.zf, sh.sf, sh.pf
	o.resultFlags(sh, r, size)
	sh.cf = o.truth(ite(none, cf, out))
	sh.zf, sh.sf, sh.pf = o.truth(ite(none, zf, sh.zf)), o.truth(ite(none, sf, sh.sf)), o.truth(ite(none, pf, sh.pf))
	sh.of = o.freshBit()
	o.write(sh, in.dst, in.width, bv{text: r})
}

// scan_ models BSF, BSR, TZCNT, LZCNT and POPCNT.
func (o *oracle) scan_(sh *shadow, in *inst) {
	size := 8 * int(in.width)
	a := o.read(sh, in.src, in.width).text
	zero := o.truth(fmt.Sprintf("(= %s %s)", a, literal(0, size)))
	text := literal(uint64(size), size)
	switch in.op {
	case opPOPCNT:
		text = literal(0, size)
		for i := range size {
			text = fmt.Sprintf("(bvadd %s %s)", wide(fmt.Sprintf("((_ extract %d %d) %s)", i, i, a), 1, size), text)
		}
	case opBSF, opTZCNT:
		for i := size - 1; i >= 0; i-- {
			text = ite(bitOf(a, i), literal(uint64(i), size), text)
		}
	default:
		for i := range size {
			n := i
			if in.op == opLZCNT {
				n = size - 1 - i
			}
			text = ite(bitOf(a, i), literal(uint64(n), size), text)
		}
	}
	r := o.define(size, text).text
	o.unknownFlags(sh)
	switch in.op {
	case opPOPCNT:
		sh.cf, sh.pf, sh.sf, sh.of, sh.zf = "false", "false", "false", "false", zero
	case opTZCNT, opLZCNT:
		sh.cond, sh.cf, sh.zf = zero, zero, o.truth(fmt.Sprintf("(= %s %s)", r, literal(0, size)))
	default:
		sh.cond, sh.zf = zero, zero
		r = ite(zero, low(o.fresh().text, size), r)
	}
	o.write(sh, in.dst, in.width, o.define(size, r))
}

// product_ models MUL and IMUL.
func (o *oracle) product_(sh *shadow, in *inst) {
	size := 8 * int(in.width)
	extend := "sign_extend"
	if in.op == opMUL {
		extend = "zero_extend"
	}
	one := in.dst.kind != inReg
	left := in.dst
	switch {
	case one:
		left = accumulator
	case in.third.kind == isImm:
		left = in.third
	}
	a, b := o.read(sh, left, in.width).text, o.read(sh, in.src, in.width).text
	long := o.define(2*size, fmt.Sprintf("(bvmul ((_ %s %d) %s) ((_ %s %d) %s))", extend, size, a, extend, size, b)).text
	lower := o.define(size, fmt.Sprintf("((_ extract %d 0) %s)", size-1, long))
	o.unknownFlags(sh)
	sh.cf = o.truth(not(fmt.Sprintf("(= ((_ %s %d) %s) %s)", extend, size, lower.text, long)))
	sh.of = sh.cf
	if !one {
		o.write(sh, in.dst, in.width, lower)
		return
	}
	high := upper
	if in.width == 1 {
		high = operand{kind: inReg, reg: rAX, high: true}
	}
	o.write(sh, accumulator, in.width, lower)
	o.write(sh, high, in.width, o.define(size, fmt.Sprintf("((_ extract %d %d) %s)", 2*size-1, size, long)))
}
