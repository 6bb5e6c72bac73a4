package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entrylab/entrylab/boot/study"
	"github.com/entrylab/entrylab/gen"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// slotRow is a slot of the frame in the variants of the picture.
type slotRow struct {
	Off, Name string
	Cells     []slotCell
}

// slotCell is what fills a slot, and its class: same or new against the first
// variant, lazy, or none.
type slotCell struct{ Text, Class string }

// pictured are the variants of the picture of frames.
var pictured = []string{"linux-3.19", "linux-3.19+a", "linux-3.19+b", "linux-3.19+c", "heukelum-v2", "linux-4.1"}

// contents is what a defined slot holds.
var contents = map[layout.Slot]string{
	layout.SlotSS: "USER_DS", layout.SlotSP: "user RSP", layout.SlotFlags: "user RFLAGS", layout.SlotCS: "USER_CS",
	layout.SlotIP: "user RIP", layout.SlotOrigAX: "number", layout.SlotDI: "RDI", layout.SlotSI: "RSI", layout.SlotDX: "RDX",
	layout.SlotCX: "user RIP", layout.SlotAX: "-ENOSYS", layout.SlotR8: "R8", layout.SlotR9: "R9", layout.SlotR10: "R10",
	layout.SlotR11: "user RFLAGS",
}

// frames is the picture of the frame while the handler of an ordinary call
// runs, the top of the stack first.
func frames() (names []string, rows []slotRow) {
	type frame struct{ defined, room layout.Slots }
	var list []frame
	for _, name := range pictured {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			continue
		}
		var f frame
		f.defined, f.room = n.Variant.Frame()
		names, list = append(names, name), append(list, f)
	}
	for s := layout.NumSlots; s > 0; {
		s--
		row := slotRow{Off: fmt.Sprintf("+%d", 8*int(s)), Name: s.String()}
		for i, f := range list {
			cell := slotCell{"by the fix-up", "lazy"}
			switch {
			case f.defined.Has(s):
				cell = slotCell{contents[s], "same"}
				if cell.Text == "" {
					cell.Text = strings.ToUpper(s.String())
				}
				if i > 0 && !list[0].defined.Has(s) {
					cell.Class = "new"
				}
			case !f.room.Has(s):
				cell = slotCell{"no room", "none"}
			case layout.SlotsCalleeSaved.Has(s):
				cell = slotCell{"room", "none"}
			}
			row.Cells = append(row.Cells, cell)
		}
		rows = append(rows, row)
	}
	return names, rows
}

// diff is the listings of two variants as one text.
type diff struct {
	Key, Title, From, To string
	Funcs                []diffFunc
}

type diffFunc struct {
	Name  string
	Lines []diffLine
	// Added and Removed count instructions.
	Added, Removed int
}

// diffLine is a line of one of the two variants, or of both.
type diffLine struct {
	Mark  string // "+", "-" or " "
	Class string // add, del, label or empty
	Text  string
}

// code is what there is to show of the variants' code.
type code struct{ diffs []diff }

// shown are the functions of a variant that are compared.
var shown = []string{"entry_SYSCALL_64", "stub_full_frame", "stub_rt_sigreturn", "__switch_to_asm", "__switch_to_resume"}

func variants() (code, error) {
	list, err := study.Variants()
	if err != nil {
		return code{}, err
	}
	image, err := gen.Build(gen.Config{Variants: list})
	if err != nil {
		return code{}, err
	}
	listings := map[string]asm.Listing{}
	for _, l := range image.Object.Listings {
		listings[l.Name] = l
	}
	var c code
	for _, change := range study.Changes {
		from, to := change.Ends()
		d := diff{Key: change.Key, Title: change.Title, From: study.Title(from), To: study.Title(to)}
		for _, fn := range shown {
			f := diffFunc{Name: fn, Lines: compare(lines(listings[fn+"."+from], from), lines(listings[fn+"."+to], to))}
			for _, l := range f.Lines {
				switch l.Class {
				case "add":
					f.Added++
				case "del":
					f.Removed++
				}
			}
			if f.Added+f.Removed > 0 {
				d.Funcs = append(d.Funcs, f)
			}
		}
		c.diffs = append(c.diffs, d)
	}
	return c, nil
}

// lines are those of a listing, without what differs between variants by itself:
// offsets, bytes and the variant's name.
func lines(l asm.Listing, variant string) []string {
	var list []string
	for _, r := range l.Rows {
		if r.Label != "" {
			if r.Label != l.Name {
				list = append(list, strings.TrimSuffix(r.Label, "."+variant)+":")
			}
			continue
		}
		text := r.Text
		if before, _, ok := strings.Cut(text, " +0x"); ok { // a jump inside: the distance is no difference
			text = before
		}
		text = strings.ReplaceAll(text, "."+variant, "")
		remark := r.Claim
		if r.Comment != "" {
			remark = strings.TrimPrefix(remark+"; "+r.Comment, "; ")
		}
		line := "    " + text
		if remark != "" {
			line = fmt.Sprintf("%-44s // %s", line, remark)
		}
		list = append(list, line)
	}
	return list
}

// compare is the shortest way from a to b, by the longest common subsequence.
func compare(a, b []string) []diffLine {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []diffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			class := ""
			if strings.HasSuffix(a[i], ":") {
				class = "label"
			}
			out = append(out, diffLine{" ", class, a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, diffLine{"-", "del", a[i]})
			i++
		default:
			out = append(out, diffLine{"+", "add", b[j]})
			j++
		}
	}
	return out
}
