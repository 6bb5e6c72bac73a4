package cycles

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rsc.io/qr/coding"

	"github.com/entrylab/entrylab/gen/wire"
)

// photo returns a picture of a QR code with a white edge, four pixels a module.
func photo(t *testing.T, text string) []byte {
	t.Helper()
	plan, err := coding.NewPlan(25, coding.L, 0)
	if err != nil {
		t.Fatal(err)
	}
	code, err := plan.Encode(coding.Alpha(text))
	if err != nil {
		t.Fatal(err)
	}
	const edge, scale = 4, 4
	size := (code.Size + 2*edge) * scale
	img := image.NewGray(image.Rect(0, 0, size, size))
	for i := range size * size {
		x, y := i%size, i/size
		if !code.Black(x/scale-edge, y/scale-edge) {
			img.Set(x, y, color.White)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestParseFiles: photos of QR codes and their text are as good as the console; a picture
// without one is an error, and a code that is missing is named.
func TestParseFiles(t *testing.T) {
	console := wire.Sampling{Boot: 1, Code: "c"}.String() + "\n"
	chain := wire.Series{Label: wire.LabelCalibration, Op: wire.OpChain, Counter: wire.CounterTSC, N: 500, Samples: 9}
	for i := range chain.Quantiles {
		chain.Quantiles[i] = uint64(16000 + 100*i + i*i*7919%97)
	}
	console += chain.String() + "\n" + wire.SamplingEnd{Boot: 1, Lines: 1}.String() + "\n"
	frames, err := wire.Frames([]byte(console), 100)
	if err != nil || len(frames) < 2 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("1.png", photo(t, frames[0]))
	text := write("text", []byte(strings.Join(frames[1:], "\n")))
	for _, tt := range []struct {
		name    string
		paths   []string
		boots   int
		damaged string
		err     string
	}{
		{name: "console", paths: []string{write("console", []byte(console))}, boots: 1},
		{name: "a photo and text", paths: []string{first, text}, boots: 1},
		{name: "the text alone", paths: []string{text}, damaged: "QR code 1 of"},
		{name: "a picture of nothing", paths: []string{write("2.png", photo(t, "")[:500])}, err: "the picture cannot be read"},
	} {
		boots, damaged, err := ParseFiles(t.Context(), tt.paths)
		if len(boots) != tt.boots || !strings.Contains(strings.Join(damaged, "; "), tt.damaged) || (len(damaged) > 0) != (tt.damaged != "") ||
			(err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %d boots, damaged %q, %v", tt.name, len(boots), damaged, err)
		}
	}
}
