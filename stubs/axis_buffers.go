package stubs

import (
	. "github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// The values of axis buffers.
const (
	BuffersKept Value = "buffers=kept"
	BuffersVERW Value = "buffers=verw"
)

var _ = Register(Axis{
	Name: "buffers", Rank: 150,
	Doc: "what the return to ring 3 leaves in the CPU's buffers",
	Values: []Choice{
		{Value: BuffersKept, Since: "Linux 3.19", Doc: "what was there"},
		{
			Value: BuffersVERW, Since: "Linux 5.1.2", Puts: Puts{BeforeReturn: verw}, Promises: PromiseBuffers,
			Doc: "nothing useful: VERW overwrites them, between the last load and the return (against MDS; at this place since 6.8). Without new microcode VERW only tests a selector, as it always has",
		},
	},
	Excludes: []Exclusion{{
		What: "buffers=verw with slow=iret",
		Why:  "the slow exit is then the kernel's own, which has no VERW: it would leave the buffers' contents for ring 3",
		Is:   func(v Axes) bool { return v.Is(BuffersVERW) && v.Is(SlowIRET) },
	}},
})

func verw(Axes) Block { return Block{VERW(Sym(verwSelector))} }

// verwSelector is the operand of VERW; any selector of a writable segment will do.
const verwSelector = "mds_verw_sel"

// entryData returns the read-only data of the entries and exits. From verwSelector to
// entry_rodata_end it is a page of its own: the user's page table maps it too.
func entryData() []Data {
	sel, end := RODATA(verwSelector, uint64(x86.KERNEL_DS)), RODATA("entry_rodata_end")
	sel.Align, end.Align = layout.PageSize, layout.PageSize
	return []Data{RODATA(predCmd, uint64(x86.PRED_CMD_IBPB)), sel, end}
}
