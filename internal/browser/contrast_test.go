package browser

import (
	"math"
	"testing"
)

func TestContrast(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want float64
	}{{"#000000", "#ffffff", 21}, {"#ffffff", "#000000", 21}, {"#777777", "#777777", 1}, {"#767676", "#ffffff", 4.54}, {"", "#ffffff", math.NaN()}} {
		if got := Contrast(tt.a, tt.b); math.Abs(got-tt.want) > 0.01 || math.IsNaN(got) != math.IsNaN(tt.want) {
			t.Errorf("%s on %s: %.2f, want %g", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestApart(t *testing.T) {
	for _, tt := range []struct {
		name, a, b  string
		least, most float64
	}{
		{"black and white", "#000000", "#ffffff", 99, 101},
		{"one colour", "#1f66c1", "#1f66c1", 0, 0},
		{"red and green of one brightness", "#c03030", "#6a7a00", 0, 25},
		{"blue and orange", "#005a9c", "#a8430a", 40, 200},
	} {
		if got := Apart(tt.a, tt.b); got < tt.least || got > tt.most {
			t.Errorf("%s: %.1f, want %g to %g", tt.name, got, tt.least, tt.most)
		}
	}
	if got := Apart("#000000", "x"); !math.IsNaN(got) {
		t.Errorf("no colour: %g", got)
	}
}
