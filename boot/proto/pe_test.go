package proto

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"strings"
	"testing"
)

func testFile() KernelFile {
	return KernelFile{
		Load: 0x10_0000, Start64: 0x10_0200, BIOS: 0x10_0400, EFI: 0x10_0600, Handover: 0x10_0610,
		Sections: []FileSection{
			{Name: ".text", Addr: 0x10_0000, Data: bytes.Repeat([]byte{0xcc}, 0x800), Size: 0x800, Exec: true},
			{Name: ".data", Addr: 0x10_1000, Data: []byte("data"), Size: 0x1000, Write: true},
			{Name: ".initrd", Addr: 0x10_4000, Data: []byte("070701"), Size: 6},
		},
	}
}

// TestKernelFile checks what firmware refuses a file for: a section that is both
// written and executed, one that is not made of whole pages, a hole between two,
// and an .sbat that does not end where its text does.
func TestKernelFile(t *testing.T) {
	file := testFile()
	image, err := file.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	head := f.OptionalHeader.(*pe.OptionalHeader64)
	if head.DllCharacteristics&pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT == 0 {
		t.Error("not NX_COMPAT")
	}
	if head.AddressOfEntryPoint != headerSize+0x600 || int(head.SizeOfImage) != len(image) {
		t.Errorf("the entry is at %#x, the size %#x of %#x", head.AddressOfEntryPoint, head.SizeOfImage, len(image))
	}
	next := uint32(headerSize)
	for _, s := range f.Sections {
		const wx = pe.IMAGE_SCN_MEM_WRITE | pe.IMAGE_SCN_MEM_EXECUTE
		if s.Characteristics&wx == wx {
			t.Errorf("%s can be written and executed", s.Name)
		}
		if s.VirtualAddress != next || s.Offset != next || s.Size%headerSize != 0 {
			t.Errorf("%s is at %#x, in the file at %#x, of %#x bytes; want it at %#x, of whole pages", s.Name, s.VirtualAddress, s.Offset, s.Size, next)
		}
		next += s.Size
	}
	if s := f.Section(".sbat"); s == nil || s.VirtualSize != uint32(len(sbat)) {
		t.Errorf("the section .sbat is %+v", s)
	}
	if string(image[0x202:0x206]) != "HdrS" || binary.LittleEndian.Uint16(image[0x1fe:]) != 0xaa55 {
		t.Errorf("the setup header is %x", image[0x1f1:0x210])
	}
	if initSize := binary.LittleEndian.Uint32(image[0x260:]); int(initSize) != len(image)-headerSize {
		t.Errorf("init_size is %#x, want %#x", initSize, len(image)-headerSize)
	}
}

// TestKernelFileRefused checks what cannot be such a file.
func TestKernelFileRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*KernelFile)
		want   string
	}{
		{"entry elsewhere", func(f *KernelFile) { f.Start64++ }, "the 64-bit entry is at 0x201 of the kernel; want 0x200"},
		{"one over the other", func(f *KernelFile) { f.Sections[1].Data, f.Sections[1].Size = make([]byte, 0x4000), 0x4000 }, "section .data begins at 0x2000 of the file, where 0x2000 is next, and has 16384 bytes of data in 16384 of 12288"},
		{"more data than size", func(f *KernelFile) { f.Sections[1].Size = 1 }, "has 4 bytes of data in 1 of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := testFile()
			tt.change(&f)
			if _, err := f.Bytes(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}
