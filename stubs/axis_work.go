package stubs

import (
	"math/bits"

	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis work.
const (
	WorkCareful Value = "work=careful"
	WorkTest    Value = "work=test"
)

var _ = Register(Axis{
	Name: "work", Rank: 80, Path: true, Printed: true,
	Doc: "how the exit looks for work that Thread.Flags asks for",
	Values: []Choice{
		{Value: WorkCareful, Since: "Linux 3.19", Doc: "with the mask in a register; another thread may run without leaving the fast path (sysret_careful)"},
		{Value: WorkTest, Since: "Linux 4.0", Doc: "by one TESTL; any work goes to the slow path, which returns the same RCX as the fast one"},
	},
})

// testWork leaves the fast path if Thread.Flags asks for work. Interrupts stay
// off from here on, or work could come up after the test.
func (v Axes) testWork(suffix string) Block {
	thread := threadAt(v.low())
	if v.Is(WorkTest) {
		return Block{
			v.disable(),
			TESTL(layout.TIFAllWork, thread.Flags),
			JNE(v.toSlowPath(suffix)),
		}
	}
	return Block{
		MOVL(layout.TIFAllWork, RDI),
		LABEL("sysret_check"),
		v.disable(),
		MOVL(thread.Flags, RDX),
		ANDL(RDI, RDX),
		JNE("sysret_careful"),
	}
}

// carefulWork lets another thread run from within the fast path, with the frame
// as it is: undefined slots stay undefined, and with sp=percpu RSPScratch is live
// across the switch. It falls through to the slow path for all other work.
func (v Axes) carefulWork() Block {
	if !v.Is(WorkCareful) {
		return nil
	}
	return Block{
		LABEL("sysret_careful"),
		BTL(bits.TrailingZeros(layout.TIFNeedResched), RDX),
		JAE("sysret_signal"),
		v.enableAgain(),
		PUSHQ(RDI),
		CALL("schedule_user"),
		POPQ(RDI),
		JMP("sysret_check"),
	}
}
