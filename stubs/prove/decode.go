package prove

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errRefused says that bytes are not an instruction that this decoder knows. They may
// be one all the same.
var errRefused = errors.New("no instruction that the proof knows")

// decode reads the instruction at the start of code, which is at addr. It knows
// the forms of the integer instructions and of the system instructions that an
// entry path may be made of, and refuses all others, and 16-bit and 32-bit
// addresses (SDM volume 2, appendix A).
func decode(code []byte, addr uint64) (in inst, err error) {
	d := decoder{code: code, addr: addr}
	defer func() {
		if r := recover(); r != nil {
			if r != errCut && r != errRefused {
				panic(r)
			}
			in, err = inst{}, r.(error)
		}
	}()
	d.instruction()
	d.in.len = uint8(d.at)
	d.relative()
	if d.at > 15 {
		return inst{}, errRefused
	}
	return d.in, nil
}

var errCut = fmt.Errorf("%w: the bytes end within it", errRefused)

type decoder struct {
	code []byte
	addr uint64
	at   int
	rex  uint8
	p66  bool
	p67  bool
	pF3  bool
	pF2  bool
	lock bool
	// null is set by a segment override that 64-bit mode ignores.
	null bool
	seg  segment
	in   inst
}

func (d *decoder) byte() uint8 {
	if d.at >= len(d.code) {
		panic(errCut)
	}
	d.at++
	return d.code[d.at-1]
}

func (d *decoder) refuse() { panic(errRefused) }

func (d *decoder) refuseIf(cond bool) {
	if cond {
		d.refuse()
	}
}

