package prove

import (
	"slices"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/stubs"
)

// survivorsOfReturns are those of bhb, untrain, returns and ibpbexit.
var survivorsOfReturns = []survivor{
	survives("entry_SYSCALL_64", one("CALL", toOneOf("entry_untrain_ret", "clear_bhb_loop", inAlias)), runTwice, "the second time it does the same"),
	survives("entry_SYSCALL_64", one("CALL", to(inAlias)), "deleted|bit [04] of the displacement",
		"of untrain=srso-alias nothing is promised; it lands at the LFENCE there, or at a return"),
	survives("entry_SYSCALL_64.linux-6.12-zen3", one("JMP", unnamed), "bit 3 of the displacement", "it lands behind the CALL of "+inAlias+", of which nothing is promised"),
	survives(inAlias, slices.Concat(one("NOP"), one("LFENCE")), ".*", "of untrain=srso-alias nothing is promised"),
	survives("srso_untrain_ret", one("MOVQ"), "bit (3[01]|4[89]|5.|6[0-3]) of the constant",
		"30 and 31 are the scale of an index that is not there; from 48 on the bytes are behind the RET"),
	survives("srso_untrain_ret|srso_return_thunk|srso_alias_return_thunk", one("CALL"), runTwice, "the safe return does not come back to the second"),
	survives("srso_alias_safe_ret|its_return_thunk", one("INT3"), ".*", "no path comes behind the RET"),

	// The loop of bhb, for which more branches are as good.
	survives("clear_bhb_loop", one("PUSHQ", asm.RBP), register, "the other register is 0, as RBP is, which the entry has cleared"),
	survives("clear_bhb_loop", one("MOVQ", asm.RSP, asm.RBP), ".*", "nobody looks for a frame"),
	survives("clear_bhb_loop", one("MOVL", 5, asm.RCX), "bit [13-9] of the constant", "there are more turns"),
	survives("clear_bhb_inner", one("MOVL", 5, asm.RAX), "bit ([13-9]|1[01]) of the constant", "there are more turns"),
	survives("clear_bhb_inner", one("JMP", "clear_bhb_next"), "bit 0 of the displacement|"+changesPlaces, "it lands at the NOP, or behind it as before"),
	survives("clear_bhb_inner", one("JNE"), "condition is (AE|A|NS|GE|G)", "the count comes down from 5 to 0, or there is a turn more"),
	survives("clear_bhb_inner", one("RET"), "deleted", "the end of the loop pops and returns instead, and comes again behind the RETs of the other turns"),
	survives("clear_bhb_inner", one("LFENCE"), changesPlaces, "no branch comes between"),
	survives("clear_bhb_inner|"+stubs.SwitchResume+"|"+inTree, one("JMP", to("its_return_thunk")), "bit [467] of the displacement",
		"it lands at a RET of the loop, which is in an upper half too, or at the loop, which ends by the thunk"),
	survives(stubs.SwitchResume+"|"+inTree, one("JMP", to("srso_alias_return_thunk")), "bit 4 of the displacement",
		"it lands at "+inAlias+", which goes there"),
	survives("syscall_exit_to_user_mode.linux-6.12-zen2|syscall_exit_to_user_mode.linux-6.12-icelake", one("CALL"), "bit 8 of the displacement",
		"it lands at a function that returns: what the other looks at nothing sets"),
	survives("do_syscall_64.linux-6.12-zen2", one("JNE", "syscall_trace_enter"), "bit 8 of the displacement", "it lands at another UD2"),

	// The test for a guest, which never runs.
	survives(exitOfArch, one("MOVZBL", perCPU.IBPBExit, asm.RAX), "bit [0-2] of the displacement", "it is another byte of the word, which is 0"),
	survives(exitOfArch, one("TESTB", asm.RAX, asm.RAX), register, "the byte is 0, whatever it is ANDed with"),
	survives("entry_SYSCALL_64", one("JE", to("swapgs_restore_regs_and_return_to_usermode")), "bit 2 of the displacement", "it lands behind the jump and the NOPs there"),
}

const inAlias = "srso_alias_untrain_ret"
