package initramfs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// program is a small ELF64 file in parts, so that a test can break each.
type program struct {
	hdr  elf.Header64
	prog []elf.Prog64
	tail []byte // what follows the program headers
}

const (
	testBase  = 0x400000
	testEntry = testBase + 0xb0
)

// goodProgram has one executable segment that spans the whole file.
func goodProgram() program {
	p := program{
		hdr: elf.Header64{
			Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
			Entry: testEntry, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		prog: []elf.Prog64{{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
			Vaddr: testBase, Filesz: 0x100, Memsz: 0x200, Align: 0x1000,
		}},
		tail: make([]byte, 0x100-64-56),
	}
	copy(p.hdr.Ident[:], elf.ELFMAG)
	p.hdr.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	p.hdr.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	return p
}

func (p program) bytes() []byte {
	var b bytes.Buffer
	for _, v := range []any{p.hdr, p.prog, p.tail} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// addDynamic gives p a dynamic section of entries with these tags.
func (p *program) addDynamic(tags ...elf.DynTag) {
	p.hdr.Phnum = 2
	p.prog = append(p.prog, elf.Prog64{
		Type: uint32(elf.PT_DYNAMIC), Off: 64 + 2*56, Filesz: uint64(16 * len(tags)),
	})
	p.tail = make([]byte, 0x100-64-2*56)
	for i, tag := range tags {
		binary.LittleEndian.PutUint64(p.tail[16*i:], uint64(tag))
	}
}

// addInterp makes p a dynamically linked program.
func (p *program) addInterp(path string) {
	p.hdr.Phnum = 2
	p.prog = append(p.prog, elf.Prog64{
		Type: uint32(elf.PT_INTERP), Off: 64 + 2*56, Filesz: uint64(len(path) + 1),
	})
	copy(p.tail, path)
}

func TestReadInit(t *testing.T) {
	tests := []struct {
		name string
		edit func(*program)
		cut  int    // bytes that the file keeps, 0: all
		want string // in the message; "" wants none
	}{
		{name: "good", edit: func(*program) {}},
		{
			name: "script",
			edit: func(p *program) { copy(p.hdr.Ident[:], "#!/b") },
			want: `is not an ELF program (starts with "#!/b")`,
		},
		{
			name: "32-bit",
			edit: func(p *program) { p.hdr.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS32) },
			want: "is a 32-bit program",
		},
		{
			name: "unknown class",
			edit: func(p *program) { p.hdr.Ident[elf.EI_CLASS] = 9 },
			want: "unknown ELF class 9",
		},
		{
			name: "big-endian",
			edit: func(p *program) { p.hdr.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB) },
			want: "is not little-endian",
		},
		{
			name: "other processor",
			edit: func(p *program) { p.hdr.Machine = uint16(elf.EM_AARCH64) },
			want: "is built for AARCH64, not for x86-64",
		},
		{
			name: "object file",
			edit: func(p *program) { p.hdr.Type = uint16(elf.ET_REL) },
			want: "is an object file (ET_REL): link it",
		},
		{
			name: "core dump",
			edit: func(p *program) { p.hdr.Type = uint16(elf.ET_CORE) },
			want: "is not a program (ET_CORE)",
		},
		{
			name: "dynamically linked",
			edit: func(p *program) { p.addInterp("/lib64/ld.so") },
			want: "dynamically linked (wants /lib64/ld.so): build it with CGO_ENABLED=0",
		},
		{
			name: "dynamically linked PIE",
			edit: func(p *program) { p.addInterp("/lib64/ld.so"); p.hdr.Type = uint16(elf.ET_DYN) },
			want: "dynamically linked (wants /lib64/ld.so)",
		},
		{
			name: "interpreter outside the file",
			edit: func(p *program) { p.addInterp("/x"); p.prog[1].Off = 1 << 63 },
			want: "dynamically linked (wants an interpreter)",
		},
		{
			name: "static PIE",
			edit: func(p *program) {
				p.hdr.Type = uint16(elf.ET_DYN)
				p.addDynamic(elf.DT_FLAGS_1, elf.DT_NULL, elf.DT_NEEDED)
			},
		},
		{
			name: "shared library",
			edit: func(p *program) {
				p.hdr.Type = uint16(elf.ET_DYN)
				p.addDynamic(elf.DT_SONAME, elf.DT_NEEDED, elf.DT_NULL)
			},
			want: "is a shared library, or dynamically linked",
		},
		{
			name: "dynamic section outside the file",
			edit: func(p *program) { p.addDynamic(elf.DT_NULL); p.prog[1].Filesz = 1 << 40 },
			want: "should have a dynamic section up to byte",
		},
		{
			name: "empty file",
			edit: func(p *program) { *p = program{} },
			cut:  -1,
			want: "is not a program (0 bytes, no ELF header)",
		},
		{
			name: "cut in the magic's header",
			edit: func(*program) {},
			cut:  10,
			want: "is truncated: it has 10 bytes, but should have an ELF header up to byte 16",
		},
		{
			name: "cut in the header",
			edit: func(*program) {},
			cut:  40,
			want: "is truncated: it has 40 bytes, but should have an ELF header up to byte 64",
		},
		{
			name: "cut in the program headers",
			edit: func(*program) {},
			cut:  119,
			want: "is truncated: it has 119 bytes, but should have program headers up to byte 120",
		},
		{
			name: "cut in a segment",
			edit: func(*program) {},
			cut:  0xff,
			want: "is truncated: it has 255 bytes, but should have segment 0 up to byte 256",
		},
		{
			name: "segment offset wraps",
			edit: func(p *program) { p.prog[0].Off = 1<<64 - 0x80 },
			want: "should have segment 0 up to",
		},
		{
			name: "program header offset wraps",
			edit: func(p *program) { p.hdr.Phoff = 1<<64 - 8 },
			want: "should have program headers up to",
		},
		{
			name: "no program headers",
			edit: func(p *program) { p.hdr.Phnum = 0 },
			want: "has no program headers",
		},
		{
			name: "program headers of another size",
			edit: func(p *program) { p.hdr.Phentsize = 32 },
			want: "has program headers of 32 bytes instead of 56",
		},
		{
			name: "nothing to load",
			edit: func(p *program) { p.prog[0].Type = uint32(elf.PT_NOTE) },
			want: "has no PT_LOAD segment",
		},
		{
			name: "more in the file than in memory",
			edit: func(p *program) { p.prog[0].Memsz = 0x80 },
			want: "segment 0 has more bytes in the file (0x100) than in memory (0x80)",
		},
		{
			name: "kernel half",
			edit: func(p *program) { p.prog[0].Vaddr = 0xffffffff80000000 },
			want: "segment 0 is linked at 0xffffffff80000000, outside the user half",
		},
		{
			name: "non-canonical hole",
			edit: func(p *program) { p.prog[0].Vaddr = 1<<47 - 0x80 },
			want: "segment 0 is linked at 0x7fffffffff80, outside the user half",
		},
		{
			name: "entry outside",
			edit: func(p *program) { p.hdr.Entry = 0x1234 },
			want: "starts at 0x1234, which is in no executable segment",
		},
		{
			name: "entry in data",
			edit: func(p *program) { p.prog[0].Flags = uint32(elf.PF_R | elf.PF_W) },
			want: "starts at 0x4000b0, which is in no executable segment",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := goodProgram()
			tt.edit(&p)
			data := p.bytes()
			switch {
			case tt.cut < 0:
				data = nil
			case tt.cut > 0:
				data = data[:tt.cut]
			}
			path := filepath.Join(t.TempDir(), "prog")
			if err := os.WriteFile(path, data, 0o755); err != nil {
				t.Fatal(err)
			}
			checkMessage(t, path, tt.want)
		})
	}
}

