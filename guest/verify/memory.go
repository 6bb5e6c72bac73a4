package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// memoryChecks check that the return address of a SYSCALL is canonical: the last
// page below the non-canonical hole must not be mapped. On an Intel CPU, SYSRET to
// a non-canonical address faults in ring 0, on the user's stack (SDM volume 2,
// SYSRET).
var memoryChecks = []check{
	{"SYSCALL as the last bytes of user memory", checkLastBytes},
	{"mmap of the page behind user memory", func(fx *fixture) error {
		return refused(func(end layout.Word) (layout.Word, syscall.Errno) {
			return mmap(end, syscall.PROT_READ, mapFixed)
		}, fx.userEnd())
	}},
	{"mremap to the page behind user memory", func(fx *fixture) error {
		from, errno := mmap(0, syscall.PROT_READ, 0)
		if errno != 0 {
			return lines.Harness(fmt.Sprintf("mmap of one page: %v", errno))
		}
		defer munmap(from)
		return refused(func(end layout.Word) (layout.Word, syscall.Errno) { return mremap(from, end) }, fx.userEnd())
	}},
}

const (
	page              = 4096
	mapFixed          = 0x10
	mapFixedNoReplace = 0x10_0000
	mremapMayMove     = 1
	mremapFixed       = 2
)

// mmap maps one page of private memory at addr.
func mmap(addr layout.Word, prot, flags uintptr) (layout.Word, syscall.Errno) {
	at, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, uintptr(addr), page, prot,
		flags|syscall.MAP_PRIVATE|syscall.MAP_ANON, ^uintptr(0), 0)
	return layout.Word(at), errno
}

// mremap moves one page to another address.
func mremap(from, to layout.Word) (layout.Word, syscall.Errno) {
	at, _, errno := syscall.RawSyscall6(syscall.SYS_MREMAP, uintptr(from), page, page, mremapMayMove|mremapFixed, uintptr(to), 0)
	return layout.Word(at), errno
}

func munmap(at layout.Word) { syscall.RawSyscall(syscall.SYS_MUNMAP, uintptr(at), page, 0) }

// bytesAt returns the page at an address that mmap returned.
func bytesAt(at layout.Word) *[page]byte { return *(**[page]byte)(unsafe.Pointer(&at)) }

// refused returns nil if put cannot map a page at end: a SYSCALL in the last bytes
// of that page would return to a non-canonical address.
func refused(put func(end layout.Word) (layout.Word, syscall.Errno), end layout.Word) error {
	at, errno := put(end)
	switch errno {
	case 0:
		munmap(at)
		return fmt.Errorf("a page is mapped at %v", at)
	case syscall.ENOSYS:
		return lines.Skip("the kernel does not have the call")
	}
	return nil
}

// checkLastBytes makes a call from the last two bytes of user memory. It returns to
// an address where nothing can be mapped, which must fault in user mode.
func checkLastBytes(fx *fixture) error {
	end := fx.userEnd()
	const prot = syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC
	last, errno := mmap(end-page, prot, mapFixedNoReplace)
	if errno != 0 {
		return lines.Skip(fmt.Sprintf("mmap of the last page of user memory: %v", errno))
	}
	defer munmap(last)
	if last != end-page {
		return lines.Skip(fmt.Sprintf("mmap of the last page of user memory gives %v", last))
	}
	code := bytesAt(last)
	code[page-2], code[page-1] = 0x0f, 0x05 // SYSCALL

	c := fx.call(0, 600)
	c.In.Flags = fx.flags()
	c.Insn = end - regs.SyscallSize
	fx.run(c)
	want := fx.wantAfter(c, 0, failure(syscall.ENOSYS))
	if !fx.keeps {
		want.CX = end
	}
	return fx.checkFault(c, want, end, syscall.SIGSEGV)
}
