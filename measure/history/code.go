package history

import (
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// DiffCode are the lines by which two listings differ, with some around them: each
// begins with "+" for what came, "-" for what went, a space for what stayed, and "@@"
// for a place.
func DiffCode(was, is string) []string {
	var lines []string
	for text := range strings.Lines(string(diff.Diff("", []byte(was), "", []byte(is)))) {
		if strings.HasPrefix(text, "diff ") || strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "+++ ") {
			continue // the names of two files
		}
		lines = append(lines, strings.TrimSuffix(text, "\n"))
	}
	return lines
}
