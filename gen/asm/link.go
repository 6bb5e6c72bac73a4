package asm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Data is a named object outside the text.
type Data struct {
	Name     string
	Align    int // bytes; 0 means 8
	ReadOnly bool
	// Content is bytes, strings, integers of a sized type and Ptrs, in order.
	Content []any
	// Size is the whole size in bytes if Content is shorter; an object without
	// Content lies in the bss.
	Size int
	pc   uintptr
}

// DATA is a writable object.
func DATA(name string, content ...any) Data {
	return Data{Name: name, Content: content, pc: callerPC(2)}
}

// RODATA is a read-only object.
func RODATA(name string, content ...any) Data {
	return Data{Name: name, Content: content, ReadOnly: true, pc: callerPC(2)}
}

// BSS is an object of size zero bytes.
func BSS(name string, size, align int) Data {
	return Data{Name: name, Size: size, Align: align, pc: callerPC(2)}
}

// Ptr is a 64-bit address in data.
type Ptr struct {
	Sym string
	Add int64
}

// PTR is the address of a symbol.
func PTR(sym string) Ptr { return Ptr{Sym: sym} }

// Program is what is linked together: order is the order in memory, but for
// the members of a group, which stand where the first of them does.
type Program struct {
	Funcs []Func
	Data  []Data
	// Late, if not nil, makes further read-only data from the functions'
	// final addresses: a kernel's own symbol table.
	Late func(funcs []Symbol) []Data
}

// Add appends another program.
func (p *Program) Add(q Program) {
	p.Funcs = append(p.Funcs, q.Funcs...)
	p.Data = append(p.Data, q.Data...)
	if q.Late != nil {
		p.Late = q.Late
	}
}

// Section is a linked part of memory.
type Section struct {
	Name        string
	Addr        uint64
	Bytes       []byte
	Size        uint64 // of the bss; else len(Bytes)
	Exec, Write bool
}

// Symbol is a linked name. A label of a function is a local one.
type Symbol struct {
	Name        string
	Addr, Size  uint64
	Func, Local bool
}

// Line maps an instruction to the Go line that emitted it.
type Line struct {
	Addr uint64
	File string // relative to its module
	Line int
}

// Object is a linked program.
type Object struct {
	Sections []Section // .text, .rodata, .data, .bss
	Symbols  []Symbol  // by address
	Lines    []Line    // by address
	Listings []Listing // of the functions, in their order
	addrs    map[string]uint64
}

// Addr returns the address of a global symbol.
func (o *Object) Addr(name string) (uint64, bool) {
	a, ok := o.addrs[name]
	return a, ok
}

// Listing returns the listing of a function.
func (o *Object) Listing(name string) (Listing, bool) {
	i := slices.IndexFunc(o.Listings, func(l Listing) bool { return l.Name == name })
	if i < 0 {
		return Listing{}, false
	}
	return o.Listings[i], true
}

const (
	pageSize  = 4096
	funcAlign = 16
	fillByte  = 0xcc // INT3 between functions
)

