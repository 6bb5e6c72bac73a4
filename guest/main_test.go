package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/lines"
)

// TestHarnessErrors: what keeps init from its job is an ERROR, and its status.
func TestHarnessErrors(t *testing.T) {
	for _, words := range []string{"-variants=nobody", "-operation=nothing", "bogus"} {
		var b strings.Builder
		status, linux := run(strings.Fields(words), &b)
		if status != wire.ExitError || !linux || !strings.HasPrefix(b.String(), "ERROR: init (") {
			t.Errorf("%s: status %d, Linux %v, output %q; want an ERROR line and status %d", words, status, linux, b.String(), wire.ExitError)
		}
	}
}

// TestPrintProofs: what the proof says stands above all else, and what cannot be
// read of it is an ERROR.
func TestPrintProofs(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"none", "", ""},
		{"two", "a: refuted: x\nb: proved\n", wire.Proof{Variant: "a", Verdict: "refuted: x"}.String() + "\n" + wire.Proof{Variant: "b", Verdict: "proved"}.String() + "\n"},
		{"damaged", "a\n", `ERROR: init (proofs:1: want "variant: verdict")` + "\n"},
	} {
		path := filepath.Join(t.TempDir(), wire.ProofsFile)
		if err := os.WriteFile(path, []byte(row.text), 0o644); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if printProofs(lines.New(&b), path); b.String() != row.want {
			t.Errorf("%s: printed %q, want %q", row.name, b.String(), row.want)
		}
	}
	var b strings.Builder
	printProofs(lines.New(&b), filepath.Join(t.TempDir(), wire.ProofsFile))
	if b.String() != "" {
		t.Errorf("without a file: printed %q", b.String())
	}
}
