package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// A disk image, in sectors of 512 bytes: the boot sector with a partition
// table, the command line, the loader, the kernel's parts.
const (
	sectorSize = 512
	// CmdlineOffset is the offset of the kernel's command line in a disk image:
	// layout.CmdlineMax bytes, the text and zeros after it.
	CmdlineOffset = sectorSize
	loaderOffset  = CmdlineOffset + layout.CmdlineMax

	codeSize       = 446 // of the boot sector, before the partition table
	partitionEntry = 16  // bytes
	// The image's size is a multiple of cylinder, in sectors: BIOSes and
	// emulators assume 16 heads and 63 sectors a track for a small disk.
	cylinder = 16 * 63
)

// Part is a piece of memory that a disk image fills.
type Part struct {
	Addr uint64 // physical, from 1 MiB
	Data []byte
}

// DiskConfig is what a disk image holds.
type DiskConfig struct {
	Entry   uint64 // physical address of bios_start
	Parts   []Part
	BSS     layout.MemRange[uint64] // physical; cleared before the entry
	Cmdline string
}

// Disk returns a raw disk image with a boot sector: a BIOS boots it from a
// disk or a stick. See BIOS for the protocol between loader and kernel.
func Disk(c DiskConfig) ([]byte, error) {
	switch {
	case len(c.Cmdline) >= layout.CmdlineMax:
		return nil, fmt.Errorf("disk image: the command line has %d bytes; want less than %d", len(c.Cmdline), layout.CmdlineMax)
	case strings.Contains(c.Cmdline, "\x00"):
		return nil, errors.New("disk image: the command line holds a zero byte")
	}
	// The loader's size is needed to say where the parts are and how much the
	// boot sector reads; it depends on neither.
	parts := make([]layout.DiskPart[uint64], len(c.Parts)+1)
	_, second, err := loaders(c, parts, 0, 4)
	if err != nil {
		return nil, err
	}
	length := len(second)
	lba := loaderOffset/sectorSize + sectors(len(second))
	after := lba - 1
	for i, p := range c.Parts {
		n := sectors(len(p.Data))
		parts[i] = layout.DiskPart[uint64]{Dest: p.Addr, LBA: uint64(lba), Sectors: uint64(n)}
		lba += n
	}
	first, second, err := loaders(c, parts, after, length)
	if err != nil {
		return nil, err
	}
	size := (lba + cylinder - 1) / cylinder * cylinder
	image := make([]byte, size*sectorSize)
	copy(image, first)
	copy(image[codeSize:], partitionTable(size))
	copy(image[CmdlineOffset:], c.Cmdline)
	copy(image[loaderOffset:], second)
	for i, p := range c.Parts {
		copy(image[parts[i].LBA*sectorSize:], p.Data)
	}
	return image, nil
}

// sectors returns the number of sectors that n bytes take.
func sectors(n int) int { return (n + sectorSize - 1) / sectorSize }

// loaders links the boot sector and the loader, which has length bytes.
func loaders(c DiskConfig, parts []layout.DiskPart[uint64], after, length int) (first, second []byte, err error) {
	sector, err := asm.Link(bootSector(after, length), sectorAddr, 0)
	if err != nil {
		return nil, nil, err
	}
	if first = flatBytes(sector); len(first) > codeSize {
		return nil, nil, fmt.Errorf("disk image: the boot sector's code has %d bytes; want at most %d", len(first), codeSize)
	}
	// A loader too big for its place below 64 KiB does not link.
	obj, err := asm.Link(loader(sector, parts, c.BSS, c.Entry), loaderAddr, 0)
	if err != nil {
		return nil, nil, err
	}
	return first, flatBytes(obj), nil
}

// flatBytes returns a flat program without a bss as it is in memory.
func flatBytes(o *asm.Object) []byte {
	start := o.Sections[0].Addr
	var b []byte
	for _, s := range o.Sections {
		if len(s.Bytes) > 0 {
			b = append(b, make([]byte, s.Addr-start-uint64(len(b)))...)
			b = append(b, s.Bytes...)
		}
	}
	return b
}

// partitionTable returns what follows the boot sector's code: one active
// partition from the second sector to the image's end, which BIOSes look for
// on a stick, and the signature.
func partitionTable(size int) []byte {
	b := make([]byte, sectorSize-codeSize)
	b[0] = 0x80                             // active
	copy(b[1:], []byte{0xfe, 0xff, 0xff})   // no CHS address
	b[4] = 0xda                             // data without a file system
	copy(b[5:], []byte{0xfe, 0xff, 0xff})   // the same for the end
	binary.LittleEndian.PutUint32(b[8:], 1) // first sector
	binary.LittleEndian.PutUint32(b[12:], uint32(size-1))
	b[4*partitionEntry], b[4*partitionEntry+1] = 0x55, 0xaa
	return b
}
