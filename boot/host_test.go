package boot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
)

// TestRunHost plays guests: what they say counts only if their end goes with it.
func TestRunHost(t *testing.T) {
	const pass, fail = "echo PASS: linux: a: b;", "echo 'FAIL: linux: a: c (R10 is 0x0, want 0x1)';"
	for _, tt := range []struct {
		name, script string
		fails        int
		want         string // in the error; empty: none
	}{
		{"all pass", pass + "echo SUMMARY: 1 tests, 0 unexpected failures, 0 skipped", 0, ""},
		{"a difference", pass + fail + "echo SUMMARY: 2 tests, 1 unexpected failures, 0 skipped; exit 1", 1, ""},
		{"a difference that is no failure", fail + "echo SUMMARY: 1 tests, 1 unexpected failures, 0 skipped", 0, "its lines have 1 failures"},
		{"no summary", pass, 0, "before its summary; the guest's last lines: PASS: linux: a: b"},
		{"killed", pass + "kill -SEGV $$", 0, "the guest was killed by signal 11"},
		{"without an end", "while :; do " + pass + " done", 0, "the output is too long"},
		{"not a guest", "echo hello; exit 3", 0, "exited with status 3 before its summary"},
		{"in an environment of nothing", `[ -z "$ENGINE" ] && ` + pass + "echo SUMMARY: 1 tests, 0 unexpected failures, 0 skipped", 0, ""},
	} {
		t.Setenv("ENGINE", "bochs")
		path := filepath.Join(t.TempDir(), "guest")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, res, err := RunHost(t.Context(), path, wire.Command{Verify: true})
		if tt.want != "" {
			if !errors.Is(err, ErrNoVerdict) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil || res.Count("", wire.Fail) != tt.fails {
			t.Errorf("%s: %v, %v; want %d differences", tt.name, res, err, tt.fails)
		}
	}
}
