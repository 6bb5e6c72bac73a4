package asm

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/twitchyliquid64/golang-asm/obj"
	"github.com/twitchyliquid64/golang-asm/obj/x86"
)

var objRegs = func() (t [numRegs]int16) {
	for i, r := range []int16{
		x86.REG_AX, x86.REG_CX, x86.REG_DX, x86.REG_BX, x86.REG_SP, x86.REG_BP, x86.REG_SI, x86.REG_DI,
		x86.REG_R8, x86.REG_R9, x86.REG_R10, x86.REG_R11, x86.REG_R12, x86.REG_R13, x86.REG_R14, x86.REG_R15,
		x86.REG_ES, x86.REG_CS, x86.REG_SS, x86.REG_DS, x86.REG_FS, x86.REG_GS,
		x86.REG_CR0, x86.REG_CR2, x86.REG_CR3, x86.REG_CR4, x86.REG_CR8,
		x86.REG_DR0, x86.REG_DR0 + 1, x86.REG_DR2, x86.REG_DR3, x86.REG_DR6, x86.REG_DR7,
	} {
		t[int(RAX)+i] = r
	}
	return t
}()

// kindOf returns an operand's kind; 0 is something that no instruction takes.
func kindOf(arg any) kind {
	switch v := arg.(type) {
	case Reg:
		switch {
		case v.general():
			return kReg
		case v.segment():
			return kSeg
		case CR0 <= v && v <= DR7:
			return kSys
		}
		return 0
	case Mem:
		return kMem
	case string, Place, func() Func:
		return kLabel
	}
	if _, ok := intOf(arg); ok {
		return kImm
	}
	return 0
}

// has reports whether the operand is of one of the kinds.
func (k kind) has(arg any) bool {
	return k&kindOf(arg) != 0 || k&kCL != 0 && arg == RCX
}

