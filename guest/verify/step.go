package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// Of the flags in a frame that a handler has changed, TF and RF are those with which
// SYSRETQ does not do what IRETQ does. The checks that set them in one slot show how
// an exit treats a frame that it did not build. The check that returns from a signal
// to a frame that would suit SYSRETQ except for TF shows whether the exit tests TF; there
// is none for RF, as QEMU's SYSRETQ, unlike a CPU's, keeps it.

// setFlags makes a call that returns to behind with flags set.
type setFlags func(fx *fixture, flags layout.Word) (*regs.Context, func())

// inSlot sets them in the flags slot.
func inSlot(fx *fixture, flags layout.Word) (*regs.Context, func()) {
	return fx.call(0, layout.SysSetFrame, uint64(layout.SlotFlags), uint64(flagsIdle|flags)), func() {}
}

// bySigreturn sets them in a signal frame, where R11 is RFLAGS and RCX is RIP.
func bySigreturn(fx *fixture, flags layout.Word) (*regs.Context, func()) {
	restore, err := regs.Catch(syscall.SIGUSR2, regs.Action{Set: flags, LikeSYSRET: 1})
	if err != nil {
		restore = func() {}
	}
	return fx.call(0, syscall.SYS_TGKILL, fx.pid, fx.tid, uint64(syscall.SIGUSR2)), restore
}

// checkTF makes a call return with TF set. After IRETQ the user's next instruction
// runs before the trap; SYSRETQ would trap before it.
func checkTF(set setFlags, end func(*fixture) stepEnd) func(*fixture) error {
	return func(fx *fixture) error {
		if inBochs() && !fx.keeps {
			return lines.Skip("Bochs takes the single-step trap in the kernel, although SFMASK clears TF")
		}
		c, restore := set(fx, x86.X86_EFLAGS_TF)
		defer restore()
		off, err := catch(syscall.SIGTRAP, regs.Action{When: regs.Address(0, regs.Stored), Clear: x86.X86_EFLAGS_TF})
		if err != nil {
			return err
		}
		defer off()
		fx.run(c)
		want := fx.wantAfter(c, 0, 0)
		want.CX, want.R11 = c.Out.CX, c.Out.R11 // from either slot
		var at layout.Word
		for _, t := range regs.Traps() {
			if t.Signal == layout.Word(syscall.SIGTRAP) {
				at = t.Regs[regs.GregIP]
				break
			}
		}
		switch {
		case at == 0:
			return errors.New("no trap after the call: TF was lost")
		case at == want.IP && end(fx) != stepAfter:
		case at == want.IP+storeSize && end(fx) != stepBefore:
		case end(fx) == stepBefore:
			return fmt.Errorf("the first trap is at %v, want %v, behind SYSCALL", at, want.IP)
		default:
			return fmt.Errorf("the first trap is at %v, want %v, after the instruction at %v", at, want.IP+storeSize, want.IP)
		}
		return fx.compare(c, want, 0)
	}
}

// andBack returns the machine code of instructions that make a call in a page of their
// own, followed by a JMP *0(RIP) to the code after the call in lane 0.
func andBack(instructions ...byte) []byte {
	text := append(instructions, 0xff, 0x25, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(text, uint64(regs.Address(0, regs.Syscall)+regs.SyscallSize))
}

// checkRF makes a call return to a breakpoint with RF set, which takes the user past
// it once (SDM volume 3, 18.3.1.1). SYSRETQ clears RF.
func checkRF(fx *fixture) error {
	code, errno := mmap(0, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, 0)
	if errno != 0 {
		return lines.Harness(fmt.Sprintf("mmap of one page: %v", errno))
	}
	defer munmap(code)
	copy(bytesAt(code)[:], andBack(0x0f, 0x05)) // SYSCALL
	met := func(flags layout.Word) layout.Word {
		before, first := fx.stats()
		after, second := fx.stats()
		c, _ := inSlot(fx, flags)
		c.Insn = code
		fx.run(
			fx.call(0, layout.SysBreakpoint, uint64(code+regs.SyscallSize), x86.DR7_L0),
			before, c, after,
			fx.call(0, layout.SysBreakpoint, 0, 0),
		)
		return second.Debugs - first.Debugs
	}
	if n := met(0); n != 1 {
		return lines.Harness(fmt.Sprintf("the breakpoint after a call was hit %d times, want once", n))
	}
	if n := met(x86.X86_EFLAGS_RF); n != 0 && looksAtFrame(fx) {
		return fmt.Errorf("the breakpoint after the call was hit %d times: RF was lost", n)
	}
	return nil
}

// stats returns a call that fills the kernel's counts.
func (fx *fixture) stats() (*regs.Context, *layout.Stats[layout.Word]) {
	words := fx.mem.Words(int(unsafe.Sizeof(layout.Stats[layout.Word]{}) / 8))
	return fx.call(0, layout.SysStats, uint64(address(words))), (*layout.Stats[layout.Word])(unsafe.Pointer(unsafe.SliceData(words)))
}

// looksAtFrame reports whether the variant's exits treat a frame that a handler has
// changed as IRETQ does.
func looksAtFrame(fx *fixture) bool { return fx.variant.Info.LooksAtFrame != 0 }

// afterChange returns where a step traps after a call whose handler has set TF.
func afterChange(fx *fixture) stepEnd {
	switch {
	case fx.keeps:
		return stepBefore
	case looksAtFrame(fx):
		return stepAfter
	}
	return stepSomewhere
}

// afterFrame returns where a step traps after a return to a frame that no call has built.
func afterFrame(*fixture) stepEnd { return stepAfter }
