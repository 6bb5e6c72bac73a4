package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// memory is the state of the memory manager.
var memory = Fields[layout.Memory[Mem]](Sym(memoryData))

var (
	bootInfo = Fields[layout.BootInfo[Mem]](Sym(bootInfoData))
	mapEntry = SizeOf[layout.MemMapEntry[Mem]]()
	memRange = SizeOf[layout.MemRange[Mem]]()
)

// pageMask cuts an address down to its page.
const pageMask = -layout.PageSize

// pageAlignUp rounds r up to a multiple of a page; an address in the last page
// becomes 0.
func pageAlignUp(r Reg) Block {
	return Block{ADDQ(layout.PageSize-1, r), ANDQ(pageMask, r)}
}

// setAside takes the pages that the kernel may come to keep about a range of size bytes out
// of pages_free: a page of counts for each 4 MiB (page_share) and a page table for each large
// page of the linear map (alloc_thread_stack), at both ends of the range for a part of one.
// They are taken when they are needed and never given back, so that if they counted as free
// a page would seem lost then. Clobbers both registers.
func setAside(size, tmp Reg) Block {
	return Block{
		MOVQ(size, tmp),
		SHRQ(countsShift, tmp),
		SHRQ(pdShift, size),
		LEAQ(size.Index(tmp, 1).Add(2+2), tmp),
		SUBQ(tmp, Sym(pagesFree)),
	}
}

// keepPage calls alloc for a page that was set aside for the kernel to keep, so that there
// is one.
func keepPage(alloc func() Func) Block {
	return Block{INCQ(Sym(pagesFree)), CALL(alloc)}
}

// pages returns the allocator of physical memory. RAM is handed out from low to high, but
// that above layout.PhysMapLow before all other (as Linux does), and not touched before;
// pages that are given back go to a list that is used first.
func pages() Program {
	return Program{
		Funcs: Funcs(
			mmInit, addRange, reserveRange, physmapInit, lowPage, pageCountsInit, nextRange, getFreePage, getKernelPage, allocPage, freePage,
			takeTable, allocTable, freeTable,
			allocStack, freeStack,
		),
		Data: []Data{
			memoryData, mmRanges, pagesFree, pagesTotal,
		},
	}
}

var memoryData = BSS("memory", SizeOf[layout.Memory[Mem]](), 64)

var mmRanges = BSS("mm_ranges", layout.MaxRanges*memRange, 64)

var pagesFree = BSS("pages_free", 8, 8)

var pagesTotal = BSS("pages_total", 8, 8)

// reserve takes a range of linear or kernel addresses out of free RAM: its physical
// address is the address minus base.
func reserve[A RegMem](start, end A, base uint64) Block {
	return Block{
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		MOVQ(base, RAX),
		SUBQ(RAX, RDI),
		SUBQ(RAX, RSI),
		CALL(reserveRange),
	}
}

