package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis iptest.
const (
	IPHalf      Value = "iptest=half"
	IPCanonical Value = "iptest=canonical"
	IPTaskSize  Value = "iptest=tasksize"
)

var _ = Register(Axis{
	Name: "iptest", Rank: 100, Path: true,
	Doc: "how an exit that may take SYSRETQ tests that SYSRETQ can load RIP: otherwise it raises #GP in ring 0",
	Values: []Choice{
		{Value: IPHalf, Since: "Linux 4.0", Doc: "no bit from 47 on is set"},
		{Value: IPCanonical, Since: "Linux 4.2", Doc: "bits 47 to 63 are the same; an address of the upper half faults in ring 3, as it should"},
		{Value: IPTaskSize, Since: "Linux 6.7", Doc: "it is below TASK_SIZE_MAX, which Linux tests in C"},
	},
	Excludes: []Exclusion{{
		What: "iptest without an exit that tests",
		Why:  "the exits take SYSRETQ without a test of the frame, or never",
		Is:   func(v Axes) bool { return !v.Is(IPHalf) && !v.tests() },
	}},
})

// sameIP compares RIP with RCX, from which SYSRETQ loads it and in which it stays;
// with iptest=canonical RIP is also in R11 then.
func (v Axes) sameIP(regs *layout.PtRegs[Mem]) Block {
	const why = "SYSRETQ loads RIP from RCX"
	if v.Is(IPCanonical) {
		return Block{MOVQ(regs.CX, RCX), MOVQ(regs.IP, R11), CMPQ(R11, RCX).C(why)}
	}
	return Block{MOVQ(regs.CX, RCX), CMPQ(regs.IP, RCX).C(why)}
}

// testIP goes to fail unless SYSRETQ can load RCX, which iptest=half destroys.
func (v Axes) testIP(fail string) Block {
	switch {
	case v.Is(IPCanonical):
		return Block{
			SHLQ(16, RCX),
			SARQ(16, RCX),
			CMPQ(R11, RCX).C("#GP in ring 0 if RIP is not canonical"),
			JNE(fail),
		}
	case v.Is(IPTaskSize):
		return Block{
			MOVQ(uint64(layout.TaskSizeMax), RDI),
			CMPQ(RCX, RDI).C("#GP in ring 0 if RIP is not canonical"),
			JAE(fail),
		}
	}
	return Block{
		SHRQ(47, RCX).C("#GP in ring 0 if RIP is not canonical"),
		JNE(fail),
	}
}
