package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis ibpbexit.
const (
	IBPBExitNone   Value = "ibpbexit=none"
	IBPBExitTested Value = "ibpbexit=tested"
)

var _ = Register(Axis{
	Name: "ibpbexit", Rank: 390,
	Of: ExitWorkCalled, Or: []Value{ExitWorkTests, ExitWorkChecked}, OfWhy: "the test is in arch_exit_to_user_mode_prepare",
	Doc: "whether the exit keeps a hypervisor in ring 3 from what its guest has taught the CPU of branches (VMSCAPE)",
	Values: []Choice{
		{Value: IBPBExitNone, Since: "Linux 3.19", Doc: "it does not"},
		{
			// Linux 6.12: arch/x86/include/asm/entry-common.h,
			// arch_exit_to_user_mode_prepare (x86_ibpb_exit_to_user).
			Value: IBPBExitTested, Since: "Linux 6.17",
			Doc: "it looks whether a guest has run since the last exit, and if so writes IBPB. The kernel here has no guests: the test is what each call pays, and behind it is no write",
		},
	},
})

// guestBarrier tests for a guest. Clobbers RAX.
func (v Axes) guestBarrier() Block {
	if !v.Is(IBPBExitTested) {
		return v.jumpOver("VMSCAPE's barrier")
	}
	return Block{
		MOVZBL(gs.IBPBExit, RAX),
		TESTB(RAX, RAX),
		JNE(v.guestHasRun()).C("IBPB: a guest has run"),
	}
}

// guestHasRun returns the label to which guestBarrier's test jumps if a guest has run. None
// ever does.
func (v Axes) guestHasRun() string {
	if v.inlinesTests() {
		return "syscall_exit_work"
	}
	return "arch_exit_work"
}
