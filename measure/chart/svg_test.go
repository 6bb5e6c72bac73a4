package chart

import (
	"encoding/xml"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// example has everything that a plot can have.
func example() *Plot {
	p := New()
	p.X.Label, p.Y.Label = "difference <in cycles>", "share"
	p.Line(Line{Points: []XY{{-5, 0.2}, {1, 0.2}, {1, 0.9}, {9, 0.9}}, Color: Palette[0], Width: 2, Dashes: []float64{7, 3}, Legend: "a & b"})
	p.Band(1, 2)
	p.Mark(Mark{At: XY{0.5, 0.5}, Radius: 3, Color: Palette[1]})
	p.Mark(Mark{At: XY{0.5, 0.7}, Radius: 3, Color: Palette[3], Ring: true})
	p.Mark(Mark{At: XY{99, 0.5}, Radius: 3, Color: Palette[4]})
	p.Bars([]float64{1, 2}, []float64{1, 1}, 0, 5, Palette[2], "bar")
	p.Text(XY{2, 0}, "+0.5 ±0.1")
	p.Names("first", "second")
	p.X.Min, p.X.Max = 0, 4
	return p
}

// numbers returns the numbers of an attribute in a picture.
func numbers(t *testing.T, svg, attribute string) (list []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(` `+attribute+`="(-?[0-9.]+)"`).FindAllStringSubmatch(svg, -1) {
		x, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x)
	}
	return list
}

// TestSVG: the picture is XML, says what was added, in the page's colours, and keeps
// within its frame.
func TestSVG(t *testing.T) {
	const height = 120
	svg := string(example().SVG(`what "it" costs`, height))
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Errorf("%v\n%s", err, svg)
	}
	for _, want := range []string{
		`aria-label="what &#34;it&#34; costs"`, "difference &lt;in cycles&gt;", "a &amp; b", ">first<", ">second<", "+0.5 ±0.1",
		`stroke-dasharray="7 3"`, `stroke="var(--c1)"`, `fill="var(--c2)" stroke="none"`, `fill="none" stroke="var(--c4)"`, `fill="url(#hatch3)"`, `fill="var(--shade)"`, `fill="var(--ink)"`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture has no %s:\n%s", want, svg)
		}
	}
	for attribute, most := range map[string]float64{"x": Width, "cx": Width, "y": height, "cy": height} {
		for _, x := range numbers(t, svg, attribute) {
			if x < 0 || x > most {
				t.Errorf("%s=%g is out of the picture (0 to %g)", attribute, x, most)
			}
		}
	}
	if strings.Contains(svg, "var(--c5)\" stroke") {
		t.Errorf("a mark beyond the axis is drawn:\n%s", svg)
	}
	// The line is cut at both ends of the horizontal axis.
	path := regexp.MustCompile(`d="(M[^"]*)" fill="none"`).FindStringSubmatch(svg)
	if path == nil || strings.Count(path[1], "L") != 3 {
		t.Errorf("the line is %q, want three parts", path)
	}
}

// TestEmpty: a plot of nothing, of one point, or of one value has no number that is none.
func TestEmpty(t *testing.T) {
	point := New()
	point.Mark(Mark{At: XY{3, 3}, Radius: 1, Color: Ink})
	flat := New()
	flat.Line(Line{Points: []XY{{0, 7}, {1, 7}}, Color: Ink, Width: 1})
	for _, p := range []*Plot{New(), point, flat} {
		if svg := string(p.SVG("x", 100)); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("the picture is\n%s", svg)
		}
	}
}

func TestRound(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		want      []string
	}{
		{0, 62, []string{"0", "10", "20", "30", "40", "50", "60"}},
		{-1.2, 5.9, []string{"−1", "0", "1", "2", "3", "4", "5"}},
		{0, 1, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{1000, 1004, []string{"1000", "1001", "1002", "1003", "1004"}},
	} {
		var got []string
		for _, tick := range round(tt.low, tt.high) {
			if tick.Value < tt.low-1e-9 || tick.Value > tt.high+1e-9 {
				t.Errorf("%g to %g: tick at %g", tt.low, tt.high, tick.Value)
			}
			got = append(got, tick.Label)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%g to %g: %q, want %q", tt.low, tt.high, got, tt.want)
		}
	}
}

// TestClipped: of a line stays what is within the axes.
func TestClipped(t *testing.T) {
	d := &picture{x: Axis{Min: 0, Max: 10}, y: Axis{Min: 0, Max: 10}}
	for _, tt := range []struct {
		name     string
		a, b     XY
		from, to XY
		within   bool
	}{
		{"within", XY{1, 1}, XY{9, 9}, XY{1, 1}, XY{9, 9}, true},
		{"from the left", XY{-5, 5}, XY{5, 5}, XY{0, 5}, XY{5, 5}, true},
		{"through", XY{-5, -5}, XY{15, 15}, XY{0, 0}, XY{10, 10}, true},
		{"above", XY{0, 11}, XY{10, 11}, XY{}, XY{}, false},
		{"past a corner", XY{-1, 9.5}, XY{1, 11.5}, XY{}, XY{}, false},
		{"a point", XY{3, 3}, XY{3, 3}, XY{3, 3}, XY{3, 3}, true},
	} {
		from, to, ok := d.clipped(tt.a, tt.b)
		near := func(a, b XY) bool { return math.Abs(a.X-b.X)+math.Abs(a.Y-b.Y) < 1e-9 }
		if ok != tt.within || ok && (!near(from, tt.from) || !near(to, tt.to)) {
			t.Errorf("%s: %v to %v, %v", tt.name, from, to, ok)
		}
	}
}
