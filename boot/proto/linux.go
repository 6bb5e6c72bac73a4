package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Offsets of the entries of the Linux boot protocol from the address where a loader puts
// the kernel (Linux Documentation/arch/x86/boot.rst, "32-bit boot protocol" and
// "64-bit boot protocol").
const (
	linuxStart32 = 0
	linuxStart64 = 0x200
)

// params is the boot_params page that the kernel keeps.
var params = Fields[layout.BootParams[Mem]](Sym("boot_params"))

// Linux returns the entry points of the Linux boot protocol, 32-bit and 64-bit. They must
// be the first functions of the kernel. A loader may put the kernel anywhere: it moves
// itself to the address it is linked for, and leaves an initramfs where it is.
func Linux() Program {
	// there returns a symbol of the kernel as it was loaded, EBX bytes above
	// the address it is linked for.
	there := func(sym string) Mem { return Sym(sym).Based(RBX) }
	given := Fields[layout.BootParams[Mem]](RSI)
	moved := Fields[layout.BootParams[Mem]](there("boot_params"))
	start32 := FUNC("linux_start_32",
		`linux_start_32 is entered in 32-bit protected mode without paging: ESI holds the
physical address of struct boot_params, CS, DS, ES and SS are flat, IF is 0.`,
		JMP("linux_enter_32"),
	)
	start64 := FUNC("linux_start_64",
		`linux_start_64 is entered in long mode at linuxStart64: RSI holds the address of
struct boot_params. What it points to and the kernel are mapped where they are,
IF is 0.`,
		CLI(),
		CLD(),
		writeAll(RAX, RCX),
		keepParams(),
		JMP("leave_long_mode"),
	)
	start64.Gap = linuxStart64 - 16 // linux_start_32 with its alignment is shorter
	enter32 := FUNC("linux_enter_32", "linux_enter_32 saves what the loader gave and moves the kernel to its place.",
		CLI(),
		CLD(),
		LEAL(given.Scratch.Add(8), RSP), // the field serves as a stack for a call
		CALL("linux_here"),
		GLOBAL("linux_called"),
		LEAL(Sym("linux_called"), RAX),
		SUBL(RAX, RBX),

		LEAL(there("boot_params"), RDI),
		MOVL(SizeOf[layout.BootParams[Mem]]()/4, RCX),
		REP(MOVSL()),
		MOVL(RBX, there("linux_moved")),
		MOVL(moved.CmdlineStart, RSI),
		TESTL(RSI, RSI),
		IF(NE,
			LEAL(there("linux_cmdline"), RDI),
			copyWords(),
		),
		TESTL(RBX, RBX),
		IF(NE,
			LEAL(there("__text_start"), RSI),
			LEAL(Sym("__text_start"), RDI),
			LEAL(Sym("__kernel_end"), RCX),
			SUBL(RDI, RCX),
			SHRL(2, RCX),
			REP(MOVSL()),
		),
		LEAL(Sym("linux_enter_kernel"), RAX),
		JMP(RAX),
	)
	here := FUNC("linux_here", "linux_here returns its return address in EBX.",
		MOVL(RSP.At(0), RBX),
		RET(),
	)
	kernel := FUNC("linux_enter_kernel",
		`linux_enter_kernel runs at its place, in 32-bit protected mode with flat segments, with
or without paging.`,
		MOVL(CR0, RAX),
		ANDL(^uint32(x86.CR0_PG), RAX),
		MOVL(RAX, CR0),
		LEAL(Sym("boot_params"), RAX),
		MOVL(RAX, Sym("boot_handoff")),
		LEAL(Sym("linux_boot_info"), RAX),
		MOVL(RAX, Sym("boot_parser")),
		JMP("startup_32"),
	)
	start32.Bits, enter32.Bits, here.Bits, kernel.Bits = 32, 32, 32, 32
	return Program{
		Funcs: []Func{start32, start64, enter32, here, leaveLongMode(), kernel, linuxBootInfo()},
		Data: []Data{
			RODATA("linux_text", PTR("__text_start")),
			BSS("boot_params", SizeOf[layout.BootParams[Mem]](), layout.PageSize),
			BSS("linux_cmdline", layout.CmdlineMax, 8),
			BSS("linux_moved", 8, 8), // how far above its place the kernel was loaded
			BSS("boot_p4d", layout.PageSize, layout.PageSize),
			BSS("boot_pgd", layout.PageSize, layout.PageSize),
			BSS("boot_pdpt", layout.PageSize, layout.PageSize),
			BSS("boot_pd", bootPDs*layout.PageSize, layout.PageSize),
		},
	}
}

