package prove

import (
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
)

// lower gives RSP a symbol of its own after a random distance was subtracted from it.
// Cells that follow are counted from that symbol: the distance is a multiple of 8 and
// at most what the kernel leaves free.
func (o *oracle) lower(sh *shadow, distance, rsp bv) {
	from := sh.regs[rSP]
	sh.places = append(sh.places, fmt.Sprintf("(bvule %s %s)", distance.text, literal(layout.KStackMask, 64)),
		fmt.Sprintf("(= %s #b000)", low(distance.text, 3)))
	if from.base != sh.origin.base {
		sh.places = append(sh.places, "false")
	}
	o.loseBelow(sh)
	name := o.symbol(o.lowers)
	o.assert(same(name, rsp.text))
	sh.lowered, sh.loweredFrom = name, from.off
	sh.regs[rSP] = sum(name, 0)
}

// raised translates an address in the lowered part of the stack to what it would be
// without the random distance.
func (sh *shadow) raised(addr bv) bv {
	if sh.lowered == "" || addr.base != sh.lowered {
		return addr
	}
	return sum(sh.origin.base, sh.loweredFrom+addr.off)
}

// onOneSide reports whether an address is in one of the stack's two parts, and
// counted from the symbol of that part.
func (sh *shadow) onOneSide(addr bv) bool {
	switch addr.base {
	case sh.lowered:
		return int64(addr.off) < 0
	case sh.origin.base:
		return int64(sh.loweredFrom-addr.off) <= 0 || sh.origin.off-addr.off > 8*numCells
	}
	return true
}

// raise forgets the lowered part of the stack, which RSP has left.
func (sh *shadow) raise() {
	sh.lowered = ""
	for i := int(sh.origin.off-sh.loweredFrom+7) / 8; i < numCells; i++ {
		sh.cells[i] = bv{}
	}
}

// deepest returns the largest distance, in bytes, that RSP may be below a frame.
func (sh *shadow) deepest() uint64 {
	if sh.lowered != "" {
		return 8*numCells + layout.KStackMask
	}
	return 8 * numCells
}

// alignedDown returns the AND of an address on the stack and a mask as a sum, if only bits
// are cleared below which the stack's top has none.
func (o *oracle) alignedDown(sh *shadow, a, b, r bv) bv {
	if a.sum && a.base == "" {
		a, b = b, a
	}
	if low := o.s.top.low; !a.sum || a.base != o.symbol(o.s.top) || !b.sum || b.base != "" || b.off|low != maxWord {
		return r
	}
	return o.asSum(sh, r, sum(a.base, a.off&b.off))
}

// alignedUp works like alignedDown, but for OR.
func (o *oracle) alignedUp(sh *shadow, a, b, r bv) bv {
	if a.sum && a.base == "" {
		a, b = b, a
	}
	if !a.sum || a.base != o.symbol(o.s.top) || !b.sum || b.base != "" || b.off&^o.s.top.low != 0 {
		return r
	}
	return o.asSum(sh, r, sum(a.base, a.off|b.off))
}

// asSum returns a sum in the place of a term that must be the same.
func (o *oracle) asSum(sh *shadow, r, s bv) bv {
	sh.places = append(sh.places, same(r.text, s.text))
	return s
}
