// Package regs runs single instructions with every register under control:
// it loads a whole user-visible register state, executes one SYSCALL (or
// another instruction under test), and stores the whole state again.
//
// It is the lowest layer of the guest: package verify builds contexts and compares
// them, and package measure runs the loops. It runs unchanged on the generated
// kernel and on Linux.
//
// # Terms
//
// A [Context] is one instruction with the state before and after it. Contexts are
// linked into chains. A chain runs on a lane: lane 0 is the calling thread, lane 1
// is a raw thread that the Go runtime does not know of. Each lane has its own copy
// of the code, because after a faulty system call no register leads back to the
// context, not even RSP. Only RIP is known, so each lane finds its variables
// relative to RIP.
package regs

import (
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe" // and for go:linkname

	"github.com/entrylab/entrylab/gen/layout"
)

// Lanes is the number of copies of the code, and so of chains that can run at
// the same time.
const Lanes = 2

// State is the part of the CPU's state that user mode can see and that a system
// call must keep, in the order in which the assembly stores it.
type State struct {
	// FX is the image of FXSAVE64 (SDM volume 1, 10.5.1): x87 and XMM registers
	// with their control words.
	FX [64]layout.Word

	AX, BX, CX, DX, SI, DI, BP, SP       layout.Word
	R8, R9, R10, R11, R12, R13, R14, R15 layout.Word

	// IP is the address at which execution continues; Flags is RFLAGS.
	IP, Flags layout.Word
	// FSWord and GSWord are the words at FS:-8 and GS:0. They identify the two
	// bases: each thread has other words there.
	FSWord, GSWord layout.Word
	// The selectors in the segment registers. Before the instruction DS and ES are
	// given one that is not 0, as a CPU that loses one leaves 0 there.
	CS, SS, DS, ES, FS, GS layout.Word
}

// Words of the FXSAVE image.
const (
	fxControl = 0  // FCW, FSW and FTW in the low 40 bits
	fxMXCSR   = 3  // MXCSR in the low 32 bits
	fxST      = 4  // ST0 to ST7: 80 bits in each 16 bytes
	fxXMM     = 20 // XMM0 to XMM15
	fxEnd     = 52
)

// Register is a word of a State that user mode can choose, or a part of one.
type Register struct {
	Name string
	at   int // in words
	mask layout.Word
}

// In returns the register's value in a state.
func (r *Register) In(s *State) layout.Word {
	return (*[unsafe.Sizeof(*s) / unsafe.Sizeof(s.AX)]layout.Word)(unsafe.Pointer(s))[r.at] & r.mask
}

// Registers lists all of them. Of the FXSAVE image they are the control words and the
// registers, but not the addresses of the last x87 instruction nor reserved bits.
var Registers = sync.OnceValue(func() (list []Register) {
	const all = ^layout.Word(0)
	t := reflect.TypeFor[State]()
	for i := 1; i < t.NumField(); i++ {
		f := t.Field(i)
		list = append(list, Register{f.Name, int(f.Offset / f.Type.Size()), all})
	}
	list = append(list, Register{"FCW/FSW/FTW", fxControl, 1<<40 - 1}, Register{"MXCSR", fxMXCSR, 1<<32 - 1})
	for i := fxST; i < fxEnd; i++ {
		name, n, mask := "XMM", (i-fxXMM)/2, all
		if i < fxXMM {
			name, n = "ST", (i-fxST)/2
			if i%2 == 1 {
				mask = 1<<16 - 1
			}
		}
		list = append(list, Register{name + strconv.Itoa(n) + "[" + strconv.Itoa(i%2) + "]", i, mask})
	}
	return list
})

// Fill puts a pattern from next, a source of random words, into every register but
// SP, IP and Flags. No word looks like a kernel address: one that turns up later
// has leaked.
func (s *State) Fill(next func() uint64) {
	word := func() layout.Word { return layout.Word(next() &^ (1 << 63)) }
	for _, r := range []*layout.Word{
		&s.AX, &s.BX, &s.CX, &s.DX, &s.SI, &s.DI, &s.BP,
		&s.R8, &s.R9, &s.R10, &s.R11, &s.R12, &s.R13, &s.R14, &s.R15,
	} {
		*r = word()
	}
	for i := fxST; i < fxEnd; i++ {
		s.FX[i] = word()
	}
	// All exceptions stay masked; rounding, precision and top of stack vary.
	r := word()
	fcw := 0x037f&^0x0f00 | r&3<<10 | []layout.Word{0, 2, 3}[r>>2%3]<<8
	fsw := r >> 8 & 7 << 11
	const allValid = 0xff
	s.FX[fxControl] = fcw | fsw<<16 | allValid<<32
	const flushToZero, denormalsAreZero = 1 << 15, 1 << 6
	s.FX[fxMXCSR] = 0x1f80 | r>>16&3<<13 | r>>18&1*flushToZero | r>>19&1*denormalsAreZero
}

// Context is one instruction with the state before and after it. Contexts live
// in a [Memory], where the assembly's alignment holds. Links are addresses of
// other contexts there.
type Context struct {
	In, Out State

	// Insn is the address to start at: from [Address], or an address of the
	// caller's code.
	Insn layout.Word
	// Second is the number of the second call of [Twice].
	Second layout.Word
	// Next follows this context in the chain; nil ends it.
	Next *Context
	// While *Until is 0, the chain continues at Again instead of Next, at most Limit
	// times; Limit is counted down. With a nil Until it continues at Next.
	Until *layout.Word
	Again *Context
	Limit layout.Word
	// Done is 1 once Out is valid.
	Done layout.Word
	// UseGS is 1 if GS:0 may be read.
	UseGS layout.Word

	_                         [1]layout.Word
	hostSP, hostBP, hostFlags layout.Word
	hostFX                    [64]layout.Word
}

