package vm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/entrylab/entrylab/internal/need"
)

// scriptKernel assembles testdata/script.S, the guest that does what its
// command line says, and returns its path.
func scriptKernel(tb testing.TB) string {
	tb.Helper()
	need.QEMU(tb)
	as, ld := need.Tool(tb, "as"), need.Tool(tb, "ld")
	dir := tb.TempDir()
	obj, kernel := filepath.Join(dir, "script.o"), filepath.Join(dir, "script.elf")
	for _, args := range [][]string{
		{as, "--32", "-o", obj, "testdata/script.S"},
		{ld, "-m", "elf_i386", "-Ttext-segment=0x100000", "-o", kernel, obj},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			tb.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	return kernel
}

// fakeQEMU puts a shell script in QEMU's place.
func fakeQEMU(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// anyFile returns the path of a file, for what is only looked at by a fake QEMU.
func anyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kernel")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// processes returns the processes that have word in their command line.
func processes(t *testing.T, word string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		cmdline, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if pid, err := strconv.Atoi(strings.Split(file, "/")[2]); err == nil && pid != os.Getpid() && bytes.Contains(cmdline, []byte(word)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantGone checks that no process with word in its command line stays, and
// kills those that do. word must be unique to the test.
func wantGone(t *testing.T, word string) {
	t.Helper()
	var left []int
	for range 3000 {
		if left = processes(t, word); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("processes %v are left, want none", left)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// openFiles returns the number of files that this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
