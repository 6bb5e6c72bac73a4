package asm

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
)

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
	addrs    map[string]uint64
	listings func() []Listing
}

// Listings returns the functions' listings, in their order. They are shared; do not
// write to them.
func (o *Object) Listings() []Listing { return o.listings() }

// Addr returns the address of a global symbol.
func (o *Object) Addr(name string) (uint64, bool) {
	a, ok := o.addrs[name]
	return a, ok
}

// Listing returns the listing of a function.
func (o *Object) Listing(name string) (Listing, bool) {
	list := o.Listings()
	i := slices.IndexFunc(list, func(l Listing) bool { return l.Name == name })
	if i < 0 {
		return Listing{}, false
	}
	return list[i], true
}

const (
	pageSize  = 4096
	wordSize  = 8
	funcAlign = 16
	fillByte  = 0xcc // INT3 between functions
)

// Link assembles a program and links it to run at addr, whose physical address
// is addr-physBase. Every error of the build is reported, joined, in the order
// of the Go lines.
//
// It defines __text_start, __text_end and their like for each section,
// __kernel_end, __GROUP_start and __GROUP_end for each group, and __ex_table
// to __ex_table_end: pairs of the address of an instruction marked with Fault
// and the address at which to continue, sorted by the former; __return_sites,
// __return_sites_flags and __return_sites_end (Func.ReturnSites), and __call_sites,
// __call_sites_end and __call_prefix_size (Program.Prefix).
func Link(p Program, addr, physBase uint64) (*Object, error) {
	rep := newReport()
	a := newAssembler(rep)
	a.names = namesOf(p.Funcs)
	a.contracts = map[string]*contract{}
	for _, fn := range p.Funcs {
		a.contracts[fn.Name] = fn.contract
	}
	encs := a.prefix(p, a.assembleAll(grouped(p.Funcs)))
	texts := interned(encs)
	lk := &linker{rep: rep, names: a.names, symbols: map[string]*symbol{}, physBase: physBase}
	text := lk.text(encs, addr, p.Flat)
	var inRO, inData, inBSS []Data
	for _, d := range p.Data {
		switch {
		case !lk.checkData(&d):
		case d.ReadOnly:
			inRO = append(inRO, d)
		case len(d.Content) > 0:
			inData = append(inData, d)
		default:
			inBSS = append(inBSS, d)
		}
	}
	if p.Late != nil {
		funcs := slices.DeleteFunc(slices.Clone(lk.list), func(s Symbol) bool { return !s.Func || s.Local })
		for _, d := range p.Late(funcs) {
			if lk.checkData(&d) {
				inRO = append(inRO, d)
			}
		}
	}
	for i, s := range texts {
		inRO = append(inRO, Data{Name: "str." + strconv.Itoa(i), Align: 1, Content: []any{s, "\x00"}})
	}
	inRO = append(inRO, Data{Name: "__ex_table", Content: lk.exTable()}, Data{Name: "__ex_table_end"})
	inRO = append(inRO, siteTables(encs)...)
	next := func(s Section) uint64 {
		if p.Flat {
			return alignUp(s.Addr+s.Size, wordSize)
		}
		return alignUp(s.Addr+s.Size, pageSize)
	}
	ro := lk.data(".rodata", inRO, next(text))
	rw := lk.data(".data", inData, next(ro))
	bss := lk.bss(inBSS, next(rw))
	rw.Write, bss.Write = true, true
	end := alignUp(bss.Addr+bss.Size, pageSize)
	lk.defineOwn("__kernel_end", end, 0)
	if end < addr {
		rep.errorf(0, "the program does not fit between %#x and the end of the address space", addr)
	}
	for _, enc := range encs {
		lk.checkRefs(encs, enc)
		lk.patchText(text, enc)
	}
	lk.patchData(ro, rw)
	if err := rep.err(); err != nil {
		return nil, err
	}
	return lk.object(encs, []Section{text, ro, rw, bss}), nil
}

// grouped moves the members of each group to its first member.
func grouped(fns []Func) []Func {
	out := make([]Func, 0, len(fns))
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
	rep      *report
	names    names
	symbols  map[string]*symbol
	list     []Symbol
	physBase uint64
	faults   [][2]uint64
	ptrs     []ptrAt
}

