// Package linux reads images of Linux kernels: a bzImage, which distributions call
// vmlinuz, or the vmlinux that the build leaves beside it. It tells the release, whether
// the image can be booted here, what the kernel was configured with, and what a kernel
// lacks that did not come to its init.
package linux

import (
	"context"
	"debug/elf"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/entrylab/entrylab/internal/bounded"
)

// Offsets in a bzImage (Linux: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel
// Header").
const (
	offSetupSects    = 0x1f1 // sectors of set-up code, less the first; 0 means 4
	offSysSize       = 0x1f4 // the rest, in units of 16 bytes
	offMagic         = 0x202 // "HdrS"
	offVersion       = 0x206
	offKernelVersion = 0x20e // where the release is, less 0x200
	offXLoadFlags    = 0x236 // since protocol 2.12
	offPayload       = 0x248 // behind the set-up code, since protocol 2.08
	offPayloadLength = 0x24c

	sector        = 512
	headerEnd     = 0x250
	kernel64      = 1 << 0 // XLF_KERNEL_64
	haveFlags     = 0x20c  // the protocol that has offXLoadFlags
	havePayload   = 0x208
	longestName   = 64 // of a release: __NEW_UTS_LEN
	setupSectsOld = 4
)

// Words is the command line with which kernels boot here: the console is the serial port,
// a panic or init's end is the machine's, and the crypto API's self-tests are left out, which
// take a distribution's kernel as long as the rest of its boot (Linux:
// Documentation/admin-guide/kernel-parameters.txt).
const Words = "quiet cryptomgr.notests " + mustHave

// mustHave are the words without which nothing is heard of a kernel, or it does not end.
const mustHave = "console=ttyS0 panic=-1 reboot=t"

// CommandLine returns Words with further ones. Of a word that comes twice Linux takes the
// last, so those that must be there stand behind the others.
func CommandLine(words string) string {
	if words == "" {
		return Words
	}
	return Words + " " + words + " " + mustHave
}

// file is an image, which the emulator reads again.
var file = bounded.Kind{Thing: "Linux kernel", Most: 2 << 30, Regular: true, Advice: "give a vmlinuz, bzImage or vmlinux"}

// Image is the image of a kernel.
type Image struct {
	Path string
	// Release is what uname prints, Version the builder's own name of the build, as in
	// "Debian 6.12.117-1"; empty: there is none.
	Release, Version string
	// ELF is set for a vmlinux, which boots by its PVH entry; else it is a bzImage.
	ELF bool

	// payload is where a bzImage has its compressed part.
	payload, length int64
}

// Open reads what an image says about itself. A file that cannot be booted here is an
// error that says what it is instead.
func Open(ctx context.Context, path string) (*Image, error) {
	f, err := file.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	im := &Image{Path: path}
	head = head[:n]
	switch {
	case n >= headerEnd && string(head[offMagic:offMagic+4]) == "HdrS":
		err = im.bzImage(head, info.Size())
	case strings.HasPrefix(string(head), elf.ELFMAG):
		err = im.vmlinux(path)
	default:
		err = errors.New(other(head, path))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return im, nil
}

// bzImage reads the header of a bzImage of that size.
func (im *Image) bzImage(head []byte, size int64) error {
	word := func(at int) int64 { return int64(binary.LittleEndian.Uint16(head[at:])) }
	long := func(at int) int64 { return int64(binary.LittleEndian.Uint32(head[at:])) }
	sects := int64(head[offSetupSects])
	if sects == 0 {
		sects = setupSectsOld
	}
	code := (sects + 1) * sector
	if whole := code + 16*long(offSysSize); size < whole {
		return fmt.Errorf("the kernel is cut off: it has %d of %d bytes", size, whole)
	}
	if word(offVersion) >= haveFlags && word(offXLoadFlags)&kernel64 == 0 {
		return errors.New("the kernel has 32 bits: it needs CONFIG_X86_64")
	}
	if word(offVersion) >= havePayload {
		im.payload, im.length = code+long(offPayload), long(offPayloadLength)
	}
	at := word(offKernelVersion) + 0x200
	if at >= min(code, int64(len(head))) {
		return fmt.Errorf("the kernel's release is said to be at %#x, beyond its setup code", at)
	}
	text, _, _ := strings.Cut(string(head[at:]), "\x00")
	im.Release, _, _ = strings.Cut(text, " ")
	if im.Release == "" || len(im.Release) > longestName || strings.ContainsFunc(im.Release, notPrinted) {
		return fmt.Errorf("no release at %#x", at)
	}
	if end := im.payload + im.length; im.length > 0 && end > size {
		return fmt.Errorf("the compressed kernel in it is damaged: it is said to end at byte %d of %d", end, size)
	}
	if len(head) > int(im.payload) && im.length > 0 {
		part := head[im.payload:]
		if _, err := methodOf(part[:min(int64(len(part)), im.length)]); err != nil {
			return fmt.Errorf("the compressed kernel in it is damaged: %w", err)
		}
	}
	im.Version = debianVersion.FindString(text)
	return nil
}

// notPrinted reports whether a rune is none of those that a release consists of.
func notPrinted(r rune) bool { return r <= ' ' || r > '~' }

// debianVersion is what Debian's builds say in their banner.
var debianVersion = regexp.MustCompile(`Debian [0-9][^ ]*`)

// banner is the beginning of the text that a kernel prints first (init/version.c).
const banner = "Linux version "

// pvhNote is the type of the note that has the 32-bit entry (Linux:
// include/xen/interface/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY).
const pvhNote = 18

// vmlinux reads an ELF.
func (im *Image) vmlinux(path string) error {
	im.ELF = true
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("the ELF is damaged or cut off: %w", err)
	}
	defer f.Close()
	if f.Class != elf.ELFCLASS64 || f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("it is for %v of %v, not for x86-64", f.Machine, f.Class)
	}
	data, err := rodata(f)
	if err != nil {
		return err
	}
	_, text, ok := strings.Cut(string(data), banner)
	im.Release, _, _ = strings.Cut(text, " ")
	if !ok || im.Release == "" || len(im.Release) > longestName {
		return fmt.Errorf(notKernel+"it is an ELF file that does not say %q", banner)
	}
	line, _, _ := strings.Cut(text, "\n")
	im.Version = debianVersion.FindString(strings.TrimSuffix(line, "\x00"))
	if !hasPVH(f) {
		return errors.New("a vmlinux boots by its PVH entry, which the kernel lacks (CONFIG_PVH): give the bzImage of the same build")
	}
	return nil
}

