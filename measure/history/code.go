package history

import (
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// DiffCode returns the lines by which two listings differ, with some context: each
// begins with "+" if it was added, "-" if it was removed, a space if it stayed, and "@@"
// if it gives a place.
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
