package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/entrylab/entrylab/measure/history/historytest"
	"github.com/entrylab/entrylab/measure/record"
)

// count returns an exact figure of a night.
func count(night int, series string, value float64) Entry {
	when := time.Date(2026, 1, 1+night, 2, 3, 4, 5, time.UTC)
	return Entry{
		Format: Format, Kind: Count, Time: when, Night: when.Format(time.DateOnly), Series: series,
		Machine: "m1", MachineID: "00", Values: []float64{value}, Unit: record.Instructions, Build: "devel",
	}
}

func open(t *testing.T, url string) Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return s
}

func entries(t *testing.T, s Store, q Query) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range s.Entries(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// TestStores has one suite for all kinds of stores.
func TestStores(t *testing.T) {
	for _, tt := range historytest.Kinds(t) {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			url := tt.New(t)
			s := open(t, url)
			all := []Entry{count(1, "a", 42), count(1, "b", 0.1), count(2, "a", 43)}
			all[1].Kind, all[1].Values, all[1].Unit = Sample, []float64{0.1, -1e-9, 1e300}, record.Cycles
			all[1].Time = all[1].Time.Add(time.Second)
			accept := count(2, "a", 43)
			accept.Kind, accept.Values, accept.Unit, accept.Detail, accept.Time = Accept, nil, "", "the fix-up \"it\" needs\n<that> ü", accept.Time.Add(time.Nanosecond)
			all = append(all, accept)

			t.Run("what is kept comes back", func(t *testing.T) {
				if err := s.Append(t.Context(), all[2], all[0], all[1]); err != nil {
					t.Fatal(err)
				}
				if err := s.Append(t.Context(), accept); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(all, entries(t, s, Query{})); d != "" {
					t.Error(d)
				}
			})
			t.Run("it is queried", func(t *testing.T) {
				if got := entries(t, s, Query{Series: "a"}); len(got) != 3 || got[0].Values[0] != 42 || got[1].Values[0] != 43 {
					t.Errorf("series a is %v", got)
				}
				if got := entries(t, s, Query{Night: "2026-01-02"}); len(got) != 2 {
					t.Errorf("the first night is %v", got)
				}
				if got := entries(t, s, Query{Series: "b", Night: "2026-01-03"}); len(got) != 0 {
					t.Errorf("b in the second night is %v", got)
				}
			})
			t.Run("histories of a night", func(t *testing.T) {
				got := map[string]int{}
				for one, err := range s.Histories(t.Context(), Past{Night: "2026-01-03"}) {
					if err != nil {
						t.Fatal(err)
					}
					got[one[0].Series] = len(one)
				}
				if d := cmp.Diff(map[string]int{"a": 3}, got); d != "" {
					t.Error(d)
				}
			})
			t.Run("histories with gaps", func(t *testing.T) { gaps(t, open(t, tt.New(t))) })
			t.Run("measuring twice does no harm", func(t *testing.T) {
				again := count(1, "a", 99)
				if err := s.Append(t.Context(), again, again); err != nil {
					t.Fatal(err)
				}
				if got := entries(t, s, Query{Series: "a", Night: "2026-01-02"}); len(got) != 1 || got[0].Values[0] != 42 {
					t.Errorf("it is %v", got)
				}
			})
			t.Run("series", func(t *testing.T) {
				got, err := s.Series(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff([]Series{{"a", 3, "2026-01-03"}, {"b", 1, "2026-01-02"}}, got); d != "" {
					t.Error(d)
				}
			})
			t.Run("all or none", func(t *testing.T) {
				bad := count(3, "c", 1)
				bad.Unit = "miles"
				if err := s.Append(t.Context(), count(3, "a", 1), bad); err == nil || !strings.Contains(err.Error(), `"unit" is "miles"`) {
					t.Errorf("error is %v", err)
				}
				if got := entries(t, s, Query{Night: "2026-01-04"}); len(got) != 0 {
					t.Errorf("kept: %v", got)
				}
			})
			t.Run("opened again", func(t *testing.T) {
				if got := entries(t, open(t, url), Query{}); len(got) != len(all) {
					t.Errorf("%d entries, want %d", len(got), len(all))
				}
			})
			t.Run("several of one process at once", func(t *testing.T) {
				var wg sync.WaitGroup
				errs := make([]error, 20)
				for i := range errs {
					wg.Go(func() { errs[i] = s.Append(t.Context(), count(i, "p", 1), count(i, "q", 1)) })
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if got := entries(t, s, Query{Series: "p"}); len(got) != len(errs) {
					t.Errorf("%d entries came, want %d", len(got), len(errs))
				}
				all = entries(t, s, Query{})
			})
			t.Run("two writers at once", func(t *testing.T) {
				var wg sync.WaitGroup
				const writers, each = 4, 25
				errs := make([]error, writers)
				for w := range writers {
					other := open(t, url)
					wg.Go(func() {
						for i := range each {
							// Each is written twice, by neighbours and in another order.
							a, b := count(10+i, fmt.Sprint("w", w), 1), count(10+i, fmt.Sprint("w", (w+1)%writers), 1)
							errs[w] = errors.Join(errs[w], other.Append(t.Context(), a, b))
						}
					})
				}
				wg.Wait()
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if got := len(entries(t, s, Query{})) - len(all); got != writers*each {
					t.Errorf("%d entries came, want %d", got, writers*each)
				}
			})
		})
	}
}

// gaps wants that Histories leaves out what Past says: the last entries are there, the
// first one, and those of nights in which something was accepted.
func gaps(t *testing.T, s Store) {
	const nights = 20
	var all []Entry
	for n := range nights {
		all = append(all, count(n, "a", float64(n)))
	}
	for _, n := range []int{4, 9, nights - 2} {
		e := count(n, "a", 0)
		e.Kind, e.Values, e.Detail, e.Time = Accept, nil, "it is right", e.Time.Add(time.Hour)
		all = append(all, e)
	}
	if err := s.Append(t.Context(), append(all, count(0, "b", 1), count(nights, "b", 2))...); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		past Past
		want map[string]string // the nights of each series; A is an accepted one's word
	}{
		{"all", Past{Series: []string{"a", "none"}}, map[string]string{"a": "0 1 2 3 4 A4 5 6 7 8 9 A9 10 11 12 13 14 15 16 17 18 A18 19"}},
		{"the last one", Past{Series: []string{"a"}, Last: 1}, map[string]string{"a": "0 4 A4 9 A9 18 A18 19"}},
		{"the last four", Past{Series: []string{"a"}, Last: 4}, map[string]string{"a": "0 4 A4 9 A9 17 18 A18 19"}},
		{"back into an accepted night", Past{Series: []string{"b", "a"}, Last: 13}, map[string]string{"a": "0 4 A4 9 A9 10 11 12 13 14 15 16 17 18 A18 19", "b": "0 20"}},
		{"as many as there are", Past{Series: []string{"b"}, Last: 2}, map[string]string{"b": "0 20"}},
		{"of a night", Past{Night: count(nights, "", 0).Night, Last: 1}, map[string]string{"b": "0 20"}},
		{"of a night that is none", Past{Night: "2020-01-01"}, map[string]string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]string{}
			for one, err := range s.Histories(t.Context(), tt.past) {
				if err != nil {
					t.Fatal(err)
				}
				var words []string
				for _, e := range one {
					word := fmt.Sprint(int(e.Time.Sub(count(0, "", 0).Time).Hours()) / 24)
					if e.Kind == Accept {
						word = "A" + word
					}
					words = append(words, word)
				}
				got[one[0].Series] = strings.Join(words, " ")
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestOpenedAtOnce makes the tables of a new store by several openers at a time.
func TestOpenedAtOnce(t *testing.T) {
	for _, tt := range historytest.Kinds(t) {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			url := tt.New(t)
			errs := make([]error, 8)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() {
					s, err := Open(t.Context(), url)
					if err == nil {
						err = errors.Join(s.Append(t.Context(), count(i, "a", 1)), s.Close())
					}
					errs[i] = err
				})
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if got := entries(t, open(t, url), Query{}); len(got) != len(errs) {
				t.Errorf("%d entries, want %d", len(got), len(errs))
			}
		})
	}
}

