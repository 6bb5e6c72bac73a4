package solver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// script has two questions, of which the first has a model.
const script = `(push 1)
(declare-const x (_ BitVec 64))
(assert (bvult x #x0000000000000002))
(check-sat)
(assert (bvult #x0000000000000002 x))
(check-sat)
(pop 1)
`

// TestAsk: each solver that may be there answers, more than once.
func TestAsk(t *testing.T) {
	paths := map[string]string{"z3": need.Tool(t, "z3"), "cvc5": need.Tool(t, "cvc5")}
	for _, c := range commands {
		t.Run(c[0], func(t *testing.T) {
			s, err := start(t.Context(), paths[c[0]], c...)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 2 {
				if sat, err := s.Ask([]byte(script), 2); err != nil || !slices.Equal(sat, []bool{true, false}) {
					t.Errorf("%v, %v", sat, err)
				}
			}
		})
	}
}

// TestBadSolver: what does not answer as a solver should is an error that tells
// which one it is and what it did.
func TestBadSolver(t *testing.T) {
	large := strings.Repeat(script, 10_000) // more than a pipe holds
	for _, tt := range []struct{ name, program, script, want string }{
		{"unknown", "echo sat; echo unknown; cat", script, "z3 does not know the answer of check-sat 2"},
		{"garbage", "echo unsat; echo segfault; cat", script, `z3 answers check-sat 2 with "segfault"`},
		{"error", "echo '(error \"line 1: no\")'; cat", script, `z3 answers check-sat 1 with "(error \"line 1: no\")"`},
		{"dies", "echo sat; echo out of memory >&2; exit 3", script, "z3 ended before it had answered (exit status 3): out of memory"},
		{"killed", "echo sat; kill -9 $$", script, "z3 ended before it had answered (signal: killed)"},
		{"ends", "echo sat", script, "z3 ended before it had answered (EOF)"},
		{"reads nothing", "echo sat; exit 1", large, "z3 ended before it had answered (exit status 1)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "z3")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tt.program+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", filepath.Dir(path)+":"+os.Getenv("PATH"))
			s, err := Start(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if sat, err := s.Ask([]byte(tt.script), 2); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v; want %s", sat, err, tt.want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Start(t.Context()); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

// TestStop: a question is given up as soon as ctx is done.
func TestStop(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	path := filepath.Join(t.TempDir(), "z3")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho sat\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := start(ctx, path, "z3")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ask([]byte(script), 1); err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	go stop(why)
	if _, err := s.Ask([]byte(script), 1); !errors.Is(err, why) {
		t.Error(err)
	}
}
