package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/entrylab/entrylab/internal/need"
)

// readers are the commands that read a file, named FILE, by what they take it for.
var readers = []struct {
	name string // of the file, which for a stub says what it is
	args string
}{
	{"stub.S", "list FILE"},
	{"stub.S", "diff linux-3.19 FILE"},
	{"stub.S", "prove FILE"},
	{"stub.S", "boot -engine icount -variant FILE"},
	{"stub.S", "verify -engine icount -variants FILE"},
	{"stub.S", "compare linux-3.19 FILE"},
	{"stub.S", "build -o OUT -variants FILE"},
	{"prog", "boot -engine icount -init FILE"},
	{"prog", "build -o OUT -init FILE"},
	{"vmlinuz", "baseline -engine icount -kernel FILE"},
	{"results", "report FILE -o OUT"},
	{"results", "study -engines static -o FILE"},
	{"results", "compare -engine static -o FILE linux-3.19 linux-4.1"},
	{"console", "compare -from FILE"},
	{"console", "compare -from FILE -o OUT"},
}

// TestHostileFile gives each command that reads a file one that it cannot use.
// It must end by itself, with the status that says so and a line that names the
// file, and leave nothing behind.
func TestHostileFile(t *testing.T) {
	need.QEMU(t)
	for _, kind := range []struct {
		name string
		make func(path string) error
	}{
		{"missing", func(string) error { return nil }},
		{"empty", func(path string) error { return os.WriteFile(path, nil, 0o644) }},
		{"directory", func(path string) error { return os.Mkdir(path, 0o755) }},
		{"endless", func(path string) error { return os.Symlink("/dev/zero", path) }},
		{"sparse", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, 1<<40))
		}},
		{"noise", func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte{0x90, 0, 0xff, '\n'}, 1000), 0o644)
		}},
		{"a link to itself", func(path string) error { return os.Symlink(path, path) }},
		{"socket", func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o644, 0) }},
	} {
		for _, r := range readers {
			if r.name == "results" && !strings.HasPrefix(r.args, "report") && slices.Contains([]string{"missing", "empty", "endless"}, kind.name) {
				continue // these can be appended to
			}
			t.Run(kind.name+"/"+r.args, func(t *testing.T) {
				dir := t.TempDir()
				t.Setenv("TMPDIR", dir)
				path := filepath.Join(dir, r.name)
				if err := kind.make(path); err != nil {
					t.Fatal(err)
				}
				before := names(t, dir)
				args := strings.Fields(strings.NewReplacer("FILE", path, "OUT", filepath.Join(dir, "out")).Replace(r.args))
				status, stdout, stderr := played(t, args...)
				want, prefix := exitError, "entrylab "+args[0]+": "
				if args[0] == "boot" {
					want, prefix = exitNothing, "entrylab boot: end: error: "
				}
				if status != want || stdout != "" {
					t.Errorf("status %d, stdout %.300q, want status %d and nothing", status, stdout, want)
				}
				if lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n"); len(stderr) > 4000 || !strings.HasPrefix(lines[len(lines)-1], prefix) || !strings.Contains(stderr, path) {
					t.Errorf("stderr is %.4000q, want a last line with %q that names the file", stderr, prefix)
				}
				if after := names(t, dir); !slices.Equal(before, after) {
					t.Errorf("the folder has %q, want %q", after, before)
				}
			})
		}
	}
}

