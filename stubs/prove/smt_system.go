package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/x86"
)

// flagsWord returns RFLAGS as PUSHFQ stores it.
func (o *oracle) flagsWord(sh *shadow) bv {
	known := map[uint64]string{
		x86.X86_EFLAGS_CF: sh.cf, x86.X86_EFLAGS_PF: sh.pf, x86.X86_EFLAGS_ZF: sh.zf, x86.X86_EFLAGS_SF: sh.sf, x86.X86_EFLAGS_OF: sh.of,
		x86.X86_EFLAGS_IF: sh.irq, x86.X86_EFLAGS_FIXED: "true",
	}
	for i, bit := range flagBits {
		known[bit] = sh.flags[i]
	}
	rest := o.fresh().text
	text := "(concat"
	for i := 63; i >= 0; i-- {
		if cond, ok := known[1<<i]; ok {
			text += " " + ite(cond, "#b1", "#b0")
		} else {
			text += fmt.Sprintf(" ((_ extract %d %d) %s)", i, i, rest)
		}
	}
	return o.define(64, text+")")
}

// popFlags_ models POPFQ in ring 0.
func (o *oracle) popFlags_(sh *shadow, v bv) {
	bit := func(mask uint64) string { return o.truth(not(clearIn(v, mask))) }
	sh.cf, sh.pf, sh.zf, sh.sf, sh.of = bit(x86.X86_EFLAGS_CF), bit(x86.X86_EFLAGS_PF), bit(x86.X86_EFLAGS_ZF), bit(x86.X86_EFLAGS_SF), bit(x86.X86_EFLAGS_OF)
	sh.irq = bit(x86.X86_EFLAGS_IF)
	for i, mask := range flagBits {
		sh.flags[i] = bit(mask)
	}
}

// outside makes registers unknown: an instruction loads them from outside the model.
func (o *oracle) outside(sh *shadow, list ...reg) {
	for _, r := range list {
		sh.regs[r] = o.define(64, wide(low(o.fresh().text, 32), 32, 64))
	}
}

// system_ runs the instructions that change the machine but no operand. It reports
// whether in is one of them.
func (o *oracle) system_(sh *shadow, in *inst) bool {
	switch in.op {
	case opSWAPGS:
		sh.bases[baseGS], sh.bases[baseOther] = sh.bases[baseOther], sh.bases[baseGS]
	case opCLI:
		sh.irq = "false"
	case opSTI:
		sh.irq = "true"
	case opCLD:
		sh.flags[flagDF] = "false"
	case opSTD:
		sh.flags[flagDF] = "true"
	case opCLAC:
		sh.flags[flagAC] = "false"
	case opSTAC:
		sh.flags[flagAC] = "true"
	case opCLC:
		sh.cf = "false"
	case opSTC:
		sh.cf = "true"
	case opNOP, opPAUSE, opENDBR, opLFENCE, opMFENCE, opSFENCE, opPREFETCH, opSYSRET, opIRET, opERETU, opERETS, opUD2, opINT3, opSYSEXIT, opHLT:
	case opVERW:
		if in.src.kind == inMem {
			o.load(sh, in.src, 2)
		}
		sh.zf = o.freshBit()
	case opPUSHF:
		o.pushes(sh, o.flagsWord(sh))
	case opPOPF:
		o.popFlags_(sh, o.pops(sh))
	case opRDTSC, opRDPMC, opXGETBV:
		o.outside(sh, rAX, rDX)
	case opRDTSCP:
		o.outside(sh, rAX, rDX, rCX)
	case opCPUID:
		o.outside(sh, rAX, rBX, rCX, rDX)
	case opRDPID:
		o.write(sh, in.dst, 8, o.fresh())
	case opRDRAND:
		o.unknownFlags(sh)
		sh.of, sh.sf, sh.zf, sh.pf = "false", "false", "false", "false"
		o.write(sh, in.dst, in.width, bv{text: low(o.fresh().text, 8*int(in.width))})
	case opRDBASE:
		o.write(sh, in.src, in.width, o.slice(sh.bases[in.third.reg-segRegFS], 0, 8*int(in.width)))
	case opWRBASE:
		v := o.read(sh, in.src, in.width)
		if in.width < 8 {
			v = bv{text: wide(v.text, 32, 64)}
		}
		sh.bases[in.third.reg-segRegFS] = v
	case opMOVCR:
		o.moveCR_(sh, in)
	case opRDMSR, opWRMSR:
		return o.msr_(sh, in.op == opWRMSR)
	case opSTMXCSR:
		o.store(sh, in.dst, 4, bv{text: low(sh.mxcsr.text, 32)})
	case opLDMXCSR:
		sh.mxcsr = o.define(64, wide(o.load(sh, in.src, 4).text, 32, 64))
	case opMOVXMM, opXMM:
		o.lies(sh, in)
		o.moveXMM_(sh, in)
	case opFXSAVE, opFXRSTOR, opFNINIT, opEMMS, opFLDCW, opFNSTCW:
		o.lies(sh, in)
		o.moveX87_(sh, in)
	default:
		return false
	}
	return true
}

func (o *oracle) moveCR_(sh *shadow, in *inst) {
	const cr3 = 3
	switch {
	case in.src.kind == isControlReg && in.src.reg == cr3:
		sh.regs[in.dst.reg] = sh.cr3
	case in.dst.kind == isControlReg && in.dst.reg == cr3:
		sh.loadedCR3 = sh.regs[in.src.reg]
		sh.cr3 = o.define(64, fmt.Sprintf("(bvand %s %s)", sh.loadedCR3.text, literal(^uint64(noFlush), 64)))
	case in.src.kind == isControlReg:
		sh.regs[in.dst.reg] = o.fresh()
	}
}

