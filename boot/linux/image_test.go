package linux

import (
	"bytes"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// image returns a bzImage with a compressed part.
func image(payload []byte) []byte {
	const setup = 4 * sector
	b := make([]byte, setup, setup+len(payload)+16)
	copy(b[offMagic:], "HdrS")
	put := func(at int, n uint32) { binary.LittleEndian.PutUint32(b[at:], n) }
	b[offSetupSects] = setup/sector - 1
	put(offSysSize, uint32(len(payload)+15)/16)
	binary.LittleEndian.PutUint16(b[offVersion:], 0x20f)
	b[offXLoadFlags] = kernel64
	binary.LittleEndian.PutUint16(b[offKernelVersion:], 0x410) // at 0x610
	copy(b[0x610:], "6.1.0-42 (builder) #1 SMP Debian 6.1.99-1 (2026-11-26)\x00")
	put(offPayloadLength, uint32(len(payload)))
	return append(append(b, payload...), make([]byte, -len(payload)&15)...)
}

// vmlinux returns an ELF with one section of constants and one of notes.
func vmlinux(machine elf.Machine, text string, note uint32) []byte {
	var b bytes.Buffer
	const names = "\x00.rodata\x00.notes\x00.shstrtab\x00"
	notes := binary.LittleEndian.AppendUint32(nil, 4)
	notes = binary.LittleEndian.AppendUint32(notes, 4)
	notes = binary.LittleEndian.AppendUint32(notes, note)
	notes = append(notes, "Xen\x00\x00\x00\x10\x00"...)
	h := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Ehsize: 64, Shentsize: 64, Shnum: 4, Shstrndx: 3, Shoff: 64,
	}
	at := uint64(64 + 4*64)
	list := []elf.Section64{{}}
	for i, s := range []struct {
		kind elf.SectionType
		data string
	}{{elf.SHT_PROGBITS, text}, {elf.SHT_NOTE, string(notes)}, {elf.SHT_STRTAB, names}} {
		list = append(list, elf.Section64{Name: []uint32{1, 9, 16}[i], Type: uint32(s.kind), Off: at, Size: uint64(len(s.data))})
		at += uint64(len(s.data))
	}
	binary.Write(&b, binary.LittleEndian, h)
	binary.Write(&b, binary.LittleEndian, list)
	return append(append(append(b.Bytes(), text...), notes...), names...)
}

