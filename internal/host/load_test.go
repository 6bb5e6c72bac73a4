package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLoad: what others did between two moments is told from what this process did.
func TestLoad(t *testing.T) {
	proc := func(stat string, processes map[int]string) string {
		dir := t.TempDir()
		write := func(path, text string) {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("stat", stat)
		for id, text := range processes {
			write(fmt.Sprintf("%d/stat", id), text)
		}
		write("uptime", "1 1\n")
		return dir
	}
	process := func(id int, name string, user, system int) string {
		return fmt.Sprintf("%d (%s) R 1 2 3 4 5 6 7 8 9 10 %d %d 0 0 20 0 1\n", id, name, user, system)
	}
	before, err := LoadOf(proc("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 10 0 10 500 7 1 2 5 0 0\n", map[int]string{
		5: process(5, "own", 1, 1), 6: process(6, "a name) (with", 10, 10), 7: process(7, "idle", 3, 3),
	}), 1)
	if err != nil {
		t.Fatal(err)
	}
	after, err := LoadOf(proc("cpu1 60 0 30 600 9 2 4 25 0 0\n", map[int]string{
		5: process(5, "own", 90, 1), 6: process(6, "a name) (with", 40, 20), 7: process(7, "idle", 3, 3), 8: process(8, "new", 99, 0), 9: process(9, "z", 0, 0),
	}), 1)
	if err != nil {
		t.Fatal(err)
	}
	busy, stolen, processes := after.Since(before, 5)
	if busy != 730*time.Millisecond || stolen != 200*time.Millisecond || fmt.Sprint(processes) != "[{a name) (with 400ms}]" {
		t.Errorf("busy %v, stolen %v, %v", busy, stolen, processes)
	}
	for name, row := range map[string]struct{ stat, process, want string }{
		"no CPU":    {"cpu0 1 1 1 1 1 1 1 1\n", "", "has no CPU 1"},
		"few times": {"cpu1 1 1 1\n", "", "want 8 times"},
		"no number": {"cpu1 1 1 1 1 1 1 1 x\n", "", "want 8 times"},
		"a process": {"cpu1 1 1 1 1 1 1 1 1\n", "7 broken\n", "7/stat is"},
		"few words": {"cpu1 1 1 1 1 1 1 1 1\n", "7 (a) R 1\n", "7/stat is"},
		"no time":   {"cpu1 1 1 1 1 1 1 1 1\n", strings.Replace(process(7, "a", 1, 4242), "4242", "-1", 1), "is no time"},
	} {
		processes := map[int]string{}
		if row.process != "" {
			processes[7] = row.process
		}
		if _, err := LoadOf(proc(row.stat, processes), 1); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error is %v, want %q", name, err, row.want)
		}
	}
	if _, err := LoadOf(t.TempDir(), 0); err == nil {
		t.Error("no file is no error")
	}
}

func TestBuildID(t *testing.T) {
	const id = "\x04\x00\x00\x00\x03\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd\xef\x00"
	const other = "\x06\x00\x00\x00\x04\x00\x00\x00\x01\x01\x00\x00Linux\x00\x00\x00\x01\x02\x03\x04"
	for _, row := range []struct{ notes, want string }{
		{id, "abcdef"},
		{other + id, "abcdef"},
		{other, ""},
		{id[:18], ""},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00", ""},
		{"", ""},
	} {
		if got := buildID([]byte(row.notes)); got != row.want {
			t.Errorf("%q: build ID is %q, want %q", row.notes, got, row.want)
		}
	}
	if got := BuildID(t.TempDir()); got != "" {
		t.Errorf("without notes the build ID is %q", got)
	}
}

func TestBoot(t *testing.T) {
	dir := t.TempDir()
	if _, err := BootID(dir); err == nil || len(Words(dir)) != 0 {
		t.Errorf("without files: %v and %q", err, Words(dir))
	}
	if err := os.MkdirAll(filepath.Join(dir, "sys/kernel/random"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"cmdline": "quiet mitigations=off -- a word\n", "sys/kernel/random/boot_id": "be4befdd-f7f3-4b26-a4a0-1217b4382edd\n"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if id, err := BootID(dir); id != 0xbe4befdd || err != nil {
		t.Errorf("boot ID is %#x, %v", id, err)
	}
	if got := fmt.Sprint(Words(dir)); got != "[quiet mitigations=off]" {
		t.Errorf("words are %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "sys/kernel/random/boot_id"), []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := BootID(dir); err == nil || !strings.Contains(err.Error(), "want 8 digits") {
		t.Errorf("a boot ID that is none: %v", err)
	}
}
