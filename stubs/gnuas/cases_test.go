package gnuas

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/image"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// want is what must be said of a case. The name tells: a fault, as it was in the
// entry code of real kernels, begins with b, a sound stub with ok.
func want(name string) prove.Outcome {
	if strings.HasPrefix(name, "ok-") {
		return prove.Proved
	}
	return prove.Refuted
}

// TestCases judges stubs from the field: faults of other kernels' entries, and
// sound stubs by other ways than the presets'.
func TestCases(t *testing.T) {
	need.Tool(t, "as")
	paths, err := filepath.Glob("testdata/cases/*.S")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".S")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proof := proved(t, path)
			if got, want := proof.Outcome(), want(name); got != want {
				t.Errorf("it is %v, want %v\n%v", got, want, proof.Err())
			}
		})
	}
}

// proved is the proof of a file's variant, in a kernel of its own.
func proved(t *testing.T, path string) *prove.Proof {
	t.Helper()
	n, err := Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	image, err := image.Build(image.Config{Variants: []stubs.Named{n}})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := prove.Object(image.Object, n)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}
