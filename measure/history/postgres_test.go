package history

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
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
