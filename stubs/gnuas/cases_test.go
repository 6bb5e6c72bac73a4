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

// known are the cases that the proof does not judge right yet, with what it says
// of them. Whoever teaches it takes them out.
var known = map[string]prove.Outcome{
	// Faults that it cannot follow: they are not proved, nor refuted.
	"b12-xmm-scratch": prove.Undecided, // it knows no XMM register
	"b13-fs-selector": prove.Undecided, // nor loads of a selector
	"b19-nt-popfq":    prove.Undecided, // nor a TF that the user may have set
	"b29-gs-selector": prove.Undecided,

	// Sound ways to look whether RIP is canonical.
	"ok-canon-bt-hi":      prove.Refuted,
	"ok-canon-bt-hi-half": prove.Refuted,
	"ok-canon-rol":        prove.Refuted,
	"ok-canon-rol-half":   prove.Refuted,
	// A slot that is written in two halves.
	"ok-halves": prove.Undecided,
	// Instructions that it does not know: PREFETCHW, RDTSC.
	"ok-movups":        prove.Undecided,
	"ok-rdgsbase-save": prove.Undecided,
}

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
	seen := map[string]bool{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".S")
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proof := proved(t, path)
			got, right := proof.Outcome(), want(name)
			today, wrong := known[name]
			if !wrong {
				today = right
			}
			if got != today {
				t.Errorf("it is %v, want %v\n%v", got, today, proof.Err())
			}
			if wrong && got == right {
				t.Errorf("that is right: take it out of known")
			}
		})
	}
	for name := range known {
		if !seen[name] {
			t.Errorf("%s is known, and is no case", name)
		}
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
