package measure

import (
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Events makes the calls of wire.EventCalls under each of the variants, for a
// debugger that waits at their entries.
func Events(p *lines.Printer, k *control.Kernel, variants []control.Variant) {
	quieten()
	for _, v := range runnable(p, k, variants, "events") {
		for _, c := range wire.EventCalls {
			err := k.Select(v.Index)
			if err == nil {
				loop, _ := regs.Calls(c.Number, 0)
				if _, err = loop(wire.EventRounds, v.Index); err == nil {
					err = k.Select(k.Home)
				}
			}
			if err != nil {
				p.Result("events: "+v.Name+": "+c.Name, lines.Harness(err.Error()))
				return
			}
		}
	}
	p.Result("events", nil)
}
