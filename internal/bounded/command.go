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

// Limits are the limits of a program; 0 means no limit.
type Limits struct {
	Work   time.Duration // of working, or of sleeping (package work)
	Memory int64         // bytes of address space
	File   int64         // bytes of each file that it writes
	Output int64         // bytes of output, on both streams together
}

// afterKill is how long processes that the program started may hold its output open.
const afterKill = time.Second

// Output runs a program within limits and returns its standard output and standard error
// together. The program is killed when ctx is done, when it prints too much, and when this
// process dies.
func Output(ctx context.Context, l Limits, name string, args ...string) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &Buffer{Most: l.Output}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	// A shell sets the limits before the program starts: set from outside, they could come
	// too late on a busy host.
	limited := []string{"-c", `ulimit -v "$1" && ulimit -f "$2" && shift 2 && exec "$@"`, "sh", ulimit(l.Memory, 1<<10), ulimit(l.File, 512), path}
	cmd := exec.CommandContext(ctx, "/bin/sh", append(limited, args...)...)
	w := &stopper{out, stop}
	cmd.Stdout, cmd.Stderr = w, w // one writer: the lines keep their order
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = afterKill
	// The kernel sends the death signal when the thread that started the program ends.
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

// ulimit returns a limit in bytes as the shell's ulimit takes it, in units.
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

// stopper calls stop when the writer fails.
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
