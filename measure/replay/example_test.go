package replay_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entrylab/entrylab/measure/replay"
	"github.com/entrylab/entrylab/measure/stats"
	"github.com/entrylab/entrylab/stubs"
)

// A replay that is much too short for figures: it is refused, and still tells what it
// did not run as the build made it.
func Example() {
	var variants []stubs.Variant
	for _, name := range []string{"linux-3.19", "linux-4.1"} {
		v, err := stubs.ParseVariant(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		variants = append(variants, v)
	}
	r, err := replay.Prepare(replay.Config{Variants: variants, Budget: time.Millisecond, Processes: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := r.Run(context.Background())
	var refused *stats.RefusedError
	if !errors.As(err, &refused) {
		fmt.Println(err)
		return
	}
	for _, i := range res.Replaced {
		if i.Func == variants[1].FuncName(stubs.Entry) {
			fmt.Printf("%s+%#x: %v\n", i.Func, i.Off, i.Ins)
		}
	}
	// Output:
	// entry_SYSCALL_64.linux-4.1+0x0: SWAPGS
	// entry_SYSCALL_64.linux-4.1+0x1f: STI
	// entry_SYSCALL_64.linux-4.1+0x5c: CLI
	// entry_SYSCALL_64.linux-4.1+0xa9: SWAPGS
	// entry_SYSCALL_64.linux-4.1+0xac: SYSRETQ
}
