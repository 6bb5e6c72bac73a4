package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/entrylab/entrylab/internal/bounded"
)

// folderFile is the file of a folder's entries, one on each line.
const folderFile = "results.jsonl"

// Of a folder's file this much is read: some two million entries. What is larger
// belongs into a database.
var historyFile = bounded.Kind{Thing: "history", Most: 1 << 30, Advice: "`entrylab results merge` copies it into a database"}

// mostLine is more than an entry has.
const mostLine = 1 << 20

// folder is a store in a file. Writers take turns by a lock on it, and those of one
// process, which share that lock, by mu.
type folder struct {
	path string
	f    *os.File

	mu   sync.Mutex
	keys map[[16]byte]bool // of the entries up to size
	size int64
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
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("history: %s is not a file", path), err, f.Close())
	}
	s := &folder{path: path, f: f, keys: map[[16]byte]bool{}}
	// A damaged line is told before a night is spent on it.
	if err := s.catchUp(ctx, nil); err != nil {
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

// catchUp reads what came since the last time. Each new entry goes to found, which may
// be nil. A last line without an end is one that is being written, or that a crash
// cut off, and was never acknowledged: it is left.
func (s *folder) catchUp(ctx context.Context, found func(Entry)) error {
	info, err := s.f.Stat()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if info.Size() < s.size {
		return fmt.Errorf("history: %s has become shorter while it was open: another program writes to it", s.path)
	}
	in := bufio.NewReader(historyFile.Reader(ctx, s.path, io.NewSectionReader(s.f, s.size, info.Size()-s.size)))
	for {
		line, err := bounded.ReadLine(in, mostLine)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bounded.ErrLongLine):
			return s.damaged(err)
		case err != nil:
			return err
		}
		e, err := parse(line)
		if err != nil {
			return s.damaged(err)
		}
		s.size += int64(len(line))
		if key := e.Key(); !s.keys[key] {
			s.keys[key] = true
			if found != nil {
				found(e)
			}
		}
	}
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
	if err := s.catchUp(ctx, nil); err != nil {
		return err
	}
	var lines []byte
	fresh := map[[16]byte]bool{}
	for _, e := range entries {
		key := e.Key()
		if s.keys[key] || fresh[key] {
			continue
		}
		fresh[key] = true
		line, err := e.line()
		if err != nil {
			return fmt.Errorf("history: %s: %w", s.path, err)
		}
		lines = append(lines, line...)
	}
	// What a crash cut off goes: a line behind it would be lost with it.
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
	maps.Copy(s.keys, fresh)
	return nil
}

func (s *folder) Entries(ctx context.Context, q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		entries, err := s.all(ctx)
		entries = slices.DeleteFunc(entries, func(e Entry) bool { return !q.matches(e) })
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// all are all entries of the file as it is now.
func (s *folder) all(ctx context.Context) ([]Entry, error) {
	fresh := folder{path: s.path, f: s.f, keys: map[[16]byte]bool{}}
	var entries []Entry
	err := fresh.catchUp(ctx, func(e Entry) { entries = append(entries, e) })
	sorted(entries)
	return entries, err
}

func (s *folder) Histories(ctx context.Context, night string) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		entries, err := s.all(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		wanted := map[string][]Entry{}
		for _, e := range entries {
			if e.Night == night {
				wanted[e.Series] = nil
			}
		}
		for _, e := range entries {
			if some, ok := wanted[e.Series]; ok {
				wanted[e.Series] = append(some, e)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			if !yield(wanted[name], nil) {
				return
			}
		}
	}
}

func (s *folder) Series(ctx context.Context) ([]Series, error) {
	entries, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	return seriesOf(entries), nil
}

// seriesOf counts entries by series.
func seriesOf(entries []Entry) []Series {
	byName := map[string]*Series{}
	for _, e := range entries {
		s := byName[e.Series]
		if s == nil {
			s = &Series{Name: e.Series}
			byName[e.Series] = s
		}
		s.Entries++
		s.Last = max(s.Last, e.Night)
	}
	var all []Series
	for _, s := range byName {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Series) int { return strings.Compare(a.Name, b.Name) })
	return all
}
