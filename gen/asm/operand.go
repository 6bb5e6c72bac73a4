package asm

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// Reg is a register operand: general, segment, control or debug register.
// The mnemonic's suffix says which part of a general register is used:
// MOVL(RAX, RBX) moves EAX to EBX.
type Reg uint8

// The registers. The zero Reg is no register.
const (
	noReg Reg = iota
	RAX
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15

	ES
	CS
	SS
	DS
	FS
	GS

	CR0
	CR2
	CR3
	CR4
	CR8
	DR0
	DR1
	DR2
	DR3
	DR6
	DR7

	// FLAGS are the arithmetic flags, for contracts (Func.Returns); not an operand.
	FLAGS
	numRegs
)

var regNames = [numRegs]string{
	"none", "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
	"ES", "CS", "SS", "DS", "FS", "GS",
	"CR0", "CR2", "CR3", "CR4", "CR8", "DR0", "DR1", "DR2", "DR3", "DR6", "DR7", "FLAGS",
}

// String returns the register's name.
func (r Reg) String() string {
	if r < numRegs {
		return regNames[r]
	}
	return fmt.Sprintf("Reg(%d)", uint8(r))
}

func (r Reg) general() bool { return RAX <= r && r <= R15 }
func (r Reg) segment() bool { return ES <= r && r <= GS }

// At is the memory at disp bytes from the address in r, or from the base of
// the segment register r.
func (r Reg) At(disp int) Mem {
	if r.segment() {
		return Mem{Seg: r}.Add(disp)
	}
	return Mem{Base: r}.Add(disp)
}

// Index is the memory at r + index*scale.
func (r Reg) Index(index Reg, scale int) Mem { return Mem{Base: r}.Index(index, scale) }

// Mem is a memory operand: Seg:Disp(Base,Index*Scale), relative to the symbol
// Sym if there is one. A symbol without Base and Index is addressed relative
// to RIP; with them, by its sign-extended 32-bit address.
type Mem struct {
	Seg            Reg
	Base, IndexReg Reg
	Scale          int
	Disp           int
	Sym            string
	// field is the structure's field that a handle of Fields stands for.
	field Slot
	// fn declares the function whose address this is; lowering puts its name in
	// Sym.
	fn *func() Func
}

// Add returns the memory disp bytes further on. It is no longer the field that m
// may have stood for.
func (m Mem) Add(disp int) Mem {
	m.Disp += disp
	if disp != 0 {
		m.field = Slot{}
	}
	return m
}

// Field returns the structure field that a handle of [Fields] stands for, a zero
// Slot if m is not such a handle.
func (m Mem) Field() Slot { return m.field }

// Index returns the memory index*scale bytes further on.
func (m Mem) Index(index Reg, scale int) Mem {
	m.IndexReg, m.Scale = index, scale
	return m
}

// Abs is the memory at an absolute, sign-extended 32-bit address; with a
// segment, at that offset in it: GS.At(0) is the same as Abs(0) in GS.
func Abs(addr int) Mem { return Mem{Disp: addr} }

// Sym is the memory at a symbol.
func Sym[S Symbolic](s S) Mem {
	name, fn := symbolOf(s)
	return Mem{Sym: name, fn: fn}
}

// String prints the operand as the listing shows it.
func (m Mem) String() string {
	var b strings.Builder
	if m.Seg != noReg && m.field.Frame == "" {
		fmt.Fprintf(&b, "%v:", m.Seg)
	}
	switch {
	case m.field.Frame != "":
		b.WriteString(m.field.String())
		if m.Seg != noReg {
			fmt.Fprintf(&b, "(%v)", m.Seg)
		}
	case m.Sym != "":
		b.WriteString(m.Sym)
		if m.Disp != 0 {
			fmt.Fprintf(&b, "%+d", m.Disp)
		}
	case m.Disp != 0 || m.Base == noReg && m.IndexReg == noReg:
		if m.Disp >= -4096 && m.Disp <= 4096 {
			fmt.Fprintf(&b, "%d", m.Disp)
		} else {
			fmt.Fprintf(&b, "%#x", m.Disp)
		}
	}
	if m.Base != noReg {
		fmt.Fprintf(&b, "(%v)", m.Base)
	}
	if m.IndexReg != noReg {
		fmt.Fprintf(&b, "(%v*%d)", m.IndexReg, m.Scale)
	}
	return b.String()
}

