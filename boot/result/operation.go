package result

// Operation is one thing that is measured.
type Operation struct {
	// Op is the guest's name for it.
	Op string
	// Title and Short are for readers; Bench is the name in Go's benchmark
	// format.
	Title, Short, Bench string
}

// Operations are those that tables show, in their order.
var Operations = []Operation{
	{"null-call", "null call (getppid)", "null call", "NullCall"},
	{"unknown-call", "unknown call", "unknown", "UnknownCall"},
	{"full-frame-call", "full-frame call (fix-up)", "full frame", "FullFrameCall"},
	{"signal-round-trip", "signal round trip", "signal", "SignalRoundTrip"},
	{"thread-switch-yield", "thread switch by yield, one way", "yield", "ThreadSwitchYield"},
	{"futex-round-trip", "futex round trip", "futex", "FutexRoundTrip"},
}

// OperationOf returns the operation of that name; one that tables do not know
// is called by its name.
func OperationOf(op string) Operation {
	for _, o := range Operations {
		if o.Op == op {
			return o
		}
	}
	return Operation{op, op, op, op}
}
