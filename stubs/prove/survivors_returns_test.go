package prove

import (
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/stubs"
)

// rbpDead is why clear_bhb_loop may change RBP.
const rbpDead = "nobody reads RBP, nor a register that the entry has cleared, before it is loaded from the frame"

// survivorsOfReturns are those of bhb, untrain, returns and ibpbexit.
var survivorsOfReturns = []survivor{
	survives("entry_SYSCALL_64", one("CALL", toOneOf("entry_untrain_ret", "clear_bhb_loop", inAlias)), runTwice, "the second time it does the same"),
	survives("entry_SYSCALL_64", one("CALL", to(inAlias)), "deleted|bit [04] of the displacement",
		"of untrain=srso-alias nothing is promised; it lands at the LFENCE there, or at a return"),
	survives("entry_SYSCALL_64.linux-6.12-zen3|entry_SYSCALL_64.linux-7.0-zen3", one("JMP", unnamed), "bit 3 of the displacement", "it lands behind the CALL of "+inAlias+", of which nothing is promised"),
	survives(inAlias, slices.Concat(one("NOP"), one("LFENCE")), ".*", "of untrain=srso-alias nothing is promised"),
	survives("srso_untrain_ret", one("MOVQ"), "bit (3[01]|4[89]|5.|6[0-3]) of the constant",
		"30 and 31 are the scale of an index that is not there; from 48 on the bytes are behind the RET"),
	survives("srso_alias_safe_ret|its_return_thunk", one("INT3"), ".*", "no path comes behind the RET"),

	// The loop of bhb, for which more branches are as good.
	survives("clear_bhb_loop", one("PUSHQ", asm.RBP), register, "the other register is 0, as RBP is, which the entry has cleared"),
	survives("clear_bhb_loop", one("MOVQ", asm.RSP, asm.RBP), ".*", "nobody looks for a frame"),
	survivesBefore("clear_bhb_loop", one("PUSHQ", asm.RBP), one("MOVQ", asm.RSP, asm.RBP), rbpDead),
	survives("clear_bhb_inner", one("POPQ", asm.RBP), "register is R[ABCD]X", rbpDead),
	survives("clear_bhb_loop", one("MOVL", 5, asm.RCX), "bit [13-9] of the constant", "there are more turns"),
	survives("clear_bhb_inner", one("MOVL", 5, asm.RAX), "bit ([13-9]|1[01]) of the constant", "there are more turns"),
	survives("clear_bhb_inner", one("JMP", "clear_bhb_next"), "bit 0 of the displacement|"+changesPlaces, "it lands at the NOP, or behind it as before"),
	survives("clear_bhb_inner", one("JNE"), "condition is (AE|A|NS|GE|G)", "the count comes down from 5 to 0, or there is a turn more"),
	survives("clear_bhb_inner", one("RET"), "deleted", "the end of the loop pops and returns instead, and comes again behind the RETs of the other turns"),
	survives("clear_bhb_inner", one("LFENCE"), changesPlaces, "no branch comes between"),
	survives("clear_bhb_inner|"+stubs.SwitchTo+"|"+inTree, one("JMP", to("its_return_thunk")), "bit [467] of the displacement",
		"it lands at a RET of the loop, which is in an upper half too, or at the loop, which ends by the thunk"),
	survives(stubs.SwitchTo+"|"+inTree, one("JMP", to("srso_alias_return_thunk")), "bit 4 of the displacement",
		"it lands at "+inAlias+", which goes there"),
	survivesLanding(inTree, one("JMP", to("srso_return_thunk")), atStartOf(inAsserts, "entry_untrain_ret"), "it lands at a function that returns by the same thunk, and looks at what nothing sets or forgets once more what was learnt of RETs"),

	// exitwork=tests.
	survives(inlined, one("TESTL", layout.SyscallWorkExit, asm.RDX), anotherAsks, anotherAsksWhy),
	survives(inlined, slices.Concat(one("TESTQ", asm.RAX, asm.RAX), one("JNE", "arch_exit_work")), ".*", "both ways go on but for flags that nothing sets"),
	survives(inlined, slices.Concat(one("TESTL", layout.TIFNever, asm.RAX), one("JE", "arch_exit_work_done")), "deleted|condition is (NO|AE|NS|P|GE)|bit .* of the (constant|displacement)",
		"nothing sets these flags; it lands at the NOP there or behind it"),
	survives(inlined, one("ANDL", ^layout.TSCompat, anything), "deleted|the width is another|"+runTwice, "nothing sets TS_COMPAT: there is no 32-bit code"),
	survives(inlined, slices.Concat(one("RORL"), one("RDTSC"), one("XORL", asm.RAX, asm.RCX)), ".*", "the next offset is any number, and a register that changes is not needed"),
	survives(inlined, one("MOVL", asm.RCX, ofThread(inThread.KStackOffset)), anyResult+"|the width is (another|a byte)|"+changesPlaces+"|bit [0-2] of the displacement",
		"the next offset is any number; behind it there is room up to the next word"),
	survives(inlined, slices.Concat(one("XORL", asm.RDX, asm.RDX), one("MOVL", 1, asm.RCX)), "deleted|the width is a byte|"+register+"|bit .* of the constant",
		"nothing is divided, and a register that changes is not needed"),
	survives(inlined, one("JMP", unnamed), "bit 0 of the displacement", "it lands behind the NOP there"),
	survives(inlined, one("JMP", "syscall_return"), "bit [024] of the displacement", "it lands before the CLI, at or behind tests for what nothing sets"),
	survives(inlined, one("MOVQ", ofThread(inThread.Flags), asm.RAX), "base is RBP", "the word there is 0: no work is left"),
	survives(inlined, one("JMP", "no_work_left"), "deleted|bit [046] of the displacement", "no work is left, and what is looked at next nothing sets"),

	// Zircon's.
	survives("entry_SYSCALL_64.zircon", one("JNE", to("int_ret_from_sys_call_irqs_off")), "bit 0 of the displacement", "it lands at the CLI there"),
	survives("entry_SYSCALL_64.zircon", one("TESTL", layout.TIFAllWork, anything), "bit 8 of the constant", "that is TIFEntryWork: the slow path takes such a call too"),
	survives(inSyscall, one("CALL", "x64_sys_call"), "bit 4 of the displacement", "it lands at x64_sys_call_switch, which does the same"),
	survives("__x86_indirect_thunk_rax", one("PAUSE"), changesPlaces, "it is never executed"),

	// The test for a guest, which never runs.
	survives(exitOfArch+"|"+inlined, one("MOVZBL", perCPU.IBPBExit, asm.RAX), "bit [0-2] of the displacement", "it is another byte of the word, which is 0"),
	survives(exitOfArch+"|"+inlined, one("TESTB", asm.RAX, asm.RAX), register, "the byte is 0, whatever it is ANDed with"),
	survivesWith(inlined, one("JNE", "syscall_exit_work"), "deleted|condition is (O|B|A|S|NP|L|G)|bit .* of the displacement", one("NOP"), "the byte is 0: no guest has run, so that these are false"),
	survives("entry_SYSCALL_64", one("JE", to("swapgs_restore_regs_and_return_to_usermode")), "bit 2 of the displacement", "it lands behind the jump and the NOPs there"),
}

