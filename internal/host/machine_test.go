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

// TestConditions: neighbours and turbo are told as a host of one's own making shows them.
func TestConditions(t *testing.T) {
	const siblings, intel, boost = "cpu1/topology/thread_siblings_list", "intel_pstate/no_turbo", "cpufreq/boost"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing", nil, "kept on CPU 1, whose neighbours (SMT) are unknown, turbo unknown"},
		{"alone", map[string]string{siblings: "1\n"}, "kept on CPU 1, whose core is its own, turbo unknown"},
		{"a neighbour", map[string]string{siblings: "1,9\n", intel: "0\n"}, "kept on CPU 1, whose core is shared with 9 (SMT), turbo on"},
		{"neighbours", map[string]string{siblings: "0-3\n", intel: "1\n"}, "kept on CPU 1, whose core is shared with 0 and 2 and 3 (SMT), turbo off"},
		{"boost", map[string]string{siblings: "0-1\n", boost: "1\n"}, "kept on CPU 1, whose core is shared with 0 (SMT), turbo on"},
		{"no boost", map[string]string{siblings: "0-1\n", boost: "0\n"}, "kept on CPU 1, whose core is shared with 0 (SMT), turbo off"},
		{"no list", map[string]string{siblings: "many\n", boost: "maybe\n"}, "kept on CPU 1, whose neighbours (SMT) are unknown, turbo unknown"},
		{"no end", map[string]string{siblings: "1-99999999\n"}, "kept on CPU 1, whose neighbours (SMT) are unknown, turbo unknown"},
	} {
		sys := t.TempDir()
		for path, text := range tt.files {
			path = filepath.Join(sys, "devices/system/cpu", path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := Conditions(sys, 1); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
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
