package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/internal/broken"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/gnuas"
)

// explained builds a kernel of presets and explains them.
func explained(t *testing.T, names ...string) []*Variant {
	t.Helper()
	var list []stubs.Variant
	for _, name := range names {
		n, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return explainedAll(t, list)
}

func explainedAll(t *testing.T, list []stubs.Variant) []*Variant {
	t.Helper()
	image, err := image.Build(image.Config{Variants: list})
	if err != nil {
		t.Fatal(err)
	}
	var out []*Variant
	for _, n := range list {
		v, err := Object(image.Object, n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestMarks compares what is said about each instruction of the entries and exits. The
// files leave out offsets and bytes, which depend on where the rest of the kernel is.
func TestMarks(t *testing.T) {
	for _, v := range explained(t, "linux-3.19", "heukelum-v2", "linux-4.1", "linux-6.12") {
		var b strings.Builder
		for _, f := range v.Funcs {
			fmt.Fprintf(&b, "%s:\n", f.Name)
			for _, r := range f.Rows {
				switch {
				case r.Label == f.Listing.Name:
				case r.Label != "":
					fmt.Fprintf(&b, "%s:\n", r.Label)
				default:
					fmt.Fprintf(&b, "\t%-44v %s\n", r.Ins, strings.TrimSpace("// "+r.remark()))
				}
			}
		}
		golden.Same(t, "testdata/"+v.Name+".marks", strings.ReplaceAll(b.String(), " //\n", "\n"))
	}
}

func TestDiffText(t *testing.T) {
	v := explained(t, "linux-3.19", "linux-3.19+a", "heukelum-v2", "linux-4.1")
	golden.Same(t, "testdata/linux-3.19-to-a.diff", Text(v[0], v[1]))
	golden.Same(t, "testdata/heukelum-v2-to-4.1.diff", Text(v[2], v[3]))
}

// TestDiff: every line of both variants is there, in order; lines that are said to be
// the same are; a variant does not differ from itself, nor from one with another
// name and the same code.
func TestDiff(t *testing.T) {
	twin := stubs.Variant{Name: "twin"}
	list := []stubs.Variant{twin}
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	all := explainedAll(t, list)
	for _, left := range all {
		for _, right := range all {
			added, removed := 0, 0
			for _, d := range Diff(left, right) {
				added, removed = added+d.Added(), removed+d.Removed()
				var l, r []*Row
				for _, p := range d.Pairs {
					if p.Left != nil {
						l = append(l, p.Left)
					}
					if p.Right != nil {
						r = append(r, p.Right)
					}
					if p.Same && p.Left.Plain != p.Right.Plain {
						t.Errorf("%s to %s: %q is said to be %q", left.Name, right.Name, p.Left.Ins, p.Right.Ins)
					}
				}
				if got, want := sides(l), sides(d.Left.lines()); got != want {
					t.Errorf("%s to %s: %s: the left side is\n%s\nwant\n%s", left.Name, right.Name, d.Name, got, want)
				}
				if got, want := sides(r), sides(d.Right.lines()); got != want {
					t.Errorf("%s to %s: %s: the right side is\n%s\nwant\n%s", left.Name, right.Name, d.Name, got, want)
				}
			}
			same := left == right || left.Name+right.Name == "twinlinux-3.19" || left.Name+right.Name == "linux-3.19twin"
			if same != (added+removed == 0) {
				t.Errorf("%s to %s: %d instructions added, %d removed", left.Name, right.Name, added, removed)
			}
		}
	}
}

func sides(rows []*Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintln(&b, r.Plain)
	}
	return b.String()
}

// TestBroken: the marks describe the code as it is, not as it should be; and a
// variant that is not proved says so.
func TestBroken(t *testing.T) {
	for _, b := range broken.Variants() {
		if b.Name != "orig-ax-slot-wrong" {
			continue
		}
		text := explainedAll(t, []stubs.Variant{b.Variant})[0].String()
		for _, want := range []string{"// orig-ax-slot-wrong (on heukelum-v2): refuted: ", "MOVQ    RDX, PtRegs.OrigAX(RSP)               // orig_ax = user.RDX"} {
			if !strings.Contains(text, want) {
				t.Errorf("the listing has no %q:\n%s", want, text)
			}
		}
		return
	}
	t.Error("no variant orig-ax-slot-wrong")
}

// TestGNU: code that GNU as has assembled is explained like our own, and is the same as
// our own where bytes and meaning are the same, whatever its source looks like.
func TestGNU(t *testing.T) {
	need.Tool(t, "as")
	fence, err := gnuas.Load(t.Context(), "../../examples/fence.S") // linux-4.1 with an LFENCE
	if err != nil {
		t.Fatal(err)
	}
	v41, err := stubs.ParseVariant("linux-4.1")
	if err != nil {
		t.Fatal(err)
	}
	all := explainedAll(t, []stubs.Variant{v41, fence})
	for _, d := range Diff(all[0], all[1]) {
		if d.Name != "entry_SYSCALL_64" {
			continue
		}
		for i, p := range d.Pairs {
			if i == 1 && (p.Left != nil || !p.Right.Ins.Equal(asm.LFENCE())) {
				t.Errorf("the second line is %+v, want the LFENCE of the right alone", p)
			}
		}
		// Each jumps to a slow path of its own.
		if d.Added() != 1+1 || d.Removed() != 1 {
			t.Errorf("%d instructions added, %d removed, want the LFENCE and the jump:\n%s", d.Added(), d.Removed(), Text(all[0], all[1]))
		}
		for _, r := range d.Right.Rows {
			if r.Ins.Equal(asm.PUSHQ(asm.R11)) && r.Mark() != "flags = user.RFLAGS" && r.Mark() != "r11 = user.RFLAGS" {
				t.Errorf("%v is explained as %q", r.Ins, r.Mark())
			}
		}
		return
	}
	t.Error("no entry")
}
