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
	bootCodeSize   = 440 // before the signature of a disk with a GPT (UEFI Specification 2.10, 5.2.1)
	partitionEntry = 16  // bytes
	// The image's size is a multiple of cylinder, in sectors: BIOSes and
	// emulators assume 16 heads and 63 sectors a track for a small disk.
	cylinder = 16 * 63
)

// CDSector is the size of a sector of a CD in bytes; BIOSes count a CD's sectors
// in INT 13h as it is, and those of any other drive as 512 bytes.
const CDSector = 2048

// Part is a piece of memory that a disk image fills.
type Part struct {
	Addr uint64 // physical, from 1 MiB
	Data []byte
}

// DiskConfig is what a BIOS loads from a disk.
type DiskConfig struct {
	Entry   uint64 // physical address of bios_start
	Parts   []Part
	BSS     layout.MemRange[uint64] // physical; cleared before the entry
	Cmdline string
	Boots   int // how often the machine starts before it stops; 0 is 1
}

// Medium says where a disk or CD has what a BIOS loads: offsets in bytes, which are
// multiples of Sector.
type Medium struct {
	Sector int   // sectorSize or CDSector
	Head   int64 // of the command line and the loader
	Body   int64 // of the parts (DiskConfig.Body)
}

// Boot returns the code of the boot sector, which has no room for a partition table,
// and the head: the command line and the loader. Their sizes do not depend on m's offsets.
func (c *DiskConfig) Boot(m Medium) (sector, head []byte, err error) {
	switch {
	case len(c.Cmdline) >= layout.CmdlineMax:
		return nil, nil, fmt.Errorf("disk image: the command line has %d bytes; want less than %d", len(c.Cmdline), layout.CmdlineMax)
	case strings.Contains(c.Cmdline, "\x00"):
		return nil, nil, errors.New("disk image: the command line holds a zero byte")
	}
	parts := make([]layout.DiskPart[uint64], len(c.Parts)+1)
	at := m.Body
	for i, p := range c.Parts {
		n := sectors(len(p.Data), CDSector) * CDSector
		parts[i] = layout.DiskPart[uint64]{
			Dest: p.Addr, LBA: uint64(at) / uint64(m.Sector), Sectors: uint64(sectors(len(p.Data), m.Sector)),
			Sum: uint64(sumOf(p.Data, m.Sector)),
		}
		at += int64(n)
	}
	// The loader's size is needed to say how much the boot sector reads; it does not
	// depend on that.
	_, loader, err := c.link(m, parts, 4)
	if err != nil {
		return nil, nil, err
	}
	sector, loader, err = c.link(m, parts, len(loader))
	if err != nil {
		return nil, nil, err
	}
	head = make([]byte, layout.CmdlineMax, layout.CmdlineMax+len(loader))
	copy(head, c.Cmdline)
	return sector, append(head, loader...), nil
}

// sumOf returns the sum of data in whole sectors of a size (layout.DiskPart).
func sumOf(data []byte, size int) uint32 {
	whole := make([]byte, sectors(len(data), size)*size)
	copy(whole, data)
	return Sum(whole)
}

// Sum returns the sum of the data's whole words of 32 bits, by which a kernel knows that it is
// as it was built (layout.DiskPart).
func Sum(data []byte) (sum uint32) {
	for ; len(data) >= 4; data = data[4:] {
		sum = sum*layout.DiskSumFactor + binary.LittleEndian.Uint32(data)
	}
	return sum
}

// Body returns the parts as they are on a medium: each begins at a multiple of CDSector.
func (c *DiskConfig) Body() []byte {
	var b []byte
	for _, p := range c.Parts {
		b = append(b, p.Data...)
		b = append(b, make([]byte, sectors(len(b), CDSector)*CDSector-len(b))...)
	}
	return b
}

// Disk returns a raw disk image with a boot sector: a BIOS boots it from a
// disk or a stick. See BIOS for the protocol between loader and kernel.
func Disk(c DiskConfig) ([]byte, error) {
	m := Medium{Sector: sectorSize, Head: CmdlineOffset}
	_, head, err := c.Boot(m)
	if err != nil {
		return nil, err
	}
	m.Body = CmdlineOffset + int64(sectors(len(head), sectorSize)*sectorSize)
	sector, head, err := c.Boot(m)
	if err != nil {
		return nil, err
	}
	body := c.Body()
	size := (sectors(int(m.Body)+len(body), sectorSize) + cylinder - 1) / cylinder * cylinder
	image := make([]byte, size*sectorSize)
	copy(image, sector)
	copy(image[codeSize:], partitionTable(size))
	copy(image[CmdlineOffset:], head)
	copy(image[m.Body:], body)
	return image, nil
}

// sectors returns the number of sectors of a size that n bytes take.
func sectors(n, size int) int { return (n + size - 1) / size }

// link links the boot sector and the loader, which has length bytes.
func (c *DiskConfig) link(m Medium, parts []layout.DiskPart[uint64], length int) (first, second []byte, err error) {
	sector, err := asm.Link(bootSector(m, length), sectorAddr, 0)
	if err != nil {
		return nil, nil, err
	}
	if first = flatBytes(sector); len(first) > bootCodeSize {
		return nil, nil, fmt.Errorf("disk image: the boot sector's code has %d bytes; want at most %d", len(first), bootCodeSize)
	}
	// A loader too big for its place below 64 KiB does not link.
	obj, err := asm.Link(loader(sector, m, parts, c), loaderAddr, 0)
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