// symbol is a global name.
type symbol struct {
	addr uint64
	fn   *Func // nil: not a function
	own  bool  // defined by Link
	pc   uintptr
}

// ptrAt is a place in the data where an address must go.
type ptrAt struct {
	addr uint64
	ptr  Ptr
	data *Data
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) &^ (to - 1) }

// pad appends fill until the next byte's address is aligned.
func pad(b []byte, addr uint64, align int, fill byte) []byte {
	for n := alignUp(addr+uint64(len(b)), uint64(align)) - addr; uint64(len(b)) < n; {
		b = append(b, fill)
	}
	return b
}

// define records the address of one of the program's names.
func (lk *linker) define(name string, addr, size uint64, fn *Func, pc uintptr) {
	old := lk.symbols[name]
	switch {
	case old == nil:
		lk.symbols[name] = &symbol{addr: addr, fn: fn, pc: pc}
		lk.list = append(lk.list, Symbol{Name: name, Addr: addr, Size: size, Func: fn != nil})
	case old.own:
		lk.rep.errorf(pc, "%s: the name is defined by Link; use another", name)
	default:
		lk.rep.errorf(pc, "%s: the name is taken at %v", name, lk.rep.place(old.pc))
	}
}

// defineOwn records the address of a name that Link itself defines. pc is the place
// that asks for it, if there is one.
func (lk *linker) defineOwn(name string, addr uint64, pc uintptr) {
	if old := lk.symbols[name]; old != nil {
		lk.rep.errorf(max(old.pc, pc), "%s: the name is defined by Link; use another", name)
		return
	}
	lk.define(name, addr, 0, nil, pc)
	lk.symbols[name].own = true
}

// text lays the functions out. A group has pages to itself, unless the program is
// flat.
func (lk *linker) text(encs []*encoded, addr uint64, flat bool) Section {
	var b []byte
	page, align := pageSize, funcAlign
	if flat {
		page, align = 1, 1
	}
	lk.defineOwn("__text_start", addr, 0)
	group, groupPC := "", uintptr(0)
	endGroup := func() {
		if group != "" {
			lk.defineOwn("__"+group+"_end", addr+uint64(len(b)), groupPC)
		}
	}
	for _, enc := range encs {
		if enc.prefixes {
			continue // the function that follows puts it in front of itself
		}
		lk.checkAt(enc.fn)
		if enc.fn.Group != group {
			endGroup()
			b = pad(b, addr, page, fillByte)
		}
		b = append(b, bytes.Repeat([]byte{fillByte}, max(enc.fn.Gap, 0)+enc.room())...)
		b = padSkewed(b, addr, align, enc)
		if enc.fn.Group != group {
			if group, groupPC = enc.fn.Group, enc.fn.pc; group != "" {
				lk.defineOwn("__"+group+"_start", addr+uint64(len(b)-enc.room()), groupPC)
			}
		}
		enc.base = addr + uint64(len(b))
		lk.putPrefix(b, enc)
		lk.define(enc.fn.Name, enc.base, uint64(len(enc.bytes)), enc.fn, enc.fn.pc)
		for _, lb := range enc.labels {
			if lb.global {
				lk.define(lb.name, enc.base+uint64(lb.off), 0, enc.fn, lb.pc)
				lk.list[len(lk.list)-1].Func = false
			} else if lb.off > 0 || lb.name != enc.fn.Name {
				lk.list = append(lk.list, Symbol{Name: lb.name, Addr: enc.base + uint64(lb.off), Local: true})
			}
		}
		for _, f := range enc.faults {
			lk.faults = append(lk.faults, [2]uint64{enc.base + uint64(f.off), enc.base + uint64(f.to)})
		}
		b = append(b, enc.bytes...)
	}
	endGroup()
	lk.defineOwn("__text_end", addr+uint64(len(b)), 0)
	return Section{Name: ".text", Addr: addr, Bytes: b, Size: uint64(len(b)), Exec: true}
}

func (lk *linker) exTable() []any {
	var words []any
	for _, f := range lk.faults {
		words = append(words, f[0], f[1])
	}
	return words
}

// maxSize is the largest data object: more cannot be addressed.
const maxSize = 1 << 31

