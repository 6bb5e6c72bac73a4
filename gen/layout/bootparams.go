package layout

// BootParams is the page that a Linux boot loader hands over, struct boot_params
// (Linux Documentation/arch/x86/zero-page.rst), in words: where two fields of 32
// bits share one, the first is its lower half. What the kernel does not read is
// Reserved.
type BootParams[T any] struct {
	Screen       ScreenInfo[T]
	Reserved1    [6]T  // 0x040: APM, IST
	RSDP         T     // 0x070: acpi_rsdp_addr, physical; 0: the kernel must search for it
	Reserved2    [9]T  // 0x078
	ExtRamdisk   T     // 0x0c0: the upper halves of ramdisk_image and ramdisk_size
	ExtCmdline   T     // 0x0c8: the upper half of cmd_line_ptr
	Reserved3    [34]T // 0x0d0
	Scratch      T     // 0x1e0: alt_mem_k, scratch
	MemMapCount  T     // 0x1e8: its lowest byte is e820_entries
	Reserved4    [5]T  // 0x1f0: the setup header begins at 0x1f1
	Ramdisk      T     // 0x218: ramdisk_image, ramdisk_size
	Reserved5    T     // 0x220
	CmdlineStart T     // 0x228: cmd_line_ptr, initrd_addr_max
	Reserved6    [20]T // 0x230
	MemMap       [E820Max * E820Size / 8]T
	Reserved7    [102]T // 0xcd0
}

// ScreenInfo is struct screen_info (Linux include/uapi/linux/screen_info.h, 6.1), in words. Fields
// within a word are at the ScreenInfo* bytes from its start.
type ScreenInfo[T any] struct {
	Mode     T // orig_video_cols is at ScreenInfoColumns
	Type     T // orig_video_isVGA is at ScreenInfoType
	Size     T // lfb_width, lfb_height and lfb_depth, of 16 bits, from ScreenInfoSize on
	Base     T // lfb_base, lfb_size
	Pitch    T // lfb_linelength, of 16 bits, is at ScreenInfoPitch
	Reserved [2]T
	ExtBase  T // ext_lfb_base, the upper half of lfb_base, is at ScreenInfoExtBase
}

// Places in the words of ScreenInfo, in bytes.
const (
	ScreenInfoColumns = 7
	ScreenInfoType    = 7
	ScreenInfoSize    = 2
	ScreenInfoPitch   = 4
	ScreenInfoExtBase = 2
)

// Types of screens in ScreenInfo: the first that a boot loader calls text (GRUB
// include/grub/i386/linux.h), the others of Linux (VIDEO_TYPE_*).
const (
	ScreenInfoText = 0x01
	ScreenInfoVLFB = 0x23 // pixels, by VESA
	ScreenInfoEFI  = 0x70 // pixels, by UEFI
)

// E820Entry is an entry of BootParams.MemMap; the entries are E820Size bytes apart.
type E820Entry[T any] struct {
	Start, Size T
	Type        T // its lower half
}

const (
	// E820Max is the number of entries that BootParams has room for.
	E820Max = 128
	// E820Size is the size of an entry in bytes.
	E820Size = 20
)
