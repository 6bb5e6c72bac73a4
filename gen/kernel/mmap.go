package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// Flags of mmap (Linux include/uapi/linux/mman.h, asm-generic/mman-common.h,
// arch/x86/include/uapi/asm/mman.h).
const (
	mapShared         = 0x01
	mapPrivate        = 0x02
	mapType           = 0x0f
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	map32Bit          = 0x40
	mapGrowsDown      = 0x0100
	mapLocked         = 0x2000
	mapPopulate       = 0x8000
	mapNonBlock       = 0x10000
	mapHugeTLB        = 0x40000
	mapFixedNoReplace = 0x100000
)

// Where MAP_32BIT places areas (Linux arch/x86/kernel/sys_x86_64.c).
const (
	map32Start = 0x4000_0000
	map32End   = 0x8000_0000
)

// protAll are the protection bits that an area keeps.
const protAll = layout.ProtRead | layout.ProtWrite | layout.ProtExec

// failAt names a place, by a label, at which the function returns -errno.
func failAt(label string, errno int) Block { return Block{LABEL(label), fail(errno)} }

// taskSize puts TaskSizeMax in dst.
func taskSize(dst Reg) Block { return Block{MOVQ(uint64(layout.TaskSizeMax), dst)} }

// mmap returns the system calls that make and remove areas.
func mmap() Program {
	return Program{
		Funcs: Funcs(
			sysMmap, isFree, sysMunmap, sysBrk,
		),
	}
}

func sysMmap() Func {
	addr, length, what, flags, source, sourceLen := RBX, RBP, R12, R13, R14, R15
	file := Fields[layout.File[Mem]](RAX)
	return FUNC("sys_mmap",
		`sys_mmap maps RSI bytes at or near RDI with the protection RDX and the flags
RCX: anonymous memory, or the file R8 from R9 on. Only a memfd's pages are really
shared: as there is one process, and nobody can write other files, shared and private
mappings of those look the same.`,
		MOVQ(RDI, addr),
		MOVQ(RSI, length),
		MOVL(RDX, what),
		MOVL(RCX, flags),
		ANDL(protAll, what),
		TESTL(layout.PageSize-1, R9),
		JNE("EINVAL"),
		XORL(source, source),       // source
		XORL(sourceLen, sourceLen), // and its length
		TESTL(mapAnonymous, flags),
		IF(E,
			MOVQ(R9, sourceLen),
			MOVL(R8, RDI), // an int: callers leave anything in the upper half
			CALL(fdFile),
			TESTQ(RAX, RAX),
			JE("EBADF"),
			LEAQ(Sym(memfdOps), RCX),
			CMPQ(RCX, file.Ops),
			IF(E,
				MOVQ(RAX, source),
				MOVL(layout.AreaMemFile, RCX),
			).ELSE(
				LEAQ(Sym(regularOps), RCX),
				CMPQ(RCX, file.Ops),
				JNE("ENODEV"),
				MOVQ(file.Data, source),
				MOVQ(file.Size, RCX),
				ADDQ(sourceLen, source),
				SUBQ(sourceLen, RCX),
				MOVL(0, sourceLen),
				CMOVQAE(RCX, sourceLen),
				MOVL(layout.AreaFile, RCX),
			),
			SHLQ(32, RCX),
			ORQ(RCX, what), // what the area is, above its protection
		),
		TESTQ(length, length),
		JE("EINVAL"),
		pageAlignUp(length),
		JE("ENOMEM"),
		TESTL(mapHugeTLB, flags),
		JNE("ENOMEM"), // there are no huge pages
		taskSize(R10),
		SUBQ(length, R10), // the highest possible address of the area
		JB("ENOMEM"),

		TESTL(mapFixed|mapFixedNoReplace, flags),
		IF(NE,
			CMPQ(addr, R10),
			JA("ENOMEM"),
			TESTL(layout.PageSize-1, addr),
			JNE("EINVAL"),
			TESTL(mapFixedNoReplace, flags),
			IF(NE,
				CALL(isFree),
				TESTL(RAX, RAX),
				JE("EEXIST"),
			),
		).ELSE(
			// A hint is used if there is room.
			ANDQ(pageMask, addr),
			JE("anywhere"),
			MOVL(layout.MMapMinAddr, RAX),
			CMPQ(addr, RAX),
			CMOVQB(RAX, addr),
			CMPQ(addr, R10),
			JA("anywhere"),
			CALL(isFree),
			TESTL(RAX, RAX),
			JNE("chosen"),
			LABEL("anywhere"),
			MOVQ(length, RDI),
			MOVL(layout.MMapMinAddr, RSI),
			MOVQ(uint64(layout.MMapBase), RDX),
			TESTL(map32Bit, flags),
			IF(NE,
				MOVL(map32Start, RSI),
				MOVL(uint32(map32End), RDX),
			),
			CALL(getUnmappedArea),
			TESTQ(RAX, RAX),
			IF(S, RETURN()),
			MOVQ(RAX, addr),
			LABEL("chosen"),
		),

		// The area's flags.
		XORL(R10, R10),
		TESTL(mapGrowsDown, flags),
		IF(NE, ORL(layout.AreaGrowsDown, R10)),
		MOVL(flags, RAX),
		ANDL(mapType, RAX),
		CMPL(RAX, mapPrivate),
		IF(NE,
			CMPL(RAX, mapShared),
			JNE("EINVAL"),
			TESTL(mapGrowsDown, flags),
			JNE("EINVAL"),
			BTQ(32+2, what), // layout.AreaFile
			IF(B,
				TESTL(layout.ProtWrite, what),
				JNE("EACCES"),
				ORL(layout.AreaShared, R10),
			).ELSE(ORL(layout.AreaSharedMem, R10)),
		),
		MOVQ(what, RAX),
		SHRQ(32, RAX),
		ORL(RAX, R10),
		MOVL(what, what),
		TESTL(mapLocked, flags),
		IF(NE, ORL(layout.AreaLocked, R10)),
		ORQ(memory.Own.LockFuture, R10),
		ANDL(^layout.AreaOnFault, R10),

		roomForAreas(2, "ENOMEM"),
		PUSHQ(R10),
		TESTL(mapFixed, flags),
		IF(NE,
			MOVQ(addr, RDI),
			LEAQ(addr.Index(length, 1), RSI),
			CALL(unmapRange),
		),
		POPQ(RCX),
		MOVQ(addr, RDI),
		LEAQ(addr.Index(length, 1), RSI),
		MOVQ(what, RDX),
		MOVQ(source, R8),
		MOVQ(sourceLen, R9),
		CALL(insertArea),
		// It is not an error if pages cannot be made now: they come when touched.
		TESTL(mapLocked, flags),
		JNE("populate"),
		ANDL(mapPopulate|mapNonBlock, flags),
		CMPL(flags, mapPopulate),
		JE("populate"),
		CMPQ(memory.Own.LockFuture, layout.AreaLocked),
		JE("populate"),
		MOVQ(addr, RAX),
		RETURN(),
		LABEL("populate"),
		MOVQ(addr, RDI),
		LEAQ(addr.Index(length, 1), RSI),
		MOVL(1, RDX),
		CALL(populateRange),
		MOVQ(addr, RAX),
		RETURN(),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
		failAt("EBADF", EBADF),
		failAt("ENODEV", ENODEV),
		failAt("EEXIST", EEXIST),
		failAt("EACCES", EACCES),
	).Saving(RBX, RBP, R12, R13, R14, R15).Takes(RDI, RSI, RDX, RCX, R8, R9).Returns(RAX)
}

