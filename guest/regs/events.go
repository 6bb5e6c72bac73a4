package regs

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
)

// events is the data of a loop of wire.EventWays; R15 is its address. Whatever
// differs from round to round is kept here, not in registers.
type events struct {
	count      layout.Word // rounds that are left: see wire.EventMark
	mark, next layout.Word // of the round's first and second way; 0: nobody watches
	nr, arg    layout.Word // a system call
	page       layout.Word // a page that is dropped in each round

	pid, tid layout.Word // of this thread
	badCS    layout.Word // 1: the kernel must refuse the handler's frame

	// Of a second thread: variant, ownMM, ready and turn as in peer.
	variant, ownMM, ready, turn layout.Word
	// For a thread that a round makes: its stack, its id or an error, and a word
	// that is 0 once the thread has ended.
	stack, child, exited layout.Word
}

const (
	eventsWords = int(unsafe.Sizeof(events{}) / 8)

	eventSignal      = syscall.SIGUSR2
	eventThreadFlags = threadFlags&^syscall.CLONE_SETTLS | syscall.CLONE_CHILD_CLEARTID
	eventCS          = ucGregs + 8*GregCS
	eventBadCS       = x86.USER_DS

	sysMadvise   = syscall.SYS_MADVISE
	madvDontneed = syscall.MADV_DONTNEED
	sysEntryCR3  = layout.SysEntryCR3
	sysFullFrame = layout.SysFullFrame
	pageSize     = layout.PageSize
)

// EventLoop is a loop of one or two wire.EventWays.
type EventLoop struct {
	Name string
	ways [2]wire.EventWay
	nr   uintptr
	run  func(*events)
	// peer, if not 0, runs at the same time, in its own address space if ownMM.
	peer  program
	ownMM bool
	// signal, if not 0, has a handler that returns in the second way; bad makes it
	// return to a frame that faults.
	signal syscall.Signal
	bad    bool
}

// EventLoops are all event loops.
var EventLoops = []EventLoop{
	{Name: "null call", ways: [2]wire.EventWay{wire.EventNullCall}, nr: syscall.SYS_GETPPID, run: eventCalls},
	{Name: "unknown call", ways: [2]wire.EventWay{wire.EventUnknownCall}, nr: 1 << 16, run: eventCalls},
	{Name: "full-frame call", ways: [2]wire.EventWay{wire.EventFullFrame}, nr: layout.SysFullFrame, run: eventCalls},
	{Name: "copy", ways: [2]wire.EventWay{wire.EventCopy}, run: eventCopies},
	{Name: "yield", ways: [2]wire.EventWay{wire.EventYield}, nr: syscall.SYS_SCHED_YIELD, run: eventCalls, peer: programEventYield},
	{Name: "yield, other space", ways: [2]wire.EventWay{wire.EventYieldMM}, nr: syscall.SYS_SCHED_YIELD, run: eventCalls, peer: programEventYield, ownMM: true},
	{Name: "futex", ways: [2]wire.EventWay{wire.EventFutexWait}, run: eventFutexes, peer: programEventFutex},
	{Name: "shared", ways: [2]wire.EventWay{wire.EventShared}, nr: syscall.SYS_GETPPID, run: eventCalls, peer: programEventYield},
	{Name: "signal", ways: [2]wire.EventWay{wire.EventSignal, wire.EventSigreturn}, run: eventSignals, signal: eventSignal},
	{Name: "bad return", ways: [2]wire.EventWay{0, wire.EventBadReturn}, run: eventSignals, signal: eventSignal, bad: true},
	{Name: "clone", ways: [2]wire.EventWay{wire.EventClone, wire.EventFirstReturn}, run: eventClones},
	{Name: "fault", ways: [2]wire.EventWay{wire.EventFault}, run: eventFaults},
	{Name: "INT3", ways: [2]wire.EventWay{wire.EventInt3}, run: eventTraps, signal: syscall.SIGTRAP},
	{Name: "INT", ways: [2]wire.EventWay{wire.EventInt}, run: eventInts},
}

// Run runs n rounds of the loop under the variant. All signals except the loop's
// must be blocked.
func (l *EventLoop) Run(m *Memory, n, variant int) error {
	m.Reset()
	mark := func(w wire.EventWay) layout.Word {
		if w == 0 {
			return 0
		}
		return wire.EventMark + layout.Word(w)
	}
	e := (*events)(unsafe.Pointer(unsafe.SliceData(m.Words(eventsWords))))
	*e = events{
		count: layout.Word(n), mark: mark(l.ways[0]), next: mark(l.ways[1]), nr: layout.Word(l.nr), variant: layout.Word(variant),
		pid: layout.Word(syscall.Getpid()), tid: layout.Word(syscall.Gettid()),
	}
	page, err := syscall.Mmap(-1, 0, pageSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mmap of a page: %w", err)
	}
	defer func() { _ = syscall.Munmap(page) }()
	e.page = layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(page))))
	stack := m.Words(64)
	e.stack = layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(stack)))) + 8*layout.Word(len(stack))

	returns, refused := eventHandlers()
	if l.signal != 0 {
		restore, err := catch(l.signal, returns)
		if err != nil {
			return err
		}
		defer restore()
	}
	if l.bad {
		e.badCS = 1
		restore, err := catch(syscall.SIGSEGV, refused)
		if err != nil {
			return err
		}
		defer restore()
	}
	if l.peer == 0 {
		l.run(e)
	} else if err := l.beside(m, e); err != nil {
		return err
	}
	if errno := -int64(e.child); errno > 0 {
		return fmt.Errorf("clone: %w", syscall.Errno(errno))
	}
	return nil
}

// beside runs the loop together with its second thread.
func (l *EventLoop) beside(m *Memory, e *events) error {
	if l.ownMM {
		e.ownMM = layout.SysOwnMM
	}
	t := NewThread(m, 0)
	if err := t.start(l.peer, uintptr(unsafe.Pointer(e)), false); err != nil {
		return err
	}
	const limit = 10 * time.Second
	if !yieldUntil(&e.ready, limit) {
		return fmt.Errorf("the second thread has not started within %v", limit)
	}
	l.run(e)
	if err := t.Wait(limit); err != nil {
		return err
	}
	if e.ownMM != 0 {
		return fmt.Errorf("the second thread has no address space of its own: %w", syscall.Errno(-e.ownMM))
	}
	return nil
}

// Implemented in events_amd64.s.
func eventCalls(e *events)
func eventCopies(e *events)
func eventFaults(e *events)
func eventTraps(e *events)
func eventInts(e *events)
func eventSignals(e *events)
func eventFutexes(e *events)
func eventClones(e *events)
func eventHandlers() (returns, refused uintptr)