// efi returns an EFI application with one section.
func efi(machine uint16, section string) []byte {
	b := append([]byte("MZ"), make([]byte, 0x3e)...)
	b[0x3c] = 0x40
	b = append(b, "PE\x00\x00"...)
	b, _ = binary.Append(b, binary.LittleEndian, pe.FileHeader{Machine: machine, NumberOfSections: 1})
	h := pe.SectionHeader32{}
	copy(h.Name[:], section)
	b, _ = binary.Append(b, binary.LittleEndian, h)
	return append(b, make([]byte, headerEnd)...)
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmlinuz")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpen: an image tells its release, and what cannot be booted is told in one
// sentence.
func TestOpen(t *testing.T) {
	whole := image([]byte("\x1f\x8bnot looked at"))
	edit := func(off int, s string) []byte {
		b := bytes.Clone(whole)
		copy(b[off:], s)
		return b
	}
	const said = "\x00Linux version 6.12.9-test (builder)\x00"
	for _, tt := range []struct {
		name       string
		image      []byte
		want, fail string
	}{
		{"a bzImage", whole, "6.1.0-42", ""},
		{"a signed one, with the signature behind it", append(bytes.Clone(whole), make([]byte, 2000)...), "6.1.0-42", ""},
		{"one of protocol 2.07", edit(offVersion, "\x07\x02"), "6.1.0-42", ""},
		{"a vmlinux", vmlinux(elf.EM_X86_64, said, pvhNote), "6.12.9-test", ""},

		{"no kernel", []byte(strings.Repeat("no kernel ", 100)), "", "is not a Linux kernel image (vmlinuz, bzImage, vmlinux): no HdrS at 0x202; one that is encrypted must be decrypted first"},
		{"encrypted", bytes.Repeat([]byte{0xa5, 0x17}, 1000), "", "one that is encrypted must be decrypted first"},
		{"encrypted inside", image([]byte("\x11\x22\x33\x44\x55\x66\x77\x88")), "", "the compressed kernel in it is damaged: it begins with 11 22 33 44 55 66 77 88, as no method of Linux does: it may be encrypted"},
		{"a compressed part beyond the end", edit(offPayloadLength, "\x00\x10"), "", "the compressed kernel in it is damaged: it is said to end at byte 6144 of 2064"},
		{"a release that is none", edit(0x610, "\xff\x01 "), "", "no release at 0x610"},
		{"short", whole[:100], "", "is not a Linux kernel image (vmlinuz, bzImage, vmlinux): it has only 100 bytes"},
		{"empty", nil, "", "it has only 0 bytes"},
		{"cut off", whole[:len(whole)-1], "", "the kernel is cut off: it has 2063 of 2064 bytes"},
		{"32 bits", edit(offXLoadFlags, "\x00"), "", "the kernel has 32 bits: it needs CONFIG_X86_64"},
		{"no release", edit(0x610, "\x00"), "", "no release at 0x610"},
		{"a release far away", edit(offKernelVersion, "\xff\xff"), "", "beyond its setup code"},
		{"an arm64 Image", append(make([]byte, 0x38), "ARM\x64 and more"...), "", "it is a kernel for ARM (an arm64 Image), not for x86-64"},
		{"EFI zboot", []byte("MZ\x00\x00zimg"), "", "CONFIG_EFI_ZBOOT"},
		{"a compressed Image", []byte("\x1f\x8b\x08"), "", "it is compressed by gzip as a whole"},
		{"a RISC-V Image", append(make([]byte, 0x38), "RSC\x05 and more"...), "", "it is a kernel for RISC-V (an Image), not for x86-64"},
		{"compressed by lz4", []byte("\x04\x22\x4d\x18"), "", "it is compressed by lz4 as a whole: uncompress it"},
		{"compressed by bzip2", []byte("BZh9"), "", "it is compressed by bzip2 as a whole: uncompress it"},
		{"a FIT image", []byte("\xd0\x0d\xfe\xed"), "", "it is a device tree or a FIT image"},
		{"an archive", append(make([]byte, 0x101), "ustar"...), "", "it is an archive (tar): take the kernel out of it"},
		{"a disk", []byte("QFI\xfb"), "", "it is the image of a disk, not a kernel"},
		{"a package", []byte("!<arch>\ndebian-binary"), "", "it is an archive or a package"},
		{"an initramfs", []byte("070701000000"), "", "it is an initramfs, not a kernel"},
		{"a unified kernel image", efi(pe.IMAGE_FILE_MACHINE_AMD64, ".linux"), "", "it is a unified kernel image, and the kernel is its section .linux: objcopy"},
		{"an application for ARM", efi(pe.IMAGE_FILE_MACHINE_ARM64, ".text"), "", "it is an EFI application for the machine 0xaa64, not for x86-64"},
		{"a vmlinux for ARM", vmlinux(elf.EM_AARCH64, said, pvhNote), "", "it is for EM_AARCH64 of ELFCLASS64, not for x86-64"},
		{"a vmlinux without PVH", vmlinux(elf.EM_X86_64, said, 17), "", "the kernel lacks (CONFIG_PVH): give the bzImage of the same build"},
		{"a program", vmlinux(elf.EM_X86_64, "hello", pvhNote), "", "is not a Linux kernel image (vmlinuz, bzImage, vmlinux): it is an ELF file that does not say \"Linux version \""},
		{"a vmlinux cut off", vmlinux(elf.EM_X86_64, said, pvhNote)[:200], "", "the ELF is damaged or cut off"},
	} {
		path := write(t, tt.image)
		got, err := Open(t.Context(), path)
		if tt.fail == "" && (err != nil || got.Release != tt.want || !got.ELF && got.Version != "Debian 6.1.99-1") {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if tt.fail != "" && (err == nil || !strings.Contains(err.Error(), tt.fail) || !strings.HasPrefix(err.Error(), path) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: error is %v, want one sentence with %q", tt.name, err, tt.fail)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file is no error")
	}
}

// TestCommandLine: what must be there stands behind what a user gives.
func TestCommandLine(t *testing.T) {
	for words, want := range map[string]string{
		"":                      "quiet cryptomgr.notests console=ttyS0 panic=-1 reboot=t",
		"console=tty0 panic=60": "quiet cryptomgr.notests console=ttyS0 panic=-1 reboot=t console=tty0 panic=60 console=ttyS0 panic=-1 reboot=t",
	} {
		if got := CommandLine(words); got != want {
			t.Errorf("%q gives %q, want %q", words, got, want)
		}
	}
}

// compressed are the kernel of testdata by each method, as Linux's build makes them:
//
//	gzip -9n; bzip2 -9; xz --check=crc32 --x86 --lzma2=,dict=32MiB; lzop -9; lz4 -l -9;
//	zstd -22 --ultra
//
// and behind it, but for gzip, its length.
var compressed = []string{"gzip", "bzip2", "xz", "lzo", "lz4", "zstd"}

// TestKernel: each method gives the kernel and the configuration in it, and each damage
// is seen.
func TestKernel(t *testing.T) {
	want, err := os.ReadFile("testdata/kernel")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(compressed, "nothing") {
		data := want
		if name != "nothing" {
			if data, err = os.ReadFile("testdata/kernel." + name); err != nil {
				t.Fatal(err)
			}
		}
		open := func(payload []byte) *Image {
			im, err := Open(t.Context(), write(t, image(payload)))
			if err != nil {
				t.Fatal(err)
			}
			return im
		}
		im := open(data)
		got, err := im.Kernel(t.Context())
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		config, err := im.Config(t.Context())
		if err != nil || len(config) != 3 || config["CONFIG_64BIT"] != "y" || config["CONFIG_LOCALVERSION"] != `"-x"` {
			t.Errorf("%s: the configuration is %v, %v", name, config, err)
		}
		if name == "nothing" {
			continue
		}
		for what, bad := range map[string][]byte{
			"cut off":      append(bytes.Clone(data[:len(data)/2]), data[len(data)-trailer:]...),
			"another size": append(bytes.Clone(data[:len(data)-trailer]), 1, 2, 3, 0),
			"changed":      append(append(bytes.Clone(data[:len(data)/2]), data[len(data)/2]^0x55), data[len(data)/2+1:]...),
		} {
			_, err := open(bad).Kernel(t.Context())
			if what == "changed" && (name == "lz4" || name == "lzo" || name == "zstd") {
				continue // which have no sum here
			}
			if err == nil || !strings.Contains(err.Error(), "the compressed kernel in it is damaged: "+name) {
				t.Errorf("%s, %s: error is %v", name, what, err)
			}
		}
	}
	im := &Image{}
	if _, err := im.Kernel(t.Context()); err == nil || !strings.Contains(err.Error(), "no compressed kernel") {
		t.Errorf("nothing compressed: error is %v", err)
	}
}

// TestLacks: what a kernel lacks is named by its option, and it is known whether another
// machine may have it.
func TestLacks(t *testing.T) {
	packed, err := os.ReadFile("testdata/kernel.xz")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := os.ReadFile("testdata/kernel")
	if err != nil {
		t.Fatal(err)
	}
	plain := append([]byte(elf.ELFMAG), "a kernel without a configuration"...)
	for _, tt := range []struct {
		name       string
		payload    []byte
		console    string
		want       string
		everywhere bool
	}{
		{"no initrd", plain, "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "CONFIG_BLK_DEV_INITRD", true},
		{"no programs", plain, "Failed to execute /init (error -8)\nKernel panic - not syncing: No working init found.", "CONFIG_BINFMT_ELF", true},
		{"no console", plain, "[    0.9] Warning: unable to open an initial console.", "CONFIG_SERIAL_8250_CONSOLE", true},
		{"an old CPU", plain, "This kernel requires the following features not present on the CPU:\n  la57", "give another -cpu", true},
		{"another panic", plain, "[1] Kernel panic - not syncing: corrupted stack\n[1] CPU: 0", "it panics: corrupted stack", false},
		{"nothing printed", plain, "", "CONFIG_SERIAL_8250_CONSOLE), or it stopped before that", false},
		{"it says its configuration", kernel, "", "it lacks CONFIG_TTY (a console), CONFIG_SERIAL_8250_CONSOLE (a console on the serial line), CONFIG_BLK_DEV_INITRD (an initramfs)", true},
		{"damaged", packed[:len(packed)-20], "", "the compressed kernel in it is damaged: xz: ", true},
		{"LZMA, which is no damage", []byte("\x5d\x00\x00\x80\x00\xff\xff\xff"), "", "CONFIG_SERIAL_8250_CONSOLE), or it stopped before that", false},
		{"something printed", plain, "[    0.0] hello", "", false},
	} {
		im, err := Open(t.Context(), write(t, image(tt.payload)))
		if err != nil {
			t.Fatal(err)
		}
		got, everywhere := im.Lacks(t.Context(), tt.console)
		if everywhere != tt.everywhere {
			t.Errorf("%s: on every machine %v, want %v", tt.name, everywhere, tt.everywhere)
		}
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := lacking(map[string]string{}); strings.Count(got, "CONFIG_") != len(needed) {
		t.Errorf("without any option: %q", got)
	}
}