// maxAlign is the alignment of a large page.
const maxAlign = 2 << 20

// checkData refuses what cannot be laid out.
func (lk *linker) checkData(d *Data) bool {
	switch {
	case d.Name == "":
		lk.rep.errorf(d.pc, "a data object has no name")
	case d.Align < 0 || d.Align&(d.Align-1) != 0 || d.Align > maxAlign:
		lk.rep.errorf(d.pc, "%s: Align is %d; want a power of two, 2 MiB at most", d.Name, d.Align)
	case d.Skip < 0 || d.Skip > maxSize:
		lk.rep.errorf(d.pc, "%s: Skip is %d; want 0 to 2 GiB", d.Name, d.Skip)
	case d.Size < 0 || d.Size > maxSize:
		lk.rep.errorf(d.pc, "%s: Size is %d; want 0 to 2 GiB", d.Name, d.Size)
	default:
		return true
	}
	return false
}

func (lk *linker) data(name string, objects []Data, addr uint64) Section {
	var b []byte
	under := "__" + name[1:]
	lk.defineOwn(under+"_start", addr, 0)
	for i := range objects {
		d := &objects[i]
		b = pad(b, addr, cmp.Or(d.Align, wordSize), 0)
		b = append(b, make([]byte, d.Skip)...)
		start := len(b)
		for _, c := range d.Content {
			b = lk.content(b, addr, d, c)
		}
		if n := len(b) - start; d.Size > n {
			b = append(b, make([]byte, d.Size-n)...)
		} else if d.Size > 0 && d.Size < n {
			lk.rep.errorf(d.pc, "%s: Size is %d, but the content has %d bytes", d.Name, d.Size, n)
		}
		lk.define(d.Name, addr+uint64(start), uint64(len(b)-start), nil, d.pc)
	}
	lk.defineOwn(under+"_end", addr+uint64(len(b)), 0)
	return Section{Name: name, Addr: addr, Bytes: b, Size: uint64(len(b))}
}

// content appends one item of an object's content.
func (lk *linker) content(b []byte, addr uint64, d *Data, item any) []byte {
	switch v := item.(type) {
	case []byte:
		return append(b, v...)
	case string:
		return append(b, v...)
	case Ptr:
		if v.fn != nil {
			v.Sym = lk.names.of(*v.fn)
		}
		lk.ptrs = append(lk.ptrs, ptrAt{addr + uint64(len(b)), v, d})
		return append(b, make([]byte, wordSize)...)
	}
	n, ok := intOf(item)
	width := 0
	if ok {
		width = binary.Size(item)
	}
	if width <= 0 {
		lk.rep.errorf(d.pc, "%s: content is %s; want bytes, a string, a sized integer or a Ptr", d.Name, typeName(item))
		return b
	}
	word := binary.LittleEndian.AppendUint64(nil, uint64(n))
	return append(b, word[:width]...)
}

func (lk *linker) bss(objects []Data, addr uint64) Section {
	at := addr
	lk.defineOwn("__bss_start", addr, 0)
	for _, d := range objects {
		at = alignUp(at, uint64(max(d.Align, wordSize))) + uint64(d.Skip)
		lk.define(d.Name, at, uint64(d.Size), nil, d.pc)
		at += uint64(d.Size)
	}
	lk.defineOwn("__bss_end", alignUp(at, wordSize), 0)
	// The last page belongs to the image as a whole: __kernel_end is inside.
	return Section{Name: ".bss", Addr: addr, Size: alignUp(at, pageSize) - addr}
}

// checkRefs checks that the symbols which a function names exist and are of the kind
// that the instruction wants.
func (lk *linker) checkRefs(encs []*encoded, enc *encoded) {
	bits := enc.fn.bits()
	for _, r := range enc.refs {
		s := lk.symbols[r.sym]
		through := table[r.in.name].form == opJump && !r.direct && r.in.source == ""
		switch {
		case s == nil:
			what := "is not a function or data of the program"
			if r.direct {
				what = "is not a label of this function, nor a function"
			}
			if owner := labelOwner(encs, r.sym); owner != "" {
				what = "is a label of " + owner + "; labels are local to their function"
			}
			lk.rep.insErrorf(enc.fn, r.in, "%s %s", r.sym, what)
		case r.direct && s.fn == nil:
			lk.rep.insErrorf(enc.fn, r.in, "%s is not a function; Sym(%q) goes through the address there", r.sym, r.sym)
		case r.direct && s.fn.bits() != bits:
			lk.rep.insErrorf(enc.fn, r.in, "%s is %d-bit code; change the mode on the way", r.sym, s.fn.bits())
		case through && s.fn != nil:
			lk.rep.insErrorf(enc.fn, r.in, "goes through an address in memory, but %s is a function; give its name alone", r.sym)
		}
	}
}

