// Package historytest has what tests of histories need: a real PostgreSQL.
package historytest

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/entrylab/entrylab/internal/need"
)

// Server is a PostgreSQL server with a folder of its own.
type Server struct {
	dir       string
	cmd       *exec.Cmd
	ended     chan error
	databases atomic.Int64
}

// Start starts a server, which goes with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		need.Missing(t, "no PostgreSQL in /usr/lib/postgresql: run `make deps`")
	}
	bin := found[len(found)-1]
	// The path of a socket must be short, and the server's user must reach it.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := &Server{dir: dir, ended: make(chan error, 1)}
	as, err := s.user()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "entrylab", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")
	initdb.SysProcAttr, initdb.Dir = &as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "", "-c", "logging_collector=off")
	s.cmd.SysProcAttr, s.cmd.Dir = &as, dir
	started := make(chan error)
	go func() {
		// The server is to end with the thread that started it.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.ended <- s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.wait(t)
	return s
}

// user is whom the server runs as: it refuses to be root's.
func (s *Server) user() (syscall.SysProcAttr, error) {
	as := syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return as, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return as, err
	}
	uid, errU := strconv.Atoi(nobody.Uid)
	gid, errG := strconv.Atoi(nobody.Gid)
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, errors.Join(errU, errG, os.Chown(s.dir, uid, gid))
}

// Stop stops the server at once, as a lost machine does.
func (s *Server) Stop() {
	// With it go its processes, which would end by themselves only when they next look.
	if syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) == nil {
		s.ended <- <-s.ended
	}
}

// url is that of a database.
func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("entrylab"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// wait waits until the server answers, or has ended.
func (s *Server) wait(t testing.TB) {
	t.Helper()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for {
		if err = db.PingContext(t.Context()); err == nil {
			return
		}
		select {
		case ended := <-s.ended:
			s.ended <- ended
			t.Fatalf("postgres ended: %v (%v)", ended, err)
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Database makes a new database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("d%d", s.databases.Add(1))
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}
