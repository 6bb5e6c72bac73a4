// Command spins makes calls that spin until they are preempted, each after other calls, while a
// thread sleeps and wakes, and prints how many of them nothing preempted.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

const (
	calls  = 100
	rounds = 1_000_000 // some 5 ms under icount: more than a time slice
)

func main() {
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall(layout.SysSelect, 0, 0, 0); errno != 0 {
		fmt.Fprintln(os.Stderr, "SysSelect:", errno)
		os.Exit(1)
	}
	runtime.GOMAXPROCS(2) // the other thread goes on while this one is in a call
	awake := make(chan struct{})
	go func() {
		close(awake)
		short := syscall.NsecToTimespec((20 * time.Microsecond).Nanoseconds())
		for {
			syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&short)), 0, 0)
		}
	}()
	<-awake
	missed := 0
	for i := range calls {
		// What these leave on the stack lies below the frame of the next call.
		syscall.Getppid()
		syscall.RawSyscall(syscall.SYS_READ, uintptr(i), 0, 0)
		syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		if _, _, errno := syscall.RawSyscall(layout.SysSpin, rounds, 0, 0); errno != 0 {
			missed++
		}
	}
	fmt.Printf("%d of %d\n", missed, calls)
}
