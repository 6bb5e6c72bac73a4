package asm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/twitchyliquid64/golang-asm/obj"
	"github.com/twitchyliquid64/golang-asm/obj/x86"
	"github.com/twitchyliquid64/golang-asm/objabi"

	"github.com/entrylab/entrylab/gen/asm/internal/cleanenv"
)

func init() { cleanenv.Restore() }

// line is one lowered item of a function.
type line struct {
	in     *Ins
	target *label // where a branch of a structured form goes
	bind   *label // a label here
	frame  *int   // FRAME: RSP's place from here on
}

// code is a function's lowered lines with what assembling adds to them.
type code struct {
	lines  []line
	labels map[string]*label
}

func (c *code) add(ln line) { c.lines = append(c.lines, ln) }

// ended reports whether the last line never goes on to the next.
func (c *code) ended() bool {
	if len(c.lines) == 0 {
		return false
	}
	in := c.lines[len(c.lines)-1].in
	return in != nil && endsFlow(in.name)
}

func endsFlow(name string) bool {
	switch name {
	case "JMP", "RET", "RETN", "IRETQ", "SYSRETQ", "RETFQ", "RETFL", "UD2":
		return true
	}
	return false
}

// lowering flattens one function's items.
type lowering struct {
	fn    *Func
	code  code
	loops []loopLabels
	errs  []error
}

func (l *lowering) cur() *code { return &l.code }

func (l *lowering) errorf(pc uintptr, format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%s: %s: "+format, append([]any{position(pc), l.fn.Name}, args...)...))
}

func (l *lowering) emit(in Ins) { l.code.add(line{in: &in}) }

func (l *lowering) branch(cc CC, to *label, pc uintptr) {
	l.code.add(line{in: &Ins{name: "J" + ccNames[cc], nargs: 1, args: [2]any{""}, pc: pc}, target: to})
}

func (l *lowering) bind(lb *label) {
	if lb.name != "" {
		if old := l.code.labels[lb.name]; old != nil {
			l.errorf(lb.pc, "label %s is already at %s", lb.name, position(old.pc))
			return
		}
		l.code.labels[lb.name] = lb
	}
	l.code.add(line{bind: lb})
}

// lower flattens a function and checks what can be told without encoding.
func lower(fn *Func) *lowering {
	l := &lowering{fn: fn, code: code{labels: map[string]*label{}}}
	if fn.Name == "" {
		l.errorf(fn.pc, "a function needs a name")
	}
	for _, reg := range fn.Saves {
		l.emit(Ins{name: "PUSHQ", args: [2]any{reg}, nargs: 1, pc: fn.pc})
	}
	fn.Body.lower(l)
	if !l.code.ended() {
		l.errorf(fn.pc, "the function's end can be reached: end it with RETURN, RET, JMP, IRETQ, SYSRETQ or UD2")
	}
	l.checkFrame()
	return l
}

// relocKind is how a symbol's address goes into the bytes.
type relocKind uint8

const (
	relPC32   relocKind = iota // 32 bits, relative to the end of the field
	relAbs32S                  // 32 bits, sign-extended by the CPU
	relPhys32                  // 32 bits, the physical address
	relAbs64                   // 64 bits
)

type reloc struct {
	off  int
	kind relocKind
	sym  string
	add  int64
	pc   uintptr
}

// encoded is an assembled function.
type encoded struct {
	fn     *Func
	lines  []encLine
	bytes  []byte
	relocs []reloc
	labels []encLabel
	faults []encFault
}

type encLine struct {
	in  *Ins
	off int
	len int
	to  string // for a branch to an anonymous label: where it goes
}

type encLabel struct {
	name string
	off  int
}

type encFault struct{ off, to int }

// assembler assembles the functions of one program.
type assembler struct {
	strings map[string]string // text -> symbol
	order   []string          // texts in the order of their first use
	links   map[int]*obj.Link // by Bits
	diags   []string
}

var initOnce sync.Once

// fatal is what the library's way out of the process is turned into.
type fatal struct{ msg string }

