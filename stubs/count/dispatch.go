package count

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/entrylab/entrylab/gen/asm"
	"github.com/entrylab/entrylab/gen/kernel"
	"github.com/entrylab/entrylab/stubs"
	"github.com/entrylab/entrylab/stubs/prove"
)

// NullCall is the number of a null call: getppid, as in perf bench syscall.
const NullCall = unix.SYS_GETPPID

// Dispatch returns by number how many instructions of a call lead to its handler's
// first, from SYSCALL on: the entry's, and with a tree those that find the handler and
// load its arguments. The last number is the greatest that Linux has a handler for;
// numbers without one lead to sys_ni_syscall. The program must be a kernel.
func Dispatch(obj *asm.Object, n stubs.Variant) ([]int, error) {
	w, err := prove.WalkObject(obj, n)
	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	counts := make([]int, kernel.LastNumber()+1)
	for number := range counts {
		counts[number] = len(entry(w))
		if !n.Axes.Is(stubs.DispatchTree) {
			continue // the word of the table decides, not the number
		}
		// The tree jumps to what loads the arguments, unless there is no handler.
		for name := kernel.DispatchTree; name == kernel.DispatchTree || strings.HasPrefix(name, kernel.ByFrame); {
			l, ok := obj.Listing(name)
			if !ok {
				return nil, fmt.Errorf("count: the program has no %s", name)
			}
			to, steps, err := kernel.Descend(l, uint32(number))
			if err != nil {
				return nil, fmt.Errorf("count: %w", err)
			}
			counts[number] += steps
			name = to
		}
	}
	return counts, nil
}
