// Command entry prints where SYSCALL enters the kernel by its first variant.
package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

func main() {
	var info layout.VariantInfo[layout.Word]
	if _, _, errno := syscall.RawSyscall(layout.SysInfo, 0, uintptr(unsafe.Pointer(&info)), 0); errno != 0 {
		fmt.Println("SysInfo:", errno)
		os.Exit(1)
	}
	fmt.Printf("%#x\n", uint64(info.LSTAR))
}
