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

// ErrLockstep says that two threads did not take turns, so the ticks of the sample
// do not tell what a thread switch takes.
var ErrLockstep = errors.New("the two threads did not take turns")

// A Loop runs n rounds and returns the ticks of the time-stamp counter that they
// took, SYSCALL, SYSRET and the loop's own instructions included. variant is the
// index of the variant that a second thread selects for itself; -1 stands for none.
type Loop func(n, variant int) (ticks uint64, err error)

// Calls returns the loop that makes system call nr with the first argument arg, and
// the loop without the call.
func Calls(nr, arg uint64) (loop, empty Loop) {
	return func(n, _ int) (uint64, error) { return calls(uint64(n), nr, arg), nil },
		func(n, _ int) (uint64, error) { return callsEmpty(uint64(n), nr, arg), nil }
}

// ForgottenCalls returns the loop that makes system call nr after the CPU has dropped what it
// predicts of branches (layout.FlushPredictions), and the loop without the call. Their ticks are
// those of the calls alone, each with the two readings of the counter around it.
func ForgottenCalls(nr uint64) (loop, empty Loop) {
	return func(n, _ int) (uint64, error) {
			return forgotten(uint64(n), layout.SysFlush, layout.FlushPredictions, nr), nil
		},
		func(n, _ int) (uint64, error) {
			return forgottenEmpty(uint64(n), layout.SysFlush, layout.FlushPredictions, nr), nil
		}
}

// Signals returns the loop of a signal's round trip: tgkill to the calling thread,
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

	// yield is the number of the call by which the two hand over the CPU. ownMM is
	// the number of the call by which the second thread gets its own address space,
	// or 0 for none; that call's result replaces it.
	yield, ownMM layout.Word
	// rounds is the number of rounds of Preempts, negative to end the second
	// thread. first and second are the steps that the two threads have reached.
	rounds, first, second layout.Word

	// in and out are the descriptors from which the first process of Pipes reads and to
	// which it writes, peerIn and peerOut those of the second. data is the byte.
	in, out, peerIn, peerOut, data layout.Word
}

const peerWords = int(unsafe.Sizeof(peer{}) / 8)

func newPeer(m *Memory) *peer { return (*peer)(unsafe.Pointer(unsafe.SliceData(m.Words(peerWords)))) }

// Spaces are the address spaces of the two threads of a loop.
type Spaces int

const (
	// Same is one address space for both.
	Same Spaces = iota
	// Own gives the second thread its own address space (layout.SysOwnMM).
	Own
	// Process makes the second thread a process, which is the only way on Linux.
	Process
)

// Yields returns the loop in which two threads hand the CPU to each other by the
// system call nr, sched_yield or one like it: a round is two switches.
func Yields(m *Memory, nr uint64, spaces Spaces) (loop, empty Loop) {
	run := inStep(func(n uint64, _ *peer) uint64 { return calls(n, nr, 0) })
	// Both threads run the same loop, 2n rounds together; the code before and
	// after a loop is timed once.
	empty = func(n, _ int) (uint64, error) { return callsEmpty(2*uint64(n), nr, 0), nil }
	setup := peer{yield: layout.Word(nr)}
	if spaces == Own {
		setup.ownMM = layout.SysOwnMM
	}
	return withPeer(m, programYield, setup, spaces == Process, run), empty
}

// Futexes returns the loop in which two threads wake each other and sleep: a
// round is four system calls and two switches.
func Futexes(m *Memory) (loop, empty Loop) {
	run := inStep(func(n uint64, p *peer) uint64 { return rounds(n, &p.turn) })
	empty = func(n, _ int) (uint64, error) {
		var turn layout.Word
		// Only the rounds of the peer's loop count, not the code around them:
		// a run of twice the rounds minus a run of once. A disturbance of the run
		// that is subtracted would make the difference too small, so both are the
		// least of some runs.
		once := least(func() uint64 { return peerEmpty(uint64(n), &turn) })
		twice := least(func() uint64 { return peerEmpty(2*uint64(n), &turn) })
		return roundsEmpty(uint64(n), &turn) + max(twice, once) - once, nil
	}
	return withPeer(m, programFutex, peer{}, false, run), empty
}

// least returns the least ticks of some runs, since a disturbance only adds.
func least(run func() uint64) uint64 {
	const runs = 5
	ticks := run()
	for range runs - 1 {
		ticks = min(ticks, run())
	}
	return ticks
}

// warmUp is the number of rounds that two threads make before the measured ones, to
// get into step.
const warmUp = 8

// peerPlaces is the number of places that samples take in turn for what their two
// threads share. A kernel finds a futex's waiters by a hash of its address, and the
// Go runtime's threads wait on futexes, too: where the hashes collide, a call takes
// longer.
const peerPlaces = 5

// inStep makes n rounds of run after some to warm up, and checks that the second
// thread has made as many.
func inStep(run func(n uint64, p *peer) uint64) func(uint64, *peer) (uint64, error) {
	return func(n uint64, p *peer) (uint64, error) {
		run(warmUp, p)
		before := p.count
		ticks := run(n, p)
		if p.count-before != layout.Word(n) {
			return 0, ErrLockstep
		}
		return ticks, nil
	}
}

// withPeer returns a loop that starts a second thread, or process, for each sample
// and gives it a copy of setup. The memory for it is taken once.
func withPeer(m *Memory, prog program, setup peer, process bool, run func(n uint64, p *peer) (uint64, error)) Loop {
	t := NewThread(m, 0)
	var places [peerPlaces]*peer
	for i := range places {
		places[i] = newPeer(m)
	}
	batch := 0
	return func(n, variant int) (uint64, error) {
		p := places[batch%peerPlaces]
		batch++
		*p = setup
		p.variant = layout.Word(variant)
		if err := t.start(prog, uintptr(unsafe.Pointer(p)), process); err != nil {
			return 0, err
		}
		if !yieldUntil(&p.ready, peerLimit) {
			return 0, fmt.Errorf("the second thread has not started within %v", peerLimit)
		}
		ticks, err := run(uint64(n), p)
		if p.ownMM != 0 {
			err = fmt.Errorf("the second thread has no address space of its own: %w", syscall.Errno(-p.ownMM))
		}
		p.count, p.turn, p.rounds = ^layout.Word(0), 1, ^layout.Word(0)
		syscall.RawSyscall(sysFutex, uintptr(unsafe.Pointer(&p.turn)), futexWake, 1)
		if ended := t.Wait(peerLimit); ended != nil {
			return 0, ended
		}
		return ticks, err
	}
}

// Implemented in loops_amd64.s.
func calls(n, nr, arg uint64) (ticks uint64)
func callsEmpty(n, nr, arg uint64) (ticks uint64)
func forgotten(n, flush, what, nr uint64) (ticks uint64)
func forgottenEmpty(n, flush, what, nr uint64) (ticks uint64)
func signals(n, pid, tid uint64) (ticks uint64)
func signalsEmpty(n, pid, tid uint64) (ticks uint64)
func rounds(n uint64, turn *layout.Word) (ticks uint64)
func roundsEmpty(n uint64, turn *layout.Word) (ticks uint64)
func peerEmpty(n uint64, turn *layout.Word) (ticks uint64)
