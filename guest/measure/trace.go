package measure

import (
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Trace makes one null call under each variant. A debugger on the host waits at the
// entries (package measure/trace).
func Trace(p *lines.Printer, k *control.Kernel, variants []control.Variant) {
	quieten()
	for _, v := range variants {
		if v.Info.Bare != 0 {
			settle(k)
		}
		err := k.Select(v.Index)
		if err == nil {
			once, _ := regs.Calls(nullCall, 0)
			if _, err = once(1, v.Index); err == nil {
				err = k.Select(k.Home)
			}
		}
		if err != nil {
			p.Result("trace: "+v.Name, lines.Harness(err.Error()))
			return
		}
	}
	p.Result("trace", nil)
}
