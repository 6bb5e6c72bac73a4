package explain

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/entrylab/entrylab/internal/align"
)

// FuncDiff is a function of two variants side by side.
type FuncDiff struct {
	Name string
	// Left and Right are the function in each variant, nil where it has none.
	Left, Right *Func
	Pairs       []Pair
}

// Pair is a line of both variants. The side that has no such line is nil.
type Pair struct {
	Left, Right *Row
	// Same is set if both have the same instruction or label. Its offset, its
	// bytes and the distance of a jump may differ.
	Same bool
}

// Same reports whether the function is the same in both.
func (d FuncDiff) Same() bool {
	return !slices.ContainsFunc(d.Pairs, func(p Pair) bool { return !p.Same })
}

// Removed returns how many instructions only the left variant has.
func (d FuncDiff) Removed() int {
	return d.count(func(p Pair) bool { return p.Left != nil && p.Left.Label == "" })
}

// Added returns how many instructions only the right variant has.
func (d FuncDiff) Added() int {
	return d.count(func(p Pair) bool { return p.Right != nil && p.Right.Label == "" })
}

func (d FuncDiff) count(has func(Pair) bool) int {
	n := 0
	for _, p := range d.Pairs {
		if !p.Same && has(p) {
			n++
		}
	}
	return n
}

// Diff sets two variants side by side, function by function: the left variant's
// functions in their order, then those that only the right one has. Within a function
// as many equal lines as possible are paired.
func Diff(left, right *Variant) []FuncDiff {
	var list []FuncDiff
	find := func(funcs []Func, name string) *Func {
		i := slices.IndexFunc(funcs, func(f Func) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		return &funcs[i]
	}
	for i := range left.Funcs {
		a := &left.Funcs[i]
		b := find(right.Funcs, a.Name)
		list = append(list, FuncDiff{a.Name, a, b, pairs(a.lines(), b.lines())})
	}
	for i := range right.Funcs {
		b := &right.Funcs[i]
		if find(left.Funcs, b.Name) == nil {
			list = append(list, FuncDiff{b.Name, nil, b, pairs(nil, b.lines())})
		}
	}
	return list
}

// lines returns the rows of a function, without the label that is its name.
func (f *Func) lines() []*Row {
	if f == nil {
		return nil
	}
	var list []*Row
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Label != f.Listing.Name {
			list = append(list, r)
		}
	}
	return list
}

// same reports whether two lines say the same. Between a variant that GNU as has
// assembled and another one, the bytes and their effects decide.
func (r *Row) same(o *Row) bool {
	if r.gnu() == o.gnu() || r.Label != "" || o.Label != "" {
		return r.Plain == o.Plain
	}
	return strings.EqualFold(r.Plain, o.Plain) || bytes.Equal(r.Bytes, o.Bytes) && slices.Equal(r.Effects, o.Effects)
}

// gnu reports whether the instruction is written in GNU as's syntax.
func (r *Row) gnu() bool { return r.Ins.Source() != "" }

// pairs pairs lines by their longest common subsequence. Lines that only the left has
// are paired with lines that only the right has in the same place.
func pairs(a, b []*Row) []Pair {
	var out []Pair
	var left, right []*Row
	flush := func() {
		for i := range max(len(left), len(right)) {
			var p Pair
			if i < len(left) {
				p.Left = left[i]
			}
			if i < len(right) {
				p.Right = right[i]
			}
			out = append(out, p)
		}
		left, right = nil, nil
	}
	align.Sequences(len(a), len(b), func(i, j int) bool { return a[i].same(b[j]) },
		func(i, j int) {
			flush()
			out = append(out, Pair{a[i], b[j], true})
		},
		func(i int) { left = append(left, a[i]) },
		func(j int) { right = append(right, b[j]) })
	flush()
	return out
}

// Mark returns the character between the two sides: < before a line of the left alone, >
// before one of the right alone, | between two that differ, and a space between two that
// are the same.
func (p Pair) Mark() string {
	switch {
	case p.Same:
		return " "
	case p.Right == nil:
		return "<"
	case p.Left == nil:
		return ">"
	}
	return "|"
}

// side prints one side of a pair: the instruction and, where the two differ, what
// the proof knows about it.
func (p Pair) side(r *Row) string {
	switch {
	case r == nil:
		return ""
	case r.Label != "":
		return r.Plain
	case p.Same || len(r.Effects) == 0:
		return "    " + r.Plain
	}
	return fmt.Sprintf("    %s  // %s", r.Plain, r.Mark())
}

// Text prints what Diff returns in two columns, with the pairs' marks between
// them. A function that is the same in both is one line.
func Text(left, right *Variant) string {
	list := Diff(left, right)
	width := utf8.RuneCountInString(left.Name)
	for _, d := range list {
		for _, p := range d.Pairs {
			if !d.Same() {
				width = max(width, utf8.RuneCountInString(p.side(p.Left)))
			}
		}
	}
	var b strings.Builder
	row := func(a, mark, c string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s  %s  %s", width, a, mark, c), " ") + "\n")
	}
	row(left.Name, " ", right.Name)
	for _, d := range list {
		b.WriteByte('\n')
		if d.Same() {
			fmt.Fprintf(&b, "%s: the same, %s\n", d.Name, size(d.Left))
			continue
		}
		fmt.Fprintf(&b, "%s: -%d +%d instructions\n", d.Name, d.Removed(), d.Added())
		row(size(d.Left), " ", size(d.Right))
		for _, p := range d.Pairs {
			row(p.side(p.Left), p.Mark(), p.side(p.Right))
		}
	}
	return b.String()
}

// size says how much code a function has.
func size(f *Func) string {
	if f == nil {
		return "none"
	}
	return fmt.Sprintf("%d instructions, %d bytes", f.Instructions(), f.Bytes())
}
