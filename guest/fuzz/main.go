// Command fuzz is an init that makes system calls with bad arguments, from
// several threads at once: numbers at a boundary; pointers to nothing, to the
// kernel, to memory that is read-only or crosses a page; huge lengths;
// descriptors of every kind; numbers of no call. It reports a call that
// never returns, and memory that is gone at the end; a kernel that
// panics reports that itself.
//
// Usage:
//
//	init [-seed=N] [-calls=N] [-threads=N]
//
// The same words make the same calls in the same order on a machine whose
// clock counts instructions. Calls are left out, or changed, if they would
// destroy the process itself (see harmless): that init survives to its end is
// part of the test.
//
// The threads know nothing about Go: each runs through a script that is written
// before it starts. So the memory of the Go runtime does not change, and pages
// that are gone were lost by the kernel.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/guest/lines"
)

// Implemented in fuzz_amd64.s.
func addresses() (handler, restorer uintptr)
func start(flags uintptr, t *thread) int64

func init() { runtime.LockOSThread() }

func main() {
	seed := flag.Uint64("seed", 1, "")
	calls := flag.Uint64("calls", 100_000, "")
	threads := flag.Int("threads", 4, "")
	flag.Parse()
	debug.SetGCPercent(-1)
	f, err := newFuzzer(*seed, *threads)
	if err != nil {
		fmt.Println(wire.Check{Outcome: wire.Error, Name: "fuzz", Detail: err.Error()})
		os.Exit(wire.ExitError)
	}
	r := lines.New(f.out)
	made, err := f.run(r, *calls)
	r.Result(fmt.Sprintf("fuzz: %d calls, seed %d", made, *seed), err)
	os.Exit(r.Summary())
}

// fuzzer is the state that is set up once.
type fuzzer struct {
	out     *os.File
	random  random
	threads []*thread
	tids    []uintptr
	brk     uintptr
}

// sys makes a system call.
func sys(nr uintptr, a ...uintptr) (uintptr, syscall.Errno) {
	var b [6]uintptr
	copy(b[:], a)
	r, _, err := syscall.RawSyscall6(nr, b[0], b[1], b[2], b[3], b[4], b[5])
	return r, err
}

// newFuzzer moves the program's own descriptors out of the calls' way, and makes the
// objects that the calls work on.
func newFuzzer(seed uint64, threads int) (*fuzzer, error) {
	for fd := uintptr(3); ; {
		n, err := sys(syscall.SYS_FCNTL, 1, syscall.F_DUPFD, fd)
		if err != 0 {
			return nil, fmt.Errorf("descriptor %d: %w", fd, err)
		}
		if n == protected {
			break
		}
	}
	time.Sleep(time.Nanosecond) // the Go runtime opens the descriptors that it polls with
	for fd := uintptr(0); fd < protected; fd++ {
		sys(syscall.SYS_CLOSE, fd)
	}
	f := &fuzzer{out: os.NewFile(protected, "console"), random: random(seed*0x9e37_79b9_7f4a_7c15 | 1), tids: make([]uintptr, threads)}
	for range 16 {
		f.random.next()
	}
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("limit of descriptors: %w", err)
	}
	for i := range threads {
		at := scripts + uintptr(i)*scriptsApart
		if err := mapPages(at, unsafe.Sizeof(thread{}), syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			return nil, err
		}
		f.threads = append(f.threads, (*thread)(pointer(at)))
	}
	if err := errors.Join(mapPages(facts, pageSize, syscall.PROT_READ|syscall.PROT_WRITE), mapPages(forbidPtr, pageSize, syscall.PROT_NONE)); err != nil {
		return nil, err
	}
	writeFacts()
	if _, err := sys(syscall.SYS_MPROTECT, facts, pageSize, syscall.PROT_READ); err != 0 {
		return nil, fmt.Errorf("mprotect: %w", err)
	}
	// All pages of the Go runtime exist from now on, so that its first touch of one
	// does not look like a leak.
	if err := syscall.Mlockall(syscall.MCL_CURRENT); err != nil {
		return nil, fmt.Errorf("mlockall: %w", err)
	}
	f.brk, _ = sys(syscall.SYS_BRK, 0)
	return f, nil
}

// mapPages maps new pages at an address.
func mapPages(at, size, prot uintptr) error {
	const flags = syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_FIXED
	if _, err := sys(syscall.SYS_MMAP, at, size, prot, flags, ^uintptr(0)); err != 0 {
		return fmt.Errorf("mmap of %#x: %w", at, err)
	}
	return nil
}

// times is how often memory is counted: a page that is gone once may be in use for
// good, pages that go again and again are lost.
const times = 8

// piece is after how many calls their leftovers are removed. Mappings that were
// to be populated add up: a million calls can take all of memory.
const piece = 100_000

// run makes at least that many calls. It returns how many it made, and what is wrong with
// the kernel.
func (f *fuzzer) run(r *lines.Printer, calls uint64) (made uint64, err error) {
	var free []uint64 // pages, after each part of the calls
	for made < calls || len(free) < times {
		part, cleaned := uint64(0), uint64(0)
		for part == 0 || part < calls/times {
			if err := f.prepare(); err != nil {
				return made, lines.Harness(err.Error())
			}
			for _, t := range f.threads {
				part += t.write(&f.random, calls/times/uint64(len(f.threads))+1)
			}
			if err := f.play(); err != nil {
				return made + part, err
			}
			if part-cleaned >= piece {
				if err := f.cleanUp(); err != nil {
					return made + part, err
				}
				cleaned = part
			}
		}
		if err := f.cleanUp(); err != nil {
			return made, err
		}
		n, err := freePages()
		if err != nil {
			return made, lines.Harness(err.Error())
		}
		made, free = made+part, append(free, n)
		r.Info("fuzz: %d calls, %d pages are free", made, n)
	}
	return made, leak(free)
}

// strays is how many pages may be gone for once: a page of small objects stays as
// long as one of them.
const strays = 2

// leak judges the counts of free pages.
func leak(free []uint64) error {
	half := len(free) / 2
	before, after := free[0], free[half]
	for _, n := range free[:half] {
		before = min(before, n)
	}
	for _, n := range free[half:] {
		after = min(after, n)
	}
	if after+strays < before {
		return fmt.Errorf("%d pages are gone", before-after)
	}
	return nil
}
