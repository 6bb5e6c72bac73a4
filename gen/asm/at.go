package asm

import "bytes"

// At returns the function with an address that is a multiple of align, a power of two,
// plus skew bytes.
func (f Func) At(align, skew int) Func { f.Align, f.Skew = align, skew; return f }

// checkAt refuses an address that cannot be.
func (lk *linker) checkAt(fn *Func) {
	if fn.Align < 0 || fn.Align&(fn.Align-1) != 0 || fn.Skew < 0 || fn.Skew >= max(fn.Align, 1) {
		lk.rep.errorf(fn.pc, "%s: At(%d, %d): want a power of two, and less than that", fn.Name, fn.Align, fn.Skew)
		fn.Align, fn.Skew = 0, 0
	}
}

// padSkewed appends fill until the next byte is where the function may be: at least
// aligned so.
func padSkewed(b []byte, addr uint64, align int, enc *encoded) []byte {
	align = max(align, enc.align, enc.fn.Align)
	b = append(b, bytes.Repeat([]byte{fillByte}, int(-(addr+uint64(len(b))-uint64(enc.fn.Skew))&uint64(align-1)))...)
	return b
}
