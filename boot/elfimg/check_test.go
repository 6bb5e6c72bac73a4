package elfimg

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestBadImages(t *testing.T) {
	var multiboot []byte
	for _, word := range []uint32{0x1badb002, 3, 0xe4524ffb} { // they sum to zero
		multiboot = binary.LittleEndian.AppendUint32(multiboot, word)
	}

	for _, row := range []struct {
		name  string
		spoil func(*Image)
		want  []string // one error each, in this order
	}{
		{
			"nothing", func(im *Image) { *im = Image{} },
			[]string{"entry 0x0 is in no executable section: it must be the physical address of the 32-bit entry code"},
		},
		{
			"entry virtual", func(im *Image) { im.Entry = 0x80101000 },
			[]string{"entry 0x80101000 is in no executable section"},
		},
		{
			"entry behind the code", func(im *Image) { im.Entry = 0x100005 },
			[]string{"entry 0x100005 is in no executable section"},
		},
		{
			"entry in data", func(im *Image) { im.Entry = 0x103000 },
			[]string{"entry 0x103000 is in no executable section"},
		},
		{
			"entry in zeros", func(im *Image) { im.Sections[0].Size = 0x10; im.Entry = 0x100008 },
			[]string{"entry 0x100008 is in no executable section"},
		},
		{
			"overlap", func(im *Image) { im.Sections[1].Size = 0x1011 },
			[]string{"section .rodata at 0xffffffff80102010 overlaps .text, which ends at 0xffffffff80102011"},
		},
		{
			"physical overlap", func(im *Image) { im.Sections[3].Phys = 0x101000 },
			[]string{"section .data at physical 0x101000 overlaps .text, which ends at physical 0x101040"},
		},
		{
			"order", func(im *Image) { im.Sections[0], im.Sections[1] = im.Sections[1], im.Sections[0] },
			[]string{"section .boot at 0x100000 comes after .text at 0xffffffff80101000: give sections in order of address"},
		},
		{
			"size below data", func(im *Image) { im.Sections[1].Size = 0x3f },
			[]string{"section .text: its size is 0x3f, but it has 0x40 bytes of data"},
		},
		{
			"past the address space", func(im *Image) { im.Sections[4].Addr = ^uint64(0) &^ 0xfff; im.Sections[4].Size = 0x1000 },
			[]string{"section .bss: 0x1000 bytes from 0xfffffffffffff000 run past the top of the address space"},
		},
		{
			"past 4 GiB", func(im *Image) { im.Sections[4].Phys = 0xfffff000 },
			[]string{"section .bss: 0x2000 bytes from physical 0xfffff000 run past 4 GiB"},
		},
		{
			"far past 4 GiB", func(im *Image) { im.Sections[4].Phys = 0xfffffffffffff000 },
			[]string{"section .bss: 0x2000 bytes from physical 0xfffffffffffff000 run past 4 GiB"},
		},
		{
			"within a page", func(im *Image) { im.Sections[4].Phys += 8 },
			[]string{"section .bss: no page table maps 0xffffffff80104000 to physical 0x104008"},
		},
		{
			"nameless section", func(im *Image) { im.Sections[1].Name = "" },
			[]string{`section "" at 0xffffffff80101000: its name is empty`},
		},
		{
			"same name", func(im *Image) { im.Sections[2].Name = ".text" },
			[]string{"section .text at 0xffffffff80102010: the name .text is taken"},
		},
		{
			"our name", func(im *Image) { im.Sections[2].Name = ".symtab" },
			[]string{"section .symtab at 0xffffffff80102010: the name .symtab is taken"},
		},
		{
			"name of the zeros", func(im *Image) { im.Sections[2].Name = ".data.bss" },
			[]string{"section .data at 0xffffffff80103000: the name .data.bss is taken"},
		},
		{
			"too many sections", func(im *Image) { im.Sections = make([]Section, 40_000) },
			[]string{"40000 sections: ELF has room for 32635"},
		},
		{
			"two section faults", func(im *Image) { im.Sections[1].Size = 1; im.Sections[2].Name = "a\x00b" },
			[]string{"section .text: its size is 0x1", `section "a\x00b" at 0xffffffff80102010: its name has a zero byte in it`},
		},
		{
			"symbol outside", func(im *Image) { im.Symbols[2].Addr = 0x99 },
			[]string{"symbol entry_SYSCALL_64 at 0x99 is outside any section"},
		},
		{
			"symbol runs out", func(im *Image) { im.Symbols[6].Size = 10 },
			[]string{"symbol banner at 0xffffffff80102010, 0xa bytes, is outside any section: it runs past the end of .rodata at 0xffffffff80102019"},
		},
		{
			"endless symbol", func(im *Image) { im.Symbols[6].Size = ^uint64(0) },
			[]string{"symbol banner at 0xffffffff80102010, 0xffffffffffffffff bytes, is outside any section"},
		},
		{
			"function in data", func(im *Image) { im.Symbols[7].Func = true },
			[]string{"function counter at 0xffffffff80103000 is not in code but in .data"},
		},
		{
			"nameless symbol", func(im *Image) { im.Symbols[7].Name = "" },
			[]string{`symbol "" at 0xffffffff80103000: its name is empty`},
		},
		{
			"two globals", func(im *Image) { im.Symbols[7].Name = "banner" },
			[]string{"symbol banner at 0xffffffff80103000 is also at 0xffffffff80102010: only local symbols may share a name"},
		},
		{
			"lines unsorted", func(im *Image) { im.Lines[3].Addr = high + 0x101000 },
			[]string{"stubs/entry.go:32: line entry at 0xffffffff80101000 follows that of stubs/entry.go:31 at 0xffffffff80101000: give lines in ascending order of address, one for each instruction"},
		},
		{
			"line outside", func(im *Image) { im.Lines[1].Addr = 0x100005 },
			[]string{"boot/proto/pvh.go:11: line entry at 0x100005 is outside any executable section"},
		},
		{
			"line in data", func(im *Image) { im.Lines = []Line{{high + 0x103000, "a.go", 1}} },
			[]string{"a.go:1: line entry at 0xffffffff80103000 is outside any executable section"},
		},
		{
			"line of no file", func(im *Image) { im.Lines[1].File = "" },
			[]string{`line entry at 0x100001: its file name "" is empty`},
		},
		{
			"line 0", func(im *Image) { im.Lines[1].Line = 0 },
			[]string{"line entry at 0x100001: boot/proto/pvh.go has no line 0"},
		},
		{
			"line of this machine", func(im *Image) { im.Lines[1].File = "/src/a.go" },
			[]string{"line entry at 0x100001: file /src/a.go would put a path of this machine into the image"},
		},
		{
			"nameless note", func(im *Image) { im.Notes[0].Name = "" },
			[]string{`note "": its name is empty`},
		},
		{
			"second PVH note", func(im *Image) { im.Notes[0] = Note{Name: "Xen", Type: 18} },
			[]string{"note Xen, type 18: this note is made from Entry"},
		},
		{
			"Multiboot header", func(im *Image) { im.Notes = append([]Note{{"mb", 1, multiboot}}, im.Notes...) },
			[]string{"the bytes at file offset 0x1b8 are a Multiboot header, with which QEMU refuses a 64-bit image"},
		},
		{
			"all kinds", func(im *Image) {
				im.Entry = 0
				im.Symbols[0].Addr, im.Symbols[1].Addr = 1, 2
				im.Lines[0].Addr = 3
				im.Notes[0].Name = ""
			},
			[]string{"entry 0x0", "symbol pvh_start", "symbol again", "boot/proto/pvh.go:10: line entry", "note"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			im := sample()
			row.spoil(im)
			data, err := im.Bytes()
			if err == nil || data != nil {
				t.Fatalf("%d bytes, error %v; want no bytes and an error", len(data), err)
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(row.want) {
				t.Fatalf("%d errors, want %d:\n%v", len(got), len(row.want), err)
			}
			for i, want := range row.want {
				if !strings.HasPrefix(got[i], "elfimg: "+want) {
					t.Errorf("error %d\n got %s\nwant elfimg: %s…", i, got[i], want)
				}
			}
		})
	}
}

// TestEdgeImages checks images at the limits that are right all the same.
func TestEdgeImages(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Image)
	}{
		{"only code", func(im *Image) { *im = Image{Entry: 0x100004, Sections: im.Sections[:1]} }},
		{"entry in the last byte", func(im *Image) { im.Entry = 0x100004 }},
		{"adjacent sections", func(im *Image) { im.Sections[4].Addr, im.Sections[4].Phys = high+0x103100, 0x103100; im.Symbols = nil }},
		{"empty section within reach of another", func(im *Image) { im.Sections[5].Phys = 0x101000 }},
		{"up to 4 GiB", func(im *Image) { im.Sections[4].Phys = 0xffffe000 }},
		{"at address 0", func(im *Image) { im.Sections[0].Addr = 0; im.Symbols, im.Lines = im.Symbols[1:], im.Lines[2:] }},
		{"last line number", func(im *Image) { im.Lines[0].Line = 1<<31 - 1 }},
		{"executable zeros", func(im *Image) { im.Sections[4].Exec = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			im := sample()
			row.change(im)
			checkRoundTrip(t, im, mustBytes(t, im))
		})
	}
}

