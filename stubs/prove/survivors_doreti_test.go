package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// Functions of each preset with slow=doreti.
var (
	inFastSyscall  = ofPresets(stubs.Entry, stubs.SlowDoreti)
	inAMD64Syscall = ofPresets("amd64_syscall", stubs.SlowDoreti)
	inAST          = ofPresets("ast", stubs.SlowDoreti)
	inDoreti       = ofPresets("doreti", stubs.SlowDoreti)
)

// anyCondition is a change of a conditional jump's condition.
const anyCondition = "condition is .*"

// survivorsOfDoreti are those of slow=doreti.
var survivorsOfDoreti = []survivor{
	// The words that nobody reads.
	survives(inFastSyscall, slices.Concat(one("MOVW"), one("MOVQ", layout.SyscallSize, onStack), one("MOVL", layout.TrapHasSegs, onStack)),
		"deleted|the width is .*|bit .* of the (constant|displacement)|"+changesPlaces+"|"+runTwice, "nothing reads these words of the trapframe, nor those that a change reaches"),
	survivesBefore(inFastSyscall, one("MOVQ", asm.R11, onStack), one("MOVW"), "neither needs the other"),
	survives(inFastSyscall, one("CLD"), "deleted|"+changesPlaces, "MSR_SYSCALL_MASK has cleared DF already"),
	// Flags of the PCB.
	survives(inFastSyscall, one("ANDL", ^layout.PCBFullIRET, ofThread(inThread.PCBFlags)), "bit [1-7] of the constant|the width is another|"+changesPlaces+"|"+runTwice, "there is no other flag than PCB_FULL_IRET, and an interrupt does not look at it"),
	survives(inAMD64Syscall+"|"+inAST+"|stub_rt_sigreturn|stub_execve|stub_execveat|stub_set_frame", one("ORL", layout.PCBFullIRET, ofThread(inThread.PCBFlags)), "bit [1-7] of the constant|base is RBX|"+changesPlaces+"|"+runTwice,
		"there is no other flag than PCB_FULL_IRET; RBX is the thread in amd64_syscall"),
	// The frame.
	survives(inFastSyscall, one("MOVQ", asm.RSP, ofThread(inThread.Frame)), "base is R11|"+changesPlaces, "R11 is the thread still, and nothing reads the word before the call"),
	survives(inAMD64Syscall, slices.Concat(one("MOVQ", ofThread(inThread.Frame), asm.RBP), one("TESTL", layout.TIFEntryWork, ofThread(inThread.Flags))), "base is R(DI|11)", "the register is the thread still"),
	survives(inAMD64Syscall, one("MOVQ", asm.RDI, asm.RBX), "register is R11", "the register is the thread still"),
	survives(inAMD64Syscall, one("MOVQ", anything, asm.RAX), anyResult+"|the width is .*|"+changesPlaces, "RAX holds the number still, the user's or what syscall_trace_enter returns; of RIP, who changes ip sets PCB_FULL_IRET, too"),
	// Tests whose outcome others have seen to.
	survives(inAMD64Syscall, slices.Concat(one("SHRQ"), one("JNE", "set_full_iret")), ".*", "who changes ip sets PCB_FULL_IRET, too"),
	survives(inAMD64Syscall, one("MOVQ", anything, asm.RAX), "bit .* of the displacement", "who changes ip sets PCB_FULL_IRET, too"),
	survives(inAMD64Syscall, slices.Concat(one("JNE", "single_step"), one("JNE", "trace_enter"), one("JNE", "trace_leave")), anyCondition+"|"+changesPlaces, "TF and TIFEntryWork are tested alone: the condition is the same, or the instructions do not need each other"),
	survives(inAMD64Syscall, one("MOVL|TESTL"), "the width is .*", "TF is the one bit that can be set"),
	survives(inAMD64Syscall, one("JMP", "syscallret"), "bit .* of the displacement", "it lands before the same tests, or in front of them"),
	survives(inAMD64Syscall, one("POPQ"), "register is R.*|"+changesPlaces, "the entry keeps the user's registers in the frame, and doreti loads them from there"),
	survives(inAMD64Syscall, slices.Concat(one("JA", "set_retval"), one("CALL", to("syscall_trace_enter"))), changesPlaces, "what changes places does not need the other"),
	survivesBefore(inAMD64Syscall, one("MOVQ", -layout.ENOSYS, anything), one("TESTL"), "MOV changes no flag, and the tracer's test no slot"),
	// The work.
	survives(inFastSyscall+"|"+inDoreti, one("TESTL", layout.TIFAllWork, ofThread(inThread.Flags)), "bit .* of the constant", "a flag that nothing sets or, with bit 8, a tracer's: ast finds no work, and the proof does not say that the looking ends"),
	survives(inFastSyscall, slices.Concat(one("JNE", "ast_scheduled"), one("JNE", "full_iret")), anyCondition+"|bit .* of the displacement", "the operand's other bits, by which the conditions differ, are clear, or doreti looks for work, too"),
	survives(inFastSyscall, one("MOVQ", perCPU.Current, asm.RAX), anyResult+"|the width is .*|"+changesPlaces, "RAX holds the thread already"),
	survives(inFastSyscall+"|"+inDoreti, slices.Concat(one("CALL", to("ast")), one("JMP", "syscall_return"), one("STI")), "deleted|"+changesPlaces+"|"+runTwice, "work that is left undone is looked for again: that this ends is not proved; deleted in front of a jump to doreti, that does the work"),
	survives(inFastSyscall+"|"+inDoreti, one("CLI"), "deleted|"+changesPlaces, "interrupts are off already, or the load before does not need them off"),
	survivesBefore(inDoreti, one("MOVQ"), one("CLI"), "neither needs the other"),
	survivesBefore(inDoreti, one("SWAPGS"), one("ADDQ"), "neither needs the other"),
	survivesBefore(inFastSyscall, one("MOVQ", onStack, asm.RSP), one("SWAPGS"), "interrupts are off, and neither needs the other"),
	survives(inDoreti, one("JE", "doreti_exit"), "deleted|"+anyCondition, "ast finds no work then: that the looking ends is not proved"),
	survives(inAST, slices.Concat(one("TESTL"), one("JE"), one("MOVL"), one("CALL")), ".*", "work that is not done is looked for again: that this ends is not proved; work that is done without need is refused"),
}
