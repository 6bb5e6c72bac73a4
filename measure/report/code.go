package report

import (
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/build"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/picture"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/measure/table"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
	"github.com/entrylab/entrylab/stubs/explain"
)

// code is what the page shows of the variants' code: of the code that this entrylab
// generates, which need not be the one that measured.
type code struct {
	// Build names this entrylab.
	Build string
	// Frame shows the frames: a row for each slot, a column for each variant.
	Frame *table.Table
	Diffs []diff
	// Counts are the differences in what the code has, Notes what a reader must know
	// about them.
	Counts []*table.Table
	Notes  []string
	// CallMeasured is set if the figures include the counts of a whole call, which Counts
	// then leaves out.
	CallMeasured bool
	// Unlisted are the variants that have figures but no listing.
	Unlisted []unlisted
}

// diff is a change in the code: the functions that are shown side by side, and the others
// that differ.
type diff struct {
	Key, From, To string
	Funcs, More   []explain.FuncDiff
	// Sides are the listings of Funcs.
	Sides []*table.Table
}

type unlisted struct{ Name, Why string }

// frames adds the slots of the frames as they are while the handler of an ordinary call
// runs, the top of the stack first.
func frames(t *table.Table, variants []stubs.Axes) {
	for s := layout.NumSlots; s > 0; {
		s--
		cells := []table.Cell{{Text: fmt.Sprintf("+%d", 8*int(s))}, {Text: s.String()}}
		first, _ := variants[0].Frame()
		for _, v := range variants {
			text, state := picture.Slot(v, s)
			c := table.Cell{Text: text}
			switch {
			case state == picture.ByFixUp:
				c.Class = "lazy"
			case state != picture.AtEntry:
				c.Class = "soft"
			case !first.Has(s):
				c.Class, c.Text = "new", "+ "+c.Text
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, table.Row{Cells: cells})
	}
}

// shown are the functions of a variant that are shown side by side. The others are
// wrappers, which hardly differ from each other.
var shown = []string{"entry_SYSCALL_64", "stub_full_frame", "stub_rt_sigreturn", "__switch_to_asm"}

// codeOf builds and explains the variants of the study's changes. A variant whose figures
// are of other code than this entrylab's, by its name and axes, gets no listing: a listing
// shows what was measured.
func codeOf(p study.Page) (code, error) {
	c := code{Build: build.Name()}
	// An engine counts whole calls, too.
	c.CallMeasured = slices.ContainsFunc(p.Engines(), func(e string) bool { return engine.Of(e).Unit == "" && engine.Of(e).Kind == engine.Exact })
	list := p.Question.Variants()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		return c, err
	}
	explained := map[string]*explain.Variant{}
	named := map[string]stubs.Variant{}
	for _, n := range list {
		if explained[n.Name], err = explain.Object(image.Object, n); err != nil {
			return c, err
		}
		named[n.Name] = n
	}
	c.Unlisted = notListed(p, named)

	var variants []stubs.Axes
	c.Frame = &table.Table{
		Class: "frame", Caption: fmt.Sprintf("From the variants of entrylab %s, which wrote this report", c.Build),
		Head: []string{"offset", "slot"}, Key: 1,
	}
	proofs := []table.Cell{{}, {Text: "proof"}}
	for _, name := range p.Question.Framed() {
		c.Frame.Head = append(c.Frame.Head, p.Title(name))
		outcome := explained[name].Proof.Outcome()
		proofs = append(proofs, table.Cell{Text: outcome.String(), Class: classOf(outcome)})
		variants = append(variants, named[name].Axes)
	}
	frames(c.Frame, variants)
	c.Frame.Rows = append(c.Frame.Rows, table.Row{Cells: proofs})

	counted, err := count.Object(image.Object, list)
	if err != nil {
		return c, err
	}
	c.Notes = count.Notes(counted)
	for i, phase := range count.Phases {
		if phase.Name == "call" && c.CallMeasured {
			continue
		}
		c.Counts = append(c.Counts, countsOf(p, counted, i, phase))
	}

	for _, change := range p.Question.Changes {
		from, to := change.Ends()
		if slices.ContainsFunc(c.Unlisted, func(u unlisted) bool { return u.Name == p.Title(from) || u.Name == p.Title(to) }) {
			continue
		}
		d := diff{Key: change.Key, From: p.Title(from), To: p.Title(to)}
		for _, f := range explain.Diff(explained[from], explained[to]) {
			switch {
			case f.Same():
			case slices.Contains(shown, f.Name):
				d.Funcs = append(d.Funcs, f)
			default:
				d.More = append(d.More, f)
			}
		}
		slices.SortStableFunc(d.Funcs, func(a, b explain.FuncDiff) int {
			return slices.Index(shown, a.Name) - slices.Index(shown, b.Name)
		})
		for _, f := range d.Funcs {
			side, err := sideBySide(d, f)
			if err != nil {
				return c, err
			}
			d.Sides = append(d.Sides, side)
		}
		c.Diffs = append(c.Diffs, d)
	}
	return c, nil
}

