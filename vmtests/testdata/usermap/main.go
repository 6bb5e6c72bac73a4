// Command usermap prints which parts of the upper half ring 3's page table maps, a range of
// addresses on each line.
package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
)

func main() {
	var ranges [layout.UserMapMax]layout.AddressRange[uint64]
	n, _, errno := syscall.RawSyscall(layout.SysUserMap, uintptr(unsafe.Pointer(&ranges)), 0, 0)
	if errno != 0 {
		fmt.Fprintln(os.Stderr, "SysUserMap:", errno)
		os.Exit(1)
	}
	for _, r := range ranges[:n] {
		fmt.Printf("%x %x\n", r.Start, r.End)
	}
}
