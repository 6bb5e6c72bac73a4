package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// guid returns a GUID as two words in memory (UEFI Specification 2.10, appendix A).
type guid [2]uint64

var (
	guidLoadedImage = guid{0x11d2_9562_5b1b_31a1, 0x3b72_69c9_a000_3f8e}
	guidACPI20      = guid{0x11d3_e4f1_8868_e871, 0x8188_3cc7_8000_22bc}
	guidACPI10      = guid{0x11d3_2d88_eb9d_2d30, 0x4dc1_3f27_9000_169a}
)

// efiFrame is the stack of efi_main: the arguments of a call to the firmware, and the
// words after them.
const (
	efiArg5  = 32 // after the room for four arguments in registers
	efiWord  = 40
	efiKey   = 48 // of the memory map
	efiSize  = 56
	efiStep  = 64 // from one descriptor to the next
	efiVer   = 72
	efiFrame = 80

	efiCall = efiArg5 + 8 // what a function that efi_main calls needs for a call with five arguments
)

// EFI returns the entry points for UEFI firmware: as a PE image, and by the handover of a
// Linux boot loader. Both turn what the firmware says into a struct boot_params, which
// linux_boot_info reads.
func EFI() Program {
	var (
		systab = Fields[layout.EFISystemTable[Mem]](R12)
		bs     = Fields[layout.EFIBootServices[Mem]](RBX)
		img    = Fields[layout.EFILoadedImage[Mem]](RDX)
		conf   = Fields[layout.EFIConfigurationTable[Mem]](RSI)
		desc   = Fields[layout.EFIMemoryDescriptor[Mem]](RSI)
		ent    = Fields[layout.E820Entry[Mem]](RDI)
		stack  = RSP.At
	)
	fail := func(why string) Block { return Block{LEAQ(Str(why), R15), JMP("efi_fail")} }
	// is runs the block then if the GUID in memory is id.
	is := func(at [2]Mem, id guid, then ...Item) Block {
		return Block{
			MOVQ(id[0], RAX),
			CMPQ(RAX, at[0]),
			IF(E,
				MOVQ(id[1], RAX),
				CMPQ(RAX, at[1]),
				IF(E, then...),
			),
		}
	}
	return Program{
		Funcs: []Func{
			FUNC("efi_start",
				`efi_start is the entry point of the PE image (UEFI Specification 2.10, 4.1): RCX is
the image's handle, RDX the system table; the calling convention is Microsoft's.`,
				MOVQ(RCX, RBP),
				MOVQ(RDX, R12),
				XORL(R13, R13),
				JMP("efi_main"),
			),
			FUNC("efi_handover",
				`efi_handover is the EFI handover entry of the Linux boot protocol: RDI is the
image's handle, RSI the system table, RDX struct boot_params.`,
				MOVQ(RDI, RBP),
				MOVQ(RSI, R12),
				MOVQ(RDX, R13),
				JMP("efi_main"),
			),
			FUNC("efi_main",
				`efi_main takes what the kernel needs from the firmware and ends its services. RBP
is the image's handle, R12 the system table, R13 struct boot_params or 0. Fails by
efi_fail.`,
				ANDQ(-16, RSP),
				SUBQ(efiFrame, RSP),
				CLD(),
				writeAll(RAX, RCX),
				kernelWhole(),
				cpuid80000001(),
				BTL(x86.CPUID_80000001_EDX_NX, RDX),
				IF(AE, fail(noNX)),
				MOVQ(systab.BootServices, RBX),
				TESTQ(R13, R13),
				IF(NE,
					MOVQ(R13, RSI),
					keepParams(),
				).ELSE(
					MOVQ(RBP, RCX),
					LEAQ(Sym("efi_loaded_image"), RDX),
					LEAQ(stack(efiWord), R8),
					CALL(bs.HandleProtocol),
					TESTQ(RAX, RAX),
					IF(E, // its load options are the command line, if they are text
						MOVQ(stack(efiWord), RDX),
						MOVL(img.LoadOptionsSize, RCX),
						MOVQ(img.LoadOptions, RSI),
						LEAQ(Sym("linux_cmdline"), RDI),
						MOVQ(RDI, R8),
						LEAQ(RDI.At(layout.CmdlineMax-1), R9),
						LOOP(
							SUBL(2, RCX),
							BREAK(B),
							MOVZWL(RSI.At(0), RAX),
							ADDQ(2, RSI),
							TESTL(RAX, RAX),
							BREAK(E),
							LEAL(RAX.At(-' '), RDX),
							CMPL(RDX, '~'-' '),
							IF(A,
								MOVQ(R8, RDI),
								BREAK(),
							),
							STOSB(),
							CMPQ(RDI, R9),
							BREAK(E),
						),
						MOVB(0, RDI.At(0)),
					),
				),

				MOVQ(systab.ConfigurationTable, RSI),
				MOVQ(systab.NumberOfTableEntries, RCX),
				LOOP(
					SUBQ(1, RCX),
					BREAK(B),
					is(conf.GUID, guidACPI20,
						MOVQ(conf.Table, RAX),
						MOVQ(RAX, params.RSDP),
						BREAK(),
					),
					is(conf.GUID, guidACPI10,
						MOVQ(conf.Table, RAX),
						MOVQ(RAX, params.RSDP),
					),
					ADDQ(SizeOf[layout.EFIConfigurationTable[Mem]](), RSI),
				),

				CALL("efi_screen"),
				TESTQ(R13, R13),
				IF(E, CALL("efi_answer_begin")),

				// Claim the kernel's place, so that no later allocation lies there.
				// Whether it is free is tested below.
				LEAQ(Sym("__text_start"), RSI),
				LEAQ(Sym("__kernel_end"), R8),
				SUBQ(RSI, R8),
				SHRQ(12, R8),
				MOVQ(Sym("linux_text"), RAX),
				MOVQ(uint64(layout.KernelBase), RCX),
				SUBQ(RCX, RAX),
				MOVQ(RAX, stack(efiWord)),
				MOVL(layout.EfiAllocateAddress, RCX),
				MOVL(layout.EfiLoaderData, RDX),
				LEAQ(stack(efiWord), R9),
				CALL(bs.AllocatePages),
				TESTQ(RAX, RAX),
				IF(NE,
					CMPQ(answer.Return, 0),
					IF(NE,
						MOVQ(0, answer.Return),
						MOVQ(0, answer.Console.Text),
						MOVQ(0, answer.Results.Text),
						LEAQ(Str("the firmware uses the memory at 1 MiB"), RAX),
						atItsPlace(RAX, RCX),
						MOVQ(RAX, answer.Why),
					),
				),

				MOVL(params.Ramdisk.Add(4), RAX),
				TESTL(RAX, RAX),
				IF(E, // the image's own, to below 4 GiB
					MOVQ(1, Sym("own_initramfs")),
					MOVQ(Sym("builtin_initramfs").Add(8), R14),
					MOVQ(uint64(1<<32-1), RAX),
					MOVQ(RAX, stack(efiWord)),
					MOVL(layout.EfiAllocateMaxAddress, RCX),
					MOVL(layout.EfiLoaderData, RDX),
					LEAQ(R14.At(layout.PageSize-1), R8),
					SHRQ(12, R8),
					LEAQ(stack(efiWord), R9),
					CALL(bs.AllocatePages),
					TESTQ(RAX, RAX),
					IF(NE, fail("the firmware has no memory below 4 GiB for the initramfs")),
					LEAQ(Sym("__text_start"), RSI),
					ADDQ(Sym("builtin_initramfs"), RSI),
					MOVQ(Sym("linux_text"), RAX),
					SUBQ(RAX, RSI),
					MOVQ(uint64(layout.KernelBase), RAX),
					ADDQ(RAX, RSI),
					MOVQ(stack(efiWord), RDI),
					MOVL(RDI, params.Ramdisk),
					MOVL(R14, params.Ramdisk.Add(4)),
					MOVQ(R14, RCX),
					REP(MOVSB()),
				),

				CMPQ(answer.Return, 0),
				JNE("efi_keep"),

				MOVQ(0, stack(efiSize)),
				CALL("efi_memory_map"),
				MOVL(layout.EfiLoaderData, RCX),
				MOVQ(stack(efiSize), RDX),
				ADDQ(layout.PageSize, RDX), // for the allocation itself, and for what events allocate
				MOVQ(RDX, R14),
				LEAQ(stack(efiWord), R8),
				CALL(bs.AllocatePool),
				TESTQ(RAX, RAX),
				IF(NE, fail("the firmware has no memory for its memory map")),
				MOVL(efiTries, R13),
				LOOP(
					MOVQ(R14, stack(efiSize)),
					CALL("efi_memory_map"),
					TESTQ(RAX, RAX),
					IF(NE, fail("the firmware gives no memory map")),
					CALL("efi_e820"),
					MOVQ(RBP, RCX),
					MOVQ(stack(efiKey), RDX),
					CALL(bs.ExitBootServices),
					TESTQ(RAX, RAX),
					BREAK(E),
					DECL(R13), // the map has changed meanwhile
					IF(E, fail("the firmware does not end its services")),
				),
				CLI(),
				JMP("leave_long_mode"),
			),
			FUNC("efi_memory_map",
				`efi_memory_map calls GetMemoryMap on the words of efi_main's frame and returns its
status.`,
				SUBQ(efiCall, RSP),
				LEAQ(stack(efiCall+8+efiSize), RCX),
				MOVQ(stack(efiCall+8+efiWord), RDX),
				LEAQ(stack(efiCall+8+efiKey), R8),
				LEAQ(stack(efiCall+8+efiStep), R9),
				LEAQ(stack(efiCall+8+efiVer), RAX),
				MOVQ(RAX, stack(efiArg5)),
				CALL(bs.GetMemoryMap),
				ADDQ(efiCall, RSP),
				RET(),
			),
			FUNC("efi_e820",
				`efi_e820 turns the memory map in efi_main's frame into that of boot_params: only
RAM, with neighbours joined. Fails by efi_fail if the kernel's place is not free.`,
				MOVQ(stack(8+efiWord), RSI),
				MOVQ(stack(8+efiSize), R8),
				ADDQ(RSI, R8), // the map's end
				LEAQ(params.MemMap[0], RDI),
				MOVQ(-1, R9), // the end of the last entry, if there is one
				XORL(R10, R10),
				LOOP(
					CMPQ(RSI, R8),
					BREAK(AE),
					MOVL(desc.Type, RAX),
					MOVL(ramTypes, RCX),
					CMPL(RAX, 31),
					IF(BE,
						BTL(RAX, RCX),
						IF(B,
							MOVQ(desc.PhysicalStart, RAX),
							MOVQ(desc.NumberOfPages, RCX),
							SHLQ(12, RCX),
							CMPQ(RAX, R9),
							IF(NE, // not adjacent to the last
								CMPL(R10, layout.E820Max),
								BREAK(E),
								TESTL(R10, R10),
								IF(NE, ADDQ(layout.E820Size, RDI)),
								INCL(R10),
								MOVQ(RAX, ent.Start),
								MOVQ(0, ent.Size),
								MOVL(layout.MemMapRAM, ent.Type),
								MOVQ(RAX, R9),
							),
							ADDQ(RCX, ent.Size),
							ADDQ(RCX, R9),
						),
					),
					ADDQ(stack(8+efiStep), RSI),
				),
				MOVB(R10, params.MemMapCount),

				LEAQ(params.MemMap[0], RDI),
				LEAQ(Sym("__text_start"), RSI),
				LEAQ(Sym("__kernel_end"), R8),
				SUBQ(RSI, R8),
				MOVQ(Sym("linux_text"), RSI),
				MOVQ(uint64(layout.KernelBase), RCX),
				SUBQ(RCX, RSI),
				ADDQ(RSI, R8),
				LOOP(
					SUBL(1, R10),
					IF(B, fail("the firmware uses the memory at 1 MiB, where the kernel must be")),
					CMPQ(RSI, ent.Start),
					IF(AE,
						MOVQ(ent.Start, RAX),
						ADDQ(ent.Size, RAX),
						CMPQ(R8, RAX),
						BREAK(BE),
					),
					ADDQ(layout.E820Size, RDI),
				),
				RET(),
			),
			FUNC("efi_fail",
				`efi_fail prints on the firmware's console, which R12 leads to, and in the log that
the kernel cannot boot because of the string R15, and ends the machine.`,
				ANDQ(-16, RSP),
				SUBQ(efiFrame, RSP),
				LEAQ(Str("\r\nentrylab: cannot boot: "), R14),
				CALL("efi_say"),
				MOVQ(R15, R14),
				CALL("efi_say"),
				CLI(),
				CALL("console_init"),
				MOVQ(R15, RDI),
				JMP("boot_fail"),
			),
		},
		Data: []Data{
			RODATA("efi_loaded_image", guidLoadedImage[0], guidLoadedImage[1]),
		},
	}
}

// efiTries is how often ExitBootServices is called: if a timer of the firmware runs
// between it and GetMemoryMap, the map's key is outdated.
const efiTries = 8

// ramTypes has the bits of the types of memory that are free after ExitBootServices.
const ramTypes = 1<<layout.EfiLoaderCode | 1<<layout.EfiLoaderData | 1<<layout.EfiBootServicesCode |
	1<<layout.EfiBootServicesData | 1<<layout.EfiConventionalMemory
