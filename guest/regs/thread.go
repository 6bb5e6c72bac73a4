package regs

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

// Memory is memory outside Go's heap from which contexts, stacks and words are
// taken; its addresses never change and the garbage collector never looks at
// it. Processes share it. It is given back as a whole by Reset.
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

// take returns size zeroed bytes at a multiple of 64. It panics if there are
// none left: the callers' needs are known beforehand.
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

// NewThread takes the memory of a thread. The word at FS:-8 of the thread is
// fsWord.
func NewThread(m *Memory, fsWord layout.Word) *Thread {
	t := &Thread{stack: m.Words(512), tls: m.Words(8), exited: &m.Words(1)[0]}
	t.tls[3] = fsWord
	return t
}

// fsBase is the address that t's FS base holds.
func (t *Thread) fsBase() uintptr { return uintptr(unsafe.Pointer(&t.tls[4])) }

// program is what a raw thread can run.
type program uintptr

const (
	programChain program = iota
	programYield
	programFutex
	programPreempt
)

// Start runs the chain at c on lane 1, in the thread t.
func (t *Thread) Start(c *Context) error {
	return t.start(programChain, uintptr(unsafe.Pointer(c)), false)
}

// start lets p run in t, or in a process of its own, with which it shares Memory
// and no more.
func (t *Thread) start(p program, arg uintptr, process bool) error {
	*t.exited = 0
	// A signal must not find its way into a thread without a Go stack.
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

// Owns reports whether sp points into the stack that t started on.
func (t *Thread) Owns(sp layout.Word) bool {
	low := layout.Word(uintptr(unsafe.Pointer(unsafe.SliceData(t.stack))))
	return low <= sp && sp <= low+8*layout.Word(len(t.stack))
}

// Exited is a word that becomes 1 when t has ended.
func (t *Thread) Exited() *layout.Word { return t.exited }

// Wait waits until t has ended, for at most limit.
func (t *Thread) Wait(limit time.Duration) error {
	if !yieldUntil(t.exited, limit) {
		return fmt.Errorf("a raw thread has not ended within %v", limit)
	}
	if t.pid != 0 {
		const wall = 0x40000000 // __WALL: whatever signal it ends with
		if _, err := syscall.Wait4(t.pid, nil, wall, nil); err != nil {
			return fmt.Errorf("wait for process %d: %w", t.pid, err)
		}
		t.pid = 0
	}
	return nil
}

// leastYields are as many turns for other threads, however long each takes: a host
// may hold the whole machine up for longer than any limit.
const leastYields = 1000

// yieldUntil yields to other threads until the word is not 0, and returns false if it
// still is after limit.
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
