package layout

// Sched is the scheduler's state. It is touched with interrupts off.
type Sched[T any] struct {
	RunHead, RunTail T // runnable threads except the running one, first come first served
	TimerHead        T // Timers, the earliest first
	Slice            T // a time slice in ns; see SysTimeSlice
	// SliceArmed is 1 while the local APIC's timer is known to fire within one
	// time slice, so that it need not be programmed when a second thread
	// becomes runnable.
	SliceArmed T
	// TimerArmed is when the timer fires, in ns of the monotonic clock;
	// TimerNever: it is off.
	TimerArmed T

	All       T // living threads, newest first
	Dead      T // threads whose stack nobody runs on any more
	Threads   T // number of living threads
	LastTID   T
	Processes T // all of them, newest first, zombies too

	// The counts of Stats. Preempted is the count of the threads that have ended.
	Switches, MMSwitches, Preempted, KernelPreemptions, Ticks T

	// Accounted is the time, in ns of the monotonic clock, up to which time on the CPU
	// has been charged to threads; what no other thread gets, the idle thread gets.
	Accounted T
	// RingTime is 0 if the last tick of the timer found the CPU in ring 3, 8 if in
	// ring 0: it says whether time is charged to UTime or STime until the next tick. As
	// in a Linux without VIRT_CPU_ACCOUNTING the sum is exact and its parts are
	// samples: the entry paths must not pay for accounting.
	RingTime T
	// Counting is 1 once a thread's time has been asked for: each switch charges it.
	Counting  T
	CPUTimers T // armed CPUTimers
}

// Timer is something that is to happen at a time.
type Timer[T any] struct {
	Expires    T // ns of the monotonic clock; 0: it is not on the list
	Next, Prev T // by Expires
	// Func is called with the Timer in RDI once it is off the list, by the timer's
	// interrupt, which may have come anywhere in the kernel where IF was 1. RBX is that
	// one's PtRegs (Linux's irq_regs).
	Func T
}

// CPUTimer is something that is to happen when some time on the CPU has been spent.
// The ticks check for it.
type CPUTimer[T any] struct {
	Expires T // ns of its clock; 0: it is not on the list
	Next    T
	Func    T // as in Timer, with the CPUTimer in RDI
	Clock   T // CPUClock* of the process or, with CPUClockThread, of the thread TID
	TID     T // of the thread, or the process's PID
}

// What a clock of CPU time counts (Linux include/linux/posix-timers.h, CPUCLOCK_*).
const (
	CPUClockProf   = 0 // UTime and STime
	CPUClockVirt   = 1 // UTime
	CPUClockSched  = 2 // UTime and STime
	CPUClockThread = 4 // a thread's, not the process's
)

// TimerNever is later than any time.
const TimerNever = 1<<63 - 1

// How long, in ns, a thread runs at most while another waits, and the range that
// SysTimeSlice takes. With less than the minimum, an emulator that counts instructions
// as time would do nothing but take the timer's interrupt; with more than the maximum,
// the end of a slice could lie beyond TimerNever.
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
	// TSCSource (a TSCSource) says where Mult comes from.
	TSCSource T
	Real      T // ns from 1970-01-01 UTC to boot
	// TimerMult is local APIC timer ticks per ns, times 2^32; TimerMax is the
	// longest time in ns that its 32 bits can count.
	TimerMult, TimerMax T
}

// RUsage is struct rusage (Linux include/uapi/linux/resource.h).
type RUsage[T any] struct {
	UTime, STime                           [2]T // s, us
	MaxRSS, IXRSS, IDRSS, ISRSS            T
	MinFaults, MajFaults, Swaps            T
	InBlock, OutBlock, MsgSnd, MsgRcv      T
	Signals                                T
	VoluntarySwitches, InvoluntarySwitches T
}

// TSCSource says how the kernel knows the rate of the TSC.
type TSCSource uint64

// The sources, in the order in which they are tried.
const (
	TSCByCPUID      TSCSource = 1 + iota // leaf 15H
	TSCByHypervisor                      // leaf 40000010H
	TSCByKVMClock
	TSCByPIT
	TSCByHPET
	TSCByPMTimer // ACPI's
)

// Counter is a counter that the TSC is compared with.
type Counter[T any] struct {
	Init T // function: returns 1 if there is such a counter, which then counts
	Read T // function: returns the count, upwards
	Hz   T // its rate, 0 if it is not known
	Mask T // of the bits that it has
	// Least and Most are the number of ticks that a window has at least, and at
	// most where reading the counter is slow: the counter must not wrap.
	Least, Most T
	Source      T // a TSCSource
}

// PVClock is what KVM writes for its clock (Linux
// arch/x86/include/asm/pvclock-abi.h, struct pvclock_vcpu_time_info).
type PVClock[T any] struct {
	Version    T // 32 bits
	TSC        T
	SystemTime T // ns
	ScaleFlags T // tsc_to_system_mul, 32 bits; tsc_shift, 8 bits, signed; flags
}

// KVMSteal is what KVM writes for MSR_KVM_STEAL_TIME (Linux
// Documentation/virt/kvm/x86/msr.rst, struct kvm_steal_time).
type KVMSteal[T any] struct {
	Steal        T // ns
	VersionFlags T // 32 bits each
	Preempted    T // 8 bits
	_            [5]T
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
