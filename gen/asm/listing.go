package asm

import (
	"bytes"
	"fmt"
	"strings"
)

// Listing is an assembled function for reading and counting.
type Listing struct {
	Name, Doc string
	Addr      uint64
	Rows      []Row
}

// Row is one line of a listing: a label, or an instruction.
type Row struct {
	Label string // if not empty, the row is only this label
	Off   int    // from the function's start
	Bytes []byte
	Ins   Ins // the instruction; its String is how the listing prints it
	File  string
	Line  int
}

// listing makes the listing of a function; code starts with its bytes.
func (enc *encoded) listing(rep *report, code []byte) Listing {
	l := Listing{Name: enc.fn.Name, Doc: enc.fn.Doc, Addr: enc.base}
	l.Rows = make([]Row, 0, len(enc.lines)+len(enc.labels))
	labels := enc.labels
	labelsTo := func(off int) {
		for len(labels) > 0 && labels[0].off <= off {
			if !labels[0].inner {
				l.Rows = append(l.Rows, Row{Label: labels[0].name, Off: labels[0].off})
			}
			labels = labels[1:]
		}
	}
	prefixed := enc.goesByPrefix()
	for _, el := range enc.lines {
		labelsTo(el.off)
		row := Row{Off: el.off, Bytes: bytes.Clone(code[el.off : el.off+el.len]), Ins: Ins{el.in}}
		if el.to >= 0 {
			row.Ins = row.Ins.changed(func(in *instruction) { in.args[0] = Place(el.to) })
		}
		if name := prefixed[el.off]; name != "" {
			row.Ins = row.Ins.changed(func(in *instruction) { in.args[0] = name })
		}
		p := rep.place(el.in.pc)
		row.File, row.Line = p.file, p.line
		l.Rows = append(l.Rows, row)
	}
	labelsTo(len(enc.bytes))
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
		width = max(width, len(r.Ins.String()))
	}
	width = min(width, 44)
	for _, r := range l.Rows {
		if r.Label != "" {
			if r.Label != l.Name {
				fmt.Fprintf(&b, "%s:\n", r.Label)
			}
			continue
		}
		remark := r.Ins.Claim()
		if comment := r.Ins.Comment(); comment != "" {
			if remark != "" {
				remark += "; "
			}
			remark += comment
		}
		if remark != "" {
			fmt.Fprintf(&b, "%4x  %-24x  %-*v  // %s\n", r.Off, r.Bytes, width, r.Ins, remark)
		} else {
			fmt.Fprintf(&b, "%4x  %-24x  %v\n", r.Off, r.Bytes, r.Ins)
		}
	}
	return b.String()
}
