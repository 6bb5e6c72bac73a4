package main

import (
	"strings"
	"testing"
)

// TestSweepBadInput: what a sweep cannot do is one sentence; an engine that counts says
// that it cannot see a place.
func TestSweepBadInput(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "got 0 subjects"},
		{"two", []string{"linux-3.19", "linux-4.1"}, "got 2 subjects"},
		{"an engine that counts", []string{"-engine", "icount", "linux-4.1"}, "-engine icount: it counts, and a count is the same wherever the code lies: want kvm or replay"},
		{"no such engine", []string{"-engine", "reply", "linux-4.1"}, "did you mean replay?"},
		{"no such step", []string{"-step", "12", "linux-4.1"}, "a step of 12 bytes: want one of 1, 2, 4, 8, 16 or 32"},
		{"no such variant", []string{"linux-4.11"}, "no such preset"},
		{"a place already", []string{"linux-4.1@16"}, "linux-4.1@16 has a place already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := played(t, append([]string{"sweep"}, tt.args...)...)
			if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want one line with %q", status, stdout, stderr, tt.want)
			}
		})
	}
}
