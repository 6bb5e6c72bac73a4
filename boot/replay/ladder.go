package replay

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/stats"
	. "github.com/entrylab/entrylab/gen/asm"
)

// Behind a fence a call takes a whole number of cycles, and some CPUs round it up
// by more than one: there one instruction more costs as much as six, so that a
// difference of two paths says which side of a step they are on, and not what
// their instructions cost. Whether it is so is measured in each run: ladders add
// 1, 2, 3 and 6 instructions to the base's call, in each form.

// more are the numbers of instructions that the rungs of a ladder add.
var more = []int{1, 2, 3, 6}

// A ladder is a kind of instruction that is added where the entry begins.
type ladder struct {
	kind string // one of them in words
	ins  func(i int) Ins
	size int // in bytes
}

var ladders = []ladder{
	{"instruction", func(int) Ins { return TESTQ(RBP, RBP) }, 3},
	{"store", func(i int) Ins { return MOVQ(RBP, RSP.At(-8*(i+1))) }, 5},
	{dependent, func(int) Ins { return LEAQ(RDI.At(0), RDI) }, 3},
}

// dependent are instructions that the handler's result waits for if it does work:
// in the headline form each takes its cycle on every CPU, while the others need
// not be seen.
const dependent = "dependent instruction"

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

// Plateau is a piece of a ladder that reads the same as a difference does: so a
// figure that cannot tell From instructions more from To.
type Plateau struct {
	Kind string `json:"kind"` // of instruction
	From int    `json:"from"`
	To   int    `json:"to"`
}

// plateaus are those of the ladders of a form that a difference is on: of each
// kind the longest row of rungs, none included, that read as it does. One rung
// alone is no plateau, nor is one rung that reads zero beside none.
func plateaus(form string, d stats.Estimate, rungs []Rung) []Plateau {
	var list []Plateau
	for _, l := range ladders {
		none := Rung{Form: form, Kind: l.kind} // reads zero, exactly
		var row, longest []Rung
		for _, r := range append([]Rung{none}, rungs...) {
			switch {
			case r.Form != form || r.Kind != l.kind:
			case same(r.Estimate, d):
				if row = append(row, r); len(row) > len(longest) {
					longest = row
				}
			default:
				row = nil
			}
		}
		if n := len(longest); n >= 2 && longest[n-1].More >= 2 {
			list = append(list, Plateau{l.kind, longest[0].More, longest[n-1].More})
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

// readAs says what else reads as a figure does.
func readAs(list []Plateau) string {
	var parts []string
	for _, p := range list {
		parts = append(parts, fmt.Sprintf("%d to %d %ss", p.From, p.To, p.Kind))
	}
	return strings.Join(parts, " or ")
}

// Steps says how many of some differences, one for each placement, are whole
// cycles to within a quarter: "3 at -1, 60 at 0, 30 at +1, 7 between".
func Steps(differences []float64) string {
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
