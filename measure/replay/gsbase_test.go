package replay

import (
	"syscall"
	"unsafe"
)

// getGSBase reads the GS base of this thread (ARCH_GET_GS).
func getGSBase(base *uint64) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, 0x1004, uintptr(unsafe.Pointer(base)), 0); errno != 0 {
		return errno
	}
	return nil
}
