package regs

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// Pipes returns the loop in which this process and another wake each other by a byte
// through each of two pipes: a round is four system calls and two switches.
func Pipes(m *Memory) (loop, empty Loop) {
	var there, back [2]int // reading and writing ends
	opened := syscall.Pipe2(there[:], 0)
	if opened == nil {
		opened = syscall.Pipe2(back[:], 0)
	}
	setup := peer{
		in: layout.Word(back[0]), out: layout.Word(there[1]),
		peerIn: layout.Word(there[0]), peerOut: layout.Word(back[1]),
	}
	run := func(n uint64, p *peer) (uint64, error) {
		ticks, err := inStep(pipes)(n, p)
		p.count = ^layout.Word(0)
		pipes(1, p) // the other process ends after this byte
		return ticks, err
	}
	measured := withPeer(m, programPipe, setup, true, run)
	loop = func(n, variant int) (uint64, error) {
		if opened != nil {
			return 0, fmt.Errorf("pipe: %w", opened)
		}
		return measured(n, variant)
	}
	scratch := newPeer(m)
	empty = func(n, _ int) (uint64, error) {
		// As in Futexes: of the peer's loop only the rounds count.
		once := least(func() uint64 { return pipePeerEmpty(uint64(n), scratch) })
		twice := least(func() uint64 { return pipePeerEmpty(2*uint64(n), scratch) })
		return pipesEmpty(uint64(n), scratch) + max(twice, once) - once, nil
	}
	return loop, empty
}

// makerGaps is the number of address ranges that a maker unmaps.
const makerGaps = 4

// makerPasses is how often a maker makes its rounds: once to warm up, and once to be
// timed.
const makerPasses = 2

// maker is what a process that makes processes shares with init. The process keeps only
// the code that it runs, the page of perf, which each fork shares until the next write to
// it copies it, and of Memory its stack and its maker.
type maker struct {
	peer // rounds and variant are used
	gaps [makerGaps]struct{ from, size layout.Word }

	// path and argv are execve's.
	path [8]byte
	argv [2]layout.Word

	passes layout.Word // to make
	status layout.Word // 32 bits: the last child's, as wait4 has it
	result layout.Word // -errno of the call that failed; 0: none
	ticks  layout.Word
	begun  Counts
	ended  Counts
}

// Forks returns the loop in which a small process makes others: a round is fork, the
// child's exit_group and wait4, with a page that is copied when it is written to.
func Forks(m *Memory) (loop, empty Loop) {
	k, loop := newMaker(m, programFork, "")
	return loop, func(n, _ int) (uint64, error) { return forksEmpty(uint64(n), k), nil }
}

// Execs returns the same loop with an execve of the program at path in the child. path
// is at most 7 bytes.
func Execs(m *Memory, path string) (loop, empty Loop) {
	k, loop := newMaker(m, programExec, path)
	return loop, func(n, _ int) (uint64, error) { return execsEmpty(uint64(n), k), nil }
}

// TracedCalls returns the loop in which a small process traces another: a round is a null
// call, where the tracer stops it as it begins and as it ends (PTRACE_SYSCALL, wait4).
func TracedCalls(m *Memory) (loop, empty Loop) {
	k, loop := newMaker(m, programTrace, "")
	return loop, func(n, _ int) (uint64, error) { return tracesEmpty(uint64(n), k), nil }
}

// newMaker returns a maker and the loop that runs p with it, in a process of its own for
// each sample.
func newMaker(m *Memory, p program, path string) (*maker, Loop) {
	t := NewThread(m, 0)
	k := (*maker)(m.take(int(unsafe.Sizeof(maker{}))))
	copy(k.path[:len(k.path)-1], path)
	k.argv[0] = layout.Word(uintptr(unsafe.Pointer(&k.path)))
	const page = layout.PageSize
	fork, exec, trace, count, clone := makerText()
	data := uintptr(unsafe.Pointer(&perf))
	stack, end := uintptr(unsafe.Pointer(unsafe.SliceData(t.stack))), uintptr(unsafe.Pointer(k))+unsafe.Sizeof(*k)
	from := uintptr(0)
	for i, kept := range [...]struct{ from, to uintptr }{
		// None of the five is as long as a page.
		{min(fork, exec, trace, count, clone) &^ (page - 1), (max(fork, exec, trace, count, clone) + 2*page) &^ (page - 1)},
		{data &^ (page - 1), (data + unsafe.Sizeof(perf) + page - 1) &^ (page - 1)},
		{stack &^ (page - 1), (end + page - 1) &^ (page - 1)}, // stack, FS area and maker were taken in this order
		{layout.TaskSizeMax, 0},
	} {
		k.gaps[i].from, k.gaps[i].size = layout.Word(from), layout.Word(kept.from-from)
		from = kept.to
	}
	return k, func(n, variant int) (uint64, error) {
		k.variant, k.rounds, k.passes = layout.Word(variant), layout.Word(n), makerPasses
		k.status, k.result = 0, 0
		if err := t.start(p, uintptr(unsafe.Pointer(k)), true); err != nil {
			return 0, err
		}
		// Waiting here leaves the CPU to the process, where Thread.Wait would take turns
		// with it.
		status, err := t.sleepUntilEnd()
		switch {
		case err != nil:
			return 0, err
		case status != 0 || *t.exited == 0:
			return 0, fmt.Errorf("the process that makes processes ended with status %#x", status)
		case k.result != 0:
			return 0, fmt.Errorf("a process that makes processes: %w", syscall.Errno(-k.result))
		case k.status != 0:
			return 0, fmt.Errorf("a child ended with status %#x", uint32(k.status))
		}
		perf.Begun, perf.Ended = k.begun, k.ended
		return uint64(k.ticks), nil
	}
}

// sleepUntilEnd waits for t, which is a process, without giving the CPU to another
// thread of the Go runtime. It returns the status that wait4 has.
func (t *Thread) sleepUntilEnd() (status uint32, err error) {
	for {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(t.pid), uintptr(unsafe.Pointer(&status)), waitAll, 0, 0, 0)
		switch errno {
		case 0:
			t.pid = 0
			return status, nil
		case syscall.EINTR:
		default:
			return 0, fmt.Errorf("wait for process %d: %w", t.pid, errno)
		}
	}
}

// Implemented in processes_amd64.s.
func pipes(n uint64, p *peer) (ticks uint64)
func pipesEmpty(n uint64, p *peer) (ticks uint64)
func pipePeerEmpty(n uint64, p *peer) (ticks uint64)
func forksEmpty(n uint64, k *maker) (ticks uint64)
func execsEmpty(n uint64, k *maker) (ticks uint64)
func tracesEmpty(n uint64, k *maker) (ticks uint64)
func makerText() (fork, exec, trace, count, clone uintptr)
