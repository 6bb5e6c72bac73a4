package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/measure/stats"
)

// Rung is what a number of additional instructions reads as in one form.
type Rung struct {
	Form     string         `json:"form"`
	Kind     string         `json:"kind"` // of instruction
	More     int            `json:"more"` // how many
	Estimate stats.Estimate `json:"estimate"`
}

// ReadAs names additional instructions that read the same as a difference: how many of
// which kind. A figure that several numbers read as is the cost of none of them.
type ReadAs struct {
	Kind string `json:"kind"`
	More []int  `json:"more"`
}

// ReadsAs returns, for each kind, the rungs that read the same as a difference, if there
// are at least two; no instruction at all counts as a rung that reads zero.
func ReadsAs(d stats.Estimate, rungs []Rung) []ReadAs {
	var kinds []string
	for _, r := range rungs {
		if !slices.Contains(kinds, r.Kind) {
			kinds = append(kinds, r.Kind)
		}
	}
	var list []ReadAs
	for _, kind := range kinds {
		r := ReadAs{Kind: kind}
		rows := 0
		if same(stats.Estimate{}, d) {
			rows++
		}
		for _, rung := range rungs {
			if rung.Kind == kind && same(rung.Estimate, d) {
				r.More = append(r.More, rung.More)
				rows++
			}
		}
		if rows >= 2 && r.More[len(r.More)-1] >= 2 { // if only one instruction is not seen, that is not a step
			list = append(list, r)
		}
	}
	return list
}

// same reports whether two differences read the same: they agree within their
// intervals, which are narrow enough to tell.
func same(a, b stats.Estimate) bool {
	half := math.Hypot(a.Half(), b.Half())
	return half <= stats.Resolution && math.Abs(a.Mean-b.Mean) <= max(half, stats.Least)
}

// String prints it as in "1, 2 or 6 stores more".
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

// ladderWords puts the list into words, "" if it is empty.
func ladderWords(list []ReadAs) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", or ")
}

// Steps says how many of some differences, one for each placement, are whole
// cycles to within a quarter: "3 at -1, 60 at 0, 30 at +1, 7 between". If they
// are spread too widely for a list, it says where they are.
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
