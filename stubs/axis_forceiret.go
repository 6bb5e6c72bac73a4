package stubs

import "github.com/entrylab/entrylab/gen/layout"

// The values of axis forceiret.
const (
	ForceIRETNone   Value = "forceiret=none"
	ForceIRETNotify Value = "forceiret=notify"
)

var _ = Register(Axis{
	Name: "forceiret", Rank: 95,
	Doc: "whether execve and rt_sigreturn ask for work, so that they return by the slow exit whatever wrapper they have",
	Values: []Choice{
		{Value: ForceIRETNone, Since: "Linux 3.19", Doc: "they do not: their wrappers lead to the slow exit"},
		{
			// Linux 4.1: arch/x86/include/asm/thread_info.h (force_iret),
			// kernel/process_64.c (start_thread_common), kernel/signal.c
			// (restore_sigcontext).
			Value: ForceIRETNotify, Since: "Linux 4.1",
			Doc: "they set TIF_NOTIFY_RESUME (force_iret), for which the slow exit goes once through its loop; Linux had it up to 5.5",
		},
	},
})

// forceIRET returns the bits of Thread.Flags that execve and rt_sigreturn set.
func (v Axes) forceIRET() uint64 {
	if v.Is(ForceIRETNotify) {
		return layout.TIFNotifyResume
	}
	return 0
}
