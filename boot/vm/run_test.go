package vm

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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/entrylab/entrylab/internal/need"
)

// exits is the part of a script that ends a machine properly.
const exits = "l entrylab: init exited with status 0|;x 0"

// TestRun boots the script kernel to every kind of end.
func TestRun(t *testing.T) {
	kernel := scriptKernel(t)
	tests := []struct {
		name    string
		script  string
		console string
		log     string
		want    Result
	}{
		{
			name:    "exit 0",
			script:  "c hello|;l entrylab: booting|;" + exits,
			console: "hello\n",
			log:     "entrylab: booting\nentrylab: init exited with status 0\n",
			want: Result{
				Outcome: Exited, Reason: "init exited with status 0",
				Tail: []string{"hello", "entrylab: booting", "entrylab: init exited with status 0"},
			},
		},
		{
			name:   "exit 7",
			script: "l entrylab: init exited with status 7|;x 0",
			log:    "entrylab: init exited with status 7\n",
			want: Result{
				Outcome: Exited, Status: 7, Reason: "init exited with status 7",
				Tail: []string{"entrylab: init exited with status 7"},
			},
		},
		{
			name:   "signal",
			script: "l entrylab: init killed by signal 11 (SIGSEGV) at 0x401000|;x 1",
			log:    "entrylab: init killed by signal 11 (SIGSEGV) at 0x401000\n",
			want: Result{
				Outcome: Signaled, Status: 11, Reason: "init killed by signal 11 (SIGSEGV) at 0x401000",
				Tail: []string{"entrylab: init killed by signal 11 (SIGSEGV) at 0x401000"},
			},
		},
		{
			name:   "panic",
			script: "l entrylab: panic: #GP at entry_SYSCALL_64+0x15|entrylab: RAX 0|entrylab: end of panic|;x 2",
			log:    "entrylab: panic: #GP at entry_SYSCALL_64+0x15\nentrylab: RAX 0\nentrylab: end of panic\n",
			want: Result{
				Outcome: Panic, Reason: "panic: #GP at entry_SYSCALL_64+0x15",
				Tail: []string{"entrylab: panic: #GP at entry_SYSCALL_64+0x15", "entrylab: RAX 0", "entrylab: end of panic"},
			},
		},
		{
			name:   "refused",
			script: "l entrylab: cannot boot: no init|;x 3",
			log:    "entrylab: cannot boot: no init\n",
			want: Result{
				Outcome: Refused, Reason: "cannot boot: no init",
				Tail: []string{"entrylab: cannot boot: no init"},
			},
		},
		{
			name:    "triple fault",
			script:  "c begun|;t",
			console: "begun\n",
			want: Result{
				Reason: "the machine was reset (a triple fault?) or switched off: QEMU's exit code is 0, which no kernel of ours gives; nothing came on the log",
				Tail:   []string{"begun"},
			},
		},
		{
			name:   "line without code",
			script: "l entrylab: init exited with status 0|;t",
			log:    "entrylab: init exited with status 0\n",
			want: Result{
				Reason: "the machine was reset (a triple fault?) or switched off: QEMU's exit code is 0, which no kernel of ours gives; last in the log: entrylab: init exited with status 0",
				Tail:   []string{"entrylab: init exited with status 0"},
			},
		},
		{
			name:   "code without line",
			script: "x 0",
			want: Result{
				Reason: "QEMU's exit code is 1, but the log's last line does not match it; nothing came on console and log",
			},
		},
		{
			name:    "the line on the console is init's own word",
			script:  "c entrylab: init exited with status 0|;x 0",
			console: "entrylab: init exited with status 0\n",
			want: Result{
				Reason: "QEMU's exit code is 1, but the log's last line does not match it; nothing came on the log",
				Tail:   []string{"entrylab: init exited with status 0"},
			},
		},
		{
			name:    "bytes of init arrive unchanged",
			script:  "c no newline\t\x1b[1m\r\xff;" + exits,
			console: "no newline\t\x1b[1m\r\xff",
			log:     "entrylab: init exited with status 0\n",
			want: Result{
				Outcome: Exited, Reason: "init exited with status 0",
				Tail: []string{"entrylab: init exited with status 0", "no newline\t~[1m~\ufffd"}, // a line without its end is one at the end only
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var console, log bytes.Buffer
			got, err := Run(t.Context(), Config{
				Kernel: kernel, Append: tt.script, Console: &console, Log: &log,
			})
			if err != nil {
				t.Fatalf("%v\n%s", err, got.Report())
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Result{}, "CommandLine", "Elapsed", "FirstByte")); diff != "" {
				t.Errorf("Result (-want +got):\n%s", diff)
			}
			if console.String() != tt.console || log.String() != tt.log {
				t.Errorf("console %q, log %q; want %q, %q", console.String(), log.String(), tt.console, tt.log)
			}
			if came := tt.console != ""; (got.FirstByte > 0) != came || got.FirstByte > got.Elapsed {
				t.Errorf("first byte after %v of %v, console used: %v", got.FirstByte, got.Elapsed, came)
			}
		})
	}
	wantGone(t, kernel)
}