func TestReadInitPaths(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	checkMessage(t, missing, "no such file or directory: give the path")
	checkMessage(t, dir, "is not a regular file")
	checkMessage(t, "/dev/zero", "is not a regular file")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, fifo, "is not a regular file")
	huge := filepath.Join(dir, "huge")
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, initFile.Most+1)); err != nil {
		t.Fatal(err)
	}
	checkMessage(t, huge, "is too long: it has more than 256 MiB")
}

// checkMessage wants a message of one line about the program at path, which it
// starts with, that holds want, or none if want is empty.
func checkMessage(t *testing.T, path, want string) {
	t.Helper()
	_, err := ReadInit(t.Context(), path)
	if want == "" {
		if err != nil {
			t.Errorf("ReadInit = %v, want nil", err)
		}
		return
	}
	if err == nil || !strings.HasPrefix(err.Error(), path+": ") ||
		!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("ReadInit = %v,\nwant one line: %s: ...%s...", err, path, want)
	}
}

// FuzzCheckELF wants an answer, of whatever kind, to any bytes.
func FuzzCheckELF(f *testing.F) {
	good := goodProgram().bytes()
	f.Add(good)
	f.Add(good[:70])
	f.Fuzz(func(t *testing.T, data []byte) {
		err := checkELF(bytes.NewReader(data), uint64(len(data)))
		if err == nil && len(data) < 64+56 {
			t.Errorf("%d bytes pass as a program", len(data))
		}
	})
}
