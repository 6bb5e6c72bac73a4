package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/internal/wholefile"
	"github.com/entrylab/entrylab/measure/table"
)

// output is what a command prints to, whose reader may be slow, or gone to sleep:
// once the context is done no write waits for it. The first error is remembered,
// so that a command need not look at each line that it prints.
type output struct {
	ctx context.Context
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func (o *output) write(p []byte) (n int, err error) {
	f, ok := o.w.(*os.File)
	if !ok {
		return o.w.Write(p) // a buffer
	}
	if o.ctx.Err() != nil {
		return o.writeNow(f, p)
	}
	done := make(chan struct{})
	data := append([]byte(nil), p...) // a write that is given up may still be on its way
	go func() {
		defer close(done)
		n, err = f.Write(data)
	}()
	select {
	case <-done:
		return n, err
	case <-o.ctx.Done():
		return 0, o.ctx.Err()
	}
}

// print prints a document to standard output.
func (e *env) print(d *table.Document, format string) error { return d.Write(e.stdout, format) }

// toStdout is the path that stands for standard output.
const toStdout = "-"

// write writes a file as a whole, or to standard output, and says in a line what it
// wrote: on standard output, or on standard error where the file is there.
func (e *env) write(thing, path string, file []byte, what string) error {
	if path == toStdout {
		if _, err := e.stdout.Write(file); err != nil {
			return err
		}
		e.remark("%s: %s", thing, what)
		return nil
	}
	if err := wholefile.Write(thing, path, file); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %s\n", path, what)
	return err
}

// takenAtOnce is what a pipe or a terminal that poll(2) calls writable takes
// without waiting.
const takenAtOnce = 256

// writeNow writes as much as need not wait.
func (o *output) writeNow(f *os.File, p []byte) (int, error) {
	written := 0
	for written < len(p) && writable(f) {
		n, err := f.Write(p[written:min(written+takenAtOnce, len(p))])
		written += n
		if err != nil {
			return written, err
		}
	}
	if written < len(p) {
		return written, o.ctx.Err()
	}
	return written, nil
}

// writable reports whether a write of a few bytes would return at once.
func writable(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	ready := false
	err = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(poll, 0)
		ready = err == nil && n == 1 && poll[0].Revents&unix.POLLOUT != 0
	})
	return err == nil && ready
}

// computed returns what f computes, or ctx's error as soon as that is done: f,
// which has nothing to put away, is then left to the end of the process.
func computed[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := f()
		done <- outcome{v, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
