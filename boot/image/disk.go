package image

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/authenticode"
	"github.com/entrylab/entrylab/boot/medium"
	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/layout"
)

// Format is a kind of file that an image is written as.
type Format string

// The formats.
const (
	// ELF is a file for a loader that knows PVH.
	ELF Format = "elf"
	// EFI is an EFI application and a Linux bzImage in one file.
	EFI Format = "efi"
	// Disk is the image of a stick or disk that a BIOS and UEFI boot.
	Disk Format = "disk"
	// ISO is the image of a CD that both boot, and of a stick if it is written to one.
	ISO Format = "iso"
	// BIOS is the image of a small disk that a BIOS boots. The kernel's command line
	// is in it at proto.CmdlineOffset.
	BIOS Format = "bios"
)

// Formats are all formats, the default first.
var Formats = []Format{ELF, EFI, Disk, ISO, BIOS}

// BootsAlone reports whether no loader gives the image's kernel a command line.
func (f Format) BootsAlone() bool { return f == Disk || f == ISO || f == BIOS }

// Signed reports whether there is an EFI application in the format, which can be signed.
func (f Format) Signed() bool { return f == EFI || f == Disk || f == ISO }

// File returns the image as a file. For each format but ELF the image must have its own
// initramfs (see Config). words are the command line of a BIOS's disk; the other formats
// have the one of Config. The signer, if not nil, signs the EFI application.
func (im *Image) File(f Format, words string, signer *authenticode.Signer) ([]byte, error) {
	if f == ELF {
		return im.ELF, nil
	}
	if len(im.initramfs) == 0 {
		return nil, fmt.Errorf("image: the format %s needs the image's own initramfs: no loader gives it one", f)
	}
	if f == BIOS {
		return proto.Disk(im.bios(words))
	}
	efi, err := im.efi()
	if err == nil && signer != nil {
		efi, err = signer.Sign(efi)
	}
	if err != nil || f == EFI {
		return efi, err
	}
	content := medium.Content{EFI: efi, BIOS: im.bios("")}
	switch f {
	case Disk:
		return medium.Stick(content)
	case ISO:
		return medium.ISO(content)
	}
	return nil, fmt.Errorf("image: unknown format %q", f)
}

// bios returns what a BIOS loads.
func (im *Image) bios(cmdline string) proto.DiskConfig {
	config := proto.DiskConfig{
		Entry:   im.phys("bios_start"),
		BSS:     layout.MemRange[uint64]{Start: im.phys("__bss_start"), End: im.phys("__kernel_end")},
		Cmdline: cmdline, Boots: im.boots,
	}
	for _, s := range im.Object.Sections {
		if len(s.Bytes) > 0 {
			config.Parts = append(config.Parts, proto.Part{Addr: s.Addr - layout.KernelBase, Data: s.Bytes})
		}
	}
	config.Parts = append(config.Parts, proto.Part{Addr: initramfsAddr, Data: im.initramfs})
	return config
}

// phys returns the physical address of a symbol of the kernel.
func (im *Image) phys(name string) uint64 {
	addr, _ := im.Object.Addr(name)
	return addr - layout.KernelBase
}
