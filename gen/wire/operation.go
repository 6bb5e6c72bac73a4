package wire

// Operations that the guest measures.
const (
	OpNullCall              = "null-call"               // getppid
	OpUnknownCall           = "unknown-call"            // a number beyond the table of calls
	OpFullFrameCall         = "full-frame-call"         // a call that needs all of pt_regs
	OpSignalRoundTrip       = "signal-round-trip"       // tgkill, an empty handler, rt_sigreturn
	OpThreadSwitchYield     = "thread-switch-yield"     // sched_yield between two threads, one way
	OpThreadSwitchMM        = "thread-switch-mm"        // the same between address spaces
	OpThreadSwitchPreempted = "thread-switch-preempted" // by the timer, in user mode, one way
	OpFutexRoundTrip        = "futex-round-trip"        // two wakes, two waits
	OpPipeRoundTrip         = "pipe-round-trip"         // two processes, a byte through a pipe each way
	OpForkExit              = "fork-exit"               // fork, exit_group and wait4 of a small process
	OpForkExecExit          = "fork-exec-exit"          // the same with an execve of EndingProgram
	OpTracedCall            = "traced-call"             // getppid of a process that its tracer stops at both ends

	// The thread's and the per-CPU lines are flushed before each switch.
	OpThreadSwitchFlushed   = "thread-switch-flushed"
	OpThreadSwitchMMFlushed = "thread-switch-mm-flushed"

	// The CPU drops what it predicts of branches before each call, by an IBPB.
	OpNullCallForgotten = "null-call-forgotten"
)

// EndingProgram is the path, from the root, of the program that OpForkExecExit
// executes. It exits at once.
const EndingProgram = "ending"

// Operation is an operation with its names for readers.
type Operation struct {
	// Op is its name on the wire and in records.
	Op string
	// Title and Short are for readers; Bench is the name in Go's benchmark
	// format.
	Title, Short, Bench string
}

// Operations are the operations that the guest measures, in the order of tables.
var Operations = []Operation{
	{OpNullCall, "null call (getppid)", "null call", "NullCall"},
	{OpUnknownCall, "unknown call", "unknown", "UnknownCall"},
	{OpFullFrameCall, "full-frame call (fix-up)", "full frame", "FullFrameCall"},
	{OpSignalRoundTrip, "signal round trip", "signal", "SignalRoundTrip"},
	{OpThreadSwitchYield, "thread switch by yield, one way", "yield", "ThreadSwitchYield"},
	{OpThreadSwitchMM, "thread switch between address spaces, one way", "other mm", "ThreadSwitchMM"},
	{OpThreadSwitchPreempted, "thread switch, preempted in user mode, one way", "preempted", "ThreadSwitchPreempted"},
	{OpFutexRoundTrip, "futex round trip", "futex", "FutexRoundTrip"},
	{OpPipeRoundTrip, "pipe round trip between processes", "pipe", "PipeRoundTrip"},
	{OpForkExit, "fork, exit and wait", "fork", "ForkExit"},
	{OpForkExecExit, "fork, exec, exit and wait", "fork, exec", "ForkExecExit"},
	{OpTracedCall, "null call that a tracer stops twice", "traced", "TracedCall"},
}

// Flushed are the operations that are only sampled, where ticks are cycles: the
// thread's and the per-CPU lines are flushed before each switch, and what the CPU predicts
// of branches before a call. The figure of a switch includes the flushing, which is the
// same for all variants.
var Flushed = []Operation{
	{OpThreadSwitchFlushed, "thread switch by yield, lines flushed, one way", "yield, flushed", "ThreadSwitchFlushed"},
	{OpThreadSwitchMMFlushed, "thread switch between address spaces, lines flushed, one way", "other mm, flushed", "ThreadSwitchMMFlushed"},
	{OpNullCallForgotten, "null call, branch predictions dropped (IBPB)", "null call, forgotten", "NullCallForgotten"},
}