// TestMerge copies a store of each kind into one of each kind.
func TestMerge(t *testing.T) {
	all := historytest.Kinds(t)
	for _, from := range all {
		for _, into := range all {
			t.Run(from.Name+" into "+into.Name, func(t *testing.T) {
				t.Parallel()
				a, b := open(t, from.New(t)), open(t, into.New(t))
				for i := range 3 {
					if err := a.Append(t.Context(), count(i, "a", 1.0/3)); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.Append(t.Context(), count(2, "a", 1), count(5, "b", 2)); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if n, err := Merge(t.Context(), b, a); n != 3 || err != nil {
						t.Errorf("%d entries, %v", n, err)
					}
				}
				want := []Entry{count(0, "a", 1.0/3), count(1, "a", 1.0/3), count(2, "a", 1), count(5, "b", 2)}
				if d := cmp.Diff(want, entries(t, b, Query{})); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

// TestOpenErrors names what is wrong with a URL.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("this is no database and longer than the head of one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, url, want string }{
		{"nothing", "", "want a folder"},
		{"a file for a folder", file, "is a file"},
		{"an unknown scheme", "mysql://x/y", `no store has the scheme "mysql"`},
		{"no file", "sqlite:", "want sqlite:FILE"},
		{"no database", "sqlite:" + file, "not a database"},
		{"no folder", "sqlite:" + filepath.Join(dir, "none", "x.db"), "unable to open database file"},
		{"a URL that is none", "postgres://user:secret@host:port/x", "cannot be read"},
		{"nobody listens", "postgres://user:secret@127.0.0.1:1/x", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.url)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestCancelled ends a wait for the other writer at once.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir).(*folder), open(t, dir)
	if err := a.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Append(ctx, count(1, "a", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