// Str is the memory that holds s followed by a zero byte; equal strings share
// one place in the read-only data.
func Str(s string) Mem { return Mem{Sym: strPrefix + s} }

// strPrefix begins the Sym that holds a string's text; no symbol's name contains it.
const strPrefix = "\x00"

// Slot is a word of a structure, for the claim that an instruction uses this word
// (see Ins.Is).
type Slot struct {
	Frame, Name string
	Off         int // bytes from the structure's start
}

// String returns the slot as Structure.Field.
func (s Slot) String() string { return s.Frame + "." + s.Name }

// Fields returns a structure of package layout whose fields are the memory
// operands of a structure at base: a general register that holds its address,
// a segment register whose base is its address, or a memory operand. It panics
// on any other base, and on a structure that holds anything but words. The result is a
// pointer, as structures of a hundred operands in the frames of listings made their stack
// maps megabytes larger.
//
//	th := asm.Fields[layout.Thread[asm.Mem]](asm.RBX)
//	MOVQ(th.State, RAX)
func Fields[S any](base any) *S {
	var m Mem
	switch b := base.(type) {
	case Reg:
		if b.segment() {
			m.Seg = b
		} else {
			m.Base = b
		}
	case Mem:
		m = b
	default:
		panic(fmt.Sprintf("asm.Fields: the base is of type %T; want a Reg or a Mem", base))
	}
	s := filled[S](func(slot Slot) Mem {
		f := m
		f.Disp += slot.Off
		f.field = slot
		return f
	})
	return &s
}

// Slots returns a structure of package layout in which each field names its own
// place.
func Slots[S any]() S {
	return filled[S](func(slot Slot) Slot { return slot })
}

// filled returns a structure of package layout, all of whose words are of type W, with
// the word that is given for each slot.
func filled[S, W any](word func(Slot) W) (s S) {
	slots := slotsOf(reflect.TypeFor[S](), reflect.TypeFor[W]())
	words := unsafe.Slice((*W)(unsafe.Pointer(&s)), len(slots)) // it holds nothing else
	for i, slot := range slots {
		words[i] = word(slot)
	}
	return s
}

// SizeOf returns the size in bytes of a structure of package layout.
func SizeOf[S any]() int {
	return 8 * len(slotsOf(reflect.TypeFor[S](), nil))
}

func structName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// slotsOf returns the slot of each word of a structure, in order. Few structures are used
// for many operands, so each is walked only once. A word is anything that takes the place
// of the type parameter, a Mem, a Slot or a 64-bit integer; if word is not nil, it must be
// of that type.
func slotsOf(structure, word reflect.Type) []Slot {
	type key struct{ structure, word reflect.Type }
	if known, ok := walked.Load(key{structure, word}); ok {
		return known.([]Slot)
	}
	var slots []Slot
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		switch {
		case t == word, word == nil && (t == reflect.TypeFor[Mem]() || t == reflect.TypeFor[Slot]() || t.Kind() == reflect.Uint64):
			slots = append(slots, Slot{structName(structure), path, 8 * len(slots)})
		case t.Kind() == reflect.Struct:
			for i := range t.NumField() {
				name := t.Field(i).Name
				if path != "" {
					name = path + "." + name
				}
				walk(t.Field(i).Type, name)
			}
		case t.Kind() == reflect.Array:
			for i := range t.Len() {
				walk(t.Elem(), fmt.Sprintf("%s[%d]", path, i))
			}
		default:
			panic(fmt.Sprintf("asm: %s.%s is of type %v; a shared structure holds words, arrays and structures of words", structName(structure), path, t))
		}
	}
	walk(structure, "")
	walked.Store(key{structure, word}, slots)
	return slots
}

// walked holds the slots of the structures that slotsOf has walked.
var walked sync.Map
