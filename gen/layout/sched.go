package layout

// Sched is the scheduler's state. It is touched with interrupts off.
type Sched[T any] struct {
	RunHead, RunTail T // runnable threads but the running one, first come first served
	TimerHead        T // sleeping threads, the earliest first
	Slice            T // a time slice in ns; see SysTimeSlice
	// SliceArmed is 1 while the local APIC's timer is known to fire within one
	// time slice, so that nothing has to be programmed when a second thread
	// becomes runnable.
	SliceArmed T
	// TimerArmed is when the timer fires, in ns of the monotonic clock;
	// TimerNever: it is off.
	TimerArmed T

	All     T // living threads, newest first
	Dead    T // threads whose stack nobody runs on any more
	Threads T // number of living threads
	LastTID T
	// LeaderStatus is what the process's first thread gave to exit, once it has.
	LeaderStatus T

	// The counts of Stats.
	Switches, MMSwitches, UserPreemptions, KernelPreemptions, Ticks T
}

// TimerNever is later than any time.
const TimerNever = 1<<63 - 1

// How long a thread runs at most while another waits, in ns, and what SysTimeSlice
// takes. In less than the least, an emulator that counts instructions for time
// would come no further than the timer's interrupt; with more than the most, the
// end of a slice could lie beyond TimerNever.
const (
	TimeSlice    = 4_000_000
	MinTimeSlice = 50_000
	MaxTimeSlice = 1_000_000_000
)

// Clock turns the time-stamp counter into time.
type Clock[T any] struct {
	TSCBase T // the counter at boot, the monotonic clock's zero
	Mult    T // ns per tick, times 2^32
	TSCHz   T
	Real    T // ns from 1970-01-01 UTC to boot
	// TimerMult is local APIC timer ticks per ns, times 2^32; TimerMax is the
	// longest time in ns that its 32 bits can count.
	TimerMult, TimerMax T
}

// SchedAttr is struct sched_attr in words (Linux include/uapi/linux/sched/types.h).
type SchedAttr[T any] struct {
	SizePolicy                T // 32 bits each
	Flags                     T
	NicePriority              T // 32 bits each
	Runtime, Deadline, Period T
}

// FutexBucket is a queue of threads whose futexes have the same hash.
type FutexBucket[T any] struct{ Head, Tail T }

// FutexBuckets is the number of queues, a power of two.
const FutexBuckets = 256
