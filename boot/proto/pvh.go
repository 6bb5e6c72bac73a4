package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// PVH returns the entry point of the PVH boot protocol (Xen docs/misc/pvh.pandoc): what
// QEMU's -kernel takes from an ELF64 with the note XEN_ELFNOTE_PHYS32_ENTRY.
func PVH() Program {
	var (
		start = Fields[layout.HVMStartInfo[Mem]](RBX)
		mod   = Fields[layout.HVMModule[Mem]](RCX)
		ent   = Fields[layout.HVMMemMap[Mem]](RSI)
		info  = Fields[layout.BootInfo[Mem]](Sym("boot_info"))
		dst   = Fields[layout.MemMapEntry[Mem]](RDI)
	)
	entry := FUNC("pvh_start_xen",
		`pvh_start_xen is entered in 32-bit protected mode without paging: EBX holds
the physical address of the start info, CS and DS are flat, IF is 0.`,
		CLI(),
		CLD(),
		CMPL(start.MagicVersion, layout.HVMStartMagic), // EAX says nothing: microvm leaves Multiboot's magic in it
		IF(NE, DO(HLT(), TESTL(RSP, RSP)).WHILE(NE)),   // another protocol: nothing can print yet
		MOVL(RBX, Sym("boot_handoff")),
		LEAL(Sym("pvh_boot_info"), RAX),
		MOVL(RAX, Sym("boot_parser")),
		JMP("startup_32"),
	)
	entry.Bits = 32
	parse := FUNC("pvh_boot_info",
		`pvh_boot_info fills boot_info from the start info at physical address RDI.
Fails by boot_fail.`,
		MOVQ(uint64(layout.PhysMap), R12),
		LEAQ(RDI.Index(R12, 1), RBX),
		MOVQ(start.Cmdline, RAX),
		TESTQ(RAX, RAX),
		IF(E, LEAQ(Str(""), RAX)).ELSE(ADDQ(R12, RAX)),
		MOVQ(RAX, info.Cmdline),

		MOVQ(start.RSDP, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			ADDQ(R12, RAX),
			MOVQ(RAX, info.RSDP),
		),

		MOVQ(start.FlagsModules, RAX),
		SHRQ(32, RAX),
		IF(NE, // the initramfs is module 0
			MOVQ(start.ModList, RCX),
			ADDQ(R12, RCX),
			MOVQ(mod.Addr, RAX),
			ADDQ(R12, RAX),
			MOVQ(RAX, info.InitrdStart),
			ADDQ(mod.Size, RAX),
			MOVQ(RAX, info.InitrdEnd),
		),

		MOVQ(start.MagicVersion, RAX),
		SHRQ(32, RAX),
		IF(E,
			LEAQ(Str("the PVH start info is of version 0 and has no memory map: use a newer loader"), RDI),
			CALL("boot_fail"),
		),
		MOVL(start.MemMapCount, RAX),
		CMPL(RAX, layout.MemMapMax),
		IF(A, MOVL(layout.MemMapMax, RAX)),
		MOVQ(RAX, info.MemMapCount),
		MOVQ(start.MemMap, RSI),
		ADDQ(R12, RSI),
		LEAQ(info.MemMap[0].Start, RDI),
		TESTQ(RAX, RAX),
		IF(NE, DO(
			MOVQ(ent.Addr, RCX),
			MOVQ(RCX, dst.Start),
			MOVQ(ent.Size, RCX),
			MOVQ(RCX, dst.Size),
			MOVL(ent.Type, RCX), // the upper half is reserved
			MOVQ(RCX, dst.Type),
			ADDQ(SizeOf[layout.HVMMemMap[Mem]](), RSI),
			ADDQ(SizeOf[layout.MemMapEntry[Mem]](), RDI),
			DECQ(RAX),
		).WHILE(NE)),
		CALL("screen_find_text"),
		RETURN(),
	).Saving(RBX, R12)
	return Program{Funcs: []Func{entry, parse}}
}