// rodata returns the constants of a kernel, among which are its texts.
func rodata(f *elf.File) ([]byte, error) {
	s := f.Section(".rodata")
	if s == nil || s.Size > mostSection {
		return nil, errors.New(notKernel + "it is an ELF file without .rodata")
	}
	data, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("the kernel is cut off: %w", err)
	}
	return data, nil
}

// mostSection is the most that is read of a section.
const mostSection = 256 << 20

// hasPVH reports whether there is a note with the PVH entry.
func hasPVH(f *elf.File) bool {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOTE || s.Size > mostSection {
			continue
		}
		data, err := s.Data()
		for err == nil && len(data) >= 12 {
			name, desc := f.ByteOrder.Uint32(data), f.ByteOrder.Uint32(data[4:])
			size := 12 + (uint64(name)+3)&^3 + (uint64(desc)+3)&^3
			if size > uint64(len(data)) {
				break
			}
			if f.ByteOrder.Uint32(data[8:]) == pvhNote && name >= 3 && string(data[12:15]) == "Xen" {
				return true
			}
			data = data[size:]
		}
	}
	return false
}

// others are files that are taken for a kernel, by their first bytes.
var others = []struct {
	at    int
	magic string
	is    string
}{
	{0x38, "RSC\x05", "it is a kernel for RISC-V (an Image), not for x86-64"},
	{0x38, "ARM\x64", "it is a kernel for ARM (an arm64 Image), not for x86-64"},
	{4, "zimg", "it is a compressed EFI kernel (CONFIG_EFI_ZBOOT) of another architecture: x86-64 has bzImages"},
	{0, "\x1f\x8b", "it is compressed by gzip as a whole, as kernels of other architectures are: uncompress it, or give a bzImage"},
	{0, "\x28\xb5\x2f\xfd", "it is compressed by zstd as a whole: uncompress it, or give a bzImage"},
	{0, "\xfd7zXZ", "it is compressed by xz as a whole: uncompress it, or give a bzImage"},
	{0, "BZh", "it is compressed by bzip2 as a whole: uncompress it, or give a bzImage"},
	{0, "\x89LZO", "it is compressed by lzop as a whole: uncompress it, or give a bzImage"},
	{0, "\x04\x22\x4d\x18", "it is compressed by lz4 as a whole: uncompress it, or give a bzImage"},
	{0, "\x02\x21\x4c\x18", "it is compressed by lz4 as a whole: uncompress it, or give a bzImage"},
	{0, "\x27\x05\x19\x56", "it is a U-Boot image of another architecture: x86-64 has bzImages"},
	{0, "\xd0\x0d\xfe\xed", "it is a device tree or a FIT image, of another architecture: x86-64 has bzImages"},
	{0, "PK\x03\x04", "it is an archive (zip): take the kernel out of it"},
	{0, "\xed\xab\xee\xdb", "it is a package: take the kernel out of it, as by rpm2cpio"},
	{0x101, "ustar", "it is an archive (tar): take the kernel out of it"},
	{0, "QFI\xfb", "it is the image of a disk, not a kernel"},
	{0, "!<arch>", "it is an archive or a package: take the kernel out of it, as by dpkg-deb -x"},
	{0, "070701", "it is an initramfs, not a kernel"},
}

// notKernel is the beginning of what is said of a file that is none at all.
const notKernel = "is not a Linux kernel image (vmlinuz, bzImage, vmlinux): "

// other says what a file is that is no kernel for this machine.
func other(head []byte, path string) string {
	if strings.HasPrefix(string(head), "MZ") {
		if text := application(path); text != "" {
			return text
		}
	}
	for _, o := range others {
		if len(head) >= o.at && strings.HasPrefix(string(head[o.at:]), o.magic) {
			return o.is
		}
	}
	if len(head) < headerEnd {
		return fmt.Sprintf(notKernel+"it has only %d bytes", len(head))
	}
	return fmt.Sprintf(notKernel+"no HdrS at %#x; one that is encrypted must be decrypted first", offMagic)
}

// application says what an EFI application without a bzImage's header is.
func application(path string) string {
	f, err := pe.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	switch {
	case f.Section(".linux") != nil:
		return fmt.Sprintf("it is a unified kernel image, and the kernel is its section .linux: objcopy -O binary -j .linux %s vmlinuz", path)
	case f.Machine != pe.IMAGE_FILE_MACHINE_AMD64:
		return fmt.Sprintf("it is an EFI application for the machine %#x, not for x86-64", f.Machine)
	}
	return "it is an EFI application without a bzImage's header: no Linux kernel"
}

// Hash returns the SHA-256 of the image and what runs with it, in hexadecimal; of the
// image alone it is what sha256sum prints.
func (im *Image) Hash(ctx context.Context, beside ...[]byte) (string, error) {
	return file.Hash(ctx, im.Path, beside...)
}
