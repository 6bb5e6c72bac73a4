package replay

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/entrylab/entrylab/gen/x86"
)

// A fault in the replayed code cannot become a Go panic, as RSP is not a goroutine's. So
// the child has a signal handler of its own, in assembly, which writes the record fault to
// faultFD and ends the process. Faults elsewhere are passed to Go's handlers.
//
// Replayed code that never returns is found by counting its instructions, not by a clock:
// with RFLAGS.TF set each instruction traps, and the handler ends the process after
// faultSteps of them. The calls that are checked run like that from the start. Samples run
// at full speed, but a timer looks whether the sample is still the same, and if so, the
// rest of it is counted. A host that pauses makes that happen too, and only loses time.

// Offsets in fault, and its size.
const (
	faultRunning = 8 * iota // 1 plus the stream while replayed code runs, otherwise 0; enter resets it
	faultBase               // address of its stub
	faultSignal
	faultIP
	faultAddr
	faultBound   // how many instructions the sample may take
	faultSteps   // and how many of them may still trap
	faultEntered // how often replayed code was entered
	faultTicked  // the same at the last tick
	faultSize
)

// callSteps is how many instructions a call may take. The longest entry of the generated
// kernels takes fewer than 1,000.
const callSteps = 10_000

// tick is the CPU time between two looks at the sample, which takes a thousandth of it.
const tick = 100 * time.Millisecond

// What the assembly needs of the architecture and of Linux (signal.h,
// asm-generic/siginfo.h).
const (
	//lint:ignore U1000 for the assembly
	flagTF = x86.X86_EFLAGS_TF
	//lint:ignore U1000 for the assembly
	sigtrap = 5
	// siKernel is the si_code of INT3. A #DB has one of the positive codes below it:
	// TRAP_TRACE for a single step, or TRAP_BRKPT under a hypervisor that loses DR6.BS.
	//lint:ignore U1000 for the assembly
	siKernel = 0x80
)

const (
	// faultFD is the child's file descriptor for the record: the first of
	// exec.Cmd's ExtraFiles.
	//lint:ignore U1000 for the assembly
	faultFD = 3
	// faultStatus is the child's exit status after a fault.
	faultStatus = 3
)

// fault and oldHandlers are shared with onFault.
var (
	fault       [faultSize / 8]uint64
	oldHandlers [32]uint64
)

// faultHandler returns the address of the handler.
func faultHandler() uint64

// onFault handles the signals of faults and of single steps. Only the kernel calls it.
//
//lint:ignore U1000 its address is taken in assembly
func onFault()

// tickHandler returns the address of onTick.
func tickHandler() uint64

// onTick handles the timer's signal. Only the kernel calls it.
//
//lint:ignore U1000 its address is taken in assembly
func onTick()

// sigaction is the kernel's struct sigaction (Linux arch/x86, with restorer).
type sigaction struct{ handler, flags, restorer, mask uint64 }

// catchFaults installs the handler before Go's, with the flags and the stack of Go's.
func catchFaults() error {
	for _, sig := range []syscall.Signal{syscall.SIGILL, syscall.SIGTRAP, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV} {
		var act sigaction
		if err := rtSigaction(sig, nil, &act); err != nil {
			return fmt.Errorf("reading the handler of %v: %w", sig, err)
		}
		oldHandlers[sig], act.handler = act.handler, faultHandler()
		if err := rtSigaction(sig, &act, nil); err != nil {
			return fmt.Errorf("setting the handler of %v: %w", sig, err)
		}
	}
	return nil
}

// startTicks makes the kernel send this thread a signal for each tick of its CPU
// time (timer_create(2), struct sigevent in asm-generic/siginfo.h).
func startTicks() error {
	const sigevThreadID = 4
	var act sigaction
	if err := rtSigaction(syscall.SIGVTALRM, nil, &act); err != nil {
		return fmt.Errorf("reading the handler of %v: %w", syscall.SIGVTALRM, err)
	}
	act.handler = tickHandler()
	if err := rtSigaction(syscall.SIGVTALRM, &act, nil); err != nil {
		return fmt.Errorf("setting the handler of %v: %w", syscall.SIGVTALRM, err)
	}
	event := struct {
		value                  uint64
		signo, notify, tid, _1 int32
		_2                     [5]uint64
	}{signo: int32(syscall.SIGVTALRM), notify: sigevThreadID, tid: int32(syscall.Gettid())}
	var timer int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_TIMER_CREATE, clockThreadCPUTime,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer))); errno != 0 {
		return fmt.Errorf("timer_create: %w", errno)
	}
	every := [2]syscall.Timespec{syscall.NsecToTimespec(int64(tick)), syscall.NsecToTimespec(int64(tick))}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&every)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("timer_settime: %w", errno)
	}
	return nil
}

func rtSigaction(sig syscall.Signal, act, old *sigaction) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// FaultError is a signal that replayed code raised.
type FaultError struct {
	Variant string
	Signal  syscall.Signal
	// Where names the function, the offset and the instruction.
	Where string
	// Addr is the address that the CPU complained about, from siginfo.
	Addr uint64
	// Endless is set if it was still running after Steps instructions.
	Endless bool
	Steps   uint64
	// Privileged is set if ring 3 may not run the instruction and a replay has no
	// replacement for it.
	Privileged bool

	stream int
}

func (e *FaultError) Error() string {
	if e.Endless {
		return fmt.Sprintf("variant %s: the replayed code did not return within %d instructions; the last was at %s", e.Variant, e.Steps, e.Where)
	}
	if e.Privileged {
		return fmt.Sprintf("variant %s cannot be replayed: ring 3 may not run %s", e.Variant, e.Where)
	}
	return fmt.Sprintf("variant %s: %v (address %#x) in the replayed code at %s", e.Variant, signalName(e.Signal), e.Addr, e.Where)
}

func signalName(sig syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGILL: "SIGILL", syscall.SIGTRAP: "SIGTRAP", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE", syscall.SIGSEGV: "SIGSEGV",
	}
	if name, ok := names[sig]; ok {
		return name
	}
	return sig.String()
}

// readFault reads the record that onFault wrote; nil if there is none.
func readFault(f *os.File) []uint64 {
	var b [faultSize]byte
	if n, _ := f.Read(b[:]); n != faultSize {
		return nil
	}
	words := make([]uint64, faultSize/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return words
}
