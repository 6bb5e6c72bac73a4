package picture

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/internal/browser"
	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/stubs"
)

// variants returns the variants of the README's picture.
func variants(t *testing.T) []stubs.Variant {
	t.Helper()
	var list []stubs.Variant
	for _, name := range []string{"linux-3.19", "heukelum-v2"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

// TestPictures: the pictures in docs are those that are drawn now, and can be read.
func TestPictures(t *testing.T) {
	for _, tt := range []struct {
		path  string
		drawn []byte
	}{
		{"../../docs/frames.svg", Frames(variants(t))},
		{"../../docs/flow.svg", Flow()},
	} {
		golden.Same(t, tt.path, string(tt.drawn))
		for _, problem := range illegible(string(tt.drawn)) {
			t.Errorf("%s: %s", tt.path, problem)
		}
	}
}

// illegible looks for what is no XML, for text that reaches out of the picture or out of
// the box that it begins in, and for colours that are too near to each other.
func illegible(svg string) (problems []string) {
	type element struct {
		Class  string `xml:"class,attr"`
		X      int    `xml:"x,attr"`
		Y      int    `xml:"y,attr"`
		Width  int    `xml:"width,attr"`
		Height int    `xml:"height,attr"`
		Anchor string `xml:"text-anchor,attr"`
		Text   string `xml:",chardata"`
	}
	var boxes []element
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return append(problems, err.Error())
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "rect" && start.Name.Local != "text" {
			continue
		}
		var e element
		if err := d.DecodeElement(&e, &start); err != nil {
			return append(problems, err.Error())
		}
		if start.Name.Local == "rect" {
			boxes = append(boxes, e)
			continue
		}
		width := charWidth * utf8.RuneCountInString(e.Text)
		left := e.X - map[string]int{"start": 0, "middle": width / 2, "end": width}[e.Anchor]
		for _, b := range boxes {
			inside := e.X >= b.X && e.X <= b.X+b.Width && e.Y >= b.Y && e.Y <= b.Y+b.Height
			if inside && b.Class != "lazy" && b.Class != "stripe" && (left < b.X || left+width > b.X+b.Width || e.Y > b.Y+b.Height) {
				problems = append(problems, fmt.Sprintf("%q reaches out of its box", e.Text))
			}
		}
	}
	for i, scheme := range strings.SplitAfterN(svg, ":root {", 3)[1:] {
		colors := map[string]string{}
		for _, m := range regexp.MustCompile(`--(\w+): (#[0-9a-f]{6})`).FindAllStringSubmatch(scheme, -1) {
			if colors[m[1]] == "" {
				colors[m[1]] = m[2]
			}
		}
		for _, pair := range [][2]string{{"ink", "page"}, {"soft", "page"}, {"ink", "fill"}, {"newink", "new"}, {"lazyink", "lazy"}, {"lazyink", "stripe"}} {
			if c := browser.Contrast(colors[pair[0]], colors[pair[1]]); !(c >= 4.5) {
				problems = append(problems, fmt.Sprintf("%s: --%s on --%s has a contrast of %.2f", []string{"light", "dark"}[i], pair[0], pair[1], c))
			}
		}
	}
	return problems
}

// TestIllegible: what cannot be read is found.
func TestIllegible(t *testing.T) {
	good := string(Frames(variants(t)))
	for _, tt := range []struct{ name, from, to, want string }{
		{"too long", ">user RIP<", ">" + strings.Repeat("x", 40) + "<", "reaches out of its box"},
		{"pale", "--soft: #58626c", "--soft: #a0a0a0", "light: --soft on --page"},
		{"pale in the dark", "--lazyink: #f0e2b4", "--lazyink: #554400", "dark: --lazyink on --lazy"},
		{"no XML", "</svg>", "", "XML"},
	} {
		if got := strings.Join(illegible(strings.Replace(good, tt.from, tt.to, 1)), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: found %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSlot(t *testing.T) {
	for _, tt := range []struct {
		variant string
		slot    layout.Slot
		text    string
		state   State
	}{
		{"linux-3.19", layout.SlotSP, "by the fix-up", ByFixUp},
		{"heukelum-v2", layout.SlotSP, "user RSP", AtEntry},
		{"linux-3.19", layout.SlotDI, "RDI", AtEntry},
		{"linux-3.19", layout.SlotR8, "R8", AtEntry},
		{"linux-3.19", layout.SlotR15, "no room", NoRoom},
		{"linux-4.1", layout.SlotR15, "room", Room},
		{"linux-6.12", layout.SlotR15, "R15", AtEntry},
	} {
		v, err := stubs.ParseVariant(tt.variant)
		if err != nil {
			t.Fatal(err)
		}
		if text, state := Slot(v.Axes, tt.slot); text != tt.text || state != tt.state {
			t.Errorf("%s of %s: %q (%d), want %q (%d)", tt.slot, tt.variant, text, state, tt.text, tt.state)
		}
	}
}
