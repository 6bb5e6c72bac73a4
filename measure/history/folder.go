package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/entrylab/entrylab/internal/bounded"
)

// folderFile is the file of a folder's entries, one on each line.
const folderFile = "results.jsonl"

// Of a folder's file this much is read: some two million entries. A larger history
// belongs in a database.
var historyFile = bounded.Kind{Thing: "history", Most: 1 << 30, Advice: "`entrylab results merge` copies it into a database"}

// mostLine is more than an entry has.
const mostLine = 1 << 20

// folder is a store in a file. Writers take turns by a lock on it; those of one
// process, which share that lock, by mu.
type folder struct {
	path string
	f    *os.File
	file opened

	mu    sync.Mutex
	index index // of the file up to size
	size  int64
}

func openFolder(ctx context.Context, dir string) (Store, error) {
	if dir == "" {
		return nil, errors.New("history: want a folder, sqlite:FILE or postgres://USER@HOST/DATABASE")
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("history: %s is a file: want a folder, sqlite:FILE or postgres://USER@HOST/DATABASE", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	path := filepath.Join(dir, folderFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("history: %s is not a file", path), err, f.Close())
	}
	s := &folder{path: path, f: f, file: opened{path, info}, index: newIndex()}
	// A damaged line is told before a night is spent on it.
	if err := s.catchUp(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *folder) Name() string { return filepath.Dir(s.path) }

func (s *folder) Close() error {
	if err := s.f.Close(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// catchUp reads what was added since the last time. A last line without an end is being
// written, or was cut off by a crash and never acknowledged: it is left alone.
func (s *folder) catchUp(ctx context.Context) error {
	info, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if info.Size() == s.size {
		return nil
	}
	if info.Size() < s.size {
		return fmt.Errorf("history: %s has become shorter while it was open: another program writes to it", s.path)
	}
	in := historyFile.Reader(ctx, s.path, io.NewSectionReader(s.f, s.size, info.Size()-s.size))
	var parsing []*block
	take := func() error {
		b := parsing[0]
		parsing = parsing[1:]
		<-b.done
		for _, f := range b.found {
			s.index.add(f)
		}
		s.size = b.at + int64(b.size)
		if b.err != nil {
			return s.damaged(b.err)
		}
		return nil
	}
	for b, err := range blocks(in, s.size) {
		if err != nil {
			return err
		}
		if parsing = append(parsing, b); len(parsing) > runtime.GOMAXPROCS(0) {
			if err := take(); err != nil {
				return err
			}
		}
	}
	for len(parsing) > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// damaged says which line is bad.
func (s *folder) damaged(err error) error {
	before := make([]byte, s.size)
	if _, err := s.f.ReadAt(before, 0); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	line := bytes.Count(before, []byte("\n")) + 1
	if errors.Is(err, errVersion) {
		return fmt.Errorf("history: %s:%d: %w", s.path, line, err)
	}
	return fmt.Errorf("history: %s:%d: %w: want an entry of a history; mend or remove the line, the others are kept", s.path, line, err)
}

func (s *folder) Append(ctx context.Context, entries ...Entry) (failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer func() {
		failed = errors.Join(failed, syscall.Flock(int(s.f.Fd()), syscall.LOCK_UN))
	}()
	if err := s.file.there(); err != nil {
		return fmt.Errorf("history: %s: %w", s.path, err)
	}
	if err := s.catchUp(ctx); err != nil {
		return err
	}
	var lines []byte
	var fresh []found
	keys := map[[16]byte]bool{}
	for _, e := range entries {
		line, err := e.line()
		if err != nil {
			return fmt.Errorf("history: %s: %w", s.path, err)
		}
		f := found{e.place(s.size+int64(len(lines)), len(line)), e.Series, e.Night}
		if keys[f.key] || s.index.has(f) {
			continue
		}
		keys[f.key] = true
		fresh = append(fresh, f)
		lines = append(lines, line...)
	}
	// A line that a crash cut off is removed: a line after it would be lost with it.
	if err := s.f.Truncate(s.size); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if len(lines) == 0 {
		return nil
	}
	if _, err := s.f.Write(lines); err != nil {
		return errors.Join(fmt.Errorf("history: %s: %w; nothing of these %d entries is kept: make room and go on", s.path, err, len(entries)), s.f.Truncate(s.size))
	}
	if err := s.f.Sync(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	s.size += int64(len(lines))
	for _, f := range fresh {
		s.index.add(f)
	}
	return nil
}

// look reads the index, once the file has been read to its end.
func look[T any](ctx context.Context, s *folder, what func(*index) T) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.catchUp(ctx); err != nil {
		var none T
		return none, err
	}
	return what(&s.index), nil
}

// read reads the entry at a place.
func (s *folder) read(ctx context.Context, p place) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	line := make([]byte, p.length)
	if _, err := s.f.ReadAt(line, p.offset); err != nil {
		return Entry{}, fmt.Errorf("history: %w", err)
	}
	e, err := parse(line)
	if err != nil {
		return Entry{}, fmt.Errorf("history: %s has changed while it was open: %w", s.path, err)
	}
	return e, nil
}

func (s *folder) Entries(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		places, err := look(ctx, s, func(x *index) []place { return x.match(q) })
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, p := range places {
			if e, err := s.read(ctx, p); !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *folder) Histories(ctx context.Context, past Past) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		names, err := look(ctx, s, func(x *index) []string {
			if past.Night != "" {
				return x.names(past.Night)
			}
			return slices.Sorted(slices.Values(past.Series))
		})
		if err != nil {
			yield(nil, err)
			return
		}
		ahead(len(names), func(i int) ([]Entry, error) { return s.history(ctx, names[i], past.Last) }, yield)
	}
}

// history returns the history of a series.
func (s *folder) history(ctx context.Context, name string, last int) ([]Entry, error) {
	s.mu.Lock()
	places := s.index.past(name, last)
	s.mu.Unlock()
	one := make([]Entry, len(places))
	for i, p := range places {
		var err error
		if one[i], err = s.read(ctx, p); err != nil {
			return nil, err
		}
	}
	return one, nil
}

func (s *folder) Series(ctx context.Context) ([]Series, error) {
	return look(ctx, s, func(x *index) []Series {
		var all []Series
		for name := range x.series {
			of := x.of(name)
			all = append(all, Series{Name: name, Entries: len(of), Last: x.nights[of[len(of)-1].night]})
		}
		slices.SortFunc(all, func(a, b Series) int { return strings.Compare(a.Name, b.Name) })
		return all
	})
}
