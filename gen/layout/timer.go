package layout

// SigTimer is a timer that sends a signal: a POSIX timer, or one of the process's
// interval timers. Once it has expired it continues only when its signal has been
// taken, as in Linux: a short interval must not flood the machine.
type SigTimer[T any] struct {
	Timer Timer[T]    // armed if the clock is a wall clock
	CPU   CPUTimer[T] // armed if it is a clock of CPU time; its Clock and TID
	Queue SigQueue[T] // its signal
	// Queued is 1 while Queue waits to be delivered; SigTimerDeleted: the timer
	// is freed with it.
	Queued   T
	Wall     T // SigTimerCPU, or which wall clock: SigTimerMono, SigTimerReal
	At       T // when it next expires on its clock, in ns; 0: it is not set
	Interval T // ns; 0: it expires once
	Notify   T // SigTimerProcess, SigTimerThread, SigTimerNone
	TID      T // of the thread that the signal is for
	Process  T // the process that it belongs to
	ID       T // number of a POSIX timer
	Overrun  T // expirations, beyond the first, that the signal taken last stood for
	NextID   T // the POSIX timer made before
}

// The values of SigTimer's fields.
const (
	SigTimerDeleted = 2 // Queued

	SigTimerCPU  = 0 // Wall
	SigTimerMono = 1
	SigTimerReal = 2

	SigTimerProcess = 0 // Notify
	SigTimerThread  = 1
	SigTimerNone    = 2
)

// SigEvent is the start of struct sigevent (Linux include/uapi/asm-generic/siginfo.h).
type SigEvent[T any] struct {
	Value       T
	SignoNotify T // 32 bits each
	TID         T // 32 bits
}

// Intervals are the interval timers of setitimer.
const Intervals = 3

// TimerFD is the state that a file of timerfd_create has in addition to its File.
type TimerFD[T any] struct {
	Timer    Timer[T]
	File     T
	Real     T // 1: its points in time are dates
	At       T // when it next expires, or last expired; 0: it is not set
	Interval T // ns; 0: it expires once
	Ticks    T // expirations since the last read
}