// LongMode returns the code to which all 32-bit entries jump: startup_32 makes the page
// tables, switches to long mode and continues at startup_64 in the upper half.
func LongMode() Program {
	const (
		kernel = x86.PAGE_PRESENT | x86.PAGE_GLOBAL | x86.PAGE_ACCESSED | x86.PAGE_DIRTY
		table  = x86.PAGE_PRESENT | x86.PAGE_RW
	)
	// mapKernel maps the 4 KiB pages from one symbol to another.
	mapKernel := func(from, to string, low, high int) Block {
		return Block{
			LEAL(Sym(from), RSI),
			LEAL(Sym(to), RCX),
			MOVL(low, RAX),
			MOVL(high, RDX),
			CALL("map_kernel_pages"),
		}
	}
	setPage := FUNC("map_kernel_pages",
		`map_kernel_pages maps the physical pages from ESI up to ECX into
kernel_page_table; EAX and EDX are the low and high flags of an entry.`,
		ANDL(-layout.PageSize, RSI),
		LOOP(
			CMPL(RSI, RCX),
			BREAK(AE),
			MOVL(RSI, RBX),
			SHRL(12-3, RBX), // 8 bytes an entry
			LEAL(Sym("kernel_page_table"), RDI),
			ADDL(RBX, RDI),
			MOVL(RSI, RBX),
			ORL(RAX, RBX),
			MOVL(RBX, RDI.At(0)),
			MOVL(RDX, RDI.At(4)),
			ADDL(layout.PageSize, RSI),
		),
		RET(),
	)
	link := func(entry, to string, index int) Block {
		return Block{
			LEAL(Sym(to), RAX),
			ORL(table, RAX),
			MOVL(RAX, Sym(entry).Add(8*index)),
		}
	}
	start := FUNC("startup_32",
		`startup_32: 32-bit protected mode, no paging. It maps all RAM below PhysMapLow
at PhysMap in 2 MiB pages, the kernel's image at KernelBase in 4 KiB pages
(text read-only, data not executable), and for the jump the first GiB where
it is. A CPU that cannot run the kernel ends in startup_stop.`,
		LEAL(Sym("boot_stack_32_top"), RSP),
		cpuid80000001(),
		BTL(x86.CPUID_80000001_EDX_LM, RDX),
		IF(AE, LEAL(Str(cannotBoot+noLongMode+"\n"), RSI), JMP("startup_stop")),
		BTL(x86.CPUID_80000001_EDX_NX, RDX),
		IF(AE, LEAL(Str(cannotBoot+noNX+"\n"), RSI), JMP("startup_stop")),
		link("init_pg_dir", "physmap_pdpt", 0), // undone by startup_64
		link("init_pg_dir", "physmap_pdpt", layout.PhysMap>>39&511),
		link("init_pg_dir", "kernel_pdpt", 511),
		link("kernel_pdpt", "kernel_pd", 510),
		link("kernel_pd", "kernel_page_table", 0),
		link("physmap_pdpt", "physmap_pd", 0),
		link("physmap_pdpt", "physmap_pd_1", 1),
		link("physmap_pdpt", "physmap_pd_2", 2),
		link("physmap_pdpt", "physmap_pd_3", 3),

		LEAL(Sym("physmap_pd"), RDI),
		MOVL(kernel|x86.PAGE_RW|x86.PAGE_PSE, RAX),
		DO(
			CMPL(RAX, uint32(0xe000_0000)), // the devices are above: the APICs, PCI
			IF(AE, ORL(x86.PAGE_PCD|x86.PAGE_PWT, RAX)),
			MOVL(RAX, RDI.At(0)), // the first 2 MiB stay executable for the switch; startup_64 ends that
			ADDL(8, RDI),
			ADDL(2<<20, RAX),
		).WHILE(AE), // until the address wraps at 4 GiB
		mapKernel("__text_start", "__text_end", kernel, 0),
		mapKernel("__rodata_start", "__rodata_end", kernel, x86.PAGE_NX>>32),
		mapKernel("__data_start", "__kernel_end", kernel|x86.PAGE_RW, x86.PAGE_NX>>32),

		MOVL(x86.CR4_PAE|x86.CR4_PGE|x86.CR4_OSFXSR|x86.CR4_OSXMMEXCPT, RAX),
		MOVL(RAX, CR4),
		LEAL(Sym("init_pg_dir"), RAX),
		MOVL(RAX, CR3),
		MOVL(uint32(x86.MSR_EFER), RCX),
		RDMSR(),
		ORL(x86.EFER_LME|x86.EFER_NX, RAX),
		WRMSR(),
		MOVL(uint32(x86.CR0_PG|x86.CR0_WP|x86.CR0_NE|x86.CR0_ET|x86.CR0_MP|x86.CR0_PE), RAX),
		MOVL(RAX, CR0), // long mode is active; the code segment still says 32 bits

		LEAL(Sym("gdt"), RAX),
		MOVL(RAX, Sym("boot_gdtr").Add(2)),
		MOVW(gdtLimit, Sym("boot_gdtr")),
		LGDT(Sym("boot_gdtr")),
		PUSHL(x86.KERNEL_CS),
		LEAL(Sym("startup_64_low"), RAX),
		PUSHL(RAX),
		RETFL(),
	)
	stop := FUNC("startup_stop",
		`startup_stop says on the serial port or the debug console, and on a text screen, why
the kernel cannot boot, the string at ESI, and ends the machine.`,
		MOVL(textScreen, RDI),
		PUSHL(RSI),
		LOOP(
			LODSB(),
			CMPB(RAX, '\n'),
			BREAK(E),
			STOSB(),
			MOVB(7, RAX), // grey
			STOSB(),
		),
		POPL(RSI),
		unlessDebugcon(),
		logAndExit(),
		UD2(),
	)
	start.Bits, setPage.Bits, stop.Bits = 32, 32, 32
	return Program{
		Funcs: []Func{
			start, setPage, stop,
			FUNC("startup_64_low", "startup_64_low runs at its physical address and jumps to the upper half.",
				LEAQ(Sym("startup_64"), RAX),
				MOVQ(uint64(layout.KernelBase), RCX),
				ADDQ(RCX, RAX),
				JMP(RAX),
			),
		},
		Data: []Data{
			{Name: "gdt", Align: layout.PageSize, Content: []any{
				uint64(0),
				uint64(x86.SegKernel32Code), uint64(x86.SegKernelCode), uint64(x86.SegKernelData),
				uint64(x86.SegUser32Code), uint64(x86.SegUserData), uint64(x86.SegUserCode),
				uint64(0), uint64(x86.SegTSS), uint64(0), // the TSS's base is set by trap_init
			}},
			{Name: "gdt_end", Align: layout.PageSize, Content: []any{""}},
			BSS("boot_gdtr", 16, 16),
			BSS("boot_handoff", 8, 8),
			BSS("boot_parser", 8, 8),
			BSS("boot_info", SizeOf[layout.BootInfo[Mem]](), 64),
			BSS("boot_stack_32", 64, 16),
			BSS("boot_stack_32_top", 8, 8),
			BSS("init_pg_dir", layout.PGDPages*layout.PageSize, layout.PGDPages*layout.PageSize),
			BSS("kernel_pdpt", layout.PageSize, layout.PageSize),
			BSS("kernel_pd", layout.PageSize, layout.PageSize),
			BSS("kernel_page_table", layout.PageSize, layout.PageSize),
			BSS("physmap_pdpt", layout.PageSize, layout.PageSize),
			BSS("physmap_pd", layout.PageSize, layout.PageSize),
			BSS("physmap_pd_1", layout.PageSize, layout.PageSize),
			BSS("physmap_pd_2", layout.PageSize, layout.PageSize),
			BSS("physmap_pd_3", layout.PageSize, layout.PageSize),
		},
	}
}

// textScreen is the memory of a PC's text screen.
const textScreen = 0xb8000

// gdtLimit is the limit of the GDT: ten entries.
const gdtLimit = 10*8 - 1