// Insn names an instruction under test, or a place in the code around it.
type Insn int

// The instructions and places.
const (
	// Syscall is SYSCALL.
	Syscall Insn = iota
	// Interrupt is INT $layout.ControlVector.
	Interrupt
	// Twice is SYSCALL, then RAX = Context.Second, then the SYSCALL of Syscall: two
	// calls with only a load in user mode between them.
	Twice
	// Spin jumps to itself until a signal handler changes RIP.
	Spin
	// Alternate stores the state as well. A call returns to it only if the return
	// address has been changed.
	Alternate
	// Stored is two instructions after each of the above: single-stepping ends
	// there.
	Stored
	// Port is IN from port DX.
	Port
	// CliSti is CLI, then STI.
	CliSti
	numInsns
)

// Lengths of the instructions in bytes: an instruction returns to its address plus
// its length.
const (
	SyscallSize   = 2
	InterruptSize = 2
	PortSize      = 1
	CliStiSize    = 2
)

// Address returns where lane's copy of an instruction is.
func Address(lane int, i Insn) layout.Word {
	return [Lanes]func() *[numInsns]layout.Word{insns0, insns1}[lane]()[i]
}

// Run runs the chain that starts at c on lane 0, which is the calling thread. The
// caller must be locked to its thread, and only one may run lane 0 at a time.
//
// To the Go runtime the chain is one blocking system call. If no other goroutine
// can run, the runtime's monitor goes to sleep for good within [MonitorSleep], so
// that no thread of the runtime makes a call while a faulty variant is selected.
//
//go:nosplit
func Run(c *Context) {
	entersyscallblock()
	run0(c)
	exitsyscall()
}

// MonitorSleep is the longest time that the Go runtime's monitor sleeps before it
// checks whether it is needed (runtime.sysmon).
const MonitorSleep = 10 * time.Millisecond

// gVisor links to the same functions for its own system calls.
//
//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// Constants that the assembly uses, too, as const_name of go_asm.h.
const (
	controlVector  = layout.ControlVector
	sysSelect      = layout.SysSelect
	sysShadowStack = layout.SysShadowStack
	sysClone       = syscall.SYS_CLONE
	sysExit        = syscall.SYS_EXIT
	sysTgkill      = syscall.SYS_TGKILL
	sysSigreturn   = syscall.SYS_RT_SIGRETURN
	sysYield       = syscall.SYS_SCHED_YIELD
	sysFutex       = syscall.SYS_FUTEX
	sysVfork       = syscall.SYS_VFORK
	sysGettid      = syscall.SYS_GETTID
	sysWait4       = syscall.SYS_WAIT4
	sysPrctl       = syscall.SYS_PRCTL
	cloneVM        = syscall.CLONE_VM
	deathSignal    = syscall.SIGKILL

	setDeathSignal = syscall.PR_SET_PDEATHSIG
	waitAll        = 0x40000000 // __WALL: whatever signal a child's end sends
	sysReadings    = layout.SysReadings
	newestThread   = -1 // layout.NewestThread
	sysRead        = syscall.SYS_READ
	sysWrite       = syscall.SYS_WRITE
	sysMunmap      = syscall.SYS_MUNMAP
	sysFork        = syscall.SYS_FORK
	sysKill        = syscall.SYS_KILL
	sysGetpid      = syscall.SYS_GETPID
	sysGetppid     = syscall.SYS_GETPPID
	sysPtrace      = syscall.SYS_PTRACE
	sysSetrlimit   = syscall.SYS_SETRLIMIT
	sysSigaction   = syscall.SYS_RT_SIGACTION
	sysSigprocmask = syscall.SYS_RT_SIGPROCMASK
	rlimitCore     = syscall.RLIMIT_CORE
	sigAbrt        = int(syscall.SIGABRT)
	sigIll         = int(syscall.SIGILL)
	ptraceTraceMe  = syscall.PTRACE_TRACEME
	ptraceSyscall  = syscall.PTRACE_SYSCALL
	sigStop        = int(syscall.SIGSTOP)
	sigKill        = int(syscall.SIGKILL)
	// stoppedAtCall is what wait4 tells of a process that has stopped at a call.
	stoppedAtCall = int(syscall.SIGTRAP)<<8 | stopped
	stopped       = 0x7f
	sysExecve     = syscall.SYS_EXECVE
	sysExitGroup  = syscall.SYS_EXIT_GROUP
	futexWait     = 0x80 // FUTEX_WAIT | FUTEX_PRIVATE_FLAG
	futexWake     = 0x81 // FUTEX_WAKE | FUTEX_PRIVATE_FLAG
	countedSignal = syscall.SIGUSR2
	threadFlags   = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND |
		syscall.CLONE_THREAD | syscall.CLONE_SYSVSEM | syscall.CLONE_SETTLS // those of the Go runtime's own threads
)

// Control makes a control call by INT $layout.ControlVector, which works under
// every variant. On Linux the instruction faults.
func Control(nr, a0, a1 uintptr) int64 { return control(nr, a0, a1) }

// Implemented in lane0_amd64.s and lane1_amd64.s.
func run0(c *Context)
func insns0() *[numInsns]layout.Word
func insns1() *[numInsns]layout.Word

// Implemented in thread_amd64.s.
func control(nr, a0, a1 uintptr) int64
