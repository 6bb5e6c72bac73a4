package image

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/layout"
)

// EFI returns the image as a file that is a PE/EFI application and a Linux bzImage,
// for UEFI firmware, GRUB's linux, kexec and QEMU's -kernel. The image must
// have its own initramfs (see Config), which it uses if the loader gives none.
func (im *Image) EFI() ([]byte, error) {
	if len(im.initramfs) == 0 {
		return nil, fmt.Errorf("image: an EFI image needs its own initramfs: firmware gives none")
	}
	phys := func(name string) uint64 {
		addr, _ := im.Object.Addr(name)
		return addr - layout.KernelBase
	}
	file := proto.KernelFile{
		Load: loadAddr, Start64: phys("linux_start_64"), BIOS: phys("bios_start"),
		EFI: phys("efi_start"), Handover: phys("efi_handover"),
	}
	for _, s := range im.Object.Sections {
		if len(s.Bytes) > 0 { // the last section, .data, extends over the bss to the initramfs
			file.Sections = append(file.Sections, proto.FileSection{
				Name: s.Name, Addr: s.Addr - layout.KernelBase, Data: s.Bytes, Size: s.Size, Exec: s.Exec, Write: s.Write,
			})
		}
	}
	file.Sections = append(file.Sections, proto.FileSection{
		Name: ".initrd", Addr: initramfsAddr, Data: im.initramfs, Size: uint64(len(im.initramfs)),
	})
	return file.Bytes()
}