func TestRunMachinesAndEngines(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	initrd := filepath.Join(t.TempDir(), "a name with spaces, a comma")
	if err := os.WriteFile(initrd, []byte("the boot module!"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, machine := range Machines {
		for _, engine := range []Engine{ICount, TCG} {
			t.Run(string(machine)+"/"+string(engine), func(t *testing.T) {
				var console bytes.Buffer
				got, err := Run(t.Context(), Config{
					Engine: engine, Machine: machine, CPU: "qemu64", MemoryMiB: 64,
					Kernel: kernel, Initrd: initrd, Append: "i;" + exits,
					Console: &console,
				})
				if err != nil || got.Outcome != Exited || console.String() != "the boot module!" {
					t.Errorf("console %q, error %v\n%s", console.String(), err, got.Report())
				}
			})
		}
	}
}

// TestRunWithoutNewline prints the output that vmtest's own line reader stops at.
func TestRunWithoutNewline(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	var both bytes.Buffer // one writer for both channels
	got, err := Run(t.Context(), Config{
		Engine: TCG, Kernel: kernel, Append: "m;" + exits, Console: &both, Log: &both,
	})
	if err != nil || got.Outcome != Exited {
		t.Fatalf("error %v\n%s", err, got.Report())
	}
	const size = 1 << 20
	if n := bytes.Count(both.Bytes(), []byte("A")); n != size {
		t.Errorf("%d bytes came, want %d", n, size)
	}
	want := []string{
		"entrylab: init exited with status 0",
		strings.Repeat("A", lineBytes) + "... (1048176 more bytes)",
	}
	if diff := cmp.Diff(want, got.Tail); diff != "" {
		t.Errorf("Tail (-want +got):\n%s", diff)
	}
}

// TestRunSharedWriter has one slow writer for both channels.
func TestRunSharedWriter(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	var busy sync.Mutex
	writer := writerFunc(func(p []byte) (int, error) {
		if !busy.TryLock() {
			t.Error("the writer is called while it is at work")
			return len(p), nil
		}
		defer busy.Unlock()
		time.Sleep(50 * time.Millisecond)
		return len(p), nil
	})
	got, err := Run(t.Context(), Config{
		Engine: TCG, Kernel: kernel, Append: "c a|;l b|;c c|;" + exits, Console: writer, Log: writer,
	})
	if err != nil || got.Outcome != Exited {
		t.Errorf("error %v\n%s", err, got.Report())
	}
}

// TestRunOrder has one writer for both channels: init's last words come before
// the kernel's.
func TestRunOrder(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	for range 20 { // it is a matter of time
		var both bytes.Buffer
		got, err := Run(t.Context(), Config{
			Engine: TCG, Kernel: kernel, Append: "c hello|;" + exits, Console: &both, Log: &both,
		})
		if err != nil || got.Outcome != Exited {
			t.Fatalf("error %v\n%s", err, got.Report())
		}
		if want := "hello\nentrylab: init exited with status 0\n"; both.String() != want {
			t.Fatalf("it is %q, want %q", both.String(), want)
		}
	}
}

// TestChannelAfter: what is on one channel is passed on before what comes on the
// other, by whole lines where they are asked for.
func TestChannelAfter(t *testing.T) {
	console, consoleEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	var both bytes.Buffer
	rec := newRecorder()
	rec.connect(&both, &both, func(err error) { t.Error(err) })
	log := after{&channel{file: console, to: &rec.console}, &rec.log}
	write := func(w io.Writer, text string) {
		t.Helper()
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	write(consoleEnd, "first, ")
	write(log, "th")
	write(consoleEnd, "second\n")
	write(log, "ird\nfourth")
	consoleEnd.Close()
	write(log, "") // behind the console's end
	if err := rec.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "first, second\nthird\nfourth"; both.String() != want {
		t.Errorf("came %q, want %q", both.String(), want)
	}
}

// TestRunTimeout has guests that never end, each in its own way.
func TestRunTimeout(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	const little = 50_000_000
	work := afterInstructions(little).Error()
	tests := []struct {
		name   string
		c      Config // with a script as Append
		reason string
		tail   []string
	}{
		{
			name:   "halts",
			c:      Config{Append: "c alive|;l entrylab: booting|;h", Instructions: little},
			reason: work + "; last in the log: entrylab: booting",
			tail:   []string{"alive", "entrylab: booting"},
		},
		{
			name:   "hangs in a panic",
			c:      Config{Append: "l entrylab: panic: #PF at x|entrylab: RAX|;s", Instructions: little},
			reason: work + "; the kernel began to panic: #PF at x",
			tail:   []string{"entrylab: panic: #PF at x", "entrylab: RAX"},
		},
		{
			name:   "spins under TCG",
			c:      Config{Engine: TCG, Append: "s", Instructions: little},
			reason: work + "; nothing came on console and log",
			tail:   []string{},
		},
		{
			name:   "chatters",
			c:      Config{Append: "r", Instructions: little},
			reason: work + "; nothing came on the log",
		},
		{
			name:   "chatters under TCG",
			c:      Config{Engine: TCG, Append: "r", Instructions: little},
			reason: work + "; nothing came on the log",
		},
		{
			name:   "never starts",
			c:      Config{Append: exits, Extra: []string{"-S"}},
			reason: "no end although it did nothing for 10s (time-out); nothing came on console and log",
			tail:   []string{},
		},
		{
			name:   "the user's own limit",
			c:      Config{Engine: TCG, Append: "h", Timeout: time.Second},
			reason: "no end after 1s (time-out); nothing came on console and log",
			tail:   []string{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Kernel = kernel
			tt.c.Extra = append(tt.c.Extra, "-name", strings.ReplaceAll(t.Name(), "/", "-"))
			got, err := Run(t.Context(), tt.c)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != TimedOut || got.Reason != tt.reason {
				t.Errorf("%v: %s\nwant %s", got.Outcome, got.Reason, tt.reason)
			}
			tail := slices.DeleteFunc(got.Tail, func(line string) bool { return strings.Contains(line, "warning: ") }) // QEMU's
			if tt.tail == nil {                                                                                        // the last line is cut somewhere
				if len(tail) != tailLines || tail[tailLines-2] != "chatter" {
					t.Errorf("Tail = %q, want %d lines of chatter", got.Tail, tailLines)
				}
			} else if diff := cmp.Diff(tt.tail, tail, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Tail (-want +got):\n%s", diff)
			}
			wantGone(t, tt.c.Extra[len(tt.c.Extra)-1])
		})
	}
}

// TestRunDebuggerLost: where a machine ends under the debugger, it is said how, and the
// reason for which it was ended is not hidden.
func TestRunDebuggerLost(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	// lost lets the machine run and waits until it is gone.
	lost := func(stub *os.File) error {
		if _, err := stub.WriteString("$c#63"); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, stub); err != nil {
			return err
		}
		return fmt.Errorf("the debugger: %w", io.EOF)
	}
	_, err := Run(t.Context(), Config{Kernel: kernel, Append: exits, Debug: lost})
	if err == nil || !strings.Contains(err.Error(), "the debugger: EOF: QEMU has ended with status ") {
		t.Errorf("a machine that ends itself: error is %v", err)
	}
	name := "debugger-lost-" + filepath.Base(t.TempDir())
	_, err = Run(t.Context(), Config{Kernel: kernel, Append: "c alive|;h", Debug: lost, Extra: []string{"-name", name}, Console: writerFunc(func(p []byte) (int, error) {
		signalAll(t, name, syscall.SIGKILL)
		return len(p), nil
	})})
	if err == nil || !strings.Contains(err.Error(), "QEMU was killed by signal 9 (killed)") {
		t.Errorf("a machine that is killed: error is %v", err)
	}
	got, err := Run(t.Context(), Config{Kernel: kernel, Append: "h", Debug: lost, Timeout: time.Second})
	if err != nil || got.Outcome != TimedOut || !strings.Contains(got.Reason, "no end after 1s (time-out)") {
		t.Errorf("a machine that was ended at its time: %v, %v: %s", err, got.Outcome, got.Reason)
	}
}

// TestRunStopped stops a machine for longer than its budget of work would last: it
// must still come to its own end.
func TestRunStopped(t *testing.T) {
	t.Parallel()
	kernel := scriptKernel(t)
	for _, engine := range []Engine{ICount, TCG} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			const granted = 3 * time.Second
			name := "stopped-" + string(engine) + "-" + filepath.Base(t.TempDir())
			// It has more to say than a pipe holds, and so cannot end before this returns.
			stop := sync.OnceFunc(func() {
				signalAll(t, name, syscall.SIGSTOP)
				time.AfterFunc(granted, func() { signalAll(t, name, syscall.SIGCONT) })
			})
			got, err := Run(t.Context(), Config{
				Engine: engine, Kernel: kernel, Append: "c " + strings.Repeat("alive|", 20_000) + ";" + exits, Extra: []string{"-name", name},
				Instructions: uint64(granted.Seconds() * engine.rate()),
				Console: writerFunc(func(p []byte) (int, error) {
					stop()
					return len(p), nil
				}),
			})
			if err != nil || got.Outcome != Exited {
				t.Errorf("error %v\n%s", err, got.Report())
			}
			if got.Elapsed < granted {
				t.Errorf("it took %v: it was not stopped for %v", got.Elapsed, granted)
			}
		})
	}
}

