package cache

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fresh returns an empty cache of the test's own.
func fresh(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return dir
}

// release lets go of all files, as the end of this process would.
func release() {
	held.Lock()
	defer held.Unlock()
	for _, f := range held.files {
		f.Close()
	}
	held.files = nil
}

// names returns the names of the generated files in dir.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	all, _, err := files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		list = append(list, filepath.Base(f.path))
	}
	return list
}

func mustKeep(t *testing.T, dir string, bound int64, text string) string {
	t.Helper()
	path, err := keep(dir, bound, "kernel", ".elf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDir: where there is no home folder, or none to write to, the cache is a
// user's own all the same; where somebody else's folder is in its place, or the
// user asks for one that cannot be, it is refused.
func TestDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const advice = "set XDG_CACHE_HOME to a folder that can be written"
	for _, tt := range []struct {
		name, xdg, home string
		tmp             string // "" is one of the test's own
		want            string // of the path, after TMP and UID are put in
		err             string
	}{
		{name: "XDG_CACHE_HOME", xdg: "TMP/x", home: file, want: "TMP/x/entrylab"},
		{name: "home", home: "TMP/h", want: "TMP/h/.cache/entrylab"},
		{name: "no home", want: "TMP/entrylab-UID/entrylab"},
		{name: "a home that is none", home: file, want: "TMP/entrylab-UID/entrylab"},
		{name: "XDG_CACHE_HOME that cannot be", xdg: file, home: "TMP/h", err: advice},
		{name: "XDG_CACHE_HOME that is relative", xdg: "x", home: "TMP/h", err: advice},
		{name: "nowhere", tmp: file, err: advice},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmp := tt.tmp
			if tmp == "" {
				tmp = t.TempDir()
			}
			in := strings.NewReplacer("TMP", tmp, "UID", fmt.Sprint(os.Getuid())).Replace
			t.Setenv("XDG_CACHE_HOME", in(tt.xdg))
			t.Setenv("HOME", in(tt.home))
			t.Setenv("TMPDIR", tmp)
			dir, err := Dir()
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %s, %v; want an error with %q", dir, err, tt.err)
				}
				return
			}
			if err != nil || dir != in(tt.want) {
				t.Errorf("got %s, %v; want %s", dir, err, in(tt.want))
			}
		})
	}
}

// TestDirOfAnother: a link in the place of the folder is not followed.
func TestDirOfAnother(t *testing.T) {
	tmp, other := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", tmp)
	left := filepath.Join(other, "entrylab", runName, "x")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(tmp, fmt.Sprintf("entrylab-%d", os.Getuid()))); err != nil {
		t.Fatal(err)
	}
	if dir, err := Dir(); err == nil || !strings.Contains(err.Error(), "another user's") {
		t.Errorf("got %s, %v", dir, err)
	}
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("Sweep followed the link: %v", err)
	}
}

func TestKeep(t *testing.T) {
	dir := fresh(t)
	path := mustKeep(t, dir, Bound, "one")
	if data, err := os.ReadFile(path); err != nil || string(data) != "one" {
		t.Errorf("the file holds %q, error %v", data, err)
	}
	if again := mustKeep(t, dir, Bound, "one"); again != path {
		t.Errorf("the same content is kept at %s, want %s", again, path)
	}
	if other := mustKeep(t, dir, Bound, "two"); other == path {
		t.Errorf("other content is kept at %s", other)
	}
	if err := os.WriteFile(path, []byte("on"), 0o644); err != nil { // damaged by somebody
		t.Fatal(err)
	}
	mustKeep(t, dir, Bound, "one")
	if data, _ := os.ReadFile(path); string(data) != "one" {
		t.Errorf("a damaged file stays: %q", data)
	}
}

// within checks that the files of a cache have at most as many bytes as its bound.
func within(t *testing.T, dir string, bound int64) error {
	t.Helper()
	_, total, err := files(dir)
	if err != nil {
		t.Fatal(err)
	}
	if total > bound {
		return fmt.Errorf("%d bytes in files, want %d at most", total, bound)
	}
	return nil
}

// TestBound: the files are never more than the bound, and those that were used
// last stay.
func TestBound(t *testing.T) {
	const bound, size = 1000, 300
	dir := fresh(t)
	text := func(i int) string { return fmt.Sprintf("%0*d", size, i) }
	var paths []string
	for i := range 10 {
		path := mustKeep(t, dir, bound, text(i))
		paths = append(paths, filepath.Base(path))
		release()
		if err := within(t, dir, bound); err != nil {
			t.Errorf("after file %d: %v", i, err)
		}
	}
	if got, want := names(t, dir), paths[7:]; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	mustKeep(t, dir, bound, text(7)) // the oldest, used again
	release()
	mustKeep(t, dir, bound, text(10))
	if got := names(t, dir); !slices.Contains(got, paths[7]) || slices.Contains(got, paths[8]) {
		t.Errorf("left are %q, want %s and not %s", got, paths[7], paths[8])
	}
}

// TestBoundCanFail: without eviction the bound is exceeded, and that is seen.
func TestBoundCanFail(t *testing.T) {
	dir := fresh(t)
	for i := range 4 {
		mustKeep(t, dir, Bound, strings.Repeat(fmt.Sprint(i), 300))
	}
	if within(t, dir, 1000) == nil {
		t.Error("1200 bytes are within 1000")
	}
}

