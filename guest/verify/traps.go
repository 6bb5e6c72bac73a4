package verify

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/wire"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// trapChecks single-step over SYSCALL. The CPU clears TF at the entry (SFMASK) and
// the exit must restore it, so that there is one trap right after the call: before
// the next instruction if SYSRET returned, after it if IRET did (SDM volume 3,
// 18.3.1.4). A trap inside the kernel would show as a frame with another CS, a lost
// TF as missing traps.
var trapChecks = []check{
	{"single step over the null call", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF, false)},
	{"single step over an unknown call", step(600, x86.X86_EFLAGS_TF, false)},
	{"single step over a full-frame call", withControl(step(layout.SysFullFrame, x86.X86_EFLAGS_TF, false))},
	{"single step with NT", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF|x86.X86_EFLAGS_NT, false)},
	{"single step with AC", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF|x86.X86_EFLAGS_AC, false)},
	{"single step with DF", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF|x86.X86_EFLAGS_DF, false)},
	{"single step with NT, AC, DF and ID", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF|x86.X86_EFLAGS_NT|x86.X86_EFLAGS_AC|x86.X86_EFLAGS_DF|x86.X86_EFLAGS_ID, false)},
	{"single step where RCX is RIP and R11 is RFLAGS", step(syscall.SYS_GETPPID, x86.X86_EFLAGS_TF, true)},
}

// step single-steps over call nr. With sysretLike, RCX and R11 hold RIP and RFLAGS
// already before the SYSCALL. An exit that takes SYSRET because they match never
// gets past it, since a SYSRET that sets TF traps before the next instruction runs.
func step(nr uint64, flags layout.Word, sysretLike bool) func(*fixture) error {
	return func(fx *fixture) error {
		if inBochs() && !fx.keeps {
			return lines.Skip("Bochs takes the single-step trap in the kernel, although SFMASK clears TF")
		}
		restore, err := catch(syscall.SIGTRAP, regs.Action{When: regs.Address(0, regs.Stored), Clear: x86.X86_EFLAGS_TF})
		if err != nil {
			return err
		}
		defer restore()
		c := fx.call(0, nr, 0)
		c.In.Flags = flagsIdle | flags
		if sysretLike {
			c.In.CX, c.In.R11 = c.Insn, c.In.Flags
		}
		fx.run(c)
		if err := checkSteps(regs.Traps(), c.Insn, fx.afterCall()); err != nil {
			return err
		}
		result := c.Out.AX
		if c.Out.AX >= kernelHalf {
			result = failure(syscall.ENOSYS)
		}
		want := fx.wantAfter(c, 0, result)
		want.Flags &^= x86.X86_EFLAGS_TF // by our own handler, at the end
		return fx.compare(c, want, 0)
	}
}

// inBochs reports whether the kernel's command line says that this is Bochs. Bochs
// 2.7 decides on the trap after a SYSCALL by the TF from before it; a CPU decides
// by the TF that SFMASK leaves (Linux arch/x86/kvm/emulate.c, em_syscall).
func inBochs() bool { return os.Getenv(wire.EngineVariable) == wire.EngineBochs }

// storeSize is the length of the instruction after SYSCALL in package regs, a
// RIP-relative MOV.
const storeSize = 7

// stepEnd is where ring 3 traps that has single-stepped over a SYSCALL.
type stepEnd int

const (
	stepSomewhere stepEnd = iota // either of the two below
	stepBefore                   // before the next instruction, as after SYSRETQ, and with FRED, which takes SYSCALL for one instruction
	stepAfter                    // after it, as after IRETQ
)

// afterCall returns where a step traps after an ordinary call.
func (fx *fixture) afterCall() stepEnd {
	switch {
	case fx.keeps:
		return stepBefore
	case fx.variant.Info.LooksAtFrame == layout.LooksAlways:
		return stepAfter
	}
	return stepSomewhere
}

// checkSteps compares the traps around the SYSCALL at insn with what is expected.
func checkSteps(traps []regs.Trap, insn layout.Word, end stepEnd) error {
	behind := insn + regs.SyscallSize
	before, after := 0, 0
	for _, t := range traps {
		switch {
		case t.Regs[regs.GregCS]&0xffff != x86.USER_CS:
			return fmt.Errorf("trap at %v has CS %v, want %#x", t.Regs[regs.GregIP], t.Regs[regs.GregCS]&0xffff, x86.USER_CS)
		case t.Regs[regs.GregFlags]&x86.X86_EFLAGS_TF == 0:
			return fmt.Errorf("TF was lost before the trap at %v", t.Regs[regs.GregIP])
		}
	}
	for i, t := range traps {
		switch t.Regs[regs.GregIP] {
		case insn:
			before++
			if i+1 == len(traps) {
				return errors.New("no trap after SYSCALL: TF was lost in the call")
			}
			next := traps[i+1].Regs[regs.GregIP]
			switch {
			case next == behind && end == stepAfter:
				return fmt.Errorf("the trap after SYSCALL is at %v, want %v, as after IRET", next, behind+storeSize)
			case next == behind+storeSize && end == stepBefore:
				return fmt.Errorf("the trap after SYSCALL is at %v, want %v, as with FRED", next, behind)
			}
			if next != behind && next != behind+storeSize && next != insn {
				return fmt.Errorf("the trap after SYSCALL is at %v, want %v or, after IRET, %v", next, behind, behind+storeSize)
			}
		case behind:
			after++
		}
	}
	if before != 1 || after > 1 {
		return fmt.Errorf("%d traps at SYSCALL and %d after it, want one and at most one", before, after)
	}
	return nil
}
