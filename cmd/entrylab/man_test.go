package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// lint returns what mandoc finds wrong with a manual page, but that it has no date: the
// pages of one source are the same on every day.
func lint(t *testing.T, path string) (problems []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "mandoc"), "-Tlint", "-Wwarning", path).CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") {
			problems = append(problems, line)
		}
	}
	return problems
}

// TestManual: every command has a page, which says what its help says, and which mandoc
// finds nothing wrong with.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if status, _, stderr := played(t, "man", dir); status != 0 {
		t.Fatal(stderr)
	}
	e := &env{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}
	root := e.root()
	if err := root.Run(t.Context(), []string{"entrylab", "help"}); err != nil { // by which commands know their parents
		t.Fatal(err)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, c := range documented(root) {
		path := filepath.Join(dir, pageName(c)+".1")
		page, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, problem := range lint(t, path) {
			t.Error(problem)
		}
		shown, err := exec.CommandContext(t.Context(), "mandoc", "-Tascii", "-O", "width=1000", path).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, page)
		}
		text := words(strings.ReplaceAll(string(overstruck(shown)), "\u2010", "-"))
		for _, want := range append([]string{c.Usage}, strings.Split(c.Description, "\n\n")...) {
			if want = words(want); want != "Examples:" && want != "Example:" && !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
		for _, f := range c.VisibleFlags() {
			if names, _, ok := flagWords(f); ok && !strings.Contains(text, names) {
				t.Errorf("%s has no flag %s", path, names)
			}
		}
	}
	bad := filepath.Join(dir, "bad.1")
	if err := os.WriteFile(bad, []byte(".TH BAD 1\n.SH NAME\n.nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if len(lint(t, bad)) == 0 {
		t.Error("mandoc finds nothing wrong with a page that has an unknown macro")
	}
	if status, _, stderr := played(t, "man"); status != exitError || !strings.Contains(stderr, "want a folder") {
		t.Errorf("without a folder: status %d, %s", status, stderr)
	}
}

// overstruck returns a page without what makes letters bold on a printer: the letter, a
// backspace, the letter again.
func overstruck(page []byte) (text []byte) {
	for i := 0; i < len(page); i++ {
		if i+1 < len(page) && page[i+1] == '\b' {
			i++
			continue
		}
		text = append(text, page[i])
	}
	return text
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"a -b":         `a \-b`,
		".x\n'y\nz .w": "\\&.x\n\\&'y\nz .w",
		`a\b`:          `a\eb`,
	} {
		if got := roff(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
