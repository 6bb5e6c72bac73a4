package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/measure/analysis"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/study"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/count"
	"github.com/entrylab/entrylab/stubs/explain"
)

// code is what there is to show of the variants' code. It is that of the
// entrylab that writes the report, not of the one that measured.
type code struct {
	// Build names that entrylab.
	Build string
	// Frames are the variants of the picture of frames, Slots its rows.
	Frames []pictured
	Slots  []slotRow
	Diffs  []diff
	// Counts are differences in what is in the code, Notes what must be known of
	// them.
	Counts []counts
	Notes  []string
	// CallMeasured is set if the counts of a whole call are among the figures;
	// they are not here then.
	CallMeasured bool
	// Unlisted are variants that have figures and no listing.
	Unlisted []unlisted
}

// pictured is a variant in the picture of frames, with the outcome of its proof.
type pictured struct {
	Name, Proof, Class string
}

// slotRow is a slot of the frame in the variants of the picture.
type slotRow struct {
	Off, Name string
	Cells     []cell
}

// diff is a change in the code: the functions that are shown side by side, and
// those that differ beside them.
type diff struct {
	Key, Title, From, To string
	Funcs, More          []explain.FuncDiff
}

// counts are the differences that the changes make in one phase.
type counts struct {
	Title string
	Head  []string
	Rows  []row
}

type unlisted struct{ Name, Why string }

// inPicture are the variants of the picture of frames.
var inPicture = []string{"linux-3.19", "linux-3.19+a", "linux-3.19+b", "linux-3.19+c", "heukelum-v2", "linux-4.1"}

// contents is what a defined slot holds; one that is not named here holds the
// register of its name.
var contents = map[layout.Slot]string{
	layout.SlotSS: "USER_DS", layout.SlotSP: "user RSP", layout.SlotFlags: "user RFLAGS", layout.SlotCS: "USER_CS",
	layout.SlotIP: "user RIP", layout.SlotOrigAX: "number", layout.SlotCX: "user RIP", layout.SlotAX: "-ENOSYS",
	layout.SlotR11: "user RFLAGS",
}

// content is what a defined slot holds.
func content(s layout.Slot) string {
	switch text, name := contents[s], strings.ToUpper(s.String()); {
	case text != "":
		return text
	case name[0] == 'R': // R8 to R15
		return name
	default:
		return "R" + name
	}
}

// slots are the rows of the picture of the frame while the handler of an
// ordinary call runs, the top of the stack first.
func slots(variants []stubs.Axes) []slotRow {
	var rows []slotRow
	for s := layout.NumSlots; s > 0; {
		s--
		row := slotRow{Off: fmt.Sprintf("+%d", 8*int(s)), Name: s.String()}
		first, _ := variants[0].Frame()
		for _, v := range variants {
			defined, room := v.Frame()
			c := cell{"by the fix-up", "lazy"}
			switch {
			case defined.Has(s) && !first.Has(s):
				c = cell{content(s), "new"}
			case defined.Has(s):
				c = cell{content(s), ""}
			case !room.Has(s):
				c = cell{"no room", "soft"}
			case layout.SlotsCalleeSaved.Has(s):
				c = cell{"room", "soft"}
			}
			row.Cells = append(row.Cells, c)
		}
		rows = append(rows, row)
	}
	return rows
}

// shown are the functions of a variant that are shown side by side; the others
// are wrappers that are alike.
var shown = []string{"entry_SYSCALL_64", "stub_full_frame", "stub_rt_sigreturn", "__switch_to_asm", "__switch_to_resume"}

// codeOf builds the variants of the study's changes and explains them. A
// variant that the page has figures of, of other code than this entrylab's by
// its name and axes, has no listing: there is one for what was measured, or
// none.
func codeOf(p study.Page) (code, error) {
	c := code{Build: engine.Build()}
	// Counts of a whole call are an engine's, too.
	c.CallMeasured = slices.ContainsFunc(p.Engines(), func(e string) bool { return engine.Of(e).Unit == "" && engine.Of(e).Kind == engine.Exact })
	list, err := study.Variants()
	if err != nil {
		return c, err
	}
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
	for _, name := range inPicture {
		proof := explained[name].Proof
		c.Frames = append(c.Frames, pictured{name, proof.Outcome().String(), classOf(proof.Outcome())})
		variants = append(variants, named[name].Axes)
	}
	c.Slots = slots(variants)

	counted, err := count.Object(image.Object, list)
	if err != nil {
		return c, err
	}
	c.Notes = count.Notes(counted)
	for i, phase := range count.Phases {
		if phase.Name == "call" && c.CallMeasured {
			continue
		}
		c.Counts = append(c.Counts, countsOf(counted, i, phase))
	}

	for _, change := range study.Changes {
		from, to := change.Ends()
		if slices.ContainsFunc(c.Unlisted, func(u unlisted) bool { return u.Name == study.Title(from) || u.Name == study.Title(to) }) {
			continue
		}
		d := diff{Key: change.Key, Title: change.Title, From: study.Title(from), To: study.Title(to)}
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
		c.Diffs = append(c.Diffs, d)
	}
	return c, nil
}

// notListed are the variants of the page that this entrylab cannot list.
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
		list = append(list, unlisted{study.Title(v), why})
	}
	return list
}

// countsOf are the differences that each change makes in the code of a phase.
func countsOf(counted []count.Variant, i int, phase count.Phase) counts {
	c := counts{Title: phase.Title}
	for _, m := range count.Metrics {
		c.Head = append(c.Head, m.Unit)
	}
	find := func(name string) count.Counts {
		return counted[slices.IndexFunc(counted, func(v count.Variant) bool { return v.Name == name })].Counts[i]
	}
	for _, change := range study.Changes {
		from, to := change.Ends()
		r := row{Name: change.Key}
		for _, m := range count.Metrics {
			c := cell{"0", classes[analysis.Same]}
			switch d := m.Of(find(to)) - m.Of(find(from)); {
			case d < 0:
				c = cell{fmt.Sprint(d), classes[analysis.Cheaper]}
			case d > 0:
				c = cell{fmt.Sprintf("%+d", d), classes[analysis.Dearer]}
			}
			r.Cells = append(r.Cells, c)
		}
		c.Rows = append(c.Rows, r)
	}
	return c
}
