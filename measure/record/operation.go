package record

import (
	"slices"
	"strings"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/stubs"
)

// Operation is one thing that is measured, with its names. Package wire declares the
// operations of the guest; the ones here are known only to the host.
type Operation = wire.Operation

// The operations that the guest measures, in the order of tables.
var (
	// Operations are both counted and sampled, Flushed only sampled.
	Operations, Flushed = wire.Operations, wire.Flushed
	// Sampled are both.
	Sampled = slices.Concat(Operations, Flushed)
)

// Phases are the parts of a null call (stubs.Phase), in the order of a call.
var Phases = []Operation{
	phase(stubs.PhaseEntry, "NullCallEntry"),
	phase(stubs.PhaseHandler, "NullCallHandler"),
	phase(stubs.PhaseExit, "NullCallExit"),
}

func phase(p stubs.Phase, bench string) Operation {
	return Operation{Op: wire.OpNullCall + "/" + p.Name, Title: "  " + p.Title, Short: p.Name, Bench: bench}
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
