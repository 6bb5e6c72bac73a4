package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hugelgupf/vmtest/qemu"

	"github.com/entrylab/entrylab/internal/work"
)

// grace is how long the rest of a machine has to end once QEMU has ended, and for
// how long QEMU may sleep without an answer.
const grace = 3 * time.Second

// Run boots the machine and waits for its end. A guest that fails, crashes or
// does not end is a Result; an error means that there was no guest
// (ErrNoQEMU, ErrStart, a bad Config), that a writer failed, or that ctx is
// done. When Run returns, QEMU is gone and the writers have everything, except
// a writer that still blocks when ctx is done.
func Run(ctx context.Context, c Config) (Result, error) {
	var result Result
	fail := func(err error) (Result, error) {
		result.Outcome, result.Reason = Crash, err.Error()
		return result, err
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	var err error
	if result.CommandLine, err = CommandLine(c); err != nil {
		return fail(err)
	}

	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if c.Timeout > 0 {
		limit := timeoutError(fmt.Sprintf("no end after %v", c.Timeout))
		defer time.AfterFunc(c.Timeout, func() { stop(limit) }).Stop()
	}

	rec := newRecorder()
	rec.connect(c.Console, c.Log, stop)
	start := boot
	if c.Engine == Bochs {
		start = bootBochs
	}
	end, err := start(running, &c, rec)
	result.Elapsed = time.Since(rec.start)
	flushed := rec.finish(ctx)

	rec.mu.Lock()
	result.Tail = slices.Clone(rec.tail)
	if !rec.first.IsZero() {
		result.FirstByte = rec.first.Sub(rec.start)
	}
	rec.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fail(fmt.Errorf("machine stopped: %w", context.Cause(ctx)))
	case flushed != nil:
		return fail(flushed)
	case err != nil:
		return fail(err)
	}
	if result.Outcome, result.Status, result.Reason, err = end.verdict(); err != nil {
		return fail(err)
	}
	return result, nil
}

// boot starts QEMU, reads its output until all of it has ended,
// and says how the machine ended. When ctx is done, it kills QEMU.
func boot(ctx context.Context, c *Config, rec *recorder) (ending, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	command, err := find()
	if err != nil {
		return ending{}, err
	}
	// The options are made by hand, and not by vmtest's OptionsFor, because
	// that function lets VMTEST_ variables of the environment change what is booted,
	// splits QEMU's path at spaces, and asks for -nographic, with which SeaBIOS
	// writes to COM1.
	opts := &qemu.Options{SerialOutput: []io.WriteCloser{&rec.stdio}}
	var ours []*os.File
	defer func() { closeAll(ours) }()
	defer func() { closeAll(opts.ExtraFiles) }()
	connect := func(name string, pair func(string) (ours, qemus *os.File, err error)) (our *os.File, qemus int, err error) {
		our, theirs, err := pair(name)
		if err != nil {
			return nil, 0, err
		}
		ours = append(ours, our)
		return our, opts.AddFile(theirs), nil
	}
	console, consoleFD, err := connect("console", pipePair)
	if err != nil {
		return ending{}, err
	}
	log, logFD, err := connect("log", socketPair)
	if err != nil {
		return ending{}, err
	}
	ways := fdChannels(consoleFD, logFD)
	var counts *counter
	if c.counts() {
		qmp, fd, err := connect("monitor", socketPair)
		if err != nil {
			return ending{}, err
		}
		ways = append(ways, qmpChannel(fd)...)
		counts = &counter{qmp: qmp}
	}
	var monitor *os.File
	if c.HostCPU != nil {
		var fd int
		if monitor, fd, err = connect("monitor", socketPair); err != nil {
			return ending{}, err
		}
		ways = append(append(ways, qmpChannel(fd)...), "-S")
	}
	var stub *os.File
	if c.Debug != nil {
		var fd int
		if stub, fd, err = connect("gdb stub", socketPair); err != nil {
			return ending{}, err
		}
		ways = append(ways, gdbChannel(fd)...)
	}
	args, err := c.args(ways)
	if err != nil {
		return ending{}, err
	}
	opts.QEMUArgs = slices.Concat(command, args)

	// The kernel sends the parent-death signal when the thread that started
	// QEMU ends, not when the process does: keep the thread until QEMU is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const thread = "/proc/thread-self"
	others, err := work.Children(thread)
	if err != nil {
		return ending{}, fmt.Errorf("cannot look at processes: %w", err)
	}
	rec.start = time.Now()
	machine, err := opts.Start(ctx)
	closeAll(opts.ExtraFiles) // QEMU has its own copies; with these open, the channels would never end
	if err != nil {
		return ending{}, fmt.Errorf("%w: %w", ErrStart, err)
	}
	ended := make(chan struct{})
	defer close(ended)
	var pid int
	if pids, err := work.Children(thread); err != nil {
		stop(err)
	} else if i := slices.IndexFunc(pids, func(pid int) bool { return !slices.Contains(others, pid) }); i >= 0 {
		pid = pids[i]
	} // else it has ended
	go c.budget().watch(pid, rec, counts, ended, stop)

	var pumps sync.WaitGroup
	if counts != nil {
		pumps.Go(counts.listen)
	}
	consoleOut := &channel{file: console, to: &rec.console}
	logOut := &channel{file: log, to: after{consoleOut, &rec.log}}
	var consoleErr, logErr error
	pumps.Go(func() { consoleErr = consoleOut.pump() })
	pumps.Go(func() { logErr = logOut.pump() })
	if c.HostCPU != nil {
		pumps.Go(func() {
			err := pin(monitor, *c.HostCPU)
			monitor.Close() // nobody would read what else QEMU tells
			if err != nil {
				stop(err) // which counts only if QEMU has not ended
			}
		})
	}
	var debugErr error
	if c.Debug != nil {
		pumps.Go(func() {
			debugErr = c.Debug(stub)
			switch {
			case errors.Is(debugErr, io.EOF): // QEMU is ending, and how it ends says why
				go func() {
					select {
					case <-ended:
					case <-work.After(grace):
						stop(debugErr)
					}
				}()
			case debugErr != nil:
				stop(debugErr)
			}
		})
	}
	exit := make(chan error, 1)
	go func() { exit <- machine.Wait() }() // drains QEMU's terminal, too
	var waitErr error
	late := grace
	select {
	case waitErr = <-exit:
	case <-ctx.Done():
		select {
		case waitErr = <-exit:
		case <-work.AfterExit(pid, grace):
			late = 0
			waitErr = fmt.Errorf("QEMU was killed, but something that it started still holds its output: is %s in PATH a wrapper?", program)
		}
	}
	readOut(&pumps, late, ours...)
	debugErr = whyGone(ctx, debugErr, waitErr)
	if err := errors.Join(debugErr, consoleErr, logErr); err != nil {
		return ending{}, err
	}

	code, signal, err := exitStatus(waitErr)
	if err != nil {
		return ending{}, err
	}
	end := rec.ending()
	end.code, end.signal = code, signal
	return end, end.killed(ctx)
}