// signed reads a signed little-endian number.
func (d *decoder) signed(size int) int64 {
	if d.at+size > len(d.code) {
		panic(errCut)
	}
	b := d.code[d.at:]
	d.at += size
	switch size {
	case 1:
		return int64(int8(b[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// imm reads a constant operand and notes its place.
func (d *decoder) imm(size int) operand {
	d.in.enc.imm, d.in.enc.immLen = uint8(d.at), uint8(size)
	return operand{kind: isImm, imm: d.signed(size)}
}

// width returns the width of an operand that is not a byte.
func (d *decoder) width() uint8 {
	switch {
	case d.rex&8 != 0:
		return 8
	case d.p66:
		return 2
	}
	return 4
}

// immZ reads a constant as long as the operand, but no longer than 4 bytes.
func (d *decoder) immZ() operand { return d.imm(int(min(d.in.width, 4))) }

func (d *decoder) r(n uint8) operand { return d.sizedReg(n, d.in.width) }

// sizedReg returns a register operand of a width. For bytes without a REX prefix the
// numbers 4 to 7 are AH to BH.
func (d *decoder) sizedReg(n, width uint8) operand {
	if width == 1 && d.rex == 0 && n >= 4 {
		return operand{kind: inReg, reg: reg(n - 4), high: true}
	}
	return operand{kind: inReg, reg: reg(n)}
}

// modrm reads ModRM and what follows it. It returns the operand in register or memory,
// and the number in the reg field.
func (d *decoder) modrm() (rm operand, field uint8) {
	d.in.enc.modrm = uint8(d.at)
	b := d.byte()
	field = b>>3&7 | d.rex&4<<1
	mod, low := b>>6, b&7
	if mod == 3 {
		return operand{kind: inReg, reg: reg(low | d.rex&1<<3)}, field
	}
	o := operand{kind: inMem, seg: d.seg, base: noReg, index: noReg, scale: 1}
	size := [3]int{0, 1, 4}[mod]
	switch {
	case low == 4:
		d.in.enc.sib = uint8(d.at)
		s := d.byte()
		if index := s>>3&7 | d.rex&2<<2; index != 4 {
			o.index, o.scale = reg(index), 1<<(s>>6)
		}
		if s&7 == 5 && mod == 0 {
			size = 4
		} else {
			o.base = reg(s&7 | d.rex&1<<3)
		}
	case low == 5 && mod == 0:
		o.rip, size = true, 4
	default:
		o.base = reg(low | d.rex&1<<3)
	}
	if size > 0 {
		d.in.enc.disp, d.in.enc.dispLen = uint8(d.at), uint8(size)
		o.imm = d.signed(size)
	}
	return o, field
}

// rm reads ModRM for an operand of the operation's width.
func (d *decoder) rm() (operand, uint8) {
	o, field := d.modrm()
	if o.kind == inReg {
		return d.r(uint8(o.reg)), field
	}
	return o, field
}

// rmReg reads ModRM whose reg field is a register.
func (d *decoder) rmReg() (rm, r operand) {
	rm, field := d.rm()
	d.in.enc.modrmReg = true
	return rm, d.r(field)
}

// relative turns offsets from the instruction's end into addresses.
func (d *decoder) relative() {
	end := int64(d.addr) + int64(d.at)
	for _, o := range []*operand{&d.in.dst, &d.in.src} {
		if o.kind == inMem && o.rip || o.kind == isImm && d.in.enc.rel {
			o.imm += end
		}
	}
}

// branch reads the target of a direct branch.
func (d *decoder) branch(op opcode, size int) {
	d.refuseIf(d.p66)
	d.in.op, d.in.src, d.in.enc.rel = op, d.imm(size), true
}

func (d *decoder) instruction() {
	for {
		switch b := d.byte(); {
		case b == 0x66:
			d.p66 = true
		case b == 0x67:
			d.p67 = true
		case b == 0xf0 && !d.lock:
			d.lock = true
		case b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e:
			d.refuseIf(d.seg != segNone)
			d.null = true
		case b == 0xf3 && !d.pF2 && !d.pF3:
			d.pF3 = true
		case b == 0xf2 && !d.pF2 && !d.pF3:
			d.pF2 = true
		case b == 0x65 && d.seg == segNone && !d.null:
			d.seg = segGS
		case b == 0x64 && d.seg == segNone && !d.null:
			d.seg = segFS
		case b&0xf0 == 0x40:
			d.rex = b
			d.in.enc.rex = uint8(d.at - 1)
			d.in.enc.op = uint8(d.at)
			d.opcode(d.byte())
			d.checkPrefixes()
			return
		default:
			d.in.enc.op = uint8(d.at - 1)
			d.opcode(b)
			d.checkPrefixes()
			return
		}
	}
}

// plain decodes an instruction without operands.
func (d *decoder) plain(op opcode) {
	d.refuseIf(d.p66 || d.rex != 0)
	d.in.op = op
}

func (d *decoder) opcode(b uint8) {
	in := &d.in
	in.width = d.width()
	if b&1 == 0 && (b < 0x40 && b&7 < 6 || b >= 0x80 && b <= 0x8b || b == 0xa8 || b >= 0xc0 && b <= 0xd2 || b == 0xf6 || b == 0xfe) {
		in.width = 1
	}
	switch {
	case b < 0x40 && b&7 < 6:
		d.arithmetic(b)
	case b >= 0x50 && b < 0x60:
		in.width = 8
		d.refuseIf(d.p66)
		in.enc.opReg = true
		o := operand{kind: inReg, reg: reg(b&7 | d.rex&1<<3)}
		if b < 0x58 {
			in.op, in.src = opPUSH, o
		} else {
			in.op, in.dst = opPOP, o
		}
	case b >= 0x70 && b < 0x80:
		in.cc = b & 15
		d.branch(opJCC, 1)
	case b >= 0xb0 && b < 0xc0:
		in.enc.opReg = true
		size := int(in.width)
		if b < 0xb8 {
			in.width, size = 1, 1
		}
		in.op, in.dst = opMOV, d.r(b&7|d.rex&1<<3)
		in.src = d.imm(size)
	case b >= 0x91 && b < 0x98, b == 0x90 && d.rex&1 != 0:
		in.enc.opReg = true
		in.op, in.dst, in.src = opXCHG, operand{kind: inReg, reg: rAX}, operand{kind: inReg, reg: reg(b&7 | d.rex&1<<3)}
	default:
		d.opcode1(b)
	}
}

// arithmetic decodes the eight operations that have six forms each.
func (d *decoder) arithmetic(b uint8) {
	in := &d.in
	in.op = opADD + opcode(b>>3)
	switch b & 7 {
	case 0, 1:
		in.dst, in.src = d.rmReg()
	case 2, 3:
		in.src, in.dst = d.rmReg()
	default:
		in.dst = operand{kind: inReg, reg: rAX}
		in.src = d.immZ()
	}
}

func (d *decoder) opcode1(b uint8) {
	in := &d.in
	switch b {
	case 0x63:
		in.src, in.dst = d.rmReg()
		in.op, in.from = opMOVSX, 4
		d.refuseIf(in.width != 8)
	case 0x68, 0x6a:
		d.refuseIf(d.p66)
		in.op, in.width = opPUSH, 8
		in.src = d.imm(map[uint8]int{0x68: 4, 0x6a: 1}[b])
	case 0x80, 0x81, 0x83:
		rm, field := d.rm()
		in.op, in.dst = opADD+opcode(field&7), rm
		if b == 0x81 {
			in.src = d.immZ()
		} else {
			in.src = d.imm(1)
		}
	case 0x84, 0x85:
		in.dst, in.src = d.rmReg()
		in.op = opTEST
	case 0x86, 0x87:
		in.dst, in.src = d.rmReg()
		in.op = opXCHG
	case 0x88, 0x89:
		in.dst, in.src = d.rmReg()
		in.op = opMOV
	case 0x8a, 0x8b:
		in.src, in.dst = d.rmReg()
		in.op = opMOV
	case 0x8d:
		in.src, in.dst = d.rmReg()
		in.op = opLEA
		d.refuseIf(in.src.kind != inMem || in.src.seg != segNone || in.width < 4)
	case 0x8f:
		rm, field := d.modrm()
		d.refuseIf(field&7 != 0 || d.p66)
		in.op, in.dst, in.width = opPOP, rm, 8
	case 0x69, 0x6b:
		in.src, in.dst = d.rmReg()
		in.op, in.third = opIMUL, operand{}
		in.third = d.imm(map[uint8]int{0x69: int(min(in.width, 4)), 0x6b: 1}[b])
	case 0x8c, 0x8e:
		d.moveSegment(b)
	case 0x98, 0x99:
		in.op = opEXTEND + opcode(b-0x98)
	case 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf:
		if b&1 == 0 {
			in.width = 1
		}
		in.op = map[uint8]opcode{0xa4: opMOVSTR, 0xa6: opCMPS, 0xaa: opSTOS, 0xac: opLODS, 0xae: opSCAS}[b&^1]
	case 0xd9, 0xdb:
		d.x87(b)
	case 0xe0, 0xe1, 0xe2, 0xe3:
		d.branch([...]opcode{opLOOPNE, opLOOPE, opLOOP, opJRCXZ}[b-0xe0], 1)
	case 0x90:
		d.refuseIf(d.rex&7 != 0)
		in.op = opNOP
		if d.pF3 {
			d.pF3, in.op = false, opPAUSE
			d.refuseIf(d.p66)
		}
	case 0x9c, 0x9d:
		d.refuseIf(d.p66 || d.rex != 0)
		in.op, in.width = opPUSHF+opcode(b-0x9c), 8
	case 0xa8, 0xa9:
		in.op, in.dst = opTEST, operand{kind: inReg, reg: rAX}
		in.src = d.immZ()
	case 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3:
		d.shift(b)
	case 0xc2:
		d.refuseIf(d.p66 || d.rex != 0)
		in.op, in.src = opRETN, d.imm(2)
		in.src.imm &= 0xffff
	case 0xc3:
		d.plain(opRET)
	case 0xc8:
		d.refuseIf(d.p66 || d.rex != 0)
		in.op, in.width, in.src = opENTER, 8, d.imm(2)
		in.src.imm &= 0xffff
		d.refuseIf(d.byte() != 0) // nested functions
	case 0xc9:
		d.refuseIf(d.p66 || d.rex != 0)
		in.op, in.width = opLEAVE, 8
	case 0xc6, 0xc7:
		rm, field := d.rm()
		d.refuseIf(field&7 != 0)
		in.op, in.dst = opMOV, rm
		in.src = d.immZ()
	case 0xcc:
		d.plain(opINT3)
	case 0xcf:
		d.refuseIf(d.p66 || d.rex&7 != 0) // the kernel knows IRETQ, when it faults, by its usual bytes
		in.op = opIRET
	case 0xe8:
		d.branch(opCALL, 4)
	case 0xe9:
		d.branch(opJMP, 4)
	case 0xeb:
		d.branch(opJMP, 1)
	case 0xf4:
		d.plain(opHLT)
	case 0xf6, 0xf7:
		d.group3()
	case 0xf8, 0xf9:
		d.plain(opCLC + opcode(b-0xf8))
	case 0xfa, 0xfb:
		d.plain(opCLI + opcode(b-0xfa))
	case 0xfc, 0xfd:
		d.plain(opCLD + opcode(b-0xfc))
	case 0xfe, 0xff:
		d.group5(b)
	case 0x0f:
		d.opcode2(d.byte())
	default:
		d.refuse()
	}
}

func (d *decoder) shift(b uint8) {
	in := &d.in
	rm, field := d.rm()
	in.op = [8]opcode{opROL, opROR, opRCL, opRCR, opSHL, opSHR, opSHL, opSAR}[field&7]
	d.refuseIf(field&7 == 6)
	in.dst = rm
	switch b &^ 1 {
	case 0xc0:
		in.src = d.imm(1)
	case 0xd0:
		in.src = operand{kind: isImm, imm: 1}
	default:
		in.src = operand{kind: inReg, reg: rCX}
	}
}

func (d *decoder) group3() {
	in := &d.in
	rm, field := d.rm()
	switch field & 7 {
	case 0:
		in.op, in.dst = opTEST, rm
		in.src = d.immZ()
	case 1:
		d.refuse()
	case 2, 3:
		in.op, in.dst = [...]opcode{opNOT, opNEG}[field&7-2], rm
	default:
		in.op, in.src = [...]opcode{opMUL, opIMUL, opDIV, opIDIV}[field&7-4], rm
	}
}

// x87 decodes those few instructions of the x87 unit of which the proof knows what they
// change.
func (d *decoder) x87(b uint8) {
	in := &d.in
	d.refuseIf(d.p66)
	rm, field := d.modrm()
	field &= 7
	switch {
	case b == 0xdb && rm.kind == inReg && field == 4 && rm.reg&7 == 3:
		d.refuseIf(d.rex != 0)
		in.op = opFNINIT
	case b == 0xd9 && rm.kind == inMem && field == 5:
		in.op, in.width, in.src = opFLDCW, 2, rm
	case b == 0xd9 && rm.kind == inMem && field == 7:
		in.op, in.width, in.dst = opFNSTCW, 2, rm
	default:
		d.refuse()
	}
}

// moveSegment decodes MOV from and to a segment register. Loads, and stores to memory,
// have 16 bits; a general register is written as a whole (SDM volume 2, MOV).
func (d *decoder) moveSegment(b uint8) {
	in := &d.in
	rm, field := d.modrm()
	field &= 7
	d.refuseIf(field > segRegGS || b == 0x8e && field == segCS)
	in.op = opMOVSEG
	seg := operand{kind: isSegment, reg: reg(field)}
	in.src, in.dst = seg, rm
	if b == 0x8e || rm.kind == inMem {
		in.width = 2
	}
	if b == 0x8e {
		in.src, in.dst = rm, seg
	}
}

func (d *decoder) group5(b uint8) {
	in := &d.in
	rm, field := d.modrm()
	field &= 7
	d.refuseIf(b == 0xfe && field > 1 || field == 3 || field == 5 || field == 7)
	switch field {
	case 0, 1:
		if rm.kind == inReg {
			rm = d.r(uint8(rm.reg))
		}
		in.op, in.dst = opINC+opcode(field), rm
		return
	case 2:
		in.op = opCALL
	case 4:
		in.op = opJMP
	case 6:
		in.op = opPUSH
	}
	d.refuseIf(d.p66)
	in.src, in.width = rm, 8
}
