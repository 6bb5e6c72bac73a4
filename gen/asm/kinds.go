package asm

// Imm is an immediate: an integer. It is range-checked where the instruction is
// assembled.
type Imm interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | uint8 | ~uint16 | ~uint32 | ~uint64
}

// RegMem is a register or memory.
type RegMem interface{ Reg | Mem }

// RegImm is a register or an immediate.
type RegImm interface{ Reg | Imm }

// Operand is a register, memory or an immediate.
type Operand interface{ Reg | Mem | Imm }

// Label is a place that a branch goes to: a label of the same function, or a
// function by its declaration or name.
type Label interface{ string | func() Func }

// Target is what JMP and CALL go to: a Label, or the address in a register or in
// memory.
type Target interface{ Label | Reg | Mem }