func newAssembler() *assembler {
	return &assembler{strings: map[string]string{}, links: map[int]*obj.Link{}}
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
		c.IsAsm = true // no NOPs before jumps
		c.Bso = bufio.NewWriter(io.Discard)
		c.DiagFunc = func(format string, args ...any) {
			msg := fmt.Sprintf(format, args...)
			a.diags = append(a.diags, msg)
			if strings.Contains(msg, "span must be looping") || strings.Contains(msg, "need reloc") {
				panic(fatal{msg}) // log.Fatalf would follow
			}
		}
		c.DiagFlush = func() { panic(fatal{"the library gave up"}) }
		initOnce.Do(func() { x86.Linkamd64.Init(c) })
		a.links[bits] = c
	}
	return a.links[bits]
}

// intern returns the symbol of a string's place.
func (a *assembler) intern(text string) string {
	sym, ok := a.strings[text]
	if !ok {
		sym = fmt.Sprintf("str.%d", len(a.order))
		a.strings[text] = sym
		a.order = append(a.order, text)
	}
	return sym
}

const placeholder = 0x7a5b3c1d

// progs are the library's instructions of one line.
type progs struct {
	first, last *obj.Prog
	abs         *reloc // its placeholder is in last
	tail        *reloc // the last four bytes
}

func (a *assembler) assemble(l *lowering) (*encoded, []error) {
	fn := l.fn
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	bits := fn.Bits
	if bits == 0 {
		bits = 64
	}
	ctxt := a.link(bits)
	places := map[*label]*obj.Prog{} // the ANOP that stands at a label
	for _, ln := range l.code.lines {
		if ln.bind != nil {
			p := ctxt.NewProg()
			p.As = obj.ANOP
			places[ln.bind] = p
		}
	}
	head := ctxt.NewProg()
	head.As = obj.ANOP
	tail := head
	add := func(p *obj.Prog) *obj.Prog { tail.Link = p; tail = p; return p }
	made := make([]progs, len(l.code.lines))
	for i, ln := range l.code.lines {
		switch {
		case ln.bind != nil:
			made[i].first = add(places[ln.bind])
			made[i].last = tail
		case ln.in != nil:
			made[i] = a.prog(l, ctxt, bits, ln, places, add)
		}
	}
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	sym := &obj.LSym{Name: fn.Name, Func: &obj.FuncInfo{Text: head}}
	a.diags = nil
	if err := a.run(ctxt, sym); err != nil {
		// The library speaks of its own instructions; the line is found by
		// assembling each alone.
		a.blame(l, ctxt, bits, err)
		return nil, l.errs
	}

	enc := &encoded{fn: fn, bytes: slices.Clone(sym.P)}
	for _, r := range sym.R {
		if r.Siz == 0 { // R_CALLIND marks a call, nothing to patch
			continue
		}
		kind := relPC32
		if r.Type == objabi.R_ADDR {
			kind = relPhys32
		}
		enc.relocs = append(enc.relocs, reloc{int(r.Off), kind, r.Sym.Name, r.Add, fn.pc})
	}
	offOf := func(p *obj.Prog) int { return int(p.Pc) }
	for i, ln := range l.code.lines {
		m := made[i]
		if m.first == nil {
			continue
		}
		off := offOf(m.first)
		if ln.bind != nil {
			if ln.bind.name != "" {
				enc.labels = append(enc.labels, encLabel{ln.bind.name, off})
			}
			continue
		}
		end := offOf(m.last) + int(m.last.Isize)
		if end == off {
			l.errorf(ln.in.pc, "%v: no bytes came out", ln.in)
			continue
		}
		el := encLine{in: ln.in, off: off, len: end - off}
		if ln.target != nil {
			el.to = fmt.Sprintf("%+#x", offOf(places[ln.target]))
		}
		enc.lines = append(enc.lines, el)
		if m.tail != nil {
			m.tail.off = end - 4
			enc.relocs = append(enc.relocs, *m.tail)
		}
		if m.abs != nil {
			var want [4]byte
			binary.LittleEndian.PutUint32(want[:], placeholder)
			at := bytes.Index(enc.bytes[off:end], want[:])
			if at < 0 || bytes.Count(enc.bytes[off:end], want[:]) != 1 {
				l.errorf(ln.in.pc, "%v: the symbol's place in the instruction is not clear", ln.in)
				continue
			}
			m.abs.off = off + at
			enc.relocs = append(enc.relocs, *m.abs)
		}
		if ln.in.fault != "" {
			lb := l.code.labels[ln.in.fault]
			if lb == nil {
				l.errorf(ln.in.pc, "%v: Fault: label %s is not in this function", ln.in, ln.in.fault)
				continue
			}
			enc.faults = append(enc.faults, encFault{off, offOf(places[lb])})
		}
	}
	for i := range enc.relocs { // the line of each, for the linker's errors
		for _, el := range enc.lines {
			if el.off <= enc.relocs[i].off && enc.relocs[i].off < el.off+el.len {
				enc.relocs[i].pc = el.in.pc
				break
			}
		}
	}
	return enc, l.errs
}