// msr_ runs RDMSR and WRMSR for the MSRs of the model.
func (o *oracle) msr_(sh *shadow, write bool) bool {
	number := sh.regs[rCX]
	if !number.sum || number.base != "" {
		return false
	}
	var m *bv
	switch n := number.off & maskOf(4); {
	case sh.phase == inSetUp && msrAt(n) >= 0:
		m = &sh.msrs[msrAt(n)]
	case n == x86.MSR_IA32_PRED_CMD && write, n == msrCSTAR && write:
		m = &bv{}
	case n == x86.MSR_IA32_SPEC_CTRL:
		m = &sh.specCtrl
	case n == x86.MSR_IA32_FRED_RSP0:
		m = &sh.rsp0
	case o.shadowMSR(n, sh.phase) >= 0:
		m = &sh.shadow[o.shadowMSR(n, sh.phase)]
	case isBaseMSR(n):
		m = &sh.bases[n-x86.MSR_FS_BASE]
	default:
		return false
	}
	if !write {
		sh.regs[rAX] = o.define(64, wide(low(m.text, 32), 32, 64))
		sh.regs[rDX] = o.define(64, wide(fmt.Sprintf("((_ extract 63 32) %s)", m.text), 32, 64))
		return true
	}
	*m = o.define(64, fmt.Sprintf("(concat %s %s)", low(sh.regs[rDX].text, 32), low(sh.regs[rAX].text, 32)))
	sh.wroteMSR = *m
	return true
}

// moveXMM_ runs moves from and to XMM registers, and operations on two of them.
func (o *oracle) moveXMM_(sh *shadow, in *inst) {
	second := func(op operand) operand { op.imm += 8; return op }
	if in.op == opXMM {
		if in.src.kind == inMem {
			o.load(sh, in.src, 8)
			o.load(sh, second(in.src), 8)
		}
		a, b := o.fresh(), o.fresh()
		if in.xor && in.src == in.dst {
			a, b = word64(0), word64(0)
		}
		sh.xmm[2*in.dst.reg], sh.xmm[2*in.dst.reg+1] = a, b
		return
	}
	var lower, higher bv
	switch {
	case in.src.kind == inXMM:
		lower, higher = sh.xmm[2*in.src.reg], sh.xmm[2*in.src.reg+1]
	case in.width == 16:
		lower, higher = o.load(sh, in.src, 8), o.load(sh, second(in.src), 8)
	default:
		size := 8 * int(in.width)
		lower, higher = bv{text: wide(o.read(sh, in.src, in.width).text, size, 64)}, word64(0)
	}
	switch {
	case in.dst.kind == inMem && in.width == 16:
		o.store(sh, in.dst, 8, lower)
		o.store(sh, second(in.dst), 8, higher)
	case in.dst.kind != inXMM:
		o.write(sh, in.dst, in.width, o.slice(lower, 0, 8*int(in.width)))
	case in.src.kind == inXMM && in.width == 4: // MOVSS keeps the other bits
		o.put(&sh.xmm[2*in.dst.reg], 0, 32, bv{text: low(lower.text, 32)})
	default:
		if in.src.kind == inXMM && in.width == 8 {
			higher = word64(0)
		}
		sh.xmm[2*in.dst.reg], sh.xmm[2*in.dst.reg+1] = lower, higher
	}
}

// lies notes the condition that an operand in memory lies at a multiple of 16.
func (o *oracle) lies(sh *shadow, in *inst) {
	for _, op := range [...]operand{in.src, in.dst} {
		if op.kind == inMem {
			sh.aligned = fmt.Sprintf("(= %s #b0000)", low(o.address(sh, op).text, 4))
		}
	}
}

// moveX87_ runs what touches the x87 unit, and FXSAVE and FXRSTOR.
func (o *oracle) moveX87_(sh *shadow, in *inst) {
	at := func(op operand, i int) operand { op.imm += int64(8 * i); return op }
	switch in.op {
	case opFXSAVE:
		for i, w := range sh.x87 {
			if upperST(i) {
				w = o.define(64, fmt.Sprintf("(concat %s %s)", low(o.fresh().text, 48), low(w.text, 16)))
			}
			o.store(sh, at(in.dst, fxOfX87(i)), 8, w)
		}
		o.store(sh, at(in.dst, fxMXCSR), 8, o.define(64, fmt.Sprintf("(concat %s %s)", low(o.fresh().text, 32), low(sh.mxcsr.text, 32))))
		for i, w := range sh.xmm {
			o.store(sh, at(in.dst, fxXMM+i), 8, w)
		}
	case opFXRSTOR:
		for i := range sh.x87 {
			sh.x87[i] = o.load(sh, at(in.src, fxOfX87(i)), 8)
			if upperST(i) {
				sh.x87[i] = o.define(64, wide(low(sh.x87[i].text, 16), 16, 64))
			}
		}
		sh.mxcsr = o.define(64, wide(low(o.load(sh, at(in.src, fxMXCSR), 8).text, 32), 32, 64))
		for i := range sh.xmm {
			sh.xmm[i] = o.load(sh, at(in.src, fxXMM+i), 8)
		}
	case opFNSTCW:
		o.store(sh, in.dst, 2, bv{text: low(sh.x87[0].text, 16)})
	case opFLDCW:
		o.put(&sh.x87[0], 0, 16, o.load(sh, in.src, 2))
	case opFNINIT:
		for i := range sh.x87 {
			sh.x87[i] = o.fresh()
		}
		sh.x87[0], sh.x87[1], sh.x87[2] = word64(fxMasked), word64(0), word64(0)
	case opEMMS:
		o.put(&sh.x87[0], 32, 8, bv{text: literal(0, 8)})
	}
}
