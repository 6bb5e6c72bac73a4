package record

import (
	"slices"
	"strings"
)

// Operation is one thing that is measured.
type Operation struct {
	// Op is the guest's name for it.
	Op string
	// Title and Short are for readers; Bench is the name in Go's benchmark
	// format.
	Title, Short, Bench string
}

// Operations are what the guest measures, in the order of tables.
var Operations = []Operation{
	{"null-call", "null call (getppid)", "null call", "NullCall"},
	{"unknown-call", "unknown call", "unknown", "UnknownCall"},
	{"full-frame-call", "full-frame call (fix-up)", "full frame", "FullFrameCall"},
	{"signal-round-trip", "signal round trip", "signal", "SignalRoundTrip"},
	{"thread-switch-yield", "thread switch by yield, one way", "yield", "ThreadSwitchYield"},
	{"thread-switch-mm", "thread switch between address spaces, one way", "other mm", "ThreadSwitchMM"},
	{"thread-switch-preempted", "thread switch, preempted in user mode, one way", "preempted", "ThreadSwitchPreempted"},
	{"futex-round-trip", "futex round trip", "futex", "FutexRoundTrip"},
}

// Flushed are the operations that are only sampled, where ticks are cycles: the
// thread's and the per-CPU lines are flushed before each switch, and the flushing,
// which all variants have in common, is in the figure.
var Flushed = []Operation{
	{"thread-switch-flushed", "thread switch by yield, lines flushed, one way", "yield, flushed", "ThreadSwitchFlushed"},
	{"thread-switch-mm-flushed", "thread switch between address spaces, lines flushed, one way", "other mm, flushed", "ThreadSwitchMMFlushed"},
}

// Sampled are all operations that figures in cycles have, in the order of tables.
var Sampled = slices.Concat(Operations, Flushed)

// Phases are the parts of a null call, in the order of a call (package trace).
var Phases = []Operation{
	{"null-call/entry", "  entry, up to the handler's CALL", "entry", "NullCallEntry"},
	{"null-call/handler", "  handler", "handler", "NullCallHandler"},
	{"null-call/exit", "  exit, from the handler's RET", "exit", "NullCallExit"},
}

// IsPart reports whether an operation is only a part of another one, and not
// for tables of operations: its name has a slash, as "null-call/entry".
func IsPart(op string) bool { return strings.Contains(op, "/") }

// Switches are the ways of the context switch that the replay measures, in the
// order of tables.
var Switches = []Operation{
	{"switch-warm", "thread switch, warm", "switch, warm", "ThreadSwitchWarm"},
	{"switch-cold-sp", "thread switch, usersp's line cold", "usersp cold", "ThreadSwitchColdSP"},
	{"switch-cold-thread", "thread switch, thread's line cold", "thread cold", "ThreadSwitchColdThread"},
	{"switch-cold-both", "thread switch, both lines cold", "both cold", "ThreadSwitchColdBoth"},
}

// OperationOf returns the operation of that name; one that tables do not know
// is called by its name.
func OperationOf(op string) Operation {
	for _, o := range slices.Concat(Sampled, Phases, Switches) {
		if o.Op == op {
			return o
		}
	}
	return Operation{op, op, op, op}
}