// String lists the kinds as an error names them; it leaves the special registers out
// where a general register will do.
func (k kind) String() string {
	if k&kReg != 0 {
		k &^= kSeg | kSys
	}
	var names []string
	for i, name := range []string{"a register", "memory", "an immediate", "RCX", "a segment register", "a control or debug register", "the name of a label or function"} {
		if k>>i&1 != 0 {
			names = append(names, name)
		}
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// wrongKind returns the error of an operand that the instruction does not take.
func wrongKind(in *instruction, n int, want []kind) error {
	which := "operand"
	if len(want) == 2 {
		which = [2]string{"first operand", "second operand"}[n]
	}
	is := kindOf(in.args[n]).String()
	if is == "" {
		is = fmt.Sprint(in.args[n]) // a Reg that does not exist
	}
	return fmt.Errorf("the %s is %s; want %v", which, is, want[n])
}

// operand makes the library's operand n of an instruction.
func (e *encoder) operand(addr *obj.Addr, m *made, in *instruction, r row, n int) error {
	want := shapes[r.form].args
	arg := in.args[n]
	if !want[n].has(arg) {
		return wrongKind(in, n, want)
	}
	width := r.width
	if n == 0 && r.from != 0 {
		width = r.from
	}
	switch v := arg.(type) {
	case Reg:
		if e.bits == 32 && (R8 <= v && v <= R15 || v == CR8) {
			return fmt.Errorf("%v does not exist in %d-bit code", v, e.l.fn.bits())
		}
		if width == 1 && r.form != opShift {
			if e.bits == 32 && RSP <= v && v <= RDI {
				return fmt.Errorf("%v has no low byte in 32-bit code; use RAX to RBX", v)
			}
			if v == RSP || v == RBP {
				return fmt.Errorf("the low byte of %v cannot be encoded; use another register", v)
			}
		}
		*addr = obj.Addr{Type: obj.TYPE_REG, Reg: objRegs[v]}
		return nil
	case Mem:
		return e.memory(addr, m, in, v.get())
	}
	v, err := checkImm(in, r, n)
	*addr = obj.Addr{Type: obj.TYPE_CONST, Offset: v}
	return err
}

// checkSpecial checks moves of registers that are not general, and LEA.
func checkSpecial(in *instruction, bits int) error {
	if in.nargs != 2 {
		return nil
	}
	for n, arg := range in.args {
		r, ok := arg.(Reg)
		other := kindOf(in.args[1-n])
		switch {
		case !ok || r.general():
		case r.segment() && other&(kReg|kMem) == 0:
			return fmt.Errorf("%v is moved only to and from a register or memory", r)
		case r == CS && n == 1:
			return errors.New("CS cannot be moved to; use RETFL or IRETQ")
		case r.segment():
		case other != kReg:
			return fmt.Errorf("%v is moved only to and from a register", r)
		case in.name == "MOVL" && bits == 64:
			return fmt.Errorf("%v needs MOVQ in 64-bit code", r)
		}
	}
	if m, ok := in.args[0].(Mem); ok && table[in.name].form == opAddr && m.get().seg != noReg {
		return errors.New("an offset in a segment is not an address; add the segment's base")
	}
	return nil
}

// checkPrefix refuses prefixes that the CPU would ignore or refuse.
func checkPrefix(in *instruction, r row) error {
	switch in.prefix {
	case prefixRep:
		if r.form != opString {
			return errors.New("REP needs MOVS, STOS, LODS or OUTS; a comparison takes REPE")
		}
	case prefixRepe:
		if r.form != opScan {
			return errors.New("REPE needs CMPS")
		}
	}
	return nil
}

func segmentPrefix(seg Reg) byte {
	switch seg {
	case FS:
		return 0x64
	case GS:
		return 0x65
	}
	return 0
}

// memory makes the library's operand of memory, without its segment.
func (e *encoder) memory(addr *obj.Addr, m *made, in *instruction, v *memory) error {
	indexed := v.base != noReg || v.index != noReg
	disp := v.disp
	if e.bits == 32 && disp > math.MaxInt32 && disp <= math.MaxUint32 {
		disp = int(int32(uint32(disp)))
	}
	switch {
	case v.base != noReg && !v.base.general() || v.index != noReg && !v.index.general():
		return errors.New("base and index must be general registers")
	case v.index == RSP:
		return errors.New("RSP cannot be an index; make it the base")
	case e.bits == 32 && (v.base >= R8 || v.index >= R8):
		return errors.New("R8 to R15 do not exist in 32-bit code")
	case v.index != noReg && v.scale != 1 && v.scale != 2 && v.scale != 4 && v.scale != 8:
		return fmt.Errorf("the scale is %d; want 1, 2, 4 or 8", v.scale)
	case v.index == noReg && v.scale != 0:
		return errors.New("a scale needs an index")
	case disp < math.MinInt32 || disp > math.MaxInt32:
		return errors.New("the displacement does not fit in 32 bits, sign-extended; add it to a register")
	case v.seg != noReg && v.seg != GS && v.seg != FS:
		return fmt.Errorf("segment %v has no base of its own; want FS or GS", v.seg)
	case v.seg != noReg && v.sym != "":
		return fmt.Errorf("a symbol in segment %v; put its address in a register", v.seg)
	}
	*addr = obj.Addr{Type: obj.TYPE_MEM, Offset: int64(disp)}
	if v.index != noReg {
		addr.Index, addr.Scale = objRegs[v.index], int16(v.scale)
	}
	if v.base != noReg {
		addr.Reg = objRegs[v.base]
	}
	if v.sym == "" {
		return nil
	}
	sym := v.sym
	if sym == v.sym {
		e.refs = append(e.refs, ref{in: in, sym: sym})
	}
	if !indexed {
		addr.Name, addr.Sym = obj.NAME_EXTERN, &obj.LSym{Name: sym}
		return nil
	}
	m.rel = &reloc{kind: relAbs32S, sym: sym, add: int64(disp), in: in}
	if e.bits == 32 {
		m.rel.kind = relPhys32
	}
	addr.Offset = placeholder
	return nil
}

// checkImm returns immediate operand n in the form that the library takes. It
// refuses an immediate that does not fit, as the library would silently truncate or
// sign-extend it.
func checkImm(in *instruction, r row, n int) (int64, error) {
	v, _ := intOf(in.args[n])
	bits := r.width * 8
	switch {
	case r.form == opShift || r.form == opBit || r.form == opBitRMW:
		if v < 0 || v >= int64(bits) {
			return 0, fmt.Errorf("the immediate is %d; want 0 to %d", v, bits-1)
		}
		return v, nil
	case r.form == opInt || r.form == opRetN:
		most := int64(math.MaxUint8)
		if r.form == opRetN {
			most = math.MaxUint16
		}
		if v < 0 || v > most {
			return 0, fmt.Errorf("the immediate is %d; want 0 to %d", v, most)
		}
		return v, nil
	case bits < 64:
		if v < -1<<(bits-1) || v >= 1<<bits || v < 0 && isUnsigned(in.args[n]) {
			return 0, fmt.Errorf("the immediate does not fit in %d bits", bits)
		}
		return v << (64 - bits) >> (64 - bits), nil
	}
	if _, toReg := in.args[1].(Reg); r.form == opMovSys && toReg {
		return v, nil
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, errors.New("the immediate does not fit in 32 bits, sign-extended; MOVQ it to a register")
	}
	return v, nil
}

// intOf returns the value of any integer.
func intOf(arg any) (int64, bool) {
	switch v := arg.(type) {
	case int:
		return int64(v), true
	case nil, Reg, Mem, Place, string:
		return 0, false
	}
	v := reflect.ValueOf(arg)
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), true
	}
	return 0, false
}

func isUnsigned(arg any) bool { return reflect.ValueOf(arg).CanUint() }
