package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
)

// line returns a results file's line: a null call's figure, on a CPU's model.
func line(t *testing.T, variant, axes, cpu string, median float64) string {
	t.Helper()
	r := record.New(
		record.Config{Build: "devel", Code: "c0de", Engine: "replay", Machine: "host", CPU: cpu, Host: cpu},
		wire.Measure{Variant: variant, Op: "null-call", N: 1, Batches: 10, Min: median - 1, Median: median, Max: median + 1},
		axes, record.Cycles, 0, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

// TestReportCommand gives report results as they come: whole, cut off, of
// several machines, of a variant that it does not know.
func TestReportCommand(t *testing.T) {
	dir := t.TempDir()
	const axes = "sp=percpu,flags=r11,top=lazy,build=mov,regs=partial,exit=sysret,irq=early,work=careful"
	one := line(t, "linux-3.19", axes, "CPU 1", 50)
	two := line(t, "linux-3.19", axes, "CPU 2", 90)
	other := line(t, "fenced", axes, "CPU 1", 77)
	for _, tt := range []struct {
		name   string
		files  []string // what is in them
		args   []string
		status int
		stderr string
		html   []string // in the report
	}{
		{name: "whole", files: []string{one}, html: []string{"1 figure from ", "machine host, CPU CPU 1"}},
		{name: "as csv", files: []string{one}, args: []string{"-format", "csv"}, html: []string{"engine,variant,operation,"}},
		{name: "as text", files: []string{one}, args: []string{"-format", "text"}, html: []string{"Is it worth keeping", "replay: difference in cycles"}},
		{name: "two files", files: []string{one, other}, html: []string{"2 figures from ", "fenced is not listed: not known to this entrylab"}},
		{
			name: "cut off", files: []string{one + other[:100]},
			stderr: ":2: the last line is cut off after 100 bytes and left out: want a whole record; the 1 before it are good",
			html:   []string{"the last line is cut off after 100 bytes and left out"},
		},
		{name: "cut in the middle", files: []string{one[:100] + "\n" + other}, status: exitError, stderr: ":1: unexpected EOF: want a record of entrylab, one JSON object"},
		{name: "nothing whole", files: []string{one[:100]}, status: exitError, stderr: ":1: the last line is cut off after"},
		{name: "foreign in the middle", files: []string{one + "{\"a\":1}\n" + other}, status: exitError, stderr: `:2: unknown field "a": want a record of entrylab`},
		{name: "another version", files: []string{strings.Replace(one, "entrylab/1", "entrylab/2", 1)}, status: exitError, stderr: `:1: "format" is "entrylab/2", want "entrylab/1"`},
		{name: "two machines", files: []string{one, two}, status: exitError, stderr: "the results are of 2 machines: engine replay, machine host, CPU CPU 1, on CPU 1; engine replay, machine host, CPU CPU 2, on CPU 2 (-mixed compares them all the same)"},
		{
			name: "two machines, asked for", files: []string{one, two}, args: []string{"-mixed"},
			html: []string{"the results are of 2 machines", "machine host, CPU CPU 1; and machine host, CPU CPU 2"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "report.html")
			args := append([]string{"report"}, tt.args...)
			for i, text := range tt.files {
				path := filepath.Join(dir, string(rune('a'+i))+".jsonl")
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				args = append(args, path)
			}
			args = append(args, "-o", out)
			status, stdout, stderr := played(t, args...)
			if status != tt.status || !strings.Contains(stderr, tt.stderr) || (stderr == "") != (tt.stderr == "") || strings.Count(stderr, "\n") > 1 {
				t.Fatalf("status %d, stdout %q, stderr %q; want status %d and %q", status, stdout, stderr, tt.status, tt.stderr)
			}
			html, err := os.ReadFile(out)
			if tt.status != 0 {
				if err == nil {
					t.Error("a report was written all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.html {
				if !strings.Contains(string(html), want) {
					t.Errorf("the report lacks %q", want)
				}
			}
			played(t, args...)
			again, err := os.ReadFile(out)
			if err != nil || !bytes.Equal(html, again) {
				t.Errorf("the same results give another report (%v)", err)
			}
		})
	}
}
