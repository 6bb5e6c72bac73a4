package layout

// MemMapMax is the number of memory-map entries that the kernel keeps.
const MemMapMax = 128

// BootInfo is the form into which every boot protocol is brought before the kernel
// proper starts: boot/proto fills it, the kernel reads it.
type BootInfo[T any] struct {
	Cmdline     T // linear address of a NUL-terminated string
	InitrdStart T // linear address of the boot module; 0: none
	InitrdEnd   T
	RSDP        T // linear address of ACPI's root pointer; 0: the kernel must search for it
	Screen      Screen[T]
	MemMapCount T
	MemMap      [MemMapMax]MemMapEntry[T]
}

// Screen is the screen as the firmware or the loader has left it.
type Screen[T any] struct {
	Kind   T // Screen*
	Base   T // physical address of the first pixel
	Pitch  T // bytes from one row of pixels to the next
	Width  T // in pixels
	Height T
}

// Kinds of screens.
const (
	ScreenNone   = 0
	ScreenText   = 1 // VGA's text mode of 80 columns and 25 rows; only Kind counts
	ScreenPixels = 2 // pixels of 32 bits
)

// ScreenState is what the kernel knows of the screen that it writes on.
type ScreenState[T any] struct {
	Kind T // of Screen; ScreenNone: there is none, or it is not used
	Base T // linear address of the first character or pixel
	// Pitch is that of Screen. Right and Down lead from one character to the next, in
	// bytes. Each pixel of a glyph is Scale pixels wide and high.
	Pitch, Right, Down, Scale T
	Width, Height             T // in pixels
	Column, Row               T // where the next character goes; Column may be the one after the last
	Taken                     T // 1: a program has opened /dev/tty1
}

// MemMapEntry is one range of physical memory.
type MemMapEntry[T any] struct {
	Start, Size T // physical, bytes
	Type        T // MemMapRAM, or anything else for memory that is not free
}

// MemMapRAM is the type of free RAM, in PVH as in the BIOS's E820.
const MemMapRAM = 1

// HVMStartInfo is what EBX points to at a PVH entry (Xen
// public/arch-x86/hvm/start_info.h, version 1), in words.
type HVMStartInfo[T any] struct {
	MagicVersion T // 32 bits each
	FlagsModules T // flags, number of modules
	ModList      T // physical, HVMModule each
	Cmdline      T // physical
	RSDP         T // physical
	MemMap       T // physical, HVMMemMap each
	MemMapCount  T // low 32 bits
}

// HVMModule is an entry of HVMStartInfo.ModList.
type HVMModule[T any] struct{ Addr, Size, Cmdline, Reserved T }

// HVMMemMap is an entry of HVMStartInfo.MemMap.
type HVMMemMap[T any] struct{ Addr, Size, Type T }

// HVMStartMagic is the start info's magic. The protocol is recognised by it and not
// by EAX, in which QEMU's microvm leaves Multiboot's value.
const HVMStartMagic = 0x336ec578

// BIOSInfo is what real-mode code leaves for the kernel: the loader of a disk
// image, or a bzImage's setup. EBX holds its physical address.
type BIOSInfo[T any] struct {
	Cmdline     T // physical address of a NUL-terminated string
	Initrd      T // physical address of the initramfs
	InitrdSize  T // 0: only the image's own
	Boot, Boots T // where this boot is in its series, as in Answer; Boots is 0 if no boots are counted
	MemMapCount T
	MemMap      [MemMapMax]MemMapEntry[T] // as INT 15h, AX=E820h gave it
}

// DiskPart is a part of the kernel on a disk image, for the image's loader.
type DiskPart[T any] struct {
	Dest    T // physical address
	LBA     T // first sector
	Sectors T // 0 after the last part
	Sum     T // of its words of 32 bits: for each, the sum before it times DiskSumFactor, plus the word
}

// DiskSumFactor makes DiskPart.Sum, and that of the image's own initramfs, depend on where a
// word is.
const DiskSumFactor = 31

// ExTableEntry is an entry of __ex_table, which the linker makes.
type ExTableEntry[T any] struct {
	IP    T // the instruction that may fault
	Fixup T // where to continue
}

// TrapSignal is the signal that an exception from ring 3 raises; the kernel has one
// for each vector below 32.
type TrapSignal[T any] struct {
	Signo, Code T
	AddrIsIP    T // 1 if si_addr is the faulting instruction, else 0
}
