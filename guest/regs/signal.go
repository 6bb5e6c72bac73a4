package regs

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
)

// Trap is one signal as its handler saw it.
type Trap struct {
	Signal layout.Word
	// Regs are the interrupted thread's registers as in the signal frame; the
	// Greg constants are its indices.
	Regs [numGregs]layout.Word
}

// Indices into [Trap.Regs], in the order of Linux's struct sigcontext.
const (
	GregR8 = iota
	_
	_
	GregR11
	_
	_
	_
	_
	_
	_
	_
	_
	_
	_
	GregCX
	GregSP
	GregIP
	GregFlags
	GregCS // CS in the low 16 bits
	_
	GregTrapNo // the exception
	numGregs   = 23
)

// Action is what the handler does to the interrupted context, besides logging.
type Action struct {
	// When, if not 0, is the only interrupted RIP to act on.
	When layout.Word
	// Clear and Set are the RFLAGS bits to clear and to set.
	Clear, Set layout.Word
	// LikeSYSRET is 1 to set RCX to RIP and R11 to RFLAGS, as SYSRET would leave them.
	LikeSYSRET layout.Word
	// IP is where to continue, in 64-bit user mode, if SetIP is 1.
	IP, SetIP layout.Word
}

// Sizes and offsets; the assembly uses them, too.
const (
	maxTraps  = 64
	maxSignal = 32
	sigsegv   = syscall.SIGSEGV
	userCS    = x86.USER_CS
	userSS    = x86.USER_DS
	ucGregs   = 40 // struct ucontext: uc_flags, uc_link, uc_stack, then uc_mcontext
)

type trapLog struct {
	n       layout.Word
	traps   [maxTraps]Trap
	actions [maxSignal]Action
}

// log is what the handler writes; one thread at a time takes signals.
var log trapLog

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const (
	saSiginfo   = 0x4
	saRestorer  = 0x0400_0000
	saOnstack   = 0x0800_0000
	sigsetSize  = 8
	sigSetmask  = 2
	catchFlags  = saSiginfo | saRestorer | saOnstack
	catchNoMask = 0
)

// Catch installs this package's handler for sig until restore is called, and
// empties the log. The handler runs on the thread's alternate stack, so the
// interrupted RSP may be anything.
func Catch(sig syscall.Signal, a Action) (restore func(), err error) {
	logging, _, _ := handlers()
	log.n = 0
	log.actions[sig] = a
	return catch(sig, logging)
}

// Traps returns what was logged since the last Catch. The log ends after 64
// signals.
func Traps() []Trap { return log.traps[:log.n] }

func catch(sig syscall.Signal, handler uintptr) (restore func(), err error) {
	_, _, restorer := handlers()
	action := sigaction{handler: handler, flags: catchFlags, restorer: restorer, mask: catchNoMask}
	var old sigaction
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)),
		uintptr(unsafe.Pointer(&old)), sigsetSize, 0, 0); errno != 0 {
		return nil, fmt.Errorf("rt_sigaction of %v: %w", sig, errno)
	}
	return func() {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&old)), 0, sigsetSize, 0, 0)
	}, nil
}

// BlockSignals blocks all signals but the given ones in the calling thread, so that
// those of the Go runtime do not disturb it. The goroutine must be locked to the
// thread.
func BlockSignals(but ...syscall.Signal) (restore func()) {
	mask := ^uint64(0)
	for _, sig := range but {
		mask &^= 1 << (sig - 1)
	}
	old := new(uint64)
	sigprocmask(&mask, old)
	return func() { sigprocmask(old, nil) }
}

func sigprocmask(mask, old *uint64) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigSetmask, uintptr(unsafe.Pointer(mask)),
		uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
}

// Implemented in signal_amd64.s.
func handlers() (logging, empty, restore uintptr)
