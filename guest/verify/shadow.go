package verify

import (
	"fmt"
	"syscall"
	"unsafe"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// shadowChecks make calls on a user shadow stack. SSP must be kept, as a RET with another
// faults. They are for variants that need shadow stacks; at all other times no thread has
// one, since Go's have not.
var shadowChecks = []check{
	{"SSP after the null call", shadowed(syscall.SYS_GETPPID)},
	{"SSP after an unknown call", shadowed(600)},
	{"SSP after a full-frame call", shadowed(layout.SysFullFrame, 0)},
	{"SSP after a call by IRET", shadowed(layout.SysSetFrame, uint64(layout.SlotCX), 0)},
	{"SSP after a sleep", withWords(func(p uint64) func(*fixture) error { return shadowed(syscall.SYS_NANOSLEEP, p, 0) })},
	{"SSP after an interrupt", func(fx *fixture) error {
		s, err := fx.shadow(layout.SysInfo, ^uint64(0))
		if err != nil {
			return err
		}
		s.Interrupt = 1
		fx.run(fx.onShadow(0, s))
		return keptSSP(s)
	}},
	{"SSP of two threads that yield", checkShadows},
	{"a return to another address is #CP", checkReturnElsewhere},
}

// shadow returns a Shadow with a shadow stack of its own, which makes call nr.
func (fx *fixture) shadow(nr uint64, args ...uint64) (*regs.Shadow, error) {
	at, errno := mmap(0, syscall.PROT_READ|syscall.PROT_WRITE, 0)
	if errno == 0 {
		bytesAt(at)[0] = 1
		_, _, errno = syscall.RawSyscall(syscall.SYS_MPROTECT, uintptr(at), page, syscall.PROT_READ)
	}
	if errno != 0 {
		return nil, lines.Harness(fmt.Sprintf("a page for a shadow stack: %v", errno))
	}
	fx.shadowStacks = append(fx.shadowStacks, at)
	s := fx.mem.Shadow()
	s.Stack, s.Number, s.Rounds = at+page, layout.Word(nr), rounds
	for i, arg := range args {
		*[]*layout.Word{&s.Arg, &s.Arg2}[i] = layout.Word(arg)
	}
	return s, nil
}

// onShadow returns a context of lane i that runs s.
func (fx *fixture) onShadow(i int, s *regs.Shadow) *regs.Context {
	s.Back = regs.Address(i, regs.Alternate)
	c := fx.call(i, 0)
	c.Insn, c.In.R12 = regs.ShadowCode(), layout.Word(uintptr(unsafe.Pointer(s)))
	return c
}

// keptSSP returns what a Shadow has found wrong.
func keptSSP(s *regs.Shadow) error {
	switch {
	case s.On != 0:
		return lines.Harness(fmt.Sprintf("the kernel gives no shadow stack: %v", syscall.Errno(-s.On)))
	case s.Before != s.Stack:
		return fmt.Errorf("SSP is %v behind the call that sets it to %v", s.Before, s.Stack)
	case s.Rounds != 0:
		return fmt.Errorf("SSP is %v, want %v; %d of %d calls were made", s.After, s.Before-8, rounds-s.Rounds+1, rounds)
	}
	return nil
}

func shadowed(nr uint64, args ...uint64) func(*fixture) error {
	return func(fx *fixture) error {
		s, err := fx.shadow(nr, args...)
		if err != nil {
			return err
		}
		fx.run(fx.onShadow(0, s))
		return keptSSP(s)
	}
}

// checkShadows has two threads yield to each other, each on a shadow stack of its own.
func checkShadows(fx *fixture) error {
	mine, err := fx.shadow(syscall.SYS_SCHED_YIELD)
	if err != nil {
		return err
	}
	others, err := fx.shadow(syscall.SYS_SCHED_YIELD)
	if err != nil {
		return err
	}
	if err := fx.both([]*regs.Context{fx.onShadow(0, mine)}, []*regs.Context{fx.onShadow(1, others)}); err != nil {
		return err
	}
	for i, s := range []*regs.Shadow{mine, others} {
		if err := keptSSP(s); err != nil {
			return fmt.Errorf("thread %d: %w", i, err)
		}
	}
	return nil
}

// checkReturnElsewhere overwrites a return address: a RET that does not find it on the shadow
// stack is #CP, which is SIGSEGV.
func checkReturnElsewhere(fx *fixture) error {
	s, err := fx.shadow(syscall.SYS_GETPPID)
	if err != nil {
		return err
	}
	s.Elsewhere = 1
	fx.run(fx.onShadow(0, s))
	switch traps := regs.Traps(); {
	case s.On != 0 || s.Before != s.Stack:
		return keptSSP(s)
	case len(traps) == 0:
		return fmt.Errorf("the RET goes there")
	case traps[0].Regs[regs.GregTrapNo] != x86.X86_TRAP_CP:
		return fmt.Errorf("the signal is for exception %d, want #CP", uint64(traps[0].Regs[regs.GregTrapNo]))
	}
	return nil
}
