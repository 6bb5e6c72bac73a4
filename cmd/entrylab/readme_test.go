package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/need"
)

// TestReadme: the counts that the README and docs/results.md show are those that
// are printed now.
// They do not depend on the host, nor on QEMU's version.
func TestReadme(t *testing.T) {
	need.QEMU(t)
	for _, tt := range []struct {
		name        string
		print       func() (string, error)
		page        string // that shows it
		first, last string // lines of the block begin so; the last is not in it
	}{
		{"make run", func() (string, error) {
			status, stdout, stderr := played(t, "compare", "-engine", "icount", "linux-3.19", "heukelum-v2")
			if status != 0 {
				return "", errors.New(stderr)
			}
			return stdout, nil
		}, "README.md", "instructions per operation", "This was measured"},
		{"make study", func() (string, error) {
			whole, err := wholeStudy()
			return whole.page, err
		}, "docs/results.md", "icount: difference in instructions", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, err := tt.print()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("../..", tt.page)
			page, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			shown, printed := block(string(page), "\t", tt.first, tt.last), block(stdout, "", tt.first, tt.last)
			if shown == "\n" || printed == "\n" {
				t.Fatalf("no line begins with %q: %s has\n%s\nit printed\n%s", tt.first, tt.page, shown, stdout)
			}
			if *update {
				text := strings.Replace(string(page), indented(shown), indented(printed), 1)
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(shown, "\n"), strings.Split(printed, "\n")); diff != "" {
				t.Errorf("%s shows other figures; `make golden` puts these there, its sentences are yours (-page +printed):\n%s", tt.page, diff)
			}
		})
	}
}

// indented is a block as a page has it.
func indented(block string) string {
	var b strings.Builder
	for line := range strings.Lines(block) {
		if line != "\n" {
			b.WriteString("\t")
		}
		b.WriteString(line)
	}
	return b.String()
}

// block is the part of text from the line that begins with first, behind
// indent, up to the one that begins with last or, if last is empty, that is
// empty. The indent is taken away, and so are empty lines at the end.
func block(text, indent, first, last string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(line, indent)
		switch {
		case b.Len() == 0 && !strings.HasPrefix(line, first):
			continue
		case last == "" && line == "\n", last != "" && strings.HasPrefix(line, last):
			return strings.TrimRight(b.String(), "\n") + "\n"
		}
		b.WriteString(line)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
