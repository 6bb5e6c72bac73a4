package asm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/twitchyliquid64/golang-asm/obj"
	"github.com/twitchyliquid64/golang-asm/obj/x86"
	"github.com/twitchyliquid64/golang-asm/objabi"

	"github.com/entrylab/entrylab/gen/asm/internal/cleanenv"
)

func init() { cleanenv.Restore() }

// relocKind is how a symbol's address goes into the bytes.
type relocKind uint8

const (
	relPC32   relocKind = iota // 32 bits, relative to the end of the field
	relAbs32S                  // 32 bits, sign-extended by the CPU
	relPhys32                  // 32 bits, the physical address
	relAbs64                   // 64 bits
	relPC16                    // as relPC32, of 16-bit code
	relPhys16                  // 16 bits, the physical address
)

// reloc is a place in the bytes where an address must go.
type reloc struct {
	off  int // from the function's start
	kind relocKind
	sym  string
	add  int64
	in   *instruction
	// called is what a CALL goes to, if it may do so by the prefix.
	called *encoded
}

// ref is a symbol that an instruction names.
type ref struct {
	in     *instruction
	sym    string
	direct bool // it is the target of a branch
}

// encoded is an assembled function.
type encoded struct {
	fn     *Func
	base   uint64 // its address
	lines  []encLine
	bytes  []byte
	align  int // alignment of its address, if more than the usual
	relocs []reloc
	refs   []ref
	labels []encLabel
	names  map[string]*label // all labels, valid or not
	faults []encFault
	prefix *encoded // the program's Prefix in front of it; nil: there is none
	// prefixes is set if it is such a prefix itself.
	prefixes bool
}

type encLine struct {
	in  *instruction
	off int
	len int
	to  int // for a branch to an anonymous label: where it goes; else -1
}

type encLabel struct {
	*label
	off int
}

type encFault struct{ off, to int }

// assembler assembles the functions of one program.
type assembler struct {
	rep       *report
	names     names
	contracts map[string]*contract
	links     map[int]*obj.Link // by bits
	diags     []diag
}

// diag is a message of the library and the instruction that it is about.
type diag struct {
	msg string
	of  *obj.Prog // nil: it did not say
}

// fatal is the panic that takes the place of the library's exits from the process.
type fatal struct{}

var initOnce sync.Once

func newAssembler(rep *report) *assembler {
	return &assembler{rep: rep, links: map[int]*obj.Link{}}
}

// link returns the library's context for 64- or 32-bit code.
func (a *assembler) link(bits int) *obj.Link {
	if a.links[bits] == nil {
		arch := &x86.Linkamd64
		if bits == 32 {
			arch = &x86.Link386
		}
		c := obj.Linknew(arch)
		c.Headtype = objabi.Hlinux
		c.IsAsm = true                              // no NOPs before jumps
		c.Bso = bufio.NewWriterSize(io.Discard, 16) // nothing is written
		c.DiagFunc = a.diag
		c.DiagFlush = func() { panic(fatal{}) } // called only right before log.Fatalf
		initOnce.Do(func() { x86.Linkamd64.Init(c) })
		a.links[bits] = c
	}
	return a.links[bits]
}

// diag keeps a message of the library.
func (a *assembler) diag(format string, args ...any) {
	d := diag{msg: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if p, ok := arg.(*obj.Prog); ok {
			d.of = p
		}
	}
	a.diags = append(a.diags, d)
	if strings.Contains(d.msg, "span must be looping") || strings.Contains(d.msg, "need reloc") {
		panic(fatal{}) // log.Fatalf would follow
	}
}

// assemble lowers and assembles a function. If the function has an error, the
// result has no lines and no bytes.
func (a *assembler) assemble(fn *Func) *encoded {
	before := len(a.rep.faults)
	l := lower(fn, a.rep, a.names)
	l.checkContract(a.contracts)
	enc := &encoded{fn: fn, names: l.labels}
	switch fn.bits() {
	case 16:
		a.assembleReal(l, enc)
		return enc
	case 32, 64:
	default:
		return enc
	}
	e := newEncoder(a, l)
	for i, ln := range l.lines {
		switch {
		case ln.bind != nil:
			p := e.places[ln.bind]
			e.add(p)
			e.made[i] = made{first: p, last: p}
		case ln.in != nil:
			if err := e.instruction(i, ln); err != nil {
				l.insErrorf(ln.in, "%v", err)
			}
		}
	}
	enc.refs = e.refs
	if len(a.rep.faults) > before {
		return enc
	}
	sym := &obj.LSym{Name: fn.Name, Func: &obj.FuncInfo{Text: e.head}}
	if err := a.run(e.ctxt, sym); err != nil {
		a.blame(e, err)
		return enc
	}
	e.collect(enc, sym)
	if len(a.rep.faults) > before {
		return &encoded{fn: fn, names: l.labels, refs: e.refs}
	}
	return enc
}