// labelOwner returns the function that has the label, "" if none.
func labelOwner(encs []*encoded, name string) string {
	for _, enc := range encs {
		if enc.names[name] != nil {
			return enc.fn.Name
		}
	}
	return ""
}

func (lk *linker) patchText(text Section, enc *encoded) {
	code := text.Bytes[enc.base-text.Addr:][:len(enc.bytes)]
	for _, r := range enc.relocs {
		s := lk.symbols[r.sym]
		if s == nil { // checkRefs has reported it
			continue
		}
		bits := 32
		switch r.kind {
		case relPC16, relPhys16:
			bits = 16
		case relAbs64:
			bits = 64
		}
		target, pc := s.addr, enc.base+uint64(r.off+bits/8)
		if r.called != nil && enc.fn.CallsPrefixed {
			target -= uint64(r.called.room())
		}
		if enc.fn.bits() != 64 {
			target, pc = target-lk.physBase, pc-lk.physBase
		}
		v := int64(target) + r.add
		fits := true
		switch r.kind {
		case relPC16:
			v -= int64(pc)
			fits = v == int64(int16(v))
		case relPhys16:
			fits = v == int64(uint16(v))
		case relPC32:
			v -= int64(pc)
			fits = v == int64(int32(v))
		case relAbs32S:
			fits = v == int64(int32(v))
		case relPhys32:
			fits = v == int64(uint32(v))
		}
		if !fits {
			lk.rep.insErrorf(enc.fn, r.in, "the address %#x does not fit in %d bits here", uint64(int64(target)+r.add), bits)
			continue
		}
		switch bits {
		case 16:
			binary.LittleEndian.PutUint16(code[r.off:], uint16(v))
		case 32:
			binary.LittleEndian.PutUint32(code[r.off:], uint32(v))
		default:
			binary.LittleEndian.PutUint64(code[r.off:], uint64(v))
		}
	}
}

func (lk *linker) patchData(sections ...Section) {
	for _, p := range lk.ptrs {
		s := lk.symbols[p.ptr.Sym]
		if s == nil {
			lk.rep.errorf(p.data.pc, "%s: %s is not a function or data of the program", p.data.Name, p.ptr.Sym)
			continue
		}
		for _, sec := range sections {
			if p.addr-sec.Addr < sec.Size {
				binary.LittleEndian.PutUint64(sec.Bytes[p.addr-sec.Addr:], s.addr+uint64(p.ptr.Add))
			}
		}
	}
}

func (lk *linker) object(encs []*encoded, sections []Section) *Object {
	o := &Object{Sections: sections, Symbols: lk.list, addrs: make(map[string]uint64, len(lk.symbols))}
	slices.SortStableFunc(o.Symbols, func(x, y Symbol) int { return cmp.Compare(x.Addr, y.Addr) })
	for name, s := range lk.symbols {
		o.addrs[name] = s.addr
	}
	lines := 0
	for _, enc := range encs {
		lines += len(enc.lines)
	}
	o.Lines = make([]Line, 0, lines)
	text := sections[0]
	o.listings = sync.OnceValue(func() []Listing { // most images are only booted
		list := make([]Listing, 0, len(encs))
		for _, enc := range encs {
			list = append(list, enc.listing(lk.rep, text.Bytes[enc.base-text.Addr:]))
		}
		return list
	})
	for _, enc := range encs {
		for _, el := range enc.lines {
			p := lk.rep.place(el.in.pc)
			o.Lines = append(o.Lines, Line{enc.base + uint64(el.off), p.file, p.line})
		}
	}
	return o
}
