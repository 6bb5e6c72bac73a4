package asm

import (
	"fmt"
	"slices"
)

// Code is the machine code of a function that another assembler made, ready to
// be linked with the listings.
type Code struct {
	Bytes  []byte
	Relocs []Reloc
	// Align is the alignment of its address, if it needs more than functions
	// usually have: a power of two, a page at most.
	Align int
	// Labels are places that other functions may branch to or take the address
	// of. Their names are those of the linked program.
	Labels []CodeLabel
	// Lines are the instructions, by offset, for listings and errors.
	Lines []CodeLine
}

// Reloc is a place in Code where the address of a symbol must go: its value is
// the address plus Add, less the place's own address if the kind is relative
// (System V ABI, AMD64 supplement, 4.4.1).
type Reloc struct {
	Off  int
	Kind RelocKind
	Sym  string
	Add  int64
}

// RelocKind is the width of the place and the value stored there.
type RelocKind uint8

const (
	RelocPC32  RelocKind = iota // 32 bits, relative: R_X86_64_PC32, R_X86_64_PLT32
	RelocAbs32                  // 32 bits, sign-extended: R_X86_64_32S
	RelocAbs64                  // 64 bits: R_X86_64_64
)

// CodeLabel is a named place in Code.
type CodeLabel struct {
	Name string
	Off  int
}

// CodeLine is an instruction of Code and the line of its source.
type CodeLine struct {
	Off, Len int
	Text     string
	File     string
	Line     int
}

// CODE makes a function of machine code.
func CODE(name, doc string, code *Code) Func {
	return Func{Name: name, Doc: doc, code: code, pc: callerPC(2)}
}

// assembleCode turns Code into what the assembler makes of a listing.
func (a *assembler) assembleCode(fn *Func) *encoded {
	c := fn.code
	enc := &encoded{fn: fn, bytes: slices.Clone(c.Bytes), align: c.Align}
	if c.Align < 0 || c.Align&(c.Align-1) != 0 || c.Align > 4096 {
		a.rep.errorf(fn.pc, "%s: Align is %d; want a power of two, 4096 at most", fn.Name, c.Align)
		enc.align = 0
	}
	for _, l := range c.Lines {
		if l.Off < 0 || l.Len <= 0 || l.Off+l.Len > len(c.Bytes) {
			a.rep.errorf(fn.pc, "%s: line %d is at %d to %d of %d bytes", fn.Name, l.Line, l.Off, l.Off+l.Len, len(c.Bytes))
			return &encoded{fn: fn}
		}
		in := disassemble(c.Bytes[l.Off : l.Off+l.Len])
		in.source, in.pc = l.Text, a.rep.foreign(place{l.File, l.Line})
		if to, ok := in.args[0].(Place); ok {
			in.args[0] = to + Place(l.Off+l.Len)
		}
		enc.lines = append(enc.lines, encLine{in: in, off: l.Off, len: l.Len, to: -1})
	}
	for _, l := range c.Labels {
		if l.Off < 0 || l.Off > len(c.Bytes) {
			a.rep.errorf(fn.pc, "%s: the label %s is at %d of %d bytes", fn.Name, l.Name, l.Off, len(c.Bytes))
			return &encoded{fn: fn}
		}
		enc.labels = append(enc.labels, encLabel{&label{name: l.Name, global: true, pc: fn.pc}, l.Off})
	}
	for _, r := range c.Relocs {
		kind, size, add := relPC32, 4, r.Add
		switch r.Kind {
		case RelocPC32:
			add += 4 // ours count from the place's end
		case RelocAbs32:
			kind = relAbs32S
		case RelocAbs64:
			kind, size = relAbs64, 8
		}
		if r.Off < 0 || r.Off+size > len(c.Bytes) {
			a.rep.errorf(fn.pc, "%s: a relocation is at %d of %d bytes", fn.Name, r.Off, len(c.Bytes))
			return &encoded{fn: fn}
		}
		in := &instruction{source: fmt.Sprintf("+%#x", r.Off), pc: fn.pc}
		if l := enc.lineAt(r.Off); l != nil {
			in = l.in
			in.link(r, l.off+l.len)
		}
		enc.relocs = append(enc.relocs, reloc{off: r.Off, kind: kind, sym: r.Sym, add: add, in: in})
		enc.refs = append(enc.refs, ref{in, r.Sym, false})
	}
	return enc
}

// lineAt returns the line of the instruction that holds the byte at off.
func (enc *encoded) lineAt(off int) *encLine {
	for i := range enc.lines {
		if l := &enc.lines[i]; l.off <= off && off < l.off+l.len {
			return l
		}
	}
	return nil
}

// link puts a relocation's symbol into the operand that needs its address; the
// instruction ends at end.
func (in *instruction) link(r Reloc, end int) {
	for i, arg := range in.operands() {
		switch a := arg.(type) {
		case Place:
			in.args[i] = r.Sym
		case Mem:
			v := *a.get()
			v.sym, v.disp = r.Sym, int(r.Add)
			if r.Kind == RelocPC32 {
				v.disp += end - r.Off
			}
			in.args[i] = Mem{&v}
		}
	}
}