// anotherAsks are the bits of SyscallWorkEnter that SyscallWorkExit has not.
const (
	anotherAsks    = "bit [03] of the constant"
	anotherAsksWhy = "a call that was looked at where it began may be where it ends"
)

// survivorsOfTracing are those of what a tracer's calls go through.
var survivorsOfTracing = []survivor{
	survives("syscall_exit_to_user_mode_prepare", one("MOVQ", asm.RBX, asm.RDI), anyResult+"|the width is a byte|"+changesPlaces, "RDI is the frame still, and no other register that is loaded is needed"),
	survives("syscall_exit_to_user_mode_prepare", one("MOVQ", asm.RDI, asm.RBX), "deleted|source and destination change places|the width is a byte", "the caller has put the frame in RBX, too"),
	survivesWith("do_syscall_64", one("MOVQ", asm.RBX, asm.RDI), anyResult+"|the width is a byte|"+changesPlaces, one("CALL", "syscall_trace_enter"), "RDI is the frame still, and no other register that is loaded is needed"),
	survives(inlined, one("TESTL", layout.TIFAllWork, asm.RAX), "bit 8 of the constant", "that is TIFEntryWork: exit_to_user_mode_loop finds no work for it"),
	survivesBefore("tracesys_phase2", one("MOVQ", inFrame(asm.RSP, inRegs.R9), asm.R9), one("STI"), "an interrupt keeps the register"),
	survives("tracesys_phase1.zircon", one("MOVQ", onStack, asm.RAX), "register is R(BX|BP|1[2-5])", "the number is loaded into RAX next, and what is loaded instead is in the frame"),
	survives(exitOfCalls, one("TESTL", layout.TIFAllWork, asm.RBP), "bit 8 of the constant", "that is TIFEntryWork: exit_to_user_mode_loop finds no work for it"),
	survives("tracesys_phase1", one("MOVQ", onStack, asm.RAX), "deleted|register is R(AX|CX|DX|SI|DI|11)|bit .* of the displacement|the width is .*", "the number is loaded into RAX next, and what is loaded instead is loaded behind it, or is free here"),
	survives("entry_SYSCALL_64", one("CALL", to("tracesys_phase1")), "deleted", "ZF is clear, as it is if there is a tracer, of whom the second phase takes care"),
	survivesLanding("entry_SYSCALL_64", one("CALL", to("tracesys_phase1")), atRET, "ZF is clear, as it is if there is a tracer, of whom the second phase takes care"),
}

// inlined is do_syscall_64 of each preset with exitwork=tests.
var inlined = ofPresets(inSyscall, stubs.ExitWorkTests)

