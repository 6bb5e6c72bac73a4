package elfimg

import (
	"bytes"
	"crypto/sha256"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

const high = 0xffffffff80000000 // where the kernel is linked, less its physical address

// sample has all that an image can have: boot code that runs where it lies,
// code and data in the higher half, zeros behind data and alone, and lines of
// two files.
func sample() *Image {
	return &Image{
		Entry: 0x100000,
		Sections: []Section{
			{Name: ".boot", Addr: 0x100000, Phys: 0x100000, Data: bytes.Repeat([]byte{0x90}, 5), Exec: true},
			{Name: ".text", Addr: high + 0x101000, Phys: 0x101000, Data: bytes.Repeat([]byte{0x90}, 64), Exec: true},
			{Name: ".rodata", Addr: high + 0x102010, Phys: 0x102010, Data: []byte("read only")},
			{Name: ".data", Addr: high + 0x103000, Phys: 0x103000, Data: []byte{1, 2, 3, 4}, Size: 0x100, Write: true},
			{Name: ".bss", Addr: high + 0x104000, Phys: 0x104000, Size: 0x2000, Write: true},
			{Name: ".empty", Addr: high + 0x106000, Phys: 0x106000},
		},
		Symbols: []Symbol{
			{Name: "pvh_start", Addr: 0x100000, Size: 5, Func: true},
			{Name: "again", Addr: high + 0x101008, Local: true},
			{Name: "entry_SYSCALL_64", Addr: high + 0x101000, Size: 32, Func: true},
			{Name: "again", Addr: high + 0x101028, Local: true},
			{Name: "helper", Addr: high + 0x101020, Size: 32, Func: true, Local: true},
			{Name: "_etext", Addr: high + 0x101040},
			{Name: "banner", Addr: high + 0x102010, Size: 9},
			{Name: "counter", Addr: high + 0x103000, Size: 4},
			{Name: "buffer", Addr: high + 0x103010, Size: 0xf0},
			{Name: "stack", Addr: high + 0x104000, Size: 0x2000},
			{Name: "_end", Addr: high + 0x106000},
		},
		Lines: []Line{
			{0x100000, "boot/proto/pvh.go", 10},
			{0x100001, "boot/proto/pvh.go", 11},
			{high + 0x101000, "stubs/entry.go", 31},
			{high + 0x101003, "stubs/entry.go", 32},
			{high + 0x10100c, "stubs/entry.go", 32},
			{high + 0x10100d, "boot/proto/pvh.go", 4000}, // far forth
			{high + 0x10101c, "stubs/entry.go", 1},       // far back
			{high + 0x101020, "stubs/entry.go", 2},
			{high + 0x10103f, "stubs/entry.go", 3}, // 31 bytes, the last byte of .text
		},
		Notes: []Note{
			{Name: "entrylab", Type: 1, Desc: []byte("linux-3.19 heukelum-v2")},
			{Name: "odd", Type: 0xffffffff},
		},
	}
}

func mustBytes(t testing.TB, im *Image) []byte {
	t.Helper()
	data, err := im.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustELF(t testing.TB, data []byte) *elf.File {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHeader(t *testing.T) {
	f := mustELF(t, mustBytes(t, sample()))
	want := elf.FileHeader{
		Class: elf.ELFCLASS64, Data: elf.ELFDATA2LSB, Version: elf.EV_CURRENT, ByteOrder: binary.LittleEndian,
		Type: elf.ET_EXEC, Machine: elf.EM_X86_64, Entry: 0x100000,
	}
	if f.FileHeader != want {
		t.Errorf("header\n got %+v\nwant %+v", f.FileHeader, want)
	}
}

// TestSegments loads the file as a boot loader does and compares memory.
func TestSegments(t *testing.T) {
	im := sample()
	f := mustELF(t, mustBytes(t, im))
	var loads []*elf.Prog
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		loads = append(loads, p)
		if p.Off%p.Align != p.Vaddr%p.Align {
			t.Errorf("segment at %#x: offset %#x is not congruent to it", p.Vaddr, p.Off)
		}
	}
	var want []*Section
	for i := range im.Sections {
		if im.Sections[i].size() > 0 {
			want = append(want, &im.Sections[i])
		}
	}
	if len(loads) != len(want) {
		t.Fatalf("%d PT_LOAD segments, want %d", len(loads), len(want))
	}
	for i, p := range loads {
		s := want[i]
		flags := elf.PF_R
		if s.Exec {
			flags |= elf.PF_X
		}
		if s.Write {
			flags |= elf.PF_W
		}
		if p.Vaddr != s.Addr || p.Paddr != s.Phys || p.Memsz != s.size() || p.Flags != flags {
			t.Errorf("%s: segment %+v", s.Name, p.ProgHeader)
		}
		data, err := io.ReadAll(p.Open())
		if err != nil || !bytes.Equal(data, s.Data) {
			t.Errorf("%s: loads % x, want % x (%v)", s.Name, data, s.Data, err)
		}
	}
}

func TestSections(t *testing.T) {
	f := mustELF(t, mustBytes(t, sample()))
	const rx, rw = elf.SHF_ALLOC | elf.SHF_EXECINSTR, elf.SHF_ALLOC | elf.SHF_WRITE
	for _, want := range []struct {
		name       string
		kind       elf.SectionType
		flags      elf.SectionFlag
		addr, size uint64
	}{
		{".notes", elf.SHT_NOTE, 0, 0, 88},
		{".boot", elf.SHT_PROGBITS, rx, 0x100000, 5},
		{".text", elf.SHT_PROGBITS, rx, high + 0x101000, 64},
		{".rodata", elf.SHT_PROGBITS, elf.SHF_ALLOC, high + 0x102010, 9},
		{".data", elf.SHT_PROGBITS, rw, high + 0x103000, 4},
		{".data.bss", elf.SHT_NOBITS, rw, high + 0x103004, 0xfc},
		{".bss", elf.SHT_NOBITS, rw, high + 0x104000, 0x2000},
		{".empty", elf.SHT_PROGBITS, elf.SHF_ALLOC, high + 0x106000, 0},
	} {
		s := f.Section(want.name)
		if s == nil {
			t.Errorf("no section %s", want.name)
			continue
		}
		if s.Type != want.kind || s.Flags != want.flags || s.Addr != want.addr || s.Size != want.size {
			t.Errorf("%s: %+v", want.name, s.SectionHeader)
		}
		if s.Addr%s.Addralign != 0 {
			t.Errorf("%s at %#x is not aligned to %#x", s.Name, s.Addr, s.Addralign)
		}
	}
}

func TestSymbols(t *testing.T) {
	im := sample()
	f := mustELF(t, mustBytes(t, im))
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if info := f.Section(".symtab").Info; info != 4 {
		t.Errorf(".symtab: the first global is %d, want 4", info)
	}
	type row struct {
		name       string
		bind       elf.SymBind
		kind       elf.SymType
		section    string
		addr, size uint64
	}
	var got []row
	for _, s := range syms {
		got = append(got, row{s.Name, elf.ST_BIND(s.Info), elf.ST_TYPE(s.Info), f.Sections[s.Section].Name, s.Value, s.Size})
	}
	want := []row{
		{"again", elf.STB_LOCAL, elf.STT_NOTYPE, ".text", high + 0x101008, 0},
		{"again", elf.STB_LOCAL, elf.STT_NOTYPE, ".text", high + 0x101028, 0},
		{"helper", elf.STB_LOCAL, elf.STT_FUNC, ".text", high + 0x101020, 32},
		{"pvh_start", elf.STB_GLOBAL, elf.STT_FUNC, ".boot", 0x100000, 5},
		{"entry_SYSCALL_64", elf.STB_GLOBAL, elf.STT_FUNC, ".text", high + 0x101000, 32},
		{"_etext", elf.STB_GLOBAL, elf.STT_NOTYPE, ".text", high + 0x101040, 0},
		{"banner", elf.STB_GLOBAL, elf.STT_OBJECT, ".rodata", high + 0x102010, 9},
		{"counter", elf.STB_GLOBAL, elf.STT_OBJECT, ".data", high + 0x103000, 4},
		{"buffer", elf.STB_GLOBAL, elf.STT_OBJECT, ".data.bss", high + 0x103010, 0xf0},
		{"stack", elf.STB_GLOBAL, elf.STT_OBJECT, ".bss", high + 0x104000, 0x2000},
		{"_end", elf.STB_GLOBAL, elf.STT_OBJECT, ".bss", high + 0x106000, 0}, // where .empty begins
	}
	if !slices.Equal(got, want) {
		t.Errorf("symbols\n got %v\nwant %v", got, want)
	}
}

// TestNotes reads the PT_NOTE segment as QEMU does: by type, with the name's
// and value's lengths rounded up to the segment's alignment.
func TestNotes(t *testing.T) {
	im := sample()
	f := mustELF(t, mustBytes(t, im))
	want := append([]Note{{"Xen", 18, []byte{0, 0, 0x10, 0, 0, 0, 0, 0}}}, im.Notes...)
	if got := readNotes(t, f); !slices.EqualFunc(got, want, sameNote) {
		t.Errorf("notes\n got %+v\nwant %+v", got, want)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_NOTE && p.Off != f.Section(".notes").Offset {
			t.Errorf("PT_NOTE at %#x, .notes at %#x", p.Off, f.Section(".notes").Offset)
		}
	}
}

func sameNote(a, b Note) bool {
	return a.Name == b.Name && a.Type == b.Type && bytes.Equal(a.Desc, b.Desc)
}

func readNotes(t testing.TB, f *elf.File) []Note {
	t.Helper()
	i := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_NOTE })
	if i < 0 {
		t.Fatal("no PT_NOTE segment")
	}
	data, err := io.ReadAll(f.Progs[i].Open())
	if err != nil {
		t.Fatal(err)
	}
	up := func(n uint32) uint32 { return (n + uint32(f.Progs[i].Align) - 1) &^ (uint32(f.Progs[i].Align) - 1) }
	var notes []Note
	for len(data) > 0 {
		name, desc, kind := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:]), binary.LittleEndian.Uint32(data[8:])
		data = data[12:]
		if data[name-1] != 0 {
			t.Fatalf("a note's name %q does not end in a zero byte", data[:name])
		}
		notes = append(notes, Note{string(data[:name-1]), kind, data[up(name):][:desc]})
		data = data[up(name)+up(desc):]
	}
	return notes
}

