package proto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// setupHeader is struct setup_header of a bzImage (Linux
// Documentation/arch/x86/boot.rst), protocol 2.15, at setupHeaderOffset.
type setupHeader struct {
	SetupSects         uint8 // sectors of setup code, the first not counted
	RootFlags          uint16
	Syssize            uint32 // of the rest, in units of 16 bytes
	RAMSize, VidMode   uint16
	RootDev, BootFlag  uint16
	Jump               uint16 // of the setup code, at setupOffset
	Header             [4]byte
	Version            uint16
	RealmodeSwtch      uint32
	StartSysSeg        uint16
	KernelVersion      uint16 // offset of a string from setupOffset
	TypeOfLoader       uint8
	Loadflags          uint8
	SetupMoveSize      uint16
	Code32Start        uint32
	RamdiskImage       uint32
	RamdiskSize        uint32
	BootsectKludge     uint32
	HeapEndPtr         uint16
	ExtLoaderVer       uint8
	ExtLoaderType      uint8
	CmdLinePtr         uint32
	InitrdAddrMax      uint32
	KernelAlignment    uint32
	RelocatableKernel  uint8
	MinAlignment       uint8 // as a power of two
	Xloadflags         uint16
	CmdlineSize        uint32
	HardwareSubarch    uint32
	HardwareSubarchPtr uint64
	PayloadOffset      uint32
	PayloadLength      uint32
	SetupData          uint64
	PrefAddress        uint64
	InitSize           uint32 // the memory that the kernel needs from its load address on
	HandoverOffset     uint32 // of the EFI handover entry from linux_start_64
	KernelInfoOffset   uint32
}

const (
	setupHeaderOffset = 0x1f1
	setupOffset       = 0x200
	// setupEnd is where the header must end, and the code continues.
	setupEnd = 0x270

	bootFlag       = 0xaa55
	loadedHigh     = 1 << 0 // in Loadflags
	xlfKernel64    = 1 << 0 // in Xloadflags: there is a 64-bit entry
	xlfAbove4G     = 1 << 1
	xlfHandover64  = 1 << 3
	xlf5Level      = 1 << 5 // with CR4.LA57, too
	xlf5LevelOn    = 1 << 6
	setupStack     = 0x8000 // the setup code may use the segment's offsets up to here
	initrdAddrMost = 0x7fff_ffff
)

// headerSize is the size of what precedes the kernel in its file: the setup code and
// the PE headers. It is a page, so that the kernel's pages are pages of the file.
const headerSize = layout.PageSize

// setupFields are the fields in which the loader leaves values for the setup code.
var (
	setupRamdisk     = Abs(0x218) // RamdiskImage
	setupRamdiskSize = Abs(0x21c)
	setupCmdLinePtr  = Abs(0x228)
)

// setup returns the real-mode code of a bzImage; entry is the physical address of
// bios_start.
func setup(entry uint64) Program {
	info := Fields[layout.BIOSInfo[Mem]](Sym("bios_info"))
	return Program{
		Flat: true,
		Funcs: []Func{
			real16(FUNC("setup",
				`setup is entered by a boot loader in real mode (Linux
Documentation/arch/x86/boot.rst, "Running the kernel"): DS, ES and SS are where
the file's first sector is, CS is 20H more and IP 0.`,
				JMP("start"),
				Block(slices.Repeat([]Item{NOP()}, setupEnd-setupOffset-2)), // the header
				LABEL("start"),
				CLI(),
				CLD(),
				MOVW(DS, RAX),
				MOVW(RAX, ES),
				MOVW(RAX, SS),
				MOVL(setupStack, RSP),
				MOVZWL(RAX, RAX),
				PUSHL(RAX), // continue with CS equal to the others
				LEAL(Sym("setup_main"), RAX),
				PUSHL(RAX),
				RETFL(),
			)),
			real16(FUNC("setup_main", "setup_main fills a layout.BIOSInfo and ends in bios_start.",
				STI(),
				LEAL(Sym("bios_info"), RDI),
				MOVL(SizeOf[layout.BIOSInfo[Mem]]()/4, RCX),
				XORL(RAX, RAX),
				REP(STOSL()),
				CALL("cpu_check"),
				CALL("a20_enable"),
				CALL("memory_map"),
				CLI(),
				MOVW(DS, RAX),
				MOVZWL(RAX, RBP),
				SHLL(4, RBP), // where this code is
				MOVL(setupCmdLinePtr, RAX),
				TESTL(RAX, RAX),
				IF(E,
					LEAL(Str(""), RAX),
					ADDL(RBP, RAX),
				),
				MOVL(RAX, info.Cmdline),
				MOVL(setupRamdisk, RAX),
				MOVL(RAX, info.Initrd),
				MOVL(setupRamdiskSize, RAX),
				MOVL(RAX, info.InitrdSize),
				ADDL(RBP, Sym("real_gdtr").Add(2)),
				LGDT(Sym("real_gdtr")),
				LEAL(Sym("bios_info"), RBX),
				ADDL(RBP, RBX),
				MOVL(CR0, RAX),
				ORL(x86.CR0_PE, RAX),
				MOVL(RAX, CR0),
				MOVL(realFlat, RAX),
				MOVW(RAX, DS),
				MOVW(RAX, ES),
				MOVW(RAX, SS),
				ADDL(RBP, RSP),
				PUSHL(realCode32),
				PUSHL(uint32(entry)),
				RETFL(),
			)),
			a20Enable(),
			a20On(),
			cpuCheck(),
			memoryMap(),
			loaderStop(Block{JMP("boot_stop")}),
			bootStop(),
		},
		Data: append(realData(),
			RODATA("setup_version", "entrylab\x00"),
			BSS("bios_info", SizeOf[layout.BIOSInfo[Mem]](), 8),
		),
	}
}

// setupCode links the setup code and puts the header into it; the result's first byte
// belongs at setupHeaderOffset.
func setupCode(entry uint64, h setupHeader) ([]byte, error) {
	obj, err := Link(setup(entry), setupOffset, 0)
	if err != nil {
		return nil, err
	}
	code := flatBytes(obj)
	if end, _ := obj.Addr("__kernel_end"); end > setupStack/2 {
		return nil, fmt.Errorf("bzImage: the setup code with its data ends at %#x; want at most %#x", end, setupStack/2)
	}
	version, _ := obj.Addr("setup_version")
	h.KernelVersion = uint16(version - setupOffset)
	h.Jump = binary.LittleEndian.Uint16(code)
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		return nil, fmt.Errorf("bzImage: %w", err)
	}
	if end := setupHeaderOffset + b.Len(); end > setupEnd {
		return nil, fmt.Errorf("bzImage: the header ends at %#x; want at most %#x", end, setupEnd)
	}
	return append(b.Bytes(), code[setupHeaderOffset+b.Len()-setupOffset:]...), nil
}
