package image

import (
	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/layout"
)

// efi returns the image as a file that is a PE/EFI application and a Linux bzImage,
// for UEFI firmware, GRUB's linux, kexec and QEMU's -kernel. It uses its own
// initramfs if the loader gives none.
func (im *Image) efi() ([]byte, error) {
	file := proto.KernelFile{
		Load: loadAddr, Start64: im.phys("linux_start_64"), BIOS: im.phys("bios_start"),
		EFI: im.phys("efi_start"), Handover: im.phys("efi_handover"),
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
