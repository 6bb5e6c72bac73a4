// Package store keeps records in a results file, one on each line. The file is only
// ever appended to; studies, reports and later comparisons read it.
package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/entrylab/entrylab/internal/bounded"
	"github.com/entrylab/entrylab/measure/record"
)

// How much of a results file is read: some 250,000 figures.
var resultsFile = bounded.Kind{Thing: "results file", Most: 128 << 20, Advice: "give a file that entrylab wrote with -o"}

// mostLine is more than a record has, with samples of some thousand boots.
const mostLine = 1 << 20

// Check says what is wrong with a record from a file, whose form is right.
type Check func(*record.Record) error

// Read reads a results file: one record on each line. name is for messages. A last
// line that was cut off, as a full disk or a lost machine leaves it, is
// left out, and cut says so; any other line that is not a record is an error with
// its number, and so is one that check, which may be nil, refuses.
func Read(name string, r io.Reader, check Check) (records []record.Record, cut string, err error) {
	in := bufio.NewReader(r)
	texts := interned{}
	for n := 1; ; n++ {
		line, err := bounded.ReadLine(in, mostLine)
		if errors.Is(err, bounded.ErrLongLine) {
			return nil, "", fmt.Errorf("%s:%d: %w: %s; it is %s", name, n, err, wantRecord, excerpt(line))
		}
		if err != nil && err != io.EOF {
			return nil, "", err
		}
		last := err == io.EOF
		if last && len(line) == 0 {
			return records, "", nil
		}
		rec, err := record.ParseLine(line)
		switch {
		case err == nil:
			if check != nil {
				if err := check(&rec); err != nil {
					return nil, "", fmt.Errorf("%s:%d: %w; %s", name, n, err, adviceRecord)
				}
			}
			texts.of(&rec)
			records = append(records, rec)
		case last && begins(line):
			return records, fmt.Sprintf("%s:%d: the last line is cut off after %d bytes and left out: want a whole record; the %d before it are good",
				name, n, len(line), len(records)), nil
		default:
			return nil, "", fmt.Errorf("%s:%d: %w: %s; it is %s", name, n, err, wantRecord, excerpt(line))
		}
	}
}

// interned holds the texts of records, each once: they make up much of a results
// file, and few of them differ.
type interned map[string]string

// of replaces the texts of a record.
func (t interned) of(r *record.Record) {
	for _, s := range []*string{
		&r.Format, &r.Build, &r.Code, &r.Engine, &r.Machine, &r.CPU, &r.Emulator, &r.Host, &r.Microcode, &r.Kernel, &r.Conditions,
		&r.Variant, &r.Axes, &r.Op, &r.Form, &r.Unit,
	} {
		if _, ok := t[*s]; !ok {
			t[*s] = *s
		}
		*s = t[*s]
	}
}

const adviceRecord = "take the line out, or read the file with the entrylab that wrote it"

const wantRecord = `want a record of entrylab, one JSON object with "format":"` + record.Format + `" on a line`

// begins reports whether a line that ends too early is the beginning of a
// record.
func begins(line []byte) bool {
	head := []byte(`{"format":"` + record.Format + `"`)
	n := min(len(line), len(head))
	return bytes.Equal(line[:n], head[:n])
}

// excerpt returns the beginning of a line, for a message.
func excerpt(line []byte) string {
	const most = 40
	line = bytes.TrimRight(line, "\r\n")
	if len(line) > most {
		return fmt.Sprintf("%q...", line[:most])
	}
	return fmt.Sprintf("%q", line)
}

