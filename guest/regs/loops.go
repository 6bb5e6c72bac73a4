package regs

import (
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// peerLimit is how long the other thread may take to start or to end.
const peerLimit = time.Second

// ErrLockstep says that two threads did not take turns, so that the ticks of
// a batch are not those of a thread switch.
var ErrLockstep = errors.New("the two threads did not take turns")

// A Loop runs n rounds and returns the ticks of the time-stamp counter that
// they took, with SYSCALL and SYSRET and with the loop's own instructions.
// Variant is what a second thread selects for itself; -1 stands for none.
type Loop func(n, variant int) (ticks uint64, err error)

// Calls returns the loop that makes system call nr with first argument arg,
// and what the loop alone takes.
func Calls(nr, arg uint64) (loop, empty Loop) {
	return func(n, _ int) (uint64, error) { return calls(uint64(n), nr, arg), nil },
		func(n, _ int) (uint64, error) { return callsEmpty(uint64(n), nr, arg), nil }
}

// Signals returns the loop of a signal's round trip: tgkill of the own thread,
// an empty handler on the alternate stack, rt_sigreturn. SIGUSR2 must not be
// blocked.
func Signals() (loop, empty Loop) {
	pid, tid := uint64(syscall.Getpid()), uint64(syscall.Gettid())
	loop = func(n, _ int) (uint64, error) {
		_, counted, _ := handlers()
		restore, err := catch(countedSignal, counted)
		if err != nil {
			return 0, err
		}
		defer restore()
		return signals(uint64(n), pid, tid), nil
	}
	return loop, func(n, _ int) (uint64, error) { return signalsEmpty(uint64(n), pid, tid), nil }
}

// peer is what the two threads of a loop share.
type peer struct {
	variant layout.Word // negative: none
	count   layout.Word // rounds of the second thread; it ends at 0
	ready   layout.Word // 1: the second thread is in its loop
	turn    layout.Word // 32 bits: 1 while it is the second thread's
}

const peerWords = int(unsafe.Sizeof(peer{}) / 8)

// Yields returns the loop in which two threads hand the CPU to each other by
// sched_yield: a round is two switches.
func Yields(m *Memory) (loop, empty Loop) {
	run := func(n uint64, _ *peer) uint64 { return calls(n, sysYield, 0) }
	// Both threads' loops are alike; what surrounds a loop is there only once.
	empty = func(n, _ int) (uint64, error) { return callsEmpty(2*uint64(n), sysYield, 0), nil }
	return withPeer(m, programYield, run), empty
}

// Futexes returns the loop in which two threads wake each other and sleep: a
// round is four system calls and two switches.
func Futexes(m *Memory) (loop, empty Loop) {
	run := func(n uint64, p *peer) uint64 { return rounds(n, &p.turn) }
	empty = func(n, _ int) (uint64, error) {
		var turn layout.Word
		// Only the peer's loop counts, not what surrounds it. Whatever disturbs
		// the one that is taken away would make the rest too small.
		once := least(func() uint64 { return peerEmpty(uint64(n), &turn) })
		twice := least(func() uint64 { return peerEmpty(2*uint64(n), &turn) })
		return roundsEmpty(uint64(n), &turn) + max(twice, once) - once, nil
	}
	return withPeer(m, programFutex, run), empty
}

// least is the least ticks of some runs: disturbances only add.
func least(run func() uint64) uint64 {
	const runs = 5
	ticks := run()
	for range runs - 1 {
		ticks = min(ticks, run())
	}
	return ticks
}

// warmUp is how many rounds two threads make before the counted ones, so that
// they are in step.
const warmUp = 8

// peerPlaces is the number of places that batches take in turn for what their
// two threads share. A kernel finds a futex's waiters by a hash of its address,
// and the Go runtime's threads wait somewhere as well: where both meet, a call
// takes longer, in that place.
const peerPlaces = 5

// withPeer returns a loop that starts a second thread for each batch. Its
// memory is taken once.
func withPeer(m *Memory, prog program, run func(n uint64, p *peer) uint64) Loop {
	t := NewThread(m, 0)
	var places [peerPlaces]*peer
	for i := range places {
		places[i] = (*peer)(unsafe.Pointer(unsafe.SliceData(m.Words(peerWords))))
	}
	batch := 0
	return func(n, variant int) (uint64, error) {
		p := places[batch%peerPlaces]
		batch++
		*p = peer{variant: layout.Word(variant)}
		if err := t.start(prog, uintptr(unsafe.Pointer(p))); err != nil {
			return 0, err
		}
		for start := time.Now(); *(*layout.Word)(unsafe.Pointer(&p.ready)) == 0; calls(1, sysYield, 0) {
			if time.Since(start) > peerLimit {
				return 0, fmt.Errorf("the second thread has not started within %v", peerLimit)
			}
		}
		run(warmUp, p)
		before := p.count
		ticks := run(uint64(n), p)
		made := p.count - before
		p.count, p.turn = ^layout.Word(0), 1
		syscall.RawSyscall(sysFutex, uintptr(unsafe.Pointer(&p.turn)), futexWake, 1)
		if err := t.Wait(peerLimit); err != nil {
			return 0, err
		}
		if made != layout.Word(n) {
			return 0, ErrLockstep
		}
		return ticks, nil
	}
}

// Implemented in loops_amd64.s.
func calls(n, nr, arg uint64) (ticks uint64)
func callsEmpty(n, nr, arg uint64) (ticks uint64)
func signals(n, pid, tid uint64) (ticks uint64)
func signalsEmpty(n, pid, tid uint64) (ticks uint64)
func rounds(n uint64, turn *layout.Word) (ticks uint64)
func roundsEmpty(n uint64, turn *layout.Word) (ticks uint64)
func peerEmpty(n uint64, turn *layout.Word) (ticks uint64)
