package boot

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/boot/vm"
)

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Config
		want string
		err  string
	}{
		{name: "a program", c: Config{Init: "/bin/hello"}, want: "argv0=/bin/hello"},
		{name: "a program with a space", c: Config{Init: "my hello"}, want: `"argv0=my hello"`},
		{name: "a program with a quote", c: Config{Init: `"hello"`}, err: "cannot carry quotes"},
		{name: "the guest, which needs the control calls", want: "control"},
		{
			name: "all", c: Config{Boot: "linux-4.1", Args: []string{"verify", "a b", ""}, VM: vm.Config{Append: "FOO=bar"}},
			want: `control variant=linux-4.1 FOO=bar -- verify "a b" ""`,
		},
		{name: "arguments that look like the kernel's words", c: Config{Init: "hello", Args: []string{"variant=x"}}, want: "argv0=hello -- variant=x"},
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
		{"a failure and status 0", fail + summary(1), exited(0), "status 0, but its lines have 1 failures"},
		{"an error and status 0", harness + summary(1), exited(0), "status 0, but its lines have 1 failures"},
		{"no failure and status 1", pass + summary(0), exited(1), "status 1, but its lines have 0 failures"},
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

func TestInitramfsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if _, err := Initramfs(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
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
