package replay

import (
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/wire"
)

// Behind a fence a call takes a whole number of cycles, and one additional instruction may
// cost as much as six. Then the difference of two paths says on which side of a step they
// are, and not what their instructions cost. Each run measures whether that is so: ladders
// add 1, 2, 3 and 6 instructions to the base's call, in each form.

// more holds the numbers of instructions that the rungs of a ladder add.
var more = []int{1, 2, 3, 6}

// A ladder is a kind of instruction that is added where the entry begins, right behind the
// fence. Nothing waits for these instructions.
type ladder struct {
	kind string // the word for one of them
	ins  func(i int) Ins
	size int // in bytes
}

var ladders = []ladder{
	{"instruction", func(int) Ins { return TESTQ(RBP, RBP) }, 3},
	{"store", func(i int) Ins { return MOVQ(RBP, RSP.At(-8*(i+1))) }, 5},
}

// ladderSize is that of the longest of all rungs, in bytes.
const ladderSize = 6 * 5

// rung returns the user's loops with n of the ladder's instructions. What follows them is at
// the same address for every rung of every ladder.
func (l ladder) rung(n int) Program {
	var enter []Item
	for i := range n {
		enter = append(enter, l.ins(i))
	}
	enter = append(enter, JMP(R14))
	for range ladderSize - n*l.size {
		enter = append(enter, INT3())
	}
	return userLoops(enter...)
}

// Rung is what a number of additional instructions read as in a form of the null call.
type Rung struct {
	Form string
	Kind string // of instruction
	More int    // how many
	// Differences are the differences from no additional instruction, one for each
	// placement with ladders. Process says in which process each was made.
	Differences []float64
	Process     []int
}

// rung is where a rung is measured.
type rung struct {
	Rung     // without its differences
	none int // the cell without additional instructions
}

// rungs returns the user's loops for all rungs, first the one without additional
// instructions.
func rungs() ([]chunk, error) {
	programs := []Program{ladders[0].rung(0)}
	for _, l := range ladders {
		for _, n := range more {
			programs = append(programs, l.rung(n))
		}
	}
	var list []chunk
	for _, p := range programs {
		c, err := chunkOf(p)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// planLadders adds the cells of the ladders, for each form.
func (r *Replay) planLadders() {
	r.rungs = map[int]rung{}
	for _, c := range slices.Clone(r.job.Cells) {
		if c.Op != wire.OpNullCall || c.Single {
			continue
		}
		c.Op, c.Streams, c.Samples = opLadder, []int{r.ladderStream()}, 20
		none := len(r.job.Cells)
		for i := range r.job.Rungs {
			if c.User = i + 1; i > 0 {
				r.rungs[none+i] = rung{Rung{Form: c.Form, Kind: ladders[(i-1)/len(more)].kind, More: more[(i-1)%len(more)]}, none}
			}
			r.job.Cells = append(r.job.Cells, c)
		}
	}
}
