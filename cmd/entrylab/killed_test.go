package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
)

// markVariable is in the environment of a command under test and of whatever it
// starts.
const markVariable = "ENTRYLAB_TEST_MARK"

// marked returns the processes that have the mark: their numbers, and their names as the
// kernel has them. A zombie has no environment any more.
func marked(t *testing.T, mark string) (pids, names []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		env, _ := os.ReadFile(f) // gone meanwhile
		if bytes.Contains(env, []byte(markVariable+"="+mark+"\x00")) {
			dir := filepath.Dir(f)
			name, _ := os.ReadFile(filepath.Join(dir, "comm"))
			pids, names = append(pids, filepath.Base(dir)), append(names, strings.TrimSpace(string(name)))
		}
	}
	return pids, names
}

// displays returns the lock files of the X servers among the processes.
func displays(t *testing.T, pids []string) (list []string) {
	t.Helper()
	files, err := filepath.Glob("/tmp/.X*-lock")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if pid, err := os.ReadFile(f); err == nil && slices.Contains(pids, strings.TrimSpace(string(pid))) {
			list = append(list, f)
		}
	}
	return list
}

// TestKilledLeavesNothing kills commands, hard, in the middle of each thing that
// they start others for. No process of them may live on, and what files they had
// is gone once another command has begun.
func TestKilledLeavesNothing(t *testing.T) {
	need.QEMU(t)
	need.Tool(t, "setpriv")
	need.Tool(t, "bochs")
	need.Tool(t, "Xvfb")
	self := filepath.Base(os.Args[0])
	self = self[:min(len(self), 15)] // as the kernel cuts it
	endless := filepath.Join(programDir, "ending")
	repo, ids := kernelRepository(t, "sleep 1000.875 & wait\n", "exit 1\n")
	for _, tt := range []struct {
		name  string
		args  []string
		among []string // processes that must run when it is killed
	}{
		{"QEMU", []string{"boot", "-engine", "icount", "-init", endless, "--", "spin"}, []string{self, "qemu-system-x86"}},
		{"Bochs", []string{"boot", "-engine", "bochs", "-init", endless, "--", "spin"}, []string{self, "bochs", "Xvfb"}},
		{"a build", []string{"bisect", "-good", ids[0], "-bad", ids[1], "-repo", repo, "-build", "sh ./build", "icount linux: null-call"}, []string{self, "sh", "sleep"}},
		{"replay", []string{"compare", "-engine", "replay", "linux-3.19", "linux-4.1"}, []string{self, self}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmp, mark := t.TempDir(), fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())
			play := func(args ...string) *exec.Cmd {
				cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
				cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1", markVariable+"="+mark, "TMPDIR="+filepath.Join(tmp, "tmp"),
					"XDG_CACHE_HOME="+filepath.Join(tmp, "cache"))
				return cmd
			}
			if err := os.Mkdir(filepath.Join(tmp, "tmp"), 0o700); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			cmd := play(tt.args...)
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			var pids []string
			for names := []string(nil); !hasAll(names, tt.among); pids, names = marked(t, mark) {
				select {
				case err := <-ended:
					t.Fatalf("it ended (%v) before %q ran:\n%s", err, tt.among, said.String())
				case <-time.After(5 * time.Millisecond):
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-ended
			for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
				_, left := marked(t, mark)
				left = append(left, displays(t, pids)...)
				if len(left) == 0 {
					break
				}
				if time.Since(start) > time.Minute {
					t.Fatalf("a minute after it was killed there is still %q", left)
				}
			}
			if out, err := play("variants").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, pattern := range []string{"tmp/*", "cache/entrylab/run/*", "cache/entrylab/.*"} {
				if left, err := filepath.Glob(filepath.Join(tmp, pattern)); err != nil || len(left) > 0 {
					t.Errorf("left are %q (%v)", left, err)
				}
			}
		})
	}
}

// hasAll reports whether names begin with all of want, each with one.
func hasAll(names, want []string) bool {
	for _, w := range want {
		i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, w) })
		if i < 0 {
			return false
		}
		names = slices.Delete(names, i, i+1)
	}
	return true
}