// notListed returns the variants of the page that this entrylab cannot list.
func notListed(p study.Page, known map[string]stubs.Variant) []unlisted {
	var list []unlisted
	for _, v := range p.Variants() {
		axes := p.Axes(v)
		n, ok := known[v]
		why := ""
		switch {
		case axes == "":
			why = "a kernel that entrylab did not generate"
		case !ok:
			why = "not among the variants that this entrylab's study has"
			if _, err := stubs.ParseVariant(v); err != nil {
				why = "not known to this entrylab; its axes were " + axes
			}
		case axes != n.Axes.String():
			why = fmt.Sprintf("its axes were %s; under this name this entrylab builds %v", axes, n.Axes)
		default:
			continue
		}
		list = append(list, unlisted{p.Title(v), why})
	}
	return list
}

// countsOf returns the differences that each change makes in the code of a phase.
func countsOf(p study.Page, counted []count.Variant, i int, phase count.Phase) *table.Table {
	t := &table.Table{Caption: phase.Title, Head: []string{""}}
	for _, m := range count.Metrics() {
		t.Head = append(t.Head, m.Bench)
	}
	find := func(name string) count.Counts {
		return counted[slices.IndexFunc(counted, func(v count.Variant) bool { return v.Name == name })].Counts[i]
	}
	for _, change := range p.Question.Changes {
		from, to := change.Ends()
		cells := []table.Cell{{Text: change.Key}}
		for _, m := range count.Metrics() {
			c := table.Cell{Text: "0", Class: classes[analysis.Same]}
			switch d := m.Of(find(to)) - m.Of(find(from)); {
			case d < 0:
				c = table.Cell{Text: fmt.Sprint(d), Class: classes[analysis.Cheaper]}
			case d > 0:
				c = table.Cell{Text: fmt.Sprintf("%+d", d), Class: classes[analysis.Dearer]}
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, table.Row{Cells: cells})
	}
	return t
}

// sideBySide shows a function of two variants, each line beside the line that it became.
func sideBySide(d diff, f explain.FuncDiff) (*table.Table, error) {
	t := &table.Table{Class: "sides", Caption: f.Name, Head: []string{"− " + d.From, "+ " + d.To}, Key: table.NoKey}
	cell := func(l *explain.Row, class, element string) (table.Cell, error) {
		if l == nil {
			return table.Cell{}, nil
		}
		var b strings.Builder
		err := page.ExecuteTemplate(&b, "side", l)
		return table.Cell{Class: class, HTML: template.HTML("<" + element + ">" + b.String() + "</" + element + ">")}, err
	}
	for _, p := range f.Pairs {
		classes, left, right := [3]string{"", "gone", "come"}, "del", "ins"
		if p.Same {
			classes, left, right = [3]string{"same"}, "div", "div"
		}
		a, err := cell(p.Left, classes[1], left)
		b, err2 := cell(p.Right, classes[2], right)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		t.Rows = append(t.Rows, table.Row{Class: classes[0], Cells: []table.Cell{a, b}})
	}
	return t, nil
}
