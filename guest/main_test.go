package main

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/guest/report"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		name  string
		words string
		want  options
		err   string
	}{
		{"nothing", "", options{true, true, "all", 1, false, false, defaultSamples}, ""},
		{"verify", "verify", options{true, false, "all", 1, false, false, defaultSamples}, ""},
		{"measure", "measure", options{false, true, "all", 1, false, false, defaultSamples}, ""},
		{"trace", "trace", options{false, false, "all", 1, false, true, defaultSamples}, ""},
		{"sample", "sample -samples=10", options{false, false, "all", 1, true, false, 10}, ""},
		{"no samples", "sample -samples=0", options{}, "want at least 1"},
		{"any order", "-seed=7 measure -variants=A,B verify", options{true, true, "A,B", 7, false, false, defaultSamples}, ""},
		{"unknown word", "verify quick", options{}, `"quick" is none of verify, measure, sample and trace`},
		{"unknown flag", "-fast", options{}, "-fast"},
		{"bad seed", "-seed=x", options{}, "seed"},
	} {
		got, err := parse(strings.Fields(row.words))
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) {
				t.Errorf("%s: got error %v, want %q in it", row.name, err, row.err)
			}
			continue
		}
		if err != nil || got != row.want {
			t.Errorf("%s: got %+v and %v, want %+v", row.name, got, err, row.want)
		}
	}
}

// TestHarnessErrors: what keeps init from its job is an ERROR, and its status.
func TestHarnessErrors(t *testing.T) {
	for _, words := range []string{"-variants=nobody", "bogus"} {
		var b strings.Builder
		status, linux := run(strings.Fields(words), &b)
		if status != report.ExitError || !linux || !strings.HasPrefix(b.String(), "ERROR: init (") {
			t.Errorf("%s: status %d, Linux %v, output %q; want an ERROR line and status %d", words, status, linux, b.String(), report.ExitError)
		}
	}
}
