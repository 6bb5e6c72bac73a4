package history

import (
	"database/sql"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/entrylab/entrylab/measure/history/historytest"
)

// TestSilentServer: a server that accepts connections, and answers nothing, is lost after
// the patience that was given.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	db, err := ConnectPostgres("postgres://lab@"+l.Addr().String()+"/x?sslmode=disable", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.PingContext(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v; want %v", err, os.ErrDeadlineExceeded)
	}
}

// TestStoppedInTransaction: who waits for a lock gets it, although its holder says nothing any
// more, as a stopped process.
func TestStoppedInTransaction(t *testing.T) {
	t.Parallel()
	url := historytest.Start(t).Database(t)
	lock := func() (*sql.Tx, error) {
		db, err := ConnectPostgres(url, 10*time.Second)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { db.Close() })
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			return nil, err
		}
		_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(1)")
		return tx, err
	}
	stopped, err := lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(); err != nil {
		t.Errorf("the lock is not to be had: %v", err)
	}
	if err := stopped.Commit(); err == nil {
		t.Error("a transaction that the server has ended commits")
	}
}
