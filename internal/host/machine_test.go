package host

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFSGSBASE(t *testing.T) {
	auxv := func(pairs ...uint64) (b []byte) {
		for _, x := range pairs {
			b = binary.LittleEndian.AppendUint64(b, x)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		auxv []byte
		want bool
	}{
		{"announced", auxv(6, 4096, atHWCap2, 2), true},
		{"another capability", auxv(atHWCap2, 1), false},
		{"another entry", auxv(6, 2), false},
		{"cut", auxv(atHWCap2), false},
		{"none", nil, false},
	} {
		if got := FSGSBASE(tt.auxv); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestSys: what a host of one's own making shows is told.
func TestSys(t *testing.T) {
	sys := t.TempDir()
	if _, err := Neighbours(sys); err == nil || Counters(sys) {
		t.Errorf("an empty folder: error %v, counters %v", err, Counters(sys))
	}
	write := func(path, text string) {
		path = filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const cpu = "devices/system/cpu/cpu"
	write(cpu+"0/topology/thread_siblings_list", "0\n")
	if got, err := Neighbours(sys); err != nil || len(got) > 0 {
		t.Errorf("one thread a core: %q, %v", got, err)
	}
	write(cpu+"1/topology/thread_siblings_list", "1,3\n")
	write(cpu+"3/topology/thread_siblings_list", "1,3\n")
	write("bus/event_source/devices/cpu_core/type", "4\n")
	if got, err := Neighbours(sys); err != nil || !slices.Equal(got, []string{"1,3"}) || !Counters(sys) {
		t.Errorf("two threads on a core: %q, %v, counters %v", got, err, Counters(sys))
	}
}

func TestFree(t *testing.T) {
	if n, err := Free(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := Free(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a folder that is not there has room")
	}
}
