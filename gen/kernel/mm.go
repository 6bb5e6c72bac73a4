package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// mm gives the fields of the MM that r points to.
func mm(r Reg) *layout.MM[Mem] { return Fields[layout.MM[Mem]](r) }

// mmOffset is the offset of an address space's MM in its memory: after the
// top-level tables. The memory is as large as a stack and has its alignment.
const mmOffset = layout.PGDPages * layout.PageSize

// space gives the fields of the Space that r points to.
func space(r Reg) *layout.Space[Mem] { return Fields[layout.Space[Mem]](r) }

// addressSpaces makes, loads, synchronises and frees the address spaces.
// A thread's lives as long as the thread; the idle thread's is init_mm.
func addressSpaces() Program {
	return Program{
		Funcs: Funcs(
			switchMM, spaceLoad, setPgd, sysOwnMM, mmAlloc, mmPut,
		),
		Data: []Data{
			initMMData, initSpace, spaceCache,
		},
	}
}

var initMMData = BSS("init_mm", SizeOf[layout.MM[Mem]](), 64)

var initSpace = BSS("init_space", SizeOf[layout.Space[Mem]](), 64)

var spaceCache = slabCache("space_cache", SizeOf[layout.Space[Mem]]())

func switchMM() Func {
	next := thread(RSI)
	return FUNC("switch_mm",
		`switch_mm loads the address space of the thread RSI. The write of CR3 drops all
of the user's translations, so no other address space has any in the TLB, and
pages that are unmapped or protected while it is not loaded need no flush in it. All
take turns at one PCID, and the user's translations are marked to be dropped too.
Threads of one process that have address spaces of their own share all else.
Keeps RDI, RSI. IF is 0.`,
		MOVQ(next.MM, RAX),
		MOVQ(mm(RAX).PGD, RAX),
		MOVQ(RAX, CR3),
		markUserFlush(),
		INCQ(sched.MMSwitches),
		MOVQ(next.Process, RAX),
		CMPQ(RAX, gs.Process),
		IF(NE, JMP(processLoad)),
		RETURN(),
	).Takes(RSI).Keeps(RDI, RSI)
}

func spaceLoad() Func {
	words := SizeOf[layout.SpaceWords[Mem]]() / 8
	kept := space(RCX).Loaded.AreaRoot
	from := space(RAX).Loaded.AreaRoot
	exchange := Block{}
	for i := range words {
		at := memory.Own.AreaRoot.Add(8 * i)
		exchange = append(exchange,
			MOVQ(at, RDX),
			MOVQ(RDX, kept.Add(8*i)),
			MOVQ(from.Add(8*i), RDX),
			MOVQ(RDX, at),
		)
	}
	return FUNC("space_load", "space_load makes memory's words those of the Space RAX. Clobbers only RCX, RDX.",
		MOVQ(memory.Space, RCX),
		MOVQ(RAX, memory.Space),
		exchange,
		RETURN(),
	).Takes(RAX).Keeps(RAX, RDI, RSI, R8, R9, R10)
}

func setPgd() Func {
	linked := mm(RDX)
	return FUNC("set_pgd",
		`set_pgd stores the entry RCX in the top-level tables of all MMs of the loaded Space,
the kernel's and the user's; RSI points to it in one of them. R8 is PhysMap.
Clobbers only RSI, RDX, R10.`,
		ANDL(layout.PageSize-1, RSI),
		LEAQ(Sym(initMMData), RDX),
		DO(
			MOVQ(memory.Space, R10),
			CMPQ(R10, linked.Space),
			IF(E,
				MOVQ(linked.PGD, R10),
				ADDQ(R8, R10),
				MOVQ(RCX, R10.Index(RSI, 1)),
				MOVQ(RCX, R10.Index(RSI, 1).Add(layout.PageSize)), // the user's
			),
			MOVQ(linked.Next, RDX),
			TESTQ(RDX, RDX),
		).WHILE(NE),
		RETURN(),
	).Takes(RSI, RCX, R8).Keeps(RDI, R8, RAX)
}

func sysOwnMM() Func {
	madePtr, selfPtr := RBX, R12
	self := thread(selfPtr)
	return FUNC("sys_own_mm", "sys_own_mm is layout.SysOwnMM.",
		MOVL(1, RDI),
		CALL(mmAlloc),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		MOVQ(RAX, madePtr),
		MOVQ(gs.Current, selfPtr),
		MOVQ(self.MM, RDI),
		MOVQ(madePtr, self.MM),
		MOVQ(mm(madePtr).PGD, RAX),
		MOVQ(RAX, CR3),
		markUserFlush(),
		CALL(mmPut),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func mmAlloc() Func {
	lower := RBX
	made := mm(RAX)
	linked := mm(RDX)
	const half = layout.PageSize / 2
	return FUNC("mm_alloc",
		`mm_alloc returns a new MM with one user, which belongs to the loaded Space, or 0 if there
is no memory for it. The upper half of its tables is a copy of the current thread's; if EDI
is 1 the lower one is, too, else that is empty.`,
		MOVL(RDI, lower),
		CALL(allocStack),
		TESTQ(RAX, RAX),
		IF(E, RETURN()),
		MOVQ(RAX, RDI),
		MOVQ(uint64(layout.PhysMap), R8),
		MOVQ(gs.Current, RSI),
		MOVQ(thread(RSI).MM, RSI),
		MOVQ(mm(RSI).PGD, RSI),
		ADDQ(R8, RSI),
		TESTL(lower, lower),
		IF(NE,
			MOVL(mmOffset/8, RCX),
			REP(MOVSQ()),
		).ELSE(
			MOVQ(RAX, RDX),
			XORL(RAX, RAX),
			MOVL(layout.PGDPages, lower),
			DO(
				MOVL(half/8, RCX),
				REP(STOSQ()),
				ADDQ(half, RSI),
				MOVL(half/8, RCX),
				REP(MOVSQ()),
				DECL(lower),
			).WHILE(NE),
			MOVQ(RDX, RAX),
		),
		MOVQ(RAX, RCX),
		SUBQ(R8, RCX),
		ADDQ(mmOffset, RAX),
		MOVQ(RCX, made.PGD),
		MOVQ(1, made.Users),
		MOVQ(memory.Space, RDX),
		MOVQ(RDX, made.Space),
		INCQ(space(RDX).MMs),
		LEAQ(Sym(initMMData), RDX),
		MOVQ(linked.Next, RCX),
		MOVQ(RCX, made.Next),
		MOVQ(RAX, linked.Next),
		RETURN(),
	).Saving(RBX).Takes(RDI).Returns(RAX)
}

func mmPut() Func {
	oldPtr := RBX
	old := mm(oldPtr)
	linked := mm(RDX)
	return FUNC("mm_put",
		`mm_put takes a user from the address space RDI, which is freed with its last one, and
its Space with the last MM. Neither is loaded at that point.`,
		MOVQ(RDI, oldPtr),
		DECQ(old.Users),
		IF(NE, RETURN()),
		LEAQ(Sym(initMMData), RDX),
		LOOP( // RDX: the previous one
			CMPQ(oldPtr, linked.Next),
			BREAK(E),
			MOVQ(linked.Next, RDX),
		),
		MOVQ(old.Next, RAX),
		MOVQ(RAX, linked.Next),
		MOVQ(old.Space, RSI),
		DECQ(space(RSI).MMs),
		IF(E,
			LEAQ(Sym(spaceCache), RDI),
			CALL(slabFree),
		),
		LEAQ(oldPtr.At(-mmOffset), RDI),
		CALL(freeStack),
		RETURN(),
	).Saving(RBX).Takes(RDI)
}
