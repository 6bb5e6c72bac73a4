package proto

import (
	"fmt"
	"slices"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Where the parts of the loader are in memory. The boot sector reads what
// follows it on the disk to the memory right after it, so address and offset
// on the disk differ only by sectorAddr.
const (
	sectorAddr  = 0x7c00 // where the BIOS puts the boot sector; the stack is below it
	cmdlineAddr = sectorAddr + CmdlineOffset
	loaderAddr  = cmdlineAddr + layout.CmdlineMax
	bufferAddr  = 0x10000 // data that was read stay here until they are copied
)

// maxRead is the most bytes that one INT 13h can read: 127 sectors of 512 bytes
// (Phoenix, Enhanced Disk Drive Specification 3.0), rounded down to sectors of a CD.
// It is less than the buffer.
const maxRead = 127 * sectorSize / CDSector * CDSector

// Offsets in the packet of INT 13h, AH=42h (Enhanced Disk Drive Specification
// 3.0, 2.2): its size, the number of sectors, segment:offset, the first sector.
const (
	packetCount   = 2
	packetAddress = 4
	packetLBA     = 8
)

// biosDataArea is how many bytes at the start of a boot sector some BIOSes
// take for the parameters of a FAT volume, and write to.
const biosDataArea = 0x3e

// loaderMark is in the loader's last 4 bytes: it shows that the whole loader is there.
const loaderMark = 0x4c454e54

// bootSector returns the program in the medium's first sector, or in the boot image of a
// CD. It reads the command line and the loader, of size bytes.
func bootSector(m Medium, size int) Program {
	stop := func(why string) Block {
		return Block{LEAL(Str("entrylab: cannot boot: "+why+"\r\n"), RSI), JMP("boot_stop")}
	}
	return Program{
		Flat: true,
		Funcs: []Func{
			real16(FUNC("boot_sector",
				`boot_sector is entered by the BIOS in real mode at 0:7C00 or 7C0:0; DL is the
drive that it booted from.`,
				JMP("start"),
				Block(slices.Repeat([]Item{NOP()}, biosDataArea-2)),
				LABEL("start"),
				CLI(),
				CLD(),
				XORL(RAX, RAX),
				MOVW(RAX, DS),
				MOVW(RAX, ES),
				MOVW(RAX, SS),
				MOVL(sectorAddr, RSP),
				PUSHL(RAX), // continue with CS 0
				LEAL(Sym("boot_drive_check"), RAX),
				PUSHL(RAX),
				RETFL(),
			)),
			real16(FUNC("boot_drive_check",
				`boot_drive_check checks that the BIOS reads drive DL by sector number, reads the
loader and jumps to it.`,
				STI(),
				MOVB(RDX, Sym("boot_drive")),
				MOVW(0x4100, RAX), // are there the extensions? (EDD 3.0, 2.1)
				MOVW(0x55aa, RBX),
				INT(0x13),
				JB("none"),
				CMPW(RBX, 0xaa55),
				JNE("none"),
				TESTB(1, RCX), // AH=42h is among them
				JE("none"),
				CALL("disk_read"),
				CMPL(Abs(loaderAddr+size-4), loaderMark),
				JNE("disk_bad"),
				MOVL(loaderAddr, RAX),
				JMP(RAX),
				LABEL("none"),
				stop("the BIOS has no INT 13h extensions"),
			)),
			real16(FUNC("disk_read",
				`disk_read reads what disk_packet describes, with up to three tries. Clobbers all but RSP.`,
				MOVL(3, RBP),
				DO(
					PUSHL(RBP),
					MOVW(0x4200, RAX),
					MOVB(Sym("boot_drive"), RDX),
					LEAL(Sym("disk_packet"), RSI),
					INT(0x13),
					POPL(RBP),
					JAE("done"),
					XORL(RAX, RAX), // reset the drive
					INT(0x13),
					DECL(RBP),
				).WHILE(NE),
				JMP("disk_bad"),
				LABEL("done"),
				RET(),
			)),
			real16(FUNC("disk_bad", "disk_bad gives up.", stop("the disk cannot be read"))),
			bootStop(),
		},
		Data: []Data{
			{Name: "boot_drive", Align: 1, Content: []any{uint8(0)}},
			{Name: "disk_packet", Align: 1, Content: []any{
				uint16(16), uint16(sectors(layout.CmdlineMax+size, m.Sector)), uint16(cmdlineAddr), uint16(0),
				uint64(m.Head) / uint64(m.Sector),
			}},
		},
	}
}

// highStart is where memory above that of real mode begins.
const highStart = 1 << 20

// roomBeside is the RAM in MiB that a machine should have in addition to kernel and
// initramfs.
const roomBeside = 32

// loader returns the program after the command line. It asks the BIOS for the memory map,
// checks that there is RAM for everything, copies the parts to their places above 1 MiB,
// counts the boot, clears bss, and enters the kernel at its entry in 32-bit protected mode.
// sector is the linked boot sector, whose functions it uses; parts ends with a part of no
// sectors.
func loader(sector *Object, m Medium, parts []layout.DiskPart[uint64], c *DiskConfig) Program {
	sectorBytes, bss := m.Sector, c.BSS
	addr := func(name string) int {
		a, _ := sector.Addr(name)
		return int(a)
	}
	var (
		packet = Abs(addr("disk_packet"))
		info   = Fields[layout.BIOSInfo[Mem]](Sym("bios_info"))
		entryE = Fields[layout.MemMapEntry[Mem]](RDI)
		part   = Fields[layout.DiskPart[Mem]](RBX)
	)
	var table []any
	end := bss.End // of everything that is copied above 1 MiB
	for _, p := range parts {
		table = append(table, p.Dest, p.LBA, p.Sectors, p.Sum)
		end = max(end, p.Dest+p.Sectors*uint64(sectorBytes))
	}
	mib := (end + 1<<20 - 1) >> 20
	return Program{
		Flat: true,
		Funcs: []Func{
			real16(FUNC("loader", "loader is entered in real mode with all segments 0, and ends in bios_start.",
				CALL("cpu_check"),
				CALL("a20_enable"),
				CALL("memory_map"),
				CALL("memory_check"),
				CALL("read_parts"),
				CALL("count_boot"),

				CALL("flat_segments"),
				MOVL(uint32(bss.Start), RDI),
				MOVL(uint32(bss.End-bss.Start)/4, RCX),
				XORL(RAX, RAX),
				REP(STOSL()),

				MOVL(cmdlineAddr, info.Cmdline),
				MOVB(0, Abs(cmdlineAddr+layout.CmdlineMax-1)),
				MOVL(CR0, RAX),
				ORL(x86.CR0_PE, RAX),
				MOVL(RAX, CR0),
				MOVL(realFlat, RAX),
				MOVW(RAX, DS),
				MOVW(RAX, ES),
				MOVW(RAX, SS),
				LEAL(Sym("bios_info"), RBX),
				PUSHL(realCode32),
				PUSHL(uint32(c.Entry)),
				RETFL(),
			)),
			a20Enable(),
			a20On(),
			cpuCheck(),
			memoryMap(),
			countBoot(m, c.Boots, addr("boot_drive"), info),
			loaderStop(Block{MOVL(addr("boot_stop"), RAX), JMP(RAX)}),
			real16(FUNC("memory_check",
				`memory_check checks in the memory map that there is RAM from 1 MiB to the end of
kernel and initramfs; it may consist of several pieces.`,
				MOVL(highStart, RDX), // up to here there is RAM
				DO(
					LEAL(info.MemMap[0].Start, RDI),
					MOVL(info.MemMapCount, RCX),
					LOOP( // for the piece that contains RDX
						CMPL(entryE.Type, layout.MemMapRAM),
						JNE("next"),
						CMPL(entryE.Start.Add(4), 0), // above 4 GiB
						JNE("next"),
						MOVL(RDX, RAX),
						SUBL(entryE.Start, RAX),
						JB("next"),
						CMPL(entryE.Size.Add(4), 0), // 4 GiB and more
						JNE("done"),
						CMPL(RAX, entryE.Size),
						BREAK(B),
						LABEL("next"),
						ADDL(SizeOf[layout.MemMapEntry[Mem]](), RDI),
						DECL(RCX),
						IF(E, realStop(fmt.Sprintf("too little memory: kernel and initramfs take all RAM up to %d MiB; give the machine %d MiB", mib, mib+roomBeside))),
					),
					SUBL(RAX, RDX), // the piece's start
					ADDL(entryE.Size, RDX),
					JB("done"), // the piece ends at 4 GiB
					CMPL(RDX, uint32(end)),
				).WHILE(B),
				LABEL("done"),
				RET(),
			)),
			real16(FUNC("read_parts", "read_parts reads the kernel's parts to their places and compares their sums.",
				LEAL(Sym("disk_parts"), RBX),
				LOOP(
					MOVL(part.Sectors, RCX),
					TESTL(RCX, RCX),
					BREAK(E),
					DO(
						CMPL(RCX, maxRead/sectorBytes),
						IF(A, MOVL(maxRead/sectorBytes, RCX)),
						MOVW(RCX, packet.Add(packetCount)),
						MOVL(bufferAddr>>4<<16, packet.Add(packetAddress)),
						MOVL(part.LBA, RAX),
						MOVL(RAX, packet.Add(packetLBA)),
						PUSHL(RBX),
						PUSHL(RCX),
						MOVL(addr("disk_read"), RAX),
						CALL(RAX),
						CALL("flat_segments"), // the BIOS may have reset the limits
						POPL(RDX),
						POPL(RBX),
						MOVL(bufferAddr, RSI),
						MOVL(part.Dest, RDI),
						MOVL(RDX, RCX),
						IMULL(sectorBytes/4, RCX),
						MOVL(Sym("disk_sum"), RBP),
						DO(
							MOVL(RSI.At(0), RAX),
							MOVL(RAX, RDI.At(0)),
							IMULL(layout.DiskSumFactor, RBP),
							ADDL(RAX, RBP),
							ADDL(4, RSI),
							ADDL(4, RDI),
							DECL(RCX),
						).WHILE(NE),
						MOVL(RBP, Sym("disk_sum")),
						STI(),
						MOVL(RDI, part.Dest),
						ADDL(RDX, part.LBA),
						SUBL(RDX, part.Sectors),
						MOVL(part.Sectors, RCX),
						TESTL(RCX, RCX),
					).WHILE(NE),
					MOVL(part.Sum, RAX),
					CMPL(RAX, Sym("disk_sum")),
					IF(NE, realStop("the image is damaged: what the disk gave is not what was written to it")),
					MOVL(0, Sym("disk_sum")),
					ADDL(SizeOf[layout.DiskPart[Mem]](), RBX),
				),
				RET(),
			)),
			real16(FUNC("flat_segments",
				`flat_segments makes DS and ES reach 4 GiB: in real mode they keep the limits that
they got in protected mode. IF becomes 0. Clobbers RAX, RCX.`,
				CLI(),
				LGDT(Sym("real_gdtr")),
				MOVL(CR0, RAX),
				ORL(x86.CR0_PE, RAX),
				MOVL(RAX, CR0),
				MOVL(realFlat, RCX),
				MOVW(RCX, DS),
				MOVW(RCX, ES),
				ANDL(^x86.CR0_PE, RAX),
				MOVL(RAX, CR0),
				XORL(RCX, RCX),
				MOVW(RCX, DS),
				MOVW(RCX, ES),
				CLD(),
				RET(),
			)),
		},
		Data: append(realData(),
			DATA("disk_parts", table...),
			DATA("disk_sum", uint32(0)),
			Data{Name: "bios_info", Content: []any{uint64(0)}, Size: SizeOf[layout.BIOSInfo[Mem]]()},
			Data{Name: "count_packet", Align: 4, Content: []any{uint16(16), uint16(1), uint32(0), uint64(0)}},
			Data{Name: "count_sector", Align: sectorSize, Content: []any{make([]byte, sectorSize)}},
			DATA("loader_end", uint32(0), uint32(loaderMark)),
		),
	}
}

// countBoot returns the loader's function that counts the boots of a series on the medium,
// in a sector of the loader: nothing can be written once the kernel has taken the machine
// from the BIOS.
func countBoot(m Medium, boots, drive int, info *layout.BIOSInfo[Mem]) Func {
	packet, count := Sym("count_packet"), Sym("count_sector")
	transfer := func(function uint32) Block {
		return Block{
			MOVW(function<<8, RAX),
			MOVB(Abs(drive), RDX),
			LEAL(packet, RSI),
			INT(0x13),
			JB("done"),
		}
	}
	const what = `count_boot writes the number of this boot to the medium, and to bios_info if that is read
back: some BIOSes accept what they do not write. After the last boot comes the first one.`
	if boots <= 1 || m.Sector != sectorSize {
		return real16(FUNC("count_boot", what+" Here it counts none.", RET()))
	}
	return real16(FUNC("count_boot", what,
		LEAL(count, RAX),
		MOVW(RAX, packet.Add(packetAddress)),
		SUBL(cmdlineAddr, RAX),
		SHRL(9, RAX),
		ADDL(uint32(m.Head/sectorSize), RAX),
		MOVL(RAX, packet.Add(packetLBA)),

		MOVL(count, RAX),
		INCL(RAX),
		MOVL(RAX, info.Boot),
		CMPL(RAX, uint32(boots)),
		IF(AE, XORL(RAX, RAX)),
		MOVL(RAX, count),
		PUSHL(RAX),
		transfer(0x43),
		NOTL(count),
		transfer(0x42),
		POPL(RAX),
		PUSHL(RAX),
		CMPL(RAX, count),
		IF(E, MOVL(uint32(boots), info.Boots)),
		LABEL("done"),
		POPL(RAX),
		RET(),
	))
}
