package stubs

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/asm"
)

// LineSize is the size of a cache line in bytes.
const LineSize = 64

// At returns the variant with its entry so many bytes behind the beginning of a cache
// line, which is then a part of its name.
func (n Variant) At(offset int) Variant {
	n.Name, n.Place = fmt.Sprintf("%s@%d", n.Name, offset), EntryPlace{LineSize, offset}
	return n
}

// EntryPlace is where an entry begins: Offset bytes behind a multiple of Align, which is a
// power of two. The zero value leaves that open.
type EntryPlace struct{ Align, Offset int }

// Lies returns where the entry lies: at the variant's own place or, if it has none, where
// the axes align and pad put it. The zero value leaves it open.
func (n Variant) Lies() EntryPlace {
	if n.Place.Align != 0 {
		return n.Place
	}
	if align, skew := n.Axes.placed(); align > leastAlign {
		return EntryPlace{align, skew}
	}
	return EntryPlace{}
}

// leastAlign is the alignment of every function of a kernel.
const leastAlign = 16

// put has the function of that name begin there.
func (p EntryPlace) put(program *asm.Program, name string) {
	if p.Align == 0 {
		return
	}
	for i := range program.Funcs {
		if f := &program.Funcs[i]; f.Name == name {
			*f = f.At(p.Align, p.Offset)
		}
	}
}

// Behind returns the least distance from a multiple of Align at which code has to begin
// so that what is off bytes into it lies at the place.
func (p EntryPlace) Behind(off int) int { return ((p.Offset-off)%p.Align + p.Align) % p.Align }
