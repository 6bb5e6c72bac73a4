// Package bounded reads files that the user names. Such a file may be a pipe that nobody
// writes to, a device, or endless: opening and reading it end with the context, and no
// more is read than the limit for that kind of file.
package bounded

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Kind is a kind of file, with the most that is read of one.
type Kind struct {
	// Thing is the word for the file in messages, such as "results file"; empty: its path
	// says enough.
	Thing string
	// Most is the largest size, in bytes.
	Most int64
	// Regular refuses pipes and devices, for a file that is read more than once.
	Regular bool
	// Advice ends the message about a file of the wrong kind, such as "give a file that
	// entrylab study wrote".
	Advice string
}

// Open opens the file for reading. If that must wait, as for the writer of a named pipe, it
// ends with ctx. Errors name the path.
func (k Kind) Open(ctx context.Context, path string) (*File, error) {
	if k.Regular {
		// Checked before it is opened: opening a device may have effects.
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
	// A deadline ends a read that waits for a pipe, a terminal or a serial line. A file
	// that has no deadlines does not wait.
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	return &File{k.Reader(ctx, path, f), f, stop}, nil
}

// check refuses an open file that is not of the kind.
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

// open opens a file as os.Open does, until ctx ends: opening waits for the other end of a
// named pipe and for the carrier of a serial line.
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

// error adds the name of the file to err, unless it has it, and the advice.
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

// ErrTooLong means that a file or a program's output is longer than allowed; ErrLongLine,
// that a line is.
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

// Hash returns the SHA-256 of the file and of what belongs to it, in hexadecimal.
func (k Kind) Hash(ctx context.Context, path string, beside ...[]byte) (string, error) {
	f, err := k.Open(ctx, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	for _, b := range beside {
		sum.Write(b)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}

// Reader returns a reader of r, the file at path, that keeps to the kind's limit. The
// context does not end a read that waits.
func (k Kind) Reader(ctx context.Context, path string, r io.Reader) *Reader {
	return &Reader{kind: k, path: path, ctx: ctx, r: r, left: k.Most}
}

// Reader reads until the kind's limit is reached or the context is done.
type Reader struct {
	kind Kind
	path string
	ctx  context.Context
	r    io.Reader
	left int64 // bytes that may still be read
}

// Read reads as any reader does. All errors but io.EOF and the context's name the path.
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	// One byte beyond the limit shows that the file is too long.
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

// File is an open file of a kind. The context also ends reads that wait.
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

// ReadLine returns the next line with its newline, as bufio.Reader.ReadBytes does: the last
// line may have none, and is returned with io.EOF. Of a line of more than most bytes it
// returns the beginning, with ErrLongLine; the next call continues in that line.
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
