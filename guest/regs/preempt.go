package regs

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// Preempts returns the loop in which two threads spin in ring 3 and only the timer
// takes the CPU from them: a round is two switches, each from the interrupt in one
// thread to its return in the other. Most of the time goes into the timer's
// interrupt and the choice of the next thread, which are the same for all variants;
// only the variant's part of the switch differs.
//
// Both threads count the rounds that they spin, in the same loop, and the ticks
// of as many rounds are subtracted. One thread leads and the other follows, one
// step in each time slice, so that the number of switches is known; the kernel
// counts them, too. At its last step the second thread yields, so that it is
// outside its loop when the time is read. So n rounds are 2n-1 switches by
// preemption, half of another, and half of a switch by yield. The result is n+1
// rounds less one round.
func Preempts(m *Memory) (loop, empty Loop) {
	scratch := newPeer(m)
	run := func(n uint64, p *peer) (uint64, error) {
		short, shortCounts, err := preempt(p, scratch, 1)
		if err != nil {
			return 0, err
		}
		long, longCounts, err := preempt(p, scratch, n+1)
		if err != nil {
			return 0, err
		}
		perf.Begun, perf.Ended = shortCounts, longCounts
		return uint64(max(long-short, 0)), nil
	}
	empty = func(int, int) (uint64, error) {
		perf.Begun, perf.Ended = Counts{}, Counts{}
		return 0, nil // it is subtracted already
	}
	return withPeer(m, programPreempt, peer{}, false, run), empty
}

// preempt makes n rounds and returns their ticks minus those of the spinning, which
// it repeats in scratch to time it. The result can be negative if the machine is
// disturbed.
func preempt(p, scratch *peer, n uint64) (ticks int64, counts Counts, err error) {
	p.first, p.second, p.rounds = 0, 0, layout.Word(n)
	old, err := TimeSlice(layout.MinTimeSlice)
	if err != nil {
		return 0, counts, err
	}
	before, err := Stats()
	with, count := spin(p, n+1)
	counts = Counted()
	after, err1 := Stats()
	p.rounds, p.first = 0, layout.Word(n) // the second thread leaves its loop even if it is not in step
	// The slice that begins here is long enough for the loop alone.
	_, err2 := TimeSlice(old)
	between, err3 := Stats()
	alone := spinAlone(scratch, count+uint64(p.count))
	end, err4 := Stats()
	for _, e := range []error{err, err1, err2, err3, err4} {
		if e != nil {
			return 0, counts, e
		}
	}
	switches, ticked := layout.Word(2*n), layout.Word(2*n-1)
	if after.Switches-before.Switches != switches || after.UserPreemptions-before.UserPreemptions != ticked ||
		after.Ticks-before.Ticks != ticked || end.Ticks != between.Ticks {
		return 0, counts, ErrLockstep
	}
	less := Counted()
	counts.Cycles -= less.Cycles
	counts.Instructions -= less.Instructions
	return int64(with - alone), counts, nil
}

// Stats returns the kernel's counts since boot.
func Stats() (layout.Stats[layout.Word], error) {
	var s layout.Stats[layout.Word]
	if _, _, errno := syscall.RawSyscall(layout.SysStats, uintptr(unsafe.Pointer(&s)), 0, 0); errno != 0 {
		return s, fmt.Errorf("the kernel's counts: %w", errno)
	}
	return s, nil
}

// TimeSlice sets the time slice to ns, begins a new one, and returns the old value
// (layout.SysTimeSlice).
func TimeSlice(ns uintptr) (old uintptr, err error) {
	old, _, errno := syscall.RawSyscall(layout.SysTimeSlice, ns, 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("time slice of %d ns: %w", ns, errno)
	}
	return old, nil
}

// Implemented in loops_amd64.s.
func spin(p *peer, n uint64) (ticks, count uint64)
func spinAlone(p *peer, n uint64) (ticks uint64)