func mmInit() Func {
	entryPtr, left := RBX, R12
	entry := Fields[layout.MemMapEntry[Mem]](entryPtr)
	rng := Fields[layout.MemRange[Mem]](RCX)
	// eachEntry runs items for each entry of the memory map, in RBX.
	eachEntry := func(items ...Item) Block {
		return Block{
			LEAQ(bootInfo.MemMap[0].Start, entryPtr),
			MOVQ(bootInfo.MemMapCount, left),
			LOOP(
				SUBQ(1, left),
				BREAK(B),
				Block(items),
				ADDQ(mapEntry, entryPtr),
			),
		}
	}
	return FUNC("mm_init",
		`mm_init finds the free RAM: what the memory map calls RAM, from 1 MiB to the
end of the linear map, which it makes, without the kernel, the initramfs and the command line.
Fails by boot_fail if there is too little.`,
		LEAQ(Sym(initSpace), RAX),
		CALL(areasInit),
		MOVQ(RAX, memory.Space),
		MOVQ(space(RAX).Loaded.AreaRoot, RCX),
		MOVQ(RCX, memory.Own.AreaRoot),
		MOVQ(1, space(RAX).MMs), // init_mm
		LEAQ(Sym(mmRanges), RAX),
		MOVQ(RAX, memory.Range),
		MOVQ(RAX, memory.RangesEnd),
		eachEntry(
			CMPQ(entry.Type, layout.MemMapRAM),
			IF(E,
				MOVQ(entry.Start, RDI),
				MOVQ(entry.Size, RSI),
				CALL(addRange),
			),
		),
		// Firmware may describe a page twice; then "not free" wins.
		eachEntry(
			CMPQ(entry.Type, layout.MemMapRAM),
			IF(NE,
				MOVQ(entry.Start, RDI),
				MOVQ(entry.Size, RSI),
				ADDQ(RDI, RSI),
				CALL(reserveRange),
			),
		),
		LEAQ(Sym(textStart), RDX),
		LEAQ(Sym(kernelEnd), RCX),
		reserve(RDX, RCX, layout.KernelBase),
		reserve(bootInfo.InitrdStart, bootInfo.InitrdEnd, layout.PhysMap),
		// The command line's length is not known; no more than this is read of it.
		MOVQ(bootInfo.Cmdline, RDX),
		LEAQ(RDX.At(layout.CmdlineMax), RCX),
		reserve(RDX, RCX, layout.PhysMap),
		CALL(physmapInit),
		CALL(pageCountsInit),

		XORL(RAX, RAX),
		LEAQ(Sym(mmRanges), RCX),
		LOOP(
			CMPQ(RCX, memory.RangesEnd),
			BREAK(AE),
			MOVQ(rng.End, RDX),
			SUBQ(rng.Start, RDX),
			ADDQ(RDX, RAX),
			setAside(RDX, RSI),
			ADDQ(memRange, RCX),
		),
		SHRQ(12, RAX),
		MOVQ(RAX, Sym(pagesTotal)),
		ADDQ(RAX, Sym(pagesFree)), // less those that are set aside
		CMPQ(Sym(pagesFree), layout.MinPages),
		IF(GE, RETURN()),
		tell("too little memory: "),
		MOVQ(Sym(pagesFree), RDI),
		TESTQ(RDI, RDI),
		IF(S, XORL(RDI, RDI)),
		SHLQ(2, RDI),
		CALL(messageDec),
		tell(" KiB are free in addition to kernel and initramfs, "),
		MOVL(layout.MinPages*4, RDI),
		CALL(messageDec),
		tell(" KiB are needed"),
		JMP(bootFailMessage),
	).Saving(RBX, R12).Takes()
}

func addRange() Func {
	start, end := RBX, R12
	rng := Fields[layout.MemRange[Mem]](RCX)
	return FUNC("add_range",
		`add_range adds the RSI bytes at the physical address RDI to the free RAM, as far
as they are whole pages within reach.`,
		ADDQ(RDI, RSI),
		IF(B, MOVQ(-1, RSI)), // the end is beyond 2^64
		MOVL(1<<20, RAX),     // the firmware's and the loader's tables are below
		CMPQ(RDI, RAX),
		IF(B, MOVQ(RAX, RDI)),
		MOVQ(uint64(layout.PhysMapSize), RAX),
		CMPQ(RSI, RAX),
		IF(A, MOVQ(RAX, RSI)),
		CMPQ(RDI, RAX),
		IF(AE, RETURN()),
		pageAlignUp(RDI),
		ANDQ(pageMask, RSI),
		CMPQ(RDI, RSI),
		IF(AE, RETURN()),
		MOVQ(RDI, start),
		MOVQ(RSI, end),
		CALL(reserveRange), // in case it is described twice
		MOVQ(memory.RangesEnd, RCX),
		MOVQ(start, rng.Start),
		MOVQ(end, rng.End),
		ADDQ(memRange, RCX),
		MOVQ(RCX, memory.RangesEnd),
		RETURN(),
	).Saving(RBX, R12).Takes(RDI, RSI)
}

