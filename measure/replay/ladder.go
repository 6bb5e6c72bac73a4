package replay

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/measure/stats"
)

// Behind a fence a call takes a whole number of cycles, and one instruction more
// may cost as much as six, so that a difference of two paths says which side of a
// step they are on, and not what their instructions cost. Whether it is so is
// measured in each run: ladders add 1, 2, 3 and 6 instructions to the base's call,
// in each form.

// more are the numbers of instructions that the rungs of a ladder add.
var more = []int{1, 2, 3, 6}

// A ladder is a kind of instruction that is added where the entry begins, right
// behind the fence. Nothing waits for them.
type ladder struct {
	kind string // one of them in words
	ins  func(i int) Ins
	size int // in bytes
}

var ladders = []ladder{
	{"instruction", func(int) Ins { return TESTQ(RBP, RBP) }, 3},
	{"store", func(i int) Ins { return MOVQ(RBP, RSP.At(-8*(i+1))) }, 5},
}

// ladderSize is that of the longest of all rungs, in bytes.
const ladderSize = 6 * 5

// rung is the user's loops with n of the ladder's instructions. What follows them
// lies where it does with any number of any other.
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

// Rung is what some instructions more read as in a form of the null call.
type Rung struct {
	Form string `json:"form"`
	Kind string `json:"kind"` // of instruction
	More int    `json:"more"` // how many
	// Estimate is the difference from none of them.
	Estimate stats.Estimate `json:"estimate"`
}

// rung is where a rung is measured.
type rung struct {
	Rung     // without its estimate
	none int // the cell without an instruction more
}

// rungs are the user's loops for all rungs: first that without an instruction more.
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
func (r *run) planLadders() {
	r.rungs = map[int]rung{}
	for _, c := range slices.Clone(r.job.Cells) {
		if c.Op != OpNull {
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

// ReadAs is what reads the same as a difference does: so many instructions of a
// kind more. A figure that several numbers read as is the cost of none of them.
type ReadAs struct {
	Kind string `json:"kind"`
	More []int  `json:"more"`
}

// ReadsAs is, of each kind, what reads the same as a difference in a form: at
// least two rungs, counting none at all as one that reads zero. Without a fence
// nothing steps, and rungs that read the same are only too close to tell.
func ReadsAs(form string, d stats.Estimate, rungs []Rung) []ReadAs {
	if form == formN {
		return nil
	}
	var list []ReadAs
	for _, l := range ladders {
		r := ReadAs{Kind: l.kind}
		rows := 0
		if same(stats.Estimate{}, d) {
			rows++
		}
		for _, rung := range rungs {
			if rung.Form == form && rung.Kind == l.kind && same(rung.Estimate, d) {
				r.More = append(r.More, rung.More)
				rows++
			}
		}
		if rows >= 2 && r.More[len(r.More)-1] >= 2 { // that one instruction is not seen is no step
			list = append(list, r)
		}
	}
	return list
}

// same reports whether two differences read the same: they agree within their
// intervals, which are narrow enough to tell.
func same(a, b stats.Estimate) bool {
	half := math.Hypot(a.Half(), b.Half())
	return half <= Resolution && math.Abs(a.Mean-b.Mean) <= max(half, stats.Least)
}

// String is as in "1, 2 or 6 stores more".
func (r ReadAs) String() string {
	var text strings.Builder
	for i, n := range r.More {
		switch {
		case i > 0 && i == len(r.More)-1:
			text.WriteString(" or ")
		case i > 0:
			text.WriteString(", ")
		}
		fmt.Fprint(&text, n)
	}
	return fmt.Sprintf("%s %ss more", &text, r.Kind)
}

// Words is the list in words, "" where it is empty.
func Words(list []ReadAs) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", or ")
}

// Steps says how many of some differences, one for each placement, are whole
// cycles to within a quarter: "3 at -1, 60 at 0, 30 at +1, 7 between"; of those
// that are spread wider than can be listed, where they are.
func Steps(differences []float64) string {
	if low, high := stats.Quantile(differences, 0), stats.Quantile(differences, 1); high-low > 12 {
		return fmt.Sprintf("%+.0f to %+.0f, half of them %+.0f to %+.0f", low, high, stats.Quantile(differences, 0.25), stats.Quantile(differences, 0.75))
	}
	count := map[int]int{}
	between := 0
	for _, d := range differences {
		if n := math.Round(d); math.Abs(d-n) <= 0.25 {
			count[int(n)]++
		} else {
			between++
		}
	}
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(count)) {
		at := "0"
		if n != 0 {
			at = fmt.Sprintf("%+d", n)
		}
		parts = append(parts, fmt.Sprintf("%d at %s", count[n], at))
	}
	if between > 0 {
		parts = append(parts, fmt.Sprintf("%d between", between))
	}
	return strings.Join(parts, ", ")
}
