package asm

import "encoding/binary"

// ownBytes returns the bytes of the forms that the library lacks or gets
// wrong, or encodes longer than GNU as does; nil for all others. The
// operands have been checked, and the bytes have no segment prefix.
func (e *encoder) ownBytes(m *made, in *instruction, r row) []byte {
	switch {
	case r.bytes != nil:
		return r.bytes
	case in.name == "RET" && e.l.fn.ReturnSites:
		return returnSite
	case in.nargs == 0:
		return nil
	}
	first, _ := in.args[0].(Reg)
	second, _ := in.args[1].(Reg)
	switch {
	case r.form == opSrcReg && r.as == 0: // the library knows no instruction of FRED
		return lkgs(first)
	case DR0 <= first && first <= DR7: // the library has no DR1, and no DR2 and DR3 in 32-bit code
		return debugMove(0x21, first, second)
	case DR0 <= second && second <= DR7:
		return debugMove(0x23, second, first)
	case r.neg != 0 && e.bits == 32 && first != noReg: // the library mistakes the operand for a byte
		return []byte{0xf7, r.neg | byte(first-RAX)}
	case r.al != 0 && first == RAX && kindOf(in.args[1]) == kImm:
		return []byte{r.al, immByte(in.args[1])}
	case r.al != 0 && second == RAX && kindOf(in.args[0]) == kImm:
		return []byte{r.al, immByte(in.args[0])}
	}
	if e.bits != 32 || r.form != opMov && r.form != opMovSys && r.form != opMovSeg {
		return nil
	}
	if mem, ok := in.args[0].(Mem); ok && second == RAX && mem.bare() {
		return e.absoluteMove(m, in, 0xa0, r.width, mem)
	}
	if mem, ok := in.args[1].(Mem); ok && first == RAX && mem.bare() {
		return e.absoluteMove(m, in, 0xa2, r.width, mem)
	}
	return nil
}

// debugMove encodes a move between a debug and a general register (SDM volume 2, MOV).
func debugMove(op byte, debug, general Reg) []byte {
	number := map[Reg]byte{DR0: 0, DR1: 1, DR2: 2, DR3: 3, DR6: 6, DR7: 7}[debug]
	b := []byte{0x0f, op, 0xc0 | number<<3 | byte(general-RAX)&7}
	if general >= R8 {
		b = append([]byte{0x41}, b...)
	}
	return b
}

// lkgs encodes LKGS of a register (Intel, Flexible Return and Event Delivery, LKGS).
func lkgs(r Reg) []byte {
	if r >= R8 {
		return []byte{0xf2, 0x41, 0x0f, 0x00, 0xf0 | byte(r-RAX)&7}
	}
	return []byte{0xf2, 0x0f, 0x00, 0xf0 | byte(r-RAX)}
}

// bare reports whether the operand is an address alone.
func (m Mem) bare() bool { return m.Base() == noReg && m.IndexReg() == noReg }

// absoluteMove encodes the form of MOV between AL, AX or EAX and an address, which
// only 32-bit code has.
func (e *encoder) absoluteMove(m *made, in *instruction, op byte, width int, mem Mem) []byte {
	var b []byte
	if width == 2 {
		b = append(b, 0x66)
	}
	if width > 1 {
		op |= 1
	}
	b = append(b, op)
	if mem.Sym() == "" {
		return binary.LittleEndian.AppendUint32(b, uint32(mem.Disp()))
	}
	m.rel = &reloc{kind: relPhys32, sym: mem.Sym(), add: int64(mem.Disp()), in: in}
	return append(b, placeholderBytes...)
}

func immByte(arg any) byte {
	v, _ := intOf(arg)
	return byte(v)
}

// returnSite is a RET with room for a JMP: RET and four INT3.
var returnSite = []byte{0xc3, 0xcc, 0xcc, 0xcc, 0xcc}
