package main

import (
	"strings"
	"testing"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/table"
)

// TestNothingToCompare: where the CPU lacks what a variant needs the table is
// printed, and the exit is no success.
func TestNothingToCompare(t *testing.T) {
	need.QEMU(t)
	for _, format := range []string{"text", "bench"} {
		status, stdout, stderr := played(t, "compare", "-engine", "icount", "-format", format, "linux-6.12", "linux-6.12+pti+pcid")
		if status != exitError || !strings.Contains(stderr, "nothing to compare: linux-6.12+pti+pcid was not measured: the CPU has no PCID") {
			t.Errorf("%s: status %d, stderr %q", format, status, stderr)
		}
		if !strings.Contains(stdout, "linux-6.12 ") || format == "text" && !strings.Contains(stdout, "SKIP: linux-6.12+pti+pcid: measure") {
			t.Errorf("%s: the table is not printed:\n%s", format, stdout)
		}
	}
}

// TestVerdict turns checks into the exit status: one for what is wrong with a
// stub, another for what is wrong with the harness.
func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines string
		want  int
		print string
	}{
		{name: "pass", lines: "PASS: v: g: a\n", want: 0},
		{name: "skip", lines: "PASS: v: g: a\nSKIP: v: g: b (no reason)\n", want: 0, print: "SKIP: v: g: b (no reason)\n"},
		{name: "fail", lines: "FAIL: v: g: a (it is 1)\nPASS: v: g: b\n", want: 1, print: "FAIL: v: g: a (it is 1)\n"},
		{name: "error", lines: "ERROR: v: g: a (no thread)\n", want: 2, print: "ERROR: v: g: a (no thread)\n"},
		{
			name: "fail and error", lines: "ERROR: v: g: a (x)\nFAIL: v: g: b (y)\n", want: 2,
			print: "ERROR: v: g: a (x)\nFAIL: v: g: b (y)\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results, err := wire.Parse(tt.lines)
			if err != nil {
				t.Fatal(err)
			}
			var d table.Document
			got := verdict(&d, results.Checks)
			var b strings.Builder
			if err := d.Write(&b, "text"); err != nil {
				t.Fatal(err)
			}
			if got != tt.want || b.String() != tt.print {
				t.Errorf("verdict = %d, prints %q; want %d, %q", got, b.String(), tt.want, tt.print)
			}
		})
	}
}
