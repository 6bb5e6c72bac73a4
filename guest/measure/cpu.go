package measure

import (
	"runtime"
	"syscall"
	"unsafe"
)

// cpuSet is a cpu_set_t.
type cpuSet [16]uint64

const (
	schedFIFO  = 1
	schedOther = 0
	// fifoPriority is above the priority of all ordinary threads and below that of the
	// kernel's own.
	fifoPriority = 50
)

// claimCPU keeps the calling thread, and those that it starts, on one CPU. As the
// first process of a Linux kernel it also makes them real-time threads, which take
// turns at sched_yield; elsewhere it must not, since such threads starve all
// others. alone reports whether two threads now share one CPU.
func claimCPU() (restore func(), alone bool) {
	old, one := new(cpuSet), new(cpuSet)
	if affinity(syscall.SYS_SCHED_GETAFFINITY, old) != 0 {
		return func() {}, runtime.NumCPU() == 1
	}
	for i, word := range old {
		if word != 0 {
			one[i] = word & -word
			break
		}
	}
	alone = affinity(syscall.SYS_SCHED_SETAFFINITY, one) == 0 || runtime.NumCPU() == 1
	if syscall.Getpid() == 1 {
		setScheduler(schedFIFO, fifoPriority)
	}
	return func() {
		if syscall.Getpid() == 1 {
			setScheduler(schedOther, 0)
		}
		affinity(syscall.SYS_SCHED_SETAFFINITY, old)
	}, alone
}

func affinity(nr uintptr, s *cpuSet) syscall.Errno {
	_, _, errno := syscall.RawSyscall(nr, 0, unsafe.Sizeof(*s), uintptr(unsafe.Pointer(s)))
	return errno
}

func setScheduler(policy uintptr, priority int32) {
	syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, policy, uintptr(unsafe.Pointer(&priority)))
}
