package bounded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestOutput: each limit ends the program that runs into it.
func TestOutput(t *testing.T) {
	all := Limits{Work: time.Minute, Memory: 1 << 30, File: 1 << 20, Output: 1 << 10}
	for _, tt := range []struct {
		name   string
		limits Limits
		script string
		out    string // begins with
		err    string // empty: none
	}{
		{"ends", all, "echo out; echo err >&2", "out\nerr\n", ""},
		{"fails", all, "echo why; exit 3", "why\n", "exit status 3"},
		{"prints for ever", all, "while :; do echo yes; done", "yes\nyes\n", "the output is too long: it has more than 1 KiB"},
		{"computes for ever", Limits{Work: time.Second}, "while :; do :; done", "", "it hangs: no end after 1s of work"},
		{"sleeps for ever", Limits{Work: time.Second}, "exec sleep 1000.125", "", "it hangs: no end although it was idle for 1s"},
		{"writes for ever", Limits{File: 1 << 20}, "exec cat /dev/zero >" + t.TempDir() + "/file", "", "signal: file size limit exceeded"},
		{"takes too much memory", Limits{Memory: 64 << 20}, "exec dd if=/dev/zero of=/dev/null bs=256M count=1", "", "exit status 1"},
	} {
		out, err := Output(t.Context(), tt.limits, "/bin/sh", "-c", tt.script)
		if got := string(out); tt.name != "takes too much memory" && (!strings.HasPrefix(got, tt.out) || tt.out == "" && got != "") {
			t.Errorf("%s: output %.100q, want %q", tt.name, got, tt.out)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.err)
		}
	}
}

// TestOutputEnds: a program that runs goes with the context.
func TestOutputEnds(t *testing.T) {
	started := fifo(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = os.ReadFile(started)
		cancel()
	}()
	out, err := Output(ctx, Limits{}, "/bin/sh", "-c", "trap '' TERM INT; echo began; echo >"+started+"; exec sleep 1000.125")
	if !errors.Is(err, context.Canceled) || string(out) != "began\n" {
		t.Errorf("output %q, error is %v", out, err)
	}
}

func TestOutputMissing(t *testing.T) {
	if _, err := Output(t.Context(), Limits{}, "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}
