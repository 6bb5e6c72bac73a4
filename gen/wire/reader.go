package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MostLine is the length in bytes of the longest line, its break included.
const MostLine = 16 << 10

// Reader hands out the guest's lines of a console, one by one.
type Reader struct {
	name string
	in   *bufio.Reader
	n    int // lines read
}

// NewReader returns a Reader of r; errors call the source by name.
func NewReader(name string, r io.Reader) *Reader {
	return &Reader{name: name, in: bufio.NewReaderSize(r, MostLine)}
}

// At returns the place of the line that Next has returned or refused:
// "name:number", where the first line is number 1.
func (r *Reader) At() string { return fmt.Sprintf("%s:%d", r.name, r.n) }

// A DamagedError is a line that begins like the guest's and cannot be read.
type DamagedError struct {
	At   string // as Reader.At
	Kind string // KindSample and so on, or an outcome
	Err  error
}

func (e *DamagedError) Error() string { return e.At + ": " + e.Err.Error() }

// Unwrap returns why the line cannot be read.
func (e *DamagedError) Unwrap() error { return e.Err }

// Next returns the next line of the guest and passes over all others. After a
// *DamagedError it may be called again, for the lines that follow. Any other error
// comes from the source: io.EOF at its end.
func (r *Reader) Next() (Line, error) {
	for {
		text, err := r.in.ReadSlice('\n')
		if len(text) == 0 && err != nil {
			return nil, err
		}
		r.n++
		if errors.Is(err, bufio.ErrBufferFull) {
			kind := kindOf(string(text))
			if err := r.passOver(); err != nil {
				return nil, err
			}
			if kind != "" {
				return nil, &DamagedError{r.At(), kind, fmt.Errorf("the line is longer than %d bytes", MostLine)}
			}
			continue
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		whole := strings.TrimRight(string(text), "\r\n")
		kind := kindOf(whole)
		line, err := parseKind(kind, whole)
		if err != nil {
			return nil, &DamagedError{r.At(), kind, err}
		}
		if line != nil {
			return line, nil
		}
	}
}

// passOver skips the rest of a line.
func (r *Reader) passOver() error {
	for {
		_, err := r.in.ReadSlice('\n')
		switch {
		case err == nil || err == io.EOF:
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
