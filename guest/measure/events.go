package measure

import (
	"syscall"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Events takes all of wire.EventWays under each of the variants, for a debugger that
// waits there.
func Events(p *lines.Printer, k *control.Kernel, variants []control.Variant) {
	m, err := regs.NewMemory(memorySize)
	if err != nil {
		p.Result("events: set-up", lines.Harness(err.Error()))
		return
	}
	defer m.Close()
	defer regs.BlockSignals(syscall.SIGSEGV, syscall.SIGTRAP, syscall.SIGUSR2)()
	quieten()
	for _, v := range runnable(p, k, variants, "events") {
		for i := range regs.EventLoops {
			l := &regs.EventLoops[i]
			err := k.Select(v.Index)
			if err == nil {
				if err = l.Run(m, wire.EventRounds, v.Index); err == nil {
					err = k.Select(k.Home)
				}
			}
			if err != nil {
				p.Result("events: "+v.Name+": "+l.Name, lines.Harness(err.Error()))
				return
			}
		}
	}
	p.Result("events", nil)
}
