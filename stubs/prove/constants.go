package prove

import "encoding/binary"

// constant returns the word that an address is in, if it is of the program's read-only data or
// of the variant's code, which may have tables; else nil.
func (s *subject) constant(addr uint64) *uint64 {
	list := s.constants
	if s.partOf(addr) != nil {
		list = s.text
	}
	addr &^= 7
	for _, sec := range list {
		if off := addr - sec.Addr; addr >= sec.Addr && off+8 <= uint64(len(sec.Bytes)) {
			w := binary.LittleEndian.Uint64(sec.Bytes[off:])
			return &w
		}
	}
	return nil
}

// isPerCPU reports whether a term is what a word of the per-CPU area holds. No thread owns the
// memory that it points to, as a stack for interrupts is.
func (s *subject) isPerCPU(t *term) bool {
	for _, w := range s.s.percpu {
		if w == t {
			return true
		}
	}
	return false
}
