package wire

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestFrames: what frames hold comes back from them in any order, among frames of another
// text, and no frame is lost or changed without a word.
func TestFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	text := make([]byte, 5000)
	for i := range text {
		text[i] = byte(rng.IntN(60)) + ' '
	}
	frames, err := Frames(text, 200)
	if err != nil || len(frames) < 10 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for _, f := range frames {
		if len(f) > 200 || strings.Trim(f, base45) != "" {
			t.Errorf("the frame %q does not fit", f)
		}
	}
	other, err := Frames([]byte("another"), 64)
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(other, frames...)
	rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	texts, wrong := Unframe(append(mixed, mixed[0]))
	if len(texts) != 2 || len(wrong) > 0 || string(texts[0])+string(texts[1]) != string(text)+"another" && string(texts[0])+string(texts[1]) != "another"+string(text) {
		t.Errorf("%d texts come back, wrong: %q", len(texts), wrong)
	}
	changed := []byte(frames[2])
	changed[len(changed)-6] = base45[(strings.IndexByte(base45, changed[len(changed)-6])+1)%45]
	for name, damaged := range map[string][]string{
		"one is missing":  frames[1:],
		"one is changed":  append([]string{string(changed)}, append(frames[:2:2], frames[3:]...)...),
		"no frame":        {"ENTRYLAB:"},
		"number too high": {"ENTRYLAB:00000000:3/2:00"},
		"no digits":       {"ENTRYLAB:00000000:1/1:"},
		"other digits":    {"ENTRYLAB:00000000:1/1:abc"},
		"too many":        {"ENTRYLAB:00000000:1/100000000:00"},
	} {
		if texts, wrong := Unframe(damaged); len(texts) != 0 || len(wrong) != 1 {
			t.Errorf("%s: %d texts, wrong: %q", name, len(texts), wrong)
		}
	}
	if _, err := Frames(text, 20); err == nil {
		t.Error("frames of 20 characters are no error")
	}
}