// TestNoPermission: a file that this user may not read. Root, who may, runs the
// command as another user.
func TestNoPermission(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"prove DIR/stub.S", "build -o DIR/out -init DIR/prog", "report DIR/results -o DIR/out", "compare -from DIR/console", "baseline -kernel DIR/vmlinuz",
		"compare -engine static -o DIR/results linux-3.19 linux-4.1",
	} {
		words := strings.Fields(strings.ReplaceAll(command, "DIR", dir))
		cmd, stderr := process(t, words...)
		if os.Geteuid() == 0 {
			self := filepath.Join(dir, "entrylab")
			if _, err := os.Stat(self); err != nil {
				program, err := os.ReadFile(cmd.Path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(self, program, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd.Path = need.Tool(t, "setpriv")
			cmd.Args = slices.Concat([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", self}, words)
		}
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
		file := words[slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, dir) && !strings.HasSuffix(w, "out") })]
		if err := os.WriteFile(file, []byte("secret"), 0); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != exitError || !strings.Contains(stderr.String(), file+": permission denied") {
			t.Errorf("%s: %v, %q; want status %d and permission denied", command, cmd.ProcessState, stderr, exitError)
		}
	}
}

// names returns the files in a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestHostileOutput: what cannot be written to is refused, and left as it is.
func TestHostileOutput(t *testing.T) {
	need.QEMU(t)
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(dir, "results")
	if status, _, stderr := played(t, "compare", "-engine", "static", "-o", results, "linux-3.19", "linux-4.1"); status != 0 {
		t.Fatal(stderr)
	}
	for _, out := range []string{pipe, "/dev/full", dir, filepath.Join(dir, "none", "x"), filepath.Join(results, "x"), "/proc/x"} {
		for _, command := range []string{
			"build -init " + filepath.Join(programDir, "hello"), "report " + results, "study -engines static", "compare -engine static linux-3.19 linux-4.1",
		} {
			args := strings.Fields(command)
			args = slices.Insert(args, 1, "-o", out)
			status, _, stderr := played(t, args...)
			if status != exitError || !strings.HasPrefix(stderr, "entrylab") || !strings.Contains(stderr, out) {
				t.Errorf("%q: status %d, %q; want status %d and a line that names %s", args, status, stderr, exitError, out)
			}
		}
	}
}

// blocked are commands that wait for what never comes from the pipe FIFO.
var blocked = []string{
	"report FIFO -o OUT",
	"report -o OUT RESULTS FIFO",
	"compare -from FIFO",
	"compare -from FIFO -o OUT linux-3.19 linux-4.1",
}

// TestInterrupted: a command that waits for a pipe ends with a signal.
func TestInterrupted(t *testing.T) {
	need.QEMU(t)
	results := filepath.Join(t.TempDir(), "results")
	if status, _, stderr := played(t, "compare", "-engine", "static", "-o", results, "linux-3.19", "linux-4.1"); status != 0 {
		t.Fatal(stderr)
	}
	for _, command := range blocked {
		for _, sent := range []struct {
			name  string
			bytes int // before the signal; more than a pipe holds, so that they are being read
		}{{"silent", 0}, {"endless", 1 << 20}} {
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				t.Run(command+"/"+sent.name+"/"+signal.String(), func(t *testing.T) {
					dir := t.TempDir()
					pipe := filepath.Join(dir, "pipe")
					if err := syscall.Mkfifo(pipe, 0o600); err != nil {
						t.Fatal(err)
					}
					args := strings.NewReplacer("FIFO", pipe, "OUT", filepath.Join(dir, "out"), "RESULTS", results).Replace(command)
					cmd, stderr := process(t, strings.Fields(args)...)
					cmd.Env = append(cmd.Env, "TMPDIR="+dir)
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // once the command waits at its end
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					lines := bytes.Repeat([]byte("[    1.234567] a line of a console\n"), sent.bytes/35)
					if strings.HasPrefix(command, "report") {
						record, err := os.ReadFile(results)
						if err != nil {
							t.Fatal(err)
						}
						lines = bytes.Repeat(record, sent.bytes/len(record))
					}
					if _, err := f.Write(lines); err != nil {
						t.Fatal(err)
					}
					if err := cmd.Process.Signal(signal); err != nil {
						t.Fatal(err)
					}
					_ = cmd.Wait()
					if want := "entrylab " + strings.Fields(command)[0] + ": interrupted\n"; cmd.ProcessState.ExitCode() != exitError || stderr.String() != want {
						t.Errorf("%v, %q; want status %d and %q", cmd.ProcessState, stderr, exitError, want)
					}
					if left := names(t, dir); !slices.Equal(left, []string{"pipe"}) {
						t.Errorf("left behind: %q", left)
					}
				})
			}
		}
	}
}

// process returns the command as a process of its own, not yet started.
func process(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "PLAY_ENTRYLAB=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// TestInterruptedWriting: a command whose output nobody reads ends with a signal.
func TestInterruptedWriting(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, to := range []string{"stdout", "both"} {
			t.Run(signal.String()+"/"+to, func(t *testing.T) {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				cmd, stderr := process(t, "prove", "-v")
				cmd.Stdout = w
				if to == "both" {
					cmd.Stderr = w
				}
				err = cmd.Start()
				w.Close()
				if err != nil {
					t.Fatal(err)
				}
				// The first byte comes once the command is at work; the pipe is full, or
				// will be, since nobody reads on.
				if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if cmd.ProcessState.ExitCode() != exitError {
					t.Errorf("%v, want status %d", cmd.ProcessState, exitError)
				}
				if to == "stdout" && stderr.String() != "entrylab prove: interrupted\n" {
					t.Errorf("stderr is %q", stderr)
				}
			})
		}
	}
}

// stubborn is the variable that gives the command a subcommand of that name, which
// heeds no context; if it is "for ever", a signal alone does not end it either.
const stubborn = "PLAY_STUBBORN"

func playStubborn() {
	if os.Getenv(stubborn) == "for ever" {
		lastMoment = 1 << 62
	}
	commands = append(commands, func(e *env) *cli.Command {
		return e.command(&cli.Command{Name: "stubborn", Usage: "never end"}, func(context.Context, []string) (int, error) {
			fmt.Fprintln(e.stdout, "ready")
			select {}
		})
	})
}

// TestStubborn: a signal ends a command whatever that does, and a second one kills.
func TestStubborn(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, often := range []bool{false, true} {
			cmd, stderr := process(t, "stubborn")
			kind := "for a moment"
			if often {
				kind = "for ever"
			}
			cmd.Env = append(cmd.Env, stubborn+"="+kind)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = cmd.Wait()
			}()
			_ = cmd.Process.Signal(signal)
			for running := true; running; {
				select {
				case <-ended:
					running = false
				default:
					if often {
						_ = cmd.Process.Signal(signal)
					}
					time.Sleep(time.Millisecond)
				}
			}
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if often && (!status.Signaled() || status.Signal() != signal) || !often && (status.ExitStatus() != exitError || stderr.String() != "entrylab stubborn: interrupted\n") {
				t.Errorf("%v, again and again: %v: %v, %q", signal, often, cmd.ProcessState, stderr)
			}
		}
	}
}
