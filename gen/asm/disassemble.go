package asm

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/arch/x86/x86asm"
)

// disassemble makes an instruction of this package from machine code of another
// assembler; a branch's distance counts from the instruction's end. An instruction
// that the decoder does not know gets a mnemonic that is in no row of the table, or
// none.
func disassemble(code []byte) *instruction {
	if name, ok := fixed()[string(code)]; ok {
		return &instruction{name: name}
	}
	inst, err := x86asm.Decode(code, 64)
	if err != nil || inst.Len != len(code) {
		return &instruction{}
	}
	args := inst.Args[:max(0, slices.Index(inst.Args[:], nil))]
	if len(args) == 3 && args[0] == args[1] { // IMUL of a register by a constant
		args = args[1:]
	}
	in := &instruction{name: mnemonicOf(inst)}
	r := table[in.name]
	if len(shapes[r.form].args) != len(args) {
		return in
	}
	in.nargs = len(args)
	for i, arg := range args {
		at := len(args) - 1 - i // Intel's order is reversed
		if r.form == opCmp {
			at = i
		}
		in.args[at] = operandOf(arg, r.width)
	}
	return in
}

// fixed maps the bytes of the mnemonics without operands to their names.
func fixed() map[string]string {
	fixedOnce.Do(func() {
		a := newAssembler(newReport())
		fixedNames = map[string]string{}
		for name, r := range table {
			if len(shapes[r.form].args) == 0 && r.in(64) {
				enc := a.assemble(&Func{Name: name, Body: Block{ins(name), ins("UD2")}})
				fixedNames[string(enc.bytes[:enc.lines[0].len])] = name
			}
		}
	})
	return fixedNames
}

var (
	fixedOnce  sync.Once
	fixedNames map[string]string
)

// mnemonicOf returns the decoder's opcode with AT&T's width, as the table has it.
func mnemonicOf(inst x86asm.Inst) string {
	op := inst.Op.String()
	width := widthOf(inst, inst.Args[0])
	names := []string{op, op + width}
	switch {
	case inst.Op == x86asm.MOVZX, inst.Op == x86asm.MOVSX, inst.Op == x86asm.MOVSXD:
		names = []string{op[:4] + widthOf(inst, inst.Args[1]) + width}
	case inst.Op == x86asm.PUSH, inst.Op == x86asm.POP:
		names = []string{op + "Q"}
	case inst.Op == x86asm.RET && inst.Args[0] != nil:
		names = []string{"RETN"}
	case inst.Op == x86asm.MOV && (special(inst.Args[0]).segment() || special(inst.Args[1]).segment()):
		names = []string{"MOVW"}
	case inst.Op == x86asm.MOV && (special(inst.Args[0]) != noReg || special(inst.Args[1]) != noReg):
		names = []string{"MOVQ"}
	case strings.HasPrefix(op, "CMOV"):
		names = []string{"CMOV" + width + op[4:]}
	}
	for _, name := range names {
		if _, ok := table[name]; ok {
			return name
		}
	}
	return op
}

// special returns an operand that is a segment, control or debug register.
func special(arg x86asm.Arg) Reg {
	if r, ok := arg.(x86asm.Reg); ok && !regOf(r).general() {
		return regOf(r)
	}
	return noReg
}

// widthOf returns the suffix of an operand's width.
func widthOf(inst x86asm.Inst, arg x86asm.Arg) string {
	bits := inst.DataSize
	switch a := arg.(type) {
	case x86asm.Mem:
		bits = 8 * inst.MemBytes
	case x86asm.Reg:
		switch {
		case a <= x86asm.R15B:
			bits = 8
		case a <= x86asm.R15W:
			bits = 16
		case a <= x86asm.R15L:
			bits = 32
		case a <= x86asm.R15:
			bits = 64
		}
	}
	return map[int]string{8: "B", 16: "W", 32: "L", 64: "Q"}[bits]
}

// operandOf returns an operand in this package's form; width is the instruction's, in
// bytes.
func operandOf(arg x86asm.Arg, width int) any {
	switch a := arg.(type) {
	case x86asm.Reg:
		return regOf(a)
	case x86asm.Mem:
		v := memory{seg: regOf(a.Segment), base: regOf(a.Base), index: regOf(a.Index), disp: int(int32(a.Disp))}
		if v.index != noReg {
			v.scale = int(a.Scale)
		}
		return Mem{&v}
	case x86asm.Rel:
		return Place(a)
	}
	v, _ := arg.(x86asm.Imm)
	if width == 0 || width == 8 {
		return int64(v)
	}
	return int64(v) << (64 - 8*width) >> (64 - 8*width)
}

// regOf returns the register of which r may be a part.
func regOf(r x86asm.Reg) Reg {
	general := func(from x86asm.Reg) Reg { return RAX + Reg(r-from) }
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return general(x86asm.AL)
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return RSP + Reg(r-x86asm.SPB)
	case r >= x86asm.AX && r <= x86asm.R15W:
		return general(x86asm.AX)
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return general(x86asm.EAX)
	case r >= x86asm.RAX && r <= x86asm.R15:
		return general(x86asm.RAX)
	case r >= x86asm.ES && r <= x86asm.GS:
		return ES + Reg(r-x86asm.ES)
	}
	return map[x86asm.Reg]Reg{
		x86asm.CR0: CR0, x86asm.CR2: CR2, x86asm.CR3: CR3, x86asm.CR4: CR4, x86asm.CR8: CR8,
		x86asm.DR0: DR0, x86asm.DR1: DR1, x86asm.DR2: DR2, x86asm.DR3: DR3, x86asm.DR6: DR6, x86asm.DR7: DR7,
	}[r]
}
