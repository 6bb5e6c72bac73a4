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

// Operations of the replay: the lines that the switch finds cold.
const (
	OpSwitchWarm   = "switch-warm"        // none
	OpSwitchSP     = "switch-cold-sp"     // usersp's own
	OpSwitchThread = "switch-cold-thread" // the thread's
	OpSwitchBoth   = "switch-cold-both"
)

// Switches are the ways of the context switch that the replay measures, in the
// order of tables.
var Switches = []Operation{
	{Op: OpSwitchWarm, Title: "thread switch, warm", Short: "switch, warm", Bench: "ThreadSwitchWarm"},
	{Op: OpSwitchSP, Title: "thread switch, usersp's own line cold", Short: "usersp cold", Bench: "ThreadSwitchUserspCold"},
	{Op: OpSwitchThread, Title: "thread switch, thread's line cold", Short: "thread cold", Bench: "ThreadSwitchThreadCold"},
	{Op: OpSwitchBoth, Title: "thread switch, both lines cold", Short: "both cold", Bench: "ThreadSwitchBothCold"},
}
