package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// slabCache returns a cache for objects of size bytes; slab_alloc takes the address of its
// name.
func slabCache(name string, size int) Data {
	if size%8 != 0 || size > layout.PageSize-slabHeader {
		panic("kernel: " + name + ": objects are multiples of 8 bytes that fit a page")
	}
	return DATA(name, uint64(size), uint64(0), uint64(0))
}

var slabHeader = SizeOf[layout.SlabPage[Mem]]()

// slabLink puts the page RCX at the head of the partial list. Clobbers RDX.
func slabLink() Block {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	page := Fields[layout.SlabPage[Mem]](RCX)
	other := Fields[layout.SlabPage[Mem]](RDX)
	return Block{
		MOVQ(0, page.Prev),
		MOVQ(cache.Partial, RDX),
		MOVQ(RDX, page.Next),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RCX, other.Prev)),
		MOVQ(RCX, cache.Partial),
	}
}

// slabUnlink takes the page RCX off the partial list. Clobbers RAX, RDX.
func slabUnlink() Block {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	page := Fields[layout.SlabPage[Mem]](RCX)
	other := Fields[layout.SlabPage[Mem]](RDX)
	return Block{
		MOVQ(page.Next, RAX),
		MOVQ(page.Prev, RDX),
		TESTQ(RDX, RDX),
		IF(NE, MOVQ(RAX, other.Next)).ELSE(MOVQ(RAX, cache.Partial)),
		TESTQ(RAX, RAX),
		IF(NE, MOVQ(RDX, Fields[layout.SlabPage[Mem]](RAX).Prev)),
	}
}

// slabs hands out the kernel's small objects. A page whose objects are all free
// goes back to the page allocator.
func slabs() Program {
	return Program{
		Funcs: Funcs(
			slabAlloc, slabGrow, slabFree, slabReserve,
		),
	}
}

func slabAlloc() Func {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	page := Fields[layout.SlabPage[Mem]](RCX)
	return FUNC("slab_alloc",
		`slab_alloc returns an object of the SlabCache RDI with any contents, or 0 if
there is no memory for one. Keeps RDI, RSI.`,
		CMPQ(cache.Partial, 0),
		IF(E,
			CALL(slabGrow),
			TESTQ(RAX, RAX),
			IF(E, RETURN()),
		),
		MOVQ(cache.Partial, RCX),
		MOVQ(page.Free, R8),
		MOVQ(R8.At(0), RAX),
		MOVQ(RAX, page.Free),
		INCQ(page.Used),
		DECQ(cache.Free),
		TESTQ(RAX, RAX),
		IF(E, slabUnlink()),
		MOVQ(R8, RAX),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RSI)
}

func slabGrow() Func {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	page := Fields[layout.SlabPage[Mem]](RCX)
	return FUNC("slab_grow",
		`slab_grow gives the SlabCache RDI another page. Returns 0 if there is none. Keeps
RDI, RSI.`,
		PUSHQ(RDI),
		CALL(getFreePage),
		POPQ(RDI),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, RCX),
		MOVQ(0, page.Used),
		slabLink(),
		// All its objects become free, the first of them the first to be handed out.
		LEAQ(page.Free, RDX), // where the next object's address goes
		LEAQ(RCX.At(slabHeader), R8),
		ADDQ(layout.PageSize, RCX),
		LOOP(
			MOVQ(R8, R9),
			ADDQ(cache.Size, R9),
			CMPQ(R9, RCX),
			BREAK(A),
			MOVQ(R8, RDX.At(0)),
			INCQ(cache.Free),
			MOVQ(R8, RDX),
			MOVQ(R9, R8),
		),
		MOVQ(0, RDX.At(0)),
		RETURN(),
	).Takes(RDI).Returns(RAX).Keeps(RDI, RSI, R10)
}

func slabFree() Func {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	page := Fields[layout.SlabPage[Mem]](RCX)
	return FUNC("slab_free", "slab_free takes back the object RSI of the SlabCache RDI. Keeps RDI.",
		MOVQ(RSI, RCX),
		ANDQ(pageMask, RCX),
		MOVQ(page.Free, RAX),
		MOVQ(RAX, RSI.At(0)),
		MOVQ(RSI, page.Free),
		TESTQ(RAX, RAX),
		IF(E, slabLink()), // it was full
		INCQ(cache.Free),
		DECQ(page.Used),
		IF(NE, RETURN()),
		slabUnlink(),
		// How many objects the page has.
		MOVL(layout.PageSize-slabHeader, RAX),
		XORL(RDX, RDX),
		DIVQ(cache.Size),
		SUBQ(RAX, cache.Free),
		PUSHQ(RDI),
		MOVQ(RCX, RDI),
		CALL(freePage),
		POPQ(RDI),
		RETURN(),
	).Takes(RDI, RSI)
}

func slabReserve() Func {
	cache := Fields[layout.SlabCache[Mem]](RDI)
	return FUNC("slab_reserve",
		`slab_reserve makes sure that the next RAX calls of slab_alloc for the SlabCache
RDI succeed. RAX is less than the number of objects in a page. It sets CF if
there is too little memory. Keeps all registers except RAX.`,
		CMPQ(RAX, cache.Free),
		IF(BE, CLC(), RETURN()),
		CMPQ(Sym(pagesFree), layout.ReservePages),
		IF(BE, STC(), RETURN()),
		PUSHQ(RCX),
		PUSHQ(RDX),
		PUSHQ(R8),
		PUSHQ(R9),
		CALL(slabGrow),
		POPQ(R9),
		POPQ(R8),
		POPQ(RDX),
		POPQ(RCX),
		CMPQ(RAX, 1), // CF if it is 0
		RETURN(),
	).Takes(RDI, RAX).Returns(FLAGS).Keeps(RDI, RSI, RDX, R8, R9, R10)
}
