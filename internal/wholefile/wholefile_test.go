package wholefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.elf")
	for _, data := range [][]byte{[]byte("first"), []byte("second, in its place")} {
		if err := Write("image", path, data); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("read %q, want %q (%v)", got, data, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("mode %v, want 0644", info.Mode())
	}
	wantOnly(t, dir, "x.elf")
}

func TestWriteErrors(t *testing.T) {
	for _, row := range []struct {
		name string
		path string // in a directory with a file "file" and a directory "dir"
		want string
		is   error
	}{
		{"no directory", "no/x.elf", "no such file or directory: make the directory DIR/no first", fs.ErrNotExist},
		{"file for directory", "file/x.elf", "not a directory: give another path", nil},
		{"directory for file", "dir", "it is there and is not a regular file: give another path", nil},
		{"name too long", strings.Repeat("x", 300), "file name too long: give another path", nil},
		{"device", os.DevNull, "it is there and is not a regular file", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "dir"), 0o700); err != nil {
				t.Fatal(err)
			}
			path := row.path
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			err := Write("report", path, []byte("data"))
			want := "cannot write report " + path + ": " + strings.ReplaceAll(row.want, "DIR", dir)
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Fatalf("error\n got %v\nwant %s…", err, want)
			}
			if row.is != nil && !errors.Is(err, row.is) {
				t.Errorf("%v is not %v", err, row.is)
			}
			if strings.Contains(err.Error(), ".entrylab-") {
				t.Errorf("%v names the file beside", err)
			}
			wantOnly(t, dir, "dir", "file")
		})
	}
}

// TestKilled kills a process, hard, in the middle of a file: nothing of it is
// there, and what was before still is.
func TestKilled(t *testing.T) {
	if path := os.Getenv("WHOLEFILE_TEST_PATH"); path != "" {
		err := writeBeside(path, func(f *os.File) error {
			if _, err := f.WriteString("half"); err != nil {
				return err
			}
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		})
		t.Fatalf("it lives on: %v", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"new", "old"} {
		if name == "old" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("before"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "WHOLEFILE_TEST_PATH="+filepath.Join(dir, name))
		if out, err := cmd.CombinedOutput(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("%v: %s", err, out)
		}
	}
	wantOnly(t, dir, "old")
	if data, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || string(data) != "before" {
		t.Errorf("the file holds %q (%v)", data, err)
	}
}

// TestWriteReadOnly has a directory that may not be written to.
func TestWriteReadOnly(t *testing.T) {
	withoutRootsRights(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	err := Write("image", filepath.Join(dir, "x.elf"), nil)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "may write to") {
		t.Errorf("error %v", err)
	}
	wantOnly(t, dir)
}

// withoutRootsRights takes from this thread, for the rest of the test, root's
// right to write where a file's mode does not let it.
func withoutRootsRights(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %v, want %v", dir, got, names)
	}
}