// TestHeld: what a process uses stays, whatever room others need, and goes once
// it has ended, even by SIGKILL.
func TestHeld(t *testing.T) {
	dir := fresh(t)
	other := play(t, "keep")
	if got := names(t, dir); len(got) != 1 {
		t.Fatalf("the other process keeps %q", got)
	}
	its := names(t, dir)[0]
	mine := filepath.Base(mustKeep(t, dir, 10, "more than 10 bytes"))
	if got := names(t, dir); !slices.Contains(got, its) || !slices.Contains(got, mine) {
		t.Errorf("left are %q, want %s and %s", got, its, mine)
	}
	if c, err := Clean(); err != nil || c.Kept != 2 || c.Bytes != 0 {
		t.Errorf("cleaned %+v, %v; want 2 files kept", c, err)
	}
	other.kill(t)
	mustKeep(t, dir, 20, "more than 10 bytes")
	if got := names(t, dir); !slices.Equal(got, []string{mine}) {
		t.Errorf("left are %q, want %s alone", got, mine)
	}
}

// TestTemp: a temporary folder stays while its process runs, and goes with it or
// with the next command.
func TestTemp(t *testing.T) {
	dir := fresh(t)
	other := play(t, "temp")
	left := func() (list []string) {
		list, err := filepath.Glob(filepath.Join(dir, runName, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	mine, remove, err := Temp("mine")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if got := left(); len(got) != 2 {
		t.Errorf("folders are %q, want those of two processes", got)
	}
	if c, err := Clean(); err != nil || c.Kept != 2 {
		t.Errorf("cleaned %+v, %v; want 2 folders kept", c, err)
	}
	remove()
	other.kill(t)
	if got := left(); len(got) != 1 {
		t.Errorf("folders are %q, want the killed process's", got)
	}
	// Killed between making the folder and locking it.
	if err := os.Mkdir(filepath.Join(dir, runName, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(); err != nil {
		t.Error(err)
	}
	if got := left(); len(got) != 0 {
		t.Errorf("folders are %q, want none", got)
	}
}

// TestClean: nothing is left, and what was is counted.
func TestClean(t *testing.T) {
	dir := fresh(t)
	mustKeep(t, dir, Bound, "seven b")
	release()
	for _, name := range []string{"linux/vmlinuz", "run/bochs-1/disk", ".gobuild-1/x"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("three"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Clean()
	if want := (Cleaned{Dir: dir, Bytes: 7 + 3*5}); err != nil || c != want {
		t.Errorf("got %+v, %v; want %+v", c, err, want)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left are %v, %v", entries, err)
	}
	if c, err := Clean(); err != nil || c.Bytes != 0 || c.Kept != 0 {
		t.Errorf("again: %+v, %v", c, err)
	}
}

// TestMany: processes that keep, clean and sweep at once do not disturb each
// other: what one was given is there for as long as it runs.
func TestMany(t *testing.T) {
	fresh(t)
	const processes = 4
	var all []*player
	for range processes {
		all = append(all, play(t, "many"))
	}
	for _, p := range all {
		if line, err := p.out.ReadString('\n'); err != nil || line != "done\n" {
			rest, _ := p.out.ReadString(0)
			t.Errorf("a process says %q (%v)", line+rest, err)
		}
	}
}

// player is another process that uses the cache.
type player struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

const playVariable = "ENTRYLAB_CACHE_PLAY"

// play starts a process and waits until it has done its first step.
func play(t *testing.T, what string) *player {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPlay$")
	cmd.Env = append(os.Environ(), playVariable+"="+what)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &player{cmd, bufio.NewReader(out)}
	t.Cleanup(func() { p.kill(t) })
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		rest, _ := p.out.ReadString(0)
		t.Fatalf("the other process says %q (%v)", line+rest, err)
	}
	return p
}

func (p *player) kill(t *testing.T) {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = p.cmd.Wait()
}

// TestPlay plays the other process.
func TestPlay(t *testing.T) {
	what := os.Getenv(playVariable)
	if what == "" {
		return
	}
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	switch what {
	case "keep":
		mustKeep(t, dir, Bound, "what the other uses")
	case "temp":
		if _, _, err := Temp("other"); err != nil {
			t.Fatal(err)
		}
	case "many":
		fmt.Println("ready")
		for i := range 50 {
			text := bytes.Repeat([]byte{byte(i % 7)}, 1000)
			path, err := keep(dir, 3000, "kernel", ".elf", text)
			if err != nil {
				t.Fatal(err)
			}
			temp, remove, err := Temp("many")
			if err != nil {
				t.Fatal(err)
			}
			_, cleaned := Clean()
			if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, text) {
				t.Fatalf("round %d: what was kept is gone: %v", i, err)
			}
			if _, err := os.Stat(temp); err != nil {
				t.Fatal(err)
			}
			remove()
			if err := errors.Join(cleaned, Sweep()); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
			release()
		}
		fmt.Println("done")
		return
	}
	fmt.Println("ready")
	time.Sleep(time.Hour) // until it is killed
}

// TestLockOfGone: a lock is of the file that is there now.
func TestLockOfGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := lock(path, syscall.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := lock(path, syscall.LOCK_EX)
		if err == nil {
			mine, _ := second.Stat()
			now, _ := os.Stat(path)
			if !os.SameFile(mine, now) {
				err = fs.ErrNotExist
			}
			second.Close()
		}
		got <- err
	}()
	time.Sleep(10 * time.Millisecond) // for the other to wait, or not: both must work
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// TestBoundIsTold: the bound that users are told is this one.
func TestBoundIsTold(t *testing.T) {
	text, err := os.ReadFile("../../docs/measuring.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("at most %d MiB", Bound>>20); !strings.Contains(string(text), want) {
		t.Errorf("docs/measuring.md does not say %q", want)
	}
}