// run assembles and turns whatever the library reports or does into an error.
func (a *assembler) run(ctxt *obj.Link, sym *obj.LSym) (err error) {
	a.diags = nil
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("golang-asm: %v", r)
		}
		if len(a.diags) > 0 {
			err = errors.New("golang-asm: " + a.diags[0].msg)
		}
		if err != nil {
			clear(a.links) // a Link cannot be used after an error
		}
	}()
	ctxt.Arch.Assemble(ctxt, sym, ctxt.NewProg)
	return nil
}

// blame reports what the library refused, at the lines that it named.
func (a *assembler) blame(e *encoder, err error) {
	l, found := e.l, false
	for _, d := range a.diags {
		for i, m := range e.made {
			if d.of == nil || m.first == nil || l.lines[i].in == nil {
				continue
			}
			for p := m.first; p != m.last.Link; p = p.Link {
				if p == d.of {
					l.insErrorf(l.lines[i].in, "the library refuses this form")
					found = true
				}
			}
		}
	}
	switch {
	case found:
	case strings.Contains(err.Error(), "span must be looping"):
		l.errorf(l.fn.pc, "the sizes of the jumps do not settle in 20 passes; split the function")
	default:
		l.errorf(l.fn.pc, "%v", err)
	}
}

// collect takes the bytes of an assembled function, and the places of its
// lines, labels and symbols in them.
func (e *encoder) collect(enc *encoded, sym *obj.LSym) {
	l := e.l
	enc.bytes = sym.P
	enc.lines = make([]encLine, 0, len(l.lines))
	enc.relocs = make([]reloc, 0, len(sym.R)+len(e.refs))
	libRelocs := sym.R // by offset
	for i, ln := range l.lines {
		m := e.made[i]
		if m.first == nil {
			continue
		}
		off := int(m.first.Pc)
		if ln.bind != nil {
			if ln.bind.name != "" {
				enc.labels = append(enc.labels, encLabel{ln.bind, off})
			}
			continue
		}
		in := ln.in
		end := int(m.last.Pc) + int(m.last.Isize)
		if end == off {
			l.insErrorf(in, "no bytes came out")
			continue
		}
		el := encLine{in: in, off: off, len: end - off, to: -1}
		if ln.target != nil {
			el.to = int(e.places[ln.target].Pc)
		}
		enc.lines = append(enc.lines, el)
		for len(libRelocs) > 0 && int(libRelocs[0].Off) < end {
			r := libRelocs[0]
			libRelocs = libRelocs[1:]
			if r.Siz == 0 { // R_CALLIND marks a call, nothing to patch
				continue
			}
			kind := relPC32
			if r.Type == objabi.R_ADDR {
				kind = relPhys32
			}
			enc.relocs = append(enc.relocs, reloc{off: int(r.Off), kind: kind, sym: r.Sym.Name, add: r.Add, in: in})
		}
		if m.rel != nil {
			at := bytes.Index(enc.bytes[off:end], placeholderBytes)
			if at < 0 || bytes.Count(enc.bytes[off:end], placeholderBytes) != 1 {
				l.insErrorf(in, "cannot tell where the symbol is in the bytes; use an immediate other than %#x", placeholder)
				continue
			}
			m.rel.off = off + at
			clear(enc.bytes[off+at:][:4])
			enc.relocs = append(enc.relocs, *m.rel)
		}
		if in.inner != nil {
			if in.inner.off <= 0 || in.inner.off >= end-off {
				l.insErrorf(in, "Inner: %s is %d bytes into an instruction of %d", in.inner.name, in.inner.off, end-off)
				continue
			}
			enc.labels = append(enc.labels, encLabel{&label{name: in.inner.name, global: true, inner: true, pc: in.pc}, off + in.inner.off})
		}
		if in.fault != "" {
			enc.faults = append(enc.faults, encFault{off, int(e.places[l.labels[in.fault]].Pc)})
		}
	}
}

// placeholder stands for a symbol that the library cannot take in an operand's
// displacement: the symbol's address goes where the placeholder is in the bytes.
const placeholder = 0x7a5b3c1d

var placeholderBytes = binary.LittleEndian.AppendUint32(nil, placeholder)

// made holds the library's instructions of one line.
type made struct {
	first, last *obj.Prog
	rel         *reloc // the placeholder's
}

// encoder makes the library's instructions of one function.
type encoder struct {
	a          *assembler
	l          *lowering
	bits       int // 32 for 16-bit code too
	ctxt       *obj.Link
	places     map[*label]*obj.Prog // the ANOP at a label
	head, tail *obj.Prog
	made       []made // of each line
	refs       []ref
}

func newEncoder(a *assembler, l *lowering) *encoder {
	e := &encoder{a: a, l: l, bits: max(l.fn.bits(), 32), places: map[*label]*obj.Prog{}, made: make([]made, len(l.lines))}
	e.ctxt = a.link(e.bits)
	for _, ln := range l.lines {
		if ln.bind != nil {
			e.places[ln.bind] = e.newProg(obj.ANOP)
		}
	}
	e.head = e.newProg(obj.ANOP)
	e.tail = e.head
	return e
}

