package asm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twitchyliquid64/golang-asm/obj"
)

// 16-bit code: a Func of 16 Bits runs in real mode. Its instructions are those
// of 32-bit code with the prefixes reversed: 0x66 before a 32-bit operand
// and none before a 16-bit one, 0x67 before an address that uses registers, which
// are the 32-bit ones. An address without registers has 16 bits. The library has no
// such mode, so each instruction is assembled alone as 32-bit code and then
// rewritten; the branches are laid out here.

// piece is an instruction of 16-bit code.
type piece struct {
	in     *instruction
	code   []byte
	relocs []reloc // by offset in code
	target *label  // of a branch inside the function
	near   bool    // the branch needs more than 8 bits to reach it
	off    int     // from the function's start
}

// assembleReal assembles a 16-bit function.
func (a *assembler) assembleReal(l *lowering, enc *encoded) {
	before := len(a.rep.faults)
	pieces := make([]piece, len(l.lines)) // one for each line
	at := map[*label]int{}                // a label's line
	for i, ln := range l.lines {
		pieces[i].in = ln.in
		switch {
		case ln.bind != nil:
			at[ln.bind] = i
		case ln.in != nil:
			if err := a.realPiece(&pieces[i], l, enc, ln); err != nil {
				l.insErrorf(ln.in, "%v", err)
			}
		}
	}
	if len(a.rep.faults) > before {
		return
	}
	for settled := false; !settled; { // branches only grow
		settled = true
		off := 0
		for i := range pieces {
			pieces[i].off = off
			off += len(pieces[i].code)
		}
		for i := range pieces {
			p := &pieces[i]
			if p.target == nil || p.near {
				continue
			}
			if d := pieces[at[p.target]].off - (p.off + 2); d != int(int8(d)) {
				p.near, settled = true, false
				p.code = nearBranch(p.code[0])
			}
		}
	}
	for i, p := range pieces {
		if lb := l.lines[i].bind; lb != nil && lb.name != "" {
			enc.labels = append(enc.labels, encLabel{lb, p.off})
		}
		if p.in == nil {
			continue
		}
		el := encLine{in: p.in, off: p.off, len: len(p.code), to: -1}
		if p.target != nil {
			to := pieces[at[p.target]].off
			if l.lines[i].target != nil {
				el.to = to
			}
			d := to - (p.off + len(p.code))
			if p.near {
				binary.LittleEndian.PutUint16(p.code[len(p.code)-2:], uint16(d))
			} else {
				p.code[1] = byte(d)
			}
		}
		for _, r := range p.relocs {
			r.off += p.off
			enc.relocs = append(enc.relocs, r)
		}
		enc.lines = append(enc.lines, el)
		enc.bytes = append(enc.bytes, p.code...)
	}
	if len(enc.bytes) > math.MaxInt16 {
		l.errorf(l.fn.pc, "16-bit code of %d bytes; want at most 32 KiB", len(enc.bytes))
	}
}

// nearBranch returns the form with a 16-bit distance of a branch with an 8-bit one.
func nearBranch(op byte) []byte {
	if op == 0xeb { // JMP
		return []byte{0xe9, 0, 0}
	}
	return []byte{0x0f, op + 0x10, 0, 0}
}

// realPiece makes the bytes of one instruction.
func (a *assembler) realPiece(p *piece, l *lowering, enc *encoded, ln line) error {
	in := ln.in
	r := table[in.name]
	if in.fault != "" {
		return errors.New("Fault: there is no __ex_table in 16-bit code")
	}
	if ln.target != nil {
		p.code, p.target = shortBranch(in), ln.target
		return nil
	}
	name, direct := in.args[0].(string)
	if r.branches() && direct && in.nargs == 1 {
		switch lb := l.labels[name]; {
		case lb != nil && in.name != "CALL":
			p.code, p.target = shortBranch(in), lb
			return nil
		case lb != nil:
			return fmt.Errorf("%s is a label of this function; only functions can be called", name)
		case name != "":
			enc.refs = append(enc.refs, ref{in, name, true})
			p.code = []byte{0xe8, 0, 0}
			if in.name != "CALL" {
				p.code = nearBranch(shortBranch(in)[0])
			}
			p.relocs = []reloc{{off: len(p.code) - 2, kind: relPC16, sym: name, in: in}}
			return nil
		}
	}
	alone := &lowering{fn: l.fn, rep: l.rep, lines: []line{ln}, labels: l.labels}
	e := newEncoder(a, alone)
	if err := e.instruction(0, ln); err != nil {
		return err
	}
	enc.refs = append(enc.refs, e.refs...)
	sym := &obj.LSym{Name: l.fn.Name, Func: &obj.FuncInfo{Text: e.head}}
	if err := a.run(e.ctxt, sym); err != nil {
		a.blame(e, err)
		return nil
	}
	one := &encoded{fn: l.fn}
	e.collect(one, sym)
	return p.toReal(one, r)
}

func shortBranch(in *instruction) []byte {
	if in.name == "JMP" {
		return []byte{0xeb, 0}
	}
	return []byte{0x70 | byte(slices.Index(jumpNames[:], in.name)), 0}
}

// toReal rewrites an instruction of 32-bit code for 16-bit code.
func (p *piece) toReal(one *encoded, r row) error {
	b := bytes.Clone(one.bytes)
	opcode := 0
	var segment, repeat []byte
prefixes:
	for ; ; opcode++ {
		switch b[opcode] {
		case 0x64, 0x65:
			segment = append(segment, b[opcode])
		case 0xf3:
			repeat = append(repeat, b[opcode])
		case 0x66: // a 16-bit operand, which is now the usual
		default:
			break prefixes
		}
	}
	wide := r.width == 4 || p.in.nargs == 2 && kindOf(p.in.args[0]) == kSeg && kindOf(p.in.args[1]) == kReg // the rest of the register is cleared
	inRegisters := r.form == opString || r.form == opScan
	for _, arg := range p.in.args[:p.in.nargs] {
		switch v := arg.(type) {
		case Reg:
			wide = wide && (v.general() || v.segment())
		case Mem:
			if !v.bare() {
				inRegisters = true
			} else if err := p.shorten(&b, opcode, one, v); err != nil {
				return err
			}
		}
	}
	p.code = segment
	if inRegisters {
		p.code = append(p.code, 0x67)
	}
	if wide {
		p.code = append(p.code, 0x66)
	}
	p.code = append(append(p.code, repeat...), b[opcode:]...)
	for _, r := range one.relocs {
		r.off += len(p.code) - len(b)
		p.relocs = append(p.relocs, r)
	}
	return nil
}

// shorten cuts a 32-bit address without registers to 16 bits.
func (p *piece) shorten(b *[]byte, opcode int, one *encoded, m Mem) error {
	code := *b
	at := opcode + 1
	if code[opcode] < 0xa0 || code[opcode] > 0xa3 { // those have no ModRM byte
		if code[opcode] == 0x0f {
			at++
		}
		code[at] = code[at]&0x38 | 6 // mod 0, r/m 6: disp16 (SDM volume 2, table 2-1)
		at++
	}
	switch {
	case len(one.relocs) > 0:
		one.relocs[0].kind = relPhys16
	case m.Disp() < 0 || m.Disp() > math.MaxUint16:
		return errors.New("the address does not fit in 16 bits; put it in a register")
	}
	*b = append(code[:at+2:at+2], code[at+4:]...)
	return nil
}
