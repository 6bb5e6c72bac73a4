package bounded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

// Limits are what a program may take; 0 is no limit.
type Limits struct {
	Work   time.Duration // that it works, or sleeps (package work)
	Memory int64         // bytes of its address space
	File   int64         // bytes of a file that it writes
	Output int64         // bytes that it prints, on both streams together
}

// afterKill is the time for what the program started to let go of its output.
const afterKill = time.Second

// Output runs the program within its limits and returns what it printed on
// standard output and, with it, standard error. It is killed when ctx is done,
// when it prints too much, and when this process dies.
func Output(ctx context.Context, l Limits, name string, args ...string) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &Buffer{Most: l.Output}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	// The limits are there before the program is: set from outside they would be late
	// on a busy host.
	limited := []string{"-c", `ulimit -v "$1" && ulimit -f "$2" && shift 2 && exec "$@"`, "sh", ulimit(l.Memory, 1<<10), ulimit(l.File, 512), path}
	cmd := exec.CommandContext(ctx, "/bin/sh", append(limited, args...)...)
	w := &stopper{out, stop}
	cmd.Stdout, cmd.Stderr = w, w // one writer: the lines keep their order
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = afterKill
	// The death signal comes when the thread ends that started the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		if l.Work == 0 {
			return
		}
		if err := work.Watch(cmd.Process.Pid, l.Work, ended); err != nil {
			stop(err)
		}
	}()
	err = cmd.Wait()
	close(ended)
	<-watched
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return out.Bytes(), err
}

// ulimit is a limit in bytes as the shell takes it, in units.
func ulimit(most, unit int64) string {
	if most == 0 {
		return "unlimited"
	}
	return strconv.FormatInt(most/unit, 10)
}

// Buffer is a buffer that refuses more than Most bytes (0: takes all) with
// ErrTooLong.
type Buffer struct {
	bytes.Buffer
	Most int64
}

func (b *Buffer) Write(p []byte) (int, error) {
	if room := b.Most - int64(b.Len()); b.Most > 0 && int64(len(p)) > room {
		b.Buffer.Write(p[:room])
		return int(room), fmt.Errorf("the output is %w: it has more than %d KiB", ErrTooLong, b.Most>>10)
	}
	return b.Buffer.Write(p)
}

// stopper tells of a writer that failed.
type stopper struct {
	io.Writer
	stop func(error)
}

func (s *stopper) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		s.stop(err)
	}
	return n, err
}
