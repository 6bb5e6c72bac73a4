package replay

import (
	"fmt"
	"syscall"

	"github.com/entrylab/entrylab/internal/host"
)

// A gsBase sets the GS base of this thread.
type gsBase func(addr uint64) error

// archSetGS is a number of arch_prctl (Linux arch/x86/include/uapi/asm/prctl.h).
const archSetGS = 0x1001

// findGSBase returns how this kernel allows to set the GS base: by the instruction, if it
// announces that, otherwise by the system call.
func findGSBase(auxv []byte, prctl gsBase) (gsBase, error) {
	if host.FSGSBASE(auxv) {
		return func(addr uint64) error { wrgsbase(addr); return nil }, nil
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

// thisGSBase returns what findGSBase does for this process.
func thisGSBase() (gsBase, error) {
	auxv, err := host.Auxv()
	if err != nil {
		auxv = nil // the system call can still be tried
	}
	return findGSBase(auxv, prctlGSBase)
}