// signalAll sends a signal to the processes with word in their command line.
func signalAll(t *testing.T, word string, signal syscall.Signal) {
	t.Helper()
	for _, pid := range processes(t, word) {
		_ = syscall.Kill(pid, signal) // if it has not ended
	}
}

// TestRunCancel stops a machine from outside.
func TestRunCancel(t *testing.T) {
	kernel := scriptKernel(t)
	ctx, cancel := context.WithCancel(t.Context())
	files := openFiles(t)
	got, err := Run(ctx, Config{
		Engine: TCG, Kernel: kernel, Append: "c alive|;h",
		Console: writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }),
	})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(got.Reason, "machine stopped: ") {
		t.Errorf("error %v, reason %q; want the context's", err, got.Reason)
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d files are open, %d were before", now, files)
	}
	wantGone(t, kernel)

	if got, err := Run(ctx, Config{Kernel: kernel, Append: exits}); !errors.Is(err, context.Canceled) {
		t.Errorf("started after the end of its context: %v\n%s", err, got.Report())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestRunBlockedWriter has a writer that never returns.
func TestRunBlockedWriter(t *testing.T) {
	kernel := scriptKernel(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	go func() {
		// The machine ends although the writer still holds its first bytes.
		<-begun
		wantGone(t, kernel)
		cancel()
	}()
	_, err := Run(ctx, Config{
		Engine: TCG, Kernel: kernel, Append: "m;" + exits,
		Console: writerFunc(func(p []byte) (int, error) { begun <- struct{}{}; <-release; return len(p), nil }),
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

// TestRunFailingWriter has a writer on a full disk.
func TestRunFailingWriter(t *testing.T) {
	kernel := scriptKernel(t)
	full := errors.New("no space left on device")
	for _, script := range []string{"r", "c begin|;" + exits} {
		got, err := Run(t.Context(), Config{
			Engine: TCG, Kernel: kernel, Append: script,
			Console: writerFunc(func([]byte) (int, error) { return 0, full }),
		})
		if !errors.Is(err, full) || err.Error() != "cannot pass on the console: no space left on device" {
			t.Errorf("script %q: error %v, want that of the writer\n%s", script, err, got.Report())
		}
		wantGone(t, kernel)
	}
}

// TestRunEnvironment sets every variable that vmtest listens to.
func TestRunEnvironment(t *testing.T) {
	kernel := scriptKernel(t)
	for name, value := range map[string]string{
		"VMTEST_QEMU": "false", "VMTEST_QEMU_APPEND": "-device nonsense", "VMTEST_ARCH": "arm",
		"VMTEST_KERNEL": "/nonsense", "VMTEST_KERNEL_APPEND": "h", "VMTEST_INITRAMFS": "/nonsense",
		"VMTEST_TIMEOUT": "nonsense",
	} {
		t.Setenv(name, value)
	}
	got, err := Run(t.Context(), Config{Kernel: kernel, Append: exits})
	if err != nil || got.Outcome != Exited {
		t.Errorf("error %v\n%s", err, got.Report())
	}
}

// TestRunKilled kills, hard, a process that has a machine running.
func TestRunKilled(t *testing.T) {
	if kernel := os.Getenv("VM_TEST_KERNEL"); kernel != "" {
		_, err := Run(t.Context(), Config{Engine: TCG, Kernel: kernel, Append: "c alive|;h", Console: os.Stdout})
		t.Fatalf("the machine that should hang ended: %v", err)
	}
	need.Tool(t, "setpriv")
	kernel := scriptKernel(t)
	child := exec.Command(os.Args[0], "-test.run=^TestRunKilled$")
	child.Env = append(os.Environ(), "VM_TEST_KERNEL="+kernel)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	alive := make([]byte, len("alive"))
	if _, err := io.ReadFull(stdout, alive); err != nil || string(alive) != "alive" {
		t.Errorf("the machine says %q, error %v; want alive", alive, err)
	}
	if len(processes(t, kernel)) == 0 {
		t.Error("no QEMU is to be seen")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	wantGone(t, kernel)
}

// TestRunBadQEMU puts other programs in QEMU's place.
func TestRunBadQEMU(t *testing.T) {
	kernel := anyFile(t)
	tests := []struct {
		name    string
		script  string
		hangs   bool
		wantErr string // "" if it counts as a guest
		reason  string
	}{
		{
			name:    "dies with a message",
			script:  "echo 'qemu: warning: old' >&2; echo 'qemu: could not load kernel' >&2; exit 1",
			wantErr: "QEMU failed at start: qemu: could not load kernel",
		},
		{
			name:    "dies with a message by a signal",
			script:  "echo 'qemu: assertion failed' >&2; kill -ABRT $$",
			wantErr: "QEMU failed at start: qemu: assertion failed",
		},
		{
			name:   "dies without a word",
			script: "exit 4",
			reason: "QEMU's exit code is 4, but the log's last line does not match it; nothing came on console and log",
		},
		{
			name:   "does nothing",
			script: "exit 0",
			reason: "the machine was reset (a triple fault?) or switched off: QEMU's exit code is 0, which no kernel of ours gives; nothing came on console and log",
		},
		{
			name:   "hangs after a reset",
			script: `echo '{"QMP": {}}' >&5; exec sleep 1000`,
			reason: "the machine was reset (a triple fault?) or switched off: QEMU's exit code is 0, which no kernel of ours gives; nothing came on console and log",
		},
		{
			name:   "is killed in the middle",
			script: "echo 'entrylab: booting' >&4; kill -KILL $$",
			reason: "QEMU was killed by signal 9 (killed); last in the log: entrylab: booting",
		},
		{
			name:   "dies in the middle with a message",
			script: "echo hello >&3; echo 'qemu: out of memory' >&2; exit 1",
			reason: "QEMU's exit code is 1, but the log's last line does not match it; nothing came on the log; QEMU said: qemu: out of memory",
		},
		{
			name:   "hangs",
			script: "exec sleep 1000",
			hangs:  true,
			reason: "no end after 500ms (time-out); nothing came on console and log",
		},
		{
			name:    "leaves a process that holds its output",
			script:  "sleep 1000 & echo $! >$PID_FILE; exec sleep 1000",
			hangs:   true,
			wantErr: "QEMU was killed, but something that it started still holds its output: is qemu-system-x86_64 in PATH a wrapper?",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fakeQEMU(t, tt.script)
			child := filepath.Join(t.TempDir(), "pid")
			t.Setenv("PID_FILE", child)
			c, want := Config{Kernel: kernel}, Crash
			if tt.hangs {
				c.Timeout, want = 500*time.Millisecond, TimedOut
			}
			got, err := Run(t.Context(), c)
			if text, err := os.ReadFile(child); err == nil {
				pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Errorf("what was left behind: %v", err)
				}
			}
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || err.Error() != tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if tt.wantErr == "" && (got.Outcome != want || got.Reason != tt.reason) {
				t.Errorf("%v: %s\nwant %v: %s", got.Outcome, got.Reason, want, tt.reason)
			}
		})
	}
}

func TestRunBadConfig(t *testing.T) {
	kernel, dir := anyFile(t), t.TempDir()
	missing := filepath.Join(dir, "missing")
	tests := []struct {
		name string
		c    Config
		want string
	}{
		{"no kernel", Config{}, "no kernel image given"},
		{"missing kernel", Config{Kernel: missing}, "kernel image " + missing + ": no such file or directory"},
		{"missing initramfs", Config{Kernel: kernel, Initrd: missing}, "initramfs " + missing + ": no such file or directory"},
		{"directory", Config{Kernel: dir}, "kernel image " + dir + ": is a directory"},
		{"machine", Config{Kernel: kernel, Machine: "vax"}, `unknown machine "vax": use microvm, pc or q35`},
		{"engine", Config{Kernel: kernel, Engine: "warp"}, `unknown engine "warp": use icount, tcg, kvm or bochs`},
		{"a CPU of the host's for icount", Config{Kernel: kernel, HostCPU: new(int)}, "a machine's CPU is kept on one of this host's by the engines kvm and tcg only"},
		{"memory", Config{Kernel: kernel, MemoryMiB: -1}, "negative memory (-1 MiB)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Run(t.Context(), tt.c); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Run = %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("no QEMU", func(t *testing.T) {
		t.Setenv("PATH", dir)
		if _, err := Run(t.Context(), Config{Kernel: kernel}); !errors.Is(err, ErrNoQEMU) {
			t.Errorf("Run = %v, want %v", err, ErrNoQEMU)
		}
		if _, err := Version(t.Context()); !errors.Is(err, ErrNoQEMU) {
			t.Errorf("Version = %v, want %v", err, ErrNoQEMU)
		}
	})
	t.Run("QEMU refuses", func(t *testing.T) {
		kernel := scriptKernel(t)
		got, err := Run(t.Context(), Config{Kernel: kernel, CPU: "abacus"})
		if !errors.Is(err, ErrStart) || !strings.Contains(err.Error(), "unable to find CPU model 'abacus'") {
			t.Errorf("Run = %v, want QEMU's own words\n%s", err, got.Report())
		}
	})
}

func BenchmarkRun(b *testing.B) {
	kernel := scriptKernel(b)
	for _, machine := range Machines {
		for _, engine := range []Engine{ICount, TCG} {
			b.Run(string(machine)+"/"+string(engine), func(b *testing.B) {
				var first time.Duration
				for b.Loop() {
					got, err := Run(b.Context(), Config{Engine: engine, Machine: machine, Kernel: kernel, Append: "c x;" + exits})
					if err != nil || got.Outcome != Exited {
						b.Fatalf("error %v\n%s", err, got.Report())
					}
					first += got.FirstByte
				}
				b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-to-first-byte/op")
			})
		}
	}
}
