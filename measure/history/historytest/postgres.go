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
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver "postgres"

	"github.com/entrylab/entrylab/internal/need"
)

// Server is a PostgreSQL server with a folder of its own.
type Server struct {
	dir       string
	start     func() *exec.Cmd
	cmd       *exec.Cmd
	ended     chan error
	databases atomic.Int64
}

// Start starts a server, which ends with the test.
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
	s := &Server{dir: dir}
	as, err := s.user()
	if err != nil {
		t.Fatal(err)
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", s.Data(), "-U", "entrylab", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8", "--data-checksums", "--wal-segsize=1")
	initdb.SysProcAttr, initdb.Dir = &as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.start = func() *exec.Cmd {
		// What it wrote stays with the kernel when it is killed, and so needs no fsync.
		cmd := exec.Command(filepath.Join(bin, "postgres"), "-D", s.Data(), "-k", dir, "-h", "", "-c", "logging_collector=off", "-c", "fsync=off")
		cmd.SysProcAttr, cmd.Dir = &as, dir
		return cmd
	}
	t.Cleanup(s.Stop)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	return s
}

// Restart starts the server that was stopped, with the databases it had.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	// It refuses to start while a process of the stopped server still exists.
	for s.run(t) != nil {
		time.Sleep(100 * time.Millisecond)
	}
}

// run starts the server and waits until it answers.
func (s *Server) run(t testing.TB) error {
	t.Helper()
	s.cmd, s.ended = s.start(), make(chan error, 1)
	started := make(chan error)
	go func() {
		// The server must end with the thread that started it. That thread continues, as
		// it may have started other programs that end with it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.ended <- s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	return s.wait(t)
}

// user returns the user that the server runs as: it refuses to run as root.
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

// Stop stops the server and its processes at once, as a lost machine does.
func (s *Server) Stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	pid := s.cmd.Process.Pid
	// Each of its processes has its own session, and ends only when it next
	// checks for the server.
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		return // it has ended
	}
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	s.ended <- <-s.ended
}

// Data returns the folder of the server's files.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

// Limit limits the size of the server's files, in bytes or "unlimited": beyond it, the
// server finds a full disk. An existing connection keeps its limit.
func (s *Server) Limit(t testing.TB, size string) {
	t.Helper()
	// Only a process of the server's user may do it.
	cmd := exec.CommandContext(t.Context(), need.Tool(t, "prlimit"), "--pid", strconv.Itoa(s.cmd.Process.Pid), "--fsize="+size+":")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cmd.SysProcAttr.Credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("prlimit: %v\n%s", err, out)
	}
}

// url returns the URL of a database.
func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("entrylab"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// wait waits until the server answers; it may end instead.
func (s *Server) wait(t testing.TB) error {
	t.Helper()
	db, err := sql.Open("postgres", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for {
		if err = db.PingContext(t.Context()); err == nil {
			return nil
		}
		select {
		case ended := <-s.ended:
			s.ended <- ended
			return fmt.Errorf("postgres ended: %w (%w)", ended, err)
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Database makes a new database and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	db, err := sql.Open("postgres", s.url("postgres"))
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
