package prove

import (
	"testing"

	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/broken"
)

func TestPresets(t *testing.T) {
	for _, p := range stubs.Presets() {
		t.Run(p.Name, func(t *testing.T) {
			proof, err := Variant(p.Named)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(proof)
			for _, c := range proof.Failed() {
				t.Error(c)
			}
			for _, w := range proof.Unreached {
				t.Errorf("not reached: %v", w)
			}
		})
	}
}

func TestAll(t *testing.T) {
	n := 0
	for v := range stubs.All() {
		n++
		proof, err := Variant(stubs.Named{Name: v.Name(), Variant: v})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range proof.Failed() {
			t.Error(proof.Variant, c)
		}
		for _, w := range proof.Unreached {
			t.Errorf("not reached: %v", w)
		}
	}
	t.Log(n)
}

func TestBroken(t *testing.T) {
	for _, b := range broken.Variants() {
		t.Run(b.Name, func(t *testing.T) {
			proof, err := Variant(b.Named)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(proof)
			for _, c := range proof.Failed() {
				t.Log(c)
			}
		})
	}
}
