package engine

import (
	"os"
	"strings"
	"testing"
)

// TestEnginesPage: docs/engines.md has a row for each engine that measures, and for no
// other.
func TestEnginesPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/engines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "|---|---|---|\n")
	text, _, _ = strings.Cut(text, "\n\n")
	rows := map[string]bool{}
	for line := range strings.Lines(text) {
		rows[strings.Trim(strings.Split(line, "|")[1], " `")] = true
	}
	for _, e := range All() {
		if e.Choose == nil && e.Verify == nil && !rows[e.Name] {
			t.Errorf("the page has no row for %s", e.Name)
		}
		delete(rows, e.Name)
	}
	for name := range rows {
		t.Errorf("the page has a row for %q, which is no engine", name)
	}
}