// FuzzBytes makes images of arbitrary values. Bytes must answer each with an
// error or with a file that reads back as the image.
func FuzzBytes(f *testing.F) {
	f.Add([]byte{}, uint32(0))
	f.Add(bytes.Repeat([]byte{3}, 300), uint32(0x100000))
	f.Add(bytes.Repeat([]byte{0, 0xff, 0x80, 7}, 100), uint32(0x101000))
	f.Fuzz(func(t *testing.T, in []byte, entry uint32) {
		im := sample()
		im.Entry ^= entry
		spoil(im, in)
		data, err := im.Bytes()
		if err != nil {
			if data != nil {
				t.Error("bytes beside an error")
			}
			return
		}
		checkRoundTrip(t, im, data)
	})
}

// spoil changes values of im as in says: four bytes choose one field and what
// it becomes. Most changes are small, so that many images stay right.
func spoil(im *Image, in []byte) {
	for ; len(in) >= 4; in = in[4:] {
		i, v := int(in[1]), uint64(in[2])
		if in[3]&3 == 3 {
			v = ^v
		}
		s := &im.Sections[i%len(im.Sections)]
		sym := &im.Symbols[i%len(im.Symbols)]
		l := &im.Lines[i%len(im.Lines)]
		n := &im.Notes[i%len(im.Notes)]
		switch in[0] % 16 {
		case 0:
			s.Addr += v << 12
		case 1:
			s.Phys += v << 12
		case 2:
			s.Size = v << (in[3] & 0x3c)
		case 3:
			s.Data = bytes.Repeat([]byte{in[3]}, int(in[2]))
		case 4:
			s.Exec = !s.Exec
		case 5:
			s.Write = !s.Write
		case 6:
			s.Name += string(rune(in[2]))
		case 7:
			sym.Addr += v
		case 8:
			sym.Size = v
		case 9:
			sym.Func = !sym.Func
		case 10:
			sym.Local = !sym.Local
		case 11:
			sym.Name = strings.Repeat(string(rune(in[2])), int(in[3]))
		case 12:
			l.Addr += v
		case 13:
			l.Line = int(int64(v) << (in[3] & 0x1f))
		case 14:
			l.File = strings.Repeat("d/", int(in[3])) + string(rune(in[2]))
		case 15:
			n.Type, n.Desc = uint32(v), bytes.Repeat([]byte{in[2]}, int(in[3]))
		}
	}
}