func TestLines(t *testing.T) {
	im := sample()
	lines, ends, err := readLines(mustELF(t, mustBytes(t, im)))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(lines, im.Lines) {
		t.Errorf("lines\n got %v\nwant %v", lines, im.Lines)
	}
	if want := []uint64{0x100005, high + 0x101040}; !slices.Equal(ends, want) {
		t.Errorf("sequences end at %#x, want %#x", ends, want)
	}
}

// readLines returns the line table and the ends of its sequences.
func readLines(f *elf.File) (lines []Line, ends []uint64, err error) {
	d, err := f.DWARF()
	if err != nil {
		return nil, nil, err
	}
	unit, err := d.Reader().Next()
	if err != nil {
		return nil, nil, err
	}
	r, err := d.LineReader(unit)
	if err != nil {
		return nil, nil, err
	}
	for {
		var e dwarf.LineEntry
		switch err := r.Next(&e); {
		case errors.Is(err, io.EOF):
			return lines, ends, nil
		case err != nil:
			return nil, nil, err
		case e.EndSequence:
			ends = append(ends, e.Address)
		default:
			lines = append(lines, Line{e.Address, e.File.Name, e.Line})
		}
	}
}

func TestFunctions(t *testing.T) {
	im := sample()
	im.Symbols = append(im.Symbols, Symbol{Name: "no_line", Addr: high + 0x10103e, Size: 1, Func: true})
	d, err := mustELF(t, mustBytes(t, im)).DWARF()
	if err != nil {
		t.Fatal(err)
	}
	r := d.Reader()
	unit, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if unit.Tag != dwarf.TagCompileUnit || unit.Val(dwarf.AttrLanguage) != int64(langMipsAssembler) ||
		unit.Val(dwarf.AttrName) != "boot/proto/pvh.go" || unit.Val(dwarf.AttrCompDir) != "." {
		t.Errorf("compile unit %+v", unit)
	}
	ranges, err := d.Ranges(unit)
	if err != nil {
		t.Fatal(err)
	}
	if want := [][2]uint64{{0x100000, 0x100005}, {high + 0x101000, high + 0x101040}}; !slices.Equal(ranges, want) {
		t.Errorf("unit covers %#x, want %#x", ranges, want)
	}

	type row struct {
		name      string
		external  bool
		low, size uint64
		file      string
		line      int64
	}
	var got []row
	lines, err := d.LineReader(unit)
	if err != nil {
		t.Fatal(err)
	}
	files := lines.Files()
	for {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Tag == 0 {
			break
		}
		file := ""
		if n := e.Val(dwarf.AttrDeclFile).(int64); n > 0 {
			file = files[n].Name
		}
		got = append(got, row{
			e.Val(dwarf.AttrName).(string), e.Val(dwarf.AttrExternal).(bool),
			e.Val(dwarf.AttrLowpc).(uint64), uint64(e.Val(dwarf.AttrHighpc).(int64)),
			file, e.Val(dwarf.AttrDeclLine).(int64),
		})
	}
	want := []row{
		{"pvh_start", true, 0x100000, 5, "boot/proto/pvh.go", 10},
		{"entry_SYSCALL_64", true, high + 0x101000, 32, "stubs/entry.go", 31},
		{"helper", false, high + 0x101020, 32, "stubs/entry.go", 2},
		{"no_line", true, high + 0x10103e, 1, "", 0},
	}
	if !slices.Equal(got, want) {
		t.Errorf("functions\n got %v\nwant %v", got, want)
	}
}

