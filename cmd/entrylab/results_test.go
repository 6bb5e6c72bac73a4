package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/golden"
	"github.com/entrylab/entrylab/internal/need"
)

// TestResultsPage: the counts that docs/results.md shows are those that a study prints
// now. They do not depend on the host, nor on QEMU's version.
func TestResultsPage(t *testing.T) {
	need.QEMU(t)
	whole, err := wholeStudy()
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../docs/results.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, first := range []string{"icount: difference in instructions", "static: difference in counts"} {
		shown, printed := block(text, first), block(whole.page, first)
		if shown == "" || printed == "" {
			t.Fatalf("no line begins with %q: %s has\n%s\nit printed\n%s", first, path, shown, whole.page)
		}
		if *golden.Update {
			text = strings.Replace(text, shown, printed, 1)
			continue
		}
		if diff := cmp.Diff(strings.Split(shown, "\n"), strings.Split(printed, "\n")); diff != "" {
			t.Errorf("%s shows other figures; `make golden` puts these there, its sentences are yours (-page +printed):\n%s", path, diff)
		}
	}
	if *golden.Update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// block returns the part of text from the line that begins with first up to one that is
// empty or ends a page's example.
func block(text, first string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case b.Len() == 0 && !strings.HasPrefix(line, first):
			continue
		case line == "\n", strings.HasPrefix(line, "```"):
			return b.String()
		}
		b.WriteString(line)
	}
	return b.String()
}