// bootPDs is how many GiB the page tables of leave_long_mode map: the first four, and
// the one into which the kernel was loaded.
const bootPDs = 5

// writeAll lets the kernel write to pages that the loader made read-only, as Fedora's
// GRUB does with a whole kernel. CR4.CET must be 0 for that. Clobbers tmp.
func writeAll(tmp, tmp2 Reg) Block {
	return Block{
		MOVQ(CR4, tmp),
		MOVL(^uint32(x86.CR4_CET), tmp2),
		ANDQ(tmp2, tmp),
		MOVQ(tmp, CR4),
		MOVQ(CR0, tmp),
		MOVL(^uint32(x86.CR0_WP), tmp2),
		ANDQ(tmp2, tmp),
		MOVQ(tmp, CR0),
	}
}

// keepParams copies the boot_params at RSI and their command line. Clobbers RAX, RCX,
// RSI, RDI.
func keepParams() Block {
	return Block{
		LEAQ(Sym("boot_params"), RDI),
		MOVL(SizeOf[layout.BootParams[Mem]]()/8, RCX),
		REP(MOVSQ()),
		MOVL(params.ExtCmdline, RSI),
		SHLQ(32, RSI),
		MOVL(params.CmdlineStart, RAX),
		ORQ(RAX, RSI),
		IF(NE,
			LEAQ(Sym("linux_cmdline"), RDI),
			copyWords(),
		),
	}
}

