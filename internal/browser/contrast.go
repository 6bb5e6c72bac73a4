package browser

import (
	"fmt"
	"math"
)

// linear returns the amounts of red, green and blue light of a colour such as #1d2227, from
// 0 to 1; NaN if it is not a colour.
func linear(color string) [3]float64 {
	var bytes [3]uint8
	if _, err := fmt.Sscanf(color, "#%02x%02x%02x", &bytes[0], &bytes[1], &bytes[2]); err != nil {
		return [3]float64{math.NaN(), math.NaN(), math.NaN()}
	}
	var rgb [3]float64
	for i, b := range bytes {
		if rgb[i] = float64(b) / 255; rgb[i] <= 0.04045 {
			rgb[i] /= 12.92
		} else {
			rgb[i] = math.Pow((rgb[i]+0.055)/1.055, 2.4)
		}
	}
	return rgb
}

// luminance returns how bright a colour is.
func luminance(rgb [3]float64) float64 { return 0.2126*rgb[0] + 0.7152*rgb[1] + 0.0722*rgb[2] }

// Contrast returns the contrast ratio of two colours such as #1d2227, from 1 to 21 (WCAG
// 2.1); NaN if one is not a colour.
func Contrast(a, b string) float64 {
	x, y := luminance(linear(a)), luminance(linear(b))
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// matrix is a linear map of colours.
type matrix [3][3]float64

func (m matrix) times(v [3]float64) (w [3]float64) {
	for i, row := range m {
		for j, x := range row {
			w[i] += x * v[j]
		}
	}
	return w
}

// eyes holds what people see: those who see all colours, and those who lack the cones for
// red, green or blue (Machado, Oliveira, Fernandes, IEEE TVCG 15, 2009, severity 1).
var eyes = []matrix{
	{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	{{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	{{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	{{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// Apart returns how different two colours are for those who see the least difference, as a
// distance in CIELAB, where 2 is just visible; NaN if one is not a colour.
func Apart(a, b string) float64 {
	least := math.Inf(1)
	for _, eye := range eyes {
		x, y := lab(eye.times(linear(a))), lab(eye.times(linear(b)))
		least = min(least, math.Hypot(math.Hypot(x[0]-y[0], x[1]-y[1]), x[2]-y[2]))
	}
	return least
}

// lab returns a colour in CIELAB, with the white of sRGB.
func lab(rgb [3]float64) [3]float64 {
	toXYZ := matrix{{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}}
	xyz, white := toXYZ.times(rgb), [3]float64{0.9505, 1, 1.089}
	var f [3]float64
	for i := range xyz {
		if t := max(xyz[i], 0) / white[i]; t > 216.0/24389 {
			f[i] = math.Cbrt(t)
		} else {
			f[i] = (24389.0/27*t + 16) / 116
		}
	}
	return [3]float64{116*f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])}
}
