package vm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/entrylab/entrylab/internal/work"
)

const (
	tailLines = 40  // the lines that Result.Tail keeps
	lineBytes = 400 // the bytes of a line that it keeps; a guest may never send a newline
	saidBytes = 1 << 12

	lastWrite = time.Second // for a writer when the context is done
)

// recorder takes a machine's output, from all channels at once, and keeps
// what a verdict and a report need. It never blocks.
type recorder struct {
	mu    sync.Mutex
	start time.Time
	first time.Time // of the first byte on the console
	tail  []string

	console, log stream // the guest's
	stdio        stream // QEMU's
	said         []byte // what QEMU said, up to saidBytes

	sink *sink // passes on the data of streams with a writer; nil: none
}

// stream is one of the machine's outputs.
type stream struct {
	rec     *recorder
	partial []byte // the current, unfinished line, up to lineBytes
	dropped int    // how many of its bytes are beyond that
	came    uint64 // bytes
	last    string // the last line, if it is whole
	panic   string // the first line of a panic

	name string
	w    io.Writer // gets everything; nil: none
	// lines makes w get only whole lines; held is the part of the next line so far.
	lines bool
	held  []byte
}

func newRecorder() *recorder {
	rec := &recorder{start: time.Now()}
	rec.console.rec, rec.log.rec, rec.stdio.rec = rec, rec, rec
	return rec
}

// Write takes the next bytes of the stream.
func (s *stream) Write(p []byte) (int, error) {
	rec := s.rec
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if s.w != nil {
		s.held = append(s.held, p...)
		ready := len(s.held)
		if s.lines {
			ready = bytes.LastIndexByte(s.held, '\n') + 1
		}
		s.pass(ready)
	}
	if s == &rec.console && s.came == 0 {
		rec.first = time.Now()
	}
	if s == &rec.stdio {
		rec.said = append(rec.said, p[:min(len(p), saidBytes-len(rec.said))]...)
	}
	s.came += uint64(len(p))
	for line := range strings.Lines(string(p)) {
		text, whole := strings.CutSuffix(line, "\n")
		kept := min(len(text), lineBytes-len(s.partial))
		s.partial = append(s.partial, text[:kept]...)
		s.dropped += len(text) - kept
		s.last = ""
		if whole {
			s.last = s.endLine()
		}
	}
	return len(p), nil
}

// Close ends the stream's last line. vmtest calls it for QEMU's own
// output.
func (s *stream) Close() error {
	s.end()
	return nil
}

// end ends the stream's last line.
func (s *stream) end() {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	if len(s.partial) > 0 {
		s.endLine()
	}
	s.pass(len(s.held))
}

// pass hands the first n of the held bytes to the sink.
func (s *stream) pass(n int) {
	if n > 0 {
		s.rec.sink.put(s, s.held[:n])
		s.held = slices.Clone(s.held[n:])
	}
}

// connect passes the guest's streams on to writers, each of which may be nil:
// the console as it comes, the log by whole lines, so that none breaks in two
// around a byte of the console. The writers get everything in the order in
// which the recorder took it, and never at the same time. If one fails, stop is
// called with the reason.
func (rec *recorder) connect(console, log io.Writer, stop func(error)) {
	rec.console.name, rec.console.w = "console", console
	rec.log.name, rec.log.w, rec.log.lines = "log", log, true
	if console != nil || log != nil {
		rec.sink = newSink(stop)
	}
}

// finish ends the guest's streams and waits until their writers have
// everything. Once ctx is done, a writer gets only a moment more.
func (rec *recorder) finish(ctx context.Context) error {
	for _, s := range []*stream{&rec.console, &rec.log} {
		s.end()
	}
	if rec.sink == nil {
		return nil
	}
	return rec.sink.finish(ctx)
}

// bytes returns how much the guest has sent.
func (rec *recorder) bytes() uint64 {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.console.came + rec.log.came
}

// ending returns what the streams say about how the machine ended.
func (rec *recorder) ending() ending {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return ending{
		lastLog:  rec.log.last,
		panicLog: rec.log.panic,
		silent:   rec.console.came+rec.log.came == 0,
		said:     string(rec.said),
	}
}

// endLine moves the unfinished line to the tail, and returns it.
func (s *stream) endLine() string {
	line := strings.TrimSuffix(string(s.partial), "\r")
	if s.dropped > 0 {
		line += fmt.Sprintf("... (%d more bytes)", s.dropped)
	}
	s.partial, s.dropped = s.partial[:0], 0
	if s.panic == "" && strings.HasPrefix(line, logPrefix+panicPrefix) {
		s.panic = line
	}
	if len(s.rec.tail) == tailLines {
		s.rec.tail = append(s.rec.tail[:0], s.rec.tail[1:]...)
	}
	s.rec.tail = append(s.rec.tail, printable(line))
	return line
}

// printable replaces what could confuse a terminal.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '~'
		}
		return r
	}, line)
}

// sink passes bytes on to the streams' writers in its own goroutine, through a
// queue that the machine's budget bounds: each byte counts (perByte).
type sink struct {
	mu     sync.Mutex
	wake   sync.Cond // queue or closed has changed
	queue  []piece
	closed bool
	done   chan struct{} // closed when the writers have everything, or one has failed
	err    error         // the writer's, once done
}

// piece is a part of a stream.
type piece struct {
	of    *stream
	bytes []byte
}

// newSink starts passing bytes on. If a writer fails, stop is called with the
// reason, which names the stream.
func newSink(stop func(error)) *sink {
	s := &sink{done: make(chan struct{})}
	s.wake.L = &s.mu
	go func() {
		defer close(s.done)
		for {
			pieces := s.take()
			if len(pieces) == 0 {
				return
			}
			for _, p := range pieces {
				if _, err := p.of.w.Write(p.bytes); err != nil {
					s.err = fmt.Errorf("cannot pass on the %s: %w", p.of.name, err)
					stop(s.err)
					return
				}
			}
		}
	}()
	return s
}

func (s *sink) put(of *stream, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.queue); n > 0 && s.queue[n-1].of == of {
		s.queue[n-1].bytes = append(s.queue[n-1].bytes, p...)
	} else {
		s.queue = append(s.queue, piece{of, slices.Clone(p)})
	}
	s.wake.Signal()
}

// take waits for pieces; there are none after the last.
func (s *sink) take() []piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.wake.Wait()
	}
	pieces := s.queue
	s.queue = nil
	return pieces
}

func (s *sink) finish(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.wake.Signal()
	s.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
	}
	select {
	case <-s.done:
		return s.err
	case <-work.After(lastWrite):
		return nil
	}
}
