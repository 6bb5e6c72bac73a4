package main

import (
	"slices"
	"syscall"
	"unsafe"
)

// What calls may change: the arena's pages, again and again.
const (
	arena      = 0x2000_0000_0000
	arenaPages = 64
	pageSize   = 4096
	arenaEnd   = arena + arenaPages*pageSize
)

// What calls find there: read-only words that mean something to some call,
// and a page that is not readable.
const (
	facts        = 0x2100_0000_0000
	forbidPtr    = 0x2200_0000_0000
	programStart = 0x40_0000 // this program has nothing below
	taskSize     = 1<<47 - pageSize
	scripts      = 0x2300_0000_0000 // the threads' scripts, this far apart:
	scriptsApart = 1 << 30
)

// Offsets in the page at facts.
const (
	factFull     = 2560 // all signals
	factZeros    = 0    // 64 bytes: no signals, no time, no interval
	factTimes    = 64   // 8 timespecs
	factShort    = 256  // a timespec of 20 us
	factPast     = 272  // a timespec that is long past, on every clock
	factTimers   = 320  // 4 itimerspecs, of intervals not below 1 ms
	factMask     = 512  // the pair that pselect6 takes: a mask without signals, its size
	factActions  = 576  // 4 sigactions
	factEvents   = 768  // 4 sigevents, of 64 bytes
	factInfo     = 1024 // a siginfo of SI_QUEUE
	factVectors  = 1280 // 8 iovecs
	factPolls    = 1536 // 8 pollfds
	factRobust   = 1664 // 4 robust lists
	factPaths    = 2048 // 16 paths, of 32 bytes
	factActionSz = 32
	factEventSz  = 64
)

// No call may touch the descriptors from protected on: those of
// the report and of the Go runtime.
const (
	protected    = 1000
	protectedEnd = 1010
)

// watch is the signal that ends a call that sleeps. No call can block or
// ignore it.
const watch = 40

// handled are the signals that calls may send or cause: all except those
// that cannot have a handler, those of faults, and those of the Go runtime.
var handled = func() (list []uint64) {
	for s := uint64(1); s <= 64; s++ {
		switch syscall.Signal(s) {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP,
			syscall.SIGURG, syscall.SIGABRT, 32, 33, 34, watch:
		default:
			list = append(list, s)
		}
	}
	return list
}()

func isHandled(signal uint64) bool { return slices.Contains(handled, signal) }

// Flags of a sigaction.
const (
	saSiginfo, saRestorer, saOnStack, saRestart, saNodefer = 0x4, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x4000_0000
)

func word(addr uintptr) *uint64 { return (*uint64)(pointer(addr)) }

// pointer returns a pointer to memory that was mapped without Go.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// writeFacts fills the page at facts.
func writeFacts() {
	put := func(off int, words ...uint64) {
		for i, w := range words {
			*word(uintptr(facts + off + 8*i)) = w
		}
	}
	minus := func(n int64) uint64 { return uint64(-n) }
	put(factTimes, 0, 50_000, 0, 999_999_999, minus(1), 0, 0, minus(1), 0, 1_000_000_000, 1<<62, 0, 1<<63-1, 999_999_999, 1, 0)
	put(factFull, minusOne)
	put(factShort, 0, 20_000)
	put(factPast, 0, 1)
	put(factTimers, 0, 1_000_000, 0, 1000, 0, 0, 0, 5000, 1, 0, 1<<62, 0, 0, 1_000_000, minus(1), 5)
	put(factMask, facts+factZeros, 8)
	handler, restorer := addresses()
	for i, flags := range []uint64{0, saRestart, saNodefer | saSiginfo, saRestart | saSiginfo} {
		put(factActions+i*factActionSz, uint64(handler), flags|saRestorer|saOnStack, uint64(restorer), 0)
	}
	*word(facts + factActions + 3*factActionSz) = 1 // SIG_IGN
	const sigevSignal, sigevNone, sigevThreadID = 0, 1, 4
	for i, notify := range []uint64{sigevSignal, sigevNone, sigevThreadID, sigevSignal} {
		signal := handled[i*7]
		put(factEvents+i*factEventSz, uint64(i), signal|notify<<32, uint64(i)) // the thread: 0, 1, 2 or 3
	}
	put(factInfo, 0, 0xffff_ffff, 1, 0x1234) // si_code is -1
	put(factVectors, arena, 100, 0, 0, arenaEnd-10, 20, 0xffff_8000_0000_0000, 8, arena+pageSize, 1<<63, forbidPtr, 1, arena, 1<<31, arena+3, 1)
	for i := range 8 {
		put(factPolls+8*i, uint64(i*i*3)|uint64(1<<i)<<32)
	}
	put(factRobust, facts+factRobust, 0, 0, // empty
		facts+factRobust+24, 0, 0, // the same list again
		arena, 8, arena+16, // what is in the arena
		1<<63, 1<<63, 0xffff_ffff_8000_0000)
	for i, path := range []string{
		"/", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "", ".", "..", "/dev", "dev/../dev/./null", "/proc/self/exe",
		"/nowhere", "///", "/dev/null/x", "a/b/c", "/init",
	} {
		copy(unsafe.Slice((*byte)(pointer(uintptr(facts+factPaths+32*i))), 31), path)
	}
}

