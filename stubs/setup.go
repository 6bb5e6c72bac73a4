package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/x86"
)

// syscallInit returns the function that the kernel calls when the variant is selected.
func (v Axes) syscallInit(suffix string) Func {
	if v.Is(EntryFRED) {
		return v.fredInit(suffix)
	}
	return FUNC(FuncName(SyscallInit, suffix), `syscall_init makes SYSCALL enter by this variant: the selectors, the address,
the flags that it clears, and EFER.SCE, which enables it (SDM volume 3, 5.8.8).
Clobbers RAX, RCX and RDX. IF is 0.`,
		v.writeStar(),
		MOVL(uint32(x86.MSR_LSTAR), RCX).C("LSTAR"),
		LEAQ(Sym(FuncName(Entry, suffix)), RAX),
		MOVQ(RAX, RDX),
		SHRQ(32, RDX),
		WRMSR(),
		MOVL(uint32(x86.MSR_SYSCALL_MASK), RCX).C("SFMASK"),
		MOVL(uint32(v.SFMask()), RAX),
		XORL(RDX, RDX),
		WRMSR(),
		enableSYSCALL(),
		v.setBHIDisS(),
		RET(),
	)
}

func (v Axes) writeStar() Block {
	return Block{
		MOVL(uint32(x86.MSR_STAR), RCX).C("STAR"),
		XORL(RAX, RAX),
		MOVL(uint32(v.Star()>>32), RDX),
		WRMSR(),
	}
}

func enableSYSCALL() Block {
	return Block{
		MOVL(uint32(x86.MSR_EFER), RCX).C("EFER"),
		RDMSR(),
		ORL(x86.EFER_SCE, RAX),
		WRMSR(),
	}
}
