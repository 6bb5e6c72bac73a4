package prove

// opcode2 decodes an instruction whose opcode is 0F and a byte.
func (d *decoder) opcode2(b uint8) {
	in := &d.in
	switch {
	case b >= 0x40 && b < 0x50:
		in.op, in.cc = opCMOV, b&15
		in.src, in.dst = d.rmReg()
	case b >= 0x80 && b < 0x90:
		in.cc = b & 15
		d.branch(opJCC, 4)
	case b >= 0x90 && b < 0xa0:
		in.op, in.cc, in.width = opSET, b&15, 1
		in.dst, _ = d.rm()
	case b >= 0xc8 && b < 0xd0:
		d.refuseIf(d.p66)
		in.enc.opReg = true
		in.op, in.dst = opBSWAP, operand{kind: inReg, reg: reg(b&7 | d.rex&1<<3)}
	case d.sse(b):
	default:
		d.system(b)
	}
}

func (d *decoder) system(b uint8) {
	in := &d.in
	switch b {
	case 0x00:
		rm, field := d.modrm()
		d.refuseIf(field&7 != 5 || d.p66 || d.rex&8 != 0)
		in.op, in.src, in.width = opVERW, rm, 2
	case 0x01:
		d.plain(map[uint8]opcode{0xca: opCLAC, 0xcb: opSTAC, 0xd0: opXGETBV, 0xf8: opSWAPGS, 0xf9: opRDTSCP}[d.byte()])
		switch {
		case in.op == opCLAC && d.pF3 && !d.pF2: // Intel, Flexible Return and Event Delivery
			in.op = opERETU
		case in.op == opCLAC && d.pF2 && !d.pF3:
			in.op, d.pF2 = opERETS, false
		default:
			d.refuseIf(in.op == opBad || d.pF3)
		}
	case 0x05:
		d.plain(opSYSCALL)
	case 0x07:
		d.refuseIf(d.p66)
		in.op = opSYSRET
	case 0x0b:
		d.plain(opUD2)
	case 0x0d, 0x18:
		rm, field := d.modrm()
		d.refuseIf(rm.kind != inMem || field&7 > 3)
		in.op, in.src, in.width = opPREFETCH, rm, 1
	case 0x1e:
		d.refuseIf(!d.pF3 || d.byte() != 0xfa)
		d.plain(opENDBR)
	case 0x1f:
		_, field := d.modrm()
		d.refuseIf(field&7 != 0)
		in.op = opNOP
	case 0x20, 0x22:
		rm, field := d.modrm()
		d.refuseIf(d.p66 || rm.kind != inReg || field != 0 && field != 2 && field != 3 && field != 4 && field != 8) // there are no others
		in.op, in.width = opMOVCR, 8
		in.src, in.dst = operand{kind: isControlReg, reg: reg(field)}, rm
		if b == 0x22 {
			in.src, in.dst = in.dst, in.src
		}
	case 0x35:
		d.refuseIf(d.p66)
		in.op = opSYSEXIT
	case 0x77:
		d.plain(opEMMS)
	case 0x30, 0x31, 0x32, 0x33:
		d.plain([...]opcode{opWRMSR, opRDTSC, opRDMSR, opRDPMC}[b-0x30])
	case 0xa0, 0xa1, 0xa8, 0xa9:
		d.refuseIf(d.p66)
		o := operand{kind: isSegment, reg: reg(segRegFS + b>>3&1)}
		in.op, in.width, in.src = opPUSH, 8, o
		if b&1 != 0 {
			in.op, in.src, in.dst = opPOP, operand{}, o
		}
	case 0xa4, 0xa5, 0xac, 0xad:
		in.op = opSHLD + opcode(b>>3&1)
		in.dst, in.src = d.rmReg()
		in.third = operand{kind: inReg, reg: rCX}
		if b&1 == 0 {
			in.third = d.imm(1)
		}
	case 0xb0, 0xb1, 0xc0, 0xc1:
		if b&1 == 0 {
			in.width = 1
		}
		in.op = map[uint8]opcode{0xb0: opCMPXCHG, 0xc0: opXADD}[b&^1]
		in.dst, in.src = d.rmReg()
	case 0xb8, 0xbc, 0xbd:
		in.src, in.dst = d.rmReg()
		d.refuseIf(b == 0xb8 && !d.pF3)
		in.op = map[uint8][2]opcode{0xb8: {1: opPOPCNT}, 0xbc: {opBSF, opTZCNT}, 0xbd: {opBSR, opLZCNT}}[b][map[bool]int{true: 1}[d.pF3]]
	case 0xc3: // MOVNTI
		rm, field := d.modrm()
		d.refuseIf(rm.kind != inMem || d.p66)
		in.op, in.dst, in.src = opMOV, rm, operand{kind: inReg, reg: reg(field)}
	case 0xc7:
		d.group9()
	case 0xa2:
		d.plain(opCPUID)
	case 0xa3, 0xab, 0xb3, 0xbb:
		in.op = opBT + opcode(b>>3-0x14)
		in.dst, in.src = d.rmReg()
	case 0xae:
		d.group15()
	case 0xaf:
		in.op = opIMUL
		in.src, in.dst = d.rmReg()
	case 0xb6, 0xb7, 0xbe, 0xbf:
		d.extend(b)
	case 0xba:
		rm, field := d.rm()
		d.refuseIf(field&7 < 4)
		in.op, in.dst = opBT+opcode(field&7-4), rm
		in.src = d.imm(1)
	default:
		d.refuse()
	}
}

