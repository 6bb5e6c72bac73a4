package browser

import (
	"strings"
	"testing"
)

// TestProblems: what is wrong with a page is found.
func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, part, want string }{
		{"too wide", `<p style="width:700px">wide</p>`, "the page is 7"},
		{"an error", `<script>missing()</script>`, "missing is not defined"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := Problems(t, `<!DOCTYPE html><body style="margin:0">`+tt.part, Widths[0])
			if !strings.Contains(strings.Join(problems, "\n"), tt.want) {
				t.Errorf("problems are %q, want one with %q", problems, tt.want)
			}
		})
	}
}
