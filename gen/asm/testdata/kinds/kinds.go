// Package kinds does not compile: each line has an operand of a kind that the
// instruction does not take. See TestKinds.
package kinds

import . "github.com/entrylab/entrylab/gen/asm"

type frame[T any] struct{ IP T }

var slot = Slots[frame[Slot]]().IP

var _ = Block{
	MOVQ(nil, RAX),        // ERROR "cannot infer S"
	MOVQ("table", RAX),    // ERROR "string does not satisfy Operand"
	MOVQ(slot, RAX),       // ERROR "Slot does not satisfy Operand"
	MOVQ(1.5, RAX),        // ERROR "float64 does not satisfy Operand"
	MOVQ(RAX, 5),          // ERROR "int does not satisfy RegMem"
	MOVQ(Str("text"), 5),  // ERROR "int does not satisfy RegMem"
	ADDQ([]int{1}, RAX),   // ERROR "[]int does not satisfy Operand"
	CMPQ(5, RAX),          // ERROR "int does not satisfy RegMem"
	MOVZBL(5, RAX),        // ERROR "int does not satisfy RegMem"
	IMULQ(RAX, RBX.At(0)), // ERROR "as Reg value"
	XCHGQ(RAX, 5),         // ERROR "int does not satisfy RegMem"
	SHLQ(RAX.At(0), RAX),  // ERROR "Mem does not satisfy RegImm"
	BTQ("bit", RAX),       // ERROR "string does not satisfy RegImm"
	MULQ(5),               // ERROR "int does not satisfy RegMem"
	INCQ(5),               // ERROR "int does not satisfy RegMem"
	POPQ(7),               // ERROR "int does not satisfy RegMem"
	PUSHQ("text"),         // ERROR "string does not satisfy Operand"
	LEAQ(RAX, RBX),        // ERROR "as Mem value"
	INVLPG(RAX),           // ERROR "as Mem value"
	CLFLUSH(RAX),          // ERROR "as Mem value"
	RDRANDQ(RAX.At(0)),    // ERROR "as Reg value"
	INT(RAX),              // ERROR "Reg does not satisfy Imm"
	RETN(RAX),             // ERROR "Reg does not satisfy Imm"
	JE(RAX),               // ERROR "Reg does not satisfy Label"
	JNE(5),                // ERROR "int does not satisfy Label"
	JMP(5),                // ERROR "int does not satisfy Target"
	CALL(nil),             // ERROR "cannot infer T"
}