// whyGone returns the error of a debugger. One that lost its machine only knows that: the
// error is nil if the machine was ended for another reason, which says more, and else says
// how QEMU ended.
func whyGone(ctx context.Context, debugErr, waitErr error) error {
	cause := context.Cause(ctx)
	switch {
	case debugErr == nil || !errors.Is(debugErr, io.EOF):
		return debugErr
	case cause == errMute:
		return fmt.Errorf("%w: %w", debugErr, cause)
	case cause != nil && cause != debugErr:
		return nil
	}
	code, signal, err := exitStatus(waitErr)
	switch {
	case err != nil:
		return fmt.Errorf("%w: QEMU has ended: %w", debugErr, err)
	case signal != 0:
		return fmt.Errorf("%w: QEMU was killed by signal %d (%v)", debugErr, signal, signal)
	}
	return fmt.Errorf("%w: QEMU has ended with status %d", debugErr, code)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// pipePair returns both ends of a pipe: ours, to read from, whose reads can be
// given a deadline, and the one that QEMU inherits.
func pipePair(name string) (ours, qemus *os.File, err error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("pipe for the %s: %w", name, err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, syscall.Close(fds[0]), syscall.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of QEMU"), nil
}

// socketPair returns both ends of a stream socket: ours, whose reads can be
// given a deadline, and the one that QEMU inherits.
func socketPair(name string) (ours, qemus *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair for the %s: %w", name, err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, syscall.Close(fds[0]), syscall.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" of QEMU"), nil
}

// exitStatus takes apart the error of vmtest's Wait.
func exitStatus(waitErr error) (code int, signal syscall.Signal, err error) {
	var exitErr *exec.ExitError
	switch {
	case waitErr == nil,
		// QEMU ended with 0 just before it would have been killed.
		errors.Is(waitErr, context.Canceled), errors.Is(waitErr, context.DeadlineExceeded):
		return 0, 0, nil
	case !errors.As(waitErr, &exitErr):
		return 0, 0, waitErr
	}
	if status, ok := exitErr.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 0, status.Signal(), nil
	}
	return exitErr.ExitCode(), 0, nil
}
