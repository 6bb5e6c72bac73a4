package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
)

// The values of axis irq.
const (
	IRQEarly    Value = "irq=early"
	IRQFrame    Value = "irq=frame"
	IRQDispatch Value = "irq=dispatch"
	IRQOff      Value = "irq=off"
)

var _ = Register(Axis{
	Name: "irq", Rank: 70, Path: true, Printed: true,
	Doc: "where the entry turns interrupts on",
	Values: []Choice{
		{Value: IRQEarly, Since: "Linux 3.19", Doc: "right after the stack switch", Puts: Puts{OnStack: sti}},
		{Value: IRQFrame, Since: "Linux 4.1", Doc: "once the user's RSP is in the frame", Puts: Puts{SPSafe: sti}},
		{Value: IRQDispatch, Since: "Linux 4.6", Doc: "once the frame is complete, right before the handler is looked up", Puts: Puts{BeforeDispatch: sti}},
		{Value: IRQOff, Since: "no release", Doc: "nowhere: they stay off until the end of the call"},
	},
})

func sti(Axes) Block { return Block{STI()} }

// enableAgain turns interrupts on where they are off because a fast exit was
// tried.
func (v Axes) enableAgain() Block {
	if v.Is(IRQOff) {
		return nil
	}
	return Block{STI()}
}

// disable turns interrupts off where they may be on.
func (v Axes) disable() Block {
	if v.Is(IRQOff) {
		return nil
	}
	return Block{CLI()}
}
