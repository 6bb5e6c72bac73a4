package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/vm"
)

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Config
		want string
		err  string
	}{
		{name: "nothing"},
		{
			name: "all", c: Config{Boot: "linux-4.1", Args: []string{"verify", "a b", ""}, VM: vm.Config{Append: "FOO=bar"}},
			want: `FOO=bar variant=linux-4.1 -- verify "a b" ""`,
		},
		{name: "arguments that look like the kernel's words", c: Config{Args: []string{"variant=x"}}, want: "-- variant=x"},
		{name: "a quote", c: Config{Args: []string{`say "x"`}}, err: "cannot carry quotes"},
		{name: "a line break", c: Config{Args: []string{"a\nb"}}, err: "cannot carry quotes and line breaks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := commandLine(tt.c)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want one with %q", err, tt.err)
			}
		})
	}
}

// TestCacheWithoutHome: where there is no home folder, the cache is a user's own
// all the same.
func TestCacheWithoutHome(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("TMPDIR", tmp)
	dir, err := cacheDir()
	if want := filepath.Join(tmp, fmt.Sprintf("entrylab-%d", os.Getuid()), "entrylab"); err != nil || dir != want {
		t.Errorf("the cache is %s, error %v; want %s", dir, err, want)
	}
}

func TestKeep(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	path, err := keep("kernel", ".elf", []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "one" {
		t.Errorf("the file holds %q, error %v", data, err)
	}
	if again, err := keep("kernel", ".elf", []byte("one")); err != nil || again != path {
		t.Errorf("the same content is kept at %s, error %v; want %s", again, err, path)
	}
	if err := os.WriteFile(path, []byte("on"), 0o644); err != nil { // damaged by somebody
		t.Fatal(err)
	}
	if _, err := keep("kernel", ".elf", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(path); string(data) != "one" {
		t.Errorf("a damaged file stays: %q", data)
	}

	old := filepath.Join(filepath.Dir(path), "kernel-old.elf")
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * cacheAge)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	other, err := keep("kernel", ".elf", []byte("two"))
	if err != nil || other == path {
		t.Errorf("other content is kept at %s, error %v", other, err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an old file stays: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a young file is gone: %v", err)
	}
}

// TestVerdict: the guest's lines and the machine's end must say the same.
func TestVerdict(t *testing.T) {
	const pass, fail, harness = "PASS: v: a\n", "FAIL: v: a (x)\n", "ERROR: v: a (x)\n"
	summary := func(bad int) string { return fmt.Sprintf("SUMMARY: 1 tests, %d unexpected failures, 0 skipped\n", bad) }
	exited := func(status int) vm.Result { return vm.Result{Outcome: vm.Exited, Status: status} }
	for _, tt := range []struct {
		name, console string
		res           vm.Result
		want          string // in the error; empty: none
	}{
		{"all pass", pass + summary(0), exited(0), ""},
		{"a failure", fail + summary(1), exited(1), ""},
		{"an error", harness + summary(1), exited(2), ""},
		{"a failure and status 0", fail + summary(1), exited(0), "status 0, but its lines tell of 1 failures"},
		{"an error and status 0", harness + summary(1), exited(0), "status 0, but its lines tell of 1 failures"},
		{"no failure and status 1", pass + summary(0), exited(1), "status 1, but its lines tell of 0 failures"},
		{"no summary", pass, exited(0), "status 0 before its summary"},
		{"nothing", "", exited(0), "before its summary"},
		{"a wrong summary", pass + summary(1), exited(1), "the guest counts 1 tests, 1 bad"},
		{"a panic behind the summary", pass + summary(0), vm.Result{Outcome: vm.Panic, Reason: "panic: #GP"}, "no verdict: panic: #GP"},
		{"a crash behind the summary", pass + summary(0), vm.Result{Reason: "time-out"}, "no verdict: CRASH: time-out"},
	} {
		run, err := verdict(tt.console, tt.res)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrNoVerdict) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error is %v, want %q", tt.name, err, tt.want)
		}
		if run == nil || run.Results == nil || run.VM.Outcome != tt.res.Outcome {
			t.Errorf("%s: what there is, is lost: %+v", tt.name, run)
		}
	}
}

// TestEnoughMemory: the kernel's 2 MiB and the archive must fit, no less.
func TestEnoughMemory(t *testing.T) {
	for _, tt := range []struct {
		name         string
		mib, archive int
		ok           bool
	}{
		{"exactly", 4, 2 << 20, true},
		{"a byte too little", 4, 2<<20 + 1, false},
		{"default", 0, 2 << 20, true},
		{"more than the default", 0, vm.DefaultMemoryMiB << 20, false},
	} {
		if err := enoughMemory(tt.mib, tt.archive); (err == nil) != tt.ok {
			t.Errorf("%s: error is %v", tt.name, err)
		}
	}
}

func TestKeepNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", file) // no folder can be made in it
	if _, err := keep("kernel", ".elf", []byte("one")); err == nil || !strings.Contains(err.Error(), "XDG_CACHE_HOME") {
		t.Errorf("error is %v, want one that says what to set", err)
	}
}

func TestInitramfsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if _, err := Initramfs(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v, want one that names %s", err, path)
	}
}

func TestLineWriter(t *testing.T) {
	var got []string
	w := &lineWriter{fn: func(s string) { got = append(got, s) }}
	for _, part := range []string{"a", "b\r\nc\n", "\nd"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write returned %d, %v", n, err)
		}
	}
	if want := []string{"ab", "c", ""}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("lines are %q, want %q", got, want)
	}
	if !bytes.Equal(w.rest, []byte("d")) {
		t.Errorf("the rest is %q", w.rest)
	}
}