func reserveRange() Func {
	rng := Fields[layout.MemRange[Mem]](RCX)
	added := Fields[layout.MemRange[Mem]](RAX)
	return FUNC("reserve_range",
		`reserve_range takes the pages of the physical addresses from RDI up to RSI out
of the free RAM.`,
		ANDQ(pageMask, RDI),
		pageAlignUp(RSI),
		LEAQ(Sym(mmRanges), RCX),
		LOOP(
			CMPQ(RCX, memory.RangesEnd),
			BREAK(AE),
			MOVQ(rng.Start, RAX),
			MOVQ(rng.End, RDX),
			CMPQ(RDI, RDX),
			JAE("next"),
			CMPQ(RSI, RAX),
			JBE("next"),
			CMPQ(RDI, RAX),
			IF(BE, // the range loses its start, or everything
				CMPQ(RSI, RDX),
				CMOVQB(RSI, RDX),
				MOVQ(RDX, rng.Start),
			).ELSE( // its end, or its middle
				MOVQ(RDI, rng.End),
				CMPQ(RSI, RDX),
				IF(B,
					MOVQ(memory.RangesEnd, RAX),
					MOVQ(RSI, added.Start),
					MOVQ(RDX, added.End),
					ADDQ(memRange, memory.RangesEnd),
				),
			),
			LABEL("next"),
			ADDQ(memRange, RCX),
		),
		RETURN(),
	).Takes(RDI, RSI)
}

func nextRange() Func {
	rng := Fields[layout.MemRange[Mem]](RCX)
	return FUNC("next_range",
		`next_range moves memory.Next and memory.End to the next range of free RAM. ZF is set if
there is none. Clobbers RCX, RDX.`,
		MOVQ(memory.Range, RCX),
		CMPQ(RCX, memory.RangesEnd),
		IF(E, RETURN()),
		MOVQ(uint64(layout.PhysMap), RDX),
		ADDQ(rng.Start, RDX),
		MOVQ(RDX, memory.Next),
		SUBQ(rng.Start, RDX),
		ADDQ(rng.End, RDX),
		MOVQ(RDX, memory.End),
		ADDQ(memRange, RCX), // not 0: ZF is clear
		MOVQ(RCX, memory.Range),
		RETURN(),
	).Takes().Returns(FLAGS).Keeps(RSI, R8, R9, R10)
}

func getFreePage() Func {
	return FUNC("get_free_page",
		`get_free_page returns the linear address of a page with any contents, or 0 if
pages_free is 0: when nothing else is left, free page tables and stacks serve as pages.
Clobbers RCX, RDX.`,
		CMPQ(Sym(pagesFree), 0),
		IF(E, returns(0)),
		LABEL("again"),
		MOVQ(memory.FreePages, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX.At(0), RCX),
			MOVQ(RCX, memory.FreePages),
		).ELSE(
			LOOP(
				MOVQ(memory.Next, RAX),
				CMPQ(RAX, memory.End),
				BREAK(B),
				CALL(nextRange),
				IF(E,
					CMPQ(memory.FreeTables, 0),
					JNE("tables"),
					CALL(breakStack),
					JNE("again"),
					UD2(), // pages_free is wrong
				),
			),
			LEAQ(RAX.At(layout.PageSize), RCX),
			MOVQ(RCX, memory.Next),
		),
		DECQ(Sym(pagesFree)),
		RETURN(),
		LABEL("tables"),
		JMP(takeTable),
	).Takes().Returns(RAX).Keeps(RSI, R8, R9, R10)
}

func takeTable() Func {
	return FUNC("take_table", "take_table takes the first page of FreeTables, which is not empty, and returns its linear address. Clobbers RCX.",
		MOVQ(memory.FreeTables, RAX),
		XORL(RCX, RCX),
		XCHGQ(RCX, RAX.At(0)),
		MOVQ(RCX, memory.FreeTables),
		DECQ(Sym(pagesFree)),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RSI, R8, R9, R10)
}

