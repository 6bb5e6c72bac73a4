package verify

import (
	"fmt"
	"syscall"

	"github.com/entrylab/entrylab/gen/layout"
	"github.com/entrylab/entrylab/gen/x86"
	"github.com/entrylab/entrylab/guest/lines"
	"github.com/entrylab/entrylab/guest/regs"
)

// bareCheck is the one check of the floor, which answers nothing but the null call.
const bareCheck = "null call"

// Operations of futex(2), private.
const (
	futexWait = 0x80
	futexWake = 0x81
)

// Addresses that a program cannot write to.
const (
	unmapped     = 8
	nonCanonical = 1 << 47
	kernelText   = 0xffff_ffff_8000_0000
)

// none is the answer of a control call's check on Linux.
var none = lines.Skip("Linux has no control interface")

// registerChecks make one call many times, with random registers and with each user
// flag set and clear, and compare the whole state after each call.
var registerChecks = []check{
	{bareCheck, calls(syscall.SYS_GETPPID, nil, func() layout.Word { return layout.Word(syscall.Getppid()) })},
	{"unknown call 600", calls(600, nil, fails(syscall.ENOSYS))},
	{"unknown call -1", calls(^uint64(0), nil, fails(syscall.ENOSYS))},
	{"unknown call 0x7fffffff", calls(0x7fff_ffff, nil, fails(syscall.ENOSYS))},
	{"unknown call 0xffffffff80000000", calls(0xffff_ffff_8000_0000, nil, fails(syscall.ENOSYS))},
	{"unknown call 1024, the first beyond the table", calls(layout.SysCallMax+1, nil, fails(syscall.ENOSYS))},
	{"null call with bits above 31 in its number", checkWideNumber},
	{"null call with x32's bit in its number", withControl(checkX32)},
	{"full-frame call", withControl(calls(layout.SysFullFrame, []uint64{0}, succeeds))},
	{"call that writes user memory", withWords(func(p uint64) func(*fixture) error {
		return calls(syscall.SYS_CLOCK_GETTIME, []uint64{1, p}, succeeds)
	})},
	{"call that faults on an unmapped address", calls(syscall.SYS_CLOCK_GETTIME, []uint64{1, unmapped}, fails(syscall.EFAULT))},
	{"call that faults on a non-canonical address", calls(syscall.SYS_CLOCK_GETTIME, []uint64{1, nonCanonical}, fails(syscall.EFAULT))},
	{"call that faults on a kernel address", calls(syscall.SYS_CLOCK_GETTIME, []uint64{1, kernelText}, fails(syscall.EFAULT))},
	{"SMAP in force in a handler", withControl(checkSMAP)},
	{"sched_yield", calls(syscall.SYS_SCHED_YIELD, nil, succeeds)},
	{"futex that need not wait", withWords(func(p uint64) func(*fixture) error {
		return calls(syscall.SYS_FUTEX, []uint64{p, futexWait, 1, 0}, fails(syscall.EAGAIN))
	})},
	{"futex that times out", withWords(func(p uint64) func(*fixture) error {
		return calls(syscall.SYS_FUTEX, []uint64{p + 32, futexWait, 0, p}, fails(syscall.ETIMEDOUT))
	})},
	{"nanosleep", withWords(func(p uint64) func(*fixture) error {
		return calls(syscall.SYS_NANOSLEEP, []uint64{p, 0}, succeeds)
	})},
	{"control call by software interrupt", withControl(checkInterrupt)},
	{"FS and GS base", checkBases},
}

func succeeds() layout.Word { return 0 }

func fails(e syscall.Errno) func() layout.Word {
	return func() layout.Word { return failure(e) }
}

// withControl skips a check on Linux, which has no control calls.
func withControl(run func(*fixture) error) func(*fixture) error {
	return func(fx *fixture) error {
		if fx.kernel.Linux {
			return none
		}
		return run(fx)
	}
}

// withWords gives a check the address of some words: a timespec of 50 us, then
// zeros.
func withWords(run func(p uint64) func(*fixture) error) func(*fixture) error {
	return func(fx *fixture) error {
		w := fx.mem.Words(8)
		w[1] = 50_000
		return run(uint64(address(w)))(fx)
	}
}

// flagPatterns returns the values of RFLAGS to make a call with: no flag set, each
// flag that a program may set alone, all of them, and some random sets.
func (fx *fixture) flagPatterns() []layout.Word {
	patterns := []layout.Word{flagsIdle, flagsIdle | flagsUser}
	for bit := layout.Word(1); bit <= x86.X86_EFLAGS_ID; bit <<= 1 {
		if bit&flagsUser != 0 {
			patterns = append(patterns, flagsIdle|bit)
		}
	}
	for range 4 {
		patterns = append(patterns, flagsIdle|layout.Word(fx.rng.Uint64())&flagsUser)
	}
	return patterns
}

