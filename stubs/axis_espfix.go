package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
)

// The values of axis espfix.
const (
	ESPFixTest Value = "espfix=test"
	ESPFixOff  Value = "espfix=off"
)

var _ = Register(Axis{
	Name: "espfix", Rank: 200,
	Doc: "what precedes IRETQ for a user with a 16-bit stack segment, to whom it would leak bits 31 to 16 of the kernel's RSP",
	Values: []Choice{
		{Value: ESPFixTest, Since: "Linux 3.16", Doc: "a test of SS, as such a segment is in the LDT (CONFIG_X86_ESPFIX64). This kernel has no LDT: only the test is measured"},
		{Value: ESPFixOff, Since: "no release with an LDT", Doc: "nothing"},
	},
})

// ssFromLDT is the bit of a selector for a segment in the LDT (SDM volume
// 3, 3.4.2).
const ssFromLDT = 1 << 2

// nativeIRET returns by IRETQ with RSP at the hardware frame, as 3.16 to 4.8 have it in one
// place. way is a prefix of the labels where a function has two of them.
func (v Axes) nativeIRET(way string) Block {
	return Block{JMP(way + "native_iret"), LABEL(way + "native_iret"), v.espfix(way)}
}

// espfix returns by IRETQ after a test of SS. A selector of the LDT faults in it: there is
// no LDT, and so no stack to switch to.
func (v Axes) espfix(way string) Block {
	if v.Is(ESPFixOff) {
		return Block{IRETQ()}
	}
	frame := Fields[layout.PtRegs[Mem]](RSP.At(-pt.IP.Off))
	return Block{
		TESTB(ssFromLDT, frame.SS).C("in the LDT?"),
		JNE(way + "native_irq_return_ldt"),
		LABEL(way + "native_irq_return_iret"),
		IRETQ(),
		LABEL(way + "native_irq_return_ldt"),
		JMP(way + "native_irq_return_iret").C("which faults"),
	}
}

// userIRET returns by 6.12's IRETQ, after a check that the frame is ring 3's.
func (v Axes) userIRET(way string) Block {
	frame := Fields[layout.PtRegs[Mem]](RSP.At(-pt.IP.Off))
	return Block{
		TESTB(3, frame.CS).C("to ring 3?"),
		JNE(way + "native_iret"),
		UD2(),
		LABEL(way + "native_iret"),
		v.espfix(way),
	}
}
