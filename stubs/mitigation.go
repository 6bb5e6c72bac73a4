package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Clear is what becomes of the user's values in registers that a handler has no
// use for.
type Clear uint8

const (
	// ClearNone leaves them.
	ClearNone Clear = iota
	// ClearXor zeroes them once they are in the frame, so that no speculation
	// in the kernel runs on what the user has chosen: 4.16 on.
	ClearXor
)

// clear zeroes all registers but RDI and RAX, which the call of do_syscall_64
// needs and overwrites, in the order of Linux's CLEAR_REGS.
func (v Variant) clear() Block {
	if v.Clear != ClearXor {
		return nil
	}
	var b Block
	for _, r := range []Reg{RSI, RDX, RCX, R8, R9, R10, R11, RBX, RBP, R12, R13, R14, R15} {
		b = append(b, XORL(r, r))
	}
	return b
}

// Buffers is what the return to ring 3 leaves in the CPU's buffers.
type Buffers uint8

const (
	// BuffersKept is what was there.
	BuffersKept Buffers = iota
	// BuffersVERW is nothing of use: VERW overwrites them, between the last load
	// and the return (the mitigation of MDS: Linux 5.1.2; at this place since
	// 6.8). Without new microcode VERW is what it always was, a test of a
	// selector.
	BuffersVERW
)

// verw overwrites the buffers. GS is the user's. Changes ZF.
func (v Variant) verw() Block {
	if v.Buffers != BuffersVERW {
		return nil
	}
	return Block{VERW(Sym(verwSelector))}
}

// verwSelector is the operand of VERW; any selector that can be written does.
const verwSelector = "mds_verw_sel"

// entryData is the read-only data of the entries and exits, a page of its own
// from verwSelector to entry_rodata_end: the user's page table maps it too.
func entryData() []Data {
	sel, end := RODATA(verwSelector, uint64(x86.KERNEL_DS)), RODATA("entry_rodata_end")
	sel.Align, end.Align = layout.PageSize, layout.PageSize
	return []Data{sel, end}
}

// Branch is how the variant's indirect branches are made.
type Branch uint8

const (
	// BranchIndirect is CALL and JMP through memory, whose target the CPU
	// predicts.
	BranchIndirect Branch = iota
	// BranchRetpoline is a RET to an address that the CPU predicts to be a loop
	// (P. Turner, "Retpoline: a software construct for preventing
	// branch-target-injection"; Linux 4.15, where the compiler does it).
	BranchRetpoline
)

// retpoline is the name of the variant's thunk.
func retpoline(suffix string) string { return "__x86_indirect_thunk_rax." + suffix }

// call calls the function whose address is at to.
func (v Variant) call(to Mem, suffix string) Block {
	if v.Branch != BranchRetpoline {
		return Block{CALL(to)}
	}
	return Block{MOVQ(to, RAX), CALL(retpoline(suffix))}
}

// jump goes on at the address that is at to. Clobbers RAX.
func (v Variant) jump(to Mem, suffix string) Block {
	if v.Branch != BranchRetpoline {
		return Block{JMP(to)}
	}
	return Block{MOVQ(to, RAX), JMP(retpoline(suffix))}
}

// thunk is the functions behind call and jump.
func (v Variant) thunk(suffix string) []Func {
	if v.Branch != BranchRetpoline {
		return nil
	}
	set := "__x86_indirect_thunk_set." + suffix
	return []Func{
		FUNC(retpoline(suffix), "__x86_indirect_thunk_rax goes on at RAX.",
			CALL(set),
			LABEL("capture_speculation"), // only predicted to be returned to
			PAUSE(),
			LFENCE(),
			JMP("capture_speculation"),
		).In("entry"),
		FUNC(set, "__x86_indirect_thunk_set makes RAX its return address and returns.",
			MOVQ(RAX, RSP.At(0)),
			RET(),
		).In("entry"),
	}
}

// Landing is whether the entry begins with ENDBR64, as indirect-branch tracking
// would have it (Linux 5.18).
type Landing uint8

const (
	// LandingNone is SWAPGS at once.
	LandingNone Landing = iota
	// LandingENDBR is ENDBR64 first.
	LandingENDBR
)

func (v Variant) landing() Block {
	if v.Landing != LandingENDBR {
		return nil
	}
	return Block{ENDBR64()}
}
