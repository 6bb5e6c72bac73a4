package vm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFRED(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"with": "\x00eretu\x00", "without": "\x00iretq\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := fredIn(t.Context(), filepath.Join(dir, "with")); err != nil {
		t.Error(err)
	}
	if err := fredIn(t.Context(), filepath.Join(dir, "without")); !errors.Is(err, ErrNoFRED) {
		t.Errorf("without: %v", err)
	}
	if err := fredIn(t.Context(), filepath.Join(dir, "missing")); err == nil || errors.Is(err, ErrNoFRED) {
		t.Errorf("missing: %v", err)
	}
	t.Setenv("PATH", dir)
	if err := BochsFRED(t.Context()); !errors.Is(err, ErrNoBochs) {
		t.Errorf("without Bochs: %v", err)
	}
}
