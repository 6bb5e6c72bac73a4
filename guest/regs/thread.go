package regs

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// Memory is memory outside Go's heap for contexts, stacks and words: its addresses
// never change, the garbage collector does not look at it, and processes share it.
// Reset frees it as a whole.
type Memory struct {
	block []byte
	used  int
}

// NewMemory maps size bytes.
func NewMemory(size int) (*Memory, error) {
	block, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes for register contexts: %w", size, err)
	}
	return &Memory{block: block}, nil
}

// Reset frees everything that was taken.
func (m *Memory) Reset() {
	clear(m.block[:m.used])
	m.used = 0
}

// Close gives the memory back to the kernel.
func (m *Memory) Close() error { return syscall.Munmap(m.block) }

// take returns size zeroed bytes at a multiple of 64. It panics if too few are
// left, which is a mistake in the caller's size.
func (m *Memory) take(size int) unsafe.Pointer {
	p := unsafe.Pointer(&m.block[m.used])
	m.used += (size + 63) &^ 63
	return p
}

// Context returns an empty context.
func (m *Memory) Context() *Context { return (*Context)(m.take(int(unsafe.Sizeof(Context{})))) }

// Words returns n zeroed words.
func (m *Memory) Words(n int) []layout.Word {
	return unsafe.Slice((*layout.Word)(m.take(8*n)), n)
}

// Thread is a thread that the Go runtime does not know of. It runs one program
// and ends.
type Thread struct {
	stack  []layout.Word
	tls    []layout.Word
	exited *layout.Word
	pid    int // of a process; 0: it is a thread of this one
}

// NewThread takes the memory of a thread, whose word at FS:-8 will be fsWord.
func NewThread(m *Memory, fsWord layout.Word) *Thread {
	t := &Thread{stack: m.Words(512), tls: m.Words(8), exited: &m.Words(1)[0]}
	t.tls[3] = fsWord
	return t
}

// fsBase returns t's FS base.
func (t *Thread) fsBase() uintptr { return uintptr(unsafe.Pointer(&t.tls[4])) }

// program is a function in assembly that a raw thread can run.
type program uintptr

const (
	programChain program = iota
	programYield
	programFutex
	programPreempt
	programEventYield
	programEventFutex
	programReadings
	programDeath
	programPipe
	programFork
	programExec
	programTrace
	programs // their number
)

// Start runs the chain at c on lane 1, in the thread t.
func (t *Thread) Start(c *Context) error {
	return t.start(programChain, uintptr(unsafe.Pointer(c)), false)
}

// start runs p in t, or in a process that shares nothing but Memory with this one.
func (t *Thread) start(p program, arg uintptr, process bool) error {
	*t.exited = 0
	// A thread without a Go stack must not take a signal.
	var old uint64
	all := ^uint64(0)
	sigprocmask(&all, &old)
	top := uintptr(unsafe.Pointer(unsafe.SliceData(t.stack))) + uintptr(8*len(t.stack))
	flags := uintptr(threadFlags)
	if process {
		flags = syscall.CLONE_SETTLS // and no signal at its end
	}
	tid := clone(flags, entry(p), arg, uintptr(unsafe.Pointer(t.exited)), top, t.fsBase())
	sigprocmask(&old, nil)
	if tid < 0 {
		return fmt.Errorf("clone: %w", syscall.Errno(-tid))
	}
	if process {
		t.pid = int(tid)
	}
	return nil
}

// Owns reports whether sp points into the stack on which t started.
func (t *Thread) Owns(sp layout.Word) bool {
	low := layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(t.stack))))
	return low <= sp && sp <= low+8*layout.Word(len(t.stack))
}

// Exited returns a word that becomes 1 when t has ended.
func (t *Thread) Exited() *layout.Word { return t.exited }

// Wait waits until t has ended, for at most limit.
func (t *Thread) Wait(limit time.Duration) error {
	if !yieldUntil(t.exited, limit) {
		return fmt.Errorf("a raw thread has not ended within %v", limit)
	}
	if t.pid != 0 {
		if _, err := syscall.Wait4(t.pid, nil, waitAll, nil); err != nil {
			return fmt.Errorf("wait for process %d: %w", t.pid, err)
		}
		t.pid = 0
	}
	return nil
}

// leastYields is the number of times that yieldUntil yields however long that
// takes: a host may stop the whole machine for longer than any limit.
const leastYields = 1000

// yieldUntil yields to other threads until the word is not 0. It returns false if
// the word is still 0 after limit.
func yieldUntil(word *layout.Word, limit time.Duration) bool {
	start := time.Now()
	for yields := 0; *(*layout.Word)(unsafe.Pointer(word)) == 0; yields++ {
		if yields >= leastYields && time.Since(start) > limit {
			return false
		}
		syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
	}
	return true
}

// Implemented in thread_amd64.s.
func entry(p program) uintptr
func clone(flags, entry, arg, exited, stack, tls uintptr) int64
