package chart_test

import (
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/measure/chart"
)

// A plot of what three nights measured, as a part of a page.
func ExamplePlot() {
	p := chart.New()
	p.X.Label, p.Y.Label = "night", "cycles"
	nights := chart.Line{Color: chart.Palette[0], Width: 1.5, Legend: "null call"}
	for night, cycles := range []float64{150.2, 150.1, 152.3} {
		nights.Points = append(nights.Points, chart.XY{X: float64(night + 1), Y: cycles})
	}
	p.Line(nights)
	p.Mark(chart.Mark{At: nights.Points[2], Radius: 3, Color: chart.Palette[1]})
	svg := string(p.SVG("a null call became dearer in the third night", 120))
	start, _, _ := strings.Cut(svg, " viewBox")
	fmt.Println(start)
	// Output:
	// <svg role="img" aria-label="a null call became dearer in the third night"
}
