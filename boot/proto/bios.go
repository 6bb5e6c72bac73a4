package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// BIOS returns the entry point for code that comes from real mode: the loader of a disk
// image (see Disk), and the setup code of a bzImage.
func BIOS() Program {
	var (
		given = Fields[layout.BIOSInfo[Mem]](RBX)
		info  = Fields[layout.BootInfo[Mem]](Sym("boot_info"))
	)
	entry := FUNC("bios_start",
		`bios_start is entered in 32-bit protected mode without paging: EBX holds the
physical address of a layout.BIOSInfo, CS and DS are flat, IF is 0.`,
		MOVL(RBX, Sym("boot_handoff")),
		LEAL(Sym("bios_boot_info"), RAX),
		MOVL(RAX, Sym("boot_parser")),
		JMP("startup_32"),
	)
	entry.Bits = 32
	parse := FUNC("bios_boot_info",
		`bios_boot_info fills boot_info from the layout.BIOSInfo at physical address RDI.`,
		MOVQ(uint64(layout.PhysMap), RAX),
		LEAQ(RDI.Index(RAX, 1), RBX),
		ADDQ(given.Cmdline, RAX),
		MOVQ(RAX, info.Cmdline),
		MOVQ(given.InitrdSize, RDX),
		TESTQ(RDX, RDX),
		IF(NE,
			MOVQ(uint64(layout.PhysMap), RAX),
			ADDQ(given.Initrd, RAX),
			MOVQ(RAX, info.InitrdStart),
			ADDQ(RDX, RAX),
			MOVQ(RAX, info.InitrdEnd),
		),
		MOVQ(given.Boot, RDX),
		MOVQ(RDX, answer.Boot),
		MOVQ(given.Boots, RDX),
		MOVQ(RDX, Sym("bios_boots")),
		MOVQ(given.MemMapCount, RCX),
		MOVQ(RCX, info.MemMapCount),
		LEAQ(given.MemMap[0].Start, RSI),
		LEAQ(info.MemMap[0].Start, RDI),
		IMULQ(SizeOf[layout.MemMapEntry[Mem]](), RCX),
		CLD(),
		REP(MOVSB()),
		CALL("screen_find_text"),
		RETURN(),
	).Saving(RBX)
	return Program{Funcs: []Func{entry, parse}}
}
