package proto

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"

	"github.com/entrylab/entrylab/gen/layout"
)

// KernelFile is the content of a file that is a bzImage and a PE image.
type KernelFile struct {
	Load uint64 // the address that the kernel is linked for: that of its first section
	// Entries, as Load physical addresses.
	Start64, BIOS, EFI, Handover uint64
	// Sections, each at a multiple of a page, without overlaps, in order.
	Sections []FileSection
}

// FileSection is a section of a KernelFile. The rest after its data is zero.
type FileSection struct {
	Name        string
	Addr        uint64 // physical
	Data        []byte
	Size        uint64 // at least len(Data)
	Exec, Write bool
}

// sbat names the generation of this boot program, for a shim that revokes by it
// (https://github.com/rhboot/shim/blob/main/SBAT.md).
const sbat = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n" +
	"entrylab,1,entrylab,entrylab,1,https://github.com/entrylab/entrylab\n"

// peNXCompat says that the image needs no page that can be both written and
// executed, nor pages from the firmware that can be executed (Microsoft, PE Format,
// DLL characteristics).
const peNXCompat = pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT

// Bytes returns the file. It is at the same time
//
//   - a PE image that UEFI loads;
//   - a Linux bzImage, with entries for 16, 32 and 64 bits and the EFI handover
//     entry.
//
// Offsets in the file are the PE image's addresses, and the kernel begins at
// headerSize.
func (f *KernelFile) Bytes() ([]byte, error) {
	image := make([]byte, headerSize)
	sections := append(f.Sections[:len(f.Sections):len(f.Sections)], FileSection{Name: ".sbat", Data: []byte(sbat), Size: uint64(len(sbat))})
	var table []pe.SectionHeader32
	var head pe.OptionalHeader64
	for i, s := range sections {
		at := headerSize + s.Addr - f.Load
		if s.Name == ".sbat" {
			at = uint64(len(image))
		}
		size := s.Size
		if i+1 < len(f.Sections) { // without a hole before the next
			size = f.Sections[i+1].Addr - s.Addr
		}
		if at != uint64(len(image)) || s.Size < uint64(len(s.Data)) || size < s.Size {
			return nil, fmt.Errorf("EFI image: section %s begins at %#x of the file, where %#x is next, and has %d bytes of data in %d of %d",
				s.Name, at, len(image), len(s.Data), s.Size, size)
		}
		raw := pageUp(size)
		image = append(image, s.Data...)
		image = append(image, make([]byte, raw-uint64(len(s.Data)))...)
		h := pe.SectionHeader32{
			VirtualSize: uint32(size), VirtualAddress: uint32(at),
			SizeOfRawData: uint32(raw), PointerToRawData: uint32(at),
			Characteristics: pe.IMAGE_SCN_MEM_READ,
		}
		copy(h.Name[:], s.Name)
		if s.Exec {
			h.Characteristics |= pe.IMAGE_SCN_MEM_EXECUTE | pe.IMAGE_SCN_CNT_CODE
			head.BaseOfCode, head.SizeOfCode = h.VirtualAddress, h.SizeOfRawData
		} else {
			h.Characteristics |= pe.IMAGE_SCN_CNT_INITIALIZED_DATA
			head.SizeOfInitializedData += h.SizeOfRawData
		}
		if s.Write {
			h.Characteristics |= pe.IMAGE_SCN_MEM_WRITE
		}
		table = append(table, h)
	}
	code, err := setupCode(f.BIOS, setupHeader{
		SetupSects: headerSize/sectorSize - 1, Syssize: uint32(len(image)-headerSize) / 16,
		VidMode: 0xffff, BootFlag: bootFlag, Header: [4]byte{'H', 'd', 'r', 'S'}, Version: 0x20f,
		Loadflags: loadedHigh, Code32Start: uint32(f.Load), InitrdAddrMax: initrdAddrMost,
		KernelAlignment: kernelAlign, RelocatableKernel: 1, MinAlignment: kernelAlignBits,
		Xloadflags:  xlfKernel64 | xlfAbove4G | xlfHandover64 | xlf5Level | xlf5LevelOn,
		CmdlineSize: layout.CmdlineMax - 1, PrefAddress: f.Load, InitSize: uint32(len(image) - headerSize),
		HandoverOffset: uint32(f.Handover - f.Start64),
	})
	if err != nil {
		return nil, err
	}
	if f.Start64-f.Load != linuxStart64 {
		return nil, fmt.Errorf("bzImage: the 64-bit entry is at %#x of the kernel; want %#x", f.Start64-f.Load, linuxStart64)
	}
	copy(image[setupHeaderOffset:], code)

	head.Magic = 0x20b // PE32+
	head.AddressOfEntryPoint = uint32(headerSize + f.EFI - f.Load)
	head.SectionAlignment, head.FileAlignment = layout.PageSize, layout.PageSize
	head.SizeOfImage, head.SizeOfHeaders = uint32(len(image)), headerSize
	head.Subsystem, head.DllCharacteristics = pe.IMAGE_SUBSYSTEM_EFI_APPLICATION, peNXCompat
	head.NumberOfRvaAndSizes = uint32(len(head.DataDirectory))
	at := (setupHeaderOffset + len(code) + 7) &^ 7
	var b bytes.Buffer
	for _, part := range []any{
		[4]byte{'P', 'E'},
		pe.FileHeader{
			Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(table)), SizeOfOptionalHeader: uint16(binary.Size(head)),
			Characteristics: pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LINE_NUMS_STRIPPED | pe.IMAGE_FILE_DEBUG_STRIPPED | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE,
		},
		head, table,
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return nil, fmt.Errorf("EFI image: %w", err)
		}
	}
	if end := at + b.Len(); end > headerSize {
		return nil, fmt.Errorf("EFI image: setup code and headers take %d bytes; want at most %d", end, headerSize)
	}
	copy(image[at:], b.Bytes())
	copy(image, dosMagic)
	binary.LittleEndian.PutUint32(image[dosPEOffset:], uint32(at))
	return image, nil
}

const (
	dosMagic    = "MZ"
	dosPEOffset = 0x3c // where a DOS header says where the PE headers are

	// A loader that does not put the kernel at the address it is linked for puts it at a
	// multiple of 2 MiB, where it cannot overlap that address.
	kernelAlignBits = 21
	kernelAlign     = 1 << kernelAlignBits
)

func pageUp(n uint64) uint64 { return (n + layout.PageSize - 1) &^ (layout.PageSize - 1) }