// run assembles and turns whatever the library says or does into an error.
func (a *assembler) run(ctxt *obj.Link, sym *obj.LSym) (err error) {
	defer func() {
		if r := recover(); r != nil {
			delete(a.links, 64) // a Link is of no use after a panic
			delete(a.links, 32)
			if f, ok := r.(fatal); ok {
				err = errors.New(f.msg)
			} else {
				err = fmt.Errorf("golang-asm: %v", r)
			}
		}
	}()
	ctxt.Arch.Assemble(ctxt, sym, ctxt.NewProg)
	if len(a.diags) > 0 || ctxt.Errors > 0 {
		delete(a.links, 64)
		delete(a.links, 32)
		return errors.New(strings.Join(slices.Compact(a.diags), "; "))
	}
	return nil
}

// blame finds the lines that the library refuses by assembling each alone.
func (a *assembler) blame(l *lowering, ctxt *obj.Link, bits int, whole error) {
	for _, ln := range l.code.lines {
		if ln.in == nil {
			continue
		}
		c := a.link(bits)
		head := c.NewProg()
		head.As = obj.ANOP
		tail := head
		add := func(p *obj.Prog) *obj.Prog { tail.Link = p; tail = p; return p }
		places := map[*label]*obj.Prog{}
		for _, other := range l.code.lines {
			if other.bind != nil {
				places[other.bind] = head
			}
		}
		a.prog(l, c, bits, ln, places, add)
		a.diags = nil
		if err := a.run(c, &obj.LSym{Name: l.fn.Name, Func: &obj.FuncInfo{Text: head}}); err != nil {
			l.errorf(ln.in.pc, "%v: no such form of the instruction", ln.in)
		}
	}
	if len(l.errs) == 0 {
		l.errorf(l.fn.pc, "%v", whole)
	}
}