// ReadFile reads a results file; see Read. A file without a record is an
// error.
func ReadFile(ctx context.Context, path string, check Check) (records []record.Record, cut string, err error) {
	f, err := resultsFile.Open(ctx, path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	records, cut, err = Read(path, f, check)
	switch {
	case err != nil || len(records) > 0:
	case cut != "":
		err = errors.New(cut)
	default:
		err = fmt.Errorf("%s: no record in it", path)
	}
	return records, cut, err
}

// Store is a results file that is open for writing. Records are appended; nothing in the
// file is ever changed. Only one process at a time can have it open.
type Store struct {
	// Proofs are put into the records of their variants.
	Proofs map[string]record.Proof

	name string
	f    file

	mu   sync.Mutex
	last error // the first failure; nothing is written after it
	n    int
}

// Stream returns a store that appends records to w; messages call it by this name.
func Stream(name string, w io.Writer) *Store { return &Store{name: name, f: stream{w}} }

// file is what a Store writes to.
type file interface {
	io.WriteCloser
	Sync() error
	// Cut removes the last n bytes.
	Cut(n int) error
}

// regular is a file on a disk.
type regular struct{ *os.File }

func (f regular) Cut(n int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return f.Truncate(info.Size() - int64(n))
}

// Open opens the results file at path, which need not exist, for more
// records, and returns the records in it. It removes a cut-off last line
// first, and cut reports it: a record after it would be lost with it.
func Open(ctx context.Context, path string, check Check) (s *Store, records []record.Record, cut string, err error) {
	// Opening a serial line must not block.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, nil, "", fmt.Errorf("results: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, "", fmt.Errorf("results: %w", err)
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
	case mode&fs.ModeDevice != 0: // has nothing to read or to lock
		return &Store{name: path, f: device{stream{f}, f}}, nil, "", nil
	default:
		// Nobody need ever read what goes into a pipe.
		return nil, nil, "", fmt.Errorf("results: %s is there and is not a file: give another path", path)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, nil, "", fmt.Errorf("results: %s is being written to by another entrylab (%w)", path, err)
	}
	if info.Size() > resultsFile.Most {
		return nil, nil, "", fmt.Errorf("results: %s has more than %d MiB: give another path", path, resultsFile.Most>>20)
	}
	if records, cut, err = Read(path, resultsFile.Reader(ctx, path, f), check); err != nil {
		return nil, nil, "", err
	}
	if err := endLine(f, info.Size(), cut != ""); err != nil {
		return nil, nil, "", fmt.Errorf("results: %s: %w", path, err)
	}
	return &Store{name: path, f: regular{f}}, records, cut, nil
}

// endLine makes f, of that size, end with a whole line: it removes a cut-off line, and
// ends one that only lacks its end.
func endLine(f *os.File, size int64, cut bool) error {
	from := max(size-mostLine-1, 0)
	end := make([]byte, size-from)
	if _, err := f.ReadAt(end, from); err != nil {
		return err
	}
	whole := bytes.LastIndexByte(end, '\n') + 1
	switch {
	case whole == len(end):
		return nil
	case cut:
		return f.Truncate(from + int64(whole))
	}
	_, err := f.Write([]byte("\n"))
	return err
}

// stream can neither be synced nor cut, and is not closed.
type stream struct{ io.Writer }

func (stream) Sync() error   { return nil }
func (stream) Cut(int) error { return nil }
func (stream) Close() error  { return nil }

// device is a stream that is closed at the end.
type device struct {
	stream
	io.Closer
}

func (d device) Close() error { return d.Closer.Close() }

// Append writes records by one write: all of them or, if the file can be cut
// back to what it was, none. After a failure the store writes no more.
func (s *Store) Append(records ...record.Record) error {
	var lines []byte
	for _, r := range records {
		if p, ok := s.Proofs[r.Variant]; ok {
			r.Proof = p
		}
		line, err := r.Line()
		if err != nil {
			return err
		}
		lines = append(lines, line...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		return s.last
	}
	if n, err := s.f.Write(lines); err != nil || n < len(lines) {
		if err == nil {
			err = io.ErrShortWrite
		}
		what := fmt.Sprintf("record %d", s.n+1)
		if len(records) > 1 {
			what = fmt.Sprintf("records %d to %d", s.n+1, s.n+len(records))
		}
		s.last = fmt.Errorf("results: %s: %s (%s of %s) could not be written: %w; those before are in the file: make room and go on",
			s.name, what, records[0].Op, records[0].Variant, err)
		if n > 0 {
			s.last = errors.Join(s.last, s.f.Cut(n))
		}
		return s.last
	}
	s.n += len(records)
	return nil
}

// Sync makes sure that what was appended is on the disk. It is called at the
// end of each step.
func (s *Store) Sync() error {
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("results: %s: %w", s.name, err)
	}
	return nil
}

// Close ends the store.
func (s *Store) Close() error { return errors.Join(s.Sync(), s.f.Close()) }
