package linux

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/entrylab/entrylab/internal/need"
)

// compiled compiles testdata/vmlinux.c at the address of a kernel, and returns its path.
func compiled(t *testing.T, flags ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "vmlinux")
	args := append([]string{
		"-O2", "-static", "-nostdlib", "-mcmodel=kernel", "-fno-pic", "-no-pie", "-fno-asynchronous-unwind-tables",
		"-Wl,-Ttext=0xffffffff81000000,--build-id=none", "-o", path, filepath.Join("testdata", "vmlinux.c"),
	}, flags...)
	if out, err := exec.CommandContext(t.Context(), need.Tool(t, "gcc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

// section returns the header of a section in an ELF, and where it is in the file.
func section(t *testing.T, data []byte, name string) (h elf.Section64, at int64) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var head elf.Header64
	if _, err := binary.Decode(data, binary.LittleEndian, &head); err != nil {
		t.Fatal(err)
	}
	for i, s := range f.Sections {
		if s.Name == name {
			at = int64(head.Shoff) + int64(i)*int64(head.Shentsize)
			if _, err := binary.Decode(data[at:], binary.LittleEndian, &h); err != nil {
				t.Fatal(err)
			}
			return h, at
		}
	}
	t.Fatalf("no section %s", name)
	return h, 0
}

// TestSymbols: a vmlinux names its functions and labels, and with DWARF of any version
// what is inlined where.
func TestSymbols(t *testing.T) {
	for _, row := range []struct {
		name  string
		flags []string
		dwarf bool
	}{
		{"DWARF 5", []string{"-gdwarf-5"}, true},
		{"DWARF 4", []string{"-gdwarf-4"}, true},
		{"compressed", []string{"-g", "-gz=zlib"}, true},
		{"no DWARF", []string{"-g0"}, false},
	} {
		im, err := Open(t.Context(), compiled(t, row.flags...))
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		s, err := im.Symbols(t.Context())
		if err != nil || s == nil {
			t.Fatalf("%s: %v and %v", row.name, s, err)
		}
		at := map[string]uint64{}
		for _, symbol := range s.symbols {
			at[symbol.Name] = symbol.Value
		}
		for _, want := range []struct {
			label string
			more  uint64 // bytes behind the label
			name  string
		}{
			{"entry_SYSCALL_64", 0, "entry_SYSCALL_64"},
			{"entry_SYSCALL_64_after_hwframe", 1, "entry_SYSCALL_64_after_hwframe"},
			{"_start", 0, "_start"},
			{"behind_middle", 1, "behind_middle"},
		} {
			name, start, ok := s.Function(at[want.label] + want.more)
			if !ok || name != want.name || start != at[want.label] || start < 0xffffffff81000000 {
				t.Errorf("%s: %s+%d is in %q at %#x, %v", row.name, want.label, want.more, name, start, ok)
			}
		}
		for _, addr := range []uint64{0, 0x1000, s.code[0].Addr - 1, s.code[0].Addr + s.code[0].Size, 1<<64 - 1} {
			if name, _, ok := s.Function(addr); ok {
				t.Errorf("%s: %#x, which is no code of it, is in %s", row.name, addr, name)
			}
		}
		inlined := map[string]string{
			"in_start": "[]", "in_middle": "[middle]", "in_inner": "[inner middle]", "behind_inner": "[middle]", "behind_middle": "[]", "entry_SYSCALL_64": "[]",
		}
		addrs := []uint64{0x1000}
		for label := range inlined {
			addrs = append(addrs, at[label])
		}
		in, err := im.Inlined(t.Context(), addrs)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		for label, want := range inlined {
			if !row.dwarf {
				want = "[]"
			}
			if got := fmt.Sprint(in[at[label]]); got != want {
				t.Errorf("%s: at %s is inlined %s, want %s", row.name, label, got, want)
			}
		}
	}
}

// TestNoSymbols: what names nothing is no fault, and damage is told.
func TestNoSymbols(t *testing.T) {
	bz, err := Open(t.Context(), write(t, image([]byte("\x1f\x8bnot looked at"))))
	if err != nil {
		t.Fatal(err)
	}
	stripped, err := Open(t.Context(), compiled(t, "-s"))
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range []*Image{bz, stripped} {
		if s, err := im.Symbols(t.Context()); s != nil || err != nil {
			t.Errorf("%s has symbols: %v, %v", im.Path, s, err)
		}
		if in, err := im.Inlined(t.Context(), []uint64{0xffffffff81000000}); len(in) > 0 || err != nil {
			t.Errorf("%s has inlined functions: %v, %v", im.Path, in, err)
		}
	}
	whole, err := os.ReadFile(compiled(t, "-gdwarf-5"))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		section string
		edit    func(data []byte, h *elf.Section64)
		want    string
	}{
		"symbols cut":      {".symtab", func(_ []byte, h *elf.Section64) { h.Size-- }, "its symbols are damaged"},
		"symbols nowhere":  {".symtab", func(_ []byte, h *elf.Section64) { h.Off = 1 << 40 }, "its symbols are damaged"},
		"too many symbols": {".symtab", func(_ []byte, h *elf.Section64) { h.Size = mostSection + 24 }, "more than the 268435456 that are read"},
		"too much DWARF":   {".debug_info", func(_ []byte, h *elf.Section64) { h.Size = mostDebug + 1 }, "its DWARF has more than the 2048 MiB that are read: objcopy --strip-debug takes it out"},
		"abbreviations":    {".debug_abbrev", func(data []byte, h *elf.Section64) { clear(data[h.Off:][:h.Size]) }, "its DWARF is damaged"},
		"entries cut":      {".debug_info", func(_ []byte, h *elf.Section64) { h.Size -= 20 }, "its DWARF is damaged"},
	} {
		data := bytes.Clone(whole)
		h, at := section(t, data, row.section)
		row.edit(data, &h)
		if _, err := binary.Encode(data[at:], binary.LittleEndian, h); err != nil {
			t.Fatal(err)
		}
		im, err := Open(t.Context(), write(t, data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := im.Symbols(t.Context())
		if err == nil {
			var addrs []uint64
			for _, symbol := range s.symbols {
				addrs = append(addrs, symbol.Value)
			}
			_, err = im.Inlined(t.Context(), addrs)
		}
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), im.Path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want one sentence with %q", name, err, row.want)
		}
	}
}
