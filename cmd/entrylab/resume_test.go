package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/internal/need"
	"github.com/entrylab/entrylab/measure/engine"
	"github.com/entrylab/entrylab/measure/store"
)

// wholeStudy is a study that nobody disturbs, once for all tests: what it printed,
// and its results file.
var wholeStudy = sync.OnceValues(func() (studied, error) {
	s := studied{path: filepath.Join(programDir, "whole.jsonl")}
	var stdout, stderr bytes.Buffer
	if status := run(context.Background(), &env{stdout: &stdout, stderr: &stderr}, []string{"study", "-engines", "icount,static", "-o", s.path}); status != 0 {
		return s, fmt.Errorf("status %d: %s", status, &stderr)
	}
	s.page = stdout.String()
	return s, nil
})

type studied struct{ page, path string }

// TestStudyKilled ends a study's process at several points, by SIGTERM and by
// SIGKILL, and cuts its file as a lost machine would. In the end there is what a
// study that nobody disturbed has, and no whole line that was there is gone.
func TestStudyKilled(t *testing.T) {
	need.QEMU(t)
	path := filepath.Join(t.TempDir(), "killed.jsonl")
	args := []string{"study", "-engines", "icount,static", "-o"}
	whole, err := wholeStudy()
	if err != nil {
		t.Fatal(err)
	}
	want := figures(t, whole.path)
	if !strings.Contains(whole.page, "from 55 % of the calls on") {
		t.Errorf("the page does not say when the eager path is cheaper:\n%s", whole.page)
	}
	var kept []byte // lines that must stay
	for i, point := range []struct {
		signal os.Signal
		lines  int // in the file before the signal comes
		cut    int // bytes that the file then loses
		said   string
	}{
		{syscall.SIGKILL, 1, 7, ""},
		{syscall.SIGTERM, len(want) / 9, 100, "the last line is cut off"},
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
	if diff := cmp.Diff(whole.page, withoutLine(got, "that were measured again later")); diff != "" {
		t.Errorf("the pages differ (-whole +killed):\n%s", diff)
	}
	if status, _, stderr := played(t, append(args, path)...); status != 0 || strings.Count(stderr, "all figures exist already") != 3 {
		t.Errorf("once more: status %d, %s; want nothing left to do in three steps", status, stderr)
	}
}

// withoutLine returns the text without the lines that have a phrase.
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
	cache := filepath.Join(t.TempDir(), "cache")
	cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", "XDG_CACHE_HOME="+cache)
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
	for start := time.Now(); len(processes(cache)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("a minute after it has ended there is still %q", processes(cache))
		}
	}
	if signal == syscall.SIGKILL {
		return
	}
	text, err := os.ReadFile(stderr.Name())
	kept := regexp.MustCompile(`(?m)^entrylab: [0-9]+ figures are in ` + regexp.QuoteMeta(path) + `; the same command goes on from there$`)
	if status := cmd.ProcessState.ExitCode(); err != nil || status != exitError || !strings.Contains(string(text), "\nentrylab study: interrupted\n") || !kept.Match(text) {
		t.Errorf("interrupted: status %d, %v, %s", status, err, text)
	}
}

// figures returns the newest figures, by what they are of.
func figures(t *testing.T, path string) map[string]float64 {
	t.Helper()
	records, cut, err := store.ReadFile(t.Context(), path, engine.Known)
	if err != nil || cut != "" {
		t.Fatal(err, cut)
	}
	list := map[string]float64{}
	for _, r := range records {
		list[fmt.Sprint(r.Engine, " ", r.Variant, " ", r.Op)] = r.Median
	}
	return list
}
