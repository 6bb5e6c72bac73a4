// Command metric is an init that measures one operation more than the guest does:
// a metric of one's own. It is also how the guest is built from its packages.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/measure"
	"github.com/entrylab/entrylab/guest/regs"
)

// gettid is a system call that does little more than the null call.
var gettid = measure.Operation{
	Name: "gettid", Rounds: 500, Per: 1,
	Loops: func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) { return regs.Calls(syscall.SYS_GETTID, 0) },
}

func init() { runtime.LockOSThread() }

func main() {
	debug.SetGCPercent(-1)
	k, err := control.Open()
	if err != nil {
		fmt.Println(wire.Check{Outcome: wire.Error, Name: "metric", Detail: err.Error()})
		os.Exit(wire.ExitError)
	}
	p := lines.New(os.Stdout)
	measure.Run(p, k, k.Variants, wire.DefaultSeed, []measure.Operation{measure.Operations[0], gettid})
	os.Exit(p.Summary())
}