// extend decodes MOVZX and MOVSX.
func (d *decoder) extend(b uint8) {
	in := &d.in
	in.op, in.from = opMOVZX, 1<<(b&1)
	if b >= 0xbe {
		in.op = opMOVSX
	}
	rm, field := d.modrm()
	in.enc.modrmReg = true
	if rm.kind == inReg {
		rm = d.sizedReg(uint8(rm.reg), in.from)
	}
	in.src, in.dst = rm, operand{kind: inReg, reg: reg(field)}
}

// group9 decodes RDRAND, RDSEED and RDPID; it refuses CMPXCHG8B and CMPXCHG16B.
func (d *decoder) group9() {
	in := &d.in
	rm, field := d.modrm()
	d.refuseIf(rm.kind != inReg || field&7 < 6 || d.pF3 && field&7 != 7)
	in.op, in.dst = opRDRAND, rm
	if d.pF3 {
		d.refuseIf(d.p66)
		in.op, in.width = opRDPID, 8
	}
}

// group15 decodes the fences, the moves of segment bases and those of MXCSR.
func (d *decoder) group15() {
	in := &d.in
	rm, field := d.modrm()
	field &= 7
	switch {
	case rm.kind == inReg && d.pF3 && field < 4:
		d.refuseIf(d.p66)
		in.op = opRDBASE + opcode(field>>1)
		in.third = operand{kind: isBase, reg: segRegFS + reg(field&1)}
		in.src = rm
	case rm.kind == inReg && field >= 5:
		d.plain([...]opcode{opLFENCE, opMFENCE, opSFENCE}[field-5])
		d.refuseIf(d.pF3 || rm.reg != rAX)
	case rm.kind == inMem && field < 2:
		d.refuseIf(d.pF3 || d.p66 || d.pF2)
		in.op, in.dst = opFXSAVE, rm // of the width only REX.W counts
		if field == 1 {
			in.op, in.src, in.dst = opFXRSTOR, rm, operand{}
		}
	case rm.kind == inMem && (field == 2 || field == 3):
		d.refuseIf(d.pF3 || d.p66 || d.rex&8 != 0)
		in.op, in.width = opSTMXCSR, 4
		in.dst = rm
		if field == 2 {
			in.op, in.src, in.dst = opLDMXCSR, rm, operand{}
		}
	default:
		d.refuse()
	}
}

// sse decodes the moves from and to XMM registers, and XORPS, PXOR and the like, which
// clear a register.
func (d *decoder) sse(b uint8) bool {
	in := &d.in
	in.from = 0
	load := func(width uint8, op opcode, swap bool) bool {
		rm, field := d.modrm()
		if rm.kind == inReg {
			rm.kind = inXMM
		}
		in.op, in.width = op, width
		in.src, in.dst = rm, operand{kind: inXMM, reg: reg(field)}
		in.aligned = op == opXMM || b == 0x28 || b == 0x29 || b == 0xe7 || b == 0x2b || (b == 0x6f || b == 0x7f) && d.p66
		if swap {
			in.src, in.dst = in.dst, in.src
		}
		return true
	}
	switch {
	case (b == 0x10 || b == 0x11) && !d.pF3 && !d.pF2, (b == 0x28 || b == 0x29) && !d.pF3 && !d.pF2:
		return load(16, opMOVXMM, b&1 != 0)
	case b == 0x10 || b == 0x11:
		d.refuseIf(d.p66 || d.pF2)
		return load(4, opMOVXMM, b&1 != 0)
	case (b == 0x6f || b == 0x7f) && (d.p66 != d.pF3) && !d.pF2:
		return load(16, opMOVXMM, b == 0x7f)
	case b == 0x7e && d.pF3 && !d.p66, b == 0xd6 && d.p66 && !d.pF3 && !d.pF2:
		return load(8, opMOVXMM, b == 0xd6)
	case (b == 0xe7 && d.p66 || b == 0x2b) && !d.pF3 && !d.pF2: // MOVNTDQ, MOVNTPS
		load(16, opMOVXMM, true)
		d.refuseIf(in.dst.kind != inMem)
		return true
	case (b == 0x6e || b == 0x7e) && d.p66 && !d.pF3 && !d.pF2:
		width := uint8(4)
		if d.rex&8 != 0 {
			width = 8
		}
		load(width, opMOVXMM, b == 0x7e)
		for _, o := range []*operand{&in.src, &in.dst} {
			if o.kind == inXMM && (o == &in.src) == (b == 0x6e) {
				o.kind = inReg
			}
		}
		return true
	case (b == 0x57 || b == 0xef && d.p66 || b == 0x54 || b == 0x55 || b == 0x56) && !d.pF3 && !d.pF2:
		in.xor = b == 0x57 || b == 0xef
		return load(16, opXMM, false)
	}
	return false
}
