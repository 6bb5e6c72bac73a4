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

// failAt is a label at which the function returns -errno.
func failAt(label string, errno int) Block { return Block{LABEL(label), fail(errno)} }

// taskSize puts TaskSizeMax in dst.
func taskSize(dst Reg) Block { return Block{MOVQ(uint64(layout.TaskSizeMax), dst)} }

// mmap is the system calls that make and remove areas.
func mmap() Program {
	return Program{
		Funcs: Funcs(
			sysMmap, isFree, sysMunmap, sysBrk,
		),
	}
}

func sysMmap() Func {
	file := Fields[layout.File[Mem]](RAX)
	return FUNC("sys_mmap",
		`sys_mmap maps RSI bytes at or near RDI with the protection RDX and the flags
RCX: anonymous memory, or the file R8 from R9 on. Only a memfd's pages are shared
with it: with one process and other files that nobody can write, nothing tells
shared from private.`,
		MOVQ(RDI, RBX),
		MOVQ(RSI, RBP),
		MOVL(RDX, R12),
		MOVL(RCX, R13),
		ANDL(protAll, R12),
		TESTL(layout.PageSize-1, R9),
		JNE("EINVAL"),
		XORL(R14, R14), // source
		XORL(R15, R15), // and its length
		TESTL(mapAnonymous, R13),
		IF(E,
			MOVQ(R9, R15),
			MOVL(R8, RDI), // an int: callers leave anything in the upper half
			CALL(fdFile),
			TESTQ(RAX, RAX),
			JE("EBADF"),
			LEAQ(Sym(memfdOps), RCX),
			CMPQ(RCX, file.Ops),
			IF(E,
				MOVQ(RAX, R14),
				MOVL(layout.AreaMemFile, RCX),
			).ELSE(
				LEAQ(Sym(regularOps), RCX),
				CMPQ(RCX, file.Ops),
				JNE("ENODEV"),
				MOVQ(file.Data, R14),
				MOVQ(file.Size, RCX),
				ADDQ(R15, R14),
				SUBQ(R15, RCX),
				MOVL(0, R15),
				CMOVQAE(RCX, R15),
				MOVL(layout.AreaFile, RCX),
			),
			SHLQ(32, RCX),
			ORQ(RCX, R12), // what the area is, above its protection
		),
		TESTQ(RBP, RBP),
		JE("EINVAL"),
		pageAlignUp(RBP),
		JE("ENOMEM"),
		TESTL(mapHugeTLB, R13),
		JNE("ENOMEM"), // there are no huge pages
		taskSize(R10),
		SUBQ(RBP, R10), // the highest address that the area can have
		JB("ENOMEM"),

		TESTL(mapFixed|mapFixedNoReplace, R13),
		IF(NE,
			CMPQ(RBX, R10),
			JA("ENOMEM"),
			TESTL(layout.PageSize-1, RBX),
			JNE("EINVAL"),
			TESTL(mapFixedNoReplace, R13),
			IF(NE,
				CALL(isFree),
				TESTL(RAX, RAX),
				JE("EEXIST"),
			),
		).ELSE(
			// A hint is taken if there is room.
			ANDQ(pageMask, RBX),
			JE("anywhere"),
			MOVL(layout.MMapMinAddr, RAX),
			CMPQ(RBX, RAX),
			CMOVQB(RAX, RBX),
			CMPQ(RBX, R10),
			JA("anywhere"),
			CALL(isFree),
			TESTL(RAX, RAX),
			JNE("chosen"),
			LABEL("anywhere"),
			MOVQ(RBP, RDI),
			MOVL(layout.MMapMinAddr, RSI),
			MOVQ(uint64(layout.MMapBase), RDX),
			TESTL(map32Bit, R13),
			IF(NE,
				MOVL(map32Start, RSI),
				MOVL(uint32(map32End), RDX),
			),
			CALL(getUnmappedArea),
			TESTQ(RAX, RAX),
			IF(S, RETURN()),
			MOVQ(RAX, RBX),
			LABEL("chosen"),
		),

		// What the area's flags become.
		XORL(R10, R10),
		TESTL(mapGrowsDown, R13),
		IF(NE, ORL(layout.AreaGrowsDown, R10)),
		MOVL(R13, RAX),
		ANDL(mapType, RAX),
		CMPL(RAX, mapPrivate),
		IF(NE,
			CMPL(RAX, mapShared),
			JNE("EINVAL"),
			TESTL(mapGrowsDown, R13),
			JNE("EINVAL"),
			BTQ(32+2, R12), // layout.AreaFile
			IF(B,
				TESTL(layout.ProtWrite, R12),
				JNE("EACCES"),
				ORL(layout.AreaShared, R10),
			).ELSE(ORL(layout.AreaSharedMem, R10)),
		),
		MOVQ(R12, RAX),
		SHRQ(32, RAX),
		ORL(RAX, R10),
		MOVL(R12, R12),
		TESTL(mapLocked, R13),
		IF(NE, ORL(layout.AreaLocked, R10)),
		ORQ(memory.LockFuture, R10),
		ANDL(^layout.AreaOnFault, R10),

		roomForAreas(2, "ENOMEM"),
		PUSHQ(R10),
		TESTL(mapFixed, R13),
		IF(NE,
			MOVQ(RBX, RDI),
			LEAQ(RBX.Index(RBP, 1), RSI),
			CALL(unmapRange),
		),
		POPQ(RCX),
		MOVQ(RBX, RDI),
		LEAQ(RBX.Index(RBP, 1), RSI),
		MOVQ(R12, RDX),
		MOVQ(R14, R8),
		MOVQ(R15, R9),
		CALL(insertArea),
		// That pages cannot be made now is no error: they come when touched.
		TESTL(mapLocked, R13),
		JNE("populate"),
		ANDL(mapPopulate|mapNonBlock, R13),
		CMPL(R13, mapPopulate),
		JE("populate"),
		CMPQ(memory.LockFuture, layout.AreaLocked),
		JE("populate"),
		MOVQ(RBX, RAX),
		RETURN(),
		LABEL("populate"),
		MOVQ(RBX, RDI),
		LEAQ(RBX.Index(RBP, 1), RSI),
		MOVL(1, RDX),
		CALL(populateRange),
		MOVQ(RBX, RAX),
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
	return FUNC("is_free", "is_free returns 1 if there is no area in the RBP bytes at RBX, else 0. Clobbers RCX, RDI.",
		MOVQ(RBX, RDI),
		CALL(findArea),
		LEAQ(RBX.Index(RBP, 1), RCX),
		CMPQ(RCX, area(RAX).Start),
		IF(A, returns(0)),
		returns(1),
	).Takes(RBX, RBP).Returns(RAX)
}

func sysMunmap() Func {
	return FUNC("sys_munmap", "sys_munmap removes what is mapped in the RSI bytes at RDI.",
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
		// Whole areas can always be given back; what cuts one needs room.
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
	return FUNC("sys_brk",
		`sys_brk moves the end of the heap to RDI if that can be done, and returns where
it is.`,
		MOVQ(RDI, RBX),
		CMPQ(RDI, memory.BrkStart),
		JB("out"),
		taskSize(RAX),
		CMPQ(RDI, RAX),
		JA("out"),
		roomForAreas(2, "out"),
		pageAlignUp(RDI),
		MOVQ(memory.Brk, RSI),
		pageAlignUp(RSI),
		CMPQ(RDI, RSI),
		JE("done"),
		IF(B,
			CALL(unmapRange),
			JMP("done"),
		),
		MOVQ(RDI, R12),
		MOVQ(RSI, R13),
		MOVQ(RSI, RDI),
		CALL(findArea),
		LEAQ(R12.At(layout.PageSize), RCX), // a page between it and the next, as in Linux
		CMPQ(RCX, area(RAX).Start),
		JA("out"),
		MOVQ(R13, RDI),
		MOVQ(R12, RSI),
		MOVL(layout.ProtRead|layout.ProtWrite, RDX),
		MOVL(memory.LockFuture, RCX),
		ANDL(^layout.AreaOnFault, RCX),
		XORL(R8, R8),
		XORL(R9, R9),
		CALL(insertArea),
		CMPQ(memory.LockFuture, layout.AreaLocked),
		IF(E,
			MOVQ(R13, RDI),
			MOVQ(R12, RSI),
			MOVL(1, RDX),
			CALL(populateRange),
		),
		LABEL("done"),
		MOVQ(RBX, memory.Brk),
		LABEL("out"),
		MOVQ(memory.Brk, RAX),
		RETURN(),
	).Saving(RBX, R12, R13).Takes(RDI).Returns(RAX)
}
