package verify

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/guest/regs"
	"github.com/entrylab/entrylab/guest/report"
)

// trapChecks single-step over SYSCALL. The CPU clears TF on the way in (SFMASK)
// and the way out must bring it back, so that there is one trap right behind
// the call: before the next instruction if SYSRET returned, after it if IRET
// did (SDM volume 3, 18.3.1.4). A trap inside the kernel would show as a frame
// with another CS, a lost TF as missing traps.
var trapChecks = []check{
	{"single step over the null call", step(syscall.SYS_GETPPID, flagTF, false)},
	{"single step over an unknown call", step(600, flagTF, false)},
	{"single step over a full-frame call", withControl(step(layout.SysFullFrame, flagTF, false))},
	{"single step with NT", step(syscall.SYS_GETPPID, flagTF|flagNT, false)},
	{"single step with AC", step(syscall.SYS_GETPPID, flagTF|flagAC, false)},
	{"single step with DF", step(syscall.SYS_GETPPID, flagTF|flagDF, false)},
	{"single step with NT, AC, DF and ID", step(syscall.SYS_GETPPID, flagTF|flagNT|flagAC|flagDF|flagID, false)},
	{"single step where RCX is RIP and R11 is RFLAGS", step(syscall.SYS_GETPPID, flagTF, true)},
	{"SYSCALL as the last bytes of user memory", checkLastBytes},
}

// memoryChecks are about what keeps SYSCALL's return address canonical: user
// memory ends one page early.
var memoryChecks = []check{
	{"mmap of the last page below 1<<47", func(*lab) error { return refused(syscall.SYS_MMAP) }},
	{"mremap to the last page below 1<<47", func(*lab) error { return refused(syscall.SYS_MREMAP) }},
}

// step single-steps over call nr. With sysretLike, RCX and R11 already hold,
// before SYSCALL, the RIP and RFLAGS of that moment: an exit that takes SYSRET
// because they match never gets past it, for SYSRET traps too early.
func step(nr uint64, flags layout.Word, sysretLike bool) func(*lab) error {
	return func(l *lab) error {
		restore, err := catch(syscall.SIGTRAP, regs.Action{When: regs.Address(0, regs.Stored), Clear: flagTF})
		if err != nil {
			return err
		}
		defer restore()
		c := l.call(0, nr, 0)
		c.In.Flags = flagsIdle | flags
		if sysretLike {
			c.In.CX, c.In.R11 = c.Insn, c.In.Flags
		}
		l.run(c)
		if err := checkSteps(regs.Traps(), c.Insn); err != nil {
			return err
		}
		result := c.Out.AX
		if c.Out.AX >= kernelHalf {
			result = errno(enosys)
		}
		want := wantAfter(c, 0, result)
		want.Flags &^= flagTF // by our own handler, at the end
		return l.compare(c, want, 0)
	}
}

// storeSize is the length of the instruction behind SYSCALL in package regs, a
// RIP-relative MOV.
const storeSize = 7

// checkSteps looks at the traps around the SYSCALL at insn.
func checkSteps(traps []regs.Trap, insn layout.Word) error {
	behind := insn + regs.SyscallSize
	before, after := 0, 0
	for i, t := range traps {
		ip := t.Regs[regs.GregIP]
		switch {
		case t.Regs[regs.GregCS]&0xffff != userCS:
			return fmt.Errorf("trap at %v has CS %v, want %#x", ip, t.Regs[regs.GregCS]&0xffff, userCS)
		case t.Regs[regs.GregFlags]&flagTF == 0:
			return fmt.Errorf("TF was lost before the trap at %v", ip)
		case ip == insn:
			before++
			if i+1 == len(traps) {
				return errors.New("no trap behind SYSCALL: TF was lost in the call")
			}
			if next := traps[i+1].Regs[regs.GregIP]; next != behind && next != behind+storeSize && next != insn {
				return fmt.Errorf("the trap behind SYSCALL is at %v, want %v or, after IRET, %v", next, behind, behind+storeSize)
			}
		case ip == behind:
			after++
		}
	}
	if before != 1 || after > 1 {
		return fmt.Errorf("%d traps at SYSCALL and %d behind it, want one and at most one", before, after)
	}
	return nil
}

const (
	mapFixed          = 0x10
	mapFixedNoReplace = 0x10_0000
	mremapMayMove     = 1
	mremapFixed       = 2
	page              = 4096
)

// checkLastBytes makes a call from the last two bytes of user memory, so that
// it returns to an address where nothing can be: a fault there, of user mode's.
func checkLastBytes(l *lab) error {
	const prot, flags = syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC, syscall.MAP_PRIVATE | syscall.MAP_ANON
	last, _, e := syscall.RawSyscall6(syscall.SYS_MMAP, userEnd-page, page, prot, flags|mapFixedNoReplace, ^uintptr(0), 0)
	if e != 0 {
		return report.Skip(fmt.Sprintf("mmap of the last page of user memory: %v", e))
	}
	defer syscall.RawSyscall(syscall.SYS_MUNMAP, last, page, 0)
	if last != userEnd-page {
		return report.Skip(fmt.Sprintf("mmap of the last page of user memory gives %#x", last))
	}
	code := (*[page]byte)(*(*unsafe.Pointer)(unsafe.Pointer(&last)))
	code[page-2], code[page-1] = 0x0f, 0x05 // SYSCALL

	restore, err := catch(syscall.SIGSEGV, regs.Action{SetIP: 1, IP: regs.Address(0, regs.Alternate)})
	if err != nil {
		return err
	}
	defer restore()
	c := l.call(0, 600)
	c.In.Flags = l.flags()
	c.Insn = userEnd - regs.SyscallSize
	l.run(c)
	want := wantAfter(c, 0, errno(enosys))
	want.CX = userEnd
	return l.checkFault(c, want, userEnd, syscall.SIGSEGV)
}

// refused returns nil if the kernel refuses, by the given call, to put a page
// right below 1<<47, where a SYSCALL would return to a non-canonical address.
func refused(nr uintptr) error {
	const prot, flags = syscall.PROT_READ, syscall.MAP_PRIVATE | syscall.MAP_ANON
	var at uintptr
	var e syscall.Errno
	switch nr {
	case syscall.SYS_MMAP:
		at, _, e = syscall.RawSyscall6(nr, userEnd, page, prot, flags|mapFixed, ^uintptr(0), 0)
	case syscall.SYS_MREMAP:
		from, _, err := syscall.RawSyscall6(syscall.SYS_MMAP, 0, page, prot, flags, ^uintptr(0), 0)
		if err != 0 {
			return report.Harness(fmt.Sprintf("mmap of one page: %v", err))
		}
		defer syscall.RawSyscall(syscall.SYS_MUNMAP, from, page, 0)
		at, _, e = syscall.RawSyscall6(nr, from, page, page, mremapMayMove|mremapFixed, userEnd, 0)
	}
	switch e {
	case 0:
		syscall.RawSyscall(syscall.SYS_MUNMAP, at, page, 0)
		return fmt.Errorf("a page is mapped at %#x", at)
	case syscall.ENOSYS:
		return report.Skip("the kernel does not have the call")
	}
	return nil
}
