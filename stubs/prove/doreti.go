package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// Indices of state.bsd.
const (
	bsdPCBFlags = iota
	bsdFrame
	numBSD = iota
)

// bsdWords are the Thread's words of slow=doreti, which nobody but the variant touches.
var bsdWords = [numBSD]asm.Slot{bsdPCBFlags: thread.PCBFlags, bsdFrame: thread.Frame}

// bsdWord returns the index of such a word at an offset in the Thread, -1 if it is another.
func (s *subject) bsdWord(off uint64) int {
	if !s.axes.Is(stubs.SlowDoreti) {
		return -1
	}
	return slices.IndexFunc(bsdWords[:], func(w asm.Slot) bool { return uint64(w.Off) == off })
}

// newBSDWords returns what these words hold when a call begins.
func newBSDWords() (words [numBSD]word) {
	for i, w := range bsdWords {
		words[i].v = symbol("thread."+w.Name, false).value()
	}
	return words
}

// looksAgain reports whether a path with slow=doreti goes back to look for work, and a state
// like this one has gone back already: ast may find that there is none any more, and then no
// function of the kernel returns on the way round.
func (m *machine) looksAgain(st *state, in *inst) bool {
	if !m.axes.Is(stubs.SlowDoreti) || m.walk != nil || st.phase != inCall || in.op != opJMP || in.src.kind != isImm {
		return false
	}
	to := uint64(in.src.imm)
	if to > st.at || m.partOf(to) != m.partOf(st.at) {
		return false
	}
	st.pc = to
	return m.again(st)
}