// drawing is do_syscall_64 of each preset with kstack=called and exitwork=checked, draws the
// function that it calls for a random number.
var (
	drawing = ofPresets(inSyscall, stubs.KStackCalled)
	draws   = ofPresets("prandom_u32_state", stubs.KStackCalled)
)

// survivorsOfDrawing are those of kstack=called and exitwork=checked.
var survivorsOfDrawing = []survivor{
	survives(draws, one("RET"), "deleted", "the function behind it only looks, and returns"),
	survives(draws, everything, ".*", "the number is any number for the proof; TestKStackRandom says which, and a register that changes is not needed"),
	survives(drawing, slices.Concat(one("ANDL", layout.KStackMask, asm.RAX), one("LEAQ", asm.RSP.At(15), asm.RAX), one("ANDQ", -16, asm.RAX), one("SUBQ", asm.RAX, asm.RSP)),
		"deleted|the width is .*|(register|base|index) is R.*|bit .* of the (constant|displacement)|"+changesPlaces, "the offset is any number, and nobody uses the room"),
	survives(drawing, one("JE", "thread_waits"), "deleted|condition is .*|bit [03] of the displacement", "whether a thread that waits is let run is not proved"),
	survives(drawing, one("CALL", "preempt_schedule"), "deleted|"+changesPlaces+"|"+runTwice, "whether a thread that waits is let run is not proved"),
	survives(drawing, touching(asm.RBP), anyResult+"|the width is a byte|bit .* of the displacement|"+changesPlaces,
		"behind prandom_u32_state RSI holds the number still; behind preempt_schedule the offset is any number"),
	survives(drawing, one("CALL", to("prandom_u32_state")), "deleted|bit [2-5] of the displacement|"+runTwice, "the number is any number, and the generator's state too"),
	survives(drawing, slices.Concat(one("INCL", perCPU.PreemptCount), one("DECL", perCPU.PreemptCount)), "the width is a byte|"+changesPlaces, "the count's bits above are 0, but the highest, which neither changes"),
	survives(drawing, one("MOVQ", perCPU.Self, asm.RAX), "index is R1[45]", "the register is 0: the entry has cleared it"),
	survives(drawing, slices.Concat(one("CMPL", asm.RSI, layout.SysCallMax), one("MOVL", gpr, gpr), one("MOVQ", gpr, gpr)), anyResult+"|the width is .*|"+changesPlaces,
		"the other register holds the same word still, or nobody needs what is moved"),
	survives(drawing, one("TESTB", layout.SyscallWorkExit, asm.RDX), anotherAsks, anotherAsksWhy),
	survives(drawing, one("TESTB", layout.SyscallWorkEnter, asm.RDX), "bit 6 of the constant", "that bit is never set: syscall_trace_enter does nothing then"),
	survives(drawing, one("TESTL", layout.TIFNever, asm.RBX), "bit .* of the constant", "of what is looked at nothing is set"),
	survives(drawing, one("TESTL", layout.TIFAllWork, asm.RBX), "bit 8 of the constant", "that is TIFEntryWork: exit_to_user_mode_loop finds no work for it"),
	survives(drawing, slices.Concat(one("TESTQ"), one("JNE", "arch_exit_work"), one("JNE", "exit_never"), one("JE", "arch_exit_work_done")),
		"deleted|the width is .*|register is R.*|condition is .*|bit .* of the displacement|"+changesPlaces, "of what is looked at nothing is set"),
	survives(drawing, slices.Concat(touching(asm.R13), one("CALL", to(inAsserts)), one("ADDQ", layout.ThreadSize, asm.RAX)),
		"deleted|the width is another|base is RBP|bit .* of the (constant|displacement)|"+changesPlaces+"|"+runTwice, "what it looks at nothing sets, and what it computes nobody needs"),
	survives(drawing, one("MOVL", 1, asm.RCX), "deleted|register is R.*|bit .* of the constant", "what it sets nobody needs"),
	survives(drawing, slices.Concat(one("JMP", "no_work_left"), one("JMP", "syscall_return"), one("JMP", unnamed), one("JAE", "return_by_iret")), "deleted|bit .* of the displacement",
		"it lands before the same work, or in front of tests for what nothing sets"),
	survives(drawing, one("SUBQ", 16, asm.RSP), "bit .* of the constant|"+runTwice, "the stack below is free"),
	survives(drawing, one("SETE", asm.RAX), ".*", "IRETQ takes any frame"),
	survives(ofPresets(inAsserts, stubs.ExitWorkChecked), everything, ".*", "it is an assertion: it holds, and nothing depends on it"),
}

// ofPresets returns the names of a function in the presets that have a value of an axis.
func ofPresets(function string, value stubs.Value) string {
	var names []string
	for _, p := range stubs.Presets() {
		if p.Axes.Is(value) {
			names = append(names, p.FuncName(function))
		}
	}
	return strings.Join(names, "|")
}

const inAlias = "srso_alias_untrain_ret"