// prog makes the library's instructions of one line.
func (a *assembler) prog(l *lowering, ctxt *obj.Link, bits int, ln line, places map[*label]*obj.Prog, add func(*obj.Prog) *obj.Prog) progs {
	in := *ln.in
	fail := func(format string, args ...any) progs {
		l.errorf(in.pc, "%v: "+format, append([]any{in}, args...)...)
		return progs{}
	}
	r, ok := table[in.name]
	if !ok {
		return fail("no such mnemonic in the table")
	}
	var m progs
	put := func(p *obj.Prog) {
		add(p)
		if m.first == nil {
			m.first = p
		}
		m.last = p
	}
	raw := func(as obj.As, v int64) {
		p := ctxt.NewProg()
		p.As = as
		p.From = obj.Addr{Type: obj.TYPE_CONST, Offset: v}
		put(p)
	}
	switch in.prefix {
	case prefixLock:
		raw(x86.ABYTE, 0xf0)
	case prefixRep:
		raw(x86.ABYTE, 0xf3)
	case prefixRepne:
		raw(x86.ABYTE, 0xf2)
	}
	if r.bytes != nil {
		for _, b := range r.bytes {
			raw(x86.ABYTE, int64(b))
		}
		if r.form == opNone && in.nargs != 0 {
			return fail("takes no operand")
		}
		if r.form == opSrc { // an immediate follows the bytes
			v, ok := intOf(in.args[0])
			if !ok || in.nargs != 1 {
				return fail("takes one immediate")
			}
			if _, err := checkImm(v, isUnsigned(in.args[0]), r, false); err != nil {
				return fail("%v", err)
			}
			raw(x86.AWORD, v)
		}
		return m
	}
	p := ctxt.NewProg()
	p.As = r.as
	if r.form == opJump {
		return a.progJump(l, ctxt, bits, ln, places, p, put, raw, &m)
	}
	var addrs [2]obj.Addr
	for i, arg := range in.args[:in.nargs] {
		addr, segPrefix, abs, err := a.operand(arg, r, in, i, bits)
		if err != nil {
			return fail("%v", err)
		}
		if segPrefix != 0 {
			raw(x86.ABYTE, int64(segPrefix))
		}
		if abs != nil {
			if m.abs != nil {
				return fail("two memory operands")
			}
			m.abs = abs
		}
		addrs[i] = addr
	}
	want := map[form]int{opNone: 0, opSrc: 1, opDst: 1, opSrcDst: 2, opCmp: 2}[r.form]
	if in.nargs != want {
		return fail("takes %d operands", want)
	}
	switch r.form {
	case opSrc:
		p.From = addrs[0]
	case opDst:
		p.To = addrs[0]
	case opSrcDst, opCmp:
		p.From, p.To = addrs[0], addrs[1]
		if p.From.Type == obj.TYPE_MEM && p.To.Type == obj.TYPE_MEM {
			return fail("two memory operands")
		}
		if r.form == opSrcDst && p.To.Type == obj.TYPE_CONST {
			return fail("the destination is an immediate")
		}
	}
	put(p)
	return m
}

func (a *assembler) progJump(l *lowering, ctxt *obj.Link, bits int, ln line, places map[*label]*obj.Prog, p *obj.Prog, put func(*obj.Prog), raw func(obj.As, int64), m *progs) progs {
	in := *ln.in
	fail := func(format string, args ...any) progs {
		l.errorf(in.pc, "%v: "+format, append([]any{in}, args...)...)
		return progs{}
	}
	if ln.target != nil {
		at, ok := places[ln.target]
		if !ok {
			return fail("the structured form's label was never placed")
		}
		p.To = obj.Addr{Type: obj.TYPE_BRANCH, Val: at}
		put(p)
		return *m
	}
	if in.nargs != 1 {
		return fail("takes one operand")
	}
	conditional := in.name != "JMP" && in.name != "CALL"
	switch target := in.args[0].(type) {
	case string:
		if lb := l.code.labels[target]; lb != nil {
			if in.name == "CALL" {
				return fail("%s is a label of this function; only functions can be called", target)
			}
			p.To = obj.Addr{Type: obj.TYPE_BRANCH, Val: places[lb]}
			put(p)
			return *m
		}
		if target == "" {
			return fail("no target")
		}
		if conditional {
			raw(x86.ABYTE, 0x0f)
			raw(x86.ABYTE, 0x80|int64(slices.Index(ccNames[:], in.name[1:])))
			raw(x86.ALONG, 0)
			kind := relPC32
			m.tail = &reloc{kind: kind, sym: target}
			return *m
		}
		p.To = obj.Addr{Type: obj.TYPE_BRANCH, Sym: &obj.LSym{Name: target}}
		put(p)
		return *m
	case Reg, Mem:
		if conditional {
			return fail("a conditional jump goes to a label or function")
		}
		addr, segPrefix, abs, err := a.operand(target, row{form: opJump, width: 8}, in, 0, bits)
		if err != nil {
			return fail("%v", err)
		}
		if segPrefix != 0 {
			raw(x86.ABYTE, int64(segPrefix))
		}
		m.abs = abs
		p.To = addr
		put(p)
		return *m
	}
	return fail("the target is a %T; want the name of a label or function, a Reg or a Mem", in.args[0])
}

