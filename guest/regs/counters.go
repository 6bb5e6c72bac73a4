package regs

// Counters are the performance counters that loops read beside the time-stamp
// counter, each by its selector for RDPMC.
type Counters struct {
	Present              bool
	Cycles, Instructions uint32
}

// Counts are what the counters counted in a loop: core cycles that were not
// halted, and instructions that retired, with those of the kernel.
type Counts struct{ Cycles, Instructions uint64 }

// perfState is what the assembly works on.
type perfState struct {
	Counters Counters
	Begun    Counts // at the beginning of the last loop
	Ended    Counts // at its end
}

var perf perfState

// counterMask has the bits that every CPU's counters have at least.
const counterMask = 1<<40 - 1

// SetCounters makes all loops read the counters, or none if c is zero.
func SetCounters(c Counters) { perf.Counters = c }

// Counted is what the counters counted in the last loop. A counter is narrower
// than 64 bits and may have wrapped.
func Counted() Counts {
	return Counts{
		(perf.Ended.Cycles - perf.Begun.Cycles) & counterMask,
		(perf.Ended.Instructions - perf.Begun.Instructions) & counterMask,
	}
}

// Chain returns the loop of n rounds of wire.ChainLength instructions, each of
// which waits for the one before and takes one cycle.
func Chain() Loop {
	return func(n, _ int) (uint64, error) { return chain(uint64(n)), nil }
}

// Doses returns two loops of calls of number nr with a chain of dependent
// instructions behind each call. They have the same instructions at the same
// places in a page, but for one that in the second waits for the chain as well:
// a cycle more in each round.
func Doses(nr uint64) (none, one Loop) {
	return func(n, _ int) (uint64, error) { return doseNone(uint64(n), nr), nil },
		func(n, _ int) (uint64, error) { return doseOne(uint64(n), nr), nil }
}

// Clock returns the loop that takes the ticks of nothing at all: what the
// reading of the time-stamp counter itself adds to every sample.
func Clock() Loop {
	return func(int, int) (uint64, error) { return clock(), nil }
}

// Step returns the loop that waits until the time-stamp counter changes, and
// takes by how much: its resolution, or the time to read it, if that is more.
func Step() Loop {
	return func(int, int) (uint64, error) { return step(), nil }
}

// Now is the time-stamp counter.
func Now() uint64 { return now() }

// CPUID executes the instruction.
func CPUID(leaf, subleaf uint32) (a, b, c, d uint32) {
	return cpuid(leaf, subleaf)
}

// Implemented in cycles_amd64.s.
func chain(n uint64) (ticks uint64)
func doseNone(n, nr uint64) (ticks uint64)
func doseOne(n, nr uint64) (ticks uint64)
func clock() (ticks uint64)
func step() (ticks uint64)
func now() (ticks uint64)
func cpuid(leaf, subleaf uint32) (a, b, c, d uint32)
