// Package bounded reads files that the user names, which may be a pipe that nobody
// writes to, a device, or endless. Opening and reading end when the context does, and
// no more is read than the limit for that kind of file.
package bounded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Kind is what a file is read for, with the most that is read of one.
type Kind struct {
	// Thing is what messages call the file, as in "results file"; empty: its path
	// says enough.
	Thing string
	// Most is its most bytes.
	Most int64
	// Regular refuses pipes and devices, for what is read more than once.
	Regular bool
	// Advice ends the message about a file that is not what it should be, as in
	// "give a file that entrylab study wrote".
	Advice string
}

// Open opens the file for reading. Where that must wait, as for the writer of a
// named pipe, it ends with ctx. The error has the path in it.
func (k Kind) Open(ctx context.Context, path string) (*File, error) {
	if k.Regular {
		// Before it is opened, which may have effects on a device.
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil, k.error(path, errNotRegular)
		}
	}
	f, err := open(ctx, path)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, k.error(path, err)
	}
	if err := k.check(f); err != nil {
		f.Close()
		return nil, k.error(path, err)
	}
	// A read that waits for a pipe, a terminal or a serial line is ended by a
	// deadline; what knows none does not wait.
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	return &File{k.Reader(ctx, path, f), f, stop}, nil
}

// check reports an open file that is not what the kind wants.
func (k Kind) check(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("is a directory")
	case k.Regular && !info.Mode().IsRegular():
		return errNotRegular
	case info.Mode().IsRegular() && info.Size() > k.Most:
		return k.tooLong()
	}
	return nil
}

// open is os.Open, which waits for the other end of a named pipe and for the
// carrier of a serial line, and does not know a context.
func open(ctx context.Context, path string) (*os.File, error) {
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		return os.Open(path)
	}
	type opened struct {
		f   *os.File
		err error
	}
	got := make(chan opened)
	go func() {
		f, err := os.Open(path)
		select {
		case got <- opened{f, err}:
		case <-ctx.Done():
			f.Close() // nil is no file, and no panic
		}
	}()
	select {
	case o := <-got:
		return o.f, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// error is err about the file, once with its name, and with the advice.
func (k Kind) error(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	name := path
	if k.Thing != "" {
		name = k.Thing + " " + path
	}
	return fmt.Errorf("%s: %w: %s", name, err, k.Advice)
}

var errNotRegular = errors.New("is not a regular file")

// ErrTooLong means that a file has more than its kind allows, or a program's
// output; ErrLongLine, that a line has more than ReadLine was given.
var (
	ErrTooLong  = errors.New("too long")
	ErrLongLine = errors.New("the line is too long")
)

func (k Kind) tooLong() error {
	return fmt.Errorf("is %w: it has more than %d MiB, the most that is read", ErrTooLong, k.Most>>20)
}

// ReadFile returns the whole file.
func (k Kind) ReadFile(ctx context.Context, path string) ([]byte, error) {
	f, err := k.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Reader returns r, which is the file at path, with the kind's bound. A read ends
// with the context only before or after it waits.
func (k Kind) Reader(ctx context.Context, path string, r io.Reader) *Reader {
	return &Reader{kind: k, path: path, ctx: ctx, r: r, left: k.Most}
}

// Reader reads until there is more than the kind allows or the context is done.
type Reader struct {
	kind Kind
	path string
	ctx  context.Context
	r    io.Reader
	left int64 // bytes that may still come
}

// Read reads as any reader does. Errors but io.EOF and the context's have the
// path in them.
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	// One byte more than may come tells a file that is too long.
	if int64(len(p)) > r.left {
		p = p[:r.left+1]
	}
	n, err := r.r.Read(p)
	switch r.left -= int64(n); {
	case r.ctx.Err() != nil:
		return 0, r.ctx.Err()
	case r.left < 0:
		return 0, r.kind.error(r.path, r.kind.tooLong())
	case err != nil && err != io.EOF:
		return n, r.kind.error(r.path, err)
	}
	return n, err
}

// File is an open file of a kind. Its reads end with the context, too, while they
// wait.
type File struct {
	*Reader
	f    *os.File
	stop func() bool
}

// Close closes the file.
func (f *File) Close() error {
	f.stop()
	return f.f.Close()
}

// ReadLine returns the next line with its end, as bufio.Reader.ReadBytes does: the
// last may lack it, and comes with io.EOF. A line of more than most bytes ends
// with ErrLongLine and what has come of it; the next call goes on inside it.
func ReadLine(in *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil && len(line) <= most+1:
			return line, nil
		case err != nil && err != bufio.ErrBufferFull && err != io.EOF:
			return line, err
		case len(line) > most:
			return line, fmt.Errorf("%w: it has more than %d KiB", ErrLongLine, most>>10)
		case err == io.EOF:
			return line, err
		}
	}
}