// checkRoundTrip compares data, read by debug/elf and debug/dwarf, with im.
func checkRoundTrip(t *testing.T, im *Image, data []byte) {
	t.Helper()
	f := mustELF(t, data)
	notes := readNotes(t, f)
	if entry := binary.LittleEndian.Uint64(notes[0].Desc); notes[0].Name != "Xen" || entry != uint64(im.Entry) || len(notes) != 1+len(im.Notes) {
		t.Errorf("notes %+v", notes)
	}
	if len(im.Symbols) > 0 {
		syms, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		type value struct {
			name       string
			addr, size uint64
		}
		count := make(map[value]int)
		for _, s := range im.Symbols {
			count[value{s.Name, s.Addr, s.Size}]++
		}
		for _, s := range syms {
			count[value{s.Name, s.Value, s.Size}]--
		}
		for v, n := range count {
			if n != 0 {
				t.Errorf("symbol %+v: %d too few in the file", v, n)
			}
		}
	}
	if len(im.Lines) > 0 {
		lines, _, err := readLines(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) != len(im.Lines) {
			t.Fatalf("%d lines, want %d", len(lines), len(im.Lines))
		}
		for i, l := range im.Lines {
			// debug/dwarf cleans names: "d//a" reads as "d/a".
			if lines[i].Addr != l.Addr || lines[i].Line != l.Line {
				t.Errorf("line %d is %+v, want %+v", i, lines[i], l)
			}
		}
	}
}
