package vm

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	tailLines = 40  // that Result.Tail keeps
	lineBytes = 400 // that a line in it keeps; a guest may never send a newline
	saidBytes = 1 << 12

	lastWrite = time.Second // for a writer when the context is done
)

// recorder takes what comes out of a machine, on all ways at once, and keeps
// what a verdict and a report need. None of its work can block.
type recorder struct {
	mu    sync.Mutex
	start time.Time
	first time.Time // of the first byte on the console
	tail  []string

	console, log stream // of the guest
	stdio        stream // of QEMU
	said         []byte // what QEMU said, up to saidBytes
}

// stream is one way out of the machine.
type stream struct {
	rec     *recorder
	partial []byte // the line that has begun, up to lineBytes
	dropped int    // bytes of it beyond
	used    bool   // something came
	last    string // the last line, if it is whole
	panic   string // the first line of a panic
	sink    *sink  // nil: none
}

func newRecorder() *recorder {
	rec := &recorder{start: time.Now()}
	rec.console.rec, rec.log.rec, rec.stdio.rec = rec, rec, rec
	return rec
}

// Write takes the next bytes of the stream.
func (s *stream) Write(p []byte) (int, error) {
	if s.sink != nil {
		s.sink.put(p)
	}
	rec := s.rec
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if s == &rec.console && !s.used {
		rec.first = time.Now()
	}
	if s == &rec.stdio {
		rec.said = append(rec.said, p[:min(len(p), saidBytes-len(rec.said))]...)
	}
	s.used = true
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

// Close ends the stream's last line. It is what vmtest calls for QEMU's own
// output.
func (s *stream) Close() error {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	if len(s.partial) > 0 {
		s.endLine()
	}
	return nil
}

// connect makes the stream, called name, go to w as well, unless w is nil. turn
// is held while w is called. If w fails, stop is called with the reason.
func (s *stream) connect(name string, w io.Writer, turn sync.Locker, stop func(error)) {
	if w != nil {
		s.sink = newSink(name, w, turn, stop)
	}
}

// finish ends the stream and waits until its writer has everything. Once ctx
// is done, a writer gets only a moment more.
func (s *stream) finish(ctx context.Context) error {
	_ = s.Close()
	if s.sink == nil {
		return nil
	}
	return s.sink.finish(ctx)
}

// ending is what the streams say about how the machine ended.
func (rec *recorder) ending() ending {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return ending{
		lastLog:  rec.log.last,
		panicLog: rec.log.panic,
		silent:   !rec.console.used && !rec.log.used,
		said:     string(rec.said),
	}
}

// endLine moves the line that has begun to the tail, and returns it.
func (s *stream) endLine() string {
	line := strings.TrimSuffix(string(s.partial), "\r")
	if s.dropped > 0 {
		line += fmt.Sprintf("... (%d bytes more)", s.dropped)
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

// sink passes bytes on to a writer in its own goroutine, through a queue
// without a limit: a guest in a time-out's length sends some ten megabytes.
type sink struct {
	mu     sync.Mutex
	wake   sync.Cond // queue or closed has changed
	queue  []byte
	closed bool
	done   chan struct{} // closed when the writer has all, or has failed
	err    error         // the writer's, once done
}

// newSink starts passing bytes on to w, with turn held during each call. If w
// fails, stop is called with the reason, which names the stream.
func newSink(name string, w io.Writer, turn sync.Locker, stop func(error)) *sink {
	s := &sink{done: make(chan struct{})}
	s.wake.L = &s.mu
	go func() {
		defer close(s.done)
		for {
			chunk, more := s.take()
			if !more {
				return
			}
			turn.Lock()
			_, err := w.Write(chunk)
			turn.Unlock()
			if err != nil {
				s.err = fmt.Errorf("cannot pass on the %s: %w", name, err)
				stop(s.err)
				return
			}
		}
	}()
	return s
}

func (s *sink) put(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, p...)
	s.wake.Signal()
}

// take waits for bytes; more is false after the last.
func (s *sink) take() (chunk []byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && !s.closed {
		s.wake.Wait()
	}
	chunk, s.queue = s.queue, nil
	return chunk, len(chunk) > 0
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
	case <-time.After(lastWrite):
		return nil
	}
}
