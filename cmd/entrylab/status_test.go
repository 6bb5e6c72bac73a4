package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// TestExitStatus checks the contract of the exit statuses, as usage tells it: of each
// command, and of each end of boot with the last line on standard error.
func TestExitStatus(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "as")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ending := "boot -engine tcg -init " + filepath.Join(programDir, "ending") + " -- "
	hello := filepath.Join(programDir, "hello")
	t.Setenv("HELLO", hello)
	t.Setenv("WRONG", file("wrong.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n\tmovl $-38, %eax\n\tsysretq\n"))
	t.Setenv("UNKNOWN", file("unknown.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n\txsave (%rsp)\n"))
	t.Setenv("BAD", file("bad.S", "# entrylab: base linux-3.19\nentry_SYSCALL_64:\n\tpushq %foo\n"))
	t.Setenv("RESULTS", filepath.Join(dir, "results"))
	t.Setenv("OUT", filepath.Join(dir, "out"))
	for _, tt := range []struct {
		args   string
		status int
		last   string // of standard error but for details, which are indented, as a regular expression; empty: anything
	}{
		{"", 2, ""},
		{"help", 0, "^$"},
		{"nothing", 2, "^entrylab: no command"},
		{"boot -h", 0, "^$"},

		{"variants", 0, "^$"},
		{"variants x", 2, "^entrylab variants: no preset \"x\""},
		{"layout", 0, "^$"},
		{"layout x", 2, "^entrylab layout: "},
		{"list linux-4.1", 0, "^$"},
		{"list $UNKNOWN", 0, "^$"}, // a listing says itself what is undecided
		{"list $WRONG", 1, "^$"},
		{"list $BAD", 2, "^entrylab list: .*bad register"},
		{"diff linux-3.19 linux-4.1", 0, "^$"},
		{"diff linux-3.19 $WRONG", 1, "^$"},
		{"diff linux-3.19 x", 2, "^entrylab diff: variant"},
		{"prove linux-3.19", 0, "^$"},
		{"prove $WRONG", 1, "^$"},
		{"prove $UNKNOWN", 1, "^$"},
		{"prove x", 2, "^entrylab prove: variant"},
		{"build -o $OUT -init $HELLO", 0, ""},
		{"build -o $OUT -init $HELLO -variants $WRONG", 1, "refuted"},
		{"build -o $OUT -init $OUT", 2, "^entrylab build: "},
		{"verify -variants $WRONG", 1, "refuted"},
		{"verify -variants $UNKNOWN", 1, "undecided"},
		{"verify x", 2, "^entrylab verify: takes no argument"},
		{"compare -engine static -o $RESULTS linux-3.19 linux-4.1", 0, "^$"},
		{"compare -engine static linux-3.19 $WRONG", 1, "refuted"},
		{"compare -engine icount linux-3.19 $WRONG", 1, "refuted"},
		{"compare -engine replay linux-3.19 $WRONG", 1, "refuted"},
		{"compare linux-3.19", 2, "^entrylab compare: want at least two"},
		{"compare -from $HELLO", 2, "^entrylab compare: no whole boot"},
		{"report $RESULTS -o $OUT", 0, "^$"},
		{"report $HELLO -o $OUT", 2, "^entrylab report: "},
		{"study -engines static -o $OUT.jsonl", 0, ""},
		{"nightly -plan -store $OUT.nights", 0, "^$"},
		{"nightly x", 2, "^entrylab nightly: takes no argument"},
		{"nightly -matrix $UNKNOWN -store $OUT.nights", 2, "^entrylab nightly: .*unknown.S:2: "},
		{"nightly -store mysql://x/y", 2, "^entrylab nightly: history: .*no store has the scheme"},
		{"work", 2, "^entrylab work: Required flag \"queue\""},
		{"work -queue $OUT.nights", 2, "^entrylab work: queue: want the URL of a PostgreSQL database"},
		{"work -queue postgres://127.0.0.1:1/x", 2, "^entrylab work: history: postgres://127.0.0.1:1/x: "},
		{"work -queue postgres://127.0.0.1:1/x -lease 1ms", 2, "want at least 1s"},
		{"work x -queue postgres://127.0.0.1:1/x", 2, "^entrylab work: takes no argument"},
		{"results", 2, ""},
		{"results list -store $OUT.nights", 0, "^$"},
		{"results show -store $OUT.nights x", 2, "has no series"},
		{"results merge x", 2, "^entrylab results merge: want a history"},
		{"accept -store $OUT.nights -reason why x", 2, "nothing is accepted"},
		{"accept -store $OUT.nights x", 2, "reason"},
		{"bisect", 2, "^entrylab bisect: .*Required flags"},
		{"bisect -good x -bad y", 2, "^entrylab bisect: want the name of one series"},
		{"bisect -good x -bad y warp", 2, "^entrylab bisect: series .warp.: want a series"},
		{"study -engines warp", 2, "^entrylab study: -engines: no engine"},
		{"baseline -kernel $HELLO", 2, "^entrylab baseline: .*not a Linux kernel image"},

		{ending + "exit 0", 0, "^entrylab: init exited with status 0$"},
		{ending + "exit 1", 1, "^entrylab: init exited with status 1$"},
		{ending + "exit 7", 7, "^entrylab: init exited with status 7$"},
		{ending + "exit 124", 124, "^entrylab: init exited with status 124$"},
		{ending + "exit 125", 125, "^entrylab: init exited with status 125$"},
		{ending + "exit 139", 139, "^entrylab: init exited with status 139$"},
		{ending + "segv", 139, "^entrylab: init killed by signal 11 "},
		{"boot -timeout 1s" + ending[len("boot"):] + "hang", 124, "^entrylab boot: end: time-out: no end after "},
		{"boot -engine tcg -memory 4 -init $HELLO", 125, "^entrylab boot: end: no verdict: cannot boot: too little memory"},
		{"boot -init $HELLO -variant $WRONG", 1, "^entrylab boot: end: refuted: not proved right"},
		{"boot -init $HELLO -variant $UNKNOWN", 1, "^entrylab boot: end: refuted: not proved right"},
		{"boot -init $HELLO -variant $BAD", 125, "^entrylab boot: end: error: .*bad register"},
		{"boot -init $BAD", 125, "^entrylab boot: end: error: .*is not an ELF program"},
		{"boot -engine warp -init $HELLO", 125, "^entrylab boot: end: error: .*warp"},
		{"boot -memory", 125, "^entrylab boot: end: error: flag needs an argument"},
	} {
		status, stdout, stderr := played(t, strings.Fields(os.ExpandEnv(tt.args))...)
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		for len(lines) > 1 && strings.HasPrefix(lines[len(lines)-1], "\t") {
			lines = lines[:len(lines)-1]
		}
		if last := lines[len(lines)-1]; status != tt.status || !regexp.MustCompile(tt.last).MatchString(last) {
			t.Errorf("%s: status %d, want %d; last line %q, want %s\n%.2000s%.1000s", tt.args, status, tt.status, last, tt.last, stderr, stdout)
		}
	}
}

// TestExitStatusInterrupted: what was interrupted is not done.
func TestExitStatusInterrupted(t *testing.T) {
	need.QEMU(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hello := filepath.Join(programDir, "hello")
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"prove linux-3.19", 2, "entrylab prove: interrupted\n"},
		{"list linux-3.19", 2, "entrylab list: interrupted\n"},
		{"compare -from " + hello, 2, "entrylab compare: interrupted\n"},
		{"report -o x " + hello, 2, "entrylab report: interrupted\n"},
		{"build -o x -init " + hello, 2, "entrylab build: interrupted\n"},
		{"boot -engine tcg -init " + hello, 125, "entrylab boot: end: interrupted\n"},
	} {
		var stdout, stderr strings.Builder
		status := run(ctx, &env{stdout: &stdout, stderr: &stderr}, strings.Fields(tt.args))
		if status != tt.status || stderr.String() != tt.want {
			t.Errorf("%s: status %d, %q; want %d, %q", tt.args, status, stderr.String(), tt.status, tt.want)
		}
	}
}