// TestAranges decodes .debug_aranges, which debug/dwarf does not read.
func TestAranges(t *testing.T) {
	data, err := mustELF(t, mustBytes(t, sample())).Section(".debug_aranges").Data()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Length  uint32
		Version uint16
		Info    uint32
		Addr    uint8
		Segment uint8
		_       uint32
		Tuples  [3][2]uint64
	}
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &got); err != nil {
		t.Fatal(err)
	}
	if want := [3][2]uint64{{0x100000, 5}, {high + 0x101000, 64}}; got.Tuples != want || got.Version != 2 || got.Addr != 8 {
		t.Errorf(".debug_aranges %+v, want %#x", got, want)
	}
	if int(got.Length) != len(data)-4 || len(data) != binary.Size(got) {
		t.Errorf(".debug_aranges has %d bytes, its length field says %d", len(data), got.Length)
	}
}

func TestWithoutLines(t *testing.T) {
	im := sample()
	im.Lines = nil
	f := mustELF(t, mustBytes(t, im))
	for _, s := range f.Sections {
		if len(s.Name) > 6 && s.Name[:6] == ".debug" {
			t.Errorf("section %s in an image without lines", s.Name)
		}
	}
}

// TestGolden pins the bytes. A change of the format changes the digest; look at
// `readelf -a` of old and new before taking the new one over.
func TestGolden(t *testing.T) {
	const want = "0fa168aeddc2e507adbec5e9113cced17b5c48f02f0e86769b851e70cd5ca72f"
	data := mustBytes(t, sample())
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
		t.Errorf("SHA-256 of the sample image is %s, want %s", got, want)
	}
	for range 10 {
		if !bytes.Equal(mustBytes(t, sample()), data) {
			t.Fatal("the same image gave other bytes")
		}
	}
}

