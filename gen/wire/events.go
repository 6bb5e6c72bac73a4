package wire

import (
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
)

// EventRounds is how often the guest makes each of EventCalls under each variant if
// the Command has Events, for a debugger that lets events arrive in them: once to see the path, once for each kind of event, and
// once for each place at which interrupts are off.
const EventRounds = 400

// EventCall is a system call whose path is swept.
type EventCall struct {
	Name string
	// Number is what is in RAX at SYSCALL.
	Number uint64
}

// EventCalls are a call that its handler answers at once, one that the entry
// itself refuses, and one through the slow path's wrapper.
var EventCalls = []EventCall{
	{"null call", syscall.SYS_GETPPID},
	{"unknown call", 1 << 16},
	{"full-frame call", layout.SysFullFrame},
}
