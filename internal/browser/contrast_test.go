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
