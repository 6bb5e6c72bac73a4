package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// threadStacks gives threads their kernel stacks. In the linear map a page of
// each is missing, between the Thread and the room that the stack has: what
// runs over the stack's end meets a #DF on a stack of its own, and not the
// Thread.
func threadStacks() Program {
	const table = x86.PAGE_PRESENT | x86.PAGE_RW | x86.PAGE_ACCESSED
	return Program{Funcs: []Func{
		FUNC("alloc_thread_stack", "alloc_thread_stack is alloc_stack for a thread's stack: the page at layout.ThreadGuard is not mapped.",
			MOVQ(memory.FreeThreadStacks, RAX),
			TESTQ(RAX, RAX),
			IF(NE,
				MOVQ(RAX.At(0), RCX),
				MOVQ(RCX, memory.FreeThreadStacks),
				SUBQ(layout.ThreadSize/layout.PageSize, Sym("pages_free")),
				RETURN(),
			),
			CALL("alloc_stack"),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
			MOVQ(RAX, RBX),
			// The entry of the level that maps 2 MiB.
			MOVQ(uint64(layout.PhysMap), R8),
			LEAQ(Sym("physmap_pdpt"), RAX),
			slot(RBX, pdptShift, RCX),
			MOVQ(RAX.Index(RCX, 1), RAX),
			ANDL(pteAddr, RAX),
			ADDQ(R8, RAX),
			slot(RBX, pdShift, RCX),
			LEAQ(RAX.Index(RCX, 1), R12),
			MOVQ(R12.At(0), R9),
			TESTL(x86.PAGE_PSE, R9),
			IF(NE, // one page: from now on 512, with the same flags
				CALL("get_free_page"),
				TESTQ(RAX, RAX),
				IF(E,
					MOVQ(RBX, RDI),
					CALL("free_stack"),
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
			MOVL(R12.At(0), RAX),
			ANDL(pteAddr, RAX),
			ADDQ(R8, RAX),
			slot(RBX, ptShift, RCX),
			MOVQ(0, RAX.Index(RCX, 1).Add(8*layout.ThreadGuard/layout.PageSize)),
			INVLPG(RBX.At(layout.ThreadGuard)), // and with it the 2 MiB
			MOVQ(RBX, RAX),
			RETURN(),
		).Saving(RBX, R12),
		FUNC("free_thread_stack",
			`free_thread_stack takes back what alloc_thread_stack returned, RDI. Only other
threads can use it.`,
			MOVQ(memory.FreeThreadStacks, RAX),
			MOVQ(RAX, RDI.At(0)),
			MOVQ(RDI, memory.FreeThreadStacks),
			ADDQ(layout.ThreadSize/layout.PageSize, Sym("pages_free")),
			RETURN(),
		),
	}}
}