// minusOne is -1 as an argument.
const minusOne = 1<<64 - 1

// random is xorshift64.
type random uint64

func (r *random) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

// n returns a number below limit.
func (r *random) n(limit uint64) uint64 { return r.next() >> 11 % limit }

// oneOf returns one of the values.
func (r *random) oneOf(values ...uint64) uint64 { return values[r.n(uint64(len(values)))] }

// number returns any number, mostly one at a boundary.
func (r *random) number() uint64 {
	switch r.n(10) {
	case 0:
		return 0
	case 1:
		return r.n(8)
	case 2:
		return -r.n(8)
	case 3:
		return r.next()
	case 4:
		return 1 << r.n(64)
	case 5:
		return 1<<r.n(64) - 1
	case 6:
		return -(1 << r.n(64))
	case 7:
		return r.n(1 << 16)
	case 8:
		one, other := r.n(32), r.n(32)
		return 1<<one | 1<<other
	default:
		return r.n(100)
	}
}

// badPointer returns an address that nobody can write to.
func (r *random) badPointer() uint64 {
	switch r.n(8) {
	case 0:
		return 0
	case 1:
		return r.n(pageSize)
	case 2:
		return 0xffff_8000_0000_0000 + r.n(1<<36)
	case 3:
		return 0xffff_ffff_8000_0000 + r.n(1<<25) // the kernel
	case 4:
		return 1<<47 - 2*pageSize + 8*r.n(1024) // around the end of user memory
	case 5:
		return 1<<47 + r.n(1<<60) // mostly not canonical
	case 6:
		return forbidPtr + r.n(pageSize)
	default:
		return -r.n(64)
	}
}

// pointer returns an address in the arena or in the facts, or a bad one.
func (r *random) pointer() uint64 {
	page := arena + pageSize*r.n(arenaPages)
	switch r.n(8) {
	case 0:
		return r.badPointer()
	case 1, 2:
		return facts + 8*r.n(pageSize/8)
	case 3:
		return page + pageSize - r.n(17) // what it points to crosses a page
	case 4:
		return page
	case 5:
		return page + r.n(pageSize)
	default:
		return page + 8*r.n(pageSize/8)
	}
}

// arg returns an argument of the kind; 0 means any.
func (r *random) arg(kind byte) uint64 {
	if r.n(8) == 0 { // of the wrong kind
		kind = 0
	}
	switch kind {
	case 'f':
		return r.n(64)
	case 'p':
		return r.pointer()
	case 'l':
		if r.n(2) == 0 {
			return r.n(3 * pageSize)
		}
		return r.number()
	case 't':
		return r.oneOf(0, 1, 1+r.n(12), minusOne)
	case 's':
		return handled[r.n(uint64(len(handled)))]
	case 'T':
		return r.timeout()
	case 'n':
		return r.number()
	default:
		if r.n(2) == 0 {
			return r.pointer()
		}
		return r.number()
	}
}

// timeout returns the address of a time that is soon over, or that is not valid.
func (r *random) timeout() uint64 {
	return r.oneOf(facts+factShort, facts+factPast, facts+factShort, facts+factTimes+32, facts+factTimes+48, r.badPointer())
}
