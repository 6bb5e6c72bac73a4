package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// stackDirectory sets RAX to the address of the entry that maps the 2 MiB around a
// stack, and R8 to PhysMap. Clobbers RCX.
func stackDirectory(stack Reg) Block {
	return Block{
		MOVQ(uint64(layout.PhysMap), R8),
		LEAQ(Sym(physmapPdpt), RAX),
		slot(stack, pdptShift, RCX),
		MOVQ(RAX.Index(RCX, 1), RAX),
		tableOf(),
		slot(stack, pdShift, RCX),
		ADDQ(RCX, RAX),
	}
}

// stackGuard continues from there, once the 2 MiB are single pages, to the guard page's
// entry.
func stackGuard(stack Reg) Block {
	return Block{
		MOVQ(RAX.At(0), RAX),
		tableOf(),
		slot(stack, ptShift, RCX),
		LEAQ(RAX.Index(RCX, 1).Add(8*layout.ThreadGuard/layout.PageSize), RAX),
	}
}

// threadStacks gives threads their kernel stacks. In the linear map one page of
// each is missing, between the Thread and the stack's room: an overflow
// raises a #DF, on its own stack, and does not overwrite the
// Thread. The idle thread's stack, which is in the kernel's image, lacks that page
// from startup_64 on.
func threadStacks() Program {
	return Program{
		Funcs: Funcs(
			allocThreadStack, freeThreadStack, breakStack,
		),
	}
}

func allocThreadStack() Func {
	stack, entry := RBX, R12
	const table = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_ACCESSED
	return FUNC("alloc_thread_stack", "alloc_thread_stack is alloc_stack for a thread's stack: the page at layout.ThreadGuard is not mapped.",
		MOVQ(memory.FreeThreadStacks, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			CMPQ(Sym(pagesFree), layout.ThreadSize/layout.PageSize),
			IF(B, returns(0)),
			MOVQ(RAX.At(0), RCX),
			MOVQ(RCX, memory.FreeThreadStacks),
			SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
			RETURN(),
		),
		CALL(allocStack),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, stack),
		stackDirectory(stack),
		MOVQ(RAX, entry),
		MOVQ(entry.At(0), R9),
		TESTL(x86.PAGE_PSE, R9),
		IF(NE, // one large page: from now on 512 pages, with the same flags
			keepPage(getFreePage),
			XORQ(x86.PAGE_PSE, R9),
			XORL(RCX, RCX),
			DO(
				MOVQ(R9, RAX.Index(RCX, 8)),
				ADDQ(layout.PageSize, R9),
				INCL(RCX),
				CMPL(RCX, 512),
			).WHILE(B),
			SUBQ(R8, RAX),
			ORQ(table, RAX),
			MOVQ(RAX, entry.At(0)),
		),
		MOVQ(entry, RAX),
		stackGuard(stack),
		MOVQ(0, RAX.At(0)),
		INVLPG(stack.At(layout.ThreadGuard)), // drops the 2 MiB as well
		MOVQ(stack, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func freeThreadStack() Func {
	return FUNC("free_thread_stack",
		`free_thread_stack takes back a stack that alloc_thread_stack returned, RDI. It is for
other threads, and for break_stack.`,
		MOVQ(memory.FreeThreadStacks, RAX),
		MOVQ(RAX, RDI.At(0)),
		MOVQ(RDI, memory.FreeThreadStacks),
		ADDQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
		RETURN(),
	).Takes(RDI)
}

func breakStack() Func {
	stack := RBX
	return FUNC("break_stack",
		`break_stack turns a free stack, of either kind, into pages. ZF is set if there is
none. Keeps all registers except RAX, RCX, RDX.`,
		PUSHQ(stack),
		PUSHQ(RDI),
		PUSHQ(R8),
		MOVQ(memory.FreeStacks, stack),
		TESTQ(stack, stack),
		IF(NE,
			MOVQ(stack.At(0), RCX),
			MOVQ(RCX, memory.FreeStacks),
		).ELSE(
			MOVQ(memory.FreeThreadStacks, stack),
			TESTQ(stack, stack),
			JE("none"),
			MOVQ(stack.At(0), RCX),
			MOVQ(RCX, memory.FreeThreadStacks),
			stackDirectory(stack),
			stackGuard(stack),
			MOVQ(RAX.At(8), RCX), // the next page has the same flags
			SUBQ(layout.PageSize, RCX),
			MOVQ(RCX, RAX.At(0)),
		),
		SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)), // they were counted before
		LEAQ(stack.At(layout.ThreadSize), RDI),
		DO(
			SUBQ(layout.PageSize, RDI),
			CALL(freePage),
			CMPQ(RDI, stack),
		).WHILE(NE),
		TESTQ(stack, stack),
		LABEL("none"),
		POPQ(R8),
		POPQ(RDI),
		POPQ(stack),
		RETURN(),
	).Takes().Returns(FLAGS).Keeps(RSI, R8, R9, R10)
}
