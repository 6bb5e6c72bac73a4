package replay

import (
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"syscall"
	"unsafe"
)

// A fault in the replayed code cannot be a Go panic: RSP is not a goroutine's.
// So the child has a signal handler of its own for it, in assembly, which
// writes the record fault to faultFD and ends the process. Faults elsewhere go
// on to Go's handlers.

// Offsets in fault, and its size.
const (
	faultRunning = 8 * iota // not 0 while replayed code runs: 1 plus the stream
	faultBase               // address of its stub
	faultSignal
	faultIP
	faultAddr
	faultSize
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

// onFault is called by the kernel alone.
//
//lint:ignore U1000 its address is taken in assembly
func onFault()

// sigaction is the kernel's struct sigaction (Linux arch/x86, with restorer).
type sigaction struct{ handler, flags, restorer, mask uint64 }

// catchFaults puts the handler in front of Go's, whose flags and stack it keeps.
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
	// Where is the function, offset and instruction.
	Where string
	// Addr is what the CPU complained about, as siginfo tells it.
	Addr uint64
	// Privileged: the instruction is one that ring 3 may not run, and a replay
	// has nothing for it.
	Privileged bool

	stream int
}

// privileged are the instructions of a listing that fault in ring 3 whatever
// their operands hold (SDM volume 3, 6.9), and STAC and CLAC, which raise #UD.
var privileged = regexp.MustCompile(`^(HLT|RDMSR|WRMSR|INVLPG|INVPCID|WBINVD|CLTS|LGDT|LIDT|LLDT|LTR|LMSW|STAC|CLAC|SWAPGS|SYSRETQ|STI|CLI|IN[BWL]|OUT[BWL])\b|\b(CR[0-8]|DR[0-7])\b`)

func (e *FaultError) Error() string {
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

// readFault reads the record that onFault wrote, nil if it wrote none.
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
