package history

import (
	"bytes"
	"io"
	"iter"
	"runtime"
	"slices"

	"github.com/entrylab/entrylab/internal/bounded"
)

// blockSize is how much of a file is parsed at a time, at least a line.
const blockSize = 2 * mostLine

// block is a part of a file that is parsed in parallel with others.
type block struct {
	at    int64 // in the file
	lines []byte
	done  chan struct{}
	found []found
	// size is the size of the lines before the first bad one, whose fault is err.
	size int
	err  error
}

// blocks cuts a file, from at on, into blocks of whole lines and parses them. A last
// line without an end is left out.
func blocks(r io.Reader, at int64) iter.Seq2[*block, error] {
	return func(yield func(*block, error) bool) {
		free := make(chan []byte, runtime.GOMAXPROCS(0)) // buffers that were used
		var rest []byte
		for ended := false; !ended; {
			var buf []byte
			select {
			case buf = <-free:
			default:
				buf = make([]byte, blockSize)
			}
			n := copy(buf, rest)
			more, err := io.ReadFull(r, buf[n:])
			buf = buf[:n+more]
			switch {
			case err == io.EOF || err == io.ErrUnexpectedEOF:
				ended = true
			case err != nil:
				yield(nil, err)
				return
			}
			end := bytes.LastIndexByte(buf, '\n') + 1
			if end == 0 && len(buf) > mostLine {
				end = len(buf) // a line that is too long
			}
			if end == 0 {
				return
			}
			rest, at = bytes.Clone(buf[end:]), at+int64(end)
			b := &block{at: at - int64(end), lines: buf[:end], done: make(chan struct{})}
			go func() {
				b.parse()
				select {
				case free <- buf[:blockSize]:
				default:
				}
			}()
			if !yield(b, nil) {
				return
			}
		}
	}
}

// parse parses the lines up to the first bad one.
func (b *block) parse() {
	defer close(b.done)
	b.found = make([]found, 0, bytes.Count(b.lines, []byte("\n")))
	for line := range bytes.Lines(b.lines) {
		if len(line) > mostLine+1 {
			b.err = bounded.ErrLongLine
			return
		}
		e, err := parseWords(line)
		if err != nil {
			b.err = err
			return
		}
		b.found = append(b.found, found{e.place(b.at+int64(b.size), len(line)), e.Series, e.Night})
		b.size += len(line)
	}
}

// place returns where the entry is if it is a line at offset.
func (e Entry) place(offset int64, length int) place {
	return place{offset: offset, length: int32(length), time: e.Time.UnixNano(), key: e.Key(), kind: uint8(slices.Index(kinds, e.Kind))}
}
