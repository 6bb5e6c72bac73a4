package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/stubs"
)

// Functions of entry=fred.
const (
	fredFromUser = "fred_entry_from_user"
	fredCalls    = "do_syscall_64.linux-6.18+fred"
	updatesRSP0  = fredFromUser + "|" + stubs.FREDReturn + "|" + exitOfArch + ".linux-6.18+fred"
)

// rsp0Word are the instructions that touch PerCPU.FREDRSP0.
var rsp0Word = slices.Concat(one("CMPQ", perCPU.FREDRSP0, asm.RAX), one("MOVQ", asm.RAX, perCPU.FREDRSP0))

// survivorsOfFRED are those of entry=fred.
var survivorsOfFRED = []survivor{
	// The entries. What is cleared when an event of ring 0 arrives is the kernel's own:
	// nothing is promised of it.
	survives(stubs.FREDKernelEntry, one("XORL", gpr, gpr), ".*",
		"the registers are the kernel's, fred_event_kernel needs none but RDI, which is set next, and all come back from the frame"),
	survives(stubs.FREDEntry, one("XORL", asm.RSI, asm.RSI), "deleted|the width is a byte|"+register,
		"fred_entry_from_user puts the error code there first, and what is cleared twice or too late is cleared"),
	survives(stubs.FREDEntry, one("XORL", gpr, gpr), "the width is another",
		"a register less itself is 0 in both"),
	survivesBefore(fredFromUser, one("JNE", "other_event"), one("MOVL", anything, asm.RAX),
		"where the branch goes nobody looks at RAX"),

	// The answer whether SYSRETQ would do, which ERETU's path does not read: so it is in
	// Linux (do_syscall_64 returns it, and fred_other drops it).
	survives(fredCalls, slices.Concat(
		one("MOVQ", inFrame(asm.R12, inRegs.CX), asm.RCX), one("CMPQ", inFrame(asm.R12, inRegs.IP), asm.RCX),
		one("MOVQ", inFrame(asm.R12, inRegs.R11), asm.R11), one("CMPQ", inFrame(asm.R12, inRegs.Flags), asm.R11),
		one("CMPW", inFrame(asm.R12, inRegs.CS), x86.USER_CS), one("CMPW", inFrame(asm.R12, inRegs.SS), x86.USER_DS),
		one("MOVQ", layout.TaskSizeMax, asm.RDI), one("CMPQ", asm.RCX, asm.RDI),
		one("TESTQ", x86.X86_EFLAGS_RF|x86.X86_EFLAGS_TF, asm.R11),
		one("JNE|JAE", "return_by_iret"), one("MOVL", 1, asm.RAX),
	), ".*", "it is about SYSRETQ, which this variant has not: nobody reads the answer, and the registers are loaded from the frame"),
	survives(fredCalls, one("JMP", unnamed), "bit [16] of the displacement",
		"it lands among the tests for SYSRETQ, whose answer nobody reads"),

	// FRED_RSP0, which may be written in any case.
	survives(updatesRSP0, one("JE", unnamed), "deleted", "what is written then is there already"),
	survivesBefore(updatesRSP0, one("JE", unnamed), one("MOVL", anything, asm.RCX), "nobody looks at RCX where the branch goes"),
	survives(updatesRSP0, one("SHRQ", 32, asm.RDX), "bit [67] of the constant", "of the count only six bits are taken"),
	survivesBefore(updatesRSP0, one("WRMSR"), one("MOVQ", asm.RAX, perCPU.FREDRSP0), "interrupts are off: nobody sees one without the other"),
	survives(fredFromUser, slices.Concat(one("MOVQ", perCPU.Current, asm.RAX), rsp0Word), "index is R(B[XP]|1[2-5])", "that register is 0: the entry has cleared it, and fred_event_user has kept it"),
	survives(exitOfArch+".linux-6.18+fred", rsp0Word, "index is R15", "that register is 0: the entry has cleared it"),
	survives(exitOfArch+".linux-6.18+fred", one("MOVQ", perCPU.Current, asm.RAX), anyResult,
		"RAX holds the thread already, from "+inAsserts+", and the register that is loaded instead is not needed"),
	survives(exitOfArch+".linux-6.18+fred", one("LEAQ"), "base is R(CX|13)", "these hold the thread, too"),
	survives(exitOfArch+".linux-6.18+fred", one("JE", unnamed), "bit 5 of the displacement",
		"it lands behind the next offset of the kernel stack, which may be the last one, and TS_COMPAT, which nothing sets"),
	survives(exitOfCalls+".linux-6.18+fred", one("CALL", to(exitOfArch)), "bit 5 of the displacement",
		"it lands in the last byte of a JNE, which is PUSHQ RSI: what is skipped looks for what nothing sets, and the function's end pops the word into RBX, which the caller loads next"),
}
