package stubs

// Phase is a part of an ordinary call. Every engine that tells phases apart cuts a
// call at the same two places, where the handler begins and where it has returned,
// whatever functions the code on either side belongs to:
//
//   - The entry goes from SYSCALL to the CALL or JMP that reaches the handler,
//     both included. It contains the assembly entry; the C entry and the dispatch, where
//     these are separate functions; and a thunk through which the dispatch goes.
//   - The handler goes from its first instruction to its RET, both included.
//   - The exit is the rest, up to SYSRETQ or IRETQ included: the end of the dispatch
//     and of the C entry, the work before the return, and the assembly exit.
//
// A variant that calls no handler has no instruction in that phase; its exit is only its
// last instruction. So the phases add up to the call.
type Phase struct {
	// Name is a word for keys, Title the text of a table's row.
	Name, Title string
}

// The phases, in the order of a call.
var (
	PhaseEntry   = Phase{"entry", "entry, up to the handler's CALL"}
	PhaseHandler = Phase{"handler", "handler"}
	PhaseExit    = Phase{"exit", "exit, from the handler's RET"}
)
