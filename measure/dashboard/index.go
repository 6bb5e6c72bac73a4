package dashboard

import (
	"cmp"
	"slices"

	"github.com/entrylab/entrylab/measure/history"
	"github.com/entrylab/entrylab/measure/judge"
	"github.com/entrylab/entrylab/measure/nightly"
)

// index is what the first page shows.
type index struct {
	*nightly.Result
	// Columns are what cells run on, Rows what cells run.
	Columns  []string
	Rows     []row
	Findings []found
	Sections []section
}

// row is a row of the matrix, a square for each column.
type row struct {
	Name    string
	Squares []square
}

// square is a cell of the matrix. Its word says the same as its colour.
type square struct {
	Word, Class, Title string
	Section            string // the name of the anchor
}

// found is a finding with the series' page, and the class of its style.
type found struct {
	judge.Finding
	File, Class string
}

// section lists the series of a cell.
type section struct {
	ID, Name, Detail string
	Figures, Checks  []line
	// Passing is how many checks pass and have always passed.
	Passing int
}

// states are the states of a square, the worst first.
var states = []square{
	{Word: "crashed", Class: "bad"},
	{Word: "failed", Class: "bad"},
	{Word: "changed", Class: "lazy"},
	{Word: "still failed", Class: "bad"},
	{Word: "still changed", Class: "lazy"},
	{Word: "faster", Class: "new"},
	{Word: "fixed", Class: "new"},
	{Word: "skipped", Class: "none"},
	{Word: "ok", Class: "new"},
	{Word: "not yet", Class: "none"},
}

// state returns the index of the state with that name.
func state(word string) int {
	return slices.IndexFunc(states, func(s square) bool { return s.Word == word })
}

// stateOf returns the index of a finding's state; without a finding, one past the last.
func stateOf(f *judge.Finding) int {
	word := ""
	switch {
	case f == nil:
		return len(states)
	case f.What == judge.Failed || f.What == judge.Flaky:
		word = "failed"
	case f.What == judge.Changed || f.What == judge.Slower:
		word = "changed"
	case f.What == judge.Faster:
		return state("faster")
	case f.What == judge.Fixed:
		return state("fixed")
	default:
		return len(states)
	}
	if f.Still {
		word = "still " + word
	}
	return state(word)
}

func indexOf(cells []nightly.Cell, outcomes map[string]history.Entry, lines []line, r *nightly.Result) index {
	x := index{Result: r}
	files := map[string]string{}
	byCell := map[string][]line{}
	for _, l := range lines {
		files[l.Name] = l.File
		byCell[l.Cell] = append(byCell[l.Cell], l)
	}
	for _, f := range r.Findings {
		class := "none"
		if i := stateOf(&f); i < len(states) {
			class = states[i].Class
		}
		x.Findings = append(x.Findings, found{f, files[f.Series], class})
	}
	at := map[string]int{}
	for _, c := range cells {
		if where := c.Where(); !slices.Contains(x.Columns, where) {
			x.Columns = append(x.Columns, where)
		}
		if _, ok := at[c.Subject]; !ok {
			at[c.Subject] = len(x.Rows)
			x.Rows = append(x.Rows, row{Name: c.Subject})
		}
	}
	for i := range x.Rows {
		x.Rows[i].Squares = make([]square, len(x.Columns))
	}
	for _, c := range cells {
		e, done := outcomes[c.Name]
		s := sectionOf(c.Name, byCell[c.Name])
		s.Detail = e.Detail
		if done {
			x.Sections = append(x.Sections, s)
		}
		sq := squareOf(e, done, byCell[c.Name])
		sq.Title = c.Name
		if done {
			sq.Section = s.ID
		}
		x.Rows[at[c.Subject]].Squares[slices.Index(x.Columns, c.Where())] = sq
	}
	return x
}

// squareOf returns the worst state that is known for a cell.
func squareOf(e history.Entry, done bool, lines []line) square {
	worst := state("ok")
	switch {
	case !done:
		worst = state("not yet")
	case e.Outcome == nightly.Crash:
		worst = state("crashed")
	case e.Outcome == nightly.Skip:
		worst = state("skipped")
	}
	for _, l := range lines {
		worst = min(worst, stateOf(l.Finding))
	}
	return states[worst]
}

func sectionOf(name string, lines []line) section {
	s := section{ID: "cell-" + fileOf(name), Name: name}
	for _, l := range lines {
		switch {
		case l.Kind != string(history.Check):
			s.Figures = append(s.Figures, l)
		case l.File == "":
			s.Passing++
		default:
			s.Checks = append(s.Checks, l)
		}
	}
	worst := func(a, b line) int { return cmp.Compare(stateOf(a.Finding), stateOf(b.Finding)) }
	slices.SortStableFunc(s.Figures, worst)
	slices.SortStableFunc(s.Checks, worst)
	return s
}
