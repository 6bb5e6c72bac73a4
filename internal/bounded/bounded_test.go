package bounded

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var text = Kind{Thing: "text", Most: 1 << 20, Advice: "give another"}

// fifo returns a named pipe that nobody has open.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	regular := text
	regular.Regular = true
	for _, tt := range []struct {
		name string
		kind Kind
		path string
		size int
		want string // in the error; empty: none
	}{
		{"empty", text, file("empty", 0), 0, ""},
		{"as much as there may be", text, file("most", 1<<20), 1 << 20, ""},
		{"a byte more", text, file("more", 1<<20+1), 0, "text DIR/more: is too long: it has more than 1 MiB, the most that is read: give another"},
		{"a device without an end", text, "/dev/zero", 0, "text /dev/zero: is too long: it has more than 1 MiB, the most that is read: give another"},
		{"an empty device", text, "/dev/null", 0, ""},
		{"a device, but to be regular", regular, "/dev/zero", 0, "text /dev/zero: is not a regular file: give another"},
		{"a pipe, but to be regular", regular, fifo(t), 0, "is not a regular file: give another"},
		{"regular", regular, file("regular", 3), 3, ""},
		{"a directory", text, dir, 0, "text DIR: is a directory: give another"},
		{"a directory, but to be regular", regular, dir, 0, "is not a regular file"},
		{"missing", text, dir + "/missing", 0, "text DIR/missing: no such file or directory: give another"},
		{"below a file", text, dir + "/empty/x", 0, "text DIR/empty/x: not a directory: give another"},
	} {
		data, err := tt.kind.ReadFile(t.Context(), tt.path)
		if tt.want == "" {
			if err != nil || len(data) != tt.size {
				t.Errorf("%s: %d bytes and %v, want %d", tt.name, len(data), err, tt.size)
			}
			continue
		}
		if want := strings.ReplaceAll(tt.want, "DIR", dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error\n got %v\nwant %s", tt.name, err, want)
		}
	}
}

// TestWaiting: what would wait for ever ends with the context.
func TestWaiting(t *testing.T) {
	t.Run("nobody opens the pipe", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := text.Open(ctx, fifo(t)); err != context.Canceled {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("nobody opens the pipe, then the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := text.ReadFile(ctx, fifo(t)); err != context.Canceled {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("nobody writes to the pipe", func(t *testing.T) {
		path := fifo(t)
		writer, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		ctx, cancel := context.WithCancel(t.Context())
		f, err := text.Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := writer.WriteString("some"); err != nil {
			t.Fatal(err)
		}
		if n, err := f.Read(make([]byte, 10)); n != 4 || err != nil {
			t.Fatalf("%d bytes, %v", n, err)
		}
		go cancel()
		if _, err := f.Read(make([]byte, 10)); err != context.Canceled {
			t.Errorf("error is %v", err)
		}
	})
}

// TestPipe: a pipe with a writer is read to its end.
func TestPipe(t *testing.T) {
	path := fifo(t)
	wrote := make(chan error)
	go func() { wrote <- os.WriteFile(path, []byte("all of it"), 0) }()
	data, err := text.ReadFile(t.Context(), path)
	if err := errors.Join(err, <-wrote); err != nil || string(data) != "all of it" {
		t.Errorf("read %q, %v", data, err)
	}
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", 5000) // more than the reader's buffer
	for _, tt := range []struct {
		name, text string
		most       int
		want       []string // with the error's mark: . none, $ the end, ! too long
	}{
		{"nothing", "", 8, []string{"$"}},
		{"lines", "a\n\nb\n", 8, []string{"a\n.", "\n.", "b\n.", "$"}},
		{"no end", "a\nb", 8, []string{"a\n.", "b$"}},
		{"as long as it may be", "12345678\n", 8, []string{"12345678\n.", "$"}},
		{"as long as it may be, without an end", "12345678", 8, []string{"12345678$"}},
		{"too long", "123456789\nb\n", 8, []string{"123456789\n!", "b\n.", "$"}},
		{"longer than the buffer", long + "\n", 5000, []string{long + "\n.", "$"}},
		{"too long for two buffers", long + "\n", 4096, []string{long + "\n!", "$"}},
	} {
		in := bufio.NewReaderSize(strings.NewReader(tt.text), 4096)
		for _, want := range tt.want {
			line, err := ReadLine(in, tt.most)
			mark := "."
			if err == io.EOF {
				mark = "$"
			} else if errors.Is(err, ErrLongLine) {
				mark = "!"
			}
			if got := string(line) + mark; got != want {
				t.Errorf("%s: got %.20q…, want %.20q… (%v)", tt.name, got, want, err)
			}
		}
	}
}
