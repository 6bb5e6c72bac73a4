package kernel

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// mm gives the fields of the MM that r points to.
func mm(r Reg) layout.MM[Mem] { return Fields[layout.MM[Mem]](r) }

// mmOffset is the offset of an address space's MM in its memory: after the
// top-level tables. The memory is as large as a stack and has its alignment.
const mmOffset = layout.PGDPages * layout.PageSize

// addressSpaces makes, loads, synchronises and frees the address spaces.
// A thread's lives as long as the thread; the idle thread's is init_mm.
func addressSpaces() Program {
	return Program{
		Funcs: Funcs(
			switchMM, setPgd, sysOwnMM, mmPut,
		),
		Data: []Data{
			initMMData,
		},
	}
}

var initMMData = BSS("init_mm", SizeOf[layout.MM[Mem]](), 64)

func switchMM() Func {
	next := thread(RSI)
	return FUNC("switch_mm",
		`switch_mm loads the address space of the thread RSI. The write of CR3 drops all
of the user's translations, so no other address space has any in the TLB, and
pages that are unmapped or protected while it is not loaded need no flush in it. All
take turns at one PCID, and the user's translations are marked to be dropped too.
Keeps RDI, RSI. IF is 0.`,
		MOVQ(next.MM, RAX),
		MOVQ(mm(RAX).PGD, RAX),
		MOVQ(RAX, CR3),
		markUserFlush(),
		INCQ(sched.MMSwitches),
		RETURN(),
	).Takes(RSI).Keeps(RDI, RSI)
}

func setPgd() Func {
	linked := mm(RDX)
	return FUNC("set_pgd",
		`set_pgd stores the entry RCX in the top-level tables of all address spaces, the
kernel's and the user's; RSI points to it in one of them. R8 is PhysMap.
Clobbers only RSI, RDX, R10.`,
		ANDL(layout.PageSize-1, RSI),
		LEAQ(Sym(initMMData), RDX),
		DO(
			MOVQ(linked.PGD, R10),
			ADDQ(R8, R10),
			MOVQ(RCX, R10.Index(RSI, 1)),
			MOVQ(RCX, R10.Index(RSI, 1).Add(layout.PageSize)), // the user's
			MOVQ(linked.Next, RDX),
			TESTQ(RDX, RDX),
		).WHILE(NE),
		RETURN(),
	).Takes(RSI, RCX, R8).Keeps(RDI, R8, RAX)
}

func sysOwnMM() Func {
	madePtr, selfPtr := RBX, R12
	self := thread(selfPtr)
	made := mm(madePtr)
	linked := mm(RDX)
	return FUNC("sys_own_mm", "sys_own_mm is layout.SysOwnMM.",
		CALL(allocStack),
		TESTQ(RAX, RAX),
		IF(E, fail(ENOMEM)),
		LEAQ(RAX.At(mmOffset), madePtr),
		MOVQ(gs.Current, selfPtr),
		MOVQ(RAX, RDI), // the new tables are a copy of the old ones
		MOVQ(uint64(layout.PhysMap), R8),
		MOVQ(self.MM, RSI),
		MOVQ(mm(RSI).PGD, RSI),
		ADDQ(R8, RSI),
		MOVL(mmOffset/8, RCX),
		REP(MOVSQ()),
		SUBQ(R8, RAX),
		MOVQ(RAX, made.PGD),
		MOVQ(1, made.Users),
		LEAQ(Sym(initMMData), RDX),
		MOVQ(linked.Next, RCX),
		MOVQ(RCX, made.Next),
		MOVQ(madePtr, linked.Next),
		MOVQ(self.MM, RDI),
		MOVQ(madePtr, self.MM),
		MOVQ(RAX, CR3),
		markUserFlush(),
		CALL(mmPut),
		XORL(RAX, RAX),
		RETURN(),
	).Saving(RBX, R12).Takes().Returns(RAX)
}

func mmPut() Func {
	old := mm(RDI)
	linked := mm(RDX)
	return FUNC("mm_put",
		`mm_put takes a user from the address space RDI, which is freed with its last one. It
is not loaded at that point.`,
		DECQ(old.Users),
		IF(NE, RETURN()),
		LEAQ(Sym(initMMData), RDX),
		LOOP( // RDX: the previous one
			CMPQ(RDI, linked.Next),
			BREAK(E),
			MOVQ(linked.Next, RDX),
		),
		MOVQ(old.Next, RAX),
		MOVQ(RAX, linked.Next),
		SUBQ(mmOffset, RDI),
		JMP(freeStack),
	).Takes(RDI)
}