var objRegs = func() (t [numRegs]int16) {
	for i, r := range []int16{x86.REG_AX, x86.REG_CX, x86.REG_DX, x86.REG_BX, x86.REG_SP, x86.REG_BP, x86.REG_SI, x86.REG_DI,
		x86.REG_R8, x86.REG_R9, x86.REG_R10, x86.REG_R11, x86.REG_R12, x86.REG_R13, x86.REG_R14, x86.REG_R15,
		x86.REG_ES, x86.REG_CS, x86.REG_SS, x86.REG_DS, x86.REG_FS, x86.REG_GS,
		x86.REG_CR0, x86.REG_CR2, x86.REG_CR3, x86.REG_CR4, x86.REG_CR8,
		x86.REG_DR0, x86.REG_DR0 + 1, x86.REG_DR2, x86.REG_DR3, x86.REG_DR6, x86.REG_DR7} {
		t[int(RAX)+i] = r
	}
	return t
}()

// operand makes the library's operand of argument i. It also returns a segment
// prefix byte to be put before, and the relocation of a placeholder.
func (a *assembler) operand(arg any, r row, in Ins, i, bits int) (addr obj.Addr, segPrefix byte, abs *reloc, err error) {
	switch v := arg.(type) {
	case Reg:
		if v == noReg || v >= numRegs {
			return addr, 0, nil, fmt.Errorf("no register %d", uint8(v))
		}
		if v == DR1 {
			return addr, 0, nil, errors.New("the library cannot encode DR1")
		}
		if r.width == 1 && RSP <= v && v <= RDI && (v == RSP || v == RBP || bits == 32) {
			return addr, 0, nil, fmt.Errorf("%v has no usable low byte", v)
		}
		if !v.general() && in.name != "MOVQ" && in.name != "MOVW" && !(bits == 32 && in.name == "MOVL") {
			return addr, 0, nil, fmt.Errorf("%v needs MOVQ or MOVW", v)
		}
		if v.segment() && in.name != "MOVW" {
			return addr, 0, nil, fmt.Errorf("segment register %v needs MOVW", v)
		}
		if bits == 32 && R8 <= v && v <= R15 {
			return addr, 0, nil, fmt.Errorf("%v does not exist in 32-bit code", v)
		}
		return obj.Addr{Type: obj.TYPE_REG, Reg: objRegs[v]}, 0, nil, nil
	case Mem:
		return a.memory(v, bits)
	case nil:
		return addr, 0, nil, errors.New("an operand is nil")
	}
	v, ok := intOf(arg)
	if !ok {
		return addr, 0, nil, fmt.Errorf("operand is a %T; want a Reg, a Mem or an integer", arg)
	}
	toReg := false
	if i == 0 && in.nargs == 2 {
		_, toReg = in.args[1].(Reg)
	}
	v, err = checkImm(v, isUnsigned(arg), r, toReg)
	if err != nil {
		return addr, 0, nil, err
	}
	return obj.Addr{Type: obj.TYPE_CONST, Offset: v}, 0, nil, nil
}

