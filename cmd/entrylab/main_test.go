package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/entrylab/entrylab/boot/initramfs"
	"github.com/entrylab/entrylab/internal/need"
)

// programDir holds the programs that tests give as -init.
var programDir string

// prepared is the test's main with programs and a cache folder of its own.
type prepared struct{ *testing.M }

func (m prepared) Run() int {
	dir, err := os.MkdirTemp("", "entrylab-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	programDir = dir
	for _, name := range []string{"hello", "ending"} {
		if err := initramfs.GoBuild(context.Background(), "../../vmtests", "./testdata/"+name, filepath.Join(dir, name)); err != nil {
			panic(err)
		}
	}
	// Go's own caches stay where they are.
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		path, err := exec.Command("go", "env", name).Output()
		if err != nil {
			panic(err)
		}
		os.Setenv(name, strings.TrimSpace(string(path)))
	}
	os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	return m.M.Run()
}

// TestMain makes the test's own program play the command, too: in scripts by
// the name entrylab, elsewhere by a variable.
func TestMain(m *testing.M) {
	if os.Getenv("PLAY_ENTRYLAB") != "" {
		if os.Getenv(differingHost) != "" {
			injectDifference()
		}
		if os.Getenv(addedEngine) != "" {
			addEngine()
		}
		if os.Getenv(gate) != "" {
			addGate()
		}
		if os.Getenv(stubborn) != "" {
			playStubborn()
		}
		if os.Getenv(counted) != "" {
			countAllocated()
		}
		main()
	}
	testscript.Main(prepared{m}, map[string]func(){"entrylab": main})
}

// TestScript runs the command as a user does. The scripts find programs for
// -init in $PROGRAMS and the root of the sources in $ROOT.
func TestScript(t *testing.T) {
	need.QEMU(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PROGRAMS", programDir)
			e.Setenv("ROOT", root)
			for _, name := range []string{"XDG_CACHE_HOME", "GOCACHE", "GOMODCACHE"} {
				e.Setenv(name, os.Getenv(name))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"gone":   gone,
		},
	})
}

// status runs a command that must end with the exit status given first.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// gone waits until no process has the word in its command line.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone WORD")
	}
	var left []string
	for range 600 {
		if left = processes(args[0]); len(left) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("still running: %q", left)
}

// processes returns the command lines of other processes that hold word.
func processes(word string) []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	var found []string
	for _, f := range files {
		line, _ := os.ReadFile(f) // gone meanwhile
		if f != fmt.Sprintf("/proc/%d/cmdline", os.Getpid()) && bytes.Contains(line, []byte(word)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// played runs the command within the test and returns its exit status and what
// it printed.
func played(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), &env{stdout: &out, stderr: &err}, args)
	return status, out.String(), err.String()
}
