package history

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/measure/history/historytest"
)

// TestServer has what can happen to a database server.
func TestServer(t *testing.T) {
	t.Parallel()
	server := historytest.Start(t)
	t.Run("lost", func(t *testing.T) { lost(t, server) })
	t.Run("full", func(t *testing.T) { full(t, server) })
	t.Run("a damaged page", func(t *testing.T) { damagedPage(t, server) })
}

// lost stops the database under a writer: it says so at once, and what was
// acknowledged is there when the server is back.
func lost(t *testing.T, server *historytest.Server) {
	s := open(t, server.Database(t))
	const n = 5
	for i := range n {
		if err := s.Append(t.Context(), count(i, "a", float64(i))); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop()
	if err := s.Append(t.Context(), count(n, "a", n)); err == nil || !strings.HasPrefix(err.Error(), "history: "+s.Name()+": ") {
		t.Errorf("an entry is appended to nothing: %v", err)
	}
	for _, err := range s.Entries(t.Context(), Query{}) {
		if err == nil {
			t.Error("a lost database has entries")
		}
	}
	server.Restart(t)
	if err := s.Append(t.Context(), count(n, "a", n)); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, s, Query{}); len(got) != n+1 {
		t.Errorf("%d entries, want %d", len(got), n+1)
	}
}

// full lets the database find no more room: the writer is told, nothing that was
// acknowledged is lost, and once there is room it goes on.
func full(t *testing.T, server *historytest.Server) {
	url := server.Database(t)
	if err := open(t, url).Close(); err != nil { // the tables are there
		t.Fatal(err)
	}
	const most = 3 << 20 // more than a segment of its log
	server.Limit(t, strconv.Itoa(most))
	s := open(t, url)
	n, some := 0, make([]Entry, 500)
	for {
		for i := range some {
			some[i] = count(n+i, "a", float64(n+i))
		}
		if err := s.Append(t.Context(), some...); err != nil {
			if !strings.HasPrefix(err.Error(), "history: "+s.Name()+": ") || !strings.Contains(err.Error(), "could not extend file") {
				t.Errorf("error is %v", err)
			}
			break
		}
		if n += len(some); n*200 > most {
			t.Fatal("the limit was not met")
		}
	}
	if got := entries(t, s, Query{}); n == 0 || len(got) != n {
		t.Fatalf("%d entries, and %d were acknowledged", len(got), n)
	}
	server.Limit(t, "unlimited")
	again := open(t, url)
	if err := again.Append(t.Context(), some...); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, again, Query{}); len(got) != n+len(some) {
		t.Errorf("%d entries, want %d", len(got), n+len(some))
	}
}

// damagedPage writes over a page of the database's file: a reader is told.
func damagedPage(t *testing.T, server *historytest.Server) {
	s := open(t, server.Database(t))
	if err := s.Append(t.Context(), many()...); err != nil {
		t.Fatal(err)
	}
	db := s.(*database).db
	var file string
	if err := db.QueryRowContext(t.Context(), `SELECT pg_relation_filepath('entries')`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	// What the log has of the page would mend it.
	if _, err := db.ExecContext(t.Context(), `CHECKPOINT`); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	writeOver(t, filepath.Join(server.Data(), file), 8192)
	server.Restart(t)
	wantDamage(t, s, "invalid page")
}
