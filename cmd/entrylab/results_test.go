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
	const path, first = "../../docs/results.md", "icount: difference in instructions"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shown, printed := block(string(page), first), block(whole.page, first)
	if shown == "" || printed == "" {
		t.Fatalf("no line begins with %q: %s has\n%s\nit printed\n%s", first, path, shown, whole.page)
	}
	if *golden.Update {
		text := strings.Replace(string(page), shown, printed, 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(shown, "\n"), strings.Split(printed, "\n")); diff != "" {
		t.Errorf("%s shows other figures; `make golden` puts these there, its sentences are yours (-page +printed):\n%s", path, diff)
	}
}

// block is the part of text from the line that begins with first up to one that is
// empty.
func block(text, first string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case b.Len() == 0 && !strings.HasPrefix(line, first):
			continue
		case line == "\n":
			return b.String()
		}
		b.WriteString(line)
	}
	return b.String()
}
