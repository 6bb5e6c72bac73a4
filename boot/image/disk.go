package image

import (
	"fmt"

	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/gen/layout"
)

// Disk returns the image as a raw disk image that a BIOS boots, with the
// kernel's command line in it (at proto.CmdlineOffset, where it can be
// changed). The image must have its own initramfs (see Config).
func (im *Image) Disk(cmdline string) ([]byte, error) {
	if len(im.initramfs) == 0 {
		return nil, fmt.Errorf("image: a disk image needs its own initramfs: no loader gives it one")
	}
	phys := func(name string) uint64 {
		addr, _ := im.Object.Addr(name)
		return addr - layout.KernelBase
	}
	config := proto.DiskConfig{
		Entry:   phys("bios_start"),
		BSS:     layout.MemRange[uint64]{Start: phys("__bss_start"), End: phys("__kernel_end")},
		Cmdline: cmdline,
	}
	for _, s := range im.Object.Sections {
		if len(s.Bytes) > 0 {
			config.Parts = append(config.Parts, proto.Part{Addr: s.Addr - layout.KernelBase, Data: s.Bytes})
		}
	}
	config.Parts = append(config.Parts, proto.Part{Addr: initramfsAddr, Data: im.initramfs})
	return proto.Disk(config)
}