func TestAppendSleb(t *testing.T) {
	for _, row := range []struct { // DWARF 4, figure 23
		v    int64
		want []byte
	}{
		{2, []byte{2}},
		{-2, []byte{0x7e}},
		{127, []byte{0xff, 0}},
		{-127, []byte{0x81, 0x7f}},
		{128, []byte{0x80, 1}},
		{-128, []byte{0x80, 0x7f}},
		{129, []byte{0x81, 1}},
		{-129, []byte{0xff, 0x7e}},
		{0, []byte{0}},
		{63, []byte{63}},
		{64, []byte{0xc0, 0}},
		{-64, []byte{0x40}},
		{-65, []byte{0xbf, 0x7f}},
	} {
		if got := appendSleb(nil, row.v); !bytes.Equal(got, row.want) {
			t.Errorf("%d: % x, want % x", row.v, got, row.want)
		}
	}
}

// BenchmarkBytes makes an image of the kernel's order: 10,000 instructions
// in 500 functions.
func BenchmarkBytes(b *testing.B) {
	const insts, funcs, length = 10_000, 500, 5
	im := &Image{
		Entry: 0x100000,
		Sections: []Section{
			{Name: ".text", Addr: high + 0x100000, Phys: 0x100000, Data: make([]byte, insts*length), Exec: true},
			{Name: ".data", Addr: high + 0x200000, Phys: 0x200000, Data: make([]byte, 64<<10), Write: true},
			{Name: ".bss", Addr: high + 0x300000, Phys: 0x300000, Size: 1 << 20, Write: true},
		},
	}
	for i := range funcs {
		size := uint64(insts * length / funcs)
		im.Symbols = append(im.Symbols, Symbol{Name: fmt.Sprintf("function_%d", i), Addr: high + 0x100000 + uint64(i)*size, Size: size, Func: true})
	}
	for i := range insts {
		im.Lines = append(im.Lines, Line{high + 0x100000 + uint64(i)*length, fmt.Sprintf("gen/kernel/f%d.go", i/1000), 10 + i%300})
	}
	b.ReportAllocs()
	for b.Loop() {
		data, err := im.Bytes()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes/image")
	}
}