// calls returns the check that system call nr keeps the whole state and returns the
// given result, with every flag pattern.
func calls(nr uint64, args []uint64, result func() layout.Word) func(*fixture) error {
	return func(fx *fixture) error {
		var contexts []*regs.Context
		for _, flags := range fx.flagPatterns() {
			c := fx.call(0, nr, args...)
			c.In.Flags = flags
			contexts = append(contexts, c)
		}
		fx.run(contexts...)
		for _, c := range contexts {
			want := fx.wantAfter(c, 0, result())
			if fx.variant.Info.Bare != 0 && c.Out.AX < kernelHalf {
				want.AX = c.Out.AX // the floor computes no result
			}
			if err := fx.compare(c, want, 0); err != nil {
				return fmt.Errorf("with flags %s: %w", flagNames(c.In.Flags&^flagsIdle), err)
			}
		}
		return fx.checkStack(0)
	}
}

// checkWideNumber makes null calls with bits above 31 in their numbers, which Linux
// ignores since 5.16 and refuses before: of a kernel all have the same answer.
func checkWideNumber(fx *fixture) error {
	parent, refused := layout.Word(syscall.Getppid()), failure(syscall.ENOSYS)
	answer := refused
	for n, high := range []uint64{1 << 32, 1 << 63, 1<<64 - 1<<32, 1<<63 - 1<<32} {
		c := fx.call(0, high|syscall.SYS_GETPPID)
		c.In.Flags = fx.flags()
		fx.run(c)
		if n == 0 && c.Out.AX == parent {
			answer = parent
		}
		if err := fx.compare(c, fx.wantAfter(c, 0, answer), 0); err != nil {
			return fmt.Errorf("with bits %#x: %w", high, err)
		}
	}
	return nil
}

// checkX32 makes a null call with x32's bit in its number, which only a variant with x32
// answers.
func checkX32(fx *fixture) error {
	answer := fails(syscall.ENOSYS)
	if fx.variant.Info.X32 != 0 {
		answer = func() layout.Word { return layout.Word(syscall.Getppid()) }
	}
	return calls(layout.X32Bit|syscall.SYS_GETPPID, nil, answer)(fx)
}

// checkSMAP makes a handler touch user memory as no handler should, with AC and without.
func checkSMAP(fx *fixture) error {
	if _, b, _, _ := regs.CPUID(7, 0); b>>x86.CPUID_7_EBX_SMAP&1 == 0 {
		return lines.Skip("the CPU has no SMAP")
	}
	return withWords(func(p uint64) func(*fixture) error {
		return calls(layout.SysPeek, []uint64{p}, fails(syscall.EFAULT))
	})(fx)
}

// checkInterrupt makes a call by the software interrupt: IRET must restore RCX and
// R11, too.
func checkInterrupt(fx *fixture) error {
	c := fx.selection(0, fx.variant.Index)
	c.In.Flags = fx.flags()
	fx.run(c)
	want := c.In
	want.AX = 0
	want.IP = c.Insn + regs.InterruptSize
	return fx.compare(c, want, 0)
}

// checkBases reads both segment bases before and after calls of each kind.
func checkBases(fx *fixture) error {
	if fx.noGS != nil {
		return fx.noGS
	}
	numbers := []uint64{syscall.SYS_GETPPID, 600, syscall.SYS_SCHED_YIELD}
	if !fx.kernel.Linux {
		numbers = append(numbers, layout.SysFullFrame)
	}
	var contexts []*regs.Context
	var got [][]layout.Word
	ask := func() {
		for _, op := range []uint64{archGetFS, archGetGS} {
			w := fx.mem.Words(1)
			w[0] = layout.Poison
			got = append(got, w)
			contexts = append(contexts, fx.call(0, syscall.SYS_ARCH_PRCTL, op, uint64(address(w))))
		}
	}
	ask()
	for _, nr := range numbers {
		contexts = append(contexts, fx.call(0, nr, 0))
		ask()
	}
	fx.run(contexts...)
	for _, c := range contexts {
		result := layout.Word(0)
		if c.In.AX == syscall.SYS_GETPPID || c.In.AX == 600 {
			result = c.Out.AX
		}
		want := fx.wantAfter(c, 0, result)
		if err := fx.compare(c, want, 0); err != nil {
			return err
		}
	}
	for n, w := range got {
		if n%2 == 0 && w[0] != got[0][0] {
			return fmt.Errorf("FS base is %v, want %v", w[0], got[0][0])
		}
		if want := address(fx.lanes[0].gs); n%2 == 1 && w[0] != want {
			return fmt.Errorf("GS base is %v, want %v", w[0], want)
		}
	}
	return nil
}
