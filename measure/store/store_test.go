package store

import (
	"errors"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/measure/record"
	"github.com/google/go-cmp/cmp"
)

var testConfig = record.Config{
	Build: "devel", Code: "0011", Engine: "icount", Machine: "microvm", CPU: "max", Emulator: "QEMU 7.2.22", Host: "a CPU",
}

// rec returns a good record of the variant.
func rec(variant string) record.Record {
	return record.New(testConfig, wire.Measure{Variant: variant, Op: "null-call", N: 500, Batches: 15, Min: 42, Median: 42, Max: 80.5, Agree: 0.93},
		"sp=percpu", record.Instructions, 0, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
}

// write appends records to a new file and returns its path.
func write(t *testing.T, records ...record.Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.jsonl")
	s, _, _, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := s.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStore(t *testing.T) {
	x := 42.25
	full := rec("linux-3.19+a")
	full.Form, full.Unit, full.Samples = "SR1", record.Cycles, []*float64{&x, nil, &x}
	full.Interval = &record.Interval{Low: 42, High: 42.5, Level: 0.95}
	want := []record.Record{rec("linux-3.19"), full}
	path := write(t, want[0])
	s, old, cut, err := Open(t.Context(), path, nil)
	if err != nil || cut != "" || len(old) != 1 {
		t.Fatalf("opened again: %d records, %q, %v", len(old), cut, err)
	}
	if _, _, _, err := Open(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), "another entrylab") {
		t.Errorf("a second writer: error is %v", err)
	}
	if err := errors.Join(s.Append(want[1]), s.Close()); err != nil {
		t.Fatal(err)
	}
	got, cut, err := ReadFile(t.Context(), path, nil)
	if err != nil || cut != "" {
		t.Fatalf("%q, %v", cut, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was written is not what is read (-written +read):\n%s", diff)
	}
}

// TestCutLine cuts the file's last line at many bytes: what is before it is
// read, the message names it, and a record that is appended later is read too.
func TestCutLine(t *testing.T) {
	data, err := os.ReadFile(write(t, rec("one"), rec("two")))
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Index(string(data), "\n") + 1
	for end := len(data) - 1; end > first; end -= 7 {
		path := filepath.Join(t.TempDir(), "cut.jsonl")
		if err := os.WriteFile(path, data[:end], 0o644); err != nil {
			t.Fatal(err)
		}
		whole := end == len(data)-1 // only the line break is missing
		wantOld := 1
		if whole {
			wantOld = 2
		}
		s, old, cut, err := Open(t.Context(), path, nil)
		if err != nil || len(old) != wantOld || whole != (cut == "") {
			t.Fatalf("cut at %d: %d records, %q, %v", end, len(old), cut, err)
		}
		if !whole && !strings.Contains(cut, "cut.jsonl:2: the last line is cut off") {
			t.Fatalf("message is %q", cut)
		}
		if err := errors.Join(s.Append(rec("three")), s.Close()); err != nil {
			t.Fatal(err)
		}
		if got, cut, err := ReadFile(t.Context(), path, nil); err != nil || cut != "" || len(got) != wantOld+1 {
			t.Fatalf("cut at %d, then appended: %d records, %q, %v", end, len(got), cut, err)
		}
	}
}

func TestReadBad(t *testing.T) {
	lines, err := os.ReadFile(write(t, rec("one"), rec("two")))
	if err != nil {
		t.Fatal(err)
	}
	good := string(lines)
	for _, tt := range []struct{ name, from, to, want string }{
		{"another file", good, "goos: linux\nBenchmarkX 1 2 ns/op\n", `bad:1: invalid character 'g'`},
		{"another file's JSON", good, `{"name":"x"}` + "\n", `bad:1: unknown field "name": want a record of entrylab`},
		{"a cut first line", good, `{"forma` + "x", "bad:1: unexpected EOF"},
		{"an empty line", "}\n{", "}\n\n{", "bad:2: EOF"},
		{"damaged in the middle", `{"format"`, `{"for`, "bad:1: "},
		{"of another version", "entrylab/1", "entrylab/2", `"format" is "entrylab/2", want "entrylab/1"`},
		{"unit", `"unit":"instructions"`, `"unit":"ns"`, `"unit" is "ns"`},
		{"no figure", `"median":42`, `"median":99`, `"median" 99 does not lie between`},
		{"no engine", `"engine":"icount"`, `"engine":""`, `no "engine"`},
		{"a share", `"agree":0.93`, `"agree":7`, `"agree" is 7`},
		{"no samples", `"n":500`, `"n":0`, `"n" is 0`},
		{"two on a line", "}\n{", "} {", "something follows the record"},
		{"type", `"n":500`, `"n":"many"`, "cannot unmarshal string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.from, tt.to, 1)
			if bad == good {
				t.Fatal("nothing is replaced")
			}
			_, _, err := Read("bad", strings.NewReader(bad), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadFile(t.Context(), empty, nil); err == nil || !strings.Contains(err.Error(), "no record") {
		t.Errorf("empty file: error is %v", err)
	}
}

func TestAppendBad(t *testing.T) {
	bad := rec("x")
	bad.Median = math.NaN()
	s := &Store{name: "r", f: &full{room: 1 << 20}}
	if err := s.Append(bad); err == nil {
		t.Error("a figure that is no number was written")
	}
	if err := s.Append(rec("x")); err != nil {
		t.Errorf("a good record after a refused one: %v", err)
	}
}

// full is a disk with little room.
type full struct {
	room int
	data []byte
}

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	f.data = append(f.data, p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *full) Sync() error  { return nil }
func (f *full) Close() error { return nil }

func (f *full) Cut(n int) error {
	f.data = f.data[:len(f.data)-n]
	return nil
}

// TestFullDisk: what is written before the disk is full can be read, nothing is
// there of the rest, and the message says what is lost.
func TestFullDisk(t *testing.T) {
	disk := &full{room: 1000}
	s := &Store{name: "results.jsonl", f: disk}
	written := 0
	var failed error
	for range 10 {
		if err := s.Append(rec("v")); err != nil {
			failed = err
			disk.room = 1 << 20 // somebody makes room
		} else {
			written++
		}
	}
	if !errors.Is(failed, syscall.ENOSPC) || !strings.Contains(failed.Error(), "record 4 (null-call of v) could not be written") {
		t.Errorf("error is %v", failed)
	}
	got, cut, err := Read("results.jsonl", strings.NewReader(string(disk.data)), nil)
	if err != nil || len(got) != written || cut != "" {
		t.Errorf("%d records of %d, %q, %v", len(got), written, cut, err)
	}
}

// TestFullDiskOfMany: records that belong together are all written or none is.
func TestFullDiskOfMany(t *testing.T) {
	disk := &full{room: 1500}
	s := &Store{name: "results.jsonl", f: disk}
	err := errors.Join(s.Append(rec("a")), s.Append(rec("b"), rec("c"), rec("d"), rec("e")))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "records 2 to 5 (null-call of b) could not be written") {
		t.Errorf("error is %v", err)
	}
	disk.room = 1 << 20 // somebody made room: too late for those that are lost
	if again := s.Append(rec("f")); again == nil || !strings.Contains(again.Error(), "records 2 to 5") {
		t.Errorf("after a failure, a record is written (%v)", again)
	}
	got, cut, err := Read("results.jsonl", strings.NewReader(string(disk.data)), nil)
	if err != nil || len(got) != 1 || cut != "" {
		t.Errorf("%d records, %q, %v: want the first alone", len(got), cut, err)
	}
}

// TestLimit fills a file up to the limit of this process: nothing of the record
// that does not fit is left in it, and it is gone on with.
func TestLimit(t *testing.T) {
	path := write(t, rec("a"))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	s, _, _, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	small := syscall.Rlimit{Cur: uint64(info.Size()) + 100, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err = s.Append(rec("b"))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), "record 1 (null-call of b) could not be written") {
		t.Errorf("error is %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now, err := os.Stat(path); err != nil || now.Size() != info.Size() {
		t.Errorf("the file has %d bytes (%v), want the %d of before", now.Size(), err, info.Size())
	}
}

// TestKilledInTheFirst: a first record that was cut off is taken away as any.
func TestKilledInTheFirst(t *testing.T) {
	data, err := os.ReadFile(write(t, rec("one")))
	if err != nil {
		t.Fatal(err)
	}
	for end := 1; end < len(data)-1; end += 3 {
		path := filepath.Join(t.TempDir(), "cut.jsonl")
		if err := os.WriteFile(path, data[:end], 0o644); err != nil {
			t.Fatal(err)
		}
		s, old, cut, err := Open(t.Context(), path, nil)
		if err != nil || len(old) != 0 || !strings.Contains(cut, "cut.jsonl:1: the last line is cut off") {
			t.Fatalf("cut at %d: %d records, %q, %v", end, len(old), cut, err)
		}
		if err := errors.Join(s.Append(rec("two")), s.Close()); err != nil {
			t.Fatal(err)
		}
		if got, _, err := ReadFile(t.Context(), path, nil); err != nil || len(got) != 1 {
			t.Fatalf("cut at %d, then appended: %d records, %v", end, len(got), err)
		}
	}
}

func TestDevFull(t *testing.T) {
	s, _, _, err := Open(t.Context(), "/dev/full", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Append(rec("v")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error is %v, want %v", err, syscall.ENOSPC)
	}
}
