package proto

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The code that the loader of a disk image and the setup code of a bzImage share:
// functions in real mode, with all segments the same, that fill bios_info.

func real16(f Func) Func { f.Bits = 16; return f }

const smap = 0x534d4150 // "SMAP", of E820

// The flat segments of real_gdt.
const realCode32, realFlat = 8, 16

// What is said of a machine that cannot run the kernel.
const (
	cannotBoot = "entrylab: cannot boot: "
	noLongMode = "the CPU has no 64-bit mode"
	noNX       = "the CPU has no NX, or the firmware has turned it off"
)

// cpuid80000001 puts the features of CPUID leaf 80000001H in EDX, 0 if there is none.
// Clobbers RAX, RBX, RCX.
func cpuid80000001() Block {
	return Block{
		MOVL(uint32(0x8000_0000), RAX),
		CPUID(),
		CMPL(RAX, uint32(0x8000_0001)),
		IF(B, XORL(RDX, RDX)).ELSE(
			MOVL(uint32(0x8000_0001), RAX),
			CPUID(),
		),
	}
}

// realStop gives up.
func realStop(why string) Block {
	return Block{LEAL(Str(cannotBoot+why+"\r\n"), RSI), JMP("loader_stop")}
}

// realData returns the data of the functions below.
func realData() []Data {
	return []Data{
		DATA("real_gdt", uint64(0), uint64(x86.SegKernel32Code), uint64(x86.SegKernelData)),
		DATA("real_gdtr", uint16(3*8-1), PTR("real_gdt")),
	}
}

func a20Enable() Func {
	return real16(FUNC("a20_enable", "a20_enable makes addresses reach above 1 MiB, if they do not already.",
		CALL("a20_on"),
		IF(NE, MOVL(0x2401, RAX), INT(0x15), CALL("a20_on")),
		IF(NE, // the fast gate of the PS/2
			MOVL(0x92, RDX),
			INB(),
			ORB(2, RAX),
			ANDB(0xfe, RAX), // bit 0 resets the machine
			OUTB(),
			CALL("a20_on"),
		),
		IF(NE, realStop("address line A20 stays off")),
		RET(),
	))
}

func a20On() Func {
	const word = 0x80 * 4 // the vector of an interrupt that nobody uses
	var (
		low  = FS.At(word)
		high = GS.At(word + 0x10) // with GS = 0xffff: 1 MiB above
	)
	return real16(FUNC("a20_on",
		`a20_on says by the flags, E, whether the memory above 1 MiB is not that at 0 again.
Clobbers RAX, RCX, FS, GS.`,
		XORL(RAX, RAX),
		MOVW(RAX, FS),
		MOVL(0xffff, RAX),
		MOVW(RAX, GS),
		MOVL(low, RCX),
		MOVL(high, RAX),
		PUSHL(RCX),
		MOVL(RAX, RCX),
		NOTL(RCX),
		MOVL(RCX, low),
		CMPL(RAX, high),
		POPL(RCX),
		MOVL(RCX, low), // not the flags
		RET(),
	))
}

func cpuCheck() Func {
	return real16(FUNC("cpu_check", "cpu_check gives up on a CPU that cannot run the kernel. Clobbers RAX, RBX, RCX, RDX.",
		cpuid80000001(),
		BTL(x86.CPUID_80000001_EDX_LM, RDX),
		IF(AE, realStop(noLongMode)),
		BTL(x86.CPUID_80000001_EDX_NX, RDX),
		IF(AE, realStop(noNX)),
		RET(),
	))
}

func memoryMap() Func {
	var (
		info  = Fields[layout.BIOSInfo[Mem]](Sym("bios_info"))
		entry = Fields[layout.MemMapEntry[Mem]](RDI)
	)
	return real16(FUNC("memory_map", "memory_map takes the BIOS's memory map (ACPI 6.5, 15.1).",
		LEAL(info.MemMap[0].Start, RDI),
		XORL(RBX, RBX),
		LOOP(
			MOVL(0xe820, RAX),
			MOVL(20, RCX),
			MOVL(smap, RDX),
			INT(0x15),
			BREAK(B), // after the last
			CMPL(RAX, smap),
			BREAK(NE),
			MOVL(0, entry.Type.Add(4)), // it has 32 bits
			ADDL(SizeOf[layout.MemMapEntry[Mem]](), RDI),
			INCL(info.MemMapCount),
			CMPL(info.MemMapCount, layout.MemMapMax),
			BREAK(E),
			TESTL(RBX, RBX),
			BREAK(E),
		),
		CMPL(info.MemMapCount, 0),
		IF(E, realStop("the BIOS has no memory map (INT 15h, E820)")),
		RET(),
	))
}

// loaderStop ends in stop, which prints to the screen.
func loaderStop(stop Block) Func {
	return real16(FUNC("loader_stop",
		`loader_stop is boot_stop, and first prints the string at ESI to the serial port
too, as the kernel does: at 115200 8n1, if there is no debug console.`,
		unlessDebugcon(),
		stop,
	))
}

func bootStop() Func {
	return real16(FUNC("boot_stop",
		`boot_stop prints the NUL-terminated string at ESI, to an emulator's debug
console too, and stops; an emulator ends.`,
		LOOP(
			MOVL(0x0e00, RAX), // INT 10h: teletype output
			LODSB(),
			TESTB(RAX, RAX),
			BREAK(E),
			MOVL(layout.DebugconPort, RDX),
			OUTB(),
			MOVL(7, RBX), // page 0, grey
			PUSHL(RSI),
			INT(0x10),
			POPL(RSI),
		),
		MOVL(layout.ExitBoot, RAX),
		MOVL(layout.DebugExitPort, RDX),
		OUTL(),
		LEAL(Str(layout.ShutdownWord), RSI),
		MOVL(layout.ShutdownPort, RDX),
		LOOP( // the NUL after it does no harm
			LODSB(),
			OUTB(),
			TESTB(RAX, RAX),
			BREAK(E),
		),
		LOOP(CLI(), HLT()),
		UD2(),
	))
}

// unlessDebugcon prints the NUL-terminated string at ESI to COM1, at 115200 8n1, if
// there is no debug console. It keeps RSI, and clobbers RAX, RDX.
func unlessDebugcon() Block {
	out := func(reg int, value byte) Block {
		return Block{MOVL(layout.COM1Port+reg, RDX), MOVL(int(value), RAX), OUTB()}
	}
	return Block{
		MOVL(layout.DebugconPort, RDX),
		INB(),
		CMPB(RAX, layout.DebugconPort), // the device returns its own port when read
		IF(NE,
			out(x86.UART_LCR, x86.UART_LCR_DLAB),
			out(x86.UART_DATA, x86.UART_115200),
			out(x86.UART_IER, 0),
			out(x86.UART_LCR, x86.UART_LCR_8N1),
			PUSHL(RSI),
			LOOP(
				LODSB(),
				TESTB(RAX, RAX),
				BREAK(E),
				MOVL(layout.COM1Port+x86.UART_DATA, RDX),
				OUTB(),
				MOVL(layout.COM1Port+x86.UART_LSR, RDX),
				DO(INB(), TESTB(x86.UART_LSR_TEMT, RAX)).WHILE(E),
			),
			POPL(RSI),
		),
	}
}
