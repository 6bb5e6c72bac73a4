package image

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

func presets() []stubs.Variant {
	var list []stubs.Variant
	for _, p := range stubs.Presets() {
		list = append(list, p.Variant)
	}
	return list
}

// maxSize is what text and data of an image with all presets may take.
const maxSize = 320 << 10

func TestBuild(t *testing.T) {
	im, err := Build(Config{Variants: presets()})
	if err != nil {
		t.Fatal(err)
	}
	if im.Size > maxSize {
		t.Errorf("text and data are %d bytes, want at most %d", im.Size, maxSize)
	}
	again, err := Build(Config{Variants: presets()})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(im.ELF, again.ELF) {
		t.Error("two builds differ")
	}
	f, err := elf.NewFile(bytes.NewReader(im.ELF))
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	have, entries := map[string]bool{}, 0
	for _, s := range syms {
		have[s.Name] = true
		if s.Name == stubs.Entry || s.Name == stubs.FREDEntry {
			entries++
		}
	}
	if entries != len(presets()) {
		t.Errorf("%d symbols %s and %s, want one for each of %d variants", entries, stubs.Entry, stubs.FREDEntry, len(presets()))
	}
	for _, n := range presets() {
		if name := n.FuncName(n.Axes.EntryName()); !have[name] {
			t.Errorf("the image has no symbol %s", name)
		}
	}
	if d, err := f.DWARF(); err != nil || d == nil {
		t.Errorf("no DWARF: %v", err)
	}
}

func TestBuildInitramfs(t *testing.T) {
	archive := bytes.Repeat([]byte("070701"), 1000)
	im, err := Build(Config{Variants: presets(), Initramfs: archive})
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(im.ELF))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section(".initramfs")
	if s == nil || s.Addr != layout.KernelBase+initramfsAddr {
		t.Fatalf("section .initramfs is %+v", s)
	}
	if data, err := s.Data(); err != nil || !bytes.Equal(data, archive) {
		t.Errorf("the archive is not what was given (error %v)", err)
	}
}

func TestBuildNothing(t *testing.T) {
	if _, err := Build(Config{}); err == nil {
		t.Error("an image without variants was built")
	}
}

// BenchmarkBuild generates the image with all presets.
func BenchmarkBuild(b *testing.B) {
	list := presets()
	b.ReportAllocs()
	var im *Image
	for b.Loop() {
		var err error
		if im, err = Build(Config{Variants: list}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(im.Size), "text+data-bytes")
}

// BenchmarkFile writes an image with all presets and an initramfs of the guest's size
// in each format.
func BenchmarkFile(b *testing.B) {
	im, err := Build(Config{Variants: presets(), Initramfs: make([]byte, 2400<<10)})
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range Formats {
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				if _, err := im.File(f, "", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestPlacement: a placement moves the variants' functions and nothing else of
// their code, and the same seed gives the same image.
func TestPlacement(t *testing.T) {
	build := func(seed uint64) *Image {
		im, err := Build(Config{Variants: []stubs.Variant{{Name: "linux-3.19"}}, Placement: seed})
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	plain, one, again, two := build(0), build(1), build(1), build(2)
	if !bytes.Equal(one.ELF, again.ELF) {
		t.Error("the same seed gives two images")
	}
	const entry = "entry_SYSCALL_64.linux-3.19"
	at := func(im *Image) uint64 { a, _ := im.Object.Addr(entry); return a }
	if at(plain) == at(one) || at(one) == at(two) {
		t.Errorf("the entry is at %#x, %#x and %#x", at(plain), at(one), at(two))
	}
	if at(one)%16 != 0 {
		t.Errorf("the entry is at %#x, not aligned", at(one))
	}
}
