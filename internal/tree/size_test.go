package tree

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxLines is how long a file is at most: one topic, read in one go.
const maxLines = 500

// longer are the files that have more, each with the reason.
var longer = map[string]string{
	"boot/vm/run_test.go":      "every way in which a machine ends, around one fake QEMU",
	"gen/asm/mnemonics.go":     "a function for each mnemonic, all alike",
	"gen/asm/encoding_test.go": "what GNU as makes of each mnemonic is generated and compared here",
}

func TestFileSizes(t *testing.T) {
	found := tooLong(t, os.DirFS("../.."))
	for _, name := range found {
		if longer[name] == "" {
			t.Errorf("%s has more than %d lines: split it by topic, or give the reason in longer", name, maxLines)
		}
	}
	for name := range longer {
		if !slices.Contains(found, name) {
			t.Errorf("%s has at most %d lines, and needs no reason in longer", name, maxLines)
		}
	}
}

func TestFileSizesFinds(t *testing.T) {
	dir := t.TempDir()
	for name, lines := range map[string]int{"long.go": maxLines + 1, "short.go": maxLines, "long.md": maxLines + 1} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("\n", lines)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := tooLong(t, os.DirFS(dir)); !slices.Equal(got, []string{"long.go"}) {
		t.Errorf("found %v, want long.go", got)
	}
}

// tooLong lists the Go files with more than maxLines lines.
func tooLong(t *testing.T, root fs.FS) (names []string) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		if bytes.Count(text, []byte("\n")) > maxLines {
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
