package measure

import (
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// Trace makes one null call under each of the variants, for a debugger that
// waits at their entries.
func Trace(r *report.Report, k *control.Kernel, variants []control.Variant) {
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
			r.Result("trace: "+v.Name, report.Harness(err.Error()))
			return
		}
	}
	r.Result("trace", nil)
	r.Result("trace", nil)
}
