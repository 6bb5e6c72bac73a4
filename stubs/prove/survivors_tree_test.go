package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Functions of dispatch=tree and exitwork=called.
const (
	inSyscall = "do_syscall_64"
	inExits   = exitOfCalls + "|syscall_exit_to_user_mode_prepare|" + exitOfArch
	inAsserts = "fpregs_assert_state_consistent"
	inTree    = inSyscall + "|" + inExits + "|" + inAsserts
)

// everything is all instructions.
var everything = likes{func(asm.Ins) bool { return true }}

// ofThread matches a word of a thread that a register points to.
func ofThread(slots ...asm.Slot) func(any) bool {
	return func(operand any) bool {
		m, ok := operand.(asm.Mem)
		return ok && m.Base() != asm.RSP && slices.ContainsFunc(slots, func(s asm.Slot) bool { return m.Disp() == s.Off })
	}
}

var inThread = asm.Slots[layout.Thread[asm.Slot]]()

// survivorsOfTree are those of 6.12's C part: much of what it does is for what the
// kernel here does not have, or for what a CPU runs ahead, of which the proof says
// nothing.
var survivorsOfTree = []survivor{
	// What is off.
	survives("entry_SYSCALL_64|"+inTree, one("JMP", unnamed), "deleted", "it goes to the next instruction"),
	survives("entry_SYSCALL_64", one("JMP", unnamed), "bit [0-2] of the displacement", "it lands in or behind the NOPs behind it"),
	survives("entry_SYSCALL_64|"+inTree, one("NOP"), changesPlaces, "a NOP does nothing"),
	survivesBefore("entry_SYSCALL_64|"+inTree, everything, one("NOP"), "a NOP does nothing"),
	survives("entry_SYSCALL_64", one("CALL", to(inSyscall)), "bit 0 of the displacement", "it lands behind the NOP there"),

	// Registers that C functions keep.
	survives(inSyscall, one("PUSHQ|POPQ", gpr), "deleted|"+changesPlaces+"|"+runTwice+"|"+register,
		"RSP comes back from RBP, and the entry loads all registers from the frame"),
	survives(inExits, one("PUSHQ|POPQ", gpr), changesPlaces+"|"+register,
		"the caller needs none of these any more, but to load others: the entry loads all registers from the frame"),
	survives(inTree, slices.Concat(touching(asm.R12), touching(asm.GS), one("MOVQ", ofThread(inThread.SyscallWork, inThread.Flags), gpr)), "index is R(AX|CX|DX|8|9|1[0-5])|base is R13",
		"a register that the entry has cleared is 0; R13 holds the thread still"),
	survives(inTree, one("MOVQ|MOVL", gpr, gpr), register+"|the width is another",
		"the other register holds the same word still, or nobody needs what is moved"),
	survives(inTree, one("MOVQ", ofThread(inThread.SyscallWork, inThread.Flags), gpr), "the width is (another|a byte)",
		"all bits that are looked at are among the lowest"),

	// A call's number, and its mask, which is for what the CPU runs ahead.
	survives(inSyscall, one("MOVSLQ", asm.RBX, asm.R14), "register is R(AX|SI)", "these hold the number still"),
	survives(inSyscall, one("CMPL", asm.R14, layout.SysCallMax), "register is R(AX|BX|SI)|the width is another", "these hold the number still, and its upper half is its sign"),
	survives(inSyscall, slices.Concat(one("CMPL", asm.RSI, layout.SysCallMax+1), one("SBBQ"), one("ANDL", asm.RCX, asm.RSI)), ".*",
		"the number is in the table, so that the mask, which is of ones, changes nothing"),
	survives(inSyscall, slices.Concat(one("MOVL", asm.R14, asm.RSI), one("MOVQ", asm.R12, asm.RDI)), anyResult+"|the width is a byte|"+changesPlaces,
		"RSI holds the number still, RDI the frame, and the other register is not needed"),
	survives(inSyscall, one("JA", "no_such_call"), "bit [01] of the displacement", "it lands at the comparison there, or behind it"),
	survives(inSyscall, slices.Concat(one("CMPL", asm.R14, -1), one("JE", "syscall_return")), ".*",
		"both ways leave -ENOSYS in ax, where the entry has put it, or what a tracer has: both are taken for right"),
	survives(inSyscall, one("MOVQ", -38, ofThread(inRegs.AX)), ".*", "the entry has put the same there"),
	survives(inSyscall, one("JMP", "syscall_return"), "bit 1 of the displacement", "it lands at the move of RDI, or behind it: RDI is the frame still"),
	survives(inSyscall, one("TESTL", layout.SyscallWorkEnter, asm.RDX), "bit 6 of the constant", "that bit is never set: syscall_trace_enter does nothing then"),
	survives(inSyscall, one("JNE", "return_by_iret"), "bit 1 of the displacement", "it lands behind the XORL there: RAX is 0 still"),
	survives(inSyscall, one("XORL", asm.RAX, asm.RAX), "deleted|"+register, "RAX is 0 still, as syscall_exit_to_user_mode has left it"),

	// kstack=rdtsc: any offset up to 1008 that is a multiple of 16 is right.
	survives(inSyscall, slices.Concat(one("MOVL", ofThread(inThread.KStackOffset), asm.RCX), one("LEAQ", asm.RSP.At(15), asm.RCX), one("ANDQ", -16, asm.RCX)), ".*",
		"the offset is any number, and nobody uses the room"),
	survives(inSyscall, one("ANDL", layout.KStackMask, asm.RCX), "bit [4-9] of the constant", "the offset is smaller, or the same"),
	survives(inSyscall, one("SUBQ", asm.RCX, asm.RSP), "deleted|"+register+"|the width is .*", "the offset is another one, or 0; a register that changes is not needed"),
	survives(exitOfArch, slices.Concat(one("MOVL", ofThread(inThread.KStackOffset), asm.RCX), one("RORL"), one("RDTSC"), one("XORL", asm.RAX, asm.RCX)), ".*",
		"the next offset is any number, and a register that changes is not needed"),
	survives(exitOfArch, one("MOVL", asm.RCX, ofThread(inThread.KStackOffset)), anyResult+"|the width is a byte|"+changesPlaces+"|bit [0-2] of the displacement",
		"the next offset is any number; behind it there is room up to the next word"),

	// exitwork=called: work that nothing asks for here.
	survives(inExits, one("CALL", toOneOf("syscall_exit_to_user_mode_prepare", inAsserts)), "deleted|bit 7 of the displacement|"+changesPlaces+"|"+runTwice,
		"it only looks, at what nothing sets; where it lands instead all is as it was"),
	survives(exitOfCalls, one("CALL", to(exitOfArch)), "deleted|"+changesPlaces, "what it looks at nothing sets, and the next offset may be the last one"),
	survives(exitOfArch, one("JNE", "arch_exit_work"), ".*", "nothing sets the flags that are looked at, and SYSRETQ is not far: of what is skipped nothing is needed"),
	survives(exitOfArch, slices.Concat(one("TESTL", layout.TIFUserReturnNotify, asm.RBX), one("TESTL", layout.TIFIOBitmap, asm.RBX), one("TESTL", layout.TIFNeedFPULoad, asm.RBX)), "deleted|"+changesPlaces+"|"+register+"|bit .* of the constant",
		"the register has no such bit: nothing sets these flags, and of the others no work is left"),
	survives(exitOfArch, one("ANDL", ^layout.TSCompat, anything), "deleted|base is R.*|"+runTwice, "nothing sets TS_COMPAT: there is no 32-bit code; the other register points to the thread too"),
	survives("syscall_exit_to_user_mode_prepare", one("JNE", "syscall_exit_work"), "condition is A|"+changesPlaces,
		"the TESTL before it clears CF, so that A is NE; what is popped is not needed"),
	survives("syscall_exit_to_user_mode_prepare", one("TESTL", layout.SyscallWorkExit, asm.RBP), anotherAsks, anotherAsksWhy),
	survives(exitOfCalls, slices.Concat(one("XORL", regOf(asm.RAX, asm.RDX), gpr), one("MOVL", 1, asm.RCX)), "deleted|the width is a byte|"+register+"|bit .* of the constant",
		"nothing is divided, and of RAX the entry looks at AL alone, which do_syscall_64 sets"),
	survives(exitOfCalls, one("JNE", "exit_work_loop"), "condition is A", "the TEST before it clears CF, so that A is NE"),
	survives(exitOfCalls, one("JMP", "no_work_left"), "bit [03] of the displacement", "it lands at the flags again, or in front of the pops"),
	survives(inAsserts, one("TESTL|JNE|CMPQ|CMPL|UD2"), ".*", "it is an assertion: it holds, and nothing depends on it"),

	// The entry.
	survives("entry_SYSCALL_64", one("JE", to("swapgs_restore_regs_and_return_to_usermode")), "bit 1 of the displacement|condition is (P|LE)",
		"it lands behind the jump there; do_syscall_64 answers 0 or 1, and of 1 these are false"),
	survives("entry_SYSCALL_64", one("JNE", to("native_iret")), "condition is (NO|AE|NS|GE)", "always true behind TESTB, as the frame is ring 3's"),
	survives("entry_SYSCALL_64", one("UD2"), "deleted", "the frame is ring 3's"),
	survives("entry_SYSCALL_64", one("XORL", asm.RSI, asm.RSI), "the width is a byte", "the number is put in RSI next"),
	survives("entry_SYSCALL_64", one("SHRQ", 32, asm.RDX), runTwice, "SPEC_CTRL has nothing in its upper half"),

	// rsb=filled.
	survives(stubs.SwitchTo, one("DECL"), "the width is .*", "the count is small"),
	survives(stubs.SwitchTo, one("JNE", "fill_return_buffer"), "condition is NS|"+changesPlaces, "it goes round once more, or LFENCE comes a turn earlier: execution is the same"),
	survives(stubs.SwitchTo, one("LFENCE"), changesPlaces, "no RET comes between"),
	survives(stubs.SwitchTo, one("MOVL", 16, asm.R12), "bit ([0-3]|[5-9]|1[0-3]) of the constant", "there are more turns than are needed"),
}

// unnamed reports whether an operand is the target of a branch without a label: over what
// is off.
func unnamed(operand any) bool {
	switch operand.(type) {
	case string, asm.Reg, asm.Mem:
		return false
	}
	return true
}

// toOneOf matches the target of a branch to one of some labels.
func toOneOf(labels ...string) func(any) bool {
	return func(operand any) bool {
		return slices.ContainsFunc(labels, func(label string) bool { return to(label)(operand) })
	}
}
