package history

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"strings"
)

// Store keeps entries. Several processes may write to one at once.
type Store interface {
	// Append keeps entries, all or none. When it returns, they are on the disk. Entries
	// whose key exists already are left out: measuring twice does no harm.
	Append(context.Context, ...Entry) error
	// Entries yields the entries that the query asks for, by night and time. It ends
	// with the first error.
	Entries(context.Context, Query) iter.Seq2[Entry, error]
	// Histories yields series by name, each by night and time. It needs no more memory
	// than a few of them.
	Histories(context.Context, Past) iter.Seq2[[]Entry, error]
	// Series returns all series by name.
	Series(context.Context) ([]Series, error)
	// Name returns the store's name for messages: its URL without a password.
	Name() string
	Close() error
}

// Past says which series are meant, and how much of them.
type Past struct {
	// Night selects all series that have an entry of it; empty: those in Series.
	Night  string
	Series []string
	// Last, if not 0, leaves gaps: it keeps that many of the last entries, the first
	// one, and those of nights in which something was accepted.
	Last int
}

// Query says which entries are meant. An empty field asks for all.
type Query struct {
	Series, Night string
	Kind          Kind
}

// Series is what a store knows about one series.
type Series struct {
	Name string `json:"name"`
	// Entries is how many there are, Last the night of the last one.
	Entries int    `json:"entries"`
	Last    string `json:"last"`
}

// Open opens the store with that URL, which it makes if it does not exist: "sqlite:FILE",
// "postgres://...", and the path of a folder for anything else.
func Open(ctx context.Context, url string) (Store, error) {
	switch scheme, rest, found := strings.Cut(url, ":"); {
	case found && scheme == "sqlite":
		return openSQLite(ctx, rest)
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return openPostgres(ctx, url)
	case found && strings.HasPrefix(rest, "//"):
		return nil, fmt.Errorf("history: %s: no store has the scheme %q: want a folder, sqlite:FILE or postgres://USER@HOST/DATABASE", url, scheme)
	}
	return openFolder(ctx, url)
}

// atOnce is how many entries Merge copies at a time.
const atOnce = 1000

// Merge copies entries from one store into another, and returns how many it read.
func Merge(ctx context.Context, into, from Store) (n int, err error) {
	var some []Entry
	for e, err := range from.Entries(ctx, Query{}) {
		if err != nil {
			return n, err
		}
		if some = append(some, e); len(some) == atOnce {
			if err := into.Append(ctx, some...); err != nil {
				return n, err
			}
			n += len(some)
			some = some[:0]
		}
	}
	if err := into.Append(ctx, some...); err != nil {
		return n, err
	}
	return n + len(some), nil
}

// ahead yields the histories that get returns for 0 to n-1, without those that are
// empty, up to the first error. While one is used the next ones are got, by as many as
// there are CPUs.
func ahead(n int, get func(int) ([]Entry, error), yield func([]Entry, error) bool) {
	type result struct {
		one []Entry
		err error
	}
	var coming []chan result
	started := 0
	start := func() {
		i, c := started, make(chan result, 1)
		started++
		coming = append(coming, c)
		go func() {
			one, err := get(i)
			c <- result{one, err}
		}()
	}
	for range min(n, runtime.GOMAXPROCS(0)) {
		start()
	}
	ended := false
	for len(coming) > 0 {
		r := <-coming[0] // none is left behind that uses the store
		coming = coming[1:]
		if ended {
			continue
		}
		if started < n && r.err == nil {
			start()
		}
		if r.err != nil || len(r.one) > 0 {
			ended = !yield(r.one, r.err) || r.err != nil
		}
	}
}
