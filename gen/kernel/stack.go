package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// stackDirectory makes RAX the address of the entry that maps the 2 MiB around the
// stack RBX, and R8 PhysMap. Clobbers RCX.
func stackDirectory() Block {
	return Block{
		MOVQ(uint64(layout.PhysMap), R8),
		LEAQ(Sym(physmapPdpt), RAX),
		slot(RBX, pdptShift, RCX),
		MOVQ(RAX.Index(RCX, 1), RAX),
		tableOf(),
		slot(RBX, pdShift, RCX),
		ADDQ(RCX, RAX),
	}
}

// stackGuard goes on from there, the 2 MiB being single pages, to the guard page's
// entry.
func stackGuard() Block {
	return Block{
		MOVL(RAX.At(0), RAX),
		tableOf(),
		slot(RBX, ptShift, RCX),
		LEAQ(RAX.Index(RCX, 1).Add(8*layout.ThreadGuard/layout.PageSize), RAX),
	}
}

// threadStacks gives threads their kernel stacks. In the linear map a page of
// each is missing, between the Thread and the room that the stack has: what
// runs over the stack's end meets a #DF on a stack of its own, and not the
// Thread. The idle thread's stack, which is in the kernel's image, has that page
// from startup_64 on.
func threadStacks() Program {
	return Program{
		Funcs: Funcs(
			allocThreadStack, freeThreadStack, breakStack,
		),
	}
}

func allocThreadStack() Func {
	const table = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_ACCESSED
	return FUNC("alloc_thread_stack", "alloc_thread_stack is alloc_stack for a thread's stack: the page at layout.ThreadGuard is not mapped.",
		MOVQ(memory.FreeThreadStacks, RAX),
		TESTQ(RAX, RAX),
		IF(NE,
			MOVQ(RAX.At(0), RCX),
			MOVQ(RCX, memory.FreeThreadStacks),
			SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
			RETURN(),
		),
		CALL(allocStack),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, RBX),
		stackDirectory(),
		MOVQ(RAX, R12),
		MOVQ(R12.At(0), R9),
		TESTL(x86.PAGE_PSE, R9),
		IF(NE, // one page: from now on 512, with the same flags
			CALL(getFreePage),
			TESTQ(RAX, RAX),
			IF(E,
				MOVQ(RBX, RDI),
				CALL(freeStack),
				XORL(RAX, RAX),
				RETURN(),
			),
			XORQ(x86.PAGE_PSE, R9),
			XORL(RCX, RCX),
			DO(
				MOVQ(R9, RAX.Index(RCX, 8)),
				ADDQ(layout.PageSize, R9),
				INCL(RCX),
				CMPL(RCX, 512),
			).WHILE(B),
			MOVL(RAX, RAX), // PhysMap is a multiple of 4 GiB
			ORL(table, RAX),
			MOVQ(RAX, R12.At(0)),
		),
		MOVQ(R12, RAX),
		stackGuard(),
		MOVQ(0, RAX.At(0)),
		INVLPG(RBX.At(layout.ThreadGuard)), // and with it the 2 MiB
		MOVQ(RBX, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func freeThreadStack() Func {
	return FUNC("free_thread_stack",
		`free_thread_stack takes back what alloc_thread_stack returned, RDI. It is for
other threads, and for break_stack.`,
		MOVQ(memory.FreeThreadStacks, RAX),
		MOVQ(RAX, RDI.At(0)),
		MOVQ(RDI, memory.FreeThreadStacks),
		ADDQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)),
		RETURN(),
	).Takes(RDI)
}

func breakStack() Func {
	return FUNC("break_stack",
		`break_stack makes pages of a free stack, of either kind. ZF is set if there is
none. Keeps all registers but RAX, RCX, RDX.`,
		PUSHQ(RBX),
		PUSHQ(RDI),
		PUSHQ(R8),
		MOVQ(memory.FreeStacks, RBX),
		TESTQ(RBX, RBX),
		IF(NE,
			MOVQ(RBX.At(0), RCX),
			MOVQ(RCX, memory.FreeStacks),
		).ELSE(
			MOVQ(memory.FreeThreadStacks, RBX),
			TESTQ(RBX, RBX),
			JE("none"),
			MOVQ(RBX.At(0), RCX),
			MOVQ(RCX, memory.FreeThreadStacks),
			stackDirectory(),
			stackGuard(),
			MOVQ(RAX.At(8), RCX), // the page behind it has the same flags
			SUBQ(layout.PageSize, RCX),
			MOVQ(RCX, RAX.At(0)),
		),
		SUBQ(layout.ThreadSize/layout.PageSize, Sym(pagesFree)), // they were counted before
		LEAQ(RBX.At(layout.ThreadSize), RDI),
		DO(
			SUBQ(layout.PageSize, RDI),
			CALL(freePage),
			CMPQ(RDI, RBX),
		).WHILE(NE),
		TESTQ(RBX, RBX),
		LABEL("none"),
		POPQ(R8),
		POPQ(RDI),
		POPQ(RBX),
		RETURN(),
	).Takes().Returns(FLAGS).Keeps(RSI, R8, R9, R10)
}
