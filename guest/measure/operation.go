package measure

import (
	"fmt"
	"slices"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/control"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Operation is one thing to measure.
type Operation struct {
	// Name is the operation's name on the wire: one of wire.Operations or
	// wire.Flushed.
	Name string
	// Rounds is the number of rounds in a sample, and Per the number of operations
	// in a round. Their product divides 1000, so that figures are exact in three
	// decimals.
	Rounds, Per int
	// Needs is what the operation needs of the kernel and of this CPU.
	Needs Needs
	// Floor marks an operation that the floor answers, too.
	Floor bool
	// Flushed marks an operation whose figures differ only where there are caches.
	// It is sampled, not counted.
	Flushed bool
	// Loops returns the loop of the operation, and the same loop without the
	// operation, whose ticks are subtracted. The loops may keep memory of m.
	Loops func(m *regs.Memory, k *control.Kernel) (loop, empty regs.Loop)
}

// Needs is a set of what operations need.
type Needs int

const (
	// Control is the control interface, which Linux does not have.
	Control Needs = 1 << iota
	// Tracer is a way by a tracer, which a variant of one's own may lack.
	Tracer
	// TwoThreads is a second thread, or process, on this CPU. Such a loop makes its own
	// rounds to warm up.
	TwoThreads
	// Forgetting is layout.FlushPredictions.
	Forgetting
)

// nullCall is a call that does nothing; getppid as in perf bench syscall.
const nullCall = syscall.SYS_GETPPID

// unknownCall is a number beyond every table: the entry's own check answers it.
const unknownCall = 1 << 16

// Operations are all that the guest measures, in the order of its lines. A new
// one is a row here and its row of names in package wire.
var Operations = []Operation{
	{Name: wire.OpNullCall, Rounds: 500, Per: 1, Floor: true, Loops: calls(nullCall)},
	{Name: wire.OpUnknownCall, Rounds: 500, Per: 1, Loops: calls(unknownCall)},
	{Name: wire.OpFullFrameCall, Rounds: 500, Per: 1, Needs: Control, Loops: calls(layout.SysFullFrame)},
	{Name: wire.OpSignalRoundTrip, Rounds: 100, Per: 1, Loops: func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) {
		return regs.Signals()
	}},
	{Name: wire.OpThreadSwitchYield, Rounds: 100, Per: 2, Needs: TwoThreads, Loops: yields(syscall.SYS_SCHED_YIELD, sameMM)},
	{Name: wire.OpThreadSwitchMM, Rounds: 100, Per: 2, Needs: TwoThreads, Loops: yields(syscall.SYS_SCHED_YIELD, otherMM)},
	{Name: wire.OpThreadSwitchPreempted, Rounds: 5, Per: 2, Needs: Control | TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.Preempts(m)
	}},
	{Name: wire.OpFutexRoundTrip, Rounds: 50, Per: 1, Needs: TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.Futexes(m)
	}},
	{Name: wire.OpPipeRoundTrip, Rounds: 50, Per: 1, Needs: TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.Pipes(m)
	}},
	{Name: wire.OpForkExit, Rounds: 5, Per: 1, Needs: TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.Forks(m)
	}},
	{Name: wire.OpForkExecExit, Rounds: 5, Per: 1, Needs: TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.Execs(m, wire.EndingProgram)
	}},
	{Name: wire.OpTracedCall, Rounds: 50, Per: 1, Needs: Tracer | TwoThreads, Loops: func(m *regs.Memory, _ *control.Kernel) (loop, empty regs.Loop) {
		return regs.TracedCalls(m)
	}},
	{Name: wire.OpThreadSwitchFlushed, Rounds: 100, Per: 2, Needs: Control | TwoThreads, Flushed: true, Loops: yields(layout.SysFlush, sameMM)},
	{Name: wire.OpThreadSwitchMMFlushed, Rounds: 100, Per: 2, Needs: Control | TwoThreads, Flushed: true, Loops: yields(layout.SysFlush, otherMM)},
	{Name: wire.OpNullCallForgotten, Rounds: 100, Per: 1, Needs: Control | Forgetting, Flushed: true, Loops: func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) {
		return regs.ForgottenCalls(nullCall)
	}},
}

// Named returns the operation of that name; without a name, all.
func Named(name string) ([]Operation, error) {
	if name == "" {
		return Operations, nil
	}
	i := slices.IndexFunc(Operations, func(o Operation) bool { return o.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no operation %q", name)
	}
	return Operations[i : i+1], nil
}

// calls makes the loops of a system call.
func calls(nr uint64) func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) {
	return func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) { return regs.Calls(nr, 0) }
}

// yields makes the loops of two threads that hand the CPU to each other by a
// system call.
func yields(nr uint64, mm func(*control.Kernel) regs.Spaces) func(*regs.Memory, *control.Kernel) (loop, empty regs.Loop) {
	return func(m *regs.Memory, k *control.Kernel) (loop, empty regs.Loop) { return regs.Yields(m, nr, mm(k)) }
}

func sameMM(*control.Kernel) regs.Spaces { return regs.Same }

// otherMM gives the second thread its own address space; on Linux that takes a
// process.
func otherMM(k *control.Kernel) regs.Spaces {
	if k.Linux {
		return regs.Process
	}
	return regs.Own
}

// op is an operation with its loops.
type op struct {
	Operation
	loop, empty regs.Loop
}

// prepared gives operations their loops.
func prepared(list []Operation, m *regs.Memory, k *control.Kernel) []*op {
	all := make([]*op, len(list))
	for i, o := range list {
		all[i] = &op{Operation: o}
		all[i].loop, all[i].empty = o.Loops(m, k)
	}
	return all
}

// total returns the number of operations in a sample.
func (o *op) total() int { return o.Rounds * o.Per }

// applies returns why an operation cannot be measured here with a variant, or nil. alone
// reports whether two threads share this CPU.
func (o *op) applies(k *control.Kernel, v control.Variant, alone bool) error {
	switch {
	case o.Needs&Tracer != 0 && !k.Linux && v.Info.Traced == 0:
		return lines.Skip("the variant has no way by a tracer")
	case o.Needs&Control != 0 && k.Linux:
		return lines.Skip("Linux has no control interface")
	case o.Needs&Forgetting != 0 && k.Has&layout.FeatureIBPB == 0:
		return lines.Skip("this CPU cannot be told to drop what it predicts of branches: it has no IBPB")
	case o.Needs&TwoThreads != 0 && !alone:
		return lines.Skip("two threads cannot be kept on one CPU")
	}
	return nil
}
