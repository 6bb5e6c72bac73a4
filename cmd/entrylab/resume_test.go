package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/store"
)

// TestStudyKilled ends a study's process at several points, by Ctrl-C and by
// SIGKILL, and cuts its file as a lost machine would. In the end there is what a
// study that nobody disturbed has, and no whole line that was there is gone.
func TestStudyKilled(t *testing.T) {
	need.QEMU(t)
	dir := t.TempDir()
	whole, path := filepath.Join(dir, "whole.jsonl"), filepath.Join(dir, "killed.jsonl")
	args := []string{"study", "-engines", "icount,static", "-o"}
	status, page, stderr := played(t, append(args, whole)...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	want := figures(t, whole)
	var kept []byte // lines that must stay
	for i, point := range []struct {
		signal os.Signal
		lines  int // in the file before the signal comes
		cut    int // bytes that the file then loses
		said   string
	}{
		{syscall.SIGKILL, 1, 7, ""},
		{os.Interrupt, len(want) / 9, 0, "the last line is cut off"},
		{syscall.SIGKILL, len(want) / 8, 100, ""},
	} {
		killed(t, append(args, path), path, point.signal, point.lines, point.said)
		data, err := os.ReadFile(path)
		if err != nil && point.lines > 0 {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, kept) {
			t.Fatalf("point %d: what was in the file is not there any more", i)
		}
		data = data[:max(len(data)-point.cut, 0)]
		if len(data) > 0 {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept = data[:bytes.LastIndexByte(data, '\n')+1]
	}
	status, got, stderr := played(t, append(args, path)...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if diff := cmp.Diff(want, figures(t, path)); diff != "" {
		t.Errorf("the figures differ (-whole +killed):\n%s", diff)
	}
	// What was left of steps that were taken again is told in a line.
	if diff := cmp.Diff(page, withoutLine(got, "that were measured again later")); diff != "" {
		t.Errorf("the pages differ (-whole +killed):\n%s", diff)
	}
	if status, _, stderr := played(t, append(args, path)...); status != 0 || strings.Count(stderr, "all figures are there already") != 3 {
		t.Errorf("once more: status %d, %s; want nothing left to do in three steps", status, stderr)
	}
}

// withoutLine is the text without the lines that have a phrase.
func withoutLine(text, phrase string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, phrase) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// killed runs the command until its file has so many lines and it has said that
// on stderr, and ends it.
func killed(t *testing.T, args []string, path string, signal os.Signal, lines int, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1")
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for reached := false; !reached; {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(stderr.Name())
			t.Fatalf("the study ended with %v before it was killed; want %q in: %s", err, said, text)
		case <-time.After(time.Millisecond):
		}
		data, err := os.ReadFile(path)
		text, _ := os.ReadFile(stderr.Name())
		reached = err == nil && bytes.Count(data, []byte("\n")) >= lines && strings.Contains(string(text), said)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("the study was done before it was killed")
	}
}

// figures are the newest by what they are of.
func figures(t *testing.T, path string) map[string]float64 {
	t.Helper()
	records, cut, err := store.ReadFile(t.Context(), path)
	if err != nil || cut != "" {
		t.Fatal(err, cut)
	}
	list := map[string]float64{}
	for _, r := range records {
		list[fmt.Sprint(r.Engine, " ", r.Variant, " ", r.Op)] = r.Median
	}
	return list
}