func isFree() Func {
	addr, length := RBX, RBP
	return FUNC("is_free", "is_free returns 1 if there is no area in the RBP bytes at RBX, else 0. Clobbers RCX, RDI.",
		MOVQ(addr, RDI),
		CALL(findArea),
		LEAQ(addr.Index(length, 1), RCX),
		CMPQ(RCX, area(RAX).Start),
		IF(A, returns(0)),
		returns(1),
	).Takes(RBX, RBP).Returns(RAX)
}

func sysMunmap() Func {
	return FUNC("sys_munmap", "sys_munmap removes the mappings in the RSI bytes at RDI.",
		TESTL(layout.PageSize-1, RDI),
		JNE("EINVAL"),
		taskSize(RAX),
		SUBQ(RDI, RAX),
		JB("EINVAL"),
		CMPQ(RSI, RAX),
		JA("EINVAL"),
		pageAlignUp(RSI),
		JE("EINVAL"),
		ADDQ(RDI, RSI),
		// Whole areas can always be given back; cutting one needs room.
		CALL(findArea),
		CMPQ(area(RAX).Start, RDI),
		JB("cut"),
		XCHGQ(RDI, RSI),
		CALL(findArea),
		XCHGQ(RDI, RSI),
		CMPQ(area(RAX).Start, RSI),
		JB("cut"),
		LABEL("unmap"),
		CALL(unmapRange),
		XORL(RAX, RAX),
		RETURN(),
		LABEL("cut"),
		roomForAreas(2, "ENOMEM"),
		JMP("unmap"),
		failAt("EINVAL", EINVAL),
		failAt("ENOMEM", ENOMEM),
	).Takes(RDI, RSI).Returns(RAX)
}

func sysBrk() Func {
	brk, end, start := RBX, R12, R13
	return FUNC("sys_brk",
		`sys_brk moves the end of the heap to RDI if possible, and returns the end.`,
		MOVQ(RDI, brk),
		CMPQ(RDI, memory.Own.BrkStart),
		JB("out"),
		taskSize(RAX),
		CMPQ(RDI, RAX),
		JA("out"),
		roomForAreas(2, "out"),
		pageAlignUp(RDI),
		MOVQ(memory.Own.Brk, RSI),
		pageAlignUp(RSI),
		CMPQ(RDI, RSI),
		JE("done"),
		IF(B,
			CALL(unmapRange),
			JMP("done"),
		),
		MOVQ(RDI, end),
		MOVQ(RSI, start),
		MOVQ(RSI, RDI),
		CALL(findArea),
		LEAQ(end.At(layout.PageSize), RCX), // a page between it and the next area, as in Linux
		CMPQ(RCX, area(RAX).Start),
		JA("out"),
		MOVQ(start, RDI),
		MOVQ(end, RSI),
		MOVL(layout.ProtRead|layout.ProtWrite, RDX),
		MOVL(memory.Own.LockFuture, RCX),
		ANDL(^layout.AreaOnFault, RCX),
		XORL(R8, R8),
		XORL(R9, R9),
		CALL(insertArea),
		CMPQ(memory.Own.LockFuture, layout.AreaLocked),
		IF(E,
			MOVQ(start, RDI),
			MOVQ(end, RSI),
			MOVL(1, RDX),
			CALL(populateRange),
		),
		LABEL("done"),
		MOVQ(brk, memory.Own.Brk),
		LABEL("out"),
		MOVQ(memory.Own.Brk, RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
}