// leaveLongMode goes from a loader's long mode to the kernel's own entry into it.
func leaveLongMode() Func {
	const table = x86.PAGE_PRESENT | x86.PAGE_RW
	// entry makes an entry of a table that points to another one.
	entry := func(table_ Mem, to string) Block {
		return Block{LEAQ(Sym(to), RAX), ORQ(table, RAX), MOVQ(RAX, table_)}
	}
	return FUNC("leave_long_mode",
		`leave_long_mode runs wherever the kernel was loaded, in long mode on the loader's
page tables, with IF and CR0.WP 0. It maps the first 4 GiB and itself where they
are, moves the kernel to its place and continues at linux_enter_kernel. It needs no
stack.`,
		MOVQ(CR4, RAX),
		ANDL(x86.CR4_PAE|x86.CR4_LA57, RAX), // PCIDE must be off before paging; without PGE no translation stays
		MOVQ(RAX, CR4),
		MOVQ(RAX, R8),

		entry(Sym("boot_p4d"), "boot_pgd"),
		entry(Sym("boot_pgd"), "boot_pdpt"),
		LEAQ(Sym("boot_pd"), RDI),
		LEAQ(Sym("boot_pdpt"), RDX),
		MOVL(x86.PAGE_PRESENT|x86.PAGE_RW|x86.PAGE_PSE, RBX),
		LEAQ(RDI.At(table), RCX),
		DO( // for each of the 4 GiB
			MOVQ(RCX, RDX.At(0)),
			ADDQ(8, RDX),
			ADDQ(layout.PageSize, RCX),
			MOVL(layout.PageSize/8, RAX),
			DO(
				MOVQ(RBX, RDI.At(0)),
				ADDQ(8, RDI),
				ADDQ(2<<20, RBX),
				DECL(RAX),
			).WHILE(NE),
			BTQ(32, RBX),
		).WHILE(AE),
		LEAQ(Sym("leave_long_mode"), RBX), // and for the one that this runs in
		SHRQ(30, RBX),
		CMPL(RBX, 4),
		IF(AE,
			LEAQ(Sym("boot_pdpt"), RDX),
			MOVQ(RCX, RDX.Index(RBX, 8)),
			SHLQ(30, RBX),
			ORQ(x86.PAGE_PRESENT|x86.PAGE_RW|x86.PAGE_PSE, RBX),
			MOVL(layout.PageSize/8, RAX),
			DO(
				MOVQ(RBX, RDI.At(0)),
				ADDQ(8, RDI),
				ADDQ(2<<20, RBX),
				DECL(RAX),
			).WHILE(NE),
		),
		LEAQ(Sym("boot_pgd"), RAX),
		TESTL(x86.CR4_LA57, R8),
		IF(NE, LEAQ(Sym("boot_p4d"), RAX)),
		MOVQ(RAX, CR3),

		LEAQ(Sym("__text_start"), RSI),
		LEAQ(Sym("linux_enter_kernel"), RAX),
		MOVQ(RSI, RBX),
		MOVQ(Sym("linux_text"), RDI),
		MOVQ(uint64(layout.KernelBase), RCX),
		SUBQ(RCX, RDI), // its place
		SUBQ(RDI, RBX),
		MOVQ(RBX, Sym("linux_moved")),
		SUBQ(RBX, RAX), // linux_enter_kernel, where it will be
		LEAQ(Sym("boot_gdtr"), RDX),
		LEAQ(Sym("gdt"), RCX),
		SUBQ(RBX, RCX),
		MOVW(gdtLimit, RDX.At(0)),
		MOVQ(RCX, RDX.At(2)),
		TESTQ(RBX, RBX),
		IF(NE,
			LEAQ(Sym("__kernel_end"), RCX),
			SUBQ(RSI, RCX),
			SHRQ(3, RCX),
			REP(MOVSQ()),
		),
		LGDT(RDX.At(0)),
		LEAQ(Sym("boot_stack_32_top"), RSP),
		SUBQ(RBX, RSP),
		MOVL(x86.KERNEL_DS, RCX),
		MOVW(RCX, DS),
		MOVW(RCX, ES),
		MOVW(RCX, SS),
		MOVL(x86.KERNEL32_CS, RCX),
		SHLQ(32, RCX),
		ORQ(RCX, RAX),
		PUSHQ(RAX),
		RETFL(),
	)
}