func allocTable() Func {
	return FUNC("alloc_table", "alloc_table is alloc_page for a page table, which need not be cleared if it was one before.",
		CMPQ(memory.FreeTables, 0),
		IF(NE,
			CMPQ(Sym(pagesFree), 0),
			JNE(takeTable),
		),
		JMP(allocPage),
	).Takes().Returns(RAX).Keeps(RSI, R8, R9)
}

func freeTable() Func {
	return FUNC("free_table",
		`free_table takes back the page table at the linear address RDI, in which no entry is
left. Clobbers RAX.`,
		MOVQ(memory.FreeTables, RAX),
		MOVQ(RAX, RDI.At(0)),
		MOVQ(RDI, memory.FreeTables),
		INCQ(Sym(pagesFree)),
		RETURN(),
	).Takes(RDI).Keeps(RDI, RSI, RDX, R8, R9, R10)
}

func getKernelPage() Func {
	return FUNC("get_kernel_page",
		`get_kernel_page is get_free_page for objects that a program makes the kernel keep:
the last layout.ReservePages are reserved for the program's own pages.`,
		CMPQ(Sym(pagesFree), layout.ReservePages),
		IF(BE, returns(0)),
		JMP(getFreePage),
	).Takes().Returns(RAX)
}

func allocPage() Func {
	return FUNC("alloc_page", "alloc_page returns the linear address of a page of zeros, or 0. Clobbers RCX, RDX, RDI.",
		CALL(getFreePage),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX, RDX),
			MOVQ(RAX, RDI),
			XORL(RAX, RAX),
			MOVL(layout.PageSize/8, RCX),
			REP(STOSQ()),
			MOVQ(RDX, RAX),
		),
		RETURN(),
	).Takes().Returns(RAX).Keeps(RSI, R8, R9)
}

func freePage() Func {
	return FUNC("free_page", "free_page takes back the page at the linear address RDI. Clobbers RAX.",
		MOVQ(memory.FreePages, RAX),
		MOVQ(RAX, RDI.At(0)),
		MOVQ(RDI, memory.FreePages),
		INCQ(Sym(pagesFree)),
		RETURN(),
	).Takes(RDI).Keeps(RDI, RSI, RDX, R8, R9, R10)
}

func allocStack() Func {
	stack, end := RBX, R12
	return FUNC("alloc_stack",
		`alloc_stack returns the linear address of ThreadSize bytes with that alignment
and any contents, or 0. Pages that the alignment skips become free pages.`,
		CMPQ(Sym(pagesFree), layout.ThreadSize/layout.PageSize),
		IF(B, returns(0)),
		MOVQ(memory.FreeStacks, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX.At(0), RCX),
			MOVQ(RCX, memory.FreeStacks),
			SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
			RETURN(),
		),
		LOOP(
			MOVQ(memory.Next, stack),
			ADDQ(layout.ThreadSize-1, stack),
			ANDQ(-layout.ThreadSize, stack),
			LEAQ(stack.At(layout.ThreadSize), end),
			CMPQ(end, memory.End),
			IF(A, MOVQ(memory.End, stack)), // no room: the rest is skipped
			LOOP(
				MOVQ(memory.Next, RDI),
				CMPQ(RDI, stack),
				BREAK(AE),
				ADDQ(layout.PageSize, memory.Next),
				CALL(freePage),
				DECQ(Sym(pagesFree)), // it was counted before
			),
			CMPQ(end, memory.End),
			IF(BE,
				MOVQ(end, memory.Next),
				SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
				MOVQ(stack, RAX),
				RETURN(),
			),
			CALL(nextRange),
			BREAK(E),
		),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func freeStack() Func {
	return FUNC("free_stack", "free_stack takes back what alloc_stack returned, RDI.",
		MOVQ(memory.FreeStacks, RAX),
		MOVQ(RAX, RDI.At(0)),
		MOVQ(RDI, memory.FreeStacks),
		ADDQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
		RETURN(),
	).Takes(RDI)
}
