package record

import (
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
)

// Operation is one thing that is measured, by its names. What the guest measures
// has them in package wire; here are those that only the host knows.
type Operation = wire.Operation

// What the guest measures, in the order of tables.
var (
	// Operations are counted and sampled, Flushed only sampled.
	Operations, Flushed = wire.Operations, wire.Flushed
	// Sampled are both.
	Sampled = slices.Concat(Operations, Flushed)
)

// Phases are the parts of a null call, in the order of a call (package trace).
var Phases = []Operation{
	{Op: wire.OpNullCall + "/entry", Title: "  entry, up to the handler's CALL", Short: "entry", Bench: "NullCallEntry"},
	{Op: wire.OpNullCall + "/handler", Title: "  handler", Short: "handler", Bench: "NullCallHandler"},
	{Op: wire.OpNullCall + "/exit", Title: "  exit, from the handler's RET", Short: "exit", Bench: "NullCallExit"},
}

// IsPart reports whether an operation is only a part of another one, and not
// for tables of operations: its name has a slash, as wire.OpNullCall + "/entry".
func IsPart(op string) bool { return strings.Contains(op, "/") }

// Switches are the ways of the context switch that the replay measures, in the
// order of tables.
var Switches = []Operation{
	{Op: "switch-warm", Title: "thread switch, warm", Short: "switch, warm", Bench: "ThreadSwitchWarm"},
	{Op: "switch-cold-sp", Title: "thread switch, usersp's own line cold", Short: "usersp cold", Bench: "ThreadSwitchUserspCold"},
	{Op: "switch-cold-thread", Title: "thread switch, thread's line cold", Short: "thread cold", Bench: "ThreadSwitchThreadCold"},
	{Op: "switch-cold-both", Title: "thread switch, both lines cold", Short: "both cold", Bench: "ThreadSwitchBothCold"},
}