// linuxBootInfo returns the parser of boot_params, also for the EFI entry.
func linuxBootInfo() Func {
	var (
		given = Fields[layout.BootParams[Mem]](RBX)
		info  = Fields[layout.BootInfo[Mem]](Sym("boot_info"))
		ent   = Fields[layout.E820Entry[Mem]](RSI)
		dst   = Fields[layout.MemMapEntry[Mem]](RDI)
	)
	return FUNC("linux_boot_info",
		`linux_boot_info fills boot_info from the kernel's copy of struct boot_params at
physical address RDI and from linux_cmdline. Fails by boot_fail.`,
		MOVQ(uint64(layout.PhysMap), R12),
		LEAQ(RDI.Index(R12, 1), RBX),
		LEAQ(Sym("linux_cmdline"), RAX),
		MOVQ(uint64(layout.KernelBase), RCX),
		SUBQ(RCX, RAX),
		ADDQ(R12, RAX),
		MOVQ(RAX, info.Cmdline),

		MOVZBL(given.Screen.Type.Add(layout.ScreenInfoType), RAX),
		CMPL(RAX, layout.ScreenInfoText),
		IF(E,
			CMPB(given.Screen.Mode.Add(layout.ScreenInfoColumns), 80),
			IF(E, MOVQ(layout.ScreenText, info.Screen.Kind)),
			JMP("screen_done"),
		),
		CMPL(RAX, layout.ScreenInfoEFI),
		IF(NE,
			CMPL(RAX, layout.ScreenInfoVLFB),
			JNE("screen_done"),
		),
		MOVZWL(given.Screen.Size.Add(layout.ScreenInfoSize), RAX),
		MOVQ(RAX, info.Screen.Width),
		MOVZWL(given.Screen.Size.Add(layout.ScreenInfoSize+2), RAX),
		MOVQ(RAX, info.Screen.Height),
		MOVZWL(given.Screen.Pitch.Add(layout.ScreenInfoPitch), RAX),
		MOVQ(RAX, info.Screen.Pitch),
		MOVL(given.Screen.ExtBase.Add(layout.ScreenInfoExtBase), RAX),
		SHLQ(32, RAX),
		MOVL(given.Screen.Base, RCX),
		ORQ(RCX, RAX),
		MOVQ(RAX, info.Screen.Base),
		MOVZWL(given.Screen.Size.Add(layout.ScreenInfoSize+4), RAX),
		CMPL(RAX, 32), // bits a pixel
		IF(E, MOVQ(layout.ScreenPixels, info.Screen.Kind)),
		LABEL("screen_done"),

		MOVQ(given.RSDP, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			ADDQ(R12, RAX),
			MOVQ(RAX, info.RSDP),
		),

		MOVL(given.ExtRamdisk.Add(4), RCX),
		SHLQ(32, RCX),
		MOVL(given.Ramdisk.Add(4), RAX),
		ORQ(RAX, RCX), // its size
		MOVL(given.ExtRamdisk, RSI),
		SHLQ(32, RSI),
		MOVL(given.Ramdisk, RAX),
		ORQ(RAX, RSI), // and place
		TESTQ(RCX, RCX),
		IF(E, // the loader gave none: the image's own was loaded after the kernel
			MOVQ(1, Sym("own_initramfs")),
			MOVQ(Sym("builtin_initramfs"), RSI),
			ADDQ(Sym("linux_moved"), RSI),
			MOVQ(Sym("builtin_initramfs").Add(8), RCX),
		),
		TESTQ(RCX, RCX),
		IF(NE,
			LEAQ(RSI.Index(RCX, 1), RAX),
			MOVQ(uint64(layout.PhysMapLow), RDX),
			CMPQ(RAX, RDX),
			IF(A,
				LEAQ(Str("the loader put the initramfs above 4 GiB, where the kernel cannot read it"), RDI),
				CALL("boot_fail"),
			),
			ADDQ(R12, RAX),
			MOVQ(RAX, info.InitrdEnd),
			ADDQ(R12, RSI),
			MOVQ(RSI, info.InitrdStart),
		),

		MOVZBL(given.MemMapCount, RAX),
		CMPL(RAX, layout.MemMapMax),
		IF(A, MOVL(layout.MemMapMax, RAX)),
		MOVQ(RAX, info.MemMapCount),
		LEAQ(given.MemMap[0], RSI),
		LEAQ(info.MemMap[0].Start, RDI),
		TESTQ(RAX, RAX),
		IF(NE, DO(
			MOVQ(ent.Start, RCX),
			MOVQ(RCX, dst.Start),
			MOVQ(ent.Size, RCX),
			MOVQ(RCX, dst.Size),
			MOVL(ent.Type, RCX),
			MOVQ(RCX, dst.Type),
			ADDQ(layout.E820Size, RSI),
			ADDQ(SizeOf[layout.MemMapEntry[Mem]](), RDI),
			DECQ(RAX),
		).WHILE(NE)),
		RETURN(),
	).Saving(RBX, R12)
}

// copyWords copies a command line from RSI to RDI, up to its 0 or as far as there is
// room. Clobbers RAX and RCX.
func copyWords() Block {
	return Block{
		MOVL(layout.CmdlineMax-1, RCX),
		DO(
			LODSB(),
			STOSB(),
			TESTB(RAX, RAX),
			BREAK(E),
			DECL(RCX),
		).WHILE(NE),
	}
}
