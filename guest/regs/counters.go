package regs

import (
	"fmt"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
)

// Counters are the performance counters that loops read together with the
// time-stamp counter, by their RDPMC selectors.
type Counters struct {
	Present              bool
	Cycles, Instructions uint32
	// Explained says that there are counters of events, too.
	Explained bool
	Events    [layout.CountedEvents]uint32
}

// Counts are the counts of one loop, ring 0 included: core cycles that were not
// halted, retired instructions, and events.
type Counts struct {
	Cycles, Instructions uint64
	Events               [layout.CountedEvents]uint64
}

// perfState is shared with the assembly.
type perfState struct {
	Counters Counters
	Begun    Counts // at the beginning of the last loop
	Ended    Counts // at its end
	// Left is the number of rounds that a process which makes processes has to go.
	Left uint64
}

var perf perfState

// counterMask covers the bits that the counters of every CPU have.
const counterMask = 1<<40 - 1

// SetCounters makes all loops read the counters, or none if c is zero.
func SetCounters(c Counters) { perf.Counters = c }

// Counted returns the counts of the last loop. A counter has fewer than 64 bits and
// may have wrapped.
func Counted() Counts {
	c := Counts{
		Cycles:       (perf.Ended.Cycles - perf.Begun.Cycles) & counterMask,
		Instructions: (perf.Ended.Instructions - perf.Begun.Instructions) & counterMask,
	}
	for i := range c.Events {
		c.Events[i] = (perf.Ended.Events[i] - perf.Begun.Events[i]) & counterMask
	}
	return c
}

// CountEvent makes a counter count an event, and returns its RDPMC selector
// (layout.SysCountEvent).
func CountEvent(counter int, event uint64) (selector uint32, err error) {
	r, _, errno := syscall.RawSyscall(layout.SysCountEvent, uintptr(counter), uintptr(event), 0)
	if errno != 0 {
		return 0, fmt.Errorf("counter %d of event %#x: %w", counter, event, errno)
	}
	return uint32(r), nil
}

// Blocked returns the loop of n rounds that load a word of which only a byte was stored just
// before: no CPU forwards that.
func Blocked() Loop {
	return func(n, _ int) (uint64, error) { return blocked(uint64(n)), nil }
}

// Chain returns the loop of n rounds of wire.ChainLength instructions, each of
// which waits for the one before and takes one cycle.
func Chain() Loop {
	return func(n, _ int) (uint64, error) { return chain(uint64(n)), nil }
}

// PositiveControl returns two loops that make call nr and then run a chain of dependent
// instructions. Both have the same instructions at the same offsets in a page; only
// one instruction differs: in the second loop it, too, depends on the chain, which
// adds one cycle to each round.
func PositiveControl(nr uint64) (none, one Loop) {
	return func(n, _ int) (uint64, error) { return doseNone(uint64(n), nr), nil },
		func(n, _ int) (uint64, error) { return doseOne(uint64(n), nr), nil }
}

// Clock returns the loop that reads the time-stamp counter twice with nothing
// between: the ticks that the reading adds to every sample.
func Clock() Loop {
	return func(int, int) (uint64, error) { return clock(), nil }
}

// Step returns the loop that waits until the time-stamp counter changes and returns
// by how much: its resolution, or the time to read it if that is longer.
func Step() Loop {
	return func(int, int) (uint64, error) { return step(), nil }
}

// Now reads the time-stamp counter.
func Now() uint64 { return now() }

// CPUID executes the instruction.
func CPUID(leaf, subleaf uint32) (a, b, c, d uint32) {
	return cpuid(leaf, subleaf)
}

// Implemented in cycles_amd64.s.
func chain(n uint64) (ticks uint64)
func blocked(n uint64) (ticks uint64)
func doseNone(n, nr uint64) (ticks uint64)
func doseOne(n, nr uint64) (ticks uint64)
func clock() (ticks uint64)
func step() (ticks uint64)
func now() (ticks uint64)
func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)