// Link assembles a program and links it to run at addr, whose physical address
// is addr-physBase. Every error of the build is reported, joined.
//
// It defines __text_start, __text_end and their like for each section,
// __GROUP_start and __GROUP_end for each group, and __ex_table: pairs of the
// address of an instruction marked with Fault and the address to go on at.
func Link(p Program, addr, physBase uint64) (*Object, error) {
	var errs []error
	a := newAssembler()
	var encs []*encoded
	for _, fn := range grouped(p.Funcs) {
		enc, err := a.assemble(lower(&fn))
		errs = append(errs, err...)
		if enc == nil { // others may name it: one fault, one error
			enc = &encoded{fn: &fn}
		}
		encs = append(encs, enc)
	}
	lk := &linker{addrs: map[string]uint64{}, physBase: physBase}
	text := lk.text(encs, addr)
	rodata := slices.Clone(p.Data)
	rodata = slices.DeleteFunc(rodata, func(d Data) bool { return !d.ReadOnly })
	if p.Late != nil {
		late := p.Late(slices.DeleteFunc(slices.Clone(lk.symbols), func(s Symbol) bool { return !s.Func }))
		for i := range late {
			late[i].ReadOnly = true
		}
		rodata = append(rodata, late...)
	}
	for i, s := range a.order {
		rodata = append(rodata, Data{Name: fmt.Sprintf("str.%d", i), Align: 1, ReadOnly: true, Content: []any{s + "\x00"}})
	}
	var table []any
	for _, f := range lk.faults {
		table = append(table, f[0], f[1])
	}
	rodata = append(rodata, Data{Name: "__ex_table", Content: table, ReadOnly: true}, Data{Name: "__ex_table_end", ReadOnly: true})
	inData := slices.DeleteFunc(slices.Clone(p.Data), func(d Data) bool { return d.ReadOnly || len(d.Content) == 0 })
	inBSS := slices.DeleteFunc(slices.Clone(p.Data), func(d Data) bool { return d.ReadOnly || len(d.Content) > 0 })
	ro := lk.data(".rodata", rodata, alignUp(text.Addr+uint64(len(text.Bytes)), pageSize))
	rw := lk.data(".data", inData, alignUp(ro.Addr+uint64(len(ro.Bytes)), pageSize))
	bss := lk.bss(inBSS, alignUp(rw.Addr+uint64(len(rw.Bytes)), pageSize))
	rw.Write, bss.Write = true, true
	lk.define("__kernel_end", alignUp(bss.Addr+bss.Size, pageSize), 0, false, 0)
	lk.patchText(&text, encs)
	lk.patchData(&ro)
	lk.patchData(&rw)
	errs = append(errs, lk.errs...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	o := &Object{Sections: []Section{text, ro, rw, bss}, Symbols: lk.symbols, addrs: lk.addrs}
	slices.SortStableFunc(o.Symbols, func(x, y Symbol) int {
		switch {
		case x.Addr < y.Addr:
			return -1
		case x.Addr > y.Addr:
			return 1
		}
		return 0
	})
	for _, enc := range encs {
		base := lk.addrs[enc.fn.Name]
		o.Listings = append(o.Listings, enc.listing(base, text.Bytes[base-addr:]))
		for _, el := range enc.lines {
			file, n := place(el.in.pc)
			o.Lines = append(o.Lines, Line{base + uint64(el.off), file, n})
		}
	}
	return o, nil
}

// grouped moves the members of each group to its first.
func grouped(fns []Func) []Func {
	var out []Func
	done := map[string]bool{}
	for _, fn := range fns {
		if fn.Group == "" {
			out = append(out, fn)
		} else if !done[fn.Group] {
			done[fn.Group] = true
			for _, other := range fns {
				if other.Group == fn.Group {
					out = append(out, other)
				}
			}
		}
	}
	return out
}

type linker struct {
	addrs    map[string]uint64
	symbols  []Symbol
	physBase uint64
	faults   [][2]uint64
	ptrs     []ptrAt
	errs     []error
}

type ptrAt struct {
	addr uint64
	ptr  Ptr
	pc   uintptr
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

func (lk *linker) define(name string, addr, size uint64, isFunc bool, pc uintptr) {
	if _, ok := lk.addrs[name]; ok {
		lk.errs = append(lk.errs, fmt.Errorf("%s: %s is defined twice", position(pc), name))
		return
	}
	lk.addrs[name] = addr
	lk.symbols = append(lk.symbols, Symbol{Name: name, Addr: addr, Size: size, Func: isFunc})
}

func (lk *linker) text(encs []*encoded, addr uint64) Section {
	var b []byte
	lk.define("__text_start", addr, 0, false, 0)
	group := ""
	endGroup := func() {
		if group != "" {
			lk.define("__"+group+"_end", addr+uint64(len(b)), 0, false, 0)
		}
	}
	for _, enc := range encs {
		for len(b)%funcAlign != 0 {
			b = append(b, fillByte)
		}
		if enc.fn.Group != group {
			endGroup()
			if group = enc.fn.Group; group != "" {
				lk.define("__"+group+"_start", addr+uint64(len(b)), 0, false, 0)
			}
		}
		base := addr + uint64(len(b))
		lk.define(enc.fn.Name, base, uint64(len(enc.bytes)), true, enc.fn.pc)
		for _, lb := range enc.labels {
			lk.symbols = append(lk.symbols, Symbol{Name: lb.name, Addr: base + uint64(lb.off), Local: true})
		}
		for _, f := range enc.faults {
			lk.faults = append(lk.faults, [2]uint64{base + uint64(f.off), base + uint64(f.to)})
		}
		b = append(b, enc.bytes...)
	}
	endGroup()
	lk.define("__text_end", addr+uint64(len(b)), 0, false, 0)
	return Section{Name: ".text", Addr: addr, Bytes: b, Size: uint64(len(b)), Exec: true}
}

func (lk *linker) data(name string, objects []Data, addr uint64) Section {
	var b []byte
	lk.define("_"+strings.Replace(name, ".", "_", 1)+"_start", addr, 0, false, 0)
	for _, d := range objects {
		align := max(d.Align, 1)
		if d.Align == 0 {
			align = 8
		}
		for len(b)%align != 0 {
			b = append(b, 0)
		}
		start := len(b)
		for _, c := range d.Content {
			switch v := c.(type) {
			case []byte:
				b = append(b, v...)
			case string:
				b = append(b, v...)
			case Ptr:
				lk.ptrs = append(lk.ptrs, ptrAt{addr + uint64(len(b)), v, d.pc})
				b = append(b, make([]byte, 8)...)
			default:
				w := binary.Size(c)
				if _, ok := intOf(c); !ok || w < 0 {
					lk.errs = append(lk.errs, fmt.Errorf("%s: %s: content of type %T; want bytes, a string, a sized integer or a Ptr", position(d.pc), d.Name, c))
					continue
				}
				n, _ := intOf(c)
				var word [8]byte
				binary.LittleEndian.PutUint64(word[:], uint64(n))
				b = append(b, word[:w]...)
			}
		}
		if pad := d.Size - (len(b) - start); pad > 0 {
			b = append(b, make([]byte, pad)...)
		}
		lk.define(d.Name, addr+uint64(start), uint64(len(b)-start), false, d.pc)
	}
	lk.define("_"+strings.Replace(name, ".", "_", 1)+"_end", addr+uint64(len(b)), 0, false, 0)
	return Section{Name: name, Addr: addr, Bytes: b, Size: uint64(len(b))}
}

func (lk *linker) bss(objects []Data, addr uint64) Section {
	at := addr
	lk.define("__bss_start", addr, 0, false, 0)
	for _, d := range objects {
		at = alignUp(at, uint64(max(d.Align, 8)))
		lk.define(d.Name, at, uint64(d.Size), false, d.pc)
		at += uint64(d.Size)
	}
	at = alignUp(at, 8)
	lk.define("__bss_end", at, 0, false, 0)
	return Section{Name: ".bss", Addr: addr, Size: at - addr}
}

func (lk *linker) patchText(text *Section, encs []*encoded) {
	for _, enc := range encs {
		base := lk.addrs[enc.fn.Name]
		code := text.Bytes[base-text.Addr:][:len(enc.bytes)]
		for _, r := range enc.relocs {
			s, ok := lk.addrs[r.sym]
			if !ok {
				lk.errs = append(lk.errs, fmt.Errorf("%s: %s: %s is not a label of this function, nor a function or data of the program", position(r.pc), enc.fn.Name, r.sym))
				continue
			}
			if enc.fn.Bits == 32 {
				s -= lk.physBase
			}
			v := int64(s) + r.add
			at := code[r.off:]
			fits := true
			switch r.kind {
			case relPC32:
				pc := base
				if enc.fn.Bits == 32 {
					pc -= lk.physBase
				}
				v -= int64(pc) + int64(r.off) + 4
				fits = v == int64(int32(v))
			case relAbs32S:
				fits = v == int64(int32(v))
			case relPhys32:
				fits = v >= 0 && v <= math.MaxUint32
			case relAbs64:
				binary.LittleEndian.PutUint64(at, uint64(v))
				continue
			}
			if !fits {
				lk.errs = append(lk.errs, fmt.Errorf("%s: %s: the address of %s (%#x) does not fit in 32 bits here", position(r.pc), enc.fn.Name, r.sym, s))
				continue
			}
			binary.LittleEndian.PutUint32(at, uint32(v))
		}
	}
}

func (lk *linker) patchData(sec *Section) {
	for _, p := range lk.ptrs {
		if p.addr < sec.Addr || p.addr >= sec.Addr+uint64(len(sec.Bytes)) {
			continue
		}
		s, ok := lk.addrs[p.ptr.Sym]
		if !ok {
			lk.errs = append(lk.errs, fmt.Errorf("%s: %s is not a function or data of the program", position(p.pc), p.ptr.Sym))
			continue
		}
		binary.LittleEndian.PutUint64(sec.Bytes[p.addr-sec.Addr:], s+uint64(p.ptr.Add))
	}
}

// Listing is an assembled function for reading and counting.
type Listing struct {
	Name, Doc string
	Addr      uint64
	Rows      []Row
}

// Row is one line of a listing: a label, or an instruction.
type Row struct {
	Label   string // only the label if it is not empty
	Off     int    // from the function's start
	Bytes   []byte
	Text    string // the instruction
	Claim   string // the slot that it is said to touch, "" if none
	Comment string
	File    string
	Line    int
}

func (enc *encoded) listing(base uint64, code []byte) Listing {
	l := Listing{Name: enc.fn.Name, Doc: enc.fn.Doc, Addr: base}
	labels := enc.labels
	for _, el := range enc.lines {
		for len(labels) > 0 && labels[0].off <= el.off {
			l.Rows = append(l.Rows, Row{Label: labels[0].name, Off: labels[0].off})
			labels = labels[1:]
		}
		text := el.in.String()
		if el.to != "" {
			text = fmt.Sprintf("%-7s %s", el.in.name, el.to)
		}
		row := Row{Off: el.off, Bytes: bytes.Clone(code[el.off : el.off+el.len]), Text: text, Comment: el.in.note}
		if el.in.claim != nil {
			row.Claim = el.in.claim.String()
		}
		row.File, row.Line = place(el.in.pc)
		l.Rows = append(l.Rows, row)
	}
	return l
}

// String prints the listing: offset, bytes, instruction, slot and comment.
func (l Listing) String() string {
	var b strings.Builder
	for line := range strings.Lines(l.Doc) {
		fmt.Fprintf(&b, "// %s", line)
	}
	if l.Doc != "" {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s:\n", l.Name)
	width := 0
	for _, r := range l.Rows {
		width = max(width, len(r.Text))
	}
	width = min(width, 44)
	for _, r := range l.Rows {
		if r.Label != "" {
			if r.Label != l.Name {
				fmt.Fprintf(&b, "%s:\n", r.Label)
			}
			continue
		}
		remark := r.Claim
		if r.Comment != "" {
			if remark != "" {
				remark += "; "
			}
			remark += r.Comment
		}
		if remark != "" {
			fmt.Fprintf(&b, "%4x  %-24x  %-*s  // %s\n", r.Off, r.Bytes, width, r.Text, remark)
		} else {
			fmt.Fprintf(&b, "%4x  %-24x  %s\n", r.Off, r.Bytes, r.Text)
		}
	}
	return b.String()
}