func (e *encoder) newProg(as obj.As) *obj.Prog {
	p := e.ctxt.NewProg()
	p.As = as
	return p
}

// add appends to the function.
func (e *encoder) add(p *obj.Prog) { e.tail.Link = p; e.tail = p }

// put appends to the line that m belongs to.
func (e *encoder) put(m *made, p *obj.Prog) {
	e.add(p)
	if m.first == nil {
		m.first = p
	}
	m.last = p
}

// raw appends constant bytes; the instruction as is ABYTE or ALONG.
func (e *encoder) raw(m *made, as obj.As, v int64) {
	p := e.newProg(as)
	p.From = obj.Addr{Type: obj.TYPE_CONST, Offset: v}
	e.put(m, p)
}

// instruction makes the library's instructions of line i.
func (e *encoder) instruction(i int, ln line) error {
	in, m := ln.in, &e.made[i]
	r, ok := table[in.name]
	if !ok {
		return errors.New("no such mnemonic in the table")
	}
	if !r.in(e.bits) {
		return fmt.Errorf("does not exist in %d-bit code", e.l.fn.bits())
	}
	if err := checkPrefix(in, r); err != nil {
		return err
	}
	if want := len(shapes[r.form].args); in.nargs != want {
		return fmt.Errorf("takes %d operands", want)
	}
	if r.branches() {
		return e.jump(m, ln, r)
	}
	var addrs [2]obj.Addr
	var seg byte
	mems := 0
	for n, arg := range in.operands() {
		if err := e.operand(&addrs[n], m, in, r, n); err != nil {
			return err
		}
		if mem, ok := arg.(Mem); ok {
			mems++
			seg = segmentPrefix(mem.get().seg)
		}
	}
	if mems > 1 {
		return errors.New("both operands are in memory; move one to a register first")
	}
	if err := checkSpecial(in, e.bits); err != nil {
		return err
	}
	e.prefixes(m, seg, in.prefix)
	if own := e.ownBytes(m, in, r); own != nil {
		for _, b := range own {
			e.raw(m, x86.ABYTE, int64(b))
		}
		if r.form == opRetN {
			e.raw(m, x86.AWORD, addrs[0].Offset)
		}
		return nil
	}
	p := e.newProg(r.as)
	switch {
	case in.nargs == 2:
		p.From, p.To = addrs[0], addrs[1]
	case in.nargs == 1 && shapes[r.form].dst:
		p.To = addrs[0]
	case in.nargs == 1:
		p.From = addrs[0]
	}
	e.put(m, p)
	return nil
}

// prefixes puts the prefix bytes in GNU as's order.
func (e *encoder) prefixes(m *made, seg byte, p prefix) {
	if seg != 0 {
		e.raw(m, x86.ABYTE, int64(seg))
	}
	if p != noPrefix {
		e.raw(m, x86.ABYTE, 0xf3)
	}
}

// jump makes a branch to a label, a function, or through a register or memory.
func (e *encoder) jump(m *made, ln line, r row) error {
	in := ln.in
	p := e.newProg(r.as)
	if ln.target != nil {
		p.To = obj.Addr{Type: obj.TYPE_BRANCH, Val: e.places[ln.target]}
		e.put(m, p)
		return nil
	}
	if want := shapes[r.form].args; !want[0].has(in.args[0]) {
		return wrongKind(in, 0, want)
	}
	if target, ok := in.args[0].(string); ok {
		lb := e.l.labels[target]
		switch {
		case target == "":
			return errors.New("the target has no name")
		case lb != nil && lb.global && in.name == "CALL": // as a function's name
		case lb != nil && in.name == "CALL":
			return fmt.Errorf("%s is a label of this function; only functions can be called", target)
		case lb != nil:
			p.To = obj.Addr{Type: obj.TYPE_BRANCH, Val: e.places[lb]}
			e.put(m, p)
			return nil
		}
		e.refs = append(e.refs, ref{in, target, true})
		if r.form == opJcc { // the library cannot leave the function on a condition
			e.raw(m, x86.ABYTE, 0x0f)
			e.raw(m, x86.ABYTE, 0x80|int64(slices.Index(jumpNames[:], in.name)))
			e.raw(m, x86.ALONG, placeholder)
			m.rel = &reloc{kind: relPC32, sym: target, in: in}
			return nil
		}
		p.To = obj.Addr{Type: obj.TYPE_BRANCH, Sym: &obj.LSym{Name: target}}
		e.put(m, p)
		return nil
	}
	if err := e.operand(&p.To, m, in, r, 0); err != nil {
		return err
	}
	if mem, ok := in.args[0].(Mem); ok {
		e.prefixes(m, segmentPrefix(mem.get().seg), noPrefix)
	}
	e.put(m, p)
	return nil
}
