// Package medium makes images of sticks and CDs that both a BIOS and UEFI firmware boot.
//
// A stick has a GPT (UEFI Specification 2.10, 5.3) with two partitions. The first is an
// EFI system partition, a FAT volume with the EFI application and an empty folder for
// what comes back from the machine. The second has what a BIOS loads; the code in the
// sector of the protective MBR leads there.
//
// A CD has both in files of an ISO 9660 file system: El Torito names them to
// firmware. The file system leaves its first 32 KiB free, and there the image has the
// MBR and the GPT of a stick: written to one, it is one.
package medium

import (
	"crypto/sha256"
	"fmt"

	"github.com/diskfs/go-diskfs/filesystem/fat16"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"github.com/entrylab/entrylab/boot/proto"
)

// Content is what a medium boots.
type Content struct {
	EFI  []byte           // an EFI application
	BIOS proto.DiskConfig // what a BIOS loads
}

const (
	sector = 512 // of a stick, in bytes
	mib    = 1 << 20

	// The folder on the volume for what the machine has to say.
	Folder = "entrylab"
	// loaderPath is where firmware looks on a medium for an application for x86-64 (UEFI
	// Specification 2.10, 3.5.1.1).
	loaderFolder, loaderName = "/EFI/BOOT", "BOOTX64.EFI"

	// volumeRoom is the room on the volume beside the application, in bytes, and
	// volumeLeast the least size of a volume. Its file system is FAT16, which UEFI knows
	// on removable media (13.3.1.1), and which has no less than 4085 clusters.
	volumeRoom  = 8 * mib
	volumeLeast = 16 * mib

	alignment = mib           // of partitions
	gptEnd    = 33 * sector   // the second copy of the GPT, at the end
	label     = "ENTRYLAB"    // of the volume
	date      = 1_704_067_200 // of its files, in s since 1970: images of the same content are the same
)

func up(n, to int) int { return (n + to - 1) / to * to }

// Stick returns the image of a stick, or of a disk.
func Stick(c Content) ([]byte, error) {
	size := volumeSize(c)
	volume := alignment
	bios := volume + size
	b, err := newBIOS(c.BIOS, bios)
	if err != nil {
		return nil, err
	}
	m := make(memory, up(bios+b.size, alignment)+alignment)
	if err := writeVolume(m[volume:bios], c); err != nil {
		return nil, err
	}
	return m, b.writeStick(m, span{volume, size}, c.EFI)
}

// span is a piece of a medium, in bytes.
type span struct{ start, size int }

func volumeSize(c Content) int { return max(volumeLeast, up(len(c.EFI)+volumeRoom, mib)) }

// writeVolume makes the FAT volume.
func writeVolume(m memory, c Content) error {
	fs, err := fat16.Create(m, int64(len(m)), 0, sector, label, true)
	if err != nil {
		return fmt.Errorf("FAT volume: %w", err)
	}
	for _, folder := range []string{loaderFolder, "/" + Folder} {
		if err := fs.Mkdir(folder); err != nil {
			return fmt.Errorf("FAT volume: folder %s: %w", folder, err)
		}
	}
	return writeFile(fs, loaderFolder+"/"+loaderName, c.EFI)
}

// biosPart is the part of a medium that a BIOS loads from: for a stick the loader, for a
// CD another one, and what both load.
type biosPart struct {
	config         *proto.DiskConfig
	stick, cd      proto.Medium
	cdSector, size int // where the boot sector of a CD is, and the size of the whole
}

// newBIOS lays the part out from an offset on, a multiple of a CD's sector.
func newBIOS(c proto.DiskConfig, at int) (*biosPart, error) {
	b := &biosPart{config: &c, cdSector: at}
	b.cd, b.stick = proto.Medium{Sector: proto.CDSector}, proto.Medium{Sector: sector}
	next := at + proto.CDSector
	for _, m := range []*proto.Medium{&b.cd, &b.stick} {
		_, head, err := c.Boot(*m)
		if err != nil {
			return nil, err
		}
		m.Head = int64(next)
		next += up(len(head), proto.CDSector)
	}
	b.cd.Body, b.stick.Body = int64(next), int64(next)
	b.size = next + len(c.Body()) - at
	return b, nil
}

// write writes the part. It returns the code for the stick's first sector.
func (b *biosPart) write(m memory) (mbr []byte, err error) {
	cd, head, err := b.config.Boot(b.cd)
	if err != nil {
		return nil, err
	}
	copy(m[b.cdSector:], cd)
	copy(m[b.cd.Head:], head)
	if mbr, head, err = b.config.Boot(b.stick); err != nil {
		return nil, err
	}
	copy(m[b.stick.Head:], head)
	copy(m[b.stick.Body:], b.config.Body())
	return mbr, nil
}

// writeStick writes the part, the partitions and the code in the first sector: all but
// the volume with the application efi.
func (b *biosPart) writeStick(m memory, volume span, efi []byte) error {
	mbr, err := b.write(m)
	if err != nil {
		return err
	}
	if err := writePartitions(m, volume, span{b.cdSector, b.size}, efi); err != nil {
		return err
	}
	copy(m, mbr)
	return nil
}

// writePartitions writes the GPT and the protective MBR. What the application efi has in
// it makes the GUIDs (RFC 9562, version 8): images of the same content are the same.
func writePartitions(m memory, volume, bios span, efi []byte) error {
	sum := sha256.Sum256(efi)
	guid := func(n byte) string {
		b := sha256.Sum256(append(sum[:], n))
		b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
	}
	partition := func(index int, kind gpt.Type, name string, s span) *gpt.Partition {
		start, end := s.start/sector, up(s.start+s.size, sector)/sector-1
		return &gpt.Partition{
			Index: index, Type: kind, Name: name, GUID: guid(byte(index)),
			Start: uint64(start), End: uint64(end), Size: uint64(end-start+1) * sector,
		}
	}
	t := gpt.Table{
		LogicalSectorSize: sector, PhysicalSectorSize: sector, ProtectiveMBR: true, GUID: guid(0),
		Partitions: []*gpt.Partition{
			partition(1, gpt.EFISystemPartition, "entrylab", volume),
			partition(2, gpt.BIOSBoot, "entrylab for a BIOS", bios),
		},
	}
	if err := t.Write(m, int64(len(m))); err != nil {
		return fmt.Errorf("GPT: %w", err)
	}
	return nil
}