func (a *assembler) memory(m Mem, bits int) (addr obj.Addr, segPrefix byte, abs *reloc, err error) {
	if m.Base != noReg && !m.Base.general() || m.IndexReg != noReg && !m.IndexReg.general() {
		return addr, 0, nil, fmt.Errorf("%v: base and index must be general registers", m)
	}
	if m.IndexReg == RSP {
		return addr, 0, nil, fmt.Errorf("%v: RSP cannot be an index", m)
	}
	if bits == 32 && (m.Base >= R8 && m.Base <= R15 || m.IndexReg >= R8 && m.IndexReg <= R15) {
		return addr, 0, nil, fmt.Errorf("%v: no such register in 32-bit code", m)
	}
	if m.IndexReg != noReg {
		switch m.Scale {
		case 1, 2, 4, 8:
		default:
			return addr, 0, nil, fmt.Errorf("%v: the scale is %d; want 1, 2, 4 or 8", m, m.Scale)
		}
	} else if m.Scale != 0 {
		return addr, 0, nil, fmt.Errorf("%v: a scale without an index", m)
	}
	if m.Disp < math.MinInt32 || m.Disp > math.MaxInt32 {
		return addr, 0, nil, fmt.Errorf("%v: the displacement does not fit in 32 bits", m)
	}
	if m.Seg != noReg && m.Seg != GS && m.Seg != FS {
		return addr, 0, nil, fmt.Errorf("%v: segment %v: only FS and GS have a base in 64-bit code", m, m.Seg)
	}
	if m.Seg != noReg && m.Sym != "" {
		return addr, 0, nil, fmt.Errorf("%v: a symbol in segment %v", m, m.Seg)
	}
	sym := m.Sym
	if text, ok := strings.CutPrefix(sym, strPrefix); ok {
		sym = a.intern(text)
	}
	addr = obj.Addr{Type: obj.TYPE_MEM, Offset: int64(m.Disp)}
	if m.IndexReg != noReg {
		addr.Index, addr.Scale = objRegs[m.IndexReg], int16(m.Scale)
	}
	if m.Base != noReg {
		addr.Reg = objRegs[m.Base]
	}
	switch {
	case m.Seg != noReg && (m.Base != noReg || m.IndexReg != noReg):
		segPrefix = 0x65
		if m.Seg == FS {
			segPrefix = 0x64
		}
	case m.Seg != noReg:
		addr.Reg = objRegs[m.Seg]
	case sym != "" && (m.Base != noReg || m.IndexReg != noReg):
		if bits == 32 {
			return addr, 0, nil, fmt.Errorf("%v: 32-bit code addresses a symbol without base and index", m)
		}
		addr.Offset = placeholder
		abs = &reloc{kind: relAbs32S, sym: sym, add: int64(m.Disp)}
	case sym != "":
		addr.Name, addr.Sym = obj.NAME_EXTERN, &obj.LSym{Name: sym}
	}
	return addr, segPrefix, abs, nil
}

// checkImm refuses an immediate that the library would cut, and returns the
// form that gives the shortest encoding.
func checkImm(v int64, unsigned bool, r row, toReg bool) (int64, error) {
	bits := r.width * 8
	switch r.imm {
	case noImm:
		return 0, errors.New("takes no immediate")
	case immMOV:
		if toReg {
			return v, nil
		}
	case immShift:
		if v < 0 || v >= int64(bits) {
			return 0, fmt.Errorf("immediate %d: want 0 to %d", v, bits-1)
		}
		return v, nil
	case imm8:
		if v < 0 || v > 255 {
			return 0, fmt.Errorf("immediate %d: want 0 to 255", v)
		}
		return v, nil
	case imm16:
		if v < 0 || v > math.MaxUint16 {
			return 0, fmt.Errorf("immediate %d: want 0 to %d", v, math.MaxUint16)
		}
		return v, nil
	case immALU:
		if bits < 64 {
			if v < -1<<(bits-1) || v >= 1<<bits || unsigned && v < 0 {
				return 0, fmt.Errorf("immediate %#x does not fit in %d bits", v, bits)
			}
			return v << (64 - bits) >> (64 - bits), nil
		}
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, fmt.Errorf("immediate %#x does not fit in 32 bits, sign-extended", uint64(v))
	}
	return v, nil
}

// intOf returns the value of any integer.
func intOf(arg any) (int64, bool) {
	if v, ok := arg.(int); ok {
		return int64(v), true
	}
	v := reflect.ValueOf(arg)
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), true
	}
	return 0, false
}

func isUnsigned(arg any) bool { return reflect.ValueOf(arg).CanUint() }

// position names the Go line of a program counter, relative to the module.
func position(pc uintptr) string {
	file, ln := place(pc)
	return fmt.Sprintf("%s:%d", file, ln)
}

func place(pc uintptr) (string, int) {
	if pc == 0 {
		return "unknown", 0
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return relative(frame.File), frame.Line
}

// root is the directory of this module as the compiler wrote it down.
var root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return strings.TrimSuffix(file, "gen/asm/assemble.go")
}()

// relative shortens a file's name to its place in its module: nothing of the
// machine gets into an image.
func relative(file string) string {
	if rest, ok := strings.CutPrefix(file, root); ok {
		return rest
	}
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
			return file[j+1:]
		}
	}
	return file
}
