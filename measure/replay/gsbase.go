package replay

import (
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
)

// A gsBase sets the GS base of this thread.
type gsBase func(addr uint64) error

// Numbers of arch_prctl (Linux arch/x86/include/uapi/asm/prctl.h) and of the
// auxiliary vector (include/uapi/linux/auxvec.h).
const (
	archSetGS      = 0x1001
	atHWCap2       = 26
	hwcap2FSGSBASE = 1 << 1
)

// findGSBase returns the way of setting the GS base that this kernel allows:
// the instruction where it is announced, else the system call.
func findGSBase(auxv []byte, prctl gsBase) (gsBase, error) {
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.LittleEndian.Uint64(auxv) == atHWCap2 && binary.LittleEndian.Uint64(auxv[8:])&hwcap2FSGSBASE != 0 {
			return func(addr uint64) error { wrgsbase(addr); return nil }, nil
		}
	}
	if err := prctl(0); err != nil {
		return nil, fmt.Errorf("the GS base cannot be set: this CPU or kernel has no FSGSBASE, and arch_prctl(ARCH_SET_GS) is refused: %w", err)
	}
	return prctl, nil
}

func prctlGSBase(addr uint64) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archSetGS, uintptr(addr), 0); errno != 0 {
		return errno
	}
	return nil
}

// thisGSBase is findGSBase for this process.
func thisGSBase() (gsBase, error) {
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		auxv = nil // the system call is always worth a try
	}
	return findGSBase(auxv, prctlGSBase)
}
