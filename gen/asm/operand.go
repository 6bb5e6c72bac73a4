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

// At returns the memory at disp bytes from the address in r, or from the base of the
// segment register r.
//
//go:noinline
func (r Reg) At(disp int) Mem {
	if r.segment() {
		return Mem{&memory{seg: r, disp: disp}}
	}
	return Mem{&memory{base: r, disp: disp}}
}

// Index returns the memory at r + index*scale.
//
//go:noinline
func (r Reg) Index(index Reg, scale int) Mem {
	return Mem{&memory{base: r, index: index, scale: scale}}
}

// Mem is a memory operand: segment:disp(base,index*scale), relative to a symbol if
// there is one. A symbol without base and index is addressed relative to RIP; with
// them, by its sign-extended 32-bit address. The zero Mem is address 0. A Mem is a
// pointer to what nothing changes, as an Ins is: the kernel's listings have thousands of
// them, and are half as large in the program as with structs. For the same reason what
// makes one is not inlined.
type Mem struct{ p *memory }

type memory struct {
	seg, base, index Reg
	scale            int
	disp             int
	sym              string
	// field is the structure's field that a handle of Fields stands for.
	field Slot
	// fn declares the function whose address this is; lowering puts its name in
	// sym.
	fn *func() Func
}

// get returns what m points to, which is not to be changed.
func (m Mem) get() *memory {
	if m.p == nil {
		return &memory{}
	}
	return m.p
}

// Base returns the base register, the zero Reg if there is none.
func (m Mem) Base() Reg { return m.get().base }

// IndexReg returns the index register, the zero Reg if there is none.
func (m Mem) IndexReg() Reg { return m.get().index }

// Disp returns the bytes that are added to registers and symbol.
func (m Mem) Disp() int { return m.get().disp }

// Sym returns the symbol's name, "" if there is none.
func (m Mem) Sym() string { return m.get().sym }

// Add returns the memory disp bytes further on. It is no longer the field that m
// may have stood for.
//
//go:noinline
func (m Mem) Add(disp int) Mem {
	v := *m.get()
	v.disp += disp
	if disp != 0 {
		v.field = Slot{}
	}
	return Mem{&v}
}

// named returns the memory with another symbol.
func (m Mem) named(sym string) Mem {
	v := *m.get()
	v.sym, v.fn = sym, nil
	return Mem{&v}
}

// Field returns the structure field that a handle of [Fields] stands for, a zero
// Slot if m is not such a handle.
func (m Mem) Field() Slot { return m.get().field }

// Index returns the memory index*scale bytes further on.
//
//go:noinline
func (m Mem) Index(index Reg, scale int) Mem {
	v := *m.get()
	v.index, v.scale = index, scale
	return Mem{&v}
}

// Based returns the memory with another base register.
func (m Mem) Based(base Reg) Mem {
	v := *m.get()
	v.base = base
	return Mem{&v}
}

// Abs returns the memory at an absolute, sign-extended 32-bit address.
//
//go:noinline
func Abs(addr int) Mem { return Mem{&memory{disp: addr}} }

// Sym returns the memory at a symbol.
//
//go:noinline
func Sym[S Symbolic](s S) Mem {
	name, fn := symbolOf(s)
	return Mem{&memory{sym: name, fn: fn}}
}

// String prints the operand as the listing shows it.
func (m Mem) String() string {
	v := m.get()
	var b strings.Builder
	if v.seg != noReg && v.field.Frame == "" {
		fmt.Fprintf(&b, "%v:", v.seg)
	}
	switch {
	case v.field.Frame != "":
		b.WriteString(v.field.String())
		if v.seg != noReg {
			fmt.Fprintf(&b, "(%v)", v.seg)
		}
	case v.sym != "":
		b.WriteString(v.sym)
		if v.disp != 0 {
			fmt.Fprintf(&b, "%+d", v.disp)
		}
	case v.disp != 0 || v.base == noReg && v.index == noReg:
		if v.disp >= -4096 && v.disp <= 4096 {
			fmt.Fprintf(&b, "%d", v.disp)
		} else {
			fmt.Fprintf(&b, "%#x", v.disp)
		}
	}
	if v.base != noReg {
		fmt.Fprintf(&b, "(%v)", v.base)
	}
	if v.index != noReg {
		fmt.Fprintf(&b, "(%v*%d)", v.index, v.scale)
	}
	return b.String()
}

// Str returns the memory that holds s followed by a zero byte; equal strings share one
// place in the read-only data.
//
//go:noinline
func Str(s string) Mem { return Mem{&memory{sym: strPrefix + s}} }

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
	var m memory
	switch b := base.(type) {
	case Reg:
		m = *b.At(0).get()
	case Mem:
		m = *b.get()
	default:
		panic(fmt.Sprintf("asm.Fields: the base is of type %T; want a Reg or a Mem", base))
	}
	s := filled[S](func(slot Slot) Mem {
		f := m
		f.disp += slot.Off
		f.field = slot
		return Mem{&f}
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
