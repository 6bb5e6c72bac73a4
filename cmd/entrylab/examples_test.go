package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// exampleLine is an example of a help text, with the lines that continue it. What
// stands behind two blanks and a # is a comment.
var exampleLine = regexp.MustCompile(`(?m)^    ((?:source <\()?entrylab (?:.*\\\n)*.*)$`)

// notRun are the examples that no test runs, by a word of theirs, each with the reason.
var notRun = map[string]string{
	"postgres://":      "needs a database of that name",
	"entrylab bisect":  "needs commits to go back to",
	"serial.log":       "needs what a machine has written",
	"base.jsonl":       "needs boots of two kernels",
	"completion zsh":   "is for another shell",
	"completion fish":  "is for another shell",
	"-engine host":     "is about this host, whose faults are findings",
	"/boot/vmlinuz":    "needs the host's kernel, which others may not read",
	"./vmlinuz":        "needs kernels of the reader's",
	"~/linux":          "needs a clone of Linux",
	"entrylab accept":  "needs a finding",
	"results show":     "needs a history",
	"results export":   "needs a history",
	"results list":     "needs a history",
	"results merge":    "needs a history",
	"entrylab nightly": "is a night; make nightly has one",
}

// quick are the commands whose examples always run; the others' do with -pages.
var quick = []string{"list", "layout", "build", "report", "completion", "diff", "variants"}

// helpExamples returns the examples of all help texts: those to run, and of the others why
// not.
func helpExamples() (lines []pageLine, left []string) {
	texts := []string{}
	for _, c := range (&env{}).root().Commands {
		texts = append(texts, c.Description)
		for _, sub := range c.Commands {
			texts = append(texts, sub.Description)
		}
	}
	for _, m := range exampleLine.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		text, reason := m[1], ""
		for word, why := range notRun {
			if strings.Contains(text, word) {
				reason = why
			}
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(text, "source <("), "entrylab "), " ")
		switch {
		case reason != "":
			left = append(left, text+": "+reason)
		case *allLines || slices.Contains(quick, name):
			lines = append(lines, pageLine{text: text, alone: true})
		}
	}
	return lines, left
}

// TestHelpExamples runs the examples of the help texts, in a folder that has the files
// that they name. Each ends with status 0.
func TestHelpExamples(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := wholeStudy()
	if err != nil {
		t.Fatal(err)
	}
	lines, left := helpExamples()
	setup := fmt.Sprintf("cp examples/fence.S mine.S && cp %q results.jsonl && cp %q prog", whole.path, filepath.Join(programDir, "hello"))
	if *allLines {
		setup += fmt.Sprintf(" && ln -s %q vmlinuz", need.Linux(t))
	}
	lines = append([]pageLine{{text: setup, alone: true}}, lines...)
	for _, problem := range wrong(lines, session(t, root, lines)) {
		t.Error(problem)
	}
	if len(lines) < 10 || len(left) == 0 {
		t.Errorf("%d examples run, %d do not: they are not found", len(lines)-1, len(left))
	}
	for word := range notRun {
		if !slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, word) }) {
			t.Errorf("no example has %q any more: take it from notRun", word)
		}
	}
	for _, l := range left {
		t.Log("not run: " + l)
	}
}
