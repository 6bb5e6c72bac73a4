// Command calls makes system calls in every way that is right or wrong and
// prints what each returns, in lines that are the same on any Linux. Its
// argument names a part.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	runtime.LockOSThread() // signals are sent to this thread
	parts := map[string]func(){
		"files": files, "readonly": readonly, "events": events, "pipes": pipes, "selects": selects, "descriptors": many,
		"process": process, "timers": timers, "newer": newer, "memory": memory, "status": status, "memfds": memfds,
	}
	for _, name := range os.Args[1:] {
		part := parts[name]
		if part == nil {
			fmt.Fprintf(os.Stderr, "calls: no part %s\n", name)
			os.Exit(1)
		}
		part()
	}
}

// say prints a line: what was done, then its results, errors by their number.
func say(what string, results ...any) {
	fmt.Printf("%-28s", what)
	for _, r := range results {
		var errno syscall.Errno
		switch v := r.(type) {
		case nil:
			r = "ok"
		case error:
			if errors.As(v, &errno) {
				r = "ok"
				if errno != 0 {
					r = fmt.Sprintf("errno %d", int(errno))
				}
			}
		}
		fmt.Print(" ", r)
	}
	fmt.Println()
}

// call makes a system call as it is.
func call(nr uintptr, args ...uintptr) (int, syscall.Errno) {
	var a [6]uintptr
	copy(a[:], args)
	r, _, errno := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	return int(r), errno
}

// try makes a system call and says what it returned.
func try(what string, nr uintptr, args ...uintptr) int {
	r, errno := call(nr, args...)
	say(what, r, errno)
	return r
}

func addr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// later runs f on another thread in a while, when the caller blocks.
func later(f func()) {
	go func() {
		runtime.LockOSThread()
		time.Sleep(20 * time.Millisecond)
		f()
	}()
}

const (
	bad = 8 // an address where nothing is
	nul = 0
)
